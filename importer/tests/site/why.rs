//! Why something is inside, from the state directory alone.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use axum::http::{Method, StatusCode};
use fixtures::faults::{Fault, Rule};
use fixtures::log::LoggedRequest;
use fixtures::registry::{Options, Registry};
use manifests::Digest;
use manifests::slot::Verdict;
use serde_json::{Value, json};

use crate::approve::{annex_of, approve, prepared};
use crate::archive::{Archive, Draft};
use crate::rejudgement::follow;
use crate::site::{Setup, Site, USUAL, text};
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
    let verdict = &origin["receipts"][0]["items"][0]["verdicts"][0];
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
fn what_no_gate_judged_is_told() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    let item = site.json(&["receipt", "show"])["items"][0]["digest"].as_str().unwrap().to_owned();
    for digest in [item, archive.identity.to_string()] {
        let said = site.succeed(&["why", &digest]);
        assert!(said.contains("0 gates: nothing was judged"), "{said}");
    }
    let (site, archive) = loaded();
    let said = site.succeed(&["why", &archive.identity.to_string()]);
    assert!(said.contains("  gates        signatures\n"), "{said}");
}

#[test]
fn what_each_approver_said_stands_beside_the_one_who_said_it() {
    let site = Site::with(Setup { officers: 2, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    for (number, officer) in (1..).zip(&site.people.officers[..2]) {
        let (key, change) = (format!("officer-{number}.key"), format!("CHG-{number}"));
        site.write(&key, &officer.to_pem().unwrap());
        site.succeed(&["approve", &text(&archive.path), "--key", &key, "--change", &change]);
    }
    site.load(&archive);
    let known = why(&site, &archive.identity.to_string());
    let signers = known["archives"][0]["receipts"][0]["signers"].as_array().unwrap();
    let said: Vec<_> = signers.iter().map(|signer| (&signer["person"], &signer["change"])).collect();
    let [build, one, two] = ["build-1", "officer-1", "officer-2"].map(Value::from);
    let [first, second] = ["CHG-1", "CHG-2"].map(Value::from);
    assert_eq!(said, [(&build, &Value::Null), (&one, &first), (&two, &second)]);
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
    let said = site.succeed(&["why", &archive.identity.to_string()]);
    assert!(said.contains("it was accepted, and its load has not come to an end"), "{said}");
    assert!(!said.contains("nothing was judged"), "it was: {said}");
}

#[test]
fn each_receipt_tells_what_was_said_by_the_policy_of_its_time() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    let waiver = "{match: \"**\", accept: unsigned, reason: none there yet, owner: ciso, until: 2999-01-01}";
    follow(&site, &format!("{{version: 2, signatures: [{waiver}]}}"));
    site.load(&archive);
    let manifest = site.json(&["receipt", "show"])["items"][0]["digest"].as_str().unwrap().to_owned();
    let known = why(&site, &manifest);
    let receipts = known["archives"][0]["receipts"].as_array().unwrap();
    let said: Vec<usize> =
        receipts.iter().map(|one| one["items"][0]["verdicts"].as_array().unwrap().len()).collect();
    assert_eq!(said, [0, 1], "{known:#}");
    let said = site.succeed(&["why", &manifest]);
    let (first, second) = said.split_once("receipt        3 of ").unwrap();
    assert!(first.contains("0 gates: nothing was judged") && !first.contains("signatures[0]"), "{said}");
    assert!(second.contains("signatures[0]") && !second.contains("0 gates"), "{said}");
}

#[test]
fn what_was_left_out_once_and_came_later_is_told_by_each_receipt() {
    const DB: &str = "registry.example/team/db:1";
    let draft = Draft { more: vec![(DB, &[])], ..Draft::on(3) };
    let (site, archive, path) = prepared(Setup { officers: 1, ..USUAL }, &draft);
    site.succeed(&approve(&path, &["--exclude", DB, "--reason", "no fix"]));
    site.load(&archive);
    std::thread::sleep(Duration::from_secs(1));
    fs::remove_file(annex_of(&site, &archive, "officer-1")).unwrap();
    site.succeed(&approve(&path, &[]));
    site.load(&archive);
    let receipt = site.json(&["receipt", "show"]);
    let item = receipt["items"].as_array().unwrap().iter().find(|item| item["name"] == DB).unwrap();
    let known = why(&site, item["digest"].as_str().unwrap());
    let receipts = known["archives"][0]["receipts"].as_array().unwrap();
    assert_eq!(receipts[0]["items"][0]["excluded"]["by"], "officer-1", "{known:#}");
    assert_eq!(receipts[0]["places"], json!([]), "{known:#}");
    assert_eq!(receipts[1]["items"][0]["excluded"], Value::Null, "{known:#}");
    assert_eq!(receipts[1]["places"], item["places"], "{known:#}");
}

#[test]
fn what_a_load_brought_before_it_was_refused_is_known() {
    const DB: &str = "registry.example/team/db:1";
    let site = Site::new();
    let archive = site.archive(&Draft { more: vec![(DB, &[])], ..Draft::on(3) });
    let registry = Registry::start(Options::default()).unwrap();
    let slow = Fault::Delay(Duration::from_secs(3));
    registry.fault(Rule::new("/team/db/blobs/uploads/", slow).on(Method::POST));
    let spec = format!("{{registries: [{{name: mgt, url: \"{}\", type: oci}}]}}", registry.url());
    site.write("to.yaml", &format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {spec}\n"));
    let mut load = site.command(&["load", &text(&archive.path), "--to", "to.yaml"]);
    let mut load = load.stderr(Stdio::null()).spawn().unwrap();
    let has_come = || {
        registry
            .requests()
            .iter()
            .any(|asked| asked.method == Method::PUT && asked.path.contains("/team/app/manifests/"))
    };
    while !has_come() {
        std::thread::sleep(Duration::from_millis(10));
    }
    // The medium changes where the other image's layer is.
    let mut bytes = fs::read(&archive.path).unwrap();
    let layer = DB.repeat(100);
    let at = bytes.windows(layer.len()).position(|window| window == layer.as_bytes()).unwrap();
    bytes[at] ^= 1;
    fs::write(&archive.path, bytes).unwrap();
    assert_eq!(load.wait().unwrap().code(), Some(4));

    let receipt = site.json(&["receipt", "show"]);
    assert_eq!((&receipt["state"], &receipt["items"]), (&json!("refused"), &json!([])));
    let of_app =
        |asked: &&LoggedRequest| asked.method == Method::PUT && asked.path.contains("/team/app/manifests/");
    assert_eq!(registry.requests().iter().filter(of_app).count(), 1, "it bears no signature of the site");
    let put =
        registry.requests().into_iter().find(|asked| asked.path.contains("/team/app/manifests/sha256:"));
    let manifest = put.unwrap().path.rsplit('/').next().unwrap().to_owned();
    let known = why(&site, &manifest);
    assert_eq!(known["archives"][0]["isAccepted"], true, "{known:#}");
    assert_eq!(known["archives"][0]["parts"][0]["role"], "manifest", "{known:#}");
    let said = site.succeed(&["why", &manifest]);
    assert!(said.contains("accepted, and no load of it came to its end: some of it may be inside"), "{said}");
}

#[test]
fn evidence_that_somebody_put_there_is_of_nothing_that_was_accepted() {
    let (site, archive) = loaded();
    let other = site.archive(&Draft { is_signed: true, content: "other", ..Draft::on(4) });
    let folder = site.path("state/evidence").join(other.identity.hex());
    fs::create_dir(&folder).unwrap();
    fs::copy(&other.path, folder.join("evidence.tar")).unwrap();
    let said = site.fail(2, &["why", &other.identity.to_string()]);
    assert!(said.contains("found it in none of 1 archives"), "{said}");
    why(&site, &archive.identity.to_string());
}
