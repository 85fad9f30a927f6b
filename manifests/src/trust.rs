//! Who may prepare, approve and administer: people, their keys, their roles and the thresholds.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::json;
use crate::key::PublicKey;
use crate::name::ChannelName;
use crate::timestamp::Timestamp;
use crate::yaml::{self, YamlError};

/// A role that people sign in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Builds archives.
    Preparer,
    /// Replaces lost or stolen keys; never needed for an import.
    Recovery,
    /// Runs the Sovereign.
    SovereignAdmin,
    /// Reviews and countersigns.
    SecurityOfficer,
}

/// The text is not a role.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found the role {0:?}, wanted preparer, security-officer, sovereign-admin or recovery")]
pub struct RoleError(String);

const ROLES: [(Role, &str); 4] = [
    (Role::Preparer, "preparer"),
    (Role::Recovery, "recovery"),
    (Role::SovereignAdmin, "sovereign-admin"),
    (Role::SecurityOfficer, "security-officer"),
];

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        let known = ROLES.iter().find(|(_, name)| *name == text);
        known.map(|(role, _)| *role).ok_or_else(|| RoleError(json::shortened(text)))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = ROLES.iter().find(|(role, _)| role == self).map_or("", |(_, name)| name);
        formatter.write_str(name)
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        json::from_text(deserializer)
    }
}

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
    keys: Vec<(PublicKey, Option<Timestamp>)>,
    channels: Vec<String>,
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    version: u64,
    expires: String,
    #[serde(deserialize_with = "yaml::unique_map::deserialize")]
    roles: BTreeMap<String, HoldersSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldersSpec {
    threshold: usize,
    people: Vec<PersonSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PersonSpec {
    name: ChannelName,
    keys: Vec<KeySpec>,
    #[serde(default = "every_channel")]
    channels: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeySpec {
    pem: String,
    #[serde(default)]
    until: Option<String>,
}

fn every_channel() -> Vec<String> {
    vec!["*".to_owned()]
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
        let person = Person { name, keys: vec![(key, None)], channels: every_channel() };
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
        // Whose key it is must have one answer: a key with two people would count as two.
        let mut owners: HashMap<Digest, &ChannelName> = HashMap::new();
        for person in self.roles.values().flat_map(|holders| &holders.people) {
            for (key, _) in &person.keys {
                let owner = owners.entry(key.id()).or_insert(&person.name);
                if *owner != &person.name {
                    let message = format!("found the key {} with {owner} and with {}", key.id(), person.name);
                    return Err(YamlError::Rule(message));
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

    /// The roles that have no spare person: one holiday, and nothing can be imported.
    pub fn without_spare(&self) -> impl Iterator<Item = Role> + '_ {
        let tight = |holders: &Holders| holders.people.len() <= holders.threshold;
        self.roles.iter().filter(move |(_, holders)| tight(holders)).map(|(role, _)| *role)
    }

    /// Every key, with whose it is and in which role: what people compare by voice.
    pub fn keys(&self) -> impl Iterator<Item = (Role, &ChannelName, Digest)> + '_ {
        self.roles.iter().flat_map(|(role, holders)| {
            holders.people.iter().flat_map(move |person| {
                person.keys.iter().map(move |(key, _)| (*role, &person.name, key.id()))
            })
        })
    }

    /// The key with this id, in whatever role, to verify a signature with.
    #[must_use]
    pub fn key(&self, id: Digest) -> Option<&PublicKey> {
        let people = self.roles.values().flat_map(|holders| &holders.people);
        people.flat_map(|person| &person.keys).map(|(key, _)| key).find(|key| key.id() == id)
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
        let mut keys =
            holders.flat_map(|person| person.keys.iter().map(move |(key, until)| (person, key, until)));
        let (person, _, until) = keys
            .find(|(_, candidate, _)| candidate.id() == key)
            .ok_or(TrustError::UnknownKey { key, role })?;
        if let Some(until) = until.filter(|until| signed_at >= *until) {
            return Err(TrustError::KeyEnded { person: person.name.clone(), signed_at, until });
        }
        let matches = |pattern: &String| pattern == "*" || pattern == channel.as_str();
        if !person.channels.iter().any(matches) {
            return Err(TrustError::Channel { person: person.name.clone(), channel: channel.clone(), role });
        }
        Ok(Signer { person: person.name.clone(), role, key })
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
        let mut reasons: Vec<TrustError> =
            self.expires.filter(|expires| now >= *expires).map(TrustError::Expired).into_iter().collect();
        let people = |role: Role| -> BTreeSet<&ChannelName> {
            signers.iter().filter(|signer| signer.role == role).map(|signer| &signer.person).collect()
        };
        let preparers = people(Role::Preparer);
        let roles: BTreeSet<Role> = self.roles.keys().chain(policy.keys()).copied().collect();
        for role in roles.into_iter().filter(|role| *role != Role::Recovery) {
            let threshold = self.roles.get(&role).map_or(0, |holders| holders.threshold);
            let wanted = threshold.max(policy.get(&role).copied().unwrap_or(0));
            let signed = people(role);
            let found = if role == Role::Preparer {
                signed.len()
            } else {
                let both = signed.intersection(&preparers).map(|person| (*person).clone());
                reasons.extend(both.map(|person| TrustError::SamePerson { person, role }));
                signed.difference(&preparers).count()
            };
            if found < wanted {
                reasons.push(TrustError::Threshold { role, found, wanted });
            }
        }
        if reasons.is_empty() { Ok(()) } else { Err(reasons) }
    }
}

fn read_holders(role: Role, spec: HoldersSpec) -> Result<Holders, YamlError> {
    let rule = |message: String| YamlError::Rule(format!("the role {role}: {message}"));
    let mut people = Vec::new();
    for person in spec.people {
        if person.keys.is_empty() {
            return Err(rule(format!("found no key of {}", person.name)));
        }
        let mut keys = Vec::new();
        for key in person.keys {
            let public =
                PublicKey::from_pem(&key.pem).map_err(|error| rule(format!("{}: {error}", person.name)))?;
            keys.push((public, key.until.as_deref().map(date).transpose()?));
        }
        let is_pattern = |channel: &String| channel == "*" || channel.parse::<ChannelName>().is_ok();
        if !person.channels.iter().all(is_pattern) {
            return Err(rule(format!("found a channel of {} that is neither a name nor \"*\"", person.name)));
        }
        people.push(Person { name: person.name, keys, channels: person.channels });
    }
    let names: BTreeSet<&ChannelName> = people.iter().map(|person| &person.name).collect();
    if names.len() != people.len() {
        return Err(rule("found one name twice; list several keys under one name instead".to_owned()));
    }
    if spec.threshold == 0 || spec.threshold > people.len() {
        return Err(rule(format!("found a threshold of {}, wanted 1 to {}", spec.threshold, people.len())));
    }
    Ok(Holders { threshold: spec.threshold, people })
}

/// A day, from its first second in UTC, or a whole time.
fn date(text: &str) -> Result<Timestamp, YamlError> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| {
        YamlError::Rule(format!("found the date {:?}, wanted 2027-11-01", json::shortened(text)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::PrivateKey;

    struct Cast {
        pems: Vec<String>,
        ids: Vec<Digest>,
    }

    fn cast(count: usize) -> Cast {
        let keys: Vec<PublicKey> =
            (0..count).map(|_| PrivateKey::generate().unwrap().public().unwrap()).collect();
        Cast {
            pems: keys.iter().map(|key| key.to_pem().unwrap()).collect(),
            ids: keys.iter().map(PublicKey::id).collect(),
        }
    }

    fn quoted(pem: &str) -> String {
        serde_json::to_string(pem).unwrap()
    }

    fn trust(cast: &Cast) -> Trust {
        let [build, officer, second] = [0, 1, 2].map(|at| quoted(&cast.pems[at]));
        Trust::parse(&format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: 1\n  expires: 2027-11-01\n  roles:\n    preparer: {{threshold: 1, people: [{{name: build-1, keys: [{{pem: {build}, until: 2027-01-01}}], channels: [core]}}]}}\n    security-officer: {{threshold: 2, people: [{{name: officer-1, keys: [{{pem: {officer}}}]}}, {{name: officer-2, keys: [{{pem: {second}}}]}}, {{name: build-1, keys: [{{pem: {build}}}]}}]}}\n"
        ))
        .unwrap()
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn thresholds_count_people_and_the_preparer_never_approves() {
        let cast = cast(3);
        let trust = trust(&cast);
        let (core, now) = ("core".parse().unwrap(), at("2026-11-23T00:00:00Z"));
        let sign = |key: usize, role: Role| trust.signer(cast.ids[key], role, &core, now).unwrap();
        let (preparer, first) = (sign(0, Role::Preparer), sign(1, Role::SecurityOfficer));
        let (second, own) = (sign(2, Role::SecurityOfficer), sign(0, Role::SecurityOfficer));
        let none = BTreeMap::new();

        assert_eq!(trust.decide(&[preparer.clone(), first.clone(), second.clone()], &none, now), Ok(()));
        let missing = TrustError::Threshold { role: Role::SecurityOfficer, found: 1, wanted: 2 };
        let twice = trust.decide(&[preparer.clone(), first.clone(), first.clone()], &none, now);
        assert_eq!(twice, Err(vec![missing.clone()]), "one person twice is one person");
        let same = TrustError::SamePerson { person: "build-1".parse().unwrap(), role: Role::SecurityOfficer };
        assert_eq!(
            trust.decide(&[preparer.clone(), first.clone(), own], &none, now),
            Err(vec![same, missing])
        );
        let more = BTreeMap::from([(Role::SovereignAdmin, 1)]);
        let unmet = TrustError::Threshold { role: Role::SovereignAdmin, found: 0, wanted: 1 };
        assert_eq!(
            trust.decide(&[preparer, first, second], &more, now),
            Err(vec![unmet]),
            "policy may ask for more"
        );
    }

    #[test]
    fn a_key_signs_in_its_role_for_its_channels_and_until_its_end() {
        let cast = cast(3);
        let trust = trust(&cast);
        let (core, now) = ("core".parse().unwrap(), at("2026-11-23T00:00:00Z"));
        for (key, role, channel, when, why) in [
            (1, Role::Preparer, "core", now, "an officer's key as a preparer"),
            (0, Role::Preparer, "other", now, "another channel"),
            (0, Role::Preparer, "core", at("2027-01-01T00:00:00Z"), "the key has ended"),
        ] {
            assert!(trust.signer(cast.ids[key], role, &channel.parse().unwrap(), when).is_err(), "{why}");
        }
        assert!(trust.signer(Digest::of(b"?"), Role::Preparer, &core, now).is_err(), "an unknown key");
        let signers = [trust.signer(cast.ids[0], Role::Preparer, &core, now).unwrap()];
        let late = trust.decide(&signers, &BTreeMap::new(), at("2027-11-01T00:00:00Z")).unwrap_err();
        assert!(late.contains(&TrustError::Expired(at("2027-11-01T00:00:00Z"))));
    }

    #[test]
    fn a_file_that_would_count_one_key_twice_is_refused() {
        let cast = cast(1);
        let pem = quoted(&cast.pems[0]);
        let file = |threshold: usize, people: &str| {
            format!(
                "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 1, expires: 2027-11-01, roles: {{preparer: {{threshold: {threshold}, people: [{people}]}}}}}}"
            )
        };
        let person = |name: &str| format!("{{name: {name}, keys: [{{pem: {pem}}}]}}");
        let both = format!("{}, {}", person("a"), person("b"));
        let twice = format!("{}, {}", person("a"), person("a"));
        assert!(Trust::parse(&file(1, &person("a"))).is_ok());
        for (text, why) in [
            (file(1, &both), "one key with two people"),
            (file(1, &twice), "one name twice"),
            (file(2, &person("a")), "a threshold that nobody can meet"),
            (file(0, &person("a")), "a threshold of nothing"),
            (file(1, &person("a")).replace("preparer", "prepare"), "an unknown role"),
            (file(1, &person("a")).replace("version: 1", "version: 0"), "version 0"),
        ] {
            assert!(Trust::parse(&text).is_err(), "{why}");
        }
    }

    #[test]
    fn a_bare_key_means_one_preparer() {
        let cast = cast(1);
        let trust = Trust::parse(&cast.pems[0]).unwrap();
        let now = at("2026-11-23T00:00:00Z");
        let signer = trust.signer(cast.ids[0], Role::Preparer, &"any".parse().unwrap(), now).unwrap();
        assert_eq!(trust.decide(&[signer], &BTreeMap::new(), now), Ok(()));
    }
}
