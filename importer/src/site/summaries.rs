//! The verification summaries that belong to a receipt: one signed statement a line, the archive's first and then one
//! for each item in the receipt's order. The receipt holds the digest of each, so that the chain of receipts is
//! also theirs.
//!
//! They are bundles as others read them: a line, in a file of its own, is what cosign takes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, ErrorKind, Seek as _, Write as _};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::thread;

use gates::Judgement;
use manifests::dsse::{self, Envelope, Statement};
use manifests::inventory::{Inventory, Item};
use manifests::key::{PrivateKey, PublicKey};
use manifests::limits::SLOT_BYTES;
use manifests::receipt::{ItemRecord, Outcome, Receipt, State, VerdictRecord};
use manifests::slot;
use manifests::summary::{self, Resource, Verification, VerificationResult, VerificationSummary};
use manifests::{ChannelName, Digest, Reference, Timestamp};
use transfer::archive::{ReadAt, Signed};

use super::receipts::{self, Draft};
use super::{Site, SiteError, read_at_most};
use crate::accept::Accepted;
use crate::publish::Arrived;

const ENDING: &str = ".vsa.jsonl";

/// Largest file of summaries: 20,000 items with a hundred pieces of evidence each have less.
const BYTES: u64 = 1 << 30;

/// The header before the slot, in bytes: one block of tar.
const SLOT_OFFSET: u64 = 512;

/// How many are signed before they are put behind the others.
const BATCH: usize = 1024;

/// The summaries of a receipt that is not written yet: thousands of items have megabytes of them, which wait in a
/// file without a name.
#[derive(Debug)]
pub(crate) struct Summaries {
    folder: PathBuf,
    lines: Option<BufWriter<File>>,
    first: Option<Digest>,
}

impl Summaries {
    /// None yet. `folder` is where they wait.
    #[must_use]
    pub(crate) const fn new(folder: PathBuf) -> Self {
        Self { folder, lines: None, first: None }
    }

    /// The digest of the archive's; none where there is none.
    #[must_use]
    pub(crate) const fn first(&self) -> Option<Digest> {
        self.first
    }

    /// Adds one.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<(), SiteError> {
        self.first.get_or_insert_with(|| Digest::of(line));
        self.append(line).map_err(|error| SiteError::Io(self.folder.clone(), error))
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let lines = match &mut self.lines {
            Some(lines) => lines,
            None => self.lines.insert(BufWriter::new(tempfile::tempfile_in(&self.folder)?)),
        };
        lines.write_all(line)?;
        lines.write_all(b"\n")
    }

    /// Writes all of them.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn write(self, to: &mut File) -> io::Result<()> {
        let Some(lines) = self.lines else { return Ok(()) };
        let mut lines = lines.into_inner()?;
        lines.rewind()?;
        io::copy(&mut lines, to).map(|_| ())
    }
}

/// The summaries of a receipt as they were read: the bytes of their file.
#[derive(Debug)]
pub(crate) struct Kept(Vec<u8>);

impl Kept {
    /// The file's bytes.
    #[must_use]
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split_inclusive(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\n").unwrap_or(line))
    }
}

/// An archive that was opened: what its summary says, whatever is decided about it.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    identity: Digest,
    uri: String,
    inputs: Vec<Resource>,
}

impl Subject {
    /// The archive, which its preparer signed.
    ///
    /// # Errors
    /// When its signature cannot be read any more.
    pub(crate) fn of(archive: &Signed<File>) -> io::Result<Self> {
        let signature = signature(archive)?;
        let inventory = archive.inventory();
        let uri = summary::archive_uri(&inventory.name, inventory.serial);
        Ok(Self { identity: archive.identity(), uri, inputs: vec![signature] })
    }

    /// Signs what was decided about it.
    pub(super) fn sign(&self, verification: &Verification, key: &PrivateKey) -> Result<Vec<u8>, SiteError> {
        let said = verification.summary(self.uri.clone(), self.inputs.clone());
        sign(slot::SUBJECT, self.identity, said, key)
    }
}

