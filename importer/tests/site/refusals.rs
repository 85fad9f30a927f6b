//! Every reason for which trust is withheld: its status, its words, and nothing written.

use manifests::Digest;
use manifests::inventory::ItemKind;
use manifests::slot::Verdict;
use manifests::trust::Role;
use serde_json::json;

use crate::archive::{Draft, at};
use crate::scan_report::finding;
use crate::site::{Setup, Site, USUAL, pem, policy, text};

/// Both `verify` and `load` refuse, in these words.
fn refused(setup: Setup, draft: &Draft, said: &str, why: &str) {
    let site = Site::with(setup);
    let archive = site.archive(draft);
    let verified = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(verified.contains(said), "{why}: {verified}");
    site.refuse_for(&archive, &[said]);
    assert!(!site.path("content").exists(), "{why}");
}

#[test]
fn an_archive_that_breaks_one_rule_is_refused_by_that_name() {
    let ahead = console_now().plus_seconds(3600).unwrap();
    for (setup, draft, said, why) in [
        (
            USUAL,
            Draft { audience: vec!["sovereign-b", "sovereign-c"], ..Draft::on(3) },
            "meant for sovereign-b, sovereign-c, wanted sovereign-a",
            "another audience",
        ),
        (
            USUAL,
            Draft { import_before: Some(at("2024-12-01T00:00:00Z")), ..Draft::on(3) },
            "wanted a first import before 2024-12-01T00:00:00Z",
            "past its date",
        ),
        (
            USUAL,
            Draft { signed_at: at("2024-11-03T21:29:59Z"), ..Draft::on(3) },
            "signed at 2024-11-03T21:29:59Z, wanted 2024-11-03T21:30:00Z or later",
            "signed before it was created",
        ),
        (USUAL, Draft { signed_at: ahead, ..Draft::on(3) }, "at the latest", "signed in the future"),
        (
            USUAL,
            Draft { role: Role::SecurityOfficer, verdict: Some(Verdict::Approved), ..Draft::on(3) },
            "signed as security-officer, wanted preparer",
            "an approval in the place of the preparer's signature",
        ),
        (
            USUAL,
            Draft { annex_of: Some(Digest::of(b"other")), ..Draft::on(3) },
            "found an annex",
            "an annex in the place of an archive",
        ),
        (
            Setup { channels: &["edge"], ..USUAL },
            Draft::on(3),
            "the channel core, which this site was not set up for",
            "another channel",
        ),
        (
            Setup { expires: "2024-12-01", ..USUAL },
            Draft::on(3),
            "the trust file ended at 2024-12-01T00:00:00Z",
            "an expired trust file",
        ),
        (
            Setup { build_until: "2024-11-03", ..USUAL },
            Draft::on(3),
            "when that key ended",
            "a key that had ended when it signed",
        ),
        (
            Setup { policy: "{signatures: [], models: {pickle: deny}}", ..USUAL },
            Draft::on(3),
            "found the gate models in the policy",
            "gates that this version lacks",
        ),
        (
            Setup { officers: 1, ..USUAL },
            Draft::on(3),
            "found 0 of 1 signatures by different people as security-officer",
            "nobody approved",
        ),
        (
            Setup { policy: "{approvals: {sovereign-admin: 1}}", ..USUAL },
            Draft::on(3),
            "found 0 of 1 signatures by different people as sovereign-admin",
            "the policy wants more than the trust file",
        ),
    ] {
        refused(setup, &draft, said, why);
    }
}

fn console_now() -> manifests::Timestamp {
    let elapsed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    manifests::Timestamp::from_unix(i64::try_from(elapsed.as_secs()).unwrap()).unwrap()
}

#[test]
fn a_key_that_nobody_knows_is_named_with_its_id() {
    let site = Site::new();
    let archive = site.archive_by(&Draft::on(3), &site.people.stranger);
    let id = site.people.stranger.public().unwrap().id().to_string();
    let said = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(said.contains("not trusted here"), "{said}");
    site.refuse_for(&archive, &[&id]);
}

#[test]
fn an_officer_cannot_prepare() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive_by(&Draft::on(3), &site.people.officers[0]);
    let said = site.refuse(&archive, &[]);
    assert!(said.contains("which no preparer in the trust file has"), "{said}");
}

#[test]
fn all_reasons_are_given_at_once() {
    let site = Site::with(Setup { channels: &["edge"], officers: 2, ..USUAL });
    let archive = site.archive(&Draft { audience: vec!["sovereign-b"], ..Draft::on(3) });
    site.refuse_for(&archive, &["sovereign-b", "the channel core", "found 0 of 2"]);
    let output = site.run(&["verify", &text(&archive.path), "--json"]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["status"].as_u64(), json["failures"].as_array().unwrap().len()), (Some(3), 3), "{json}");
}

