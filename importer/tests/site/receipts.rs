//! Receipts: signed, in a chain, and of no use to whoever changes one.

use std::fs;
use std::path::Path;

use crate::archive::Draft;
use crate::site::{Site, pem, text};

fn loaded() -> Site {
    let site = Site::new();
    for (day, content) in [(3, "first"), (4, "second"), (5, "third")] {
        site.load(&site.archive(&Draft { content, ..Draft::on(day) }));
    }
    site
}

fn bundle(receipt: &Path) -> std::path::PathBuf {
    receipt.with_extension("sigstore.json")
}

#[test]
fn a_receipt_says_what_came_in_and_where_it_is() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["archive"]["identity"], archive.identity.to_string());
    assert_eq!(receipt["state"], "published");
    assert_eq!(receipt["gates"], serde_json::json!([]));
    let place = &receipt["items"][0]["places"][0];
    assert_eq!(place["name"]["outcome"], "set", "{receipt}");
    let said = site.succeed(&["receipt", "show", "1"]);
    assert!(said.contains("0 gates: nothing was judged") && said.contains(":1 set"), "{said}");
    let said = site.fail(2, &["receipt", "show", "2"]);
    assert!(said.contains("found 1 receipts, wanted number 2"), "{said}");
}

#[test]
fn a_receipt_names_each_gate_of_all_policies_once() {
    let (site, archive) = crate::summaries::signed(0);
    let policy = fs::read_to_string(site.path("policy.yaml")).unwrap();
    site.write("other.yaml", &policy.replace("spec: {", "spec: {version: 7, "));
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--policy", "other.yaml"]);
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["policyDigests"].as_array().unwrap().len(), 2);
    assert_eq!(receipt["gates"], serde_json::json!(["signatures"]));
}

#[test]
fn what_cannot_be_read_is_told_from_what_is_missing() {
    for (ending, missing) in
        [("sigstore.json", "found no signature"), ("vsa.jsonl", "found no verification summaries")]
    {
        let site = loaded();
        let path = site.receipts()[1].with_extension(ending);
        fs::remove_file(&path).unwrap();
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.contains(missing), "{said}");
        fs::create_dir(&path).unwrap();
        let said = site.fail(1, &["receipt", "verify"]);
        assert!(!said.contains(missing), "{said}");
    }
}

#[test]
fn a_chain_with_anything_changed_is_refused() {
    type Change = fn(&[std::path::PathBuf]);
    let cases: [(Change, &str); 7] = [
        (|paths| change(&paths[1], "\"core\"", "\"edge\""), "a receipt in the middle changed"),
        (|paths| change(&paths[2], "published", "held"), "the last receipt changed"),
        (|paths| fs::remove_file(&paths[1]).unwrap(), "a receipt in the middle taken away"),
        (|paths| fs::remove_file(&paths[2]).unwrap(), "the last receipt taken away"),
        (|paths| fs::remove_file(bundle(&paths[2])).unwrap(), "a signature taken away"),
        (
            |paths| {
                fs::copy(&paths[0], &paths[1]).unwrap();
                fs::copy(bundle(&paths[0]), bundle(&paths[1])).unwrap();
            },
            "a receipt in the place of another",
        ),
        (
            |paths| {
                fs::remove_file(&paths[2]).unwrap();
                fs::remove_file(&paths[1]).unwrap();
            },
            "two receipts taken away",
        ),
    ];
    for (change, why) in cases {
        let site = loaded();
        site.succeed(&["receipt", "verify"]);
        change(&site.receipts());
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.starts_with("refused: "), "{why}: {said}");
    }
}

fn change(path: &Path, from: &str, to: &str) {
    let text = fs::read_to_string(path).unwrap();
    assert!(text.contains(from));
    fs::write(path, text.replacen(from, to, 1)).unwrap();
}

#[test]
fn a_load_after_the_last_receipt_was_taken_away_is_refused() {
    let site = loaded();
    fs::remove_file(&site.receipts()[2]).unwrap();
    let said = site.refuse(&site.archive(&Draft { content: "next", ..Draft::on(6) }), &[]);
    assert!(said.contains("found number 2") && said.contains("wanted number 3"), "{said}");
}

#[test]
fn a_crash_between_receipt_and_ledger_is_mended() {
    let site = loaded();
    let ledger = site.ledger();
    let kept: Vec<&str> = ledger.lines().collect();
    let (last, before) = kept.split_last().unwrap();
    assert!(last.contains("\"receipt\""));
    fs::write(site.path("state/ledger.jsonl"), before.join("\n") + "\n").unwrap();
    site.succeed(&["receipt", "verify"]);
    site.load(&site.archive(&Draft { content: "next", ..Draft::on(6) }));
    site.succeed(&["receipt", "verify"]);
    assert_eq!(site.receipts().len(), 4);
}

