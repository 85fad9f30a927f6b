//! Verification summaries, the rules in a receipt, and what of it may leave the site.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifests::Digest;
use manifests::slot::Verdict;
use serde_json::{Value, json};

use crate::archive::{Archive, Draft, UPSTREAM};
use crate::site::{Setup, Site, USUAL, pem, succeed, text};

/// A site whose policy wants upstream's signature, with one archive that has it.
pub(crate) fn signed(officers: usize) -> (Site, Archive) {
    let key = serde_json::to_string(&pem(&UPSTREAM)).unwrap();
    let rule = format!("{{match: \"**\", key: {{pem: {key}, log: notRequired}}}}");
    let site = Site::with(Setup {
        policy: Box::leak(format!("{{signatures: [{rule}]}}").into_boxed_str()),
        officers,
        ..USUAL
    });
    let archive = site.archive(&Draft { is_signed: true, ..Draft::on(3) });
    (site, archive)
}

fn summaries(receipt: &Path) -> PathBuf {
    receipt.with_extension("vsa.jsonl")
}

/// What a line of summaries says, without a check of its signature.
fn payload(line: &str) -> Value {
    let bundle: Value = serde_json::from_str(line).unwrap();
    let payload = STANDARD.decode(bundle["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

fn lines(path: &Path) -> Vec<String> {
    fs::read_to_string(path).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_summary_names_the_policy_that_was_in_force() {
    let site = Site::new();
    let next = "apiVersion: airgap/v1\nkind: Policy\nspec: {version: 2}\n";
    site.write("policy-2.yaml", next);
    site.write("build.key", &site.people.build.to_pem().unwrap());
    site.succeed(&["policy", "sign", "policy-2.yaml", "--key", "build.key"]);
    site.succeed(&["policy", "update", "policy-2.yaml"]);
    // A change of another kind since.
    crate::trust::follow(&site, &[("build-1", &site.people.build)]);
    site.load(&site.archive(&Draft::on(3)));
    let lines = lines(&summaries(site.receipts().last().unwrap()));
    assert_eq!(lines.len(), 2);
    for line in lines {
        let policy = &payload(&line)["predicate"]["policy"]["digest"]["sha256"];
        assert_eq!(policy, &Digest::of(next.as_bytes()).hex());
    }
}

#[test]
fn the_archive_and_each_item_have_a_summary_that_the_receipt_names() {
    let (site, archive) = signed(1);
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    site.load(&archive);
    let receipt = site.json(&["receipt", "show"]);
    let item = &receipt["items"][0];
    let policy = Digest::of(fs::read_to_string(site.path("policy.yaml")).unwrap().as_bytes());
    assert_eq!(
        item["verdicts"],
        json!([{"gate": "signatures", "outcome": "passed", "policy": policy.to_string(), "rule": "signatures[0] (**)"}]),
    );

    let lines = lines(&summaries(&site.receipts()[0]));
    let digests: Vec<String> = lines.iter().map(|line| Digest::of(line.as_bytes()).to_string()).collect();
    assert_eq!(json!(digests), json!([receipt["summary"], item["summary"]]));

    let [of_archive, of_item] = [&lines[0], &lines[1]].map(|line| payload(line));
    assert_eq!(of_archive["predicateType"], "https://slsa.dev/verification_summary/v1");
    assert_eq!(of_archive["subject"][0]["digest"]["sha256"], archive.identity.hex());
    assert_eq!(
        of_archive["predicate"]["resourceUri"],
        "https://airgap.openova.io/archive/core/20241103213000"
    );
    let inputs = of_archive["predicate"]["inputAttestations"].as_array().unwrap();
    assert_eq!(inputs.len(), 2, "the preparer's signature and the approval: {inputs:?}");

    let predicate = &of_item["predicate"];
    assert_eq!(of_item["subject"][0]["name"], "registry.example/team/app:1");
    assert_eq!(
        format!("sha256:{}", of_item["subject"][0]["digest"]["sha256"].as_str().unwrap()),
        item["digest"]
    );
    for (found, wanted) in [
        (&predicate["verificationResult"], json!("PASSED")),
        (&predicate["verifiedLevels"], json!(["SLSA_BUILD_LEVEL_UNEVALUATED"])),
        (&predicate["verifier"]["id"], json!("https://airgap.openova.io/site/sovereign-a")),
        (&predicate["resourceUri"], json!("oci://registry.example/team/app:1")),
        (&predicate["policy"]["digest"]["sha256"], json!(policy.hex())),
    ] {
        assert_eq!(*found, wanted, "{predicate}");
    }
    let inputs = predicate["inputAttestations"].as_array().unwrap();
    assert_eq!(inputs.len(), 3, "upstream's signature as well: {inputs:?}");
    assert!(inputs[2]["uri"].as_str().unwrap().starts_with("oci://registry.example/team/app@sha256:"));
}

#[test]
fn summaries_with_anything_changed_are_refused() {
    type Change = fn(&Path, &[String]);
    let cases: [(Change, &str); 7] = [
        (|path, _| fs::remove_file(path).unwrap(), "taken away"),
        (|path, lines| fs::write(path, format!("{}\n", lines[0])).unwrap(), "an item's cut off"),
        (|path, lines| fs::write(path, format!("{}\n{}\n", lines[1], lines[0])).unwrap(), "swapped"),
        (
            |path, lines| fs::write(path, format!("{}\n{}\n{}\n", lines[0], lines[1], lines[1])).unwrap(),
            "one too many",
        ),
        (
            |path, lines| fs::write(path, format!("{}\n{}", lines[0], lines[1])).unwrap(),
            "its newline cut off",
        ),
        (
            |path, lines| {
                let changed = lines[1].replacen("\"sig\":\"ME", "\"sig\":\"MF", 1);
                assert_ne!(changed, lines[1]);
                fs::write(path, format!("{}\n{changed}\n", lines[0])).unwrap();
            },
            "another signature",
        ),
        (|path, _| fs::write(path, "").unwrap(), "emptied"),
    ];
    for (change, why) in cases {
        let (site, archive) = signed(0);
        site.load(&archive);
        site.succeed(&["receipt", "verify"]);
        let path = summaries(&site.receipts()[0]);
        change(&path, &lines(&path));
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.contains("vsa.jsonl") && said.contains("verification summar"), "{why}: {said}");
        let said = site.fail(3, &["receipt", "export", "1", "-o", "out.json"]);
        assert!(said.contains("vsa.jsonl"), "{why}: {said}");
        assert!(!site.path("out.json").exists(), "{why}");
    }
}

#[test]
fn a_judgement_that_was_changed_is_no_longer_what_the_receipt_names() {
    let (site, archive) = signed(0);
    site.load(&archive);
    let folder = site.path("state/evidence").join(archive.identity.hex());
    let mut entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let path = entries.find(|path| text(path).contains("judgement-")).unwrap();
    let judgement = fs::read_to_string(&path).unwrap();
    fs::write(&path, judgement.replace("passed", "warned")).unwrap();
    for command in [&["receipt", "verify"][..], &["why", &archive.identity.to_string()]] {
        let said = site.fail(3, command);
        assert!(said.contains("which a receipt names"), "{said}");
    }
}

#[test]
fn publish_keeps_what_was_said_when_the_load_was_held() {
    let (site, archive) = signed(0);
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--hold"]);
    let held = site.json(&["receipt", "show"]);
    site.succeed(&["publish", "1", "--to", "content"]);
    let published = site.json(&["receipt", "show"]);
    for field in ["summary", "verdicts"] {
        assert_eq!(held["items"][0][field], published["items"][0][field]);
    }
    let files: Vec<Vec<String>> = site.receipts().iter().map(|path| lines(&summaries(path))).collect();
    assert_eq!(files[0], files[1]);
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn each_receipt_names_the_one_before_it_of_its_channel() {
    let site = Site::new();
    for (channel, day) in [("core", 3), ("edge", 4), ("core", 5)] {
        let content = if channel == "edge" { "" } else { "content" };
        site.load(&site.archive(&Draft { channel, content, ..Draft::on(day) }));
    }
    let shown = |number: &str| site.json(&["receipt", "show", number]);
    let digests: Vec<String> =
        site.receipts().iter().map(|path| Digest::of(&fs::read(path).unwrap()).to_string()).collect();
    assert_eq!(shown("1")["previousOfChannel"], Value::Null);
    assert_eq!(shown("2")["previousOfChannel"], Value::Null, "a channel's first");
    assert_eq!(shown("2")["previous"], digests[0]);
    assert_eq!(shown("3")["previousOfChannel"], digests[0], "not the one of the other channel");
    assert_eq!(shown("3")["previous"], digests[1]);
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn what_leaves_the_site_names_no_target_item_or_person() {
    let (site, archive) = signed(0);
    site.load(&archive);
    let exported = site.json(&["receipt", "export", "1", "-o", "arrived.json", "--minimal"]);
    assert_eq!(exported, json!({"receipt": "arrived.json", "bundle": "arrived.sigstore.json"}));
    let minimal: Value = serde_json::from_slice(&fs::read(site.path("arrived.json")).unwrap()).unwrap();
    let receipt = fs::read(&site.receipts()[0]).unwrap();
    let full: Value = serde_json::from_slice(&receipt).unwrap();
    assert_eq!(
        minimal,
        json!({
            "apiVersion": "airgap/v1",
            "archive": {"identity": archive.identity.to_string(), "name": "core", "serial": archive.serial},
            "issued": full["issued"],
            "kind": "MinimalReceipt",
            "receipt": Digest::of(&receipt).to_string(),
            "site": "sovereign-a",
            "state": "published",
        })
    );
    let bundle = fs::read_to_string(site.path("arrived.sigstore.json")).unwrap();
    let statement = payload(&bundle);
    assert_eq!(statement["predicateType"], "https://airgap.openova.io/minimal-receipt/v1");
    let out = format!("{minimal}{statement}");
    for secret in ["team/app", "content", "build-1"] {
        assert!(!out.contains(secret), "{secret}: {out}");
    }

    fs::copy(site.path("state/receipt.pub"), site.path("receipt.pub")).unwrap();
    let verify = ["receipt", "verify", "arrived.json", "--key", "receipt.pub"];
    succeed(site.command(&verify).env_remove("AIRGAP_STATE"));
    site.write("stranger.pub", &pem(&site.people.stranger));
    site.fail(3, &["receipt", "verify", "arrived.json", "--key", "stranger.pub"]);
    let said = site.fail(2, &["receipt", "export", "1", "-o", "arrived.json", "--minimal"]);
    assert!(said.contains("arrived.json"), "nothing is overwritten: {said}");

    // A bundle of the one kind is no signature of the other.
    let text = fs::read_to_string(site.path("arrived.json")).unwrap();
    site.write("arrived.json", &text.replace("published", "refused"));
    let said = site.fail(3, &verify);
    assert!(said.contains("which was signed"), "{said}");
    fs::copy(&site.receipts()[0], site.path("mixed.json")).unwrap();
    fs::copy(site.path("arrived.sigstore.json"), site.path("mixed.sigstore.json")).unwrap();
    site.fail(3, &["receipt", "verify", "mixed.json", "--key", "receipt.pub"]);
}
