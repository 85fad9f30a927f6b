//! What is signed well and says something else than it is taken for.

use manifests::inventory::Evidence;
use serde_json::{Value, json};

use crate::signers::{Signer, bundle_of, image, says};
use crate::support::{self, Store, source};

const IN_TOTO: &str = "application/vnd.in-toto+json";
const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

fn statement(kind: &str) -> String {
    let subject = json!([{"digest": {"sha256": image().hex()}}]);
    json!({"_type": kind, "predicateType": SIGN, "subject": subject, "predicate": {}}).to_string()
}

/// The same envelope in a bundle, and in a layer of cosign's older form.
fn layouts(store: &mut Store, envelope: &Value) -> [Evidence; 2] {
    let layer = store.put(DSSE, envelope.to_string().as_bytes());
    let manifest = store.manifest(&[(&layer, json!({"dev.cosignproject.cosign/signature": ""}))], None);
    [store.bundle(&bundle_of(envelope), image()), support::evidence(&manifest, image(), Some("att"))]
}

#[test]
fn a_payload_or_a_statement_of_another_type_is_no_signature_however_well_it_is_signed() {
    let alice = Signer::new(1);
    let rules = support::policy(&format!("{{match: \"**\", {}}}", alice.key("notRequired")));
    let (v1, other) = ("https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v9");
    let two_signatures = {
        let mut envelope = alice.envelope(IN_TOTO, &statement(v1));
        let one = envelope["signatures"][0].clone();
        envelope["signatures"].as_array_mut().unwrap().push(one);
        envelope
    };
    for (envelope, reason) in [
        (alice.envelope(IN_TOTO, &statement(v1)), None),
        (
            alice.envelope("application/json", &statement(v1)),
            Some("found a payload of type \"application/json\""),
        ),
        (alice.envelope(IN_TOTO, &statement(other)), Some("found _type")),
        (two_signatures, Some("found 2")),
    ] {
        let mut store = Store::default();
        for evidence in layouts(&mut store, &envelope) {
            let layout = if evidence.tag.is_some() { "legacy" } else { "bundle" };
            let item = support::item(&source(image()), vec![evidence]);
            let verdict = support::verdict(&item, &store, &rules);
            match reason {
                None => assert!(!verdict.facts.is_empty(), "{layout}: {verdict:#?}"),
                Some(reason) => assert!(says(&verdict, reason), "{layout}, {reason}: {verdict:#?}"),
            }
        }
    }
}
