//! The receipts of refusals: in the same chain, bounded, and never in the way of the refusal itself.

use std::fs;

use manifests::Digest;
use manifests::slot::Verdict;
use serde_json::{Value, json};

use crate::archive::{Archive, Draft};
use crate::site::{Site, policy, text};

/// A site that loaded one archive, and one that it has to refuse.
fn used() -> (Site, Archive) {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    let other = site.archive(&Draft { audience: vec!["sovereign-b"], ..Draft::on(4) });
    (site, other)
}

fn events(site: &Site) -> Vec<String> {
    let event = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["event"].as_str().unwrap().to_owned()
    };
    site.ledger().lines().map(event).collect()
}

#[test]
fn what_is_refused_leaves_a_receipt_with_every_reason() {
    let (site, other) = used();
    let said = site.refuse(&other, &[]);
    assert!(said.contains("the refusal is in the receipt state/receipts/000002-core-"), "{said}");
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["state"], "refused");
    assert_eq!(receipt["archive"]["identity"], other.identity.to_string());
    assert_eq!((&receipt["items"], &receipt["signers"]), (&json!([]), &json!([])));
    let digest = |name: &str| json!([Digest::of(&fs::read(site.path(name)).unwrap())]);
    assert_eq!(receipt["trustDigests"], digest("trust.yaml"), "by whom it was refused");
    assert_eq!(receipt["policyDigests"], digest("policy.yaml"));
    let reasons = receipt["reasons"].as_array().unwrap();
    assert!(reasons[0].as_str().unwrap().contains("sovereign-b"), "{reasons:?}");
    let first = Digest::of(&fs::read(&site.receipts()[0]).unwrap());
    assert_eq!(receipt["previous"], first.to_string());
    assert_eq!(receipt["previousOfChannel"], first.to_string());

    let summaries = fs::read_to_string(site.receipts()[1].with_extension("vsa.jsonl")).unwrap();
    assert_eq!(Digest::of(summaries.trim_end().as_bytes()).to_string(), receipt["summary"]);
    let shown = site.succeed(&["receipt", "show"]);
    assert!(shown.contains("refused, for what is against it") && shown.contains("sovereign-b"), "{shown}");
    assert!(!shown.contains("nothing was judged"), "{shown}");

    site.succeed(&["receipt", "verify"]);
    site.load(&site.archive(&Draft { content: "next", ..Draft::on(5) }));
    site.succeed(&["receipt", "verify"]);
    assert_eq!(site.receipts().len(), 3);
}

#[test]
fn what_nobody_trusted_signed_is_refused_without_a_name() {
    let (site, _) = used();
    let stranger = site.archive_by(&Draft::on(6), &site.people.stranger);
    site.refuse(&stranger, &[]);
    let damaged = site.archive(&Draft::on(7));
    let mut bytes = fs::read(&damaged.path).unwrap();
    bytes[600] ^= 1;
    fs::write(&damaged.path, bytes).unwrap();
    site.fail(4, &["load", &text(&damaged.path), "--to", "content"]);
    for number in ["2", "3"] {
        let receipt = site.json(&["receipt", "show", number]);
        assert_eq!(receipt["state"], "refused");
        for field in ["archive", "summary", "previousOfChannel"] {
            assert_eq!(receipt[field], Value::Null, "nothing of it is to be believed");
        }
        assert_eq!(receipt["reasons"].as_array().unwrap().len(), 1, "{receipt}");
        assert!(site.path(&format!("state/receipts/00000{number}-unverified.json")).exists());
    }
    assert!(site.receipts().iter().all(|path| fs::metadata(path).unwrap().len() < 4096));
    let shown = site.succeed(&["receipt", "show", "2"]);
    assert!(shown.contains("not trusted here") && shown.contains("archive        not known"), "{shown}");
    site.succeed(&["receipt", "verify"]);
    site.succeed(&["receipt", "export", "2", "-o", "out.json"]);
    site.succeed(&["receipt", "verify", "out.json"]);
    let minimal = ["receipt", "export", "3", "-o", "minimal.json", "--minimal"];
    site.succeed(&minimal);
    site.succeed(&["receipt", "verify", "minimal.json"]);
}

#[test]
fn what_was_wrong_use_or_is_worth_another_try_leaves_none() {
    let (site, other) = used();
    site.fail(2, &["load", "no-such.tar", "--to", "content"]);
    site.fail(
        2,
        &["load", &text(&other.path), "--to", "content", "--only", "nothing", "--hold", "--policy", "x"],
    );
    let good = site.archive(&Draft { content: "next", ..Draft::on(5) });
    site.fail(2, &["load", &text(&good.path), "--to", "content", "--only", "nothing"]);
    site.fail(3, &["verify", &text(&other.path)]);
    site.fail(3, &["plan", &text(&other.path), "--to", "content"]);
    assert_eq!(site.receipts().len(), 1, "verify and plan write nothing");
}

