//! What is asked of a judgement, whatever the gates said.

use super::*;

fn policy(spec: &str) -> Policy {
    Policy::parse(&format!("apiVersion: airgap/v1\nkind: Policy\nspec: {{{spec}}}\n")).unwrap()
}

fn findings(platform: &str) -> Findings {
    let platform = serde_json::json!({"created": "2026-11-23T00:00:00Z", "findings": [],
        "manifest": Digest::of(b"manifest"), "platform": platform, "report": Digest::of(b"report"), "secrets": 0});
    serde_json::from_value(serde_json::json!({"platforms": [platform]})).unwrap()
}

#[test]
fn a_gate_that_this_version_does_not_have_is_named() {
    assert_eq!(lacking(&policy("models: {}, vulnerabilities: {}")), ["models"]);
    assert!(lacking(&policy("signatures: [], vulnerabilities: {}, malware: {command: [scan]}")).is_empty());
    assert!(lacking(&policy("")).is_empty());
}

#[test]
fn versions_of_an_item_have_its_repository_in_common() {
    let digest = Digest::of(b"web");
    for name in ["ghcr.io/demo/web:1".to_owned(), format!("ghcr.io/demo/web@{digest}")] {
        assert_eq!(repository(&name), "ghcr.io/demo/web");
    }
    assert_eq!(repository("no name of an image"), "no name of an image");
}

#[test]
fn what_was_found_before_is_of_the_same_name_or_else_of_its_repository() {
    let named = [("ghcr.io/demo/web:1", "linux/amd64"), ("ghcr.io/demo/web", "linux/arm64")];
    let findings_of = named.map(|(name, platform)| (name.to_owned(), findings(platform)));
    let before = Before { signed: HashSet::new(), findings: HashMap::from(findings_of) };
    assert_eq!(before.of("ghcr.io/demo/web:1"), Some(&findings("linux/amd64")));
    assert_eq!(before.of("ghcr.io/demo/web:2"), Some(&findings("linux/arm64")));
    assert_eq!(before.of("ghcr.io/demo/other:1"), None);
}

#[test]
fn what_several_policies_found_is_kept_side_by_side() {
    let mut before = Before::default();
    for platform in ["linux/amd64", "linux/arm64"] {
        before.add(HashMap::from([("ghcr.io/demo/web".to_owned(), findings(platform))]));
    }
    let platforms = before.of("ghcr.io/demo/web:1").unwrap().platforms.iter();
    assert_eq!(
        platforms.map(|found| found.platform.as_str()).collect::<Vec<_>>(),
        ["linux/amd64", "linux/arm64"]
    );
}

/// Two items, one of which is refused by one gate and warned of by the other.
fn judgement() -> Judgement {
    let verdict = |gate, outcome, reasons: &[&str], warnings: &[&str]| Verdict {
        gate,
        outcome,
        rule: format!("{gate}[0]"),
        reasons: reasons.iter().map(ToString::to_string).collect(),
        warnings: warnings.iter().map(ToString::to_string).collect(),
        facts: vec!["a fact".to_owned()],
    };
    let item = |name: &str, verdicts| JudgedItem {
        kind: ItemKind::Image,
        name: name.to_owned(),
        digest: Digest::of(name.as_bytes()),
        verdicts,
        findings: None,
    };
    let bad = vec![
        verdict("signatures", Outcome::Refused, &["nobody signed", "twice"], &[]),
        verdict("vulnerabilities", Outcome::Warned, &[], &["a secret"]),
    ];
    let good = ["signatures", "vulnerabilities"].map(|gate| verdict(gate, Outcome::Passed, &[], &[]));
    let more = ["signatures", "vulnerabilities"].map(|gate| verdict(gate, Outcome::Passed, &[], &[]));
    Judgement {
        kev: None,
        vex: vec![],
        policy: Digest::of(b"policy"),
        at: "2026-11-23T00:00:00Z".parse().unwrap(),
        gates: vec!["signatures", "vulnerabilities"],
        items: vec![item("bad", bad), item("good", good.into()), item("more", more.into())],
    }
}

#[test]
fn every_reason_and_every_warning_is_said_with_its_item_and_its_rule() {
    let judgement = judgement();
    let refusals: Vec<(&str, String)> = judgement.refusals().collect();
    let wanted = ["signatures[0]: nobody signed", "signatures[0]: twice"];
    assert_eq!(refusals, wanted.map(|line| ("bad", line.to_owned())));
    let warnings: Vec<(&str, String)> = judgement.warnings().collect();
    assert_eq!(warnings, [("bad", "vulnerabilities[0]: a secret".to_owned())]);
}

#[test]
fn a_summary_counts_what_each_gate_decided() {
    let mut judgement = judgement();
    assert_eq!(judgement.summary(), "signatures: 2 passed, 1 refused; vulnerabilities: 2 passed, 1 warned");
    judgement.gates.clear();
    assert_eq!(judgement.summary(), NOTHING);
}

#[test]
fn an_explanation_names_item_rule_and_everything_that_was_said() {
    let mut judgement = judgement();
    judgement.items.truncate(1);
    let digest = format!("  {}", Digest::of(b"bad"));
    let wanted = [
        "image bad",
        &digest,
        "  refused  signatures[0]",
        "    against  nobody signed",
        "    against  twice",
        "    found    a fact",
        "  warned   vulnerabilities[0]",
        "    note     a secret",
        "    found    a fact",
    ];
    assert_eq!(judgement.explain(), wanted);
}
