//! The page of a report and its JSON say the same.

use std::collections::BTreeMap;
use std::fs;

use console::escape::escape;
use manifests::slot::Verdict;
use serde_json::{Value, json};

use crate::approve::{approve, key_file};
use crate::archive::{Archive, Draft};
use crate::scan_report::finding;
use crate::site::{Setup, Site, USUAL, text};

const DB: &str = "registry.example/team/db:1";
const WEB: &str = "registry.example/team/web:1";

/// What weighs of each kind in a report: a waiver, and an exception that is written for longer than one may be.
const POLICY: &str = "{signatures: [{match: \"**\", accept: unsigned, reason: 'not \"signed\" & known', owner: the <team>, \
                      until: 2999-01-01}], vulnerabilities: {unknown: allow, exceptions: [{id: CVE-2026-0002, package: \"pkg:deb/debian/openssl\", \
                      match: \"registry.example/**\", owner: officer `four`, statement: \"it isn't reachable\", until: 2999-01-01}]}}";

/// An archive after another, with something in it of all that a report tells.
fn eventful() -> (Site, Archive) {
    let site = Site::with(Setup { officers: 2, policy: POLICY, ..USUAL });
    let known = finding("CVE-2026-0001", "HIGH", "known before");
    let first = site.archive(&Draft { findings: Some(json!([known])), ..Draft::on(3) });
    let approval = Draft::annex(&first, Verdict::Approved);
    site.annex(&first, "officer-1", &approval, &site.people.officers[0]);
    site.annex(&first, "officer-2", &approval, &site.people.officers[1]);
    site.load(&first);

    let findings = json!([
        known,
        finding("CVE-2026-0002", "CRITICAL", "<b>new</b> & \u{5d0}\u{202e}"),
        finding("CVE-2026-0003", "LOW", "nobody minds"),
        finding("CVE-2026-0004", "UNKNOWN", "nobody knows"),
    ]);
    let more: Vec<(&str, &[&str])> = vec![(DB, &[]), (WEB, &[DB])];
    let second = site.archive(&Draft { content: "more", findings: Some(findings), more, ..Draft::on(4) });
    // In the DMZ, where the policy refuses nothing, so that it comes to the site.
    site.write("lax.yaml", &crate::site::policy("{}"));
    key_file(&site, "officer-1.key", &site.people.officers[0]);
    let path = text(&second.path);
    let mut command = site.command(&approve(&path, &["--exclude", DB, "--reason", "no fix > 90 days"]));
    command.args(["--change", "CHG \u{ad}<1>", "--trust", "trust.yaml", "--policy", "lax.yaml"]);
    crate::site::succeed(command.env_remove("AIRGAP_STATE"));
    let rejection = Draft::annex(&second, Verdict::Rejected);
    site.annex(&second, "officer-3", &rejection, &site.people.officers[2]);
    (site, second)
}

/// What a browser would show of a page: no markup, and no style.
fn shown(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    let (first, pieces) = (head.split('<').next().unwrap(), body.split('<').skip(1));
    let mut text = first.to_owned();
    text.extend(pieces.map(|piece| piece.split_once('>').unwrap().1));
    for (entity, character) in
        [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&#96;", "`"), ("&amp;", "&")]
    {
        text = text.replace(entity, character);
    }
    text
}

/// Every value of a document at a path, in which `*` stands for each of a list.
fn all<'a>(document: &'a Value, path: &str) -> Vec<&'a Value> {
    let mut found = vec![document];
    for part in path.split('.') {
        found = match part {
            "*" => found.into_iter().flat_map(|value| value.as_array().unwrap()).collect(),
            key => found.into_iter().map(|value| &value[key]).collect(),
        };
    }
    found
}

#[test]
fn a_page_and_its_json_say_the_same() {
    let (site, archive) = eventful();
    let path = text(&archive.path);
    let output = site.run(&["report", &path, "-o", "page.html", "--json"]);
    assert_eq!(output.status.code(), Some(3));
    let json: Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = shown(&fs::read_to_string(site.path("page.html")).unwrap());
    for (path, least) in [
        ("archive.items.*.name", 3),
        ("archive.items.*.source", 3),
        ("archive.items.*.published", 3),
        ("approvals.*.person", 2),
        ("approvals.*.change", 2),
        ("approvals.*.annex", 2),
        ("excluded.*.name", 2),
        ("excluded.*.by", 2),
        ("policies.*.digest", 1),
        ("policies.*.exceptions.*.owner", 2),
        ("policies.*.exceptions.*.statement", 2),
        ("policies.*.judgement.items.*.verdicts.*.rule", 2),
        ("refusals.*.item", 3),
        ("refusals.*.message", 3),
        ("refusals.*.advice", 3),
        ("notices.*", 1),
        ("trustDigests.*", 1),
        ("previous.identity", 1),
        ("archive.name", 1),
        ("at", 1),
    ] {
        let values = all(&json, path);
        assert!(values.len() >= least, "{path}: {json:#}");
        for value in values {
            let wanted = escape(value.as_str().unwrap());
            assert!(page.contains(&wanted), "{path}: {wanted}: {page}");
        }
    }
    findings_agree(&json, &page);
    for (role, wanted) in json["approvalsWanted"].as_object().unwrap() {
        let line = format!("{role}: {} of {wanted}", json["approvalsFound"][role]);
        assert!(page.contains(&line), "{line}: {page}");
    }
    assert!(page.contains(&format!("REFUSED: {} reasons", json["refusals"].as_array().unwrap().len())));
}

/// Each finding that weighs is on the page, and of the others how many there are of a severity.
fn findings_agree(json: &Value, page: &str) {
    let findings = all(json, "policies.*.judgement.items.*.findings.platforms.*.findings.*");
    assert_eq!(findings.len(), 4, "{findings:#?}");
    let weighs = |finding: &&Value| {
        finding["action"] != "allow" || ["critical", "high"].contains(&finding["severity"].as_str().unwrap())
    };
    let (told, rest): (Vec<&Value>, Vec<&Value>) = findings.into_iter().partition(weighs);
    assert_eq!((told.len(), rest.len()), (2, 2));
    for (finding, key) in
        told.iter().flat_map(|finding| ["id", "title", "package", "because"].map(|key| (finding, key)))
    {
        let wanted = escape(finding[key].as_str().unwrap());
        assert!(page.contains(&wanted), "{key}: {wanted}: {page}");
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in rest {
        *counts.entry(finding["severity"].as_str().unwrap()).or_default() += 1;
    }
    let counts: Vec<String> = counts.iter().map(|(severity, count)| format!("{count} {severity}")).collect();
    assert!(page.contains(&format!("takes no notice of ({});", counts.join(", "))), "{counts:?}: {page}");
}
