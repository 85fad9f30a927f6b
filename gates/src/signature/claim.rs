//! What a candidate says of itself: for drafting a policy and for asking whether something was signed at all, never
//! for accepting it.

use manifests::Digest;
use sigstore_verify::crypto::parse_certificate_info;

use super::candidate::{Candidate, Layout, candidates};
use super::reason::Reason;
use super::statement::{self, Purpose};
use crate::Subject;

/// What a candidate says of itself. Nothing of it was verified: anybody can write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// Who signed.
    pub by: ClaimedBy,
    /// What for.
    pub purpose: Purpose,
    /// Whether it brings an entry of a transparency log.
    pub is_logged: bool,
}

/// Who signed, by a candidate's own word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClaimedBy {
    /// The identity that its certificate names.
    Identity {
        /// The identity.
        identity: String,
        /// Who vouched for it.
        issuer: String,
    },
    /// A key, which a signature does not name.
    Key,
    /// A key of OpenPGP, by the fingerprint or id that the signature gives; nothing where it gives none.
    OpenPgp(Option<String>),
}

/// Whether some evidence says that it is a signature of `digest`. Nothing of it was verified. Where there is more
/// evidence than is judged, something may.
#[must_use]
pub fn claims_signed(subject: Subject<'_>, digest: Digest) -> bool {
    let is_signature = |candidate: &Candidate| {
        claimed(candidate, digest).is_ok_and(|claim| claim.purpose == Purpose::Signature)
    };
    candidates(subject, digest).map_or(true, |found| found.iter().any(is_signature))
}

/// What a candidate says of itself, where it is about `digest`.
///
/// # Errors
/// When it cannot be read, is about something else, or its certificate names no identity.
pub fn claimed(candidate: &Candidate, digest: Digest) -> Result<Claim, Reason> {
    if candidate.layout() == Layout::Provenance {
        let by = ClaimedBy::OpenPgp(candidate.provenance()?.claimed()?);
        return Ok(Claim { by, purpose: Purpose::Signature, is_logged: false });
    }
    let material = candidate.material()?;
    let purpose = statement::purpose(material)?;
    statement::check(material, &purpose, digest)?;
    let by = match material.bundle.signing_certificate() {
        None => ClaimedBy::Key,
        Some(certificate) => {
            let malformed = |error: String| Reason::malformed("a certificate", error);
            let read = parse_certificate_info(certificate).map_err(|error| malformed(error.to_string()))?;
            let (Some(identity), Some(issuer)) = (read.identity, read.issuer) else {
                return Err(malformed("found no identity or no issuer in it".to_owned()));
            };
            ClaimedBy::Identity { identity: identity.as_str().to_owned(), issuer }
        }
    };
    Ok(Claim { by, purpose, is_logged: !material.bundle.verification_material.tlog_entries.is_empty() })
}
