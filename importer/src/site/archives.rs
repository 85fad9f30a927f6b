//! The archives that a site accepted, as its ledger tells.

use std::collections::BTreeMap;

use manifests::digest::Digest;
use manifests::{ChannelName, Timestamp};

use super::line::Line;

/// What the ledger knows about one serial of a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownArchive {
    /// The digest of what it brings, whatever of it was carried (full or differential).
    pub(crate) content: Digest,
    /// The identities that were accepted.
    pub(crate) identities: Vec<Digest>,
    /// When the first of them was.
    pub(crate) since: Timestamp,
}

/// Every archive that was accepted, by channel and serial.
#[derive(Debug, Default)]
pub(crate) struct Archives(BTreeMap<ChannelName, BTreeMap<u64, KnownArchive>>);

impl Archives {
    /// Takes in the line of an archive that was accepted.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn accepted(&mut self, line: &Line) -> Result<(), &'static str> {
        let (Some(channel), Some(serial), Some(identity)) = (&line.channel, line.serial, line.identity)
        else {
            return Err("found an archive without channel, serial or identity");
        };
        let serials = self.0.entry(channel.clone()).or_default();
        let known = serials.entry(serial).or_insert_with(|| KnownArchive {
            content: line.digest,
            identities: vec![],
            since: line.time,
        });
        if known.content != line.digest {
            return Err("found one serial with two contents");
        }
        if !known.identities.contains(&identity) {
            known.identities.push(identity);
        }
        Ok(())
    }

    /// What was accepted under a serial of a channel.
    #[must_use]
    pub(crate) fn get(&self, channel: &ChannelName, serial: u64) -> Option<&KnownArchive> {
        self.0.get(channel)?.get(&serial)
    }

    /// Every channel of which something was accepted.
    pub(crate) fn channels(&self) -> impl Iterator<Item = &ChannelName> {
        self.0.keys()
    }

    /// What was accepted of a channel, the newest first.
    pub(crate) fn of(&self, channel: &ChannelName) -> impl Iterator<Item = (u64, &KnownArchive)> + '_ {
        let serials = self.0.get(channel).into_iter().flat_map(|serials| serials.iter().rev());
        serials.map(|(serial, known)| (*serial, known))
    }

    /// Whether an archive was ever accepted.
    #[must_use]
    pub(crate) fn has(&self, identity: Digest) -> bool {
        let mut known = self.0.values().flat_map(BTreeMap::values);
        known.any(|known| known.identities.contains(&identity))
    }

    /// The newest serial that was accepted of a channel.
    #[must_use]
    pub(crate) fn newest(&self, channel: &ChannelName) -> Option<u64> {
        self.of(channel).next().map(|(serial, _)| serial)
    }
}
