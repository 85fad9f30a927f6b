//! The receipts of new trust files and policies: of those that were put in force, of those that were cut off from theirs,
//! and of those that were refused.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::Value;

use crate::archive::Draft;
use crate::forge::forge;
use crate::site::{Setup, Site, USUAL};
use crate::trust::{follow, second};

/// Cuts the last receipt off, as a crash between the ledger and the receipt would have.
fn cut_off_last_receipt(site: &Site) {
    let last = site.receipts().pop().unwrap();
    for ending in ["json", "sigstore.json", "vsa.jsonl"] {
        fs::remove_file(last.with_extension(ending)).unwrap();
    }
    let ledger = site.ledger();
    let lines: Vec<&str> = ledger.lines().collect();
    site.write("state/ledger.jsonl", &format!("{}\n", lines[..lines.len() - 1].join("\n")));
}

/// Writes and signs `policy-2.yaml` and `policy-3.yaml`.
fn sign_policies(site: &Site) {
    site.write("build.key", &site.people.build.to_pem().unwrap());
    for version in [2, 3] {
        let name = format!("policy-{version}.yaml");
        site.write(&name, &format!("apiVersion: airgap/v1\nkind: Policy\nspec: {{version: {version}}}\n"));
        site.succeed(&["policy", "sign", &name, "--key", "build.key"]);
    }
}

/// What each receipt says, in order.
fn states(site: &Site) -> Vec<String> {
    let state = |path: &PathBuf| {
        let receipt: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        receipt["state"].as_str().unwrap().to_owned()
    };
    site.receipts().iter().map(state).collect()
}

#[test]
fn a_change_that_was_cut_off_from_its_receipt_gets_it_when_the_command_is_given_again() {
    let site = Site::new();
    follow(&site, &[("build-1", &site.people.build)]);
    cut_off_last_receipt(&site);
    site.succeed(&["trust", "update", "trust-2.yaml"]);
    assert_eq!(states(&site), ["changed"]);
    site.succeed(&["receipt", "verify"]);
    let said = site.succeed(&["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("already in force"), "{said}");
    assert_eq!(states(&site), ["changed"], "it has its receipt");
}

#[test]
fn a_change_that_was_cut_off_from_its_receipt_gets_it_before_anything_is_judged() {
    let site = Site::with(Setup { policy: "{vulnerabilities: {}}", ..USUAL });
    follow(&site, &[("build-1", &site.people.build)]);
    cut_off_last_receipt(&site);
    // Longer than a second, so that the judgement's moment shows where it stands.
    let to = "content";
    let archive = site.archive(&Draft { findings: Some(serde_json::json!([])), ..Draft::on(3) });
    let mut pipe = site.command(&["load", "-", "--spool", ".", "--to", to]);
    let mut child = pipe.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let bytes = fs::read(&archive.path).unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, &bytes[..1_000]).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2_100));
    std::io::Write::write_all(&mut stdin, &bytes[1_000..]).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(states(&site), ["changed", "published"]);
    let receipt: Value = serde_json::from_slice(&fs::read(&site.receipts()[0]).unwrap()).unwrap();
    assert_eq!(receipt["signers"][0]["person"], "build-1", "{receipt:#}");
    site.succeed(&["receipt", "verify"]);
    site.succeed(&["receipt", "judge"]);
}

#[test]
fn each_change_has_its_own_receipt() {
    let site = Site::new();
    sign_policies(&site);
    site.succeed(&["policy", "update", "policy-2.yaml"]);
    cut_off_last_receipt(&site);
    site.succeed(&["policy", "update", "policy-3.yaml"]);
    assert_eq!(states(&site), ["changed", "changed"]);
    let digests = site.receipts().into_iter().map(|path| {
        let receipt: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        receipt["policyDigests"][0].as_str().unwrap().to_owned()
    });
    let wanted = [2, 3].map(|version| {
        let bytes = fs::read(site.path(&format!("policy-{version}.yaml"))).unwrap();
        manifests::Digest::of(&bytes).to_string()
    });
    assert_eq!(digests.collect::<Vec<_>>(), wanted);
    site.succeed(&["receipt", "verify"]);
}

/// Whoever has the site's key could leave the receipt of a change out: who decided about it would stand nowhere.
#[test]
fn another_receipt_in_the_place_of_a_change_s_is_noticed() {
    let site = Site::new();
    follow(&site, &[("build-1", &site.people.build)]);
    forge(&site, |receipt| {
        receipt["state"] = "refused".into();
        receipt["reasons"] = serde_json::json!(["of something else"]);
        receipt["signers"] = serde_json::json!([]);
    });
    site.load(&site.archive(&Draft::on(3)));
    assert_eq!(states(&site), ["refused", "published"]);
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains("found another receipt, wanted that of the change before it"), "{said}");
}

