//! What is inside, judged once more from what was kept of it.

use std::fs;
use std::path::Path;

use manifests::Digest;
use manifests::slot::Verdict;
use serde_json::{Value, json};

use crate::archive::{Archive, Draft, at};
use crate::forge::forge;
use crate::scan_report::finding;
use crate::site::{Setup, Site, USUAL, policy, text};
use crate::summaries::signed;

#[test]
fn where_no_gate_judged_nothing_is_said_to_be_judged() {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    let said = site.succeed(&["receipt", "judge"]);
    assert!(said.contains("  judged       0 gates: nothing was judged, as of "), "{said}");
    assert!(!said.contains("item") && !said.contains("byte"), "{said}");
}

/// Puts a second policy in force.
pub(crate) fn follow(site: &Site, spec: &str) {
    site.write("policy-2.yaml", &policy(spec));
    site.write("build.key", &site.people.build.to_pem().unwrap());
    site.succeed(&["policy", "sign", "policy-2.yaml", "--key", "build.key"]);
    site.succeed(&["policy", "update", "policy-2.yaml"]);
}

fn evidence(site: &Site, archive: &Archive) -> std::path::PathBuf {
    site.path("state/evidence").join(archive.identity.hex())
}

/// The one file there whose name starts like this.
fn kept(folder: &Path, start: &str) -> std::path::PathBuf {
    let mut found = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let is_it = |path: &std::path::PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with(start);
    found.find(is_it).unwrap()
}

#[test]
fn each_archive_is_judged_as_of_then_by_what_it_was_let_in_by() {
    let site = Site::with(Setup { policy: "{vulnerabilities: {critical: warn}}", ..USUAL });
    let critical = || Some(json!([finding("CVE-2026-0001", "CRITICAL", "known before")]));
    site.load(&site.archive(&Draft { findings: critical(), ..Draft::on(3) }));
    // From now on it passes as what is inside already, and for nothing else.
    follow(&site, "{version: 2, vulnerabilities: {critical: deny, unchanged: warn}}");
    let catalogue = json!({
        "catalogVersion": "1", "dateReleased": "2026-11-01T00:00:00Z", "count": 1,
        "vulnerabilities": [{"cveID": "CVE-2026-9999"}],
    });
    site.write("kev.json", &catalogue.to_string());
    site.write("lax.yaml", &policy("{vulnerabilities: {critical: warn}}"));
    let second = site.archive(&Draft { findings: critical(), ..Draft::on(4) });
    let load = ["load", &text(&second.path), "--to", "content", "--policy", "lax.yaml", "--kev", "kev.json"];
    site.succeed(&load);
    let clean = site.archive(&Draft { content: "other", findings: Some(json!([])), ..Draft::on(5) });
    site.succeed(&["load", &text(&clean.path), "--to", "content", "--hold"]);
    site.succeed(&["publish", "4", "--to", "content"]);

    for name in ["content", "kev.json", "lax.yaml", "policy.yaml", "policy-2.yaml", "trust.yaml"] {
        let path = site.path(name);
        if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
    }
    let judged = site.json(&["receipt", "judge"]);
    let judged = judged["judged"].as_array().unwrap();
    let told: Vec<_> = judged
        .iter()
        .map(|one| (&one["receipt"], &one["items"], one["policyDigests"].as_array().unwrap().len()))
        .collect();
    // The second receipt is of the policy, the last one published what was held by the one before.
    let [one, three, four, five] = [1, 3, 4, 5].map(Value::from);
    assert_eq!(told, [(&one, &one, 1), (&three, &one, 2), (&four, &one, 1), (&five, &one, 1)]);
    assert!(judged.iter().all(|one| one["isIdentical"] == true), "{judged:#?}");
    assert_eq!(judged[1]["archive"]["identity"], second.identity.to_string());

    let of_published = site.json(&["receipt", "judge", "5"]);
    assert_eq!(of_published["judged"], json!([judged[3]]));
    let said = site.succeed(&["receipt", "judge", "3"]);
    assert!(said.contains("3: core, serial 20241104213000\n"), "{said}");
    let lax = Digest::of(policy("{vulnerabilities: {critical: warn}}").as_bytes());
    assert!(said.contains(&format!("  policy       {lax}\n")), "{said}");
    assert!(
        said.contains("  judged       1 item, as of ") && said.contains("  as then      to the byte\n"),
        "{said}"
    );
    assert!(said.ends_with("verified       1 receipt of 1 archive, from what was kept alone\n"), "{said}");
    // What was held and then published is one archive.
    let said = site.succeed(&["receipt", "judge"]);
    assert!(said.ends_with("verified       4 receipts of 3 archives, from what was kept alone\n"), "{said}");
    let other = site.archive(&Draft { audience: vec!["sovereign-b"], ..Draft::on(6) });
    site.fail(3, &["load", &text(&other.path), "--to", "content"]);
    for (number, found) in [
        ("2", "the receipt of a change of trust or policy"),
        ("6", "the receipt of a refusal"),
        ("9", "no receipt of this number"),
    ] {
        let said = site.fail(2, &["receipt", "judge", number]);
        let wanted = format!("receipt {number}: found {found}, wanted one that let something in");
        assert!(said.contains(&wanted), "{said}");
    }

    fs::remove_file(kept(&evidence(&site, &second), "kev-")).unwrap();
    let said = site.fail(1, &["receipt", "judge"]);
    assert!(said.contains("kev-") && said.contains("No such file"), "{said}");
}

