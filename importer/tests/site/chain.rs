//! What `receipt verify` finds although every signature is by the site's own key: each check alone.

use std::fs;
use std::path::{Path, PathBuf};

use manifests::receipt::{MinimalSignature, ReceiptSignature};
use manifests::{ChannelName, Digest};
use serde_json::{Value, json};

use crate::approve::{approve, prepared};
use crate::archive::{Archive, Draft, at};
use crate::forge::{forge, insert, reissue, sign};
use crate::reports::{JUDGED, report};
use crate::site::Site;
use crate::summaries::signed;

/// A site that loaded archives of these days.
fn loaded(days: &[u32]) -> Site {
    let site = Site::new();
    for day in days {
        let content = ["first", "second", "third"][*day as usize % 3];
        site.load(&site.archive(&Draft { content, ..Draft::on(*day) }));
    }
    site.succeed(&["receipt", "verify"]);
    site
}

fn digest(path: &Path) -> Digest {
    Digest::of(&fs::read(path).unwrap())
}

#[test]
fn a_receipt_names_the_one_before_it_of_its_channel_and_no_other() {
    for (wanted, why) in [(None, "none"), (Some(0), "an older one")] {
        let site = loaded(&[3, 4, 5]);
        let other = wanted.map(|at: usize| digest(&site.receipts()[at]));
        forge(&site, |receipt| receipt["previousOfChannel"] = json!(other));
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.contains("found another receipt of its channel before it"), "{why}: {said}");
    }
}

#[test]
fn receipts_name_the_lines_of_the_ledger_in_their_order() {
    let site = loaded(&[3, 4]);
    let ledger = site.ledger();
    let genesis = Digest::of(ledger.lines().next().unwrap().as_bytes());
    forge(&site, |receipt| receipt["ledgerHead"] = json!(genesis));
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains(&format!("found no line {genesis} in the ledger")), "{said}");
}

#[test]
fn a_receipt_is_of_this_site() {
    let site = Site::new();
    // One of a change has no verification summaries, which name the site as well.
    crate::trust::follow(&site, &[("build-1", &site.people.build)]);
    site.succeed(&["receipt", "verify"]);
    forge(&site, |receipt| receipt["site"] = json!("sovereign-b"));
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains("found a receipt of the site sovereign-b, wanted sovereign-a"), "{said}");
}

#[test]
fn a_receipt_is_the_one_that_the_ledger_noted() {
    let site = loaded(&[3, 4]);
    let receipts = site.receipts();
    let was = digest(&receipts[1]).to_string();
    let first = reissue(&site, &receipts[0], |receipt| receipt["gates"] = json!(["signatures"]));
    let last = reissue(&site, &receipts[1], |receipt| {
        receipt["previous"] = json!(first);
        receipt["previousOfChannel"] = json!(first);
    });
    // Nothing follows the ledger's last line, so it can be another.
    site.write("state/ledger.jsonl", &site.ledger().replace(&was, &last.to_string()));
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains(&format!("found {first}, which is not what the ledger noted")), "{said}");
}

#[test]
fn every_receipt_that_the_ledger_noted_is_there() {
    for event in ["receipt", "refused"] {
        let site = loaded(&[3]);
        insert(&site, |line| {
            line["serial"] = json!(7);
            line["event"] = json!(event);
        });
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.contains("found no receipt 7, wanted it as the ledger says"), "{event}: {said}");
    }
}

#[test]
fn a_receipt_s_signature_has_its_time_and_its_site() {
    for (time, name) in [(Some("2024-11-03T21:30:00Z"), None), (None, Some("sovereign-b"))] {
        let site = loaded(&[3]);
        let path = site.receipts().remove(0);
        site.succeed(&["receipt", "export", "1", "-o", "out.json", "--minimal"]);
        let receipt: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let signed_at = at(time.unwrap_or_else(|| receipt["issued"].as_str().unwrap()));
        let name: ChannelName = name.unwrap_or("sovereign-a").parse().unwrap();
        let (full, minimal) =
            (ReceiptSignature { signed_at, site: name.clone() }, MinimalSignature { signed_at, site: name });
        sign(&site, &site.path("out.json"), "minimal-receipt.json", minimal);
        let wanted = "found another site or time in the signature than in the ";
        let said = site.fail(3, &["receipt", "verify", "out.json"]);
        assert!(said.contains(&format!("{wanted}minimal receipt")), "{said}");
        sign(&site, &path, "receipt.json", full);
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.contains(&format!("{wanted}receipt")), "{said}");
    }
}

/// Changes one byte right behind this text in a file.
fn change_behind(path: &Path, text: &str) {
    let mut bytes = fs::read(path).unwrap();
    let start = bytes.windows(text.len()).position(|window| window == text.as_bytes()).unwrap();
    bytes[start + text.len()] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The file there whose name starts like this.
fn kept(site: &Site, archive: &Archive, start: &str) -> PathBuf {
    let folder = site.path("state/evidence").join(archive.identity.hex());
    let mut paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(start)).unwrap()
}

/// `receipt verify` has to find one byte of a file changed.
fn is_found(site: &Site, path: &Path, behind: &str) {
    site.succeed(&["receipt", "verify"]);
    change_behind(path, behind);
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains(": damaged at byte ") && said.contains(", in blobs/sha256/"), "{behind}: {said}");
}

#[test]
fn a_report_or_signature_that_was_changed_in_the_kept_evidence_is_found() {
    for behind in ["cosign container image ", "--ignorefile"] {
        let (site, _) = signed(0);
        let draft = Draft { is_signed: true, findings: Some(json!([])), ..Draft::on(3) };
        let archive = site.archive(&draft);
        site.load(&archive);
        is_found(&site, &kept(&site, &archive, "evidence.tar"), behind);
    }
}

#[test]
fn a_report_that_was_changed_in_a_kept_annex_is_found() {
    let (site, archive, path) = prepared(JUDGED, &Draft::on(3));
    fs::write(site.path("clean.json"), report("content", 4, &json!([]))).unwrap();
    site.succeed(&approve(&path, &["--report", "clean.json"]));
    site.load(&archive);
    is_found(&site, &kept(&site, &archive, "officer-1-"), "--ignorefile");
}
