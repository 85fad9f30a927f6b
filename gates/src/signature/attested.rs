//! Attestations of one type by those whom the rule about an item asks for.

use std::collections::BTreeSet;

use manifests::Digest;
use manifests::policy::{PlatformRule, Signatures};
use sigstore_verify::types::SignatureContent;

use super::candidate::candidates;
use super::digests;
use super::reason::Reason;
use super::roots::Roots;
use super::signer::verify;
use super::statement::Purpose;
use crate::Subject;

/// The payload of an attestation whose signature is good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attested {
    /// What it is about.
    pub about: Digest,
    /// The statement's bytes.
    pub payload: Vec<u8>,
    /// Who signed it.
    pub by: String,
}

/// Every attestation of this predicate type about an item or a part of it, signed by whom the item's rule asks for
/// attestations of that type. What is signed by others, or badly, is left out: it proves nothing.
///
/// # Errors
/// When there is more than is judged, or a manifest cannot be read: what nobody looks at must not be hidden so.
pub fn attested(
    subject: Subject<'_>,
    rules: &Signatures,
    roots: &Roots,
    predicate_type: &str,
) -> Result<Vec<Attested>, Reason> {
    let Some((_, rule)) = rules.rule_for(&subject.item.name, subject.item.kind) else {
        return Ok(Vec::new());
    };
    let asked = rule.attestations.iter().filter(|asked| asked.predicate_type == predicate_type);
    let signers: Vec<_> = asked.map(|asked| &asked.signer).collect();
    if signers.is_empty() {
        return Ok(Vec::new());
    }
    let mut digests: BTreeSet<Digest> = digests::asked(subject, PlatformRule::Each)?.into_iter().collect();
    digests.insert(subject.item.published.digest);
    let purpose = Purpose::Attestation(predicate_type.to_owned());
    let mut found = Vec::new();
    for about in digests {
        for candidate in candidates(subject, about)? {
            let signed =
                signers.iter().find_map(|signer| verify(&candidate, &purpose, about, signer, roots).ok());
            let payload = candidate.material().ok().and_then(|material| match &material.bundle.content {
                SignatureContent::DsseEnvelope(envelope) => Some(envelope.payload.as_bytes().to_vec()),
                _ => None,
            });
            if let (Some(signed), Some(payload)) = (signed, payload) {
                found.push(Attested { about, payload, by: signed.by.to_string() });
            }
        }
    }
    Ok(found)
}
