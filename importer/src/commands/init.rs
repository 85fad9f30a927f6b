//! `init`: a site is set up.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use console::{Class, Failure, Failures, clock};
use manifests::trust::Role;
use manifests::{ChannelName, Digest};
use serde::Serialize;

use super::in_force::shown;
use super::{notice, state};
use crate::cli::{Global, InitArguments};
use crate::site::init::{NewSite, Setup, init};

/// What `init` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Pinned {
    state: PathBuf,
    site: ChannelName,
    channels: Vec<ChannelName>,
    trust_digest: Digest,
    policy_digest: Digest,
    /// How many people have to sign in each role.
    thresholds: BTreeMap<Role, usize>,
    keys: Vec<Key>,
    receipt_key: Digest,
    gates: Vec<String>,
    warnings: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    role: Role,
    person: ChannelName,
    key: Digest,
}

pub(crate) fn run(arguments: InitArguments, global: &Global) -> Result<Pinned, Failures> {
    let directory = state(global)?;
    let name = match arguments.name {
        Some(name) => name,
        None => named_after(directory)?,
    };
    let site = init(Setup {
        directory,
        trust: &arguments.trust,
        policy: &arguments.policy,
        name,
        channels: arguments.channels,
        receipt_key: arguments.receipt_key.as_ref(),
        now: clock::now(),
    })?;
    let pinned = Pinned::of(directory.clone(), site);
    notice(global, &pinned.warnings);
    Ok(pinned)
}

/// Without --name, the directory names the site.
fn named_after(directory: &std::path::Path) -> Result<ChannelName, Failure> {
    let last = directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    last.parse().map_err(|_| {
        let message = format!("found no --name, and {last:?} is not a name of a site");
        Failure::new(Class::Usage, directory.display(), message).advise("give one with --name SITE")
    })
}

impl Pinned {
    fn of(state: PathBuf, site: NewSite) -> Self {
        let NewSite { description, trust, policy, is_key_plain } = site;
        let holders = trust.keys().map(|(role, person, key)| Key { role, person: person.clone(), key });
        let mut warnings: Vec<String> = trust
            .without_spare(clock::now())
            .map(|role| format!("{role} has no spare person: one holiday, and nothing can be imported"))
            .collect();
        let lacking = gates::lacking(&policy.policy);
        if !lacking.is_empty() {
            let gates = lacking.join(", ");
            warnings.push(format!("the policy names gates that this version does not have ({gates}): every archive will be refused"));
        }
        if is_key_plain {
            warnings.push("the receipt key is not encrypted: whoever reads it can sign receipts of this site (AIRGAP_KEY_PASSWORD encrypts it)".to_owned());
        }
        Self {
            state,
            site: description.name,
            channels: description.channels,
            trust_digest: description.trust_digest,
            policy_digest: description.policy_digest,
            thresholds: trust.thresholds(),
            keys: holders.collect(),
            receipt_key: description.receipt_key,
            gates: policy.policy.gates.iter().map(|gate| (*gate).to_owned()).collect(),
            warnings,
        }
    }

    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "{label:<18} {}", console::escape::escape(value));
        };
        line("site", self.site.as_str());
        line("state", &self.state.display().to_string());
        let channels: Vec<&str> = self.channels.iter().map(ChannelName::as_str).collect();
        line("channels", &if channels.is_empty() { "any".to_owned() } else { channels.join(", ") });
        line("trust", &self.trust_digest.to_string());
        line("policy", &self.policy_digest.to_string());
        line("thresholds", &shown(&self.thresholds));
        for Key { role, person, key } in &self.keys {
            line(&role.to_string(), &format!("{key} {person}"));
        }
        line("receipt key", &self.receipt_key.to_string());
        text.push_str(
            "\nCompare these by voice with whoever made the files: everything else rests on them.\n",
        );
        text
    }
}
