//! How one trust file follows another: by the people of both.
//!
//! Version N+1 is signed under the thresholds of N, so that nobody makes himself trusted, and under those of N+1, so
//! that nobody is left who cannot act. Who approves imports decides: every role but the preparers'. Where keys were
//! lost or stolen, the threshold of the role `recovery` of N stands in for all others of N.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::preparer::CLOCK_SKEW;
use super::{Role, Signer, Trust, TrustError};
use crate::digest::Digest;
use crate::dsse::Predicate;
use crate::name::ChannelName;
use crate::timestamp::Timestamp;

/// What a person says about a trust file: that it shall be in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrustSignature {
    /// When it was signed, by the signer's own clock.
    pub signed_at: Timestamp,
    /// The version of the file.
    pub version: u64,
}

impl Predicate for TrustSignature {
    const TYPE: &'static str = "https://airgap.openova.io/trust/v1";
}

/// What a person says about a policy: that it shall be in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicySignature {
    /// When it was signed, by the signer's own clock.
    pub signed_at: Timestamp,
    /// The version of the policy.
    pub version: u64,
}

impl Predicate for PolicySignature {
    const TYPE: &'static str = "https://airgap.openova.io/policy/v1";
}

/// A signature about a trust file or a policy that was verified with the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedChange {
    /// The key.
    pub key: Digest,
    /// When it was signed, by the signer's own clock.
    pub signed_at: Timestamp,
    /// The version of what was signed.
    pub version: u64,
}

/// Why a trust file does not follow another.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// Not the next version: one was skipped, or it is an older one.
    #[error("found version {found}, wanted {wanted}, the one after the one in force")]
    Version {
        /// The version of the new file.
        found: u64,
        /// The next one.
        wanted: u64,
    },
    /// A policy that is no newer than the one in force.
    #[error("found version {found} of the policy, wanted one after {current}, which is in force")]
    OlderPolicy {
        /// The version of the new policy.
        found: u64,
        /// That of the one in force.
        current: u64,
    },
    /// Too few people of the file in force.
    #[error("by the trust in force: {0}")]
    Current(TrustError),
    /// Too few people of the new file, or it is past its date.
    #[error("by the new trust file: {0}")]
    Next(TrustError),
}

impl Trust {
    /// Whether `next` may take this file's place, by signatures that were verified. `since` is when this file came
    /// into force: a signature counts that says a time from then to `now`, by a key that has not ended yet, since the
    /// time is the signer's own word. All reasons are returned; where there are none, who decided under this file: those in
    /// the role `recovery` alone where it had to stand in for others.
    ///
    /// # Errors
    /// Every reason against it.
    pub fn followed_by(
        &self,
        next: &Self,
        signed: &[SignedChange],
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Vec<Signer>, Vec<ChangeError>> {
        let mut reasons = Vec::new();
        let wanted = self.version.saturating_add(1);
        if next.version != wanted {
            reasons.push(ChangeError::Version { found: next.version, wanted });
        }
        // A file that has ended is replaced by this very way, so its own date does not count.
        reasons.extend(next.check_current(now).err().map(ChangeError::Next));
        let signed = in_time(signed, next.version, since, now);
        let mut signers = self.deciders(&signed, now);
        let unmet: Vec<TrustError> = self.deciding().filter_map(|role| self.unmet(role, &signers)).collect();
        let can_recover =
            self.roles.contains_key(&Role::Recovery) && self.unmet(Role::Recovery, &signers).is_none();
        let by_recovery = !unmet.is_empty() && can_recover;
        let decides = |role: Role| {
            if by_recovery { role == Role::Recovery } else { self.deciding().any(|own| own == role) }
        };
        signers.retain(|signer| decides(signer.role));
        if !by_recovery {
            reasons.extend(unmet.into_iter().map(ChangeError::Current));
        }
        let followers = next.deciders(&signed, now);
        let unmet = next.deciding().filter_map(|role| next.unmet(role, &followers));
        reasons.extend(unmet.map(ChangeError::Next));
        if reasons.is_empty() { Ok(signers) } else { Err(reasons) }
    }

    /// Whether a policy of this version may take the place of one of `current`, by signatures that were verified: the
    /// thresholds of everybody who approves, as for a trust file. `since` is when this trust file came into force.
    ///
    /// # Errors
    /// Every reason against it.
    pub fn allows_policy(
        &self,
        current: u64,
        version: u64,
        signed: &[SignedChange],
        (since, now): (Timestamp, Timestamp),
    ) -> Result<Vec<Signer>, Vec<ChangeError>> {
        let mut reasons = Vec::new();
        // Whoever waits until a trust file has ended must renew it first: that is what its end is for.
        reasons.extend(self.check_current(now).err().map(ChangeError::Current));
        if version <= current {
            reasons.push(ChangeError::OlderPolicy { found: version, current });
        }
        let mut signers = self.deciders(&in_time(signed, version, since, now), now);
        signers.retain(|signer| self.deciding().any(|role| role == signer.role));
        let unmet = self.deciding().filter_map(|role| self.unmet(role, &signers));
        reasons.extend(unmet.map(ChangeError::Current));
        if reasons.is_empty() { Ok(signers) } else { Err(reasons) }
    }

    /// The roles that decide about changes: who approves imports; where nobody does, who prepares.
    fn deciding(&self) -> impl Iterator<Item = Role> {
        let approving: Vec<Role> = self.roles.keys().copied().filter(|role| role.approves()).collect();
        let alone = approving.is_empty().then_some(Role::Preparer);
        approving.into_iter().chain(alone)
    }

    /// Everybody of this file who signed, in every role that they have.
    fn deciders(&self, signed: &[&SignedChange], now: Timestamp) -> Vec<Signer> {
        let mut signers = Vec::new();
        for SignedChange { key, .. } in signed {
            for (role, holders) in &self.roles {
                for person in &holders.people {
                    let signs = person.keys.iter().any(|own| own.signs(*key, now).is_ok());
                    if signs {
                        signers.push(Signer { person: person.name.clone(), role: *role, key: *key });
                    }
                }
            }
        }
        signers
    }

    fn unmet(&self, role: Role, signers: &[Signer]) -> Option<TrustError> {
        let people: BTreeSet<&ChannelName> =
            signers.iter().filter(|signer| signer.role == role).map(|signer| &signer.person).collect();
        let wanted = self.roles.get(&role).map_or(0, |holders| holders.threshold);
        let found = people.len();
        (found < wanted).then_some(TrustError::Threshold { role, found, wanted })
    }
}

/// The signatures about this version that say a time at which they may have been made.
fn in_time(signed: &[SignedChange], version: u64, since: Timestamp, now: Timestamp) -> Vec<&SignedChange> {
    let latest = now.plus_seconds(CLOCK_SKEW).unwrap_or(now);
    let counts =
        |change: &&SignedChange| change.version == version && (since..=latest).contains(&change.signed_at);
    signed.iter().filter(counts).collect()
}
