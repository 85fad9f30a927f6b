//! What an approver leaves out, with what depends on it.

use manifests::Digest;
use manifests::exclusions::{ExcludedItem, Exclusions};
use manifests::inventory::ItemKind;
use manifests::limits::EVIDENCE_BYTES;
use manifests::media_type::EXCLUSIONS;
use manifests::slot::Verdict;
use serde_json::json;

use crate::approve::{approve, prepared};
use crate::archive::{Draft, NAME};
use crate::site::{Setup, Site, USUAL, text};

const ONE: Setup = Setup { officers: 1, ..USUAL };

const DB: &str = "registry.example/team/db:1";
const WEB: &str = "registry.example/team/web:1";
const UI: &str = "registry.example/team/ui:1";

/// `ui` requires `web`, which requires `db`; the usual image stands alone.
fn chain() -> Draft {
    Draft { more: vec![(DB, &[]), (UI, &[WEB]), (WEB, &[DB])], ..Draft::on(3) }
}

fn is_named(site: &Site, name: &str) -> bool {
    site.index().is_some_and(|index| index.contains(name))
}

#[test]
fn an_item_is_left_out_with_what_depends_on_it() {
    let (site, archive, path) = prepared(ONE, &chain());
    let said = site.succeed(&approve(&path, &["--exclude", DB, "--reason", "no fix yet"]));
    for name in [DB, WEB, UI] {
        assert!(said.contains(&format!("left out       {name} by officer-1")), "{said}");
    }
    let output = site.run(&["plan", &path, "--to", "content"]);
    let notices = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(notices.contains("because it requires registry.example/team/db:1 (no fix yet)"), "{notices}");
    let planned = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(planned.contains("team/app:1 to sha256:") && !planned.contains("team/db:1 to"), "{planned}");

    site.load(&archive);
    for (name, wanted) in [(NAME, true), (DB, false), (WEB, false), (UI, false)] {
        assert_eq!(is_named(&site, name), wanted, "{name}");
    }
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["items"].as_array().unwrap().len(), 1, "{receipt}");
    let excluded = receipt["excluded"].as_array().unwrap();
    let said: Vec<_> = excluded.iter().map(|it| (&it["name"], &it["by"], &it["requires"])).collect();
    let by = json!("officer-1");
    assert_eq!(
        said,
        [(&json!(DB), &by, &json!(null)), (&json!(UI), &by, &json!(WEB)), (&json!(WEB), &by, &json!(DB)),]
    );
    site.succeed(&["receipt", "verify"]);
    let said = site.succeed(&["receipt", "judge"]);
    assert!(said.contains("  as then      who signed and what came in\n"), "{said}");
}

#[test]
fn what_another_item_requires_may_stay() {
    let (site, archive, path) = prepared(ONE, &chain());
    site.succeed(&approve(&path, &["--exclude", UI, "--reason", "no fix"]));
    site.load(&archive);
    for (name, wanted) in [(NAME, true), (DB, true), (WEB, true), (UI, false)] {
        assert_eq!(is_named(&site, name), wanted, "{name}");
    }
}

#[test]
fn what_policy_refuses_is_approved_without_it() {
    let policy = "{signatures: [{match: \"**/db:*\", deny: true}, {match: \"**\", accept: unsigned, reason: a, owner: b, until: 2999-01-01}]}";
    let (site, archive, path) = prepared(Setup { policy, ..ONE }, &chain());
    let said = site.fail(3, &approve(&path, &[]));
    assert!(said.contains(DB) && !said.contains("refused: registry.example/team/web"), "{said}");
    site.fail(3, &approve(&path, &["--exclude", UI, "--reason", "no fix"]));
    site.succeed(&approve(&path, &["--exclude", DB, "--reason", "no fix"]));
    let loaded = site.load(&archive);
    let judged = loaded["archive"]["judgements"][0]["items"].as_array().unwrap();
    assert_eq!(judged.len(), 1, "what is left out is not judged: {judged:?}");
}

#[test]
fn an_exclusion_counts_only_with_its_annex() {
    let (site, archive, path) = prepared(Setup { officers: 2, ..USUAL }, &chain());
    site.succeed(&approve(&path, &["--exclude", DB, "--reason", "no fix", "-o", "aside.tar"]));
    let [_, second, third] = &site.people.officers;
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-2", &approval, second);
    site.annex(&archive, "officer-3", &approval, third);
    site.succeed(&["plan", &path, "--to", "content"]);
    let all = site.json(&["plan", &path, "--to", "content"]);
    assert_eq!((&all["plan"]["items"], &all["archive"]["excluded"]), (&json!(4), &json!([])));
    let less = site.json(&["plan", &path, "--to", "content", "--annex", "aside.tar"]);
    assert_eq!(less["plan"]["items"], 1, "one of three leaves it out: {less}");

    let stranger =
        Draft { artifacts: vec![(EXCLUSIONS, of(NAME, image_digest(&site, &path, NAME)))], ..approval };
    site.annex(&archive, "stranger", &stranger, &site.people.stranger);
    let all = site.json(&["plan", &path, "--to", "content"]);
    assert_eq!(all["plan"]["items"], 4, "a stranger leaves nothing out: {all}");
}

