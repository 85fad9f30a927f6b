//! One payload, signed by a key of each kind.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::{Signer as _, SigningKey};
use gates::Outcome;
use manifests::Digest;
use serde_json::json;
use sha2::{Digest as _, Sha512};

use crate::signers::{bundle_of, image, says};
use crate::support::{self, Store, data, source};

const P256: &str =
    "MEYCIQCv1Vz5pDj2s5BH+iPrzcyZlYsygfmIKIHzJYpNxg0NIQIhAL/GsuIvL3gDkEtUN/pF/VhZym9azqMwTThiHNUdJFyI";
const P256_SHA512: &str =
    "MEQCIHxRso+VDKnse8JHTgeq2AY4JiD34Ic0/icnDxnLR/2oAiAxBCf+IA/PaF7E7GYoat/KnS8fzmNmBH7mMZSTxEIBHw==";
const P384: &str = "MGYCMQDu+zJk5NBnGUs6+92ppRpe6oZ3QipwDqMGVfsgjIQkDlItRewwKAZn6xQOfywvfsECMQD/VwNEWya+N/oZn74N/8h7vJEwGgQ6Rm5Fc11e2B6YWL+gYXIrkvGWd9+/RjOcLXU=";
const P384_SHA256: &str = "MGYCMQCYjN3HbTbJ98FtIMvSEJ7LL/ASSvlBoz1uNejbkMkCSF1zorT8Xe6Uc9c7PJftRmECMQDpfDia4EDH80m9EZm2idTm0V5XqfJ9HDRW3fQyZSs0cfxeLWaXPVOy0mMzAfHrlB8=";
const ED25519: &str =
    "nDaEBM5hsRxnlc4EKTIyWGaNH3UZzVRv0HzkhLyWtD6yVEEf0JThuYfZQoEYiNxaEmBXO1hlfuAU8SInfvzZAA==";
const RSA: &str = "lsKvcL4jmv/Edr8MeQcbMC0cQsE/jscibHnhYddSE4rMIjFh+jVjnRfb+2VexsuLYpRe0BLo3iY4t64vfFPtwOU317m0fng+CoZ1189xTOirJzIhugguzIHVX3a7ljcJYN8Vx8eO6TqGuowisZsFpDcOCPmmYu9AzNGHLLuGjb/N9XI/rAkxnsfBv6V6ueHuDgM0ybdlWesFsA0KPz/PGpxR6Hic+xkfDr9ehc1qm9cBgJRQpgHKhEqaR/O2/tUMa3u63bXjL81nJPL4UwXdJR9R+kzld4a9hwGcs9979osVNHbE/qLopswd/Jiqvz3Yd8Nq2UYPc0svtyqh01qo+g==";
const RSA1024: &str = "Sxd59PFUr0JVL8nLPZ1ZNwHlwxfh8IXnnRKV8I83ayHCJ6ZiAAHhoVevMDUYZPkQw+S5hyLO5raZUnay65nMhiw2zLqEqwpKMfB/iXSURQNU0ntKQyZSyU+6gwweaPdL4daIrdtfrzqs8SA/yy+f5xzbDRnR/nPISLDLa2VMfks=";

#[test]
fn keys_of_every_kind_verify_what_they_signed_and_nothing_else() {
    for (key, signature, is_good, why) in [
        ("p256", P256, true, "ECDSA P-256"),
        ("p384", P384, true, "ECDSA P-384"),
        ("p384", P384_SHA256, true, "ECDSA P-384 with SHA-256, as cosign's older layout has it"),
        ("ed", ED25519, true, "Ed25519"),
        ("rsa", RSA, true, "RSA with 2048 bits"),
        ("rsa1024", RSA1024, false, "RSA with too few bits"),
        ("p256", P256_SHA512, false, "another hash than the kind of key has"),
        ("p256", P384, false, "another key's"),
        ("ed", P256, false, "another key's"),
        ("rsa", RSA1024, false, "another key's"),
        ("p256", "AAAA", false, "no signature"),
        ("p256", "not base64", false, "no base64"),
    ] {
        let subject = Digest::of(b"image");
        let mut store = Store::default();
        let payload = fs::read(data("signature-keys/payload")).unwrap();
        let layer = store.put("application/vnd.dev.cosign.simplesigning.v1+json", &payload);
        let annotations = json!({"dev.cosignproject.cosign/signature": signature});
        let manifest = store.manifest(&[(&layer, annotations)], None);
        let item = support::item(&source(subject), vec![support::evidence(&manifest, subject, Some("sig"))]);
        let pem = fs::read_to_string(data(&format!("signature-keys/{key}.pub"))).unwrap();
        let rules = support::policy(&format!("{{match: \"**\", {}}}", support::key(&pem, "notRequired")));
        let verdict = support::verdict(&item, &store, &rules);
        assert_eq!(verdict.outcome == Outcome::Passed, is_good, "{why}: {verdict:#?}");
    }
}

/// Both forms of Ed25519: cosign 2 signed the message, cosign 3 signs its SHA-512.
#[test]
fn a_key_of_ed25519_counts_in_both_of_its_forms() {
    // Made for this test.
    let [alice, mallory] = [7, 8].map(|seed| SigningKey::from_bytes(&[seed; 32]));
    let spki = [hex::decode("302a300506032b6570032100").unwrap(), alice.verifying_key().to_bytes().to_vec()]
        .concat();
    let pem = format!("-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n", STANDARD.encode(spki));
    let rules = support::policy(&format!("{{match: \"**\", {}}}", support::key(&pem, "notRequired")));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1", "predicateType": "https://sigstore.dev/cosign/sign/v1",
        "subject": [{"digest": {"sha256": image().hex()}}], "predicate": {},
    })
    .to_string();
    let kind = "application/vnd.in-toto+json";
    let message = format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len());
    let hashed = |key: &SigningKey, message: &str, context: Option<&[u8]>| {
        key.sign_prehashed(Sha512::new_with_prefix(message), context).unwrap().to_bytes()
    };
    for (signature, is_good, why) in [
        (alice.sign(message.as_bytes()).to_bytes(), true, "the message"),
        (hashed(&alice, &message, None), true, "its hash"),
        (hashed(&alice, &message, Some(b"context")), false, "its hash in a context"),
        (hashed(&alice, "another", None), false, "the hash of another"),
        (hashed(&mallory, &message, None), false, "its hash by another key"),
    ] {
        let envelope = json!({
            "payloadType": kind, "payload": STANDARD.encode(&statement),
            "signatures": [{"sig": STANDARD.encode(signature)}],
        });
        let mut store = Store::default();
        let evidence = store.bundle(&bundle_of(&envelope), image());
        let verdict = support::verdict(&support::item(&source(image()), vec![evidence]), &store, &rules);
        assert_eq!(verdict.outcome == Outcome::Passed, is_good, "{why}: {verdict:#?}");
        assert!(is_good || says(&verdict, "does not verify with the key"), "{why}: {verdict:#?}");
    }
}
