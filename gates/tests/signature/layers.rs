//! What is taken for a signature, by the layers of the evidence.

use gates::Outcome;
use serde_json::json;

use crate::signers::{Signer, image, says};
use crate::support::{self, Store, source};

#[test]
fn a_bundle_under_another_media_type_is_no_signature() {
    let (alice, mut store) = (Signer::new(1), Store::default());
    let rules = support::policy(&format!("{{match: \"**\", {}}}", alice.key("notRequired")));
    let bundle = alice.bundle(image(), "https://sigstore.dev/cosign/sign/v1");
    let mut verdict = |media_type: &str| {
        let layer = store.put(media_type, &bundle);
        let manifest = store.manifest(&[(&layer, json!({}))], Some(&source(image())));
        let evidence = support::evidence(&manifest, image(), None);
        support::verdict(&support::item(&source(image()), vec![evidence]), &store, &rules)
    };
    assert_eq!(verdict("application/vnd.dev.sigstore.bundle.v0.3+json").outcome, Outcome::Passed);
    let other = verdict("application/octet-stream");
    assert!(says(&other, "found no signature, wanted one"), "{other:#?}");
}

#[test]
fn a_timestamp_beside_a_signature_is_read_or_the_signature_does_not_count() {
    let alice = Signer::new(1);
    let rules = support::policy(&format!("{{match: \"**\", {}}}", alice.key("notRequired")));
    let verdict = |timestamp: &str| {
        let mut store = Store::default();
        let (layer, mut annotations) = alice.layer(&mut store, image());
        annotations["dev.sigstore.cosign/rfc3161timestamp"] = timestamp.into();
        let manifest = store.manifest(&[(&layer, annotations)], None);
        let evidence = support::evidence(&manifest, image(), Some("sig"));
        support::verdict(&support::item(&source(image()), vec![evidence]), &store, &rules)
    };
    let good = verdict(r#"{"SignedRFC3161Timestamp": "AAAA"}"#);
    assert_eq!(good.outcome, Outcome::Passed, "a key that needs no log needs no time: {good:#?}");
    let bad = verdict("yesterday");
    assert!(says(&bad, "found a timestamp that is malformed"), "{bad:#?}");
}
