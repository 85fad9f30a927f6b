//! The signature's place at the start of an archive, and what a signature says about an archive.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::dsse::{self, Envelope, EnvelopeError, Predicate, Statement};
use crate::key::{KeyError, PrivateKey};
use crate::limits::SLOT_BYTES;
use crate::timestamp::Timestamp;
use crate::trust::Role;

/// The name that the statement gives to the inventory, which is also its path in the archive.
pub const SUBJECT: &str = "airgap/inventory.json";

const SLOT: usize = SLOT_BYTES as usize;

/// What the preparer or an approver says about an archive. It says nothing that the inventory says, but
/// for its size, so that two signatures cannot disagree about what the archive is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveSignature {
    /// The change number that an approver gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// The size of `airgap/inventory.json` in bytes, so that a reader knows how much to read.
    pub inventory_size: u64,
    /// The policy that an approver judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_digest: Option<Digest>,
    /// The role that the signer signs in.
    pub role: Role,
    /// When it was signed, by the signer's own clock.
    pub signed_at: Timestamp,
    /// The trust file that an approver judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_digest: Option<Digest>,
    /// An approver's verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
}

/// An approver's verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// May be loaded.
    Approved,
    /// May not be loaded.
    Rejected,
}

impl Predicate for ArchiveSignature {
    const TYPE: &'static str = "https://airgap.openova.io/archive/v1";
}

impl ArchiveSignature {
    /// Holds what is said to the role in which it is said: a verdict, and what it was reached by, is an approver's. A
    /// preparer's would read as an approval where only the verdict is looked at.
    ///
    /// # Errors
    /// When somebody else says what only an approver may say.
    pub fn check(&self) -> Result<(), EnvelopeError> {
        let Self { change, policy_digest, role, trust_digest, verdict, .. } = self;
        let said = [
            ("change", change.is_some()),
            ("policyDigest", policy_digest.is_some()),
            ("trustDigest", trust_digest.is_some()),
            ("verdict", verdict.is_some()),
        ];
        match said.into_iter().find(|(_, is_said)| *is_said && !role.approves()) {
            Some((key, _)) => Err(EnvelopeError::Approver(key)),
            None => Ok(()),
        }
    }
}

/// Signs an inventory and returns the slot's bytes.
///
/// # Errors
/// When the key does not sign.
pub fn seal(identity: Digest, signature: ArchiveSignature, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let statement = Statement { name: SUBJECT.to_owned(), subject: identity, predicate: signature };
    let mut slot = dsse::sign(statement, key)?;
    // A bundle of ours has at most some 1,500 bytes, so the slot only ever grows here.
    slot.resize(slot.len().max(SLOT), b' ');
    Ok(slot)
}

/// Reads a slot: one canonical bundle, then spaces to the end.
///
/// # Errors
/// When it is anything else.
pub fn open(slot: &[u8]) -> Result<Envelope, EnvelopeError> {
    let end = slot.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
    match slot.get(..end) {
        Some(bundle) if slot.len() == SLOT => Envelope::parse(bundle),
        _ => Err(EnvelopeError::Form),
    }
}

/// The slot of an archive that nobody has signed yet; [`open`] refuses it.
#[must_use]
pub fn empty() -> Vec<u8> {
    vec![b' '; SLOT]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn by(role: Role) -> ArchiveSignature {
        ArchiveSignature {
            change: None,
            inventory_size: 7,
            policy_digest: None,
            role,
            signed_at: "2026-11-23T21:30:00Z".parse().unwrap(),
            trust_digest: None,
            verdict: None,
        }
    }

    #[test]
    fn only_an_approver_says_what_an_approver_says() {
        let roles = [
            (Role::Preparer, false),
            (Role::Recovery, false),
            (Role::SecurityOfficer, true),
            (Role::SovereignAdmin, true),
        ];
        for (role, approves) in roles {
            let digest = Some(Digest::of(b"x"));
            assert_eq!(by(role).check(), Ok(()), "{role}");
            for (said, key) in [
                (ArchiveSignature { change: Some("CHG-1".to_owned()), ..by(role) }, "change"),
                (ArchiveSignature { policy_digest: digest, ..by(role) }, "policyDigest"),
                (ArchiveSignature { trust_digest: digest, ..by(role) }, "trustDigest"),
                (ArchiveSignature { verdict: Some(Verdict::Rejected), ..by(role) }, "verdict"),
            ] {
                let wanted = if approves { Ok(()) } else { Err(EnvelopeError::Approver(key)) };
                assert_eq!(said.check(), wanted, "{key} by {role}");
            }
        }
    }

    #[test]
    fn a_slot_holds_one_bundle_and_spaces() {
        let key = PrivateKey::generate().unwrap();
        let signature = by(Role::Preparer);
        let slot = seal(Digest::of(b"x"), signature.clone(), &key).unwrap();
        let statement = open(&slot).unwrap().verify::<ArchiveSignature>(&key.public().unwrap()).unwrap();
        assert_eq!(
            statement,
            Statement { name: SUBJECT.into(), subject: Digest::of(b"x"), predicate: signature }
        );

        assert_eq!(empty(), vec![b' '; 16_384], "the archive's members after it have their places");
        let padded = |tail: &[u8]| {
            let mut slot = slot.clone();
            let start = slot.len() - tail.len();
            slot[start..].copy_from_slice(tail);
            slot
        };
        for (changed, why) in [
            (padded(b"\n"), "a newline as padding"),
            (padded(b"\0"), "a NUL as padding"),
            (padded(b"{}"), "a second document"),
            ([b" ", &slot[..SLOT - 1]].concat(), "a leading space"),
            (slot[..SLOT - 1].to_vec(), "a short slot"),
            (empty(), "nothing but spaces"),
        ] {
            assert_eq!(open(&changed), Err(EnvelopeError::Form), "{why}");
        }
    }
}
