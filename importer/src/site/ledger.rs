//! The ledger: what a site accepted and which names it set, one line each, in a chain.
//!
//! Lines of canonical JSON, each with the digest of the line before it. A line counts once it is on the disk
//! with its newline: it is written and synced before what it announces is done. So a crash leaves at most a
//! torn last line, which nobody was told about, and which is cut. Every receipt holds the digest of the last
//! line at its time: a ledger that was shortened or changed no longer has it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

use manifests::digest::Digest;
use manifests::{ChannelName, Timestamp, json};

use super::archives::Archives;
use super::ledger_lines::{self, Tail};
pub(crate) use super::line::{Event, Line};
use super::names::{NameIntent, Names};

/// How much is written at once, in bytes: a hundred lines.
const WRITE_BYTES: usize = 64 * 1024;

/// A trust file or policy that followed another.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Followed {
    /// Whether it is a policy.
    pub(crate) is_policy: bool,
    /// Its digest.
    pub(crate) digest: Digest,
    /// When it came into force.
    pub(crate) at: Timestamp,
}

/// A receipt, as the ledger notes it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issued<'a> {
    /// Its number.
    pub(crate) number: u64,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// The archive's channel and identity, where it is about one that is known.
    pub(crate) archive: Option<&'a (ChannelName, Digest)>,
    /// Whether it says that an archive was refused.
    pub(crate) is_refusal: bool,
}

/// Why the ledger cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LedgerError {
    /// The disk failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// A line is not what the chain wants.
    #[error("line {number}: {reason}")]
    Broken {
        /// Which line.
        number: u64,
        /// What was found and wanted.
        reason: String,
    },
    /// Lines that a receipt vouches for are gone.
    #[error("found no line {0}, wanted the one that the last receipt names: lines were cut off or changed")]
    Shortened(Digest),
    /// An earlier write failed, so what is on the disk is not known.
    #[error("found a ledger whose last write failed, wanted a new start of this command")]
    Interrupted,
}

/// A ledger that was read and found whole.
#[derive(Debug)]
pub(crate) struct Ledger {
    /// For appending; none when it was opened for reading only, or a write failed: then names and archives may be
    /// known here that are not on the disk.
    file: Option<File>,
    head: Digest,
    number: u64,
    last: Timestamp,
    names: Names,
    archives: Archives,
    receipt: Option<(u64, Digest)>,
    of_channels: BTreeMap<ChannelName, Digest>,
    site: Digest,
    changes: Vec<Followed>,
    /// Whether the last change has no receipt behind it.
    lacks_receipt: bool,
}

impl Ledger {
    /// Starts a ledger for the site with this description.
    ///
    /// # Errors
    /// When the file is there already, or the disk fails.
    pub(crate) fn create(path: &Path, site: Digest, now: Timestamp) -> Result<(), LedgerError> {
        let mut bytes = json::encode(&Line::new(Event::Genesis, site, 1, None, now));
        bytes.push(b'\n');
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        Ok(())
    }

    /// Reads a ledger. `vouched` is the head that the last receipt names. With `is_writer`, a torn last line
    /// is cut; otherwise it is passed over, for somebody may be writing it.
    ///
    /// # Errors
    /// When it cannot be read, its chain is broken, or lines that a receipt vouches for are gone.
    pub(crate) fn open(path: &Path, vouched: Option<Digest>, is_writer: bool) -> Result<Self, LedgerError> {
        let file = OpenOptions::new().read(true).write(is_writer).append(is_writer).open(path)?;
        let mut ledger: Option<Self> = None;
        let mut is_vouched = vouched.is_none();
        let tail = ledger_lines::read(&file, |line, digest| {
            is_vouched |= vouched == Some(digest);
            match &mut ledger {
                None => ledger = Some(Self::from_genesis(&line, digest)),
                Some(ledger) => ledger.note(&line, digest)?,
            }
            Ok(())
        })?;
        if let Some(head) = vouched.filter(|_| !is_vouched) {
            return Err(LedgerError::Shortened(head));
        }
        let mut ledger = ledger
            .ok_or_else(|| LedgerError::Broken { number: 1, reason: "found an empty ledger".to_owned() })?;
        if is_writer {
            match tail {
                Tail::Whole => {}
                Tail::Torn { start } => file.set_len(start)?,
                // A whole line without its newline: whoever cut it off, the line stays.
                Tail::NoNewline => (&file).write_all(b"\n")?,
            }
            file.sync_all()?;
            ledger.file = Some(file);
        }
        Ok(ledger)
    }

    fn from_genesis(line: &Line, head: Digest) -> Self {
        Self {
            file: None,
            head,
            number: line.number,
            last: line.time,
            names: Names::default(),
            archives: Archives::default(),
            receipt: None,
            of_channels: BTreeMap::new(),
            site: line.digest,
            changes: vec![],
            lacks_receipt: false,
        }
    }

