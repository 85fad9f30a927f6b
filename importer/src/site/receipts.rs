//! The receipts of a site: signed, numbered, each with the digest of the one before.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use manifests::dsse::{self, Envelope, Statement};
use manifests::key::{PrivateKey, PublicKey};
use manifests::receipt::{ArchiveRecord, ItemRecord, Receipt, ReceiptSignature, SignerRecord, State};
use manifests::{API_VERSION, Digest, Timestamp};

use super::{LEDGER, RECEIPTS, Site, SiteError, files, read_at_most};
use crate::accept::Accepted;

/// The name that a statement gives to the receipt; the file's own name changes when it is copied out.
const SUBJECT: &str = "receipt.json";

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
    Ok(Some(Last {
        number: *number,
        digest,
        ledger_head: receipt.ledger_head,
        previous: receipt.previous,
        issued: receipt.issued,
    }))
}

/// The bundle that belongs to a receipt's file.
#[must_use]
pub(crate) fn bundle_path(path: &Path) -> PathBuf {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    path.with_file_name(format!("{}{BUNDLE_ENDING}", name.trim_end_matches(ENDING)))
}

/// Reads a receipt: the signature first, and only then what it says.
///
/// # Errors
/// When it or its bundle cannot be read, the signature is not by `key`, or it is not canonical.
pub(crate) fn read(path: &Path, key: &PublicKey) -> Result<Signed, SiteError> {
    let wrong = |reason: String| SiteError::Receipt(path.to_owned(), reason);
    let bytes = read_at_most(path, RECEIPT_BYTES)?;
    let bundle = read_at_most(&bundle_path(path), BUNDLE_BYTES).map_err(|error| match error {
        SiteError::Io(bundle, error) if error.kind() == ErrorKind::NotFound => {
            wrong(format!("found no signature, wanted it in {}", bundle.display()))
        }
        error => error,
    })?;
    let statement = Envelope::parse(&bundle).and_then(|envelope| envelope.verify::<ReceiptSignature>(key));
    let Statement { name, subject, predicate } = statement.map_err(|error| wrong(error.to_string()))?;
    let digest = Digest::of(&bytes);
    if subject != digest || name != SUBJECT {
        return Err(wrong(format!("found a receipt {digest}, wanted {subject}, which was signed")));
    }
    let receipt = Receipt::parse(&bytes).map_err(|error| wrong(error.to_string()))?;
    if predicate != (ReceiptSignature { signed_at: receipt.issued, site: receipt.site.clone() }) {
        return Err(wrong("found another site or time in the signature than in the receipt".to_owned()));
    }
    Ok(Signed { receipt, digest, bundle })
}

impl Site {
    /// The folder of the receipts.
    #[must_use]
    pub(crate) fn receipts(&self) -> PathBuf {
        self.directory.join(RECEIPTS)
    }

    /// The receipt of an archive that was accepted, without its place in the chain.
    #[must_use]
    pub(crate) fn receipt(
        &self,
        accepted: &Accepted,
        items: Vec<ItemRecord>,
        state: State,
        now: Timestamp,
    ) -> Receipt {
        let (archive, inventory) = (accepted.archive(), accepted.archive().inventory());
        let signer = |signer: &manifests::trust::Signer| SignerRecord {
            key: signer.key,
            person: signer.person.clone(),
            role: signer.role,
        };
        Receipt {
            annexes: accepted.annexes().iter().map(|annex| annex.identity).collect(),
            api_version: API_VERSION.to_owned(),
            archive: ArchiveRecord {
                identity: archive.identity(),
                name: inventory.name.clone(),
                serial: inventory.serial,
            },
            excluded: accepted.excluded().records().to_vec(),
            gates: gates(accepted),
            issued: now,
            items,
            kind: "Receipt".to_owned(),
            ledger_head: self.ledger.head(),
            policy_digests: accepted.policies().to_vec(),
            previous: None,
            signers: accepted.signers().iter().map(signer).collect(),
            site: self.name().clone(),
            state,
            trust_digests: accepted.trusts().to_vec(),
        }
    }

    /// Gives a receipt its place in the chain, signs it, and writes it down.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn issue(&mut self, receipt: Receipt, key: &PrivateKey) -> Result<Listed, SiteError> {
        let previous = self.last.as_ref();
        let number = previous.map_or(1, |last| last.number + 1);
        let receipt = Receipt {
            ledger_head: self.ledger.head(),
            previous: previous.map(|last| last.digest),
            ..receipt
        };
        let bytes = receipt.encode();
        let digest = Digest::of(&bytes);
        let ArchiveRecord { name, serial, .. } = &receipt.archive;
        let path = self.receipts().join(format!("{number:06}-{name}-{serial}{ENDING}"));
        let predicate = ReceiptSignature { signed_at: receipt.issued, site: receipt.site.clone() };
        let statement = Statement { name: SUBJECT.to_owned(), subject: digest, predicate };
        let bundle = dsse::sign(statement, key)
            .map_err(|error| SiteError::Receipt(path.clone(), error.to_string()))?;

        // The receipt last: where it is, its bundle is.
        for (path, bytes) in [(bundle_path(&path), &bundle), (path.clone(), &bytes)] {
            files::put(&path, |file| file.write_all(bytes))
                .map_err(|error| SiteError::Io(path.clone(), error))?;
        }
        self.last = Some(Last {
            number,
            digest,
            ledger_head: receipt.ledger_head,
            previous: receipt.previous,
            issued: receipt.issued,
        });
        self.ledger
            .issued(number, digest, receipt.issued)
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
