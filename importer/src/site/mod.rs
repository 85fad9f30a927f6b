//! A site: what one importer is set up with and what it remembers, in its state directory.
//!
//! ```text
//! site.json     name, channels, and the digests of trust, policy and receipt key
//! trust.yaml    policy.yaml    receipt.key (0600)    receipt.pub; in place of the key the URI of one in a token
//! ledger.jsonl  what was accepted, which names were set; its first line pins site.json
//! receipts/     NUMBER-CHANNEL-SERIAL.json, .sigstore.json and .vsa.jsonl, in a chain
//! changes/      by digest: the trust files and policies that were put in force later, with their signatures
//! roots/        the trusted roots of Sigstore that the policy names, by digest
//! evidence/     by identity: the evidence pack, annexes, policy and trust of each archive that was accepted
//! vouched.jsonl with a token: what it signed for registries, so that a second load says the same
//! lock          held by the one writer
//! ```
//!
//! Everything in it is checked against what was pinned, each time it is opened. Only the ledger, what was
//! vouched and the two folders ever change.

pub(crate) mod archives;
pub(crate) mod chain;
pub(crate) mod change;
mod description;
mod error;
pub(crate) mod evidence;
pub(crate) mod files;
pub(crate) mod init;
mod kept_annexes;
mod key;
pub(crate) mod ledger;
mod ledger_lines;
mod line;
pub(crate) mod names;
pub(crate) mod receipts;
pub(crate) mod refusal;
pub(crate) mod summaries;
mod vouched;

use std::fs::{File, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use console::input::PolicyFile;
use console::{Class, Failure};
use manifests::key::PublicKey;
use manifests::policy::{Policy, Signatures};
use manifests::trust::{Signer, Trust};
use manifests::{ChannelName, Digest, Timestamp, limits};

use description::Description;
pub(crate) use error::SiteError;
use ledger::{Ledger, LedgerError};
use receipts::Last;

const DESCRIPTION: &str = "site.json";
const TRUST: &str = "trust.yaml";
const POLICY: &str = "policy.yaml";
const KEY: &str = "receipt.key";
const PUBLIC_KEY: &str = "receipt.pub";
const LEDGER: &str = "ledger.jsonl";
const RECEIPTS: &str = "receipts";
const EVIDENCE: &str = "evidence";
const ROOTS: &str = "roots";
const LOCK: &str = "lock";
const VOUCHED: &str = "vouched.jsonl";

/// What a command does with a site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It reads; others may read and write at the same time.
    Read,
    /// It writes, and is the only one that does.
    Write,
}

/// A site whose files are what was pinned, and whose ledger is whole.
#[derive(Debug)]
pub(crate) struct Site {
    directory: PathBuf,
    description: Description,
    trust: Trust,
    trust_text: String,
    trust_since: Timestamp,
    /// The trust files before the one in force.
    earlier: Vec<Trust>,
    policy: PolicyFile,
    /// Who decided about the last change of either.
    decided: Vec<Signer>,
    public_key: PublicKey,
    last: Option<Last>,
    /// What was accepted, which names were set.
    pub(crate) ledger: Ledger,
    /// Held until the site is dropped.
    lock: Option<File>,
}

impl Site {
    /// Opens the site in `directory`.
    ///
    /// # Errors
    /// When there is none, another command writes to it, or something in it is not what it was.
    pub(crate) fn open(directory: &Path, access: Access) -> Result<Self, SiteError> {
        let opened = Self::open_once(directory, access);
        match (opened, access) {
            // Somebody may have written between the reading of two files; twice in a row nobody has.
            (Err(SiteError::Receipt(..) | SiteError::Ledger(..)), Access::Read) => {
                Self::open_once(directory, access)
            }
            (opened, _) => opened,
        }
    }