fn of(name: &str, digest: Digest) -> Vec<u8> {
    Exclusions::new(vec![ExcludedItem { digest, name: name.to_owned() }], None).unwrap().encode()
}

fn image_digest(site: &Site, path: &str, name: &str) -> Digest {
    let inspected = site.json(&["inspect", path]);
    let items = inspected["inventory"]["items"].as_array().unwrap().clone();
    let item = items.iter().find(|item| item["name"] == name).unwrap();
    item["published"]["digest"].as_str().unwrap().parse().unwrap()
}

#[test]
fn what_is_not_understood_in_an_annex_is_not_counted() {
    let (site, archive, path) = prepared(ONE, &chain());
    let digest = image_digest(&site, &path, DB);
    for (artifact, said, why) in [
        ((EXCLUSIONS, of(DB, Digest::of(b"other"))), "which the archive does not have", "another digest"),
        ((EXCLUSIONS, of("registry.example/x:1", digest)), "which the archive does not have", "another name"),
        ((EXCLUSIONS, b"{}".to_vec()), "the exclusions", "no exclusions"),
        (("application/x", b"{}".to_vec()), "use a newer Airgap", "an unknown artifact"),
        ((manifests::media_type::SCAN_REPORT, b"{}".to_vec()), "about nothing", "a report on nothing"),
    ] {
        let approval = Draft { artifacts: vec![artifact], ..Draft::annex(&archive, Verdict::Approved) };
        site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
        let refused = site.refuse(&archive, &[]);
        assert!(refused.contains("found 0 of 1"), "{why}: {refused}");
        let verified = site.fail(3, &["verify", &path, "--annex", &text(&annex(&site, &archive.path))]);
        assert!(verified.contains(said), "{why}: {verified}");
    }
    // What would count, but for one thing that is not as it should be.
    let counted =
        Draft { artifacts: vec![(EXCLUSIONS, of(DB, digest))], ..Draft::annex(&archive, Verdict::Approved) };
    let too_large = vec![b' '; usize::try_from(EVIDENCE_BYTES).unwrap() + 1];
    let report = manifests::media_type::MALWARE_REPORT;
    for (annex, why) in [
        (Draft { artifact_kind: ItemKind::Image, ..counted.clone() }, "said to be an image"),
        (Draft { is_signed: true, ..counted.clone() }, "with evidence of its own"),
        (Draft { layer_type: Some("application/x"), ..counted.clone() }, "a layer of another type"),
        (Draft { artifacts: vec![(report, too_large)], ..counted.clone() }, "too large"),
    ] {
        site.annex(&archive, "officer-1", &annex, &site.people.officers[0]);
        assert!(site.refuse(&archive, &[]).contains("found 0 of 1"), "{why}");
    }
    site.annex(&archive, "officer-1", &counted, &site.people.officers[0]);
    site.succeed(&["verify", &path]);
    let image = Draft { content: "content", ..Draft::annex(&archive, Verdict::Approved) };
    site.annex(&archive, "officer-1", &image, &site.people.officers[0]);
    site.refuse(&archive, &[]);
    let rejected = Draft {
        artifacts: vec![("application/x", b"{}".to_vec())],
        ..Draft::annex(&archive, Verdict::Rejected)
    };
    site.annex(&archive, "officer-1", &rejected, &site.people.officers[0]);
    assert!(
        site.refuse(&archive, &[]).contains("rejected by officer-1"),
        "a rejection counts whatever it has"
    );
}

fn annex(site: &Site, archive: &std::path::Path) -> std::path::PathBuf {
    let name = archive.file_stem().unwrap().to_str().unwrap();
    site.path(&format!("{name}.officer-1.tar"))
}

#[test]
fn what_cannot_be_left_out_is_named() {
    let (site, archive, path) = prepared(ONE, &chain());
    let said = site.fail(2, &approve(&path, &["--exclude", "registry.example/x:1", "--reason", "no fix"]));
    assert!(said.contains("found no item of this name"), "{said}");
    let all = ["--exclude", DB, "--exclude", NAME, "--reason", "no fix"];
    let said = site.fail(3, &approve(&path, &all));
    assert!(said.contains("found every item left out"), "{said}");
    site.succeed(&approve(&path, &["--exclude", DB, "--reason", "no fix"]));
    let said = site.refuse(&archive, &["--only", WEB]);
    assert!(said.contains("found it left out by an approver"), "{said}");
}
