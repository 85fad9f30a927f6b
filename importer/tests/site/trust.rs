//! How one trust file follows another at a site.

use std::fs;

use manifests::key::PrivateKey;
use manifests::slot::Verdict;
use serde_json::Value;

use crate::archive::{Draft, at};
use crate::site::{Setup, Site, USUAL, pem, text};

/// A site whose trust asks for two of three officers to change it. Approvals would be asked for too, so nothing is
/// loaded before they leave the file.
pub(crate) fn site() -> Site {
    Site::with(Setup { officers: 2, ..USUAL })
}

/// A second version of the trust file, whose preparer has this key, and in which one officer decides.
pub(crate) fn second(site: &Site, preparer: &PrivateKey, more: &str) -> String {
    let person = |name: &str, key: &PrivateKey, more: &str| {
        format!("{{name: {name}, keys: [{{pem: {}{more}}}]}}", serde_json::to_string(&pem(key)).unwrap())
    };
    let build = person("build-2", preparer, "");
    let old = person("build-1", &site.people.build, more);
    let officer = person("officer-1", &site.people.officers[0], "");
    format!(
        "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: 2\n  expires: 2999-01-01\n  roles:\n    preparer: {{threshold: 1, people: [{build}, {old}]}}\n    security-officer: {{threshold: 1, people: [{officer}]}}\n"
    )
}

/// Signs `trust-2.yaml` by these officers.
fn sign(site: &Site, officers: &[usize]) {
    for at in officers {
        let name = format!("officer-{at}.key");
        site.write(&name, &site.people.officers[*at].to_pem().unwrap());
        site.succeed(&["trust", "sign", "trust-2.yaml", "--key", &name]);
    }
}

