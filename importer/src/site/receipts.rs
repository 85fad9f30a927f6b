//! The receipts of a site: signed, numbered, each with the digest of the one before.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use manifests::dsse::{self, Envelope, Predicate, Statement};
use manifests::key::{KeyError, PrivateKey, PublicKey};
use manifests::receipt::{
    ArchiveRecord, MinimalReceipt, MinimalSignature, Receipt, ReceiptSignature, SignerRecord, State,
};
use manifests::{API_VERSION, ChannelName, Digest, Timestamp, json};

use super::ledger::Issued;
use super::summaries::{self, Summaries};
use super::{LEDGER, RECEIPTS, Site, SiteError, files, read_at_most};
use crate::accept::Accepted;
use crate::publish::Arrived;

/// The name that a statement gives to the receipt; the file's own name changes when it is copied out.
const SUBJECT: &str = "receipt.json";

/// The same of a minimal receipt.
const MINIMAL_SUBJECT: &str = "minimal-receipt.json";

/// Largest receipt: 20,000 items at three targets with evidence have a tenth of it.
const RECEIPT_BYTES: u64 = 256 * 1024 * 1024;

/// Largest bundle. Ours have a few hundred bytes.
const BUNDLE_BYTES: u64 = 16 * 1024;

const ENDING: &str = ".json";
const BUNDLE_ENDING: &str = ".sigstore.json";

/// A receipt that the site signed.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    /// What it says.
    pub(crate) receipt: Receipt,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// The signature.
    pub(crate) bundle: Vec<u8>,
}

/// A receipt that has no place in the chain yet, with its verification summaries.
#[derive(Debug)]
pub(crate) struct Draft {
    /// What it says.
    pub(crate) receipt: Receipt,
    /// Those that it names.
    pub(crate) summaries: Summaries,
}

/// The last receipt of a site.
#[derive(Debug, Clone)]
pub(crate) struct Last {
    /// Its number.
    pub(crate) number: u64,
    /// The digest of its bytes.
    pub(crate) digest: Digest,
    /// The digest of the ledger's last line at its time.
    pub(crate) ledger_head: Digest,
    /// The receipt before it.
    pub(crate) previous: Option<Digest>,
    /// When it was issued.
    pub(crate) issued: Timestamp,
    archive: Option<(ChannelName, Digest)>,
    is_refusal: bool,
}

impl Last {
    fn of(number: u64, digest: Digest, receipt: Receipt) -> Self {
        Self {
            number,
            digest,
            ledger_head: receipt.ledger_head,
            previous: receipt.previous,
            issued: receipt.issued,
            archive: receipt.archive.map(|archive| (archive.name, archive.identity)),
            is_refusal: receipt.state == State::Refused,
        }
    }

    /// As the ledger notes it.
    pub(super) const fn noted(&self) -> Issued<'_> {
        let Self { number, digest, is_refusal, .. } = *self;
        Issued { number, digest, archive: self.archive.as_ref(), is_refusal }
    }
}

/// A receipt in the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listed {
    /// Its number.
    pub(crate) number: u64,
    /// Its file.
    pub(crate) path: PathBuf,
}

/// The receipts of a folder by number: 1, 2, 3 and so on, each once.
///
/// # Errors
/// When the folder cannot be read, or one is missing or there twice.
pub(crate) fn list(folder: &Path) -> Result<Vec<Listed>, SiteError> {
    let failed = |error| SiteError::Io(folder.to_owned(), error);
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with('.') || name.ends_with(BUNDLE_ENDING) || !name.ends_with(ENDING) {
            continue;
        }
        let number = name.split('-').next().and_then(|number| number.parse().ok());
        let number = number.ok_or_else(|| {
            SiteError::Receipt(path.clone(), "found a file that is no receipt of ours".to_owned())
        })?;
        found.push(Listed { number, path });
    }
    found.sort_by_key(|listed| listed.number);
    for (listed, wanted) in found.iter().zip(1..) {
        if listed.number != wanted {
            let reason = format!("found receipt {}, wanted {wanted} first: one is missing", listed.number);
            return Err(SiteError::Receipt(listed.path.clone(), reason));
        }
    }
    Ok(found)
}

/// The last receipt of a folder, once its signature is checked.
pub(super) fn last(folder: &Path, key: &PublicKey) -> Result<Option<Last>, SiteError> {
    let listed = list(folder)?;
    let Some(Listed { number, path }) = listed.last() else { return Ok(None) };
    let Signed { receipt, digest, .. } = read(path, key)?;
    Ok(Some(Last::of(*number, digest, receipt)))
}

/// The bundle that belongs to a receipt's file.
#[must_use]
pub(crate) fn bundle_path(path: &Path) -> PathBuf {
    beside(path, BUNDLE_ENDING)
}

/// The file beside a receipt's file that has this ending in the place of its own.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.with_file_name(format!("{}{ending}", name.trim_end_matches(ENDING)))
}