    /// The digest of the last line.
    #[must_use]
    pub(crate) const fn head(&self) -> Digest {
        self.head
    }

    /// The time of the last line: the clock was there once.
    #[must_use]
    pub(crate) const fn last(&self) -> Timestamp {
        self.last
    }

    /// The digest of the site's description that the first line pins.
    #[must_use]
    pub(crate) const fn site(&self) -> Digest {
        self.site
    }

    /// The trust files and policies that followed those that the site was set up with, in their order.
    #[must_use]
    pub(crate) fn changes(&self) -> &[Followed] {
        &self.changes
    }

    /// Whether the last change was cut off from its receipt.
    #[must_use]
    pub(crate) const fn lacks_receipt(&self) -> bool {
        self.lacks_receipt
    }

    /// Writes down that a trust file or a policy of this version is in force from `change.at` on.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn followed(&mut self, change: Followed, version: u64) -> Result<(), LedgerError> {
        let event = if change.is_policy { Event::Policy } else { Event::Trusted };
        let mut line = Line::new(event, change.digest, 0, None, change.at);
        line.serial = Some(version);
        self.append([line])
    }

    /// Every name that this site set.
    #[must_use]
    pub(crate) const fn names(&self) -> &Names {
        &self.names
    }

    /// The number and digest of the last receipt.
    #[must_use]
    pub(crate) const fn receipt(&self) -> Option<(u64, Digest)> {
        self.receipt
    }

    /// The digest of the last receipt of a channel.
    #[must_use]
    pub(crate) fn receipt_of(&self, channel: &ChannelName) -> Option<Digest> {
        self.of_channels.get(channel).copied()
    }

    /// Every archive that was accepted.
    #[must_use]
    pub(crate) const fn archives(&self) -> &Archives {
        &self.archives
    }

    /// Writes down that an archive was accepted, before anything of it is written to a target. `content` is
    /// the digest of what it brings.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn accepted(
        &mut self,
        channel: &ChannelName,
        serial: u64,
        identity: Digest,
        content: Digest,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        let mut line = Line::new(Event::Accepted, content, 0, None, now);
        line.channel = Some(channel.clone());
        line.serial = Some(serial);
        line.identity = Some(identity);
        self.append([line])
    }

    /// Writes down which names are about to be set, before they are.
    ///
    /// # Errors
    /// When the disk fails; then no name may be set.
    pub(crate) fn intend<'a>(
        &mut self,
        intents: impl IntoIterator<Item = &'a NameIntent>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.append(intents.into_iter().map(|intent| Line::name(Event::Intended, intent, now)))
    }

    /// Writes down which names point where the archive wants them: those that were set, and those that were
    /// there already, which no older archive may move from now on either.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn done<'a>(
        &mut self,
        intents: impl IntoIterator<Item = &'a NameIntent>,
        now: Timestamp,
    ) -> Result<(), LedgerError> {
        self.append(intents.into_iter().map(|intent| Line::name(Event::Named, intent, now)))
    }

    /// Writes down that a receipt was issued.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn issued(&mut self, receipt: Issued<'_>, now: Timestamp) -> Result<(), LedgerError> {
        let event = if receipt.is_refusal { Event::Refused } else { Event::Receipt };
        let mut line = Line::new(event, receipt.digest, 0, None, now);
        line.channel = receipt.archive.map(|(channel, _)| channel.clone());
        line.identity = receipt.archive.map(|(_, identity)| *identity);
        line.serial = Some(receipt.number);
        self.append([line])
    }

    /// All lines with one sync: three hundred names cost as much as one.
    fn append(&mut self, lines: impl IntoIterator<Item = Line>) -> Result<(), LedgerError> {
        let mut lines = lines.into_iter().peekable();
        if lines.peek().is_none() {
            return Ok(());
        }
        let file = self.file.take().ok_or(LedgerError::Interrupted)?;
        let before = (self.head, self.number, self.last);
        let written = self.write(lines, &file).and_then(|()| Ok(file.sync_data()?));
        if written.is_ok() {
            self.file = Some(file);
        } else {
            // Nothing more is written, and no receipt names a line that may not be there.
            (self.head, self.number, self.last) = before;
        }
        written
    }

    fn write(&mut self, lines: impl Iterator<Item = Line>, file: &File) -> Result<(), LedgerError> {
        let mut writer = BufWriter::with_capacity(WRITE_BYTES, file);
        let written = self.write_to(lines, &mut writer);
        // Dropped as it is, it would try once more to write what it holds.
        let _ = writer.into_parts();
        written
    }

    fn write_to(
        &mut self,
        lines: impl Iterator<Item = Line>,
        writer: &mut impl io::Write,
    ) -> Result<(), LedgerError> {
        for line in lines {
            // A clock that is set back within a run must not make a ledger that nobody accepts.
            let time = line.time.max(self.last);
            let line = Line { number: self.number + 1, previous: Some(self.head), time, ..line };
            let mut bytes = json::encode(&line);
            self.note(&line, Digest::of(&bytes))?;
            bytes.push(b'\n');
            writer.write_all(&bytes)?;
        }
        Ok(writer.flush()?)
    }

    /// Takes in a line whose place in the chain was checked.
    fn note(&mut self, line: &Line, digest: Digest) -> Result<(), LedgerError> {
        let broken = |reason: &str| LedgerError::Broken { number: line.number, reason: reason.to_owned() };
        if line.time < self.last {
            return Err(broken("found a time before the line before"));
        }
        match line.event {
            Event::Genesis => return Err(broken("found a second genesis")),
            Event::Accepted => {
                self.archives.accepted(line).map_err(broken)?;
                self.names.begins(line.number);
            }
            Event::Trusted | Event::Policy => {
                let is_policy = line.event == Event::Policy;
                self.changes.push(Followed { is_policy, digest: line.digest, at: line.time });
                self.lacks_receipt = true;
            }
            Event::Intended | Event::Named => {
                let intent = line.intent().ok_or_else(|| broken("found a name with a field missing"))?;
                if line.event == Event::Intended {
                    self.names.intended(&intent);
                } else {
                    self.names.named(&intent, line.number);
                }
            }
            Event::Receipt | Event::Refused => {
                let number = line.serial.ok_or_else(|| broken("found a receipt without its number"))?;
                self.receipt = Some((number, line.digest));
                self.lacks_receipt = false;
                if let Some(channel) = &line.channel {
                    self.of_channels.insert(channel.clone(), line.digest);
                }
                self.receipted(line);
                self.names.begins(line.number);
            }
        }
        (self.head, self.number, self.last) = (digest, line.number, line.time);
        Ok(())
    }

    /// Takes in what a receipt says of names: nothing, where it is about a refusal or a change.
    fn receipted(&mut self, line: &Line) {
        match (line.event, &line.channel, line.identity) {
            (Event::Receipt, Some(_), Some(identity)) => {
                let archives = &self.archives;
                self.names.receipted(|entry| {
                    let known = archives.get(&entry.channel, entry.serial);
                    known.is_some_and(|known| known.identities.contains(&identity))
                });
            }
            (Event::Receipt, Some(_), None) => self.names.receipted_all(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn opened(path: &Path) -> Ledger {
        Ledger::open(path, None, true).unwrap()
    }

    fn accept(ledger: &mut Ledger, serial: u64, now: &str) -> Result<(), LedgerError> {
        let (identity, content) = (Digest::of(b"identity"), Digest::of(b"content"));
        ledger.accepted(&"core".parse().unwrap(), serial, identity, content, at(now))
    }

    #[test]
    fn a_clock_that_is_set_back_within_a_run_leaves_a_ledger_that_opens() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        Ledger::create(&path, Digest::of(b"site"), at("2024-11-03T21:30:00Z")).unwrap();
        let mut ledger = opened(&path);
        accept(&mut ledger, 1, "2024-11-03T21:31:00Z").unwrap();
        accept(&mut ledger, 2, "2024-11-03T21:29:00Z").unwrap();
        let again = opened(&path);
        assert_eq!((again.head(), again.last()), (ledger.head(), at("2024-11-03T21:31:00Z")));
    }

    #[test]
    fn after_a_write_that_failed_nothing_more_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        Ledger::create(&path, Digest::of(b"site"), at("2024-11-03T21:30:00Z")).unwrap();
        let mut ledger = opened(&path);
        let head = ledger.head();
        ledger.file = Some(OpenOptions::new().append(true).open("/dev/full").unwrap());
        let error = accept(&mut ledger, 1, "2024-11-03T21:31:00Z").unwrap_err();
        assert!(matches!(error, LedgerError::Io(_)), "{error}");
        assert_eq!(ledger.head(), head, "no receipt names a line that is not there");
        let error = accept(&mut ledger, 2, "2024-11-03T21:32:00Z").unwrap_err();
        assert!(matches!(error, LedgerError::Interrupted), "{error}");
        assert_eq!(opened(&path).head(), head);
    }

    #[test]
    fn a_line_that_the_ledger_does_not_take_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledger.jsonl");
        let now = at("2024-11-03T21:30:00Z");
        Ledger::create(&path, Digest::of(b"site"), now).unwrap();
        let mut ledger = opened(&path);
        accept(&mut ledger, 1, "2024-11-03T21:31:00Z").unwrap();
        let other = ledger.accepted(&"core".parse().unwrap(), 1, Digest::of(b"x"), Digest::of(b"other"), now);
        assert!(other.unwrap_err().to_string().contains("one serial with two contents"));
        let again = opened(&path);
        assert_eq!(again.head(), ledger.head());
        assert_eq!(again.number, 2);
    }
}
