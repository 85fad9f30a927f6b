//! A site whose key is in a token.

use std::fs;
use std::io::Write as _;
use std::process::Stdio;

use tests::servers::{self, fresh_repository};

use crate::hsm::{Hsm, PIN};

const RECEIPT: &str = "https://airgap.openova.io/receipt/v1";

/// A site with its key in the token, and `core.tar` for it; the image is given by its digest.
fn with_site() -> (Hsm, manifests::Digest) {
    let hsm = Hsm::new();
    hsm.make_key("receipts", "0a", "EC:prime256v1");
    let image = hsm.locked().digest();
    hsm.run("airgap-bundle build core.yaml --key build-1.key -o core.tar");
    let uri = hsm.uri("object=receipts");
    hsm.run(&format!(
        "airgap-import init --state site --trust build-1.pub --policy policy.yaml --name sovereign --receipt-key {uri}"
    ));
    (hsm, image)
}

#[test]
fn a_site_signs_its_receipts_with_a_token_and_keeps_only_its_uri() {
    let (hsm, _) = with_site();
    let uri = hsm.uri("object=receipts");
    assert_eq!(hsm.desk.read("site/receipt.key"), format!("{uri}\n").as_bytes());
    hsm.run("airgap-import load core.tar --state site --to content");
    hsm.run("airgap-import receipt verify --state site");
    hsm.run("airgap-import receipt export 1 --state site -o receipt.json");
    hsm.run(&format!(
        "cosign verify-blob-attestation --type {RECEIPT} --key site/receipt.pub --bundle receipt.sigstore.json \
         --insecure-ignore-tlog receipt.json"
    ));
    hsm.run("airgap-import receipt export 1 --state site -o arrived.json --minimal");
    hsm.run("airgap-import receipt verify arrived.json --key site/receipt.pub");

    // A refusal leaves a receipt, which the token signs as well.
    hsm.desk.write("core.tar.cut", &hsm.desk.read("core.tar")[..20_000]);
    hsm.ends("airgap-import load core.tar.cut --state site --to content", 4);
    hsm.run("airgap-import receipt verify --state site");
    for (path, content) in hsm.desk.files("site") {
        let has_pin = content.windows(PIN.len()).any(|window| window == PIN.as_bytes());
        assert!(!has_pin, "found the PIN in {}", path.display());
    }
}

#[test]
fn what_a_token_vouched_for_is_said_again_by_a_second_load() {
    let (hsm, image) = with_site();
    for target in [servers::registry2_target(), servers::referrers()] {
        let prefix = fresh_repository("inside");
        hsm.desk.destination("target", &target, &prefix);
        let load = "airgap-import load core.tar --state site --to target.yaml --quiet --json";
        let first = hsm.json(load);
        assert_ne!(first["load"]["targets"][0]["manifests"], 0, "{first:#}");
        let again = hsm.json(load);
        assert_eq!(again["load"]["targets"][0]["manifests"], 0, "a second load settles: {again:#}");
        let name = hsm.run(&format!("crane catalog {}", target.address));
        let name = name.lines().find(|name| name.starts_with(&prefix)).unwrap_or_else(|| panic!("{first:#}"));
        hsm.run(&format!(
            "cosign verify --key site/receipt.pub --insecure-ignore-tlog --allow-http-registry {}@{image}",
            target.repository(name)
        ));
    }
}

#[test]
fn a_load_without_the_token_writes_nothing() {
    let (hsm, _) = with_site();
    let load = "airgap-import load core.tar --state site --to content";
    hsm.desk.write("pin", "1618033988\n");
    let (_, said) = hsm.ends(load, 2);
    assert!(said.contains("tried once"), "{said}");
    hsm.desk.write("pin", PIN);
    hsm.tool("--delete-object --type privkey --label receipts");
    let (_, said) = hsm.ends(load, 2);
    assert!(said.contains("found no private key in the token build"), "{said}");

    // Another key in its place is not the site's.
    hsm.tool("--delete-object --type pubkey --label receipts");
    hsm.make_key("receipts", "0a", "EC:prime256v1");
    let (_, said) = hsm.ends(load, 3);
    assert!(said.contains("pinned when the site was set up"), "{said}");
    assert!(!hsm.desk.path("content").exists());
}

#[test]
fn a_token_that_is_taken_out_during_a_load_fails_it_and_the_next_one_ends_it() {
    let (hsm, _) = with_site();
    let archive = hsm.desk.read("core.tar");
    let mut load = hsm.command("airgap-import load - --spool spool --state site --to content");
    fs::create_dir(hsm.desk.path("spool")).unwrap();
    let mut load = load.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = load.stdin.take().unwrap();
    // A pipe holds less than this: where it was taken, the token was opened before.
    let (first, rest) = archive.split_at(archive.len() - 1);
    assert!(first.len() > 128 * 1024, "found an archive of {} bytes", archive.len());
    stdin.write_all(first).unwrap();
    fs::rename(hsm.desk.path("tokens"), hsm.desk.path("drawer")).unwrap();
    stdin.write_all(rest).unwrap();
    drop(stdin);
    let output = load.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("the receipt key: the token build") && said.contains("is back"), "{said}");
    assert_eq!(hsm.desk.files("site/receipts"), [], "no receipt, nor a part of one");

    fs::rename(hsm.desk.path("drawer"), hsm.desk.path("tokens")).unwrap();
    let again = hsm.json("airgap-import load core.tar --state site --to content --json");
    assert_eq!(again["state"], "published", "{again:#}");
    hsm.run("airgap-import receipt verify --state site");
}