#[test]
fn what_came_later_does_not_change_what_was_right_then() {
    let waiver = "{match: \"**\", accept: unsigned, reason: none there yet, owner: ciso, until: 2999-01-01}";
    let site = Site::with(Setup {
        policy: Box::leak(format!("{{signatures: [{waiver}]}}").into_boxed_str()),
        ..USUAL
    });
    site.load(&site.archive(&Draft::on(3)));
    // Whoever signed once has to sign again.
    std::thread::sleep(std::time::Duration::from_secs(1));
    site.load(&site.archive(&Draft { is_signed: true, ..Draft::on(4) }));
    site.fail(3, &["load", &text(&site.archive(&Draft::on(5)).path), "--to", "content"]);
    let judged = site.json(&["receipt", "judge"]);
    let identical: Vec<&Value> =
        judged["judged"].as_array().unwrap().iter().map(|one| &one["isIdentical"]).collect();
    assert_eq!(identical, [true, true]);
}

#[test]
fn each_receipt_is_held_to_the_signature_of_whom_it_names() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    // Somebody else prepared the same.
    crate::trust::follow(&site, &[("build-2", &site.people.stranger), ("build-1", &site.people.build)]);
    let again = site.archive_by(&Draft::on(3), &site.people.stranger);
    assert_eq!(again.identity, archive.identity);
    site.load(&again);
    site.succeed(&["receipt", "verify"]);
    let judged = site.json(&["receipt", "judge"]);
    assert_eq!(judged["judged"].as_array().unwrap().len(), 2, "{judged:#}");
    let known = site.json(&["why", &archive.identity.to_string()]);
    for (at, person) in ["build-1", "build-2"].into_iter().enumerate() {
        let signer = &known["archives"][0]["receipts"][at]["signers"][0];
        let told = (&signer["person"], &signer["signedAt"]);
        assert_eq!(told, (&json!(person), &json!("2024-11-03T21:30:00Z")), "{known:#}");
    }
    // Each is missed where it is gone, and neither stands for the other.
    let folder = evidence(&site, &archive);
    let (first, second) = (folder.join("evidence.tar"), kept(&folder, "evidence-"));
    let (one, two) = (fs::read(&first).unwrap(), fs::read(&second).unwrap());
    assert!(one != two, "the signatures are two");
    for (path, bytes, other) in [(&first, &one, &two), (&second, &two, &one)] {
        for damaged in [None, Some(other)] {
            match damaged {
                None => fs::remove_file(path).unwrap(),
                Some(other) => fs::write(path, other).unwrap(),
            }
            for command in [&["receipt", "verify"][..], &["receipt", "judge"]] {
                site.fail(3, command);
            }
        }
        fs::write(path, bytes).unwrap();
    }
    site.succeed(&["receipt", "judge"]);
}

/// A site with one archive that is signed upstream, and approved.
fn approved() -> (Site, Archive) {
    let (site, archive) = signed(1);
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    site.load(&archive);
    (site, archive)
}