/// Reads a receipt: the signature first, and only then what it says.
///
/// # Errors
/// When it or its bundle cannot be read, the signature is not by `key`, or it is not canonical.
pub(crate) fn read(path: &Path, key: &PublicKey) -> Result<Signed, SiteError> {
    let wrong = |reason: String| SiteError::Receipt(path.to_owned(), reason);
    let Pair { predicate, bytes, bundle } = read_signed::<ReceiptSignature>(path, SUBJECT, key)?;
    let receipt = Receipt::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
    if predicate != (ReceiptSignature { signed_at: receipt.issued, site: receipt.site.clone() }) {
        return Err(wrong("found another site or time in the signature than in the receipt".to_owned()));
    }
    Ok(Signed { receipt, digest: Digest::of(&bytes), bundle })
}

/// Reads a minimal receipt, as [`read`] reads a receipt, with its digest.
///
/// # Errors
/// As [`read`].
pub(crate) fn read_minimal(path: &Path, key: &PublicKey) -> Result<(MinimalReceipt, Digest), SiteError> {
    let wrong = |reason: &str| SiteError::Receipt(path.to_owned(), reason.to_owned());
    let Pair { predicate, bytes, .. } = read_signed::<MinimalSignature>(path, MINIMAL_SUBJECT, key)?;
    let minimal = MinimalReceipt::parse(&bytes).map_err(|error| wrong(&error.to_string()))?;
    if predicate != (MinimalSignature { signed_at: minimal.issued, site: minimal.site.clone() }) {
        return Err(wrong("found another site or time in the signature than in the minimal receipt"));
    }
    Ok((minimal, Digest::of(&bytes)))
}

/// Whether a file is said to be a minimal receipt: which reader to take, not a proof.
#[must_use]
pub(crate) fn is_minimal(path: &Path) -> bool {
    let bundle = read_at_most(&bundle_path(path), BUNDLE_BYTES).ok();
    let envelope = bundle.and_then(|bundle| Envelope::parse(&bundle).ok());
    envelope.is_some_and(|envelope| envelope.unverified::<MinimalSignature>().is_ok())
}

/// Signs what of a receipt may leave the site: its bytes and its bundle.
///
/// # Errors
/// When the key does not sign.
pub(crate) fn minimal(signed: &Signed, key: &PrivateKey) -> Result<(Vec<u8>, Vec<u8>), KeyError> {
    let minimal = MinimalReceipt::of(&signed.receipt, signed.digest);
    let bytes = minimal.encode();
    let predicate = MinimalSignature { signed_at: minimal.issued, site: minimal.site };
    let statement = Statement { name: MINIMAL_SUBJECT.to_owned(), subject: Digest::of(&bytes), predicate };
    Ok((bytes, dsse::sign(statement, key)?))
}

/// A file and the bundle beside it, once the signature is checked.
struct Pair<P> {
    predicate: P,
    bytes: Vec<u8>,
    bundle: Vec<u8>,
}

/// Reads a file that the bundle beside it is about, under this name.
fn read_signed<P: Predicate>(path: &Path, name: &str, key: &PublicKey) -> Result<Pair<P>, SiteError> {
    let wrong = |reason: String| SiteError::Receipt(path.to_owned(), reason);
    let bytes = read_at_most(path, RECEIPT_BYTES)?;
    let bundle = read_at_most(&bundle_path(path), BUNDLE_BYTES).map_err(|error| match error {
        SiteError::Io(bundle, error) if error.kind() == ErrorKind::NotFound => {
            wrong(format!("found no signature, wanted it in {}", bundle.display()))
        }
        error => error,
    })?;
    let statement = Envelope::parse(&bundle).and_then(|envelope| envelope.verify::<P>(key));
    let Statement { name: found, subject, predicate } =
        statement.map_err(|error| wrong(error.to_string()))?;
    let digest = Digest::of(&bytes);
    if subject != digest || found != name {
        return Err(wrong(format!("found a receipt {digest}, wanted {subject}, which was signed")));
    }
    Ok(Pair { predicate, bytes, bundle })
}

impl Site {
    /// The folder of the receipts.
    #[must_use]
    pub(crate) fn receipts(&self) -> PathBuf {
        self.directory.join(RECEIPTS)
    }

    /// A receipt of which only this is known.
    pub(super) fn blank(&self, state: State, now: Timestamp) -> Receipt {
        Receipt {
            annexes: vec![],
            api_version: API_VERSION.to_owned(),
            archive: None,
            change: None,
            excluded: vec![],
            gates: vec![],
            issued: now,
            items: vec![],
            judgements: vec![],
            kind: "Receipt".to_owned(),
            ledger_head: self.ledger.head(),
            policy_digests: vec![],
            previous: None,
            previous_of_channel: None,
            reasons: vec![],
            signers: vec![],
            site: self.name().clone(),
            state,
            summary: None,
            trust_digests: vec![],
        }
    }

