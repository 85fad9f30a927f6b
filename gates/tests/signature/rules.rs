//! What rules make of signatures that are made here: who counts, about which digests, and until when.

use gates::signature::{RootError, Roots, judge};
use gates::{Outcome, Subject};
use manifests::inventory::ItemKind;
use manifests::media_type::OCI_INDEX;
use manifests::{Descriptor, Digest};
use serde_json::{Value, json};

use crate::signers::{Signer, image, says, signed};
use crate::support::{self, Store, source};

#[test]
fn the_policy_in_the_documentation_is_one() {
    let page = std::fs::read_to_string(support::data("../../docs/signatures.md")).unwrap();
    let policy = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let rules = manifests::policy::Policy::parse(policy).unwrap().signatures.unwrap();
    for (name, number) in [("ghcr.io/demo/web:1", 0), ("quay.io/demo/web:1", 1), ("docker.io/demo/web:1", 2)]
    {
        assert_eq!(rules.rule_for(name, ItemKind::Image).unwrap().0, number, "{name}");
    }
}

#[test]
fn what_no_rule_is_about_and_what_is_denied_are_refused() {
    let (alice, mut store) = (Signer::new(1), Store::default());
    let evidence = signed(&mut store, image(), &[&alice]);
    let item = support::item(&source(image()), vec![evidence]);
    let key = alice.key("notRequired");
    for (rules, outcome, rule, why) in [
        (
            format!("{{match: \"quay.io/**\", {key}}}"),
            Outcome::Refused,
            "signatures (no rule)",
            "another host",
        ),
        (
            format!("{{match: \"**\", kinds: [chart], {key}}}"),
            Outcome::Refused,
            "signatures (no rule)",
            "another kind",
        ),
        (
            format!("{{match: \"registry.example.test/team/*\", deny: true}}\n{{match: \"**\", {key}}}"),
            Outcome::Refused,
            "signatures[0] (registry.example.test/team/*)",
            "the first rule denies",
        ),
        (
            format!(
                "{{match: \"quay.io/**\", deny: true}}\n{{match: \"**\", {key}}}\n{{match: \"**\", deny: true}}"
            ),
            Outcome::Passed,
            "signatures[1] (**)",
            "the second rule is the first about it",
        ),
    ] {
        let verdict = support::verdict(&item, &store, &support::policy(&rules));
        assert_eq!((verdict.outcome, verdict.rule.as_str()), (outcome, rule), "{why}: {verdict:#?}");
        assert_eq!(verdict.outcome == Outcome::Refused, !verdict.reasons.is_empty(), "{why}");
    }
}

#[test]
fn several_required_are_several_signers() {
    let [alice, bob, carol] = [1, 2, 3].map(Signer::new);
    let [a, b] = [&alice, &bob].map(|signer| signer.key("notRequired"));
    let rules = support::policy(&format!("{{match: \"**\", all: [{{{a}}}, {{{b}}}]}}"));
    for (signers, reason, why) in [
        (vec![&alice, &bob], None, "both"),
        (vec![&carol, &bob, &alice], None, "both, and somebody else"),
        (vec![&alice], Some("does not verify with the key"), "one of two"),
        (vec![&alice, &alice], Some("does not verify with the key"), "one of two, twice"),
        (vec![&carol], Some("does not verify with the key"), "somebody else"),
        (vec![], Some("found no signature"), "nobody"),
    ] {
        let mut store = Store::default();
        let evidence = signed(&mut store, image(), &signers);
        let verdict = support::verdict(&support::item(&source(image()), vec![evidence]), &store, &rules);
        match reason {
            None => {
                assert!(
                    verdict.outcome == Outcome::Passed && verdict.facts.len() == 2,
                    "{why}: {verdict:#?}"
                );
            }
            Some(reason) => assert!(says(&verdict, reason), "{why}: {verdict:#?}"),
        }
    }
}

#[test]
fn everybody_who_is_wanted_is_named_where_nobody_signed() {
    let [a, b] = [1, 2].map(|number| Signer::new(number).key("notRequired"));
    let rules = support::policy(&format!("{{match: \"**\", all: [{{{a}}}, {{{b}}}]}}"));
    let verdict = support::verdict(&support::item(&source(image()), vec![]), &Store::default(), &rules);
    let [reason] = verdict.reasons.as_slice() else { panic!("{verdict:#?}") };
    let (_, wanted) = reason.split_once("found no signature, wanted one by the key ").unwrap();
    let (one, other) = wanted.split_once(" and the key ").unwrap();
    assert!(one.starts_with("sha256:") && other.starts_with("sha256:") && one != other, "{reason}");
}

