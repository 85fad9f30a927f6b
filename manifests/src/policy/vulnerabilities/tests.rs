//! The section as people write it.

use super::*;
use crate::Digest;
use crate::policy::Policy;

fn read(section: &str) -> Result<Vulnerabilities, String> {
    let text = format!("apiVersion: airgap/v1\nkind: Policy\nspec: {{vulnerabilities: {section}}}\n");
    let policy = Policy::parse(&text).map_err(|error| error.to_string())?;
    assert_eq!(policy.gates, ["vulnerabilities"], "{section}");
    Ok(policy.vulnerabilities.unwrap())
}

#[test]
fn critical_blocks_and_high_warns_where_nothing_else_is_said() {
    assert!(read("").is_ok(), "a section with nothing behind it is not an absent one");
    let read = read("{}").unwrap();
    let applied = read.for_item("ghcr.io/demo/web:1");
    assert_eq!(applied.name, "vulnerabilities");
    for (severity, wanted) in [
        (Severity::Critical, Action::Deny),
        (Severity::High, Action::Warn),
        (Severity::Medium, Action::Allow),
        (Severity::Low, Action::Allow),
        (Severity::Unknown, Action::Warn),
    ] {
        for has_fix in [true, false] {
            assert_eq!(applied.terms.action(severity, has_fix), wanted, "{severity}");
        }
    }
    assert_eq!(applied.terms.report_max_age.to_string(), "72h");
    assert_eq!(applied.terms.database_max_age.to_string(), "24h");
    assert_eq!((applied.terms.unknown_os, applied.terms.unknown_database), (Action::Deny, Action::Deny));
    assert_eq!((applied.terms.end_of_support, applied.terms.unchanged), (Action::Warn, Action::Warn));
}

#[test]
fn what_is_written_is_what_holds() {
    let read = read(
        "{reportMaxAge: 7d, databaseMaxAge: 48h, critical: {fixed: deny, unfixed: warn}, high: deny, medium: warn,
          low: warn, unknown: deny, kev: warn, endOfSupport: deny, unknownOs: warn, unknownDatabase: allow,
          unchanged: deny, grace: 30d, knownReleases: [debian 12, wolfi], reports: attested,
          scanners: {deny: [0.60.0..0.61.2, 0.70.0]}}",
    )
    .unwrap();
    let terms = read.for_item("ghcr.io/demo/web:1").terms;
    assert_eq!(terms.action(Severity::Critical, true), Action::Deny);
    assert_eq!(terms.action(Severity::Critical, false), Action::Warn);
    assert_eq!(terms.action(Severity::High, false), Action::Deny);
    assert_eq!(terms.action(Severity::Medium, false), Action::Warn);
    assert_eq!(terms.action(Severity::Low, true), Action::Warn);
    assert_eq!(terms.action(Severity::Unknown, true), Action::Deny);
    assert_eq!((terms.kev, terms.end_of_support), (Some(Action::Warn), Action::Deny));
    assert_eq!((terms.unknown_os, terms.unknown_database), (Action::Warn, Action::Allow));
    assert_eq!((terms.unchanged, terms.reports), (Action::Deny, Reports::Attested));
    assert_eq!(terms.grace.map(|grace| grace.to_string()).as_deref(), Some("30d"));
    assert_eq!(terms.known_releases.as_ref().map(Vec::len), Some(2));
    for (version, is_denied) in
        [("0.61.0", true), ("0.70.0", true), ("0.69.5", true), ("0.72.0", false), ("dev", false)]
    {
        assert_eq!(terms.denied_scanner(version).is_some(), is_denied, "{version}");
    }
}

#[test]
fn the_first_rule_that_matches_decides_and_the_section_fills_it_up() {
    let read = read(
        "{high: deny, grace: 30d, rules: [{match: \"ghcr.io/demo/**\", critical: warn}, {match: \"ghcr.io/**\", high: allow}]}",
    )
    .unwrap();
    for (name, rule, critical, high) in [
        ("ghcr.io/demo/web:1", "vulnerabilities.rules[0] (ghcr.io/demo/**)", Action::Warn, Action::Deny),
        ("ghcr.io/other/web:1", "vulnerabilities.rules[1] (ghcr.io/**)", Action::Deny, Action::Allow),
        ("docker.io/library/web:1", "vulnerabilities", Action::Deny, Action::Deny),
    ] {
        let applied = read.for_item(name);
        assert_eq!(applied.name, rule);
        let found = [Severity::Critical, Severity::High].map(|severity| applied.terms.action(severity, true));
        assert_eq!(found, [critical, high], "{name}");
        assert!(applied.terms.grace.is_some(), "{name}");
    }
}

const EXCEPTION: &str = "id: CVE-2024-1, package: \"pkg:deb/debian/a\", match: \"ghcr.io/**\", owner: o, statement: s, until: 2027-01-01";

#[test]
fn an_exception_holds_to_its_last_day_and_no_more_than_ninety_ahead() {
    let read = read(&format!("{{exceptions: [{{{EXCEPTION}}}]}}")).unwrap();
    let exception = &read.exceptions[0];
    for (now, why) in [
        ("2026-10-02T23:59:59Z", Some("more than 90 days ahead")),
        ("2026-10-03T00:00:00Z", None),
        ("2027-01-01T23:59:59Z", None),
        ("2027-01-02T00:00:00Z", Some("ended on 2027-01-01")),
    ] {
        let invalid = exception.invalid_at(now.parse().unwrap());
        assert_eq!(invalid.is_some(), why.is_some(), "{now}");
        assert!(invalid.unwrap_or_default().contains(why.unwrap_or_default()), "{now}");
    }
}

