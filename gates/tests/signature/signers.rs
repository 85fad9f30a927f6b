//! Somebody who signs, and what is asked of a verdict about it.

use base64::Engine as _;
use gates::{Outcome, Verdict};
use manifests::inventory::Evidence;
use manifests::{Descriptor, Digest};
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};

use crate::support::{self, Store};

/// Somebody who signs.
pub(crate) struct Signer(SigningKey);

impl Signer {
    pub(crate) fn new(number: u8) -> Self {
        Self(SigningKey::from_slice(&[number; 32]).unwrap())
    }

    pub(crate) fn key(&self, log: &str) -> String {
        support::key(&self.0.verifying_key().to_public_key_pem(p256::pkcs8::LineEnding::LF).unwrap(), log)
    }

    fn sign(&self, message: &[u8]) -> String {
        let signature: DerSignature = self.0.sign(message);
        base64::engine::general_purpose::STANDARD.encode(signature.as_bytes())
    }

    /// A layer of simple signing.
    pub(crate) fn layer(&self, store: &mut Store, about: Digest) -> (Descriptor, Value) {
        let payload = json!({"critical": {
            "identity": {"docker-reference": support::NAME},
            "image": {"docker-manifest-digest": about},
            "type": "cosign container image signature",
        }});
        let payload = payload.to_string();
        let layer = store.put("application/vnd.dev.cosign.simplesigning.v1+json", payload.as_bytes());
        (layer, json!({"dev.cosignproject.cosign/signature": self.sign(payload.as_bytes())}))
    }

    /// A bundle whose statement has this predicate type.
    pub(crate) fn bundle(&self, about: Digest, predicate_type: &str) -> Vec<u8> {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": predicate_type,
            "subject": [{"name": "other", "digest": {"sha256": Digest::of(b"other").hex()}}, {"digest": {"sha256": about.hex()}}],
            "predicate": {},
        });
        bundle_of(&self.envelope("application/vnd.in-toto+json", &statement.to_string()))
    }

    /// A DSSE envelope of what is said to be of this type.
    pub(crate) fn envelope(&self, payload_type: &str, payload: &str) -> Value {
        let signed = format!("DSSEv1 {} {payload_type} {} {payload}", payload_type.len(), payload.len());
        json!({
            "payloadType": payload_type,
            "payload": base64::engine::general_purpose::STANDARD.encode(payload),
            "signatures": [{"sig": self.sign(signed.as_bytes())}],
        })
    }
}

/// A bundle of an envelope that a key signed.
pub(crate) fn bundle_of(envelope: &Value) -> Vec<u8> {
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        "dsseEnvelope": envelope,
    });
    bundle.to_string().into_bytes()
}

/// A legacy tag with a layer of each signer.
pub(crate) fn signed(store: &mut Store, about: Digest, signers: &[&Signer]) -> Evidence {
    let layers: Vec<_> = signers.iter().map(|signer| signer.layer(store, about)).collect();
    let layers: Vec<_> = layers.iter().map(|(layer, annotations)| (layer, annotations.clone())).collect();
    let manifest = store.manifest(&layers, None);
    support::evidence(&manifest, about, Some("sig"))
}

pub(crate) fn image() -> Digest {
    Digest::of(b"image")
}

pub(crate) fn says(verdict: &Verdict, reason: &str) -> bool {
    verdict.outcome == Outcome::Refused && verdict.reasons.iter().any(|found| found.contains(reason))
}