#[test]
fn a_receipt_by_the_sites_own_key_cannot_say_what_was_not_found() {
    for (from, to, wanted) in [
        (
            "\"outcome\":\"passed\"",
            "\"outcome\":\"warned\"",
            "found signatures: passed by signatures[0] (**), wanted signatures: warned by signatures[0] (**)",
        ),
        ("team/app:1", "team/app:2", "team/app:2: found no judgement, wanted one as was kept"),
        ("signatures[0]", "signatures[9]", "wanted signatures: passed by signatures[9] (**) as was kept"),
    ] {
        let (site, archive) = approved();
        site.succeed(&["receipt", "judge"]);
        let folder = evidence(&site, &archive);
        let judgement = fs::read_to_string(kept(&folder, "judgement-")).unwrap();
        assert!(judgement.contains(from), "{judgement}");
        let changed = judgement.replace(from, to);
        let digest = Digest::of(changed.as_bytes());
        fs::write(folder.join(format!("judgement-{}.json", &digest.hex()[..12])), &changed).unwrap();
        forge(&site, |receipt| receipt["judgements"] = json!([digest]));
        site.succeed(&["receipt", "verify"]);
        let said = site.fail(3, &["receipt", "judge"]);
        assert!(said.contains("refused: receipt 1: ") && said.contains(wanted), "{said}");
    }
}

#[test]
fn a_receipt_by_the_sites_own_key_cannot_name_who_did_not_sign() {
    let (site, _) = approved();
    forge(&site, |receipt| receipt["signers"][1]["person"] = json!("officer-2"));
    site.succeed(&["receipt", "verify"]);
    let said = site.fail(3, &["receipt", "judge"]);
    let wanted = "found it signed by build-1 as preparer, officer-1 as security-officer, wanted build-1 as preparer, \
                  officer-2 as security-officer, whom the receipt names";
    assert!(said.contains(wanted), "{said}");
    // Nor an item, or what was said of one.
    for (change, what) in [("rule", "signatures[9]"), ("gate", "malware"), ("outcome", "warned")] {
        let (site, _) = approved();
        forge(&site, |receipt| receipt["items"][0]["verdicts"][0][change] = json!(what));
        site.succeed(&["receipt", "verify"]);
        let said = site.fail(3, &["receipt", "judge"]);
        assert!(said.contains("team/app:1: found it in the receipt as sha256:"), "{change}: {said}");
    }
    let (site, _) = approved();
    forge(&site, |receipt| {
        let by =
            json!({"by": "officer-1", "digest": Digest::of(b"other"), "name": "registry.example/other:1"});
        receipt["excluded"] = json!([by]);
    });
    let said = site.fail(3, &["receipt", "judge"]);
    assert!(said.contains("found other items left out by its approvers than the receipt names"), "{said}");
    // Without its approval it was never to be let in.
    let (site, _) = approved();
    forge(&site, |receipt| receipt["annexes"] = json!([]));
    let said = site.fail(3, &["receipt", "judge"]);
    assert!(said.contains("found 0 of 1"), "{said}");
}

/// Puts a policy of one's own and a judgement by it, as of another moment, in the place of those that were kept.
fn replace_policy(site: &Site, archive: &Archive, spec: &str, change: &[(&str, &str)]) {
    let folder = evidence(site, archive);
    let text = policy(spec);
    let own = Digest::of(text.as_bytes());
    fs::write(folder.join(format!("policy-{}.yaml", &own.hex()[..12])), &text).unwrap();
    let judgement = fs::read_to_string(kept(&folder, "judgement-")).unwrap();
    let receipt = site.json(&["receipt", "show"]);
    let old = receipt["policyDigests"][0].as_str().unwrap();
    let mut changed = judgement.replace(old, &own.to_string());
    for (from, to) in change {
        assert!(changed.contains(from), "{from}: {changed}");
        changed = changed.replace(from, to);
    }
    let digest = Digest::of(changed.as_bytes());
    fs::write(folder.join(format!("judgement-{}.json", &digest.hex()[..12])), &changed).unwrap();
    forge(site, |receipt| {
        receipt["judgements"] = json!([digest]);
        receipt["policyDigests"] = json!([own]);
        receipt["items"][0]["verdicts"][0]["policy"] = json!(own);
        receipt["items"][0]["verdicts"][0]["outcome"] = json!("refused");
    });
}

#[test]
fn what_would_have_been_refused_is_refused_whatever_the_receipt_says_of_it() {
    let setup = Setup { policy: "{vulnerabilities: {critical: warn}}", ..USUAL };
    let site = Site::with(setup);
    let critical = Some(json!([finding("CVE-2026-0001", "CRITICAL", "known before")]));
    let archive = site.archive(&Draft { findings: critical, ..Draft::on(3) });
    site.load(&archive);
    let refused = [("\"outcome\":\"warned\"", "\"outcome\":\"refused\"")];
    replace_policy(&site, &archive, "{vulnerabilities: {critical: deny}}", &refused);
    site.succeed(&["receipt", "verify"]);
    let said = site.fail(3, &["receipt", "judge"]);
    assert!(said.contains("found CVE-2026-0001"), "{said}");
    assert!(said.contains("which was never in force here"), "{said}");
}

