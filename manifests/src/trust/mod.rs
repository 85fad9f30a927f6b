//! Who may prepare, approve and administer: people, their keys, their roles and the thresholds.

mod change;
mod document;
mod preparer;
mod role;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

pub use change::{ChangeError, PolicySignature, SignedChange, TrustSignature};
pub(crate) use document::date;
use document::{Spec, every_channel, read_holders};
pub use preparer::{PreparerError, SigningTimeError, check_signing_time};
pub use role::{Role, RoleError};

use crate::digest::Digest;
use crate::key::PublicKey;
use crate::name::ChannelName;
use crate::timestamp::Timestamp;
use crate::yaml::{self, YamlError};

/// A trust file that was read and found consistent.
#[derive(Debug, Clone)]
pub struct Trust {
    version: u64,
    expires: Option<Timestamp>,
    roles: BTreeMap<Role, Holders>,
    digest: Digest,
}

#[derive(Debug, Clone)]
struct Holders {
    threshold: usize,
    people: Vec<Person>,
}

#[derive(Debug, Clone)]
struct Person {
    name: ChannelName,
    keys: Vec<PersonKey>,
    channels: Vec<String>,
}

/// A key of a person.
#[derive(Debug, Clone)]
struct PersonKey {
    key: PublicKey,
    /// From when on it signs no more.
    until: Option<Timestamp>,
    /// When it was found to be in other hands. Whoever has it can state any time, so nothing that it signed counts.
    revoked: Option<Timestamp>,
}

/// A key as the trust file lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Holding<'a> {
    /// In which role.
    pub role: Role,
    /// Whose.
    pub person: &'a ChannelName,
    /// Which.
    pub key: Digest,
    /// From when on it signs no more; none: for as long as the file counts.
    pub until: Option<Timestamp>,
    /// When it was found to be in other hands.
    pub revoked: Option<Timestamp>,
    /// The channels that its owner may sign for; `*` is any.
    pub channels: &'a [String],
}

/// Why a key does not sign.
enum NoSignature {
    OtherKey,
    Ended(Timestamp),
    Revoked(Timestamp),
}

impl PersonKey {
    /// Whether it is `key`, and signed at a time at which it may.
    fn signs(&self, key: Digest, signed_at: Timestamp) -> Result<(), NoSignature> {
        if self.key.id() != key {
            return Err(NoSignature::OtherKey);
        }
        if let Some(revoked) = self.revoked {
            return Err(NoSignature::Revoked(revoked));
        }
        match self.until.filter(|until| signed_at >= *until) {
            Some(until) => Err(NoSignature::Ended(until)),
            None => Ok(()),
        }
    }
}

/// A signature that was verified with a key of this trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Who.
    pub person: ChannelName,
    /// In which role.
    pub role: Role,
    /// With which key.
    pub key: Digest,
}

/// How many different people signed in a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Those who count.
    pub found: usize,
    /// Those who have to.
    pub wanted: usize,
}

impl Count {
    /// How many more have to sign.
    #[must_use]
    pub const fn missing(self) -> usize {
        self.wanted.saturating_sub(self.found)
    }
}

/// Why trust is withheld.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// Nobody has that key in that role.
    #[error("found a signature by the key {key}, which no {role} in the trust file has")]
    UnknownKey {
        /// The signing key.
        key: Digest,
        /// The role that was signed in.
        role: Role,
    },
    /// The key was not valid any more when it signed.
    #[error("found a signature of {person} from {signed_at}, wanted one before {until}, when that key ended")]
    KeyEnded {
        /// Whose key.
        person: ChannelName,
        /// When it signed, by its own word.
        signed_at: Timestamp,
        /// The end of the key.
        until: Timestamp,
    },
    /// The key was revoked.
    #[error(
        "found a signature by a key of {person} that was revoked at {revoked}, whenever it says that it was made"
    )]
    KeyRevoked {
        /// Whose key.
        person: ChannelName,
        /// When it was revoked.
        revoked: Timestamp,
    },
    /// The person may not sign for that channel.
    #[error("found a signature of {person}, who may not sign the channel {channel} as {role}")]
    Channel {
        /// Who signed.
        person: ChannelName,
        /// For which channel.
        channel: ChannelName,
        /// In which role.
        role: Role,
    },
    /// Fewer people than the threshold.
    #[error("found {found} of {wanted} signatures by different people as {role}")]
    Threshold {
        /// The role.
        role: Role,
        /// Distinct people, distinct in name and key.
        found: usize,
        /// The threshold.
        wanted: usize,
    },
    /// Who prepared cannot approve.
    #[error("found {person} as preparer and as {role}, wanted two different people")]
    SamePerson {
        /// Who.
        person: ChannelName,
        /// The second role.
        role: Role,
    },
    /// The trust file is past its date.
    #[error("the trust file ended at {0}: put a newer one in place")]
    Expired(Timestamp),
}

