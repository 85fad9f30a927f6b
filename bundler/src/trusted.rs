//! Whom `inspect` and `verify` believe: a trust file, or the preparer's public key in its place.

use std::path::Path;

use console::{Class, Failure, Failures, input};
use manifests::Timestamp;
use manifests::inventory::Inventory;
use manifests::slot::ArchiveSignature;
use manifests::trust::{Signer, Trust};

use crate::cli::TrustArguments;

/// Reads what the arguments name; nothing, when they name nothing.
///
/// # Errors
/// When it is neither a trust file nor a public key.
pub(crate) fn read(arguments: &TrustArguments) -> Result<Option<Trust>, Failure> {
    let Some(path) = arguments.trust.as_deref().or(arguments.key.as_deref()) else { return Ok(None) };
    input::trust(path).map(Some)
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
) -> Result<Signer, Failures> {
    let refused = |reason| Failure::new(Class::Refused, archive.display(), reason);
    match trust.preparer(inventory, signature, key, now) {
        Ok(signer) => Ok(signer),
        Err(reasons) => Err(Failures::of(reasons.into_iter().map(refused).collect())),
    }
}
