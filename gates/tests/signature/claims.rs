//! Who signatures say that they are by, whether or not they are.

use gates::Subject;
use gates::signature::{Claim, ClaimedBy, Purpose, Reason, candidates, claimed};

use crate::support;
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
            ClaimedBy::Key => None,
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