#[test]
fn a_damaged_archive_is_another_thing_than_a_refused_one() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let mut bytes = std::fs::read(&archive.path).unwrap();
    let last = bytes.len() - 1600;
    bytes[last] ^= 1;
    std::fs::write(&archive.path, bytes).unwrap();
    for verb in [&["verify"][..], &["load", "--to", "content"], &["plan", "--to", "content"]] {
        let said = site.fail(4, &[verb, &[&text(&archive.path)]].concat());
        assert!(said.contains("damaged at byte") || said.contains("blobs/sha256/"), "{said}");
    }
    assert!(!site.path("content").exists());
}

#[test]
fn an_older_serial_is_refused_unless_policy_allows_it() {
    let site = Site::new();
    let (older, newer) = (site.archive(&Draft::on(3)), Draft { content: "newer", ..Draft::on(4) });
    site.load(&site.archive(&newer));
    site.refuse_for(&older, &["found the serial 20241103213000, wanted 20241104213000 or newer"]);

    let site_of_held = Site::new();
    let older = site_of_held.archive(&Draft::on(3));
    site_of_held.succeed(&["load", &text(&older.path), "--to", "content", "--hold"]);
    site_of_held.load(&site_of_held.archive(&newer));
    let said = site_of_held.fail(3, &["publish", "1", "--to", "content"]);
    assert!(said.contains("order.olderSerial"), "its names are older as well: {said}");

    let site = Site::with(Setup { policy: "{order: {olderSerial: allow}}", ..USUAL });
    let older = site.archive(&Draft::on(3));
    site.load(&site.archive(&newer));
    let named = |site: &Site| {
        let index: serde_json::Value = serde_json::from_str(&site.index().unwrap()).unwrap();
        let entries = index["manifests"].as_array().unwrap().clone();
        entries.into_iter().find(|entry| entry["annotations"].to_string().contains("team/app:1")).unwrap()
    };
    let newest = named(&site);
    site.load(&older);
    assert_eq!(named(&site), newest, "the newer name stays");
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["items"][0]["places"][0]["name"]["outcome"], "leftNewer");

    site.write("strict.yaml", &policy("{}"));
    let said = site.refuse(&older, &["--policy", "strict.yaml"]);
    assert!(said.contains("order.olderSerial"), "a flag is stricter: {said}");
}

#[test]
fn one_serial_has_one_content() {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    let other = site.archive(&Draft { content: "forged", ..Draft::on(3) });
    let said = site.refuse(&other, &[]);
    assert!(said.contains("ALARM") && said.contains("another identity"), "{said}");
    site.refuse_for(&other, &[&other.identity.to_string()]);

    let rebuilt = site.archive(&Draft { generator: "airgap 0.2.0", ..Draft::on(3) });
    site.load(&rebuilt);
}

#[test]
fn a_replay_converges_and_says_so() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    let index = site.index();
    let said = site.succeed(&["load", &text(&archive.path), "--to", "content"]);
    assert!(said.contains("nothing was sent"), "{said}");
    assert_eq!(site.index(), index);
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn flags_beside_a_site_can_only_be_stricter() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.write("stranger.pub", &pem(&site.people.stranger));
    let said = site.refuse(&archive, &["--trust", "stranger.pub"]);
    assert!(said.contains("not trusted here"), "a key that only the site trusts: {said}");

    site.write("officers.yaml", &site.trust(Setup { officers: 1, ..USUAL }));
    let said = site.refuse(&archive, &["--trust", "officers.yaml"]);
    assert!(said.contains("found 0 of 1"), "a threshold that only the flag has: {said}");

    site.write("approved.yaml", &policy("{approvals: {security-officer: 1}}"));
    let said = site.refuse(&archive, &["--policy", "approved.yaml"]);
    assert!(said.contains("found 0 of 1"), "an approval that only the flag's policy wants: {said}");

    let by_stranger = site.archive_by(&Draft::on(4), &site.people.stranger);
    let said = site.refuse(&by_stranger, &["--trust", "stranger.pub"]);
    assert!(said.contains("not trusted here"), "a flag does not add trust: {said}");

    site.write("build.pub", &pem(&site.people.build));
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--trust", "build.pub"]);
}

#[test]
fn an_exception_that_nobody_signed_excuses_nothing() {
    let site = Site::with(Setup { policy: "{vulnerabilities: {}}", ..USUAL });
    let critical = json!([finding("CVE-2026-0001", "CRITICAL", "known before")]);
    let archive = site.archive(&Draft { findings: Some(critical), ..Draft::on(3) });
    let soon = console_now().plus_seconds(30 * 86_400).unwrap().to_string();
    let exception = format!(
        "{{id: CVE-2026-0001, package: \"**\", match: \"**\", until: {}, owner: officer-1, statement: x}}",
        &soon[..10]
    );
    site.write(
        "policy-2.yaml",
        &policy(&format!("{{version: 2, vulnerabilities: {{exceptions: [{exception}]}}}}")),
    );
    let said = site.refuse(&archive, &["--policy", "policy-2.yaml"]);
    assert!(said.contains("CVE-2026-0001"), "beside the site's own: {said}");
    let said = site.fail(3, &["policy", "update", "policy-2.yaml"]);
    assert!(said.contains("found 0 of 1 signatures"), "in its place: {said}");
    site.refuse(&archive, &[]);
    site.write("build.key", &site.people.build.to_pem().unwrap());
    site.succeed(&["policy", "sign", "policy-2.yaml", "--key", "build.key"]);
    site.succeed(&["policy", "update", "policy-2.yaml"]);
    site.load(&archive);
}