    fn open_once(directory: &Path, access: Access) -> Result<Self, SiteError> {
        let path = |name: &str| directory.join(name);
        if !path(DESCRIPTION).exists() {
            return Err(SiteError::Missing(directory.to_owned()));
        }
        let lock = if access == Access::Write { Some(lock(&path(LOCK))?) } else { None };
        let bytes = read(&path(DESCRIPTION))?;
        let description = Description::parse(&bytes)
            .ok()
            .filter(Description::is_known)
            .ok_or_else(|| form(&path(DESCRIPTION), "found no description of a site of this version"))?;
        let public_key = read_public_key(&path(PUBLIC_KEY), description.receipt_key)?;

        let last = receipts::last(&path(RECEIPTS), &public_key)?;
        let ledger = open_ledger(&path(LEDGER), last.as_ref(), access)?;
        if ledger.site() != Digest::of(&bytes) {
            let (found, wanted) = (Digest::of(&bytes), ledger.site());
            return Err(SiteError::Changed { path: path(DESCRIPTION), found, wanted });
        }
        let pinned = (description.trust_digest, description.policy_digest);
        let change::InForce {
            trust,
            trust_text,
            since: trust_since,
            earlier,
            policy,
            policy_text: text,
            decided,
        } = change::in_force(directory, pinned, description.created, ledger.changes())?;
        let policy = PolicyFile { roots: read_roots(&path(ROOTS), &policy)?, policy, text };
        let directory = directory.to_owned();
        let mut site = Self {
            directory,
            description,
            trust,
            trust_text,
            trust_since,
            earlier,
            policy,
            decided,
            public_key,
            last,
            ledger,
            lock,
        };
        site.join_receipts(access)?;
        Ok(site)
    }

    /// The ledger and the receipts must agree on the last receipt; but for one that was written when a crash
    /// kept the ledger from noting it.
    fn join_receipts(&mut self, access: Access) -> Result<(), SiteError> {
        let noted = self.ledger.receipt();
        let found = self.last.as_ref().map(|last| (last.number, last.digest));
        if noted == found {
            return Ok(());
        }
        let is_next = found.is_some_and(|(number, _)| number == noted.map_or(1, |(number, _)| number + 1));
        match self.last.as_ref() {
            Some(last) if is_next && last.previous == noted.map(|(_, digest)| digest) => {
                if access == Access::Write {
                    let path = self.directory.join(LEDGER);
                    self.ledger
                        .issued(last.noted(), last.issued)
                        .map_err(|error| SiteError::Ledger(path, error))?;
                }
                Ok(())
            }
            _ => {
                let (found, noted) = (shown(found), shown(noted));
                let reason = format!("found {found} as the last receipt, wanted {noted} as the ledger says");
                Err(SiteError::Receipt(self.directory.join(RECEIPTS), reason))
            }
        }
    }

    /// Whether this command may write to the site.
    #[must_use]
    pub(crate) const fn is_writer(&self) -> bool {
        self.lock.is_some()
    }

    /// The site's name.
    #[must_use]
    pub(crate) const fn name(&self) -> &ChannelName {
        &self.description.name
    }

    /// The channels that it accepts; none means any.
    #[must_use]
    pub(crate) fn channels(&self) -> &[ChannelName] {
        &self.description.channels
    }

    /// The trust file in force.
    #[must_use]
    pub(crate) const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The policy in force.
    #[must_use]
    pub(crate) const fn policy(&self) -> &PolicyFile {
        &self.policy
    }

    /// Who decided about the last change of trust or policy; nobody, where there was none since the site was set up.
    #[must_use]
    pub(crate) fn decided(&self) -> &[Signer] {
        &self.decided
    }

    /// The key that its receipts are checked with.
    #[must_use]
    pub(crate) const fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Writes down that an archive was accepted.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn note_accepted(
        &mut self,
        channel: &ChannelName,
        serial: u64,
        identity: Digest,
        content: Digest,
        now: Timestamp,
    ) -> Result<(), SiteError> {
        let path = self.directory.join(LEDGER);
        let noted = self.ledger.accepted(channel, serial, identity, content, now);
        noted.map_err(|error| SiteError::Ledger(path, error))
    }