#[test]
fn what_could_not_hold_is_refused_with_its_place() {
    let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (section, place, why) in [
        ("[]".to_owned(), "", "a list"),
        ("{critcal: deny}".to_owned(), "did you mean `critical`", "a misspelt severity"),
        ("{critical: ignore}".to_owned(), "", "an unknown word"),
        ("{critical: {fixed: deny}}".to_owned(), "unfixed", "half a severity"),
        ("{critical: {fixed: deny, unfixed: deny, x: deny}}".to_owned(), "", "more than a severity"),
        ("{reportMaxAge: 72}".to_owned(), "", "a time without a unit"),
        ("{match: \"**\"}".to_owned(), "match", "a pattern on the section"),
        ("{rules: [{critical: warn}]}".to_owned(), "rules[0]", "a rule about nothing"),
        (
            "{rules: [{match: \"**\", exceptions: [{EXCEPTION}]}]}".replace("EXCEPTION", EXCEPTION),
            "rules[0]",
            "an exception in a rule",
        ),
        (
            format!("{{exceptions: [{{{EXCEPTION}, image: \"{digest}\"}}]}}"),
            "exceptions[0]",
            "two kinds of images",
        ),
        (
            format!("{{exceptions: [{{{}}}]}}", EXCEPTION.replace("match: \"ghcr.io/**\", ", "")),
            "exceptions[0]",
            "no images",
        ),
        (
            format!("{{exceptions: [{{{}}}]}}", EXCEPTION.replace("CVE-2024-1", "\"CVE-*\"")),
            "exceptions[0]",
            "many findings",
        ),
        (
            format!("{{exceptions: [{{{}}}]}}", EXCEPTION.replace("owner: o", "owner: \" \"")),
            "exceptions[0]",
            "nobody answers",
        ),
        (
            format!("{{exceptions: [{{{}}}]}}", EXCEPTION.replace(", until: 2027-01-01", "")),
            "until",
            "no end",
        ),
        ("{vex: [{author: a}]}".to_owned(), "vex[0]", "an author whom anybody can be"),
        (format!("{{vex: [{{author: a, signedBy: b, digest: \"{digest}\"}}]}}"), "vex[0]", "two proofs"),
        (
            format!("{{exceptions: [{{{}}}]}}", EXCEPTION.replace("CVE-2024-1", "\"CVE 1\"")),
            "exceptions[0]",
            "an id with a space",
        ),
        (
            format!("{{exceptions: [{{{}}}]}}", EXCEPTION.replace("CVE-2024-1", &"C".repeat(129))),
            "exceptions[0]",
            "a long id",
        ),
        ("{vex: [{author: \" \", signedBy: b}]}".to_owned(), "vex[0]", "no author"),
        ("{vex: [{author: a, signedBy: \" \"}]}".to_owned(), "vex[0]", "no signer"),
        ("{scanners: {deny: [latest]}}".to_owned(), "", "no version"),
        ("{knownReleases: [\"debian *\"]}".to_owned(), "", "no release"),
        ("{high: warn, high: deny}".to_owned(), "", "one field twice"),
    ] {
        let error = read(&section).expect_err(why);
        assert!(error.contains(place), "{why}: {error}");
    }
}

#[test]
fn an_exception_is_about_one_digest_or_the_names_of_a_pattern() {
    let (one, other) = (Digest::of(b"one"), Digest::of(b"other"));
    let by_digest = EXCEPTION.replace("match: \"ghcr.io/**\"", &format!("image: \"{one}\""));
    let read = read(&format!("{{exceptions: [{{{EXCEPTION}}}, {{{by_digest}}}]}}")).unwrap();
    let [by_name, by_digest] = read.exceptions.as_slice() else { panic!("{read:?}") };
    assert!(by_name.is_about("ghcr.io/demo/web:1", &[]) && !by_name.is_about("quay.io/demo/web:1", &[one]));
    assert!(by_digest.is_about("", &[other, one]) && !by_digest.is_about("ghcr.io/demo/web:1", &[other]));
}

#[test]
fn a_vex_document_counts_by_its_signer_or_its_digest() {
    let digest = Digest::of(b"document");
    let text = format!("{{vex: [{{author: a, signedBy: b}}, {{author: a, digest: \"{digest}\"}}]}}");
    let read = read(&text).unwrap();
    let [signed, named] = read.vex.as_slice() else { panic!("{read:?}") };
    assert!(matches!(&signed.proof, VexProof::SignedBy(by) if by == "b"), "{signed:?}");
    assert!(matches!(&named.proof, VexProof::Digest(found) if *found == digest), "{named:?}");
}

#[test]
fn carried_reports_count_where_any_term_says_so() {
    for (section, wanted) in [
        ("{}", true),
        ("{reports: attested}", false),
        ("{reports: attested, rules: [{match: \"a/**\", reports: carried}]}", true),
        ("{reports: attested, rules: [{match: \"a/**\", critical: warn}]}", false),
        ("{rules: [{match: \"a/**\", reports: attested}]}", true),
    ] {
        assert_eq!(read(section).unwrap().counts_carried(), wanted, "{section}");
    }
}

#[test]
fn unknown_arguments_are_refused_where_nobody_signed_for_them() {
    let unknown = |section| {
        let read = read(section).unwrap();
        [true, false].map(|is_carried| read.for_item("a/b:1").terms.unknown_arguments(is_carried))
    };
    assert_eq!(unknown("{}"), [Action::Deny, Action::Warn]);
    assert_eq!(unknown("{unknownArguments: allow}"), [Action::Allow; 2]);
    assert_eq!(unknown("{rules: [{match: \"**\", unknownArguments: warn}]}"), [Action::Warn; 2]);
}
