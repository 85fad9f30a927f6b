//! Attestations that are read: those of the type that is asked for, by whom the rule asks, about the item and its parts.

use std::collections::BTreeSet;

use gates::signature::{Attested, attested};
use gates::vulnerability::VULNERABILITY_PREDICATE;
use gates::{Outcome, Subject};
use manifests::policy::Signatures;
use manifests::{Descriptor, Digest};
use serde_json::Value;

use crate::rules::index;
use crate::signers::{Signer, image};
use crate::support::{self, Store};

const SPDX: &str = "https://spdx.dev/Document";

/// Reports by one, bills of materials by another.
fn rules(reporter: &Signer, other: &Signer) -> Signatures {
    support::policy(&format!(
        "{{match: \"**\", accept: unsigned, reason: r, owner: o, until: 2027-01-01, attestations: [\
         {{predicateType: \"{VULNERABILITY_PREDICATE}\", {}}}, {{predicateType: spdx, {}}}]}}",
        reporter.key("notRequired"),
        other.key("notRequired"),
    ))
}

/// An index, its platforms, and what each of two signers attests of them.
fn attestations(
    store: &mut Store,
    alice: &Signer,
    bob: &Signer,
) -> (manifests::inventory::Item, [Digest; 2]) {
    let (index, [a, b]): (Descriptor, [Descriptor; 2]) = index(store);
    let evidence = [
        (alice, &index, VULNERABILITY_PREDICATE),
        (alice, &a, VULNERABILITY_PREDICATE),
        (bob, &b, VULNERABILITY_PREDICATE),
        (alice, &index, SPDX),
        (bob, &index, SPDX),
    ]
    .map(|(signer, about, kind)| store.bundle(&signer.bundle(about.digest, kind), about.digest));
    (support::item(&index, evidence.to_vec()), [index.digest, a.digest])
}

#[test]
fn only_what_was_asked_for_by_whom_it_was_asked_is_read() {
    let ([alice, bob], mut store) = ([1, 2].map(Signer::new), Store::default());
    let (item, wanted) = attestations(&mut store, &alice, &bob);
    let rules = rules(&alice, &bob);
    let subject = Subject { item: &item, content: &store };
    let found = attested(subject, &rules, &support::roots(&rules), VULNERABILITY_PREDICATE).unwrap();
    let about: BTreeSet<Digest> = found.iter().map(|attested| attested.about).collect();
    assert_eq!((found.len(), about), (2, BTreeSet::from(wanted)), "{found:?}");
    for Attested { about, payload, by } in &found {
        let statement: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(statement["predicateType"], VULNERABILITY_PREDICATE);
        assert_eq!(statement["subject"][1]["digest"]["sha256"], about.hex());
        assert_eq!(by, &found[0].by, "alice alone is asked for reports");
    }
    let unasked = "https://slsa.dev/provenance/v1";
    assert_eq!(attested(subject, &rules, &support::roots(&rules), unasked).unwrap(), []);
}

#[test]
fn parts_that_cannot_be_read_hide_no_attestation() {
    let ([alice, bob], mut store) = ([1, 2].map(Signer::new), Store::default());
    let (item, [_, part]) = attestations(&mut store, &alice, &bob);
    let rules = rules(&alice, &bob);
    store.take(part);
    let subject = Subject { item: &item, content: &store };
    let found = attested(subject, &rules, &support::roots(&rules), VULNERABILITY_PREDICATE);
    assert!(found.unwrap_err().to_string().contains("cannot be read"));
}

#[test]
fn attestations_stand_for_a_signature_where_the_rule_says_so() {
    let [alice, bob] = [1, 2].map(Signer::new);
    let attestation =
        |signer: &Signer, kind: &str| format!("{{predicateType: \"{kind}\", {}}}", signer.key("notRequired"));
    let (provenance, sign) = ("https://slsa.dev/provenance/v1", "https://sigstore.dev/cosign/sign/v1");
    let rules = support::policy(&format!(
        "{{match: \"**\", accept: attested, attestations: [{}, {}]}}",
        attestation(&alice, provenance),
        attestation(&bob, SPDX)
    ));
    for (made, reason, why) in [
        (vec![(&alice, provenance), (&bob, SPDX)], None, "both"),
        (vec![(&alice, provenance)], Some("attestation of type https://spdx.dev/Document"), "one of two"),
        (vec![(&bob, provenance), (&bob, SPDX)], Some("does not verify with the key"), "one by another"),
        (vec![(&alice, sign), (&bob, sign)], Some("found no attestation"), "signatures are none"),
        (vec![], Some("found no attestation"), "nothing"),
    ] {
        let mut store = Store::default();
        let evidence = made.iter().map(|(signer, kind)| store.bundle(&signer.bundle(image(), kind), image()));
        let item = support::item(&support::source(image()), evidence.collect());
        let verdict = support::verdict(&item, &store, &rules);
        let wanted = if reason.is_none() { Outcome::Passed } else { Outcome::Refused };
        assert_eq!((verdict.outcome, verdict.warnings.len()), (wanted, 0), "{why}: {verdict:#?}");
        let said = reason.is_none_or(|reason| verdict.reasons.iter().any(|found| found.contains(reason)));
        assert!(said, "{why}: {verdict:#?}");
    }
}