/// The signature of an archive or annex, as a statement that was judged.
fn signature(archive: &Signed<File>) -> io::Result<Resource> {
    let mut slot = vec![0; usize::try_from(SLOT_BYTES).unwrap_or_default()];
    archive.reader().read_exact_at(&mut slot, SLOT_OFFSET)?;
    let inventory = archive.inventory();
    let uri = summary::archive_uri(&inventory.name, inventory.serial);
    Ok(Resource::new(Digest::of(slot.trim_ascii_end()), format!("{uri}/airgap/inventory.sigstore.json")))
}

fn sign(
    name: &str,
    subject: Digest,
    said: VerificationSummary,
    key: &PrivateKey,
) -> Result<Vec<u8>, SiteError> {
    let statement = Statement { name: name.to_owned(), subject, predicate: said };
    dsse::sign_once(statement, key).map_err(|error| SiteError::Signing(name.into(), error))
}

impl Site {
    /// The policy that was in force at a moment: a second load says of an archive what the first one said.
    fn policy_at(&self, at: Timestamp) -> Digest {
        let mut changes = self.ledger.changes().iter().rev();
        let last = changes.find(|change| change.is_policy && change.at <= at);
        last.map_or(self.description.policy_digest, |change| change.digest)
    }

    /// By whom and by what an archive was judged when it was accepted for the first time: what goes to registries says
    /// the same at each load.
    pub(crate) fn accepted_as(&self, inventory: &Inventory, now: Timestamp) -> Verification {
        let known = self.ledger.archives().get(&inventory.name, inventory.serial);
        self.verification(known.map_or(now, |known| known.since), VerificationResult::Passed)
    }

    /// By whom and by what everything in an archive was judged.
    pub(crate) fn verification(&self, at: Timestamp, result: VerificationResult) -> Verification {
        Verification {
            site: self.name().clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            policy: self.policy_at(at),
            at,
            result,
        }
    }
}

/// The records of the items of an archive that was accepted, and the summaries that they name.
pub(super) fn of_accepted(
    site: &Site,
    accepted: &Accepted,
    arrived: Vec<Arrived>,
    now: Timestamp,
    key: &PrivateKey,
) -> Result<(Vec<ItemRecord>, Summaries), SiteError> {
    let archive = accepted.archive();
    let failed = |error| SiteError::Io(site.evidence_pack(archive.identity()), error);
    let mut subject = Subject::of(archive).map_err(failed)?;
    for annex in accepted.annexes() {
        subject.inputs.push(signature(&annex.archive).map_err(failed)?);
    }
    let at = accepted.judgements().first().map_or(now, |judgement| judgement.at);
    let verification = site.verification(at, VerificationResult::Passed);
    let mut summaries = Summaries::new(site.receipts());
    summaries.push(&subject.sign(&verification, key)?)?;
    let items: HashMap<&str, &Item> =
        archive.inventory().items.iter().map(|item| (item.name.as_str(), item)).collect();
    let said = |arrived: &Arrived| {
        let evidence = items.get(arrived.name.as_str()).map(|item| evidence(item)).unwrap_or_default();
        let inputs = subject.inputs.iter().cloned().chain(evidence).collect();
        let said = verification.summary(summary::item_uri(&arrived.name), inputs);
        sign(&arrived.name, arrived.digest, said, key)
    };
    let mut verdicts = verdicts(accepted.judgements());
    let mut records = Vec::with_capacity(arrived.len());
    let mut arrived = arrived.into_iter();
    loop {
        let batch: Vec<Arrived> = arrived.by_ref().take(BATCH).collect();
        if batch.is_empty() {
            return Ok((records, summaries));
        }
        let signed = on_every_processor(&batch, said)?;
        for (Arrived { digest, kind, name, places }, line) in batch.into_iter().zip(signed) {
            let verdicts = verdicts.remove(name.as_str()).unwrap_or_default();
            records.push(ItemRecord { digest, kind, name, places, summary: Digest::of(&line), verdicts });
            summaries.push(&line)?;
        }
    }
}