#[test]
fn a_receipt_is_held_to_its_moment_its_archive_and_its_gates() {
    for (key, value, wanted) in [
        ("issued", json!("2020-01-01T00:00:00Z"), "when it was issued"),
        ("gates", json!(["malware", "signatures"]), "found other gates than the receipt names"),
        ("trustDigests", json!([Digest::of(b"other")]), "No such file"),
    ] {
        let (site, _) = approved();
        forge(&site, |receipt| receipt[key] = value);
        let output = site.run(&["receipt", "judge"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(wanted), "{key}: {said}");
    }
    let (site, archive) = approved();
    let folder = evidence(&site, &archive);
    let judgement = fs::read_to_string(kept(&folder, "judgement-")).unwrap();
    let at = judgement.split("\"at\":\"").nth(1).unwrap().split('"').next().unwrap();
    let changed = judgement.replace(at, "2999-01-01T00:00:00Z");
    let digest = Digest::of(changed.as_bytes());
    fs::write(folder.join(format!("judgement-{}.json", &digest.hex()[..12])), &changed).unwrap();
    forge(&site, |receipt| receipt["judgements"] = json!([digest]));
    let said = site.fail(3, &["receipt", "judge"]);
    assert!(said.contains("found it judged by 2999-01-01T00:00:00Z, wanted a moment to "), "{said}");
}

#[test]
fn two_approvers_who_say_the_same_both_count() {
    let rule = Setup { officers: 2, ..USUAL };
    let site = Site::with(rule);
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    for (at, person) in ["officer-1", "officer-2"].into_iter().enumerate() {
        site.annex(&archive, person, &approval, &site.people.officers[at]);
    }
    site.load(&archive);
    site.succeed(&["receipt", "verify"]);
    site.succeed(&["receipt", "judge"]);
    let known = site.json(&["why", &archive.identity.to_string()]);
    for signer in known["archives"][0]["receipts"][0]["signers"].as_array().unwrap() {
        assert!(signer["signedAt"].is_string(), "{known:#}");
    }
    // The second is missed as the first is.
    let folder = evidence(&site, &archive);
    let second = kept(&folder, "officer-2-");
    let mut bytes = fs::read(&second).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&second, bytes).unwrap();
    let said = site.fail(3, &["receipt", "verify"]);
    assert!(said.contains("officer-2-"), "{said}");
}

#[test]
fn a_rejection_that_was_seen_is_missed_where_it_was_taken_away() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    let rejection = Draft::annex(&archive, Verdict::Rejected);
    let beside = site.annex(&archive, "officer-2", &rejection, &site.people.officers[1]);
    assert!(site.refuse(&archive, &[]).contains("rejected by officer-2"));
    fs::remove_file(beside).unwrap();
    assert!(site.refuse(&archive, &[]).contains("rejected by officer-2"), "it is kept");

    let folder = evidence(&site, &archive);
    let rejected = kept(&folder, "officer-2-");
    let away = site.path("away");
    fs::rename(&rejected, &away).unwrap();
    for command in [&["load", &text(&archive.path), "--to", "content"][..], &["receipt", "verify"]] {
        let said = site.fail(3, command);
        assert!(said.contains("found 1 annexes sha256:"), "{command:?}: {said}");
    }
    fs::rename(&away, &rejected).unwrap();
    assert!(site.refuse(&archive, &[]).contains("rejected by officer-2"));
}

#[test]
fn a_rejection_that_its_own_author_took_back_accuses_nobody() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let before = at("2024-11-29T08:00:00Z");
    let rejection = Draft { created: before, signed_at: before, ..Draft::annex(&archive, Verdict::Rejected) };
    let annex = site.annex(&archive, "officer-1", &rejection, &site.people.officers[0]);
    assert!(site.refuse(&archive, &[]).contains("rejected by officer-1"));
    fs::remove_file(annex).unwrap();
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    site.load(&archive);
    site.succeed(&["receipt", "verify"]);
    site.succeed(&["receipt", "judge"]);
}