#[test]
fn what_is_in_may_be_loaded_again_after_its_date() {
    let site = Site::new();
    let draft = Draft { import_before: Some(at("2024-12-01T00:00:00Z")), ..Draft::on(3) };
    let archive = site.archive(&draft);
    site.refuse(&archive, &[]);
    // As if it had been accepted in time; the other serial keeps the content's digest out of this test.
    let timely = site.archive(&Draft { import_before: None, ..draft.clone() });
    site.load(&timely);
    let accepted = site.ledger().lines().find(|line| line.contains("\"accepted\"")).unwrap().to_owned();
    assert!(accepted.contains(&timely.identity.to_string()), "{accepted}");
    let said = site.refuse(&site.archive(&draft), &[]);
    assert!(said.contains("first import before"), "another identity is another import: {said}");

    let far = site.archive(&Draft { import_before: Some(at("2998-01-01T00:00:00Z")), ..Draft::on(4) });
    let later = ["verify", &text(&far.path), "--at", "2998-06-01T00:00:00Z"];
    let said = site.fail(3, &later);
    assert!(said.contains("first import before"), "{said}");
    site.load(&far);
    site.succeed(&later);
}

#[test]
fn one_of_two_preparers_is_not_enough() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let person = |name: &str, key| {
        format!("{{name: {name}, keys: [{{pem: {}}}]}}", serde_json::to_string(&pem(key)).unwrap())
    };
    let people = [person("build-1", &site.people.build), person("build-2", &site.people.stranger)].join(", ");
    site.write(
        "two.yaml",
        &format!("apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 1, expires: 2999-01-01, roles: {{preparer: {{threshold: 2, people: [{people}]}}}}}}\n"),
    );
    let said = site.refuse(&archive, &["--trust", "two.yaml"]);
    assert!(said.contains("found 1 of 2 signatures by different people as preparer"), "{said}");
    // To approve it would make nothing of it: unlike an approval, the other preparer's signature cannot follow.
    site.write("officer.key", &site.people.officers[0].to_pem().unwrap());
    let officer = person("officer-1", &site.people.officers[0]);
    let two = std::fs::read_to_string(site.path("two.yaml")).unwrap();
    let roles = format!("roles: {{security-officer: {{threshold: 1, people: [{officer}]}}, ");
    site.write("two.yaml", &two.replace("roles: {", &roles));
    let approve = ["approve", &text(&archive.path), "--trust", "two.yaml", "--policy", "policy.yaml"];
    let mut command = site.command(&[&approve[..], &["--key", "officer.key"]].concat());
    let said = crate::site::fail(command.env_remove("AIRGAP_STATE"), 3);
    assert!(said.contains("found 1 of 2 signatures by different people as preparer"), "{said}");
}

/// If one of these were served, the command would not end.
#[test]
fn what_no_preparer_signed_for_its_channel_and_in_time_is_not_served() {
    for (setup, draft, said) in [
        (
            USUAL,
            Draft { role: Role::SecurityOfficer, verdict: Some(Verdict::Approved), ..Draft::on(3) },
            "signed as security-officer, wanted preparer",
        ),
        (
            Setup { expires: "2024-12-01", ..USUAL },
            Draft::on(3),
            "the trust file ended at 2024-12-01T00:00:00Z",
        ),
        (Setup { build_until: "2024-11-03", ..USUAL }, Draft::on(3), "when that key ended"),
    ] {
        let site = Site::with(setup);
        let archive = site.archive(&draft);
        let refused = site.fail(3, &["serve", &text(&archive.path), "--listen", "127.0.0.1:0"]);
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn rules_ask_for_what_an_item_is_and_not_for_what_it_is_called() {
    let waiver = "{match: \"**\", accept: unsigned, reason: a, owner: b, until: 2999-01-01}";
    let site = |rule: &str| {
        let policy = format!("{{signatures: [{rule}, {waiver}]}}");
        Site::with(Setup { policy: Box::leak(policy.into_boxed_str()), ..USUAL })
    };
    let with = |kind: ItemKind| Draft {
        artifacts: vec![("x/y", b"{}".to_vec())],
        artifact_kind: kind,
        ..Draft::on(3)
    };
    let deny_images = site("{match: \"annex.local/**\", kinds: [image], deny: true}");
    deny_images.load(&deny_images.archive(&with(ItemKind::Artifact)));
    for (kind, said) in [
        (ItemKind::Chart, "found an artifact that is called a chart, wanted it called what it is"),
        (ItemKind::Image, "found an artifact that is called an image, wanted it called what it is"),
    ] {
        let other = site("{match: \"annex.local/**\", kinds: [artifact], deny: true}");
        assert!(other.refuse(&other.archive(&with(kind)), &[]).contains(said));
    }
}