/// What `each` makes of everything, in its order. A signature takes a tenth of a millisecond, and an archive has thousands
/// of items.
fn on_every_processor<T: Sync, R: Send, E: Send>(
    all: &[T],
    each: impl Fn(&T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    let share = all.len().div_ceil(workers).max(1);
    let each = &each;
    thread::scope(|scope| {
        let shares: Vec<_> = all
            .chunks(share)
            .map(|share| scope.spawn(move || share.iter().map(each).collect::<Result<Vec<R>, E>>()))
            .collect();
        let mut made = Vec::with_capacity(all.len());
        for share in shares {
            made.extend(share.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(made)
    })
}

/// The signatures, attestations and reports about an item.
fn evidence(item: &Item) -> Vec<Resource> {
    let Ok(name) = item.name.parse::<Reference>() else { return vec![] };
    let uri = |digest| summary::item_uri(&name.repository().at(digest).to_string());
    item.evidence.iter().map(|evidence| Resource::new(evidence.digest, uri(evidence.digest))).collect()
}

/// What each gate of each policy decided about each item.
pub(crate) fn verdicts(judgements: &[Judgement]) -> HashMap<&str, Vec<VerdictRecord>> {
    let mut verdicts: HashMap<&str, Vec<VerdictRecord>> = HashMap::new();
    for judgement in judgements {
        for item in &judgement.items {
            let records = item.verdicts.iter().map(|verdict| VerdictRecord {
                gate: verdict.gate.to_owned(),
                outcome: match verdict.outcome {
                    gates::Outcome::Passed => Outcome::Passed,
                    gates::Outcome::Warned => Outcome::Warned,
                    gates::Outcome::Refused => Outcome::Refused,
                },
                policy: judgement.policy,
                rule: verdict.rule.clone(),
            });
            verdicts.entry(&item.name).or_default().extend(records);
        }
    }
    verdicts
}

/// The receipt after one of a load that was held: what was judged then stays as it was said then.
///
/// # Errors
/// When the disk fails.
pub(crate) fn published(
    site: &Site,
    held: Receipt,
    kept: &Kept,
    arrived: Vec<Arrived>,
    now: Timestamp,
) -> Result<Draft, SiteError> {
    let mut records: HashMap<String, ItemRecord> =
        held.items.into_iter().map(|record| (record.name.clone(), record)).collect();
    let lines: HashMap<Digest, &[u8]> = kept.lines().map(|line| (Digest::of(line), line)).collect();
    let mut summaries = Summaries::new(site.receipts());
    let mut keep = |digest: Digest| lines.get(&digest).map_or(Ok(()), |line| summaries.push(line));
    held.summary.map_or(Ok(()), &mut keep)?;
    let mut items = Vec::with_capacity(arrived.len());
    for Arrived { name, places, .. } in arrived {
        let Some(record) = records.remove(&name) else { continue };
        keep(record.summary)?;
        items.push(ItemRecord { places, ..record });
    }
    let receipt = Receipt { items, state: State::Published, issued: now, ..held };
    Ok(Draft { receipt, summaries })
}

/// The file of the summaries of a receipt's file.
#[must_use]
pub(crate) fn path(receipt: &Path) -> PathBuf {
    receipts::beside(receipt, ENDING)
}

/// Reads the summaries of a receipt whose signature was checked: they are those that it names, in its order, and
/// each is signed by `key` about what the receipt says.
///
/// # Errors
/// When one is missing, another, or there is one too many.
pub(crate) fn check(receipt: &Path, says: &Receipt, key: &PublicKey) -> Result<Kept, SiteError> {
    let path = path(receipt);
    let wrong = |reason: String| SiteError::Receipt(path.clone(), reason);
    let bytes = read_at_most(&path, BYTES).map_err(|error| match error {
        SiteError::Io(_, error) if error.kind() == ErrorKind::NotFound => {
            wrong("found no verification summaries, wanted those that the receipt names".to_owned())
        }
        error => error,
    })?;
    let is_ended = bytes.last().is_none_or(|last| *last == b'\n');
    let summaries = Kept(bytes);
    let (found, wanted) = (summaries.lines().count(), wanted(says));
    if found != wanted.len() || !is_ended {
        return Err(wrong(format!(
            "found {found} verification summaries, wanted the {} that the receipt names, one a line",
            wanted.len()
        )));
    }
    for (line, wanted) in summaries.lines().zip(&wanted) {
        one(line, wanted, (says.state, &says.site), key)
            .map_err(|reason| wrong(format!("{}: {reason}", wanted.name)))?;
    }
    Ok(summaries)
}

/// What a receipt says about one of its summaries.
struct Wanted<'a> {
    digest: Digest,
    name: &'a str,
    subject: Digest,
}

fn wanted(says: &Receipt) -> Vec<Wanted<'_>> {
    let archive = says.archive.as_ref().zip(says.summary);
    let archive =
        archive.map(|(archive, digest)| Wanted { digest, name: slot::SUBJECT, subject: archive.identity });
    let items = says.items.iter();
    let items = items.map(|item| Wanted { digest: item.summary, name: &item.name, subject: item.digest });
    archive.into_iter().chain(items).collect()
}

fn one(
    line: &[u8],
    wanted: &Wanted<'_>,
    (state, site): (State, &ChannelName),
    key: &PublicKey,
) -> Result<(), String> {
    let found = Digest::of(line);
    if found != wanted.digest {
        return Err(format!("found the verification summary {found}, wanted {}", wanted.digest));
    }
    let statement = Envelope::parse(line).and_then(|envelope| envelope.verify::<VerificationSummary>(key));
    let Statement { name, subject, predicate } = statement.map_err(|error| error.to_string())?;
    let result = match state {
        State::Refused => VerificationResult::Failed,
        State::Held | State::Published | State::Changed => VerificationResult::Passed,
    };
    let is_same = name == wanted.name
        && subject == wanted.subject
        && predicate.verification_result == result
        && predicate.verifier.id == summary::verifier(site);
    if is_same { Ok(()) } else { Err("found a verification summary of something else".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_by_the_site_s_key_about_something_else_is_none_of_the_receipt() {
        let key = PrivateKey::generate().unwrap();
        let (app, site) = (Digest::of(b"app"), "sovereign-a".parse::<ChannelName>().unwrap());
        let said = |site: &str, name: &str, subject, result| {
            let verification = Verification {
                site: site.parse().unwrap(),
                version: "0.1.0".to_owned(),
                policy: Digest::of(b"policy"),
                at: "2024-11-30T08:00:00Z".parse().unwrap(),
                result,
            };
            sign(name, subject, verification.summary(summary::item_uri("app:1"), vec![]), &key).unwrap()
        };
        let (passed, failed) = (VerificationResult::Passed, VerificationResult::Failed);
        for (line, is_good, why) in [
            (said("sovereign-a", "app:1", app, passed), true, "what the receipt says"),
            (said("sovereign-a", "app:2", app, passed), false, "another name"),
            (said("sovereign-a", "app:1", Digest::of(b"web"), passed), false, "another subject"),
            (said("sovereign-a", "app:1", app, failed), false, "another result"),
            (said("sovereign-b", "app:1", app, passed), false, "another site"),
        ] {
            let wanted = Wanted { digest: Digest::of(&line), name: "app:1", subject: app };
            let found = one(&line, &wanted, (State::Published, &site), &key.public().unwrap());
            assert_eq!(found.is_ok(), is_good, "{why}: {found:?}");
            let refused = one(&line, &wanted, (State::Refused, &site), &key.public().unwrap());
            assert!(refused.is_err() || why == "another result", "{why}: the receipt is one of a refusal");
        }
    }
}
