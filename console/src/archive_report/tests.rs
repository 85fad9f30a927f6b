//! What the page shows, and that nothing from outside becomes part of it.

use base64::Engine as _;
use gates::vulnerability::{Finding, Findings, PlatformFindings};
use gates::{JudgedItem, Outcome};
use manifests::policy::vulnerabilities::{Action, Severity};
use manifests::slot::Verdict;

use super::*;
use crate::Class;

const HOSTILE: &str = "</td></table><script>alert(1)</script><img src=//evil.test/x onerror=alert(2)>\" style=\"x\u{202e}\u{1b}[2J\n";

fn digest(text: &str) -> Digest {
    Digest::of(text.as_bytes())
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn finding(id: &str, known: bool, severity: Severity, action: Action) -> Finding {
    Finding {
        action,
        because: "critical.fixed: deny".to_owned(),
        conditional: false,
        fixed: Some("1.1".to_owned()),
        id: id.to_owned(),
        installed: "1.0".to_owned(),
        kev: false,
        known,
        package: "pkg:deb/debian/openssl@1.0".to_owned(),
        path: None,
        published: None,
        severity,
        title: "a title".to_owned(),
    }
}

/// A report of one item with three findings. `text` stands wherever text from outside can.
fn report(text: &str) -> ArchiveReport {
    let findings = vec![
        Finding {
            title: text.to_owned(),
            package: text.to_owned(),
            path: Some(text.to_owned()),
            installed: text.to_owned(),
            fixed: Some(text.to_owned()),
            because: text.to_owned(),
            ..finding(text, false, Severity::Critical, Action::Deny)
        },
        finding("CVE-2024-0002", true, Severity::High, Action::Warn),
        finding("CVE-2024-0003", true, Severity::Low, Action::Allow),
    ];
    let platform = PlatformFindings {
        created: at("2026-11-23T00:00:00Z"),
        database: None,
        findings,
        manifest: digest("manifest"),
        os: Some(text.to_owned()),
        platform: text.to_owned(),
        report: digest("report"),
        scanner: Some(text.to_owned()),
        secrets: 0,
    };
    let verdict = gates::Verdict {
        gate: "vulnerabilities",
        outcome: Outcome::Refused,
        rule: text.to_owned(),
        reasons: vec![text.to_owned()],
        warnings: vec![text.to_owned()],
        facts: vec![text.to_owned()],
    };
    let judgement = Judgement {
        kev: None,
        vex: vec![],
        policy: digest("policy"),
        at: at("2026-11-24T00:00:00Z"),
        gates: vec!["vulnerabilities"],
        items: vec![JudgedItem {
            kind: ItemKind::Image,
            name: name(text),
            digest: digest("published"),
            verdicts: vec![verdict],
            findings: Some(Findings { platforms: vec![platform] }),
        }],
    };
    let refusals = vec![Failure::new(Class::Refused, text, text).advise(text)];
    let policies = vec![PolicyReport {
        digest: judgement.policy,
        judgement: Some(judgement),
        compared: BTreeSet::from([name(text)]),
        exceptions: vec![exception(text)],
    }];
    ArchiveReport {
        at: at("2026-11-24T00:00:00Z"),
        at_given: false,
        written_by: "airgap-import 0.1.0".to_owned(),
        standing: Standing::Verified,
        conclusion: ArchiveReport::conclude(&refusals, &policies),
        archive: archive(text),
        preparer: Preparer {
            person: Some("build-1".parse().unwrap()),
            role: Role::Preparer,
            key: digest("key"),
            signed_at: at("2026-11-23T00:00:00Z"),
        },
        site: Some("sovereign-a".parse().unwrap()),
        trust_digests: vec![digest("trust")],
        approvals_wanted: BTreeMap::from([(Role::SecurityOfficer, 2)]),
        approvals_found: BTreeMap::from([(Role::SecurityOfficer, 1)]),
        approvals: vec![approval(text), approval(text)],
        excluded: vec![ExclusionRecord {
            by: "officer-1".parse().unwrap(),
            digest: digest("excluded"),
            name: format!("ghcr.io/demo/old:1{text}"),
            reason: Some(text.to_owned()),
            requires: Some(text.to_owned()),
        }],
        previous: Some(Previous { identity: digest("before"), serial: 7 }),
        policies,
        refusals,
        notices: vec![text.to_owned()],
    }
}

/// The name of the one item.
fn name(text: &str) -> String {
    format!("ghcr.io/demo/web:1{text}")
}

fn archive(text: &str) -> Archive {
    let entry = Entry {
        kind: ItemKind::Image,
        name: name(text),
        source: digest("source"),
        published: digest("published"),
        platforms: vec![],
        evidence: 3,
        has_provenance: true,
    };
    Archive {
        identity: digest("identity"),
        name: "core".parse().unwrap(),
        serial: 8,
        created: at("2026-11-23T00:00:00Z"),
        import_before: None,
        audience: vec![],
        generator: text.to_owned(),
        bytes: 4_096,
        annex_of: None,
        base: None,
        items: vec![entry],
    }
}

fn approval(text: &str) -> Approval {
    Approval {
        person: Some("officer-1".parse().unwrap()),
        role: Role::SecurityOfficer,
        verdict: Verdict::Approved,
        change: Some(text.to_owned()),
        signed_at: at("2026-11-23T00:00:00Z"),
        key: digest("officer"),
        annex: digest("annex"),
    }
}

fn exception(text: &str) -> Exception {
    Exception {
        place: "signatures[0]".to_owned(),
        what: text.to_owned(),
        scope: text.to_owned(),
        owner: text.to_owned(),
        statement: text.to_owned(),
        until: "2027-03-01".to_owned(),
        standing: ExceptionStanding::DoesNotHold(text.to_owned()),
        items: vec![text.to_owned()],
    }
}

/// Every tag of a page, with its attributes; a page without text from outside has the same.
fn tags(html: &str) -> Vec<&str> {
    html.split('<').skip(1).map(|piece| piece.split('>').next().unwrap()).collect()
}

#[test]
fn nothing_from_outside_becomes_markup() {
    let (harmless, hostile) = (report("harmless").html(), report(HOSTILE).html());
    assert_eq!(tags(&hostile), tags(&harmless));
    assert!(hostile.contains("&lt;script&gt;alert(1)&lt;/script&gt;") && !hostile.contains("<script"));
    let steering = |character: char| (character.is_control() && character != '\n') || character == '\u{202e}';
    assert_eq!(hostile.matches(steering).count(), 0);
    assert_eq!(hostile.lines().count(), harmless.lines().count(), "a line break from outside breaks no line");
}

#[test]
fn the_page_loads_and_runs_nothing() {
    let html = report("harmless").html();
    for tag in tags(&html) {
        let name = tag.trim_start_matches('/').split(' ').next().unwrap();
        let is_inert = !["script", "link", "img", "iframe", "object", "embed", "form", "base", "svg", "a"]
            .contains(&name);
        let attributes = ["src", "href", "style=", "on", "action"];
        let has_attribute = attributes.iter().any(|attribute| tag.contains(&format!(" {attribute}")));
        assert!(is_inert && !has_attribute, "{tag}");
    }
    assert!(!html.contains("url(") && !html.contains("@import") && !html.contains("://"), "{html}");
    let style = html.split("<style>").nth(1).and_then(|rest| rest.split("</style>").next()).unwrap();
    let hash = base64::engine::general_purpose::STANDARD.encode(Digest::of(style.as_bytes()).as_bytes());
    assert!(
        html.contains(&format!(
            "content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-{}'\"",
            hash
        )),
        "{html}"
    );
}

#[test]
fn what_an_officer_asks_is_answered() {
    let html = report("harmless").html();
    let spoken: String = digest("identity").hex();
    let first = &spoken[..4];
    for wanted in [
        "REFUSED: 1 reason against it",
        &format!("<span>{first}</span>"),
        "build-1 as preparer, at 2026-11-23T00:00:00Z",
        "security-officer: 1 of 2",
        "Left out (1)",
        "ghcr.io/demo/old:1harmless</td><td>officer-1</td>",
        "DOES NOT HOLD",
        "serial 7",
        "1 critical, 1 high, 0 medium, 1 low, 0 unknown",
        "new since the archive before: 1 critical, 0 high, 0 medium, 0 low, 0 unknown",
        "<b>NEW</b>",
        "as before",
        "And 1 finding that the policy takes no notice of (1 low); --json has them.",
        "ghcr.io/demo/web:1",
    ] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
    assert!(!html.contains("CVE-2024-0003") && html.contains("CVE-2024-0002"));
    let alone = ArchiveReport { standing: Standing::Unverified, refusals: vec![], ..report("x") };
    let alone = ArchiveReport { conclusion: ArchiveReport::conclude(&[], &alone.policies), ..alone };
    assert!(alone.html().contains("UNVERIFIED") && alone.html().contains("PASSED"));
}

#[test]
fn without_an_archive_before_nothing_is_called_new() {
    let mut report = report("harmless");
    report.policies[0].compared.clear();
    let html = report.html();
    assert!(
        html.contains("there is no archive before to compare with") && !html.contains("<b>NEW</b>"),
        "{html}"
    );
}

#[test]
fn the_json_has_the_findings_that_the_page_counts() {
    let json = serde_json::to_string(&report("harmless")).unwrap();
    for wanted in [
        "CVE-2024-0003",
        "\"conclusion\":\"refused\"",
        "\"standing\":\"verified\"",
        "\"approvalsWanted\":{\"security-officer\":2}",
    ] {
        assert!(json.contains(wanted), "{wanted}: {json}");
    }
}

/// Nothing against an archive, by a policy with these gates.
fn without_refusals(gates: &[&'static str]) -> ArchiveReport {
    let mut report = report("harmless");
    report.refusals.clear();
    for policy in &mut report.policies {
        let judgement = policy.judgement.as_mut().unwrap();
        judgement.gates = gates.to_vec();
        let verdict = |gate| gates::Verdict { gate, ..judgement.items[0].verdicts[0].clone() };
        judgement.items[0].verdicts = gates.iter().copied().map(verdict).collect();
    }
    ArchiveReport { conclusion: ArchiveReport::conclude(&[], &report.policies), ..report }
}

#[test]
fn an_archive_that_no_gate_judged_has_not_passed() {
    let (judged, not_judged) = (without_refusals(&["malware"]), without_refusals(&[]));
    assert!(judged.html().contains("<p class=\"banner passed\">PASSED: nothing is against it</p>"));
    let html = not_judged.html();
    let wanted =
        "<p class=\"banner warned\">NOT JUDGED (0 gates: nothing was judged): nothing else is against it</p>";
    assert!(html.contains(wanted) && !html.contains("PASSED"), "{html}");
    assert_eq!(serde_json::to_value(&not_judged).unwrap()["conclusion"], "nothingJudged");
    let without_policy = ArchiveReport::conclude(&[], &[]);
    assert_eq!(without_policy, Conclusion::NothingJudged);
    assert_eq!(ArchiveReport::conclude(&report("x").refusals, &[]), Conclusion::Refused);
}

#[test]
fn every_gate_that_judged_has_a_column_and_no_other() {
    for gates in [&["malware"][..], &["signatures", "malware"], &["signatures", "vulnerabilities", "malware"]]
    {
        let html = without_refusals(gates).html();
        let head: String = gates.iter().map(|gate| format!("<th>{gate}</th>")).collect();
        assert!(html.contains(&format!("<th>Kind</th>{head}<th>Critical</th>")), "{gates:?}: {html}");
        let cells = "<td><span class=\"refused\">REFUSED</span></td>".repeat(gates.len());
        assert!(html.contains(&format!("<td>image</td>{cells}<td class=\"number\">")), "{gates:?}: {html}");
        assert!(!html.contains("not judged"), "{gates:?}: {html}");
    }
    let html = without_refusals(&[]).html();
    assert!(html.contains("<th>Kind</th><th>Gates</th><th>Critical</th>"), "{html}");
    assert!(html.contains("<td>image</td><td>not judged</td>"), "{html}");
}

#[test]
fn a_moment_that_was_named_stands_in_every_banner() {
    let as_of = ", as of 2026-11-24T00:00:00Z, which --at named in place of the clock</p>";
    for report in [report("x"), without_refusals(&["malware"]), without_refusals(&[])] {
        let banner = |report: &ArchiveReport| {
            let html = report.html();
            html.lines().find(|line| line.contains("\"banner ")).unwrap().to_owned()
        };
        assert!(!banner(&report).contains("as of"), "{}", banner(&report));
        let named = ArchiveReport { at_given: true, ..report };
        assert!(banner(&named).ends_with(as_of), "{}", banner(&named));
    }
}

#[test]
fn a_finding_of_unknown_severity_is_called_that() {
    let mut report = report("harmless");
    let judgement = report.policies[0].judgement.as_mut().unwrap();
    let findings = &mut judgement.items[0].findings.as_mut().unwrap().platforms[0].findings;
    findings.push(finding("CVE-2024-0004", true, Severity::Unknown, Action::Allow));
    findings.push(finding("CVE-2024-0005", true, Severity::Unknown, Action::Warn));
    let html = report.html();
    assert!(html.contains("And 2 findings that the policy takes no notice of (1 low, 1 unknown);"), "{html}");
    assert!(html.contains("CVE-2024-0005") && !html.contains("lower severity"), "{html}");
}

/// Letters that are read from right to left turn their surroundings around, unless they stand alone in an element whose
/// direction is its own.
#[test]
fn text_from_outside_cannot_turn_its_neighbours_around() {
    let html = report("\u{5d0}").html();
    let pieces: Vec<(&str, &str)> = html.split('<').filter_map(|piece| piece.split_once('>')).collect();
    let mut found = 0;
    for (at, (tag, text)) in pieces.iter().enumerate().filter(|(_, (_, text))| text.contains('\u{5d0}')) {
        let name = tag.split(' ').next().unwrap();
        let is_alone = pieces[at + 1].0 == format!("/{name}");
        assert!(["bdi", "td", "li"].contains(&name) && is_alone, "<{tag}>{text}");
        found += 1;
    }
    assert!(found > 20, "{found}");
    let isolated = ["th, td {", "li {"].map(|rule| html.lines().find(|line| line.contains(rule)).unwrap());
    assert!(isolated.iter().all(|line| line.contains("unicode-bidi: isolate")), "{isolated:?}");
}
