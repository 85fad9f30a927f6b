//! `report`: what the officer gets to see of an archive, whatever the site thinks of it.

use std::fs;

use manifests::slot::Verdict;
use serde_json::json;

use crate::approve::{approve, prepared};
use crate::archive::Draft;
use crate::scan_report::finding;
use crate::site::{Setup, Site, USUAL, text};

#[test]
fn a_report_shows_who_signed_and_the_approvals_so_far() {
    let site = Site::with(Setup { officers: 2, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    let before = site.ledger();
    let path = text(&archive.path);
    let said = site.fail(3, &["report", &path]);
    assert!(said.contains("found 1 of 2"), "{said}");
    let html = fs::read_to_string(site.path(&format!("core-{}.html", archive.serial))).unwrap();
    for wanted in [
        "REFUSED: 1 reason against it</p>",
        "security-officer: 1 of 2",
        "<td>officer-1</td>",
        "CHG-4711",
        "build-1 as preparer",
        "registry.example/team/app:1",
        "sovereign-a",
        "no earlier archive is known here",
        "0 gates: nothing was judged",
    ] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
    let digits: String = archive.identity.hex().chars().take(4).collect();
    assert!(html.contains(&format!("<span>{digits}</span>")), "{html}");

    site.annex(&archive, "officer-2", &approval, &site.people.officers[1]);
    let json = site.json(&["report", &path]);
    assert_eq!((&json["conclusion"], &json["atGiven"]), (&"nothingJudged".into(), &false.into()));
    assert_eq!(json["approvals"].as_array().unwrap().len(), 2);
    assert_eq!(json["approvalsWanted"], json!({"security-officer": 2}));
    assert_eq!(json["approvalsFound"], json!({"security-officer": 2}));
    assert_eq!(json["archive"]["identity"], archive.identity.to_string());
    site.annex(&archive, "officer-3", &Draft::annex(&archive, Verdict::Rejected), &site.people.officers[2]);
    site.fail(3, &["report", &path, "-o", "rejected.html"]);
    let html = fs::read_to_string(site.path("rejected.html")).unwrap();
    assert!(html.contains("REJECTED") && html.contains("rejected by officer-3"), "{html}");
    assert_eq!(site.ledger(), before, "a report changes nothing");
}

/// Whoever reads the page alone must not take two annexes for two people, nor the preparer for an approver.
#[test]
fn a_report_counts_the_people_that_the_refusal_counts() {
    let site = Site::with(Setup { officers: 2, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let path = text(&archive.path);
    let officer = &site.people.officers[0];
    let approval = Draft::annex(&archive, Verdict::Approved);
    let other = Draft { generator: "another of the same hour", ..approval.clone() };
    for (person, draft, key) in [
        ("officer-1", &approval, officer),
        ("officer-1-again", &other, officer),
        ("build-1", &approval, &site.people.build),
    ] {
        site.annex(&archive, person, draft, key);
        let said = site.fail(3, &["report", &path, "-o", "counted.html"]);
        let html = fs::read_to_string(site.path("counted.html")).unwrap();
        assert!(said.contains("found 1 of 2"), "{person}: {said}");
        assert!(html.contains("<p>security-officer: 1 of 2</p>"), "{person}: {html}");
    }
    // A second trust file that asks for more is what the refusal is by, and the count too.
    site.write("stricter.yaml", &site.trust(Setup { officers: 3, ..USUAL }));
    site.annex(&archive, "officer-2", &approval, &site.people.officers[1]);
    let said = site.fail(3, &["report", &path, "-o", "counted.html", "--trust", "stricter.yaml"]);
    let html = fs::read_to_string(site.path("counted.html")).unwrap();
    assert!(said.contains("found 2 of 3") && !said.contains("of 2"), "{said}");
    assert!(html.contains("<p>security-officer: 2 of 3</p>"), "{html}");
}

#[test]
fn a_report_names_the_archive_that_is_inside_and_every_exception() {
    let waiver = "{signatures: [{match: \"registry.example/**\", accept: unsigned, reason: '<script>alert(1)</script>', \
                  owner: the team, until: 2999-01-01}]}";
    let site = Site::with(Setup { policy: waiver, ..USUAL });
    let first = site.archive(&Draft::on(3));
    site.load(&first);
    let second = site.archive(&Draft { content: "more", ..Draft::on(4) });
    let said = site.succeed(&["report", &text(&second.path), "-o", "second.html"]);
    assert!(said.contains("second.html") && said.contains("nothing is against it"), "{said}");
    let html = fs::read_to_string(site.path("second.html")).unwrap();
    for wanted in [
        "PASSED",
        &first.identity.to_string(),
        "the team",
        "2999-01-01",
        "<td>holds</td>",
        "&lt;script&gt;alert(1)&lt;/script&gt;",
        "warned (!)",
    ] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
    assert!(!html.contains("<script"), "{html}");
    let again = site.json(&["report", &text(&first.path), "--at", "2024-11-05T00:00:00Z"]);
    assert!(again["previous"].is_null(), "an archive is not compared with itself: {again:#}");
    assert_eq!((&again["at"], &again["atGiven"]), (&"2024-11-05T00:00:00Z".into(), &true.into()));
    let said =
        site.succeed(&["report", &text(&second.path), "-o", "then.html", "--at", "2024-11-05T00:00:00Z"]);
    let html = fs::read_to_string(site.path("then.html")).unwrap();
    let as_of = "nothing is against it, as of 2024-11-05T00:00:00Z, which --at named";
    assert!(said.contains(as_of) && html.contains(&format!("PASSED: {as_of}")), "{said}{html}");
}

#[test]
fn findings_are_compared_with_those_of_the_archive_that_is_inside() {
    const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}\u{1b}[31m";
    let site = Site::with(Setup { policy: "{vulnerabilities: {}}", ..USUAL });
    let known = finding("CVE-2026-0001", "HIGH", "known before");
    let first = site.archive(&Draft { findings: Some(json!([known])), ..Draft::on(3) });
    site.load(&first);
    let new = finding("CVE-2026-0002", "CRITICAL", HOSTILE);
    let low = finding("CVE-2026-0003", "LOW", "nobody minds");
    let second =
        site.archive(&Draft { content: "more", findings: Some(json!([known, new, low])), ..Draft::on(4) });
    let said = site.fail(3, &["report", &text(&second.path), "-o", "second.html"]);
    assert!(said.contains("found CVE-2026-0002"), "{said}");
    let html = fs::read_to_string(site.path("second.html")).unwrap();
    for wanted in [
        "1 critical, 1 high, 0 medium, 1 low, 0 unknown",
        "new since the archive before: 1 critical, 0 high, 0 medium, 1 low, 0 unknown",
        "<bdi>CVE-2026-0001</bdi></b><br><bdi>known before</bdi>",
        "<bdi>CVE-2026-0002</bdi></b><br><bdi>&lt;img src=x onerror=alert(1)&gt;\\u{202e}\\u{1b}[31m</bdi>",
        "And 1 finding that the policy takes no notice of (1 low)",
    ] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
    let row = |id: &str| html.split(id).last().unwrap().split("</tr>").next().unwrap().to_owned();
    assert!(
        row("CVE-2026-0001</bdi></b>").contains("as before")
            && row("CVE-2026-0002</bdi></b>").contains("NEW"),
        "{html}"
    );
    assert!(!html.contains("<img") && !html.contains(['\u{202e}', '\u{1b}']), "{html}");
}

#[test]
fn a_report_shows_what_approvers_left_out_and_why() {
    const DB: &str = "registry.example/team/db:1";
    const WEB: &str = "registry.example/team/web:1";
    let draft = Draft { more: vec![(DB, &[]), (WEB, &[DB])], ..Draft::on(3) };
    let (site, _, path) = prepared(Setup { officers: 1, policy: "{vulnerabilities: {}}", ..USUAL }, &draft);
    let said = site.fail(3, &["report", &path, "-o", "before.html"]);
    assert!(said.contains("found 0 of 1") && said.contains(DB), "{said}");
    let html = fs::read_to_string(site.path("before.html")).unwrap();
    assert!(!html.contains("left out") && !html.contains("Left out"), "{html}");
    // In the DMZ, where the policy only warns, so that it comes to the site.
    site.write("lax.yaml", &crate::site::policy("{}"));
    let mut command = site.command(&approve(&path, &["--exclude", DB, "--reason", "<b>no fix</b>"]));
    command.args(["--trust", "trust.yaml", "--policy", "lax.yaml"]).env_remove("AIRGAP_STATE");
    crate::site::succeed(&mut command);
    let said = site.fail(3, &["report", &path, "-o", "after.html"]);
    assert!(!said.contains("found 0 of 1") && !said.contains(&format!("refused: {DB}")), "{said}");
    let html = fs::read_to_string(site.path("after.html")).unwrap();
    for wanted in [
        "security-officer: 1 of 1",
        "Left out (2)",
        &format!("<td>{DB}</td><td>officer-1</td><td>-</td><td>&lt;b&gt;no fix&lt;/b&gt;</td>"),
        &format!("<td>{WEB}</td><td>officer-1</td><td>{DB}</td>"),
        "<td>left out</td>",
    ] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
}

#[test]
fn there_is_no_report_on_what_is_not_what_was_signed_or_judged_by_nothing() {
    let site = Site::prepared(USUAL);
    let archive = site.archive(&Draft::on(3));
    let path = text(&archive.path);
    let alone = |arguments: &[&str], status| {
        let mut command = site.command(arguments);
        crate::site::fail(command.env_remove("AIRGAP_STATE"), status)
    };
    let said = alone(&["report", &path, "--trust", "trust.yaml"], 2);
    assert!(said.contains("found no policy"), "{said}");
    let said = alone(&["report", &path, "--policy", "policy.yaml"], 2);
    assert!(said.contains("found no trust"), "{said}");
    let mut bytes = fs::read(&archive.path).unwrap();
    let near_the_end = bytes.len() - 1_100;
    bytes[near_the_end] ^= 1;
    fs::write(&archive.path, bytes).unwrap();
    alone(&["report", &path, "--trust", "trust.yaml", "--policy", "policy.yaml"], 4);
    assert!(!site.path(&format!("core-{}.html", archive.serial)).exists());
}
