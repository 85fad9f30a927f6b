//! Receipts and ledgers as whoever has the site's key and may write to its state directory can make them.

use std::fs;
use std::path::Path;

use manifests::dsse::{self, Predicate, Statement};
use manifests::key::PrivateKey;
use manifests::receipt::{Receipt, ReceiptSignature};
use manifests::{Digest, json};
use serde_json::Value;

use crate::site::Site;

/// Writes the last receipt anew. Its ledger is left as after a crash right before it noted the receipt.
pub(crate) fn forge(site: &Site, change: impl FnOnce(&mut Value)) {
    reissue(site, &site.receipts().pop().unwrap(), change);
    let ledger = site.ledger();
    let (kept, _) = ledger.trim_end().rsplit_once('\n').unwrap();
    site.write("state/ledger.jsonl", &format!("{kept}\n"));
}

/// Writes a receipt anew, and gives its digest.
pub(crate) fn reissue(site: &Site, path: &Path, change: impl FnOnce(&mut Value)) -> Digest {
    let mut receipt: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    change(&mut receipt);
    let receipt: Receipt = serde_json::from_value(receipt).unwrap();
    fs::write(path, receipt.encode()).unwrap();
    let predicate = ReceiptSignature { signed_at: receipt.issued, site: receipt.site.clone() };
    sign(site, path, "receipt.json", predicate);
    json::digest(&receipt)
}

/// Signs a receipt as it lies there, under the name that a statement gives to one of its kind.
pub(crate) fn sign<P: Predicate>(site: &Site, path: &Path, name: &str, predicate: P) {
    let key = fs::read_to_string(site.path("state/receipt.key")).unwrap();
    let key = PrivateKey::from_pem(&key, || None).unwrap();
    let subject = Digest::of(&fs::read(path).unwrap());
    let statement = Statement { name: name.to_owned(), subject, predicate };
    fs::write(path.with_extension("sigstore.json"), dsse::sign(statement, &key).unwrap()).unwrap();
}

/// Puts a line into the ledger right before its last one, which is chained to it.
pub(crate) fn insert(site: &Site, change: impl FnOnce(&mut Value)) {
    let ledger = site.ledger();
    let (before, last) = ledger.trim_end().rsplit_once('\n').unwrap();
    let mut last: Value = serde_json::from_str(last).unwrap();
    let mut line = last.clone();
    change(&mut line);
    let line = String::from_utf8(json::encode(&line)).unwrap();
    last["number"] = (last["number"].as_u64().unwrap() + 1).into();
    last["previous"] = Digest::of(line.as_bytes()).to_string().into();
    let last = String::from_utf8(json::encode(&last)).unwrap();
    site.write("state/ledger.jsonl", &format!("{before}\n{line}\n{last}\n"));
}