impl Trust {
    /// Reads a trust file, or a PEM public key in its place: one preparer with this key, and nobody else.
    ///
    /// # Errors
    /// When it is neither, or not consistent: a threshold that nobody can meet, one key with two people.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let digest = Digest::of(text.as_bytes());
        if text.trim_start().starts_with("-----BEGIN ") {
            return Self::of_one_key(text, digest);
        }
        let spec: Spec = yaml::parse(text, "Trust")?;
        let mut roles = BTreeMap::new();
        for (name, holders) in spec.roles {
            let role: Role = name.parse().map_err(|error: RoleError| YamlError::Rule(error.to_string()))?;
            roles.insert(role, read_holders(role, holders)?);
        }
        let trust = Self { version: spec.version, expires: Some(date(&spec.expires)?), roles, digest };
        trust.check()?;
        Ok(trust)
    }

    fn of_one_key(pem: &str, digest: Digest) -> Result<Self, YamlError> {
        let key = PublicKey::from_pem(pem).map_err(|error| YamlError::Rule(error.to_string()))?;
        let name = "preparer".parse().map_err(|_| YamlError::Rule("no name".to_owned()))?;
        let person = Person {
            name,
            keys: vec![PersonKey { key, until: None, revoked: None }],
            channels: every_channel(),
        };
        let holders = Holders { threshold: 1, people: vec![person] };
        Ok(Self { version: 0, expires: None, roles: BTreeMap::from([(Role::Preparer, holders)]), digest })
    }

    fn check(&self) -> Result<(), YamlError> {
        if self.version == 0 {
            return Err(YamlError::Rule("found version 0, wanted 1 or more".to_owned()));
        }
        if !self.roles.contains_key(&Role::Preparer) {
            return Err(YamlError::Rule("found no preparer, wanted at least one".to_owned()));
        }
        self.check_revocations()?;
        // Whose key it is must have one answer: a key with two people would count as two.
        let mut owners: HashMap<Digest, &ChannelName> = HashMap::new();
        for person in self.roles.values().flat_map(|holders| &holders.people) {
            for own in &person.keys {
                let id = own.key.id();
                let owner = owners.entry(id).or_insert(&person.name);
                if *owner != &person.name {
                    let message = format!("found the key {id} with {owner} and with {}", person.name);
                    return Err(YamlError::Rule(message));
                }
            }
        }
        Ok(())
    }

    /// A key is listed once for a person in a role, and is revoked everywhere or nowhere: otherwise a stolen key would
    /// go on to count where nobody looked.
    fn check_revocations(&self) -> Result<(), YamlError> {
        let mut revoked: HashMap<Digest, bool> = HashMap::new();
        for person in self.roles.values().flat_map(|holders| &holders.people) {
            let mut seen = BTreeSet::new();
            for own in &person.keys {
                let (id, is_revoked) = (own.key.id(), own.revoked.is_some());
                if !seen.insert(id) {
                    return Err(YamlError::Rule(format!("found the key {id} of {} twice", person.name)));
                }
                if *revoked.entry(id).or_insert(is_revoked) != is_revoked {
                    let message = "revoked in one role and not in another, wanted it revoked in all";
                    return Err(YamlError::Rule(format!("found the key {id} of {} {message}", person.name)));
                }
            }
        }
        Ok(())
    }

    /// The version of the file; 0 for a bare key.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The digest of the file's bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The roles that have no spare person who can sign now: one holiday, and nothing can be imported.
    pub fn without_spare(&self, now: Timestamp) -> impl Iterator<Item = Role> + '_ {
        let can_sign = move |own: &PersonKey| own.signs(own.key.id(), now).is_ok();
        let tight = move |holders: &Holders| {
            let people = holders.people.iter().filter(|person| person.keys.iter().any(can_sign));
            people.count() <= holders.threshold
        };
        self.roles.iter().filter(move |(_, holders)| tight(holders)).map(|(role, _)| *role)
    }

    /// From when on the file counts no more; none of a bare key.
    #[must_use]
    pub const fn expires(&self) -> Option<Timestamp> {
        self.expires
    }

    /// How many different people have to sign in each role.
    #[must_use]
    pub fn thresholds(&self) -> BTreeMap<Role, usize> {
        self.roles.iter().map(|(role, holders)| (*role, holders.threshold)).collect()
    }

    /// Every key, with whose it is and in which role: what people compare by voice.
    pub fn keys(&self) -> impl Iterator<Item = (Role, &ChannelName, Digest)> + '_ {
        self.holdings().map(|held| (held.role, held.person, held.key))
    }

    /// Every key with all that the file says of it.
    pub fn holdings(&self) -> impl Iterator<Item = Holding<'_>> + '_ {
        let people = self.roles.iter();
        let people = people.flat_map(|(role, holders)| holders.people.iter().map(move |one| (*role, one)));
        people.flat_map(|(role, Person { name, keys, channels })| {
            keys.iter().map(move |PersonKey { key, until, revoked }| Holding {
                role,
                person: name,
                key: key.id(),
                until: *until,
                revoked: *revoked,
                channels,
            })
        })
    }

    /// The key with this id, in whatever role, to verify a signature with.
    #[must_use]
    pub fn key(&self, id: Digest) -> Option<&PublicKey> {
        let people = self.roles.values().flat_map(|holders| &holders.people);
        people.flat_map(|person| &person.keys).map(|own| &own.key).find(|key| key.id() == id)
    }

    /// Who signed, given a signature that was verified with the key `key`.
    ///
    /// # Errors
    /// When nobody has the key in that role, it had ended, or the person may not sign for the channel.
    pub fn signer(
        &self,
        key: Digest,
        role: Role,
        channel: &ChannelName,
        signed_at: Timestamp,
    ) -> Result<Signer, TrustError> {
        let holders = self.roles.get(&role).into_iter().flat_map(|holders| &holders.people);
        let mut keys = holders.flat_map(|person| person.keys.iter().map(move |own| (person, own)));
        let (person, own) =
            keys.find(|(_, own)| own.key.id() == key).ok_or(TrustError::UnknownKey { key, role })?;
        let name = || person.name.clone();
        own.signs(key, signed_at).map_err(|reason| match reason {
            NoSignature::OtherKey => TrustError::UnknownKey { key, role },
            NoSignature::Ended(until) => TrustError::KeyEnded { person: name(), signed_at, until },
            NoSignature::Revoked(revoked) => TrustError::KeyRevoked { person: name(), revoked },
        })?;
        let matches = |pattern: &String| pattern == "*" || pattern == channel.as_str();
        if !person.channels.iter().any(matches) {
            return Err(TrustError::Channel { person: person.name.clone(), channel: channel.clone(), role });
        }
        Ok(Signer { person: person.name.clone(), role, key })
    }

    /// Whether the file is before its date.
    ///
    /// # Errors
    /// When it is not.
    pub fn check_current(&self, now: Timestamp) -> Result<(), TrustError> {
        self.expires
            .filter(|expires| now >= *expires)
            .map_or(Ok(()), |expires| Err(TrustError::Expired(expires)))
    }

    /// Whether the signatures are enough for an import: every role but `recovery` meets its threshold, and
    /// the larger one that `policy` asks for; nobody who prepared also approved. All reasons are returned.
    ///
    /// # Errors
    /// Every reason why they are not.
    pub fn decide(
        &self,
        signers: &[Signer],
        policy: &BTreeMap<Role, usize>,
        now: Timestamp,
    ) -> Result<(), Vec<TrustError>> {
        let mut reasons: Vec<TrustError> = self.check_current(now).err().into_iter().collect();
        let preparers = people(signers, Role::Preparer);
        for (role, Count { found, wanted }) in self.counts(signers, policy) {
            if role != Role::Preparer {
                let signed = people(signers, role);
                let both = signed.intersection(&preparers).map(|person| (*person).clone());
                reasons.extend(both.map(|person| TrustError::SamePerson { person, role }));
            }
            if found < wanted {
                reasons.push(TrustError::Threshold { role, found, wanted });
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }

    /// How many people count in each role that an import needs, and how many [`Trust::decide`] wants: whoever signed
    /// twice counts once, and who prepared counts as nothing else.
    #[must_use]
    pub fn counts(&self, signers: &[Signer], policy: &BTreeMap<Role, usize>) -> BTreeMap<Role, Count> {
        let preparers = people(signers, Role::Preparer);
        let roles = self.roles.keys().chain(policy.keys()).copied().filter(|role| *role != Role::Recovery);
        let count = |role: Role| {
            let threshold = self.roles.get(&role).map_or(0, |holders| holders.threshold);
            let signed = people(signers, role);
            let found = match role {
                Role::Preparer => signed.len(),
                _ => signed.difference(&preparers).count(),
            };
            Count { found, wanted: threshold.max(policy.get(&role).copied().unwrap_or(0)) }
        };
        roles.map(|role| (role, count(role))).collect()
    }
}

/// Who signed in a role, each once.
fn people(signers: &[Signer], role: Role) -> BTreeSet<&ChannelName> {
    signers.iter().filter(|signer| signer.role == role).map(|signer| &signer.person).collect()
}
