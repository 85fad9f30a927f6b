//! Whom `inspect` and `verify` believe: a trust file, or the preparer's public key in its place.

use std::path::Path;

use console::{Class, Failure};
use manifests::Timestamp;
use manifests::inventory::Inventory;
use manifests::slot::ArchiveSignature;
use manifests::trust::{Role, Signer, Trust};

use crate::cli::TrustArguments;
use crate::input;

/// How far a signer's clock may be ahead of ours, in seconds.
const CLOCK_SKEW: i64 = 5 * 60;

/// Reads what the arguments name; nothing, when they name nothing.
///
/// # Errors
/// When it is neither a trust file nor a public key.
pub(crate) fn read(arguments: &TrustArguments) -> Result<Option<Trust>, Failure> {
    let Some(path) = arguments.trust.as_deref().or(arguments.key.as_deref()) else { return Ok(None) };
    let text = input::document(path)?;
    Trust::parse(&text).map(Some).map_err(|error| Failure::new(Class::Usage, path.display(), error))
}

/// Holds the preparer's signature, which was verified, to the trust file. Approvals are the importer's
/// matter.
///
/// # Errors
/// When who signed may not prepare this archive, or the time of the signature cannot be right.
pub(crate) fn check(
    archive: &Path,
    trust: &Trust,
    inventory: &Inventory,
    signature: &ArchiveSignature,
    key: manifests::Digest,
    now: Timestamp,
) -> Result<Signer, Failure> {
    let refused = |message: String| Failure::new(Class::Refused, archive.display(), message);
    let ArchiveSignature { role, signed_at, .. } = *signature;
    if role != Role::Preparer {
        return Err(refused(format!("found a signature as {role}, wanted one as {}", Role::Preparer)));
    }
    let latest = now.plus_seconds(CLOCK_SKEW).unwrap_or(now);
    if signed_at < inventory.created || signed_at > latest {
        let created = inventory.created;
        return Err(refused(format!(
            "found it signed at {signed_at}, wanted a time from {created} to {latest}"
        )));
    }
    trust.check_current(now).map_err(|reason| refused(reason.to_string()))?;
    trust.signer(key, role, &inventory.name, signed_at).map_err(|error| refused(error.to_string()))
}
