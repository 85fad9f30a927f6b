//! What was signed at a Sigstore of one's own, recorded: one with logs, and one with a timestamp authority alone.

use std::fs;

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
}

impl Case {
    fn read(name: &str, rule: &'static str) -> Self {
        let read = |file: &str| fs::read(data(&format!("sigstore-private/{name}/{file}"))).unwrap();
        let vector: Value = serde_json::from_slice(&read("vector.json")).unwrap();
        Self {
            bundle: serde_json::from_slice(&read("bundle.json")).unwrap(),
            root: read("trusted_root.json"),
            image: vector["image"].as_str().unwrap().parse().unwrap(),
            rule,
        }
    }

    fn material(&mut self) -> &mut Value {
        &mut self.bundle["verificationMaterial"]
    }

    fn verdict(&self) -> Verdict {
        let digest = Digest::of(&self.root);
        let rule = self.rule.replace("ROOT", &digest.to_string());
        let keyless = format!("issuer: \"http://127.0.0.1:7001\", identity: builder@demo.test{rule}");
        let text = support::policy_by(digest, &format!("{{match: \"**\", keyless: {{{keyless}}}}}"));
        let rules = Policy::parse(&text).unwrap().signatures.unwrap();
        let roots = Roots::new(rules.roots(), [(digest, self.root.as_slice())]).unwrap();
        let mut store = Store::default();
        let evidence = store.bundle(self.bundle.to_string().as_bytes(), self.image);
        let item = support::item(&support::source(self.image), vec![evidence]);
        let now = "2026-11-26T00:00:00Z".parse().unwrap();
        gates::signature::judge(Subject { item: &item, content: &store }, &rules, &roots, now, false)
    }

    fn passed(&self) {
        let verdict = self.verdict();
        let is_told = verdict.facts.iter().any(|fact| {
            fact.contains("builder@demo.test (http://127.0.0.1:7001) at 2026-11-25T04:4")
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
    // Without its entry it is what a Sigstore without logs makes, and the certificate is in a log all the same.
    let mut case = Case::read("logged", NO_LOGS);
    case.material().as_object_mut().unwrap().remove("tlogEntries").unwrap();
    case.passed();
    case.rule = ", trustedRoot: \"ROOT\", log: notRequired";
    case.passed();
    case.rule = ", trustedRoot: \"ROOT\", sct: notRequired";
    case.refused("found no log entry");
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
        let text = support::policy_by(Digest::of(b"a root"), &rule);
        let error = Policy::parse(&text).unwrap_err().to_string();
        assert!(error.contains("without a trustedRoot"), "{rule}: {error}");
    }
}
