//! cosign, on the signature of an archive and on that of a receipt.

use tests::desk::Desk;

use crate::with_archive;

const ARCHIVE: &str = "https://airgap.openova.io/archive/v1";
const RECEIPT: &str = "https://airgap.openova.io/receipt/v1";
const MINIMAL: &str = "https://airgap.openova.io/minimal-receipt/v1";
const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

fn verify(kind: &str, key: &str, bundle: &str, blob: &str) -> String {
    format!(
        "cosign verify-blob-attestation --type {kind} --key {key} --bundle {bundle} --insecure-ignore-tlog {blob}"
    )
}

fn accepts(desk: &Desk, line: &str) {
    let (_, said) = desk.ends(line, 0);
    assert!(said.contains("Verified OK"), "{said}");
}

fn refuses(desk: &Desk, why: &str, line: &str) {
    let output = desk.command(line).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && !said.contains("Verified OK"), "{why}: {said}");
}

#[test]
fn cosign_tells_the_signature_of_an_archive_from_every_other() {
    let desk = with_archive();
    desk.run("tar xf core.tar airgap");
    let (bundle, inventory) = ("airgap/inventory.sigstore.json", "airgap/inventory.json");
    accepts(&desk, &verify(ARCHIVE, "build-1.pub", bundle, inventory));
    let spaced = String::from_utf8(desk.read(bundle)).unwrap().replacen('{', "{ ", 1);
    desk.write("spaced.json", spaced);
    accepts(&desk, &verify(ARCHIVE, "build-1.pub", "spaced.json", inventory));
    refuses(&desk, "another kind of statement", &verify(RECEIPT, "build-1.pub", bundle, inventory));
    refuses(&desk, "another key", &verify(ARCHIVE, "cosign.pub", bundle, inventory));
    refuses(&desk, "another file", &verify(ARCHIVE, "build-1.pub", bundle, "index.json"));
    let mut changed = desk.read(inventory);
    changed[10] ^= 1;
    desk.write(inventory, changed);
    refuses(&desk, "a changed inventory", &verify(ARCHIVE, "build-1.pub", bundle, inventory));
}

#[test]
fn cosign_tells_the_signature_of_a_receipt_from_every_other() {
    let desk = with_archive();
    desk.site("sovereign");
    desk.run("airgap-import load core.tar --state sovereign --to registry");
    desk.run("airgap-import receipt export 1 --state sovereign -o receipt.json");
    let (bundle, key) = ("receipt.sigstore.json", "sovereign/receipt.pub");
    accepts(&desk, &verify(RECEIPT, key, bundle, "receipt.json"));
    desk.run("airgap-import receipt verify receipt.json --key sovereign/receipt.pub");
    refuses(&desk, "another kind of statement", &verify(ARCHIVE, key, bundle, "receipt.json"));
    refuses(&desk, "the preparer's key", &verify(RECEIPT, "build-1.pub", bundle, "receipt.json"));
    desk.run("tar xf core.tar airgap");
    refuses(
        &desk,
        "the archive in the place of its receipt",
        &verify(RECEIPT, key, bundle, "airgap/inventory.json"),
    );
    desk.run("airgap-import receipt export 1 --state sovereign -o arrived.json --minimal");
    accepts(&desk, &verify(MINIMAL, key, "arrived.sigstore.json", "arrived.json"));
    refuses(
        &desk,
        "a minimal receipt as a full one",
        &verify(RECEIPT, key, "arrived.sigstore.json", "arrived.json"),
    );

    let summaries = String::from_utf8(desk.read("receipt.vsa.jsonl")).unwrap();
    let (of_archive, of_items) = summaries.split_once('\n').unwrap();
    desk.write("archive.vsa.json", of_archive);
    desk.write("item.vsa.json", of_items.lines().next().unwrap());
    let receipt = desk.json("airgap-import receipt show --state sovereign --json");
    let digest = receipt["items"][0]["digest"].as_str().unwrap().replace("sha256:", "");
    let manifest = format!("registry/oci/blobs/sha256/{digest}");
    accepts(&desk, &verify(SUMMARY, key, "archive.vsa.json", "airgap/inventory.json"));
    accepts(&desk, &verify(SUMMARY, key, "item.vsa.json", &manifest));
    refuses(
        &desk,
        "the summary of the archive as an item's",
        &verify(SUMMARY, key, "archive.vsa.json", &manifest),
    );
}