#[test]
fn a_change_that_is_refused_leaves_a_receipt_that_says_why() {
    let site = crate::trust::site();
    let second = second(&site, &site.people.stranger, "");
    site.write("trust-2.yaml", &second);
    let said = site.fail(3, &["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("the refusal is in the receipt state/receipts/000001-unchanged.json"), "{said}");
    site.write("policy-2.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {version: 2}\n");
    site.fail(3, &["policy", "update", "policy-2.yaml"]);
    assert_eq!(states(&site), ["refused", "refused"]);
    for (at, (file, kind)) in [("trust-2.yaml", "trust"), ("policy-2.yaml", "policy")].into_iter().enumerate()
    {
        let receipt: Value = serde_json::from_slice(&fs::read(&site.receipts()[at]).unwrap()).unwrap();
        let digest = manifests::Digest::of(&fs::read(site.path(file)).unwrap()).to_string();
        let reasons = receipt["reasons"].as_array().unwrap();
        let is_named = |reason: &Value| reason.as_str().unwrap().contains(&digest);
        assert!(!reasons.is_empty() && reasons.iter().all(is_named), "{file}: {receipt:#}");
        assert_eq!(receipt["change"], serde_json::json!({"digest": digest, "kind": kind}));
        let number = (at + 1).to_string();
        let shown = site.succeed(&["receipt", "show", &number]);
        let name = if kind == "trust" { "a trust file" } else { "a policy" };
        assert!(shown.contains(&format!("{name}, {digest}, which was not put in force")), "{shown}");
        assert!(!shown.contains("archive"), "nobody brought one: {shown}");
        let minimal = format!("minimal-{at}.json");
        site.succeed(&["receipt", "export", &number, "-o", &minimal, "--minimal"]);
        site.succeed(&["receipt", "verify", &minimal]);
        // What it was held to is what stays in force.
        for (field, file) in [("trustDigests", "trust.yaml"), ("policyDigests", "policy.yaml")] {
            let digest = manifests::Digest::of(&fs::read(site.path(file)).unwrap()).to_string();
            assert_eq!(receipt[field], serde_json::json!([digest]), "{field}");
        }
    }
    site.succeed(&["receipt", "verify"]);
    site.succeed(&["receipt", "judge"]);
    // Wrong use is none.
    site.fail(2, &["trust", "update", "gone.yaml"]);
    assert_eq!(site.receipts().len(), 2);
}

#[test]
fn a_policy_that_was_cut_off_from_its_receipt_gets_it_when_the_command_is_given_again() {
    let site = Site::new();
    sign_policies(&site);
    site.succeed(&["policy", "update", "policy-2.yaml"]);
    site.succeed(&["policy", "update", "policy-3.yaml"]);
    cut_off_last_receipt(&site);
    site.succeed(&["policy", "update", "policy-3.yaml"]);
    assert_eq!(states(&site), ["changed", "changed"]);
    cut_off_last_receipt(&site);
    // Another one is refused, and takes nothing away.
    let said = site.fail(3, &["policy", "update", "policy-2.yaml"]);
    assert!(said.contains("found version 2 of the policy, wanted one after 3"), "{said}");
    assert_eq!(states(&site), ["changed", "changed", "refused"]);
    site.succeed(&["receipt", "verify"]);
}

/// Its receipt would say that the name was there already, and none that this site set it.
#[test]
fn a_name_that_a_cut_load_set_is_not_forgotten_over_the_receipt_of_a_change() {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    let next = site.archive(&Draft { content: "next", ..Draft::on(4) });
    site.load(&next);
    cut_off_last_receipt(&site);
    follow(&site, &[("build-1", &site.people.build)]);
    site.load(&next);
    assert_eq!(states(&site), ["published", "changed", "published"]);
    let name = site.json(&["receipt", "show"])["items"][0]["places"][0]["name"].clone();
    assert_eq!(name["outcome"], "set", "{name}");
    assert!(name["previous"].is_string(), "{name}");
}

/// The cut load cannot come back, as an older serial; what it replaced is told once, by whoever finds it done.
#[test]
fn a_name_that_a_cut_load_set_is_told_once_by_the_next_archive() {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    site.load(&site.archive(&Draft { content: "next", ..Draft::on(4) }));
    cut_off_last_receipt(&site);
    let later = site.archive(&Draft { content: "next", ..Draft::on(5) });
    for outcome in ["set", "unchanged"] {
        site.load(&later);
        let name = site.json(&["receipt", "show"])["items"][0]["places"][0]["name"].clone();
        assert_eq!(name["outcome"], outcome, "{name}");
    }
}