#[test]
fn the_receipt_of_a_refusal_cannot_be_taken_away() {
    for (taken, why) in [(1, "in the middle"), (3, "the last one")] {
        let (site, other) = used();
        site.refuse(&other, &[]);
        site.load(&site.archive(&Draft { content: "next", ..Draft::on(5) }));
        site.refuse(&other, &[]);
        site.succeed(&["receipt", "verify"]);
        fs::remove_file(&site.receipts()[taken]).unwrap();
        let said = site.fail(3, &["receipt", "verify"]);
        assert!(said.contains("missing") || said.contains("as the ledger says"), "{why}: {said}");
    }
}

#[test]
fn a_crash_between_the_receipt_of_a_refusal_and_the_ledger_is_mended() {
    let (site, other) = used();
    site.refuse(&other, &[]);
    let ledger = site.ledger();
    let kept: Vec<&str> = ledger.lines().collect();
    let (last, before) = kept.split_last().unwrap();
    assert!(last.contains("\"refused\""));
    fs::write(site.path("state/ledger.jsonl"), before.join("\n") + "\n").unwrap();
    site.succeed(&["receipt", "verify"]);
    site.load(&site.archive(&Draft { content: "next", ..Draft::on(5) }));
    site.succeed(&["receipt", "verify"]);
    assert_eq!(events(&site).iter().filter(|event| *event == "refused").count(), 1);
    assert_eq!(site.receipts().len(), 3);
}

#[test]
fn a_refusal_stands_when_its_receipt_cannot_be_written() {
    let (site, other) = used();
    let number = format!("state/receipts/000002-core-{}.sigstore.json", other.serial);
    fs::create_dir_all(site.path(&number).join("in the way")).unwrap();
    let said = site.fail(3, &["load", &text(&other.path), "--to", "content"]);
    assert!(said.contains("meant for sovereign-b"), "{said}");
    assert!(said.contains("the receipt of this refusal could not be written"), "{said}");
    assert_eq!(site.receipts().len(), 1);
}

#[test]
fn a_refusal_is_not_published() {
    let (site, other) = used();
    site.refuse(&other, &[]);
    let said = site.fail(2, &["publish", "2", "--to", "content"]);
    assert!(said.contains("found the receipt of a refusal"), "{said}");
}

#[test]
fn what_was_refused_since_it_was_held_is_not_published() {
    let site = Site::new();
    let held = site.archive(&Draft::on(3));
    let load = ["load", &text(&held.path), "--to", "content"];
    let hold = [&load[..], &["--hold"]].concat();
    site.succeed(&hold);
    // Somebody knew something, and judged by more than the site's own policy.
    site.write("strict.yaml", &policy("{signatures: [{match: \"**\", deny: true}]}"));
    site.fail(3, &[&load[..], &["--policy", "strict.yaml"]].concat());
    let said = site.fail(3, &["publish", "1", "--to", "content"]);
    assert!(said.contains("found it refused since, in the receipt 2"), "{said}");
    assert!(site.index().is_none(), "no name was set");
    // The last word counts.
    site.succeed(&hold);
    site.succeed(&["publish", "4", "--to", "content"]);
    assert!(site.index().is_some());
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn a_rejection_that_a_load_saw_since_is_one_for_what_was_held() {
    let (site, archive) = crate::summaries::signed(1);
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    let load = ["load", &text(&archive.path), "--to", "content"];
    site.succeed(&[&load[..], &["--hold"]].concat());
    let rejection = Draft::annex(&archive, Verdict::Rejected);
    let annex = site.annex(&archive, "officer-2", &rejection, &site.people.officers[1]);
    site.fail(3, &load);
    // Taken off the medium again, it is still what was said.
    fs::remove_file(annex).unwrap();
    let said = site.fail(3, &["publish", "1", "--to", "content"]);
    assert!(said.contains("found it rejected by officer-2"), "{said}");
    assert!(said.contains("found it refused since, in the receipt 2"), "{said}");
    assert!(site.index().is_none(), "no name was set");
}

/// What a run that was cut had set is still to be told by the receipt of the run that ends well.
#[test]
fn a_refusal_between_does_not_take_what_a_name_was_before() {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    let was = site.json(&["receipt", "show"])["items"][0]["digest"].clone();
    let next = site.archive(&Draft { content: "next", ..Draft::on(4) });
    site.load(&next);
    // As a crash before its receipt leaves it.
    let ledger = site.ledger();
    let lines: Vec<&str> = ledger.lines().collect();
    let (last, kept) = lines.split_last().unwrap();
    assert!(last.contains("\"receipt\""));
    fs::write(site.path("state/ledger.jsonl"), kept.join("\n") + "\n").unwrap();
    fs::remove_file(&site.receipts()[1]).unwrap();

    site.refuse(&site.archive(&Draft { audience: vec!["sovereign-b"], ..Draft::on(5) }), &[]);
    site.load(&next);
    let name = &site.json(&["receipt", "show"])["items"][0]["places"][0]["name"];
    assert_eq!((&name["outcome"], &name["previous"]), (&json!("set"), &was), "{name}");
    site.succeed(&["receipt", "verify"]);
}
