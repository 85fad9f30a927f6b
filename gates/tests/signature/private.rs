//! What was signed at a Sigstore of one's own, recorded: one with logs, and one with a timestamp authority alone.

use std::{fs, iter};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gates::signature::Roots;
use gates::{Outcome, Subject, Verdict};
use manifests::Digest;
use manifests::policy::Policy;
use serde_json::{Value, json};

use crate::support::{self, Store, data};

/// A recorded signature, and what a rule says of its signer besides who it is.
struct Case {
    bundle: Value,
    root: Vec<u8>,
    image: Digest,
    rule: &'static str,
    /// Roots that the policy names beside it.
    others: Vec<Vec<u8>>,
}

fn read(name: &str, file: &str) -> Vec<u8> {
    fs::read(data(&format!("sigstore-private/{name}/{file}"))).unwrap()
}

impl Case {
    fn read(name: &str, rule: &'static str) -> Self {
        let vector: Value = serde_json::from_slice(&read(name, "vector.json")).unwrap();
        Self {
            bundle: serde_json::from_slice(&read(name, "bundle.json")).unwrap(),
            root: read(name, "trusted_root.json"),
            image: vector["image"].as_str().unwrap().parse().unwrap(),
            rule,
            others: vec![],
        }
    }

    fn material(&mut self) -> &mut Value {
        &mut self.bundle["verificationMaterial"]
    }

    fn verdict(&self) -> Verdict {
        let digest = Digest::of(&self.root);
        let rule = self.rule.replace("ROOT", &digest.to_string());
        let keyless = format!("issuer: \"http://127.0.0.1:7001\", identity: builder@demo.test{rule}");
        let given =
            || iter::once(&self.root).chain(&self.others).map(|root| (Digest::of(root), root.as_slice()));
        let named = given().map(|(digest, _)| digest).collect::<Vec<_>>();
        let text = support::policy_by(&named, &format!("{{match: \"**\", keyless: {{{keyless}}}}}"));
        let rules = Policy::parse(&text).unwrap().signatures.unwrap();
        let roots = Roots::new(rules.roots(), given()).unwrap();
        let mut store = Store::default();
        let evidence = store.bundle(self.bundle.to_string().as_bytes(), self.image);
        let item = support::item(&support::source(self.image), vec![evidence]);
        let now = "2026-11-26T00:00:00Z".parse().unwrap();
        gates::signature::judge(Subject { item: &item, content: &store }, &rules, &roots, now, false)
    }

    /// Adds what the logged root lists under this name.
    fn list(&mut self, logs: &str) {
        let logged: Value = serde_json::from_slice(&read("logged", "trusted_root.json")).unwrap();
        let mut root: Value = serde_json::from_slice(&self.root).unwrap();
        root[logs] = logged[logs].clone();
        self.root = root.to_string().into_bytes();
    }

    fn passed(&self) {
        let verdict = self.verdict();
        let is_told = verdict.facts.iter().any(|fact| {
            fact.contains("builder@demo.test (http://127.0.0.1:7001) at 2026-11-25T0")
                && fact.contains("by a timestamp authority")
        });
        assert!(verdict.outcome == Outcome::Passed && is_told, "{verdict:#?}");
    }

    fn refused(&self, reason: &str) {
        let verdict = self.verdict();
        let is_told = verdict.reasons.iter().any(|found| found.contains(reason));
        assert!(verdict.outcome == Outcome::Refused && is_told, "wanted {reason:?}: {verdict:#?}");
    }
}

const NO_LOGS: &str = ", trustedRoot: \"ROOT\", log: notRequired, sct: notRequired";

#[test]
fn a_signature_with_both_logs_meets_every_rule() {
    Case::read("logged", "").passed();
    Case::read("logged", NO_LOGS).passed();
}

#[test]
fn each_log_is_required_until_the_rule_says_otherwise() {
    Case::read("timestamped", NO_LOGS).passed();
    Case::read("timestamped", "").refused("found no log entry");
    Case::read("timestamped", ", trustedRoot: \"ROOT\", sct: notRequired").refused("found no log entry");
    Case::read("timestamped", ", trustedRoot: \"ROOT\", log: notRequired").refused("SCT");
}