    /// The receipt of a change of what the site is held to, without its place in the chain: without one, the lines of
    /// the ledger that put a trust file or a policy in force could be cut off unseen.
    #[must_use]
    pub(crate) fn changed(&self, now: Timestamp) -> Draft {
        let receipt = Receipt {
            policy_digests: vec![self.policy.policy.digest()],
            signers: self.decided().iter().map(SignerRecord::from).collect(),
            trust_digests: vec![self.trust.digest()],
            ..self.blank(State::Changed, now)
        };
        Draft { receipt, summaries: Summaries::new(self.receipts()) }
    }

    /// The receipt of an archive that was accepted and kept, without its place in the chain.
    ///
    /// # Errors
    /// When what was kept cannot be read, or the archive no longer has its signature.
    pub(crate) fn receipt(
        &self,
        accepted: &Accepted,
        arrived: Vec<Arrived>,
        state: State,
        now: Timestamp,
        key: &PrivateKey,
    ) -> Result<Draft, SiteError> {
        let archive = accepted.archive();
        let (items, summaries) = summaries::of_accepted(self, accepted, arrived, now, key)?;
        let receipt = Receipt {
            annexes: accepted.annexes().iter().map(|annex| annex.identity).collect(),
            archive: Some(ArchiveRecord::new(archive.identity(), archive.inventory())),
            excluded: accepted.excluded().records().to_vec(),
            gates: gates(accepted),
            items,
            judgements: accepted.judgements().iter().map(json::digest).collect(),
            policy_digests: accepted.policies().to_vec(),
            signers: accepted.signers().iter().map(SignerRecord::from).collect(),
            summary: summaries.first(),
            trust_digests: accepted.trusts().to_vec(),
            ..self.blank(state, now)
        };
        Ok(Draft { receipt, summaries })
    }

    /// Leaves the receipt of a change that was cut off from it: who decided stands nowhere else. A command that writes does
    /// so before anything else, since what it judges comes after that receipt.
    ///
    /// # Errors
    /// As [`Site::issue`].
    pub(crate) fn settle(&mut self, now: Timestamp, key: &PrivateKey) -> Result<(), SiteError> {
        if self.ledger.lacks_receipt() {
            self.issue(self.changed(now.max(self.ledger.last())), key)?;
        }
        Ok(())
    }

    /// Gives a receipt its place in the chain, signs it, and writes it down.
    ///
    /// # Errors
    /// When the key does not sign, or the disk fails.
    pub(crate) fn issue(&mut self, draft: Draft, key: &PrivateKey) -> Result<Listed, SiteError> {
        let Draft { receipt, summaries } = draft;
        let previous = self.last.as_ref();
        let number = previous.map_or(1, |last| last.number + 1);
        let channel = receipt.archive.as_ref().map(|archive| &archive.name);
        let receipt = Receipt {
            ledger_head: self.ledger.head(),
            previous: previous.map(|last| last.digest),
            previous_of_channel: channel.and_then(|channel| self.ledger.receipt_of(channel)),
            ..receipt
        };
        let digest = json::digest(&receipt);
        let path = self.receipts().join(match &receipt.archive {
            Some(ArchiveRecord { name, serial, .. }) => format!("{number:06}-{name}-{serial}{ENDING}"),
            None if receipt.state == State::Changed => format!("{number:06}-changed{ENDING}"),
            None if receipt.change.is_some() => format!("{number:06}-unchanged{ENDING}"),
            None => format!("{number:06}-unverified{ENDING}"),
        });
        let predicate = ReceiptSignature { signed_at: receipt.issued, site: receipt.site.clone() };
        let statement = Statement { name: SUBJECT.to_owned(), subject: digest, predicate };
        let bundle = dsse::sign(statement, key).map_err(|error| SiteError::Signing(path.clone(), error))?;

        // The receipt last: where it is, all that belongs to it is.
        let (bundle_path, summaries_path) = (bundle_path(&path), summaries::path(&path));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| SiteError::Io(path, error)
        };
        files::put(&summaries_path, |file| summaries.write(file)).map_err(failed(&summaries_path))?;
        files::put(&bundle_path, |file| file.write_all(&bundle)).map_err(failed(&bundle_path))?;
        files::put(&path, |file| json::write(&receipt, file)).map_err(failed(&path))?;
        let last = self.last.insert(Last::of(number, digest, receipt));
        self.ledger
            .issued(last.noted(), last.issued)
            .map_err(|error| SiteError::Ledger(self.directory.join(LEDGER), error))?;
        Ok(Listed { number, path })
    }
}

/// The gates that judged, each once.
fn gates(accepted: &Accepted) -> Vec<String> {
    let mut gates: Vec<String> = Vec::new();
    for gate in accepted.judgements().iter().flat_map(|judgement| &judgement.gates) {
        if !gates.iter().any(|known| known == gate) {
            gates.push((*gate).to_owned());
        }
    }
    gates
}
