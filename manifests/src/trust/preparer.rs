//! The preparer's signature of an archive: by whom, for which channel, and when.

use super::{Role, Signer, Trust, TrustError};
use crate::digest::Digest;
use crate::inventory::Inventory;
use crate::slot::ArchiveSignature;
use crate::timestamp::Timestamp;

/// How far a signer's clock may be ahead of ours, in seconds.
pub(super) const CLOCK_SKEW: i64 = 5 * 60;

/// Why an archive does not count as prepared by somebody who may.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PreparerError {
    /// Signed in another role.
    #[error("found it signed as {0}, wanted {preparer}", preparer = Role::Preparer)]
    Role(Role),
    /// When it was signed cannot be right.
    #[error(transparent)]
    Time(#[from] SigningTimeError),
    /// By nobody who may.
    #[error(transparent)]
    Trust(#[from] TrustError),
}

/// Why the time of a signature, which is the signer's own word, cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SigningTimeError {
    /// Older than what it signs.
    #[error("found it signed at {signed_at}, wanted {created} or later, when it was created")]
    BeforeCreation {
        /// When it was signed.
        signed_at: Timestamp,
        /// When the inventory was made.
        created: Timestamp,
    },
    /// From the future.
    #[error("found it signed at {signed_at}, wanted {latest} at the latest: one of the two clocks is wrong")]
    Future {
        /// When it was signed.
        signed_at: Timestamp,
        /// Now, and what clocks may differ by.
        latest: Timestamp,
    },
}

/// Whether a signature is neither older than what it signs nor from the future.
///
/// # Errors
/// When it is.
pub fn check_signing_time(
    inventory: &Inventory,
    signature: &ArchiveSignature,
    now: Timestamp,
) -> Result<(), SigningTimeError> {
    let (created, signed_at) = (inventory.created, signature.signed_at);
    let latest = now.plus_seconds(CLOCK_SKEW).unwrap_or(now);
    if signed_at < created {
        return Err(SigningTimeError::BeforeCreation { signed_at, created });
    }
    if signed_at > latest {
        return Err(SigningTimeError::Future { signed_at, latest });
    }
    Ok(())
}

impl Trust {
    /// Who prepared an archive, given its signature, which was verified with the key `key`.
    ///
    /// # Errors
    /// Every reason why it does not count: another role, a time that cannot be right, nobody who may prepare the
    /// channel, a trust file past its date.
    pub fn preparer(
        &self,
        inventory: &Inventory,
        signature: &ArchiveSignature,
        key: Digest,
        now: Timestamp,
    ) -> Result<Signer, Vec<PreparerError>> {
        let ArchiveSignature { role, signed_at, .. } = *signature;
        if role != Role::Preparer {
            return Err(vec![PreparerError::Role(role)]);
        }
        let mut reasons: Vec<PreparerError> = Vec::new();
        reasons.extend(check_signing_time(inventory, signature, now).map_err(PreparerError::from).err());
        reasons.extend(self.check_current(now).map_err(PreparerError::from).err());
        match self.signer(key, role, &inventory.name, signed_at) {
            Ok(signer) if reasons.is_empty() => return Ok(signer),
            signer => reasons.extend(signer.map_err(PreparerError::from).err()),
        }
        Err(reasons)
    }
}
