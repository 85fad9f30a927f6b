//! The trust file in force, as `trust update` and `trust show` print it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use manifests::receipt::SignerRecord;
use manifests::trust::{Holding, Role, Signer};
use manifests::{ChannelName, Digest, Timestamp};
use serde::Serialize;

use super::trust::{before, render_decided};
use crate::site::Site;

/// What `trust update` and `trust show` print.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct InForce {
    trust_digest: Digest,
    version: u64,
    /// Whether it was in force before: the same command, given again, has nothing more to do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    was_in_force: bool,
    /// Who put it in force, where that is what the command was about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decided: Vec<SignerRecord>,
    /// From when on it counts no more; none of a bare key.
    expires: Option<Timestamp>,
    /// How many people have to sign in each role.
    thresholds: BTreeMap<Role, usize>,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    role: Role,
    person: ChannelName,
    key: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    revoked: Option<Timestamp>,
    channels: Vec<String>,
}

impl InForce {
    pub(super) fn of(site: &Site, decided: &[Signer]) -> Self {
        let trust = site.trust();
        Self {
            trust_digest: trust.digest(),
            version: trust.version(),
            was_in_force: false,
            decided: decided.iter().map(SignerRecord::from).collect(),
            expires: trust.expires(),
            thresholds: trust.thresholds(),
            keys: trust.holdings().map(Key::of).collect(),
        }
    }

    /// The same where nothing was changed.
    pub(super) fn unchanged(self) -> Self {
        Self { was_in_force: true, ..self }
    }

    pub(super) fn render(&self) -> String {
        let before = before(self.was_in_force);
        let mut text = format!("in force       {}, version {}{before}\n", self.trust_digest, self.version);
        text.push_str(&render_decided(&self.decided));
        let expires = self.expires.map_or_else(|| "never".to_owned(), |expires| expires.to_string());
        let _ = writeln!(text, "expires        {expires}");
        let _ = writeln!(text, "thresholds     {}", shown(&self.thresholds));
        for key @ Key { role, person, key: id, .. } in &self.keys {
            let _ = writeln!(text, "  {:<20} {id}", format!("{person} as {role}"));
            let _ = writeln!(text, "  {:<20} {}", "", key.limits());
        }
        text
    }
}

impl Key {
    fn of(Holding { role, person, key, until, revoked, channels }: Holding<'_>) -> Self {
        Self { role, person: person.clone(), key, until, revoked, channels: channels.to_vec() }
    }

    /// For how long it signs, and for which channels.
    fn limits(&self) -> String {
        let until = match (self.revoked, self.until) {
            (Some(revoked), _) => format!("REVOKED at {revoked}"),
            (None, Some(until)) => format!("until {until}"),
            (None, None) => "without an end of its own".to_owned(),
        };
        let is_any = self.channels.iter().any(|channel| channel == "*");
        let channels = if is_any { "any channel".to_owned() } else { self.channels.join(", ") };
        format!("{until}, for {channels}")
    }
}

/// How many people have to sign in each role, for people.
pub(super) fn shown(thresholds: &BTreeMap<Role, usize>) -> String {
    let each = thresholds.iter().map(|(role, people)| format!("{people} {role}"));
    each.collect::<Vec<_>>().join(", ")
}