#[test]
fn an_exported_receipt_verifies_with_the_public_key_alone() {
    let site = loaded();
    let exported = site.json(&["receipt", "export", "2", "-o", "out.json"]);
    assert_eq!(exported["bundle"], "out.sigstore.json");
    fs::copy(site.path("state/receipt.pub"), site.path("receipt.pub")).unwrap();
    let verify = ["receipt", "verify", "out.json", "--key", "receipt.pub"];
    let mut command = site.command(&verify);
    let said = crate::site::succeed(command.env_remove("AIRGAP_STATE"));
    for wanted in [
        "the receipt is what was signed\n",
        "site           sovereign-a\n",
        "archive        core, serial 20241104213000, sha256:",
        "state          published\n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    site.succeed(&["receipt", "export", "2", "-o", "small.json", "--minimal"]);
    let said = site.succeed(&["receipt", "verify", "small.json"]);
    assert!(said.contains("the minimal receipt is what was signed\nsite           sovereign-a\n"), "{said}");
    let json = site.json(&["receipt", "verify", "small.json"]);
    assert_eq!((&json["isMinimal"], &json["state"]), (&true.into(), &"published".into()));

    let said = site.fail(2, &["receipt", "export", "2", "-o", "out.json"]);
    assert!(said.contains("out.json"), "nothing is overwritten: {said}");
    site.write("stranger.pub", &pem(&site.people.stranger));
    let said = site.fail(3, &["receipt", "verify", "out.json", "--key", "stranger.pub"]);
    assert!(said.contains("another site signed it") && !said.contains("backup"), "{said}");
    change(&site.path("out.json"), "sovereign-a", "sovereign-b");
    for verify in [&verify[..], &verify[..3]] {
        let said = site.fail(3, verify);
        assert!(said.contains("it was changed") && !said.contains("backup"), "{said}");
    }
    // The site's own is another matter.
    let own = text(&site.receipts()[1]);
    change(Path::new(&own), "sovereign-a", "sovereign-b");
    let said = site.fail(3, &["receipt", "verify", &own]);
    assert!(said.contains("restore the state directory from a backup"), "{said}");
}

#[test]
fn evidence_that_was_changed_was_kept_and_not_pinned() {
    let site = loaded();
    let evidence = fs::read_dir(site.path("state/evidence")).unwrap().next().unwrap().unwrap().path();
    let files = fs::read_dir(&evidence).unwrap().map(|entry| entry.unwrap().path());
    let policy = files.into_iter().find(|path| text(path).contains("/policy-")).unwrap();
    change(&policy, "airgap/v1", "airgap/v2");
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains("which was kept when the archive came in") && !said.contains("pinned"), "{said}");
}

#[test]
fn a_load_that_is_held_is_published_later() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let held = site.json(&["load", &text(&archive.path), "--to", "content", "--hold"]);
    assert_eq!(held["state"], "held");
    let names = |site: &Site| site.index().is_some_and(|index| index.contains("registry.example/team/app:1"));
    assert!(!names(&site), "content, and no name");
    assert_eq!(site.json(&["receipt", "show"])["items"][0]["places"][0]["name"]["outcome"], "held");

    let issued = |site: &Site| site.json(&["receipt", "show"])["issued"].as_str().unwrap().to_owned();
    let before = issued(&site);

    // The archive's medium has left again. Receipts tell seconds.
    fs::remove_file(&archive.path).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let said = site.succeed(&["publish", "1", "--to", "content"]);
    assert!(issued(&site) > before, "each at its own time");
    // By whom and what it was judged again, as a load tells.
    let digest = |name: &str| manifests::Digest::of(&fs::read(site.path(name)).unwrap()).to_string();
    for wanted in [
        format!("identity       {}", archive.identity),
        "signed by      build-1 as preparer".to_owned(),
        format!("trust          {}", digest("trust.yaml")),
        format!("policy         {}", digest("policy.yaml")),
        "gates          0 gates: nothing was judged".to_owned(),
    ] {
        assert!(said.contains(&wanted), "{wanted}: {said}");
    }
    assert!(!said.contains("verified "), "no byte of it was read now: {said}");
    assert!(names(&site));
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(
        (&receipt["state"], &receipt["items"][0]["places"][0]["name"]["outcome"]),
        (&"published".into(), &"set".into())
    );
    site.succeed(&["receipt", "verify"]);

    let said = site.fail(2, &["publish", "2", "--to", "content"]);
    assert!(said.contains("names that are published"), "{said}");
    let said = site.fail(2, &["publish", "9", "--to", "content"]);
    assert!(said.contains("found 2 receipts"), "{said}");
}
