//! The trust file as people write it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::{Holders, Person, PersonKey, Role};
use crate::json;
use crate::key::PublicKey;
use crate::name::ChannelName;
use crate::timestamp::Timestamp;
use crate::yaml::{self, YamlError};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spec {
    pub(super) version: u64,
    pub(super) expires: String,
    #[serde(deserialize_with = "yaml::unique_map::deserialize")]
    pub(super) roles: BTreeMap<String, HoldersSpec>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HoldersSpec {
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
    #[serde(default)]
    revoked: Option<String>,
}

pub(super) fn every_channel() -> Vec<String> {
    vec!["*".to_owned()]
}

/// The people of a role, found consistent.
pub(super) fn read_holders(role: Role, spec: HoldersSpec) -> Result<Holders, YamlError> {
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
            keys.push(PersonKey {
                key: public,
                until: key.until.as_deref().map(date).transpose()?,
                revoked: key.revoked.as_deref().map(date).transpose()?,
            });
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
pub(crate) fn date(text: &str) -> Result<Timestamp, YamlError> {
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| {
        YamlError::Rule(format!("found the date {:?}, wanted 2027-11-01", json::shortened(text)))
    })
}