    /// Refuses a clock that is before the last line of the ledger: with a clock turned back, dates that have
    /// passed would count again.
    ///
    /// # Errors
    /// When it is.
    pub(crate) fn check_clock(&self, now: Timestamp) -> Result<(), Failure> {
        let last = self.ledger.last();
        if now >= last {
            return Ok(());
        }
        let message = format!("found the clock at {now}, wanted a time from {last} on: the ledger was there");
        Err(Failure::new(Class::Refused, self.directory.join(LEDGER).display(), message)
            .advise("set the clock right"))
    }
}

/// Writes a file outside the state directory as those within are: there and whole, or not there.
///
/// # Errors
/// When the disk fails.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    files::put(path, |file| file.write_all(bytes))
}

fn shown(receipt: Option<(u64, Digest)>) -> String {
    receipt.map_or_else(|| "none".to_owned(), |(number, digest)| format!("number {number} ({digest})"))
}

/// One writer a site. The lock goes with the process, however it ends.
fn lock(path: &Path) -> Result<File, SiteError> {
    let failed = |error| SiteError::Io(path.to_owned(), error);
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(SiteError::Locked(path.to_owned())),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

fn open_ledger(path: &Path, last: Option<&Last>, access: Access) -> Result<Ledger, SiteError> {
    let ledger = Ledger::open(path, last.map(|last| last.ledger_head), access == Access::Write);
    ledger.map_err(|error| match error {
        LedgerError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            SiteError::LedgerMissing(path.to_owned())
        }
        error => SiteError::Ledger(path.to_owned(), error),
    })
}

fn form(path: &Path, reason: impl std::fmt::Display) -> SiteError {
    SiteError::Form(path.to_owned(), reason.to_string())
}

fn read(path: &Path) -> Result<Vec<u8>, SiteError> {
    read_at_most(path, limits::DOCUMENT_BYTES)
}

/// The bytes of a file of the site.
fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, SiteError> {
    use std::io::Read as _;
    let failed = |error| SiteError::Io(path.to_owned(), error);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(form(path, format!("found more than {limit} bytes")));
    }
    Ok(bytes)
}

fn pinned(path: &Path, wanted: Digest) -> Result<String, SiteError> {
    let bytes = read(path)?;
    let found = Digest::of(&bytes);
    if found != wanted {
        return Err(SiteError::Changed { path: path.to_owned(), found, wanted });
    }
    String::from_utf8(bytes).map_err(|error| form(path, error))
}

fn read_public_key(path: &Path, wanted: Digest) -> Result<PublicKey, SiteError> {
    let pem = String::from_utf8(read(path)?).map_err(|error| form(path, error))?;
    let key = PublicKey::from_pem(&pem).map_err(|error| form(path, error))?;
    if key.id() != wanted {
        return Err(SiteError::Changed { path: path.to_owned(), found: key.id(), wanted });
    }
    Ok(key)
}

/// The file of a trusted root.
fn root_name(digest: Digest) -> String {
    format!("{}.json", digest.hex())
}

/// The trusted roots that the policy names and that are there. Their bytes are compared where they are used.
fn read_roots(folder: &Path, policy: &Policy) -> Result<Vec<(Digest, Vec<u8>)>, SiteError> {
    let mut roots = Vec::new();
    for root in policy.signatures.iter().flat_map(Signatures::roots) {
        let path = folder.join(root_name(root.digest));
        if path.exists() {
            roots.push((root.digest, read_at_most(&path, limits::DOCUMENT_BYTES)?));
        }
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_limit_and_none_that_is_longer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        for length in [0, 9, 10] {
            fs::write(&path, vec![b'x'; length]).unwrap();
            assert_eq!(read_at_most(&path, 10).unwrap().len(), length);
        }
        for length in [11, 12, 1000] {
            fs::write(&path, vec![b'x'; length]).unwrap();
            assert!(read_at_most(&path, 10).is_err(), "{length}");
        }
    }
}
