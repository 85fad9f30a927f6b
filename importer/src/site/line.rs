//! One line of the ledger.

use manifests::{ChannelName, Digest, Timestamp};
use serde::{Deserialize, Serialize};

use super::names::{NameEntry, NameIntent, NameKey};

/// One line. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    /// The archive's channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) channel: Option<ChannelName>,
    /// What the event is about: the site's description, the archive's content, the manifest, the receipt.
    pub(crate) digest: Digest,
    /// What happened.
    pub(crate) event: Event,
    /// The archive's identity.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) identity: Option<Digest>,
    /// 1 for the first line; each next one is greater by one.
    pub(crate) number: u64,
    /// The digest of the line before, without its newline; none for the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) previous: Option<Digest>,
    /// What the name pointed to before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) replaces: Option<Digest>,
    /// The repository at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) repository: Option<String>,
    /// The archive's serial; of a receipt: its number; of a trust file: its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) serial: Option<u64>,
    /// The tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// The target, as the destinations call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<String>,
    /// When, by the importer's clock.
    pub(crate) time: Timestamp,
}

/// What a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Event {
    /// The site was set up; always the first line.
    Genesis,
    /// An archive was accepted for loading.
    Accepted,
    /// A trust file was put in force.
    Trusted,
    /// A name is about to be set.
    Intended,
    /// A name points where the archive wants it.
    Named,
    /// A receipt was issued.
    Receipt,
    /// The receipt of a refusal was issued. It has no names: those that a run set before it was cut still wait for
    /// their receipt.
    Refused,
}

impl Line {
    pub(super) fn new(
        event: Event,
        digest: Digest,
        number: u64,
        previous: Option<Digest>,
        time: Timestamp,
    ) -> Self {
        Self {
            channel: None,
            digest,
            event,
            identity: None,
            number,
            previous,
            replaces: None,
            repository: None,
            serial: None,
            tag: None,
            target: None,
            time,
        }
    }

    pub(super) fn name(event: Event, intent: &NameIntent, now: Timestamp) -> Self {
        let NameIntent { key, entry, replaces } = intent;
        Self {
            channel: Some(entry.channel.clone()),
            identity: Some(entry.identity),
            replaces: *replaces,
            repository: Some(key.repository.clone()),
            serial: Some(entry.serial),
            tag: Some(key.tag.clone()),
            target: Some(key.target.clone()),
            ..Self::new(event, entry.digest, 0, None, now)
        }
    }

    pub(super) fn intent(&self) -> Option<NameIntent> {
        Some(NameIntent {
            key: NameKey {
                target: self.target.clone()?,
                repository: self.repository.clone()?,
                tag: self.tag.clone()?,
            },
            entry: NameEntry {
                channel: self.channel.clone()?,
                serial: self.serial?,
                identity: self.identity?,
                digest: self.digest,
            },
            replaces: self.replaces,
        })
    }
}