#[test]
fn one_identity_that_meets_two_rules_counts_once() {
    let folder = support::data("sigstore/keyless-legacy/layout");
    let store = Store::of_layout(&folder);
    let about: Digest =
        "sha256:57a654ace69ec02ba8973093b6a786faa15640575fbf0dbb603db55aca2ccec8".parse().unwrap();
    let manifest: Digest =
        "sha256:6162308b7421163281afe8bd1c69ae16d50e675cbe93ff8b34f8ad5efb71a866".parse().unwrap();
    let manifest = Descriptor { size: 9504, ..source(manifest) };
    let item = support::item(&source(about), vec![support::evidence(&manifest, about, Some("sig"))]);
    let identity = |pattern: &str| {
        format!("keyless: {{issuer: \"https://token.actions.githubusercontent.com\", identity: '{pattern}'}}")
    };
    let podinfo = identity("^https://github.com/stefanprodan/podinfo/.*");
    let anyone = identity("^https://github.com/.*");
    let one = support::policy(&format!("{{match: \"**\", {podinfo}}}"));
    assert_eq!(support::verdict(&item, &store, &one).outcome, Outcome::Passed);
    let two = support::policy(&format!("{{match: \"**\", all: [{{{podinfo}}}, {{{anyone}}}]}}"));
    let verdict = support::verdict(&item, &store, &two);
    assert!(says(&verdict, "found fewer different signers than the 2"), "{verdict:#?}");
    let unanchored =
        support::policy(&format!("{{match: \"**\", {}}}", identity("^https://github.com/stefanprodan/")));
    assert!(says(&support::verdict(&item, &store, &unanchored), "found the identity"));
}

#[test]
fn a_waiver_ends_and_does_not_replace_a_signature() {
    let rules = support::policy(
        "{match: \"**\", accept: unsigned, reason: old vendor, owner: ciso, until: 2027-03-01}",
    );
    let item = support::item(&source(image()), vec![]);
    let store = Store::default();
    for (now, was_signed, outcome, said, why) in [
        ("2027-02-28T23:59:59Z", false, Outcome::Warned, "by ciso: old vendor", "before its end"),
        ("2027-03-01T00:00:00Z", false, Outcome::Refused, "ended at 2027-03-01T00:00:00Z", "at its end"),
        ("2026-11-24T00:00:00Z", true, Outcome::Refused, "signed before", "signed last time"),
    ] {
        let subject = Subject { item: &item, content: &store };
        let verdict = judge(subject, &rules, &Roots::default(), now.parse().unwrap(), was_signed);
        let lines = if outcome == Outcome::Refused { &verdict.reasons } else { &verdict.warnings };
        assert!(
            verdict.outcome == outcome && lines.iter().any(|line| line.contains(said)),
            "{why}: {verdict:#?}"
        );
    }
}

#[test]
fn attestations_are_required_beside_signatures() {
    let [alice, bob] = [1, 2].map(Signer::new);
    let rules = support::policy(&format!(
        "{{match: \"**\", {}, attestations: [{{predicateType: spdx, {}}}]}}",
        alice.key("notRequired"),
        bob.key("notRequired")
    ));
    let sign = "https://sigstore.dev/cosign/sign/v1";
    let spdx = "https://spdx.dev/Document";
    let bundle = |signer: &Signer, about, kind: &str| signer.bundle(about, kind);
    for (bundles, reason, why) in [
        (vec![bundle(&alice, image(), sign), bundle(&bob, image(), spdx)], None, "both"),
        (
            vec![bundle(&alice, image(), sign)],
            Some("found no attestation of type https://spdx.dev/Document"),
            "no attestation",
        ),
        (vec![bundle(&bob, image(), spdx)], Some("does not verify"), "no signature"),
        (
            vec![bundle(&alice, image(), spdx)],
            Some("an attestation is none"),
            "the right signer's, for another purpose",
        ),
        (
            vec![bundle(&alice, image(), sign), bundle(&bob, image(), "https://spdx.dev/Document/v2.3")],
            Some("wanted an attestation of type https://spdx.dev/Document"),
            "another predicate",
        ),
        (
            vec![bundle(&alice, image(), sign), bundle(&bob, Digest::of(b"x"), spdx)],
            Some("found a signature about"),
            "about another image",
        ),
    ] {
        let mut store = Store::default();
        let evidence = bundles.iter().map(|bundle| store.bundle(bundle, image())).collect();
        let verdict = support::verdict(&support::item(&source(image()), evidence), &store, &rules);
        match reason {
            None => {
                assert!(
                    verdict.outcome == Outcome::Passed && verdict.facts.len() == 2,
                    "{why}: {verdict:#?}"
                );
            }
            Some(reason) => assert!(says(&verdict, reason), "{why}: {verdict:#?}"),
        }
    }
}

#[test]
fn a_referrer_of_something_else_is_none() {
    let (alice, mut store) = (Signer::new(1), Store::default());
    let rules = support::policy(&format!("{{match: \"**\", {}}}", alice.key("notRequired")));
    let bundle = alice.bundle(image(), "https://sigstore.dev/cosign/sign/v1");
    let mut evidence = store.bundle(&bundle, Digest::of(b"other"));
    evidence.subject = image();
    let verdict = support::verdict(&support::item(&source(image()), vec![evidence]), &store, &rules);
    assert!(says(&verdict, "found a referrer of"), "{verdict:#?}");
}

