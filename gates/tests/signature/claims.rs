//! Who signatures say that they are by, whether or not they are.

use gates::Subject;
use gates::signature::{Claim, ClaimedBy, Purpose, Reason, candidates, claimed, claims_signed};
use serde_json::json;

use crate::signers::{Signer, image};
use crate::support::{self, Store};
use crate::vectors::{material, vector};

/// What the only candidate of a vector says.
fn claim(name: &str) -> Result<Claim, Reason> {
    let vector = vector(name);
    let (content, evidence) = material(name, &vector);
    let item = support::item(&support::source(vector.image), evidence);
    let found = candidates(Subject { item: &item, content: &content }, vector.image).unwrap();
    assert_eq!(found.len(), 1, "{name}");
    claimed(&found[0], vector.image)
}

#[test]
fn a_claim_is_what_a_signature_says_of_itself() {
    const PODINFO: &str =
        "https://github.com/stefanprodan/podinfo/.github/workflows/release.yml@refs/tags/6.4.0";
    let spdx = || Purpose::Attestation("https://spdx.dev/Document".into());
    let attestation = || Purpose::Attestation("https://cosign.sigstore.dev/attestation/v1".into());
    for (name, identity, purpose, is_logged) in [
        ("keyless-legacy", Some(PODINFO), Purpose::Signature, true),
        // Nothing is verified: a signature that does not hold claims as much as one that does.
        ("keyless-legacy-signature-flipped", Some(PODINFO), Purpose::Signature, true),
        ("keyless-legacy-no-log", Some(PODINFO), Purpose::Signature, false),
        ("keyed-legacy", None, Purpose::Signature, true),
        ("own-keyed", None, Purpose::Signature, false),
        ("own-referrer", None, Purpose::Signature, false),
        ("own-attestation-spdx", None, spdx(), false),
        ("bundle-attestation", Some("cody@soyland.com"), attestation(), true),
    ] {
        let found = claim(name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let by = match &found.by {
            ClaimedBy::Identity { identity, issuer } => {
                assert!(issuer.starts_with("https://"), "{name}: {issuer}");
                Some(identity.as_str())
            }
            ClaimedBy::Key | ClaimedBy::OpenPgp(_) => None,
        };
        assert_eq!((by, &found.purpose, found.is_logged), (identity, &purpose, is_logged), "{name}");
    }
}

#[test]
fn what_is_about_something_else_or_cannot_be_read_claims_nothing() {
    for (name, said) in [
        ("keyless-legacy-other-digest", "found a signature about"),
        ("keyless-legacy-blob-corrupt", "found bytes of"),
        ("own-keyed-payload-other-image", "found a signature about"),
        ("own-keyed-other-type", "found critical.type"),
        ("own-keyed-no-signature", "found a payload without a signature"),
        ("own-referrer-other-subject", "found a signature about"),
    ] {
        let error = claim(name).map_or_else(|error| error.to_string(), |claim| panic!("{name}: {claim:?}"));
        assert!(error.contains(said), "{name}: {error}");
    }
}

#[test]
fn whether_something_says_that_it_was_signed() {
    let (alice, sign, spdx) =
        (Signer::new(1), "https://sigstore.dev/cosign/sign/v1", "https://spdx.dev/Document");
    let mut store = Store::default();
    let good = alice.bundle(image(), sign);
    // Somebody else's claim, by a signature that does not hold, is a claim.
    let broken = String::from_utf8(good.clone()).unwrap().replace("\"sig\":\"M", "\"sig\":\"N").into_bytes();
    assert_ne!(broken, good);
    let other = alice.bundle(manifests::Digest::of(b"another image"), sign);
    let layer = manifests::Descriptor {
        digest: image(),
        media_type: "application/vnd.dsse.envelope.v1+json".into(),
        size: 10,
    };
    let too_many = store.manifest(&vec![(&layer, json!({})); 1001], None);
    for (evidence, is_claimed, why) in [
        (vec![], false, "nothing"),
        (vec![store.bundle(&good, image())], true, "a signature"),
        (vec![store.bundle(&broken, image())], true, "a signature that does not hold"),
        (vec![store.bundle(&other, image())], false, "a signature of another image"),
        (vec![store.bundle(&alice.bundle(image(), spdx), image())], false, "an attestation"),
        (vec![support::evidence(&too_many, image(), Some("att"))], true, "more than is looked at"),
    ] {
        let item = support::item(&support::source(image()), evidence);
        let found = claims_signed(Subject { item: &item, content: &store }, image());
        assert_eq!(found, is_claimed, "{why}");
    }
}