#[test]
fn a_trust_file_is_put_in_force_by_the_people_of_both_and_not_by_fewer() {
    let site = site();
    site.write("trust-2.yaml", &second(&site, &site.people.stranger, ""));
    let said = site.fail(3, &["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("found 0 of 2 signatures by different people as security-officer"), "{said}");
    assert!(said.contains("refused: trust-2.yaml (sha256:"), "the file that was given: {said}");
    sign(&site, &[1]);
    let said = site.fail(3, &["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("found 1 of 2") && said.contains("by the new trust file"), "{said}");
    assert!(site.succeed(&["trust", "show"]).contains("version 1"));

    // What the other one said about another file of this version does not count for this one.
    site.write("other.yaml", &second(&site, &site.people.officers[2], ""));
    site.write("officer-0.key", &site.people.officers[0].to_pem().unwrap());
    for (file, key, output) in
        [("other.yaml", "officer-0.key", "other.json"), ("trust-2.yaml", "officer-1.key", "this.json")]
    {
        site.succeed(&["trust", "sign", file, "--key", key, "-o", output]);
    }
    let both = ["--signature", "other.json", "--signature", "this.json"];
    let said = site.fail(3, &[&["trust", "update", "trust-2.yaml"], &both[..]].concat());
    assert!(
        said.contains("other.json, beside trust-2.yaml (sha256:") && said.contains("found a signature about"),
        "{said}"
    );
    assert!(site.succeed(&["trust", "show"]).contains("version 1"));

    sign(&site, &[0]);
    let said = site.succeed(&["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("version 2") && said.contains("build-2 as preparer"), "{said}");
    assert!(site.succeed(&["trust", "show"]).contains("version 2"));
    // Given again, as automation does, it has nothing to do.
    let receipts = site.receipts().len();
    let said = site.succeed(&["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("version 2: already in force\n  decided by   officer-"), "{said}");
    assert_eq!(site.json(&["trust", "update", "trust-2.yaml"])["wasInForce"], true);
    assert_eq!(site.receipts().len(), receipts, "nothing happened that one would tell of");
    // An older one does not come back.
    fs::copy(site.path("trust.yaml"), site.path("trust-1.yaml")).unwrap();
    let said = site.fail(3, &["trust", "update", "trust-1.yaml"]);
    assert!(said.contains("found version 1, wanted 3"), "{said}");
}

#[test]
fn the_trust_file_in_force_is_shown_with_every_limit_in_it() {
    let site = site();
    let limited = second(&site, &site.people.stranger, ", until: 2998-12-31}], channels: [core, edge")
        .replace("edge}]}", "edge]}")
        .replace("expires: 2999-01-01", "expires: 2999-02-03");
    site.write("trust-2.yaml", &limited);
    sign(&site, &[0, 1]);
    site.succeed(&["trust", "update", "trust-2.yaml"]);
    let said = site.succeed(&["trust", "show"]);
    for wanted in [
        "expires        2999-02-03T00:00:00Z\n",
        "thresholds     1 preparer, 1 security-officer\n",
        "until 2998-12-31T00:00:00Z, for core, edge\n",
        "without an end of its own, for any channel\n",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let shown = site.json(&["trust", "show"]);
    assert_eq!(shown["expires"], "2999-02-03T00:00:00Z");
    assert_eq!(shown["thresholds"], serde_json::json!({"preparer": 1, "security-officer": 1}));
    let key = &shown["keys"][1];
    assert_eq!(key["until"], "2998-12-31T00:00:00Z", "{shown:#}");
    assert_eq!(key["channels"], serde_json::json!(["core", "edge"]));
}

#[test]
fn no_version_of_a_trust_file_is_skipped() {
    let site = site();
    let third = second(&site, &site.people.stranger, "").replace("version: 2", "version: 3");
    site.write("trust-2.yaml", &third);
    sign(&site, &[0, 1]);
    let said = site.fail(3, &["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("found version 3, wanted 2"), "{said}");
    assert!(site.succeed(&["trust", "show"]).contains("version 1"));
}

#[test]
fn whom_the_new_file_trusts_may_prepare_and_a_revoked_key_may_not() {
    let site = site();
    site.write("trust-2.yaml", &second(&site, &site.people.stranger, ", revoked: 2024-11-20"));
    sign(&site, &[0, 1]);
    let archive = site.archive_by(&Draft::on(4), &site.people.stranger);
    let said = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(said.contains("key"), "{said}");
    let said = site.succeed(&["trust", "update", "trust-2.yaml"]);
    assert!(said.contains("REVOKED at 2024-11-20T00:00:00Z, for any channel\n"), "{said}");
    let said = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(said.contains("found 0 of 1") && said.contains("security-officer"), "the approval alone: {said}");
    assert!(!said.contains("preparer"), "{said}");
    // Its date is before the revocation: whoever has the key can write any date.
    let archive = site.archive(&Draft::on(5));
    let said = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(said.contains("revoked at 2024-11-20"), "{said}");
}

/// Puts a trust file in force that has these people as preparers. The site of it has no approvers, so the preparers'
/// keys decide.
pub(crate) fn follow(site: &Site, people: &[(&str, &PrivateKey)]) {
    let person = |(name, key): &(&str, &PrivateKey)| {
        format!("{{name: {name}, keys: [{{pem: {}}}]}}", serde_json::to_string(&pem(key)).unwrap())
    };
    let listed: Vec<String> = people.iter().map(person).collect();
    site.write(
        "trust-2.yaml",
        &format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 2, expires: 2999-01-01, roles: {{preparer: {{threshold: 1, people: [{}]}}}}}}\n",
            listed.join(", ")
        ),
    );
    for (name, key) in [("old.key", &site.people.build), ("new.key", &site.people.stranger)] {
        if name == "new.key" && !people.iter().any(|(name, _)| *name == "build-2") {
            continue;
        }
        site.write(name, &key.to_pem().unwrap());
        site.succeed(&["trust", "sign", "trust-2.yaml", "--key", name]);
    }
    site.succeed(&["trust", "update", "trust-2.yaml"]);
}

#[test]
fn what_was_held_is_published_while_whoever_signed_it_is_trusted() {
    let (old, new) = ("build-1", "build-2");
    for stays in [true, false] {
        let site = Site::new();
        let held = site.archive(&Draft::on(3));
        site.succeed(&["load", &text(&held.path), "--to", "content", "--hold"]);
        let people = [(new, &site.people.stranger), (old, &site.people.build)];
        follow(&site, if stays { &people } else { &people[..1] });
        if stays {
            site.succeed(&["publish", "1", "--to", "content"]);
            assert!(site.index().is_some());
        } else {
            let said = site.fail(3, &["publish", "1", "--to", "content"]);
            assert!(said.contains("which no preparer") && said.contains("load it again"), "{said}");
            assert!(site.index().is_none(), "no name was set");
            assert_eq!(site.json(&["receipt", "show"])["state"], "refused");
        }
        site.succeed(&["receipt", "verify"]);
    }
}

#[test]
fn a_policy_that_came_since_is_what_a_held_load_must_have_been_judged_by() {
    let site = Site::new();
    let held = site.archive(&Draft::on(3));
    site.succeed(&["load", &text(&held.path), "--to", "content", "--hold"]);
    site.write("policy-2.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {version: 2}\n");
    site.write("build.key", &site.people.build.to_pem().unwrap());
    site.succeed(&["policy", "sign", "policy-2.yaml", "--key", "build.key"]);
    site.succeed(&["policy", "update", "policy-2.yaml"]);
    let said = site.fail(3, &["publish", "1", "--to", "content"]);
    assert!(said.contains("wanted one that it was judged by"), "{said}");
    site.succeed(&["load", &text(&held.path), "--to", "content", "--hold"]);
    site.succeed(&["publish", "4", "--to", "content"]);
}

#[test]
fn a_change_leaves_a_receipt_so_that_it_cannot_be_cut_off_the_ledger() {
    let site = Site::new();
    follow(&site, &[("build-1", &site.people.build)]);
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["state"], "changed");
    let trust = manifests::Digest::of(&fs::read(site.path("trust-2.yaml")).unwrap()).to_string();
    assert_eq!(receipt["trustDigests"], serde_json::json!([trust]));
    let policy = manifests::Digest::of(&fs::read(site.path("policy.yaml")).unwrap()).to_string();
    assert_eq!(receipt["policyDigests"], serde_json::json!([policy]));
    assert!(site.receipts()[0].ends_with("000001-changed.json"));
    assert!(site.succeed(&["receipt", "show"]).contains("in force from now on"));
    site.succeed(&["receipt", "verify"]);

    let ledger = site.ledger();
    let first = ledger.lines().next().unwrap();
    site.write("state/ledger.jsonl", &format!("{first}\n"));
    let said = site.fail(3, &["trust", "show"]);
    assert!(said.contains("lines were cut off"), "{said}");
}

#[test]
fn a_file_in_force_that_was_changed_or_taken_away_is_noticed() {
    for change in [
        |path: &std::path::Path| fs::remove_file(path).unwrap(),
        |path: &std::path::Path| {
            let text = fs::read_to_string(path).unwrap();
            fs::write(path, text.replace("threshold: 1", "threshold: 2")).unwrap();
        },
    ] {
        let site = site();
        site.write("trust-2.yaml", &second(&site, &site.people.stranger, ""));
        sign(&site, &[0, 1]);
        site.succeed(&["trust", "update", "trust-2.yaml"]);
        let files = fs::read_dir(site.path("state/changes")).unwrap().map(|entry| entry.unwrap().path());
        let file =
            files.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "yaml")).unwrap();
        change(&file);
        let output = site.run(&["trust", "show"]);
        assert!(!output.status.success(), "the state directory was changed");
    }
}

#[test]
fn a_line_that_somebody_added_to_the_ledger_puts_no_trust_in_force() {
    let site = site();
    let forged = second(&site, &site.people.stranger, "")
        .replace("threshold: 1, people: [{name: officer-1", "threshold: 1, people: [{name: x");
    let digest = manifests::Digest::of(forged.as_bytes());
    fs::create_dir(site.path("state/changes")).unwrap();
    site.write(&format!("state/changes/{}.yaml", digest.hex()), &forged);
    site.write(&format!("state/changes/{}.sigstore.jsonl", digest.hex()), "");
    let ledger = site.ledger();
    let last = ledger.lines().last().unwrap();
    let time = serde_json::from_str::<Value>(last).unwrap()["time"].as_str().unwrap().to_owned();
    let line = format!(
        "{{\"digest\":\"{digest}\",\"event\":\"trusted\",\"number\":2,\"previous\":\"{}\",\"serial\":2,\"time\":\"{time}\"}}\n",
        manifests::Digest::of(last.as_bytes())
    );
    fs::write(site.path("state/ledger.jsonl"), ledger + &line).unwrap();
    let output = site.run(&["trust", "show"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("found 0 of 2 signatures"), "{said}");
}

#[test]
fn a_rejection_that_came_since_stops_a_load_that_was_held() {
    let (site, archive) = crate::summaries::signed(2);
    for (at, person) in ["officer-1", "officer-2"].into_iter().enumerate() {
        let approval = Draft::annex(&archive, Verdict::Approved);
        site.annex(&archive, person, &approval, &site.people.officers[at]);
    }
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--hold"]);
    let later = at("2024-12-01T08:00:00Z");
    let rejection = Draft { created: later, signed_at: later, ..Draft::annex(&archive, Verdict::Rejected) };
    let annex = site.path("rejection.tar");
    rejection.write(&annex, &site.people.officers[1]);
    let said = site.fail(3, &["publish", "1", "--to", "content", "--annex", &text(&annex)]);
    assert!(said.contains("rejected by officer-2"), "{said}");
    assert!(site.index().is_none(), "no name was set");
    fs::remove_file(annex).unwrap();
    let said = site.fail(3, &["publish", "1", "--to", "content"]);
    assert!(said.contains("rejected by officer-2"), "it is kept: {said}");
}

#[test]
fn what_was_held_is_not_published_after_its_preparer_s_key_was_revoked() {
    let site = Site::new();
    let held = site.archive(&Draft::on(3));
    site.succeed(&["load", &text(&held.path), "--to", "content", "--hold"]);
    let person = |name: &str, key: &PrivateKey, more: &str| {
        format!("{{name: {name}, keys: [{{pem: {}{more}}}]}}", serde_json::to_string(&pem(key)).unwrap())
    };
    let safe = |version: u32, revoked: &str| {
        let old = person("build-1", &site.people.build, revoked);
        let new = person("build-2", &site.people.stranger, "");
        let people = if revoked.is_empty() { old } else { format!("{new}, {old}") };
        let officer = person("officer-1", &site.people.officers[0], "");
        format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: {version}, expires: 2999-01-01, roles: {{preparer: {{threshold: 1, people: [{people}]}}, recovery: {{threshold: 1, people: [{officer}]}}}}}}\n"
        )
    };
    for (name, key) in [
        ("old.key", &site.people.build),
        ("new.key", &site.people.stranger),
        ("safe.key", &site.people.officers[0]),
    ] {
        site.write(name, &key.to_pem().unwrap());
    }
    for (version, revoked, signers) in
        [(2, "", ["old.key"].as_slice()), (3, ", revoked: 2026-01-01", &["safe.key", "new.key"])]
    {
        let name = format!("trust-{version}.yaml");
        site.write(&name, &safe(version, revoked));
        for key in signers {
            site.succeed(&["trust", "sign", &name, "--key", key]);
        }
        let by_recovery = version == 3;
        let role = if by_recovery { "recovery" } else { "preparer" };
        for said in [site.succeed(&["trust", "update", &name]), site.succeed(&["receipt", "show"])] {
            assert_eq!(said.contains("BY RECOVERY"), by_recovery, "{said}");
            assert!(said.contains(&format!(" as {role}, key ")), "{said}");
        }
        let receipt = site.json(&["receipt", "show"]);
        let roles: Vec<&Value> =
            receipt["signers"].as_array().unwrap().iter().map(|signer| &signer["role"]).collect();
        assert_eq!(roles, [role], "{receipt:#}");
    }
    let said = site.fail(3, &["publish", "1", "--to", "content"]);
    assert!(said.contains("revoked at 2026-01-01"), "{said}");
    assert_eq!(site.index(), None);
}

#[test]
fn a_policy_follows_another_by_who_approves_and_judges_from_then_on() {
    let site = site();
    let policy = |version: u64, spec: &str| {
        format!("apiVersion: airgap/v1\nkind: Policy\nspec:\n  version: {version}\n{spec}")
    };
    site.write("policy-2.yaml", &policy(2, "  signatures: [{match: \"**\", deny: true}]\n"));
    let sign = |file: &str, officers: &[usize]| {
        for at in officers {
            let key = format!("officer-{at}.key");
            site.write(&key, &site.people.officers[*at].to_pem().unwrap());
            site.succeed(&["policy", "sign", file, "--key", &key]);
        }
    };
    sign("policy-2.yaml", &[0]);
    let said = site.fail(3, &["policy", "update", "policy-2.yaml"]);
    assert!(said.contains("found 1 of 2 signatures"), "{said}");
    assert!(said.contains("refused: policy-2.yaml (sha256:"), "the file that was given: {said}");
    let archive = site.archive(&Draft::on(3));
    let said = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(!said.contains("denies"), "{said}");

    sign("policy-2.yaml", &[1]);
    let said = site.succeed(&["policy", "update", "policy-2.yaml"]);
    assert!(said.contains("version 2") && said.contains("signatures"), "{said}");
    let receipts = site.receipts().len();
    let again = site.succeed(&["policy", "update", "policy-2.yaml"]);
    assert!(again.contains("version 2: already in force"), "{again}");
    assert_eq!(again.replace(": already in force", ""), said);
    assert_eq!(site.receipts().len(), receipts);
    let said = site.fail(3, &["verify", &text(&archive.path)]);
    assert!(said.contains("denies"), "the new policy judges: {said}");

    site.write("policy-1.yaml", &policy(1, ""));
    sign_again(&site, "policy-1.yaml");
    let said = site.fail(3, &["policy", "update", "policy-1.yaml"]);
    assert!(said.contains("found version 1 of the policy, wanted one after 2"), "{said}");
    assert!(site.succeed(&["policy", "show"]).contains("version 2"));
}

#[test]
fn whoever_signed_before_may_not_cease_to_where_a_policy_would_accept_it() {
    let rule = "{match: \"**\", accept: unsigned, reason: none there yet, owner: ciso, until: 2999-01-01}";
    let site = Site::with(Setup {
        policy: Box::leak(format!("{{signatures: [{rule}]}}").into_boxed_str()),
        ..USUAL
    });
    site.load(&site.archive(&Draft::on(2)));
    site.load(&site.archive(&Draft { is_signed: true, ..Draft::on(3) }));
    let said = site.refuse(&site.archive(&Draft { content: "next", ..Draft::on(4) }), &[]);
    assert!(said.contains("found an item that was signed before"), "{said}");
    // Neither by an archive without it, nor by another channel's.
    let site = Site::with(Setup {
        policy: Box::leak(format!("{{signatures: [{rule}]}}").into_boxed_str()),
        ..USUAL
    });
    site.load(&site.archive(&Draft { is_signed: true, ..Draft::on(3) }));
    for day in 4..16 {
        site.load(&site.archive(&Draft {
            content: "",
            more: vec![("registry.example/other:1", &[])],
            ..Draft::on(day)
        }));
    }
    for channel in ["core", "other"] {
        let said = site.refuse(&site.archive(&Draft { content: "next", channel, ..Draft::on(16) }), &[]);
        assert!(said.contains("found an item that was signed before"), "{channel}: {said}");
    }
}

#[test]
fn what_was_held_is_judged_again_before_its_names_move() {
    let rule = "{match: \"**\", accept: unsigned, reason: none there yet, owner: ciso, until: 2999-01-01}";
    let site = Site::with(Setup {
        policy: Box::leak(format!("{{signatures: [{rule}]}}").into_boxed_str()),
        ..USUAL
    });
    let load = |draft: &Draft| site.archive(draft).path.display().to_string();
    site.succeed(&["load", &load(&Draft::on(3)), "--to", "content", "--hold"]);
    site.succeed(&["load", &load(&Draft { channel: "other", ..Draft::on(3) }), "--to", "content", "--hold"]);
    let said = site.succeed(&["publish", "1", "--to", "content"]);
    assert!(said.contains("gates          signatures: 1 "), "{said}");
    // Upstream began to sign.
    let signed = Draft { channel: "third", content: "next", is_signed: true, ..Draft::on(4) };
    site.succeed(&["load", &load(&signed), "--to", "elsewhere"]);
    let said = site.fail(3, &["publish", "2", "--to", "content"]);
    assert!(said.contains("found an item that was signed before"), "{said}");
    assert_eq!(site.json(&["receipt", "show"])["state"], "refused");
}

/// Signs by the two officers whose keys lie there.
fn sign_again(site: &Site, file: &str) {
    for key in ["officer-0.key", "officer-1.key"] {
        site.succeed(&["policy", "sign", file, "--key", key]);
    }
}