/// An index of two platforms and BuildKit's attestations.
pub(crate) fn index(store: &mut Store) -> (Descriptor, [Descriptor; 2]) {
    let platforms = ["a", "b"].map(|name| {
        let layer = store.put("application/vnd.oci.image.layer.v1.tar", name.as_bytes());
        store.manifest(&[(&layer, json!({}))], None)
    });
    let attestations = store.manifest(&[], None);
    let entry = |manifest: &Descriptor, platform: Value| {
        let mut entry = serde_json::to_value(manifest).unwrap();
        entry["platform"] = platform;
        entry
    };
    let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [
        entry(&platforms[0], json!({"os": "linux", "architecture": "amd64"})),
        entry(&platforms[1], json!({"os": "linux", "architecture": "arm64"})),
        entry(&attestations, json!({"os": "unknown", "architecture": "unknown"})),
    ]});
    (store.put(OCI_INDEX, index.to_string().as_bytes()), platforms)
}

#[test]
fn the_rule_says_which_digests_are_signed() {
    let alice = Signer::new(1);
    let key = alice.key("notRequired");
    let mut store = Store::default();
    let (index, [a, b]) = index(&mut store);
    for (rule, digests, is_good, why) in [
        ("source", vec![&index], true, "the index stands for all"),
        ("source", vec![&a, &b], false, "the platforms do not stand for the index"),
        ("each", vec![&index], false, "the index alone"),
        ("each", vec![&index, &a], false, "one platform is missing"),
        ("each", vec![&a, &b], false, "the index is missing"),
        ("each", vec![&index, &a, &b], true, "all"),
    ] {
        let evidence = digests.iter().map(|digest| signed(&mut store, digest.digest, &[&alice])).collect();
        let rules = support::policy(&format!("{{match: \"**\", {key}, platforms: {rule}}}"));
        let verdict = support::verdict(&support::item(&index, evidence), &store, &rules);
        assert_eq!(verdict.outcome == Outcome::Passed, is_good, "{why}: {verdict:#?}");
        assert!(!is_good || verdict.facts.len() == digests.len(), "{why}: {verdict:#?}");
    }
    let evidence =
        [&index, &a, &b].iter().map(|digest| signed(&mut store, digest.digest, &[&alice])).collect();
    let rules = support::policy(&format!("{{match: \"**\", {key}, platforms: each}}"));
    store.take(a.digest);
    let verdict = support::verdict(&support::item(&index, evidence), &store, &rules);
    assert!(says(&verdict, "cannot be read"), "{verdict:#?}");
}

#[test]
fn only_roots_that_the_policy_names_are_used() {
    let bytes = support::public_good();
    let named = support::policy("{match: \"**\", deny: true}");
    let digest = Digest::of(&bytes);
    assert!(Roots::new(named.roots(), [(digest, bytes.as_slice())]).is_ok());
    let swapped = Roots::new(named.roots(), [(digest, b"{}".as_slice())]).err();
    assert!(matches!(swapped, Some(RootError::Digest { .. })), "other bytes under its digest: {swapped:?}");
    let unnamed = Roots::new(named.roots(), [(Digest::of(b"no root"), b"no root".as_slice())]);
    assert!(unnamed.is_ok(), "not named, and not read");

    let rules = support::policy("{match: \"**\", keyless: {issuer: i, identity: a}}");
    let (_, rule) = rules.rule_for(support::NAME, ItemKind::Image).unwrap();
    let manifests::policy::Requirement::Signed(signers) = &rule.requirement else { panic!("{rule:?}") };
    let bundle = std::fs::read(support::data("sigstore/bundle-attestation/bundle.json")).unwrap();
    let candidate = gates::signature::Candidate::from_bundle(&bundle);
    let purpose = gates::signature::Purpose::Signature;
    let error = gates::signature::verify(&candidate, &purpose, image(), &signers[0], &unnamed.unwrap());
    assert!(error.unwrap_err().to_string().contains("found no trusted root"));
}

#[test]
fn more_evidence_than_anybody_signs_is_refused_before_it_is_read() {
    let alice = Signer::new(1);
    let rules = support::policy(&format!("{{match: \"**\", {}}}", alice.key("notRequired")));
    for (count, size, reason, why) in [
        (1001, 10, "found more than 1000 signatures", "too many"),
        (9, 32 << 20, "found more than 268435456 bytes", "too much"),
        (1, (32 << 20) + 1, "wanted at most 33554432", "one that is too large"),
        (8, 32 << 20, "found nothing", "as much as is read, and none of it there"),
    ] {
        let mut store = Store::default();
        let layer = Descriptor {
            digest: Digest::of(b"not there"),
            media_type: "application/vnd.dsse.envelope.v1+json".to_owned(),
            size,
        };
        let manifest = store.manifest(&vec![(&layer, json!({})); count], None);
        let item = support::item(&source(image()), vec![support::evidence(&manifest, image(), Some("att"))]);
        let verdict = support::verdict(&item, &store, &rules);
        assert!(says(&verdict, reason), "{why}: {verdict:#?}");
    }
}
