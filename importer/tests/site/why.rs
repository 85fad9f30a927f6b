//! Why something is inside, from the state directory alone.

use std::fs;

use axum::http::StatusCode;
use fixtures::faults::{Fault, Rule};
use fixtures::registry::{Options, Registry};
use manifests::Digest;
use manifests::slot::Verdict;
use serde_json::{Value, json};

use crate::archive::{Archive, Draft};
use crate::site::{Site, text};
use crate::summaries::signed;

fn loaded() -> (Site, Archive) {
    let (site, archive) = signed(1);
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    site.load(&archive);
    // Everything but the state directory is gone.
    fs::remove_file(&archive.path).unwrap();
    fs::remove_dir_all(site.path("content")).unwrap();
    (site, archive)
}

fn why(site: &Site, digest: &str) -> Value {
    site.json(&["why", digest])
}

/// The digests of a manifest in the archive's evidence: of its config and its layers.
fn parts(site: &Site, archive: &Archive, manifest: &str) -> Vec<String> {
    let pack = site.path("state/evidence").join(archive.identity.hex()).join("evidence.tar");
    let bytes = fs::read(pack).unwrap();
    let digest: Digest = manifest.parse().unwrap();
    let start = (0..bytes.len())
        .step_by(512)
        .find(|at| bytes[*at..].starts_with(format!("blobs/sha256/{}", digest.hex()).as_bytes()))
        .unwrap();
    let rest = &bytes[start + 512..];
    let manifest: Value =
        serde_json::Deserializer::from_slice(rest).into_iter::<Value>().next().unwrap().unwrap();
    let layers = manifest["layers"].as_array().unwrap().iter();
    layers.chain([&manifest["config"]]).map(|part| part["digest"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn it_tells_who_signed_which_rule_decided_who_approved_and_where_it_is() {
    let (site, archive) = loaded();
    let receipt = site.json(&["receipt", "show"]);
    let item = &receipt["items"][0];
    let manifest = item["digest"].as_str().unwrap().to_owned();
    let known = why(&site, &manifest);
    assert_eq!(known["digest"], manifest);
    let origin = &known["archives"][0];
    assert_eq!(origin["archive"]["identity"], archive.identity.to_string());
    let part = &origin["parts"][0];
    assert_eq!((&part["name"], &part["role"]), (&json!("registry.example/team/app:1"), &json!("manifest")));
    let verdict = &part["verdicts"][0];
    assert_eq!((&verdict["gate"], &verdict["rule"]), (&json!("signatures"), &json!("signatures[0] (**)")));
    let facts = verdict["facts"].to_string();
    assert!(facts.contains("signature by the key"), "who signed upstream: {facts}");
    let import = &origin["receipts"][0];
    let officer = &import["signers"][1];
    assert_eq!(
        (&officer["person"], &officer["signedAt"], &officer["change"]),
        (&json!("officer-1"), &json!("2024-11-30T08:00:00Z"), &json!("CHG-4711")),
    );
    assert_eq!((&import["number"], &import["issued"]), (&json!(1), &receipt["issued"]));
    let people: Vec<&Value> =
        import["signers"].as_array().unwrap().iter().map(|signer| &signer["person"]).collect();
    assert_eq!(people, ["build-1", "officer-1"]);
    assert_eq!(import["places"], item["places"]);

    let said = site.succeed(&["why", &manifest]);
    for wanted in [
        "core, serial 20241103213000",
        "the manifest of the image registry.example/team/app:1",
        "signatures[0] (**)",
        "signature by the key",
        "officer-1 as security-officer",
        "receipt        1 of ",
        "team/app:1",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

#[test]
fn every_part_of_an_item_and_of_its_evidence_is_found() {
    let (site, archive) = loaded();
    let receipt = site.json(&["receipt", "show"]);
    let item = &receipt["items"][0];
    let manifest = item["digest"].as_str().unwrap();
    let evidence = item["places"][0]["evidence"][0].as_str().unwrap();
    let mut cases = vec![(archive.identity.to_string(), None), (evidence.to_owned(), Some("evidence"))];
    cases.extend(parts(&site, &archive, manifest).into_iter().map(|part| (part, Some("content"))));
    cases.extend(parts(&site, &archive, evidence).into_iter().map(|part| (part, Some("evidence"))));
    assert_eq!(cases.len(), 6);
    for (digest, role) in cases {
        let known = why(&site, &digest);
        let origin = &known["archives"][0];
        let found: Vec<&str> =
            origin["parts"].as_array().unwrap().iter().map(|part| part["role"].as_str().unwrap()).collect();
        assert_eq!(found.first().copied(), role, "{digest}: {known}");
        assert_eq!(origin["receipts"][0]["state"], "published");
    }
}

#[test]
fn each_archive_that_brought_it_is_named_in_order() {
    let site = Site::new();
    let archives = [3, 4].map(|day| site.archive(&Draft::on(day)));
    archives.iter().for_each(|archive| _ = site.load(archive));
    site.load(&site.archive(&Draft { content: "other", ..Draft::on(5) }));
    let receipt = site.json(&["receipt", "show", "1"]);
    let known = why(&site, receipt["items"][0]["digest"].as_str().unwrap());
    let serials: Vec<&Value> =
        known["archives"].as_array().unwrap().iter().map(|origin| &origin["archive"]["serial"]).collect();
    assert_eq!(serials, [&json!(archives[0].serial), &json!(archives[1].serial)]);
    let said = site.succeed(&["why", receipt["items"][0]["digest"].as_str().unwrap()]);
    assert!(said.contains("0 gates: nothing was judged"), "{said}");
}

#[test]
fn a_refused_archive_is_known_by_its_identity() {
    let site = Site::new();
    let refused = site.archive(&Draft { audience: vec!["sovereign-b"], ..Draft::on(3) });
    site.refuse(&refused, &[]);
    let known = why(&site, &refused.identity.to_string());
    assert_eq!(known["archives"][0]["receipts"][0]["state"], "refused");
    assert_eq!(known["archives"][0]["parts"], json!([]));
    let said = site.succeed(&["why", &refused.identity.to_string()]);
    assert!(said.contains("sovereign-b") && said.contains("the archive itself"), "{said}");
}

#[test]
fn what_nobody_knows_and_what_is_no_digest_are_wrong_use() {
    let (site, _) = loaded();
    let said = site.fail(2, &["why", &Digest::of(b"unknown").to_string()]);
    assert!(said.contains("found it in none of 1 archives"), "{said}");
    for text in ["latest", "sha256:12", ""] {
        site.fail(2, &["why", text]);
    }
}

#[test]
fn evidence_that_is_gone_or_of_another_archive_is_no_answer() {
    let other = Digest::of(b"unknown").to_string();
    let (site, archive) = loaded();
    let pack = site.path("state/evidence").join(archive.identity.hex()).join("evidence.tar");
    let mut bytes = fs::read(&pack).unwrap();
    // In the inventory, behind the slot and its header.
    bytes[17_500] ^= 1;
    fs::write(&pack, bytes).unwrap();
    let said = site.fail(3, &["why", &other]);
    assert!(said.contains("evidence.tar"), "{said}");

    let second = site.archive(&Draft { is_signed: true, content: "second", ..Draft::on(4) });
    let approval = Draft::annex(&second, Verdict::Approved);
    site.annex(&second, "officer-1", &approval, &site.people.officers[0]);
    site.load(&second);
    fs::copy(site.path("state/evidence").join(second.identity.hex()).join("evidence.tar"), &pack).unwrap();
    let said = site.fail(3, &["why", &other]);
    assert!(said.contains(&format!("wanted that of {}", archive.identity)), "{said}");

    fs::remove_file(&pack).unwrap();
    let said = site.fail(3, &["why", &other]);
    assert!(
        said.contains("found no evidence") && said.contains(&text(&pack)[text(&site.path("")).len()..]),
        "{said}"
    );
}

#[test]
fn what_a_receipt_names_and_is_not_kept_any_more_is_missed() {
    for taken in ["officer-1-", "trust-", "policy-", "judgement-", "evidence.tar"] {
        let (site, archive) = loaded();
        let folder = site.path("state/evidence").join(archive.identity.hex());
        let mut entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
        let named =
            |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(taken);
        fs::remove_file(entries.find(named).unwrap()).unwrap();
        for command in [&["receipt", "verify"][..], &["why", &archive.identity.to_string()]] {
            assert!(!site.run(command).status.success(), "{taken} was taken away: {command:?}");
        }
    }
}

#[test]
fn a_policy_that_a_flag_added_is_kept_with_what_was_judged_by_it() {
    let (site, archive) = signed(0);
    site.write("stricter.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {version: 7}\n");
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--policy", "stricter.yaml"]);
    site.succeed(&["receipt", "verify"]);
    let digest = Digest::of(&fs::read(site.path("stricter.yaml")).unwrap());
    let kept = site
        .path("state/evidence")
        .join(archive.identity.hex())
        .join(format!("policy-{}.yaml", &digest.hex()[..12]));
    assert_eq!(fs::read(kept).unwrap(), fs::read(site.path("stricter.yaml")).unwrap());
}

#[test]
fn what_a_cut_load_brought_is_known_by_the_evidence_that_it_kept() {
    let (site, archive) = signed(0);
    let registry = Registry::start(Options::default()).unwrap();
    registry.fault(Rule::new("/blobs/uploads/", Fault::Status(StatusCode::FORBIDDEN)));
    let spec = format!("{{registries: [{{name: mgt, url: \"{}\", type: oci}}]}}", registry.url());
    site.write("to.yaml", &format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {spec}\n"));
    assert!(!site.run(&["load", &text(&archive.path), "--to", "to.yaml"]).status.success());
    let receipts = fs::read_dir(site.path("state/receipts")).unwrap().count();
    assert_eq!(receipts, 0, "it left no receipt");
    let known = why(&site, &archive.identity.to_string());
    assert_eq!(known["archives"].as_array().unwrap().len(), 1, "{known}");
}
