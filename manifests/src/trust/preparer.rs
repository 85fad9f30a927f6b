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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{PrivateKey, PublicKey};

    const CREATED: &str = "2026-11-23T21:30:00Z";

    fn inventory(channel: &str) -> Inventory {
        Inventory {
            annex_of: None,
            annotations: Default::default(),
            api_version: crate::API_VERSION.to_owned(),
            audience: vec![],
            base: None,
            content: vec![],
            created: CREATED.parse().unwrap(),
            generator: "test".to_owned(),
            import_before: None,
            items: vec![],
            kind: "Inventory".to_owned(),
            metadata: vec![],
            name: channel.parse().unwrap(),
            serial: 20_261_123_213_000,
        }
    }

    fn signature(role: Role, signed_at: &str) -> ArchiveSignature {
        ArchiveSignature {
            change: None,
            inventory_size: 7,
            policy_digest: None,
            role,
            signed_at: signed_at.parse().unwrap(),
            trust_digest: None,
            verdict: None,
        }
    }

    fn trust(key: &PublicKey) -> Trust {
        let pem = serde_json::to_string(&key.to_pem().unwrap()).unwrap();
        let holder = |role: &str| {
            format!(
                "{role}: {{threshold: 1, people: [{{name: build-1, keys: [{{pem: {pem}, until: 2026-11-24}}], channels: [core]}}]}}"
            )
        };
        let roles = ["preparer", "security-officer"].map(holder).join(", ");
        let text = format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 1, expires: 2027-11-01, roles: {{{roles}}}}}\n"
        );
        Trust::parse(&text).unwrap()
    }

    #[test]
    fn an_archive_is_signed_after_it_was_created_and_before_five_minutes_from_now() {
        let now: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
        for (signed_at, is_good) in [
            (CREATED, true),
            ("2026-11-23T21:29:59Z", false),
            ("2026-11-24T08:00:00Z", true),
            ("2026-11-24T08:05:00Z", true),
            ("2026-11-24T08:05:01Z", false),
        ] {
            let signature = signature(Role::Preparer, signed_at);
            let checked = check_signing_time(&inventory("core"), &signature, now);
            assert_eq!(checked.is_ok(), is_good, "{signed_at}: {checked:?}");
        }
    }

    #[test]
    fn who_prepared_is_known_by_role_channel_key_and_time_together() {
        let key = PrivateKey::generate().unwrap().public().unwrap();
        let trust = trust(&key);
        let now = "2026-11-24T08:00:00Z";
        let good = (Role::Preparer, "core", key.id(), CREATED, now);
        for ((role, channel, id, signed_at, at), reasons, why) in [
            (good, 0, "as it should be, though the key ended since"),
            ((good.0, good.1, good.2, "2026-11-24T00:00:00Z", now), 1, "when the key had ended"),
            ((Role::SecurityOfficer, good.1, good.2, good.3, good.4), 1, "signed in another role"),
            ((good.0, "edge", good.2, good.3, good.4), 1, "another channel"),
            ((good.0, good.1, Digest::of(b"?"), good.3, good.4), 1, "an unknown key"),
            ((good.0, good.1, good.2, "2026-11-23T21:29:59Z", now), 1, "before it was created"),
            ((good.0, good.1, good.2, CREATED, "2027-11-01T00:00:00Z"), 1, "the file has ended"),
            ((good.0, "edge", good.2, "2026-11-23T21:29:59Z", now), 2, "every reason is told"),
        ] {
            let found =
                trust.preparer(&inventory(channel), &signature(role, signed_at), id, at.parse().unwrap());
            let count = found.as_ref().map_or_else(Vec::len, |_| 0);
            assert_eq!(count, reasons, "{why}: {found:?}");
            assert_eq!(found.is_ok(), reasons == 0, "{why}: {found:?}");
        }
    }
}