#[test]
fn an_entry_that_is_there_is_verified_whatever_the_rule_says() {
    let mut case = Case::read("logged", NO_LOGS);
    case.material()["tlogEntries"][0]["logIndex"] = json!("7");
    case.refused("out of range");
    let mut case = Case::read("logged", NO_LOGS);
    case.material()["tlogEntries"][0].as_object_mut().unwrap().remove("inclusionProof").unwrap();
    case.refused("found no log entry with a proof");
}

#[test]
fn less_is_asked_of_a_root_without_logs_alone() {
    // Without its entry it is what a Sigstore without logs makes; but its root lists a log, so it had one.
    let mut case = Case::read("logged", NO_LOGS);
    case.material().as_object_mut().unwrap().remove("tlogEntries").unwrap();
    case.refused("this one lists a log");
    case.rule = ", trustedRoot: \"ROOT\", sct: notRequired";
    case.refused("found no log entry with a proof");
    // Its certificate has no SCT, and the root lists a log of certificates.
    let mut case = Case::read("timestamped", NO_LOGS);
    case.list("ctlogs");
    case.refused("SCT");
    let mut case = Case::read("timestamped", NO_LOGS);
    case.list("tlogs");
    case.refused("this one lists a log");
}

#[test]
fn another_root_s_signature_does_not_meet_a_rule_for_one() {
    let mut case = Case::read("timestamped", NO_LOGS);
    case.others = vec![read("logged", "trusted_root.json"), support::public_good()];
    case.passed();
    let Case { bundle, image, .. } = Case::read("logged", "");
    (case.bundle, case.image) = (bundle, image);
    case.refused("cannot be verified");
    case.rule = "";
    case.passed();
    case.rule = ", trustedRoot: \"ROOT\"";
    case.refused("cannot be verified");
}

#[test]
fn what_was_changed_after_it_was_signed_is_refused() {
    let mut case = Case::read("timestamped", NO_LOGS);
    let payload = case.bundle["dsseEnvelope"]["payload"].as_str().unwrap().to_owned();
    let changed = String::from_utf8(STANDARD.decode(payload).unwrap()).unwrap().replace("{}", "{\"a\":1}");
    case.bundle["dsseEnvelope"]["payload"] = json!(STANDARD.encode(changed));
    case.refused("cannot be verified");
}

#[test]
fn a_certificate_counts_at_the_time_that_somebody_else_gave() {
    let mut case = Case::read("times", NO_LOGS);
    case.passed();
    for other in ["late.json", "early.json"] {
        case.bundle = serde_json::from_slice(&read("times", other)).unwrap();
        case.refused("ertificate");
    }
}

#[test]
fn without_anybody_s_time_no_certificate_counts() {
    let mut case = Case::read("timestamped", NO_LOGS);
    case.material()["timestampVerificationData"] = json!({"rfc3161Timestamps": []});
    case.refused("timestamp");
    // Its time is another signature's.
    let other = Case::read("logged", NO_LOGS).material()["timestampVerificationData"].clone();
    let mut case = Case::read("timestamped", NO_LOGS);
    case.material()["timestampVerificationData"] = other;
    case.refused("timestamp");
    // Nobody trusts the authority.
    let mut case = Case::read("timestamped", NO_LOGS);
    let mut root: Value = serde_json::from_slice(&case.root).unwrap();
    root["timestampAuthorities"] = json!([]);
    case.root = root.to_string().into_bytes();
    case.refused("timestamp");
}

#[test]
fn less_is_asked_of_one_named_root_alone() {
    for rule in ["log: notRequired", "sct: notRequired", "log: notRequired, sct: notRequired"] {
        let rule = format!("{{match: \"**\", keyless: {{issuer: i, identity: j, {rule}}}}}");
        let text = support::policy_by(&[Digest::of(b"a root")], &rule);
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains("without a trustedRoot"), "{rule}: {error}");
    }
}
