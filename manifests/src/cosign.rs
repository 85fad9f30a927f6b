//! Signatures in the forms that cosign reads: a bundle that refers to what it signs, and the older one under a tag.
//!
//! A site signs what it brings in this way, so that an admission controller inside needs its key only. Everything
//! here follows from digest and signatures: with a key that repeats itself, what is made again is the same bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::digest::Digest;
use crate::dsse::{self, Predicate, Statement};
use crate::json;
use crate::key::{KeyError, PrivateKey};
use crate::media_type::{
    DSSE_ENVELOPE, OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, SIGSTORE_BUNDLE, SIMPLE_SIGNING,
};
use crate::oci::Descriptor;

/// What a signature of an image says about it: nothing but that it was signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSignature {}

impl Predicate for ImageSignature {
    const TYPE: &'static str = "https://sigstore.dev/cosign/sign/v1";
}

/// A manifest with everything that it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The manifest.
    pub manifest: Vec<u8>,
    /// Its config and layers.
    pub blobs: Vec<Vec<u8>>,
}

/// A signed statement about `subject`, which is in `repository`, as a bundle that refers to it.
///
/// # Errors
/// When the key does not sign.
pub fn referrer<P: Predicate>(
    subject: &Descriptor,
    repository: &str,
    predicate: P,
    key: &PrivateKey,
) -> Result<Made, KeyError> {
    let statement = Statement { name: repository.to_owned(), subject: subject.digest, predicate };
    let bundle = dsse::sign(statement, key)?;
    let empty = b"{}".to_vec();
    let manifest = json::encode(&json!({
        "annotations": {
            "dev.sigstore.bundle.content": "dsse-envelope",
            "dev.sigstore.bundle.predicateType": P::TYPE,
        },
        "artifactType": SIGSTORE_BUNDLE,
        "config": descriptor(OCI_EMPTY, &empty),
        "layers": [descriptor(SIGSTORE_BUNDLE, &bundle)],
        "mediaType": OCI_MANIFEST,
        "schemaVersion": 2,
        "subject": {"digest": subject.digest, "mediaType": subject.media_type, "size": subject.size},
    }));
    Ok(Made { manifest, blobs: vec![empty, bundle] })
}

/// A signature of `subject`, which is in `repository`, as cosign 1 and 2 kept them under the tag
/// `sha256-<hex>.sig`: for Harbor before 2.15, which counts no other.
///
/// # Errors
/// When the key does not sign.
pub fn legacy_signature(subject: Digest, repository: &str, key: &PrivateKey) -> Result<Made, KeyError> {
    let payload = json::encode(&json!({
        "critical": {
            "identity": {"docker-reference": repository},
            "image": {"docker-manifest-digest": subject},
            "type": "cosign container image signature",
        },
        "optional": null,
    }));
    let mut layer = descriptor(SIMPLE_SIGNING, &payload);
    let signature = STANDARD.encode(key.sign(&payload)?);
    if let Value::Object(fields) = &mut layer {
        fields.insert("annotations".to_owned(), json!({"dev.cosignproject.cosign/signature": signature}));
    }
    Ok(legacy(&layer, payload))
}

/// A signed statement about `subject`, which is in `repository`, as cosign 1 and 2 kept attestations under the tag
/// `sha256-<hex>.att`.
///
/// # Errors
/// When the key does not sign.
pub fn legacy_attestation<P: Predicate>(
    subject: Digest,
    repository: &str,
    predicate: P,
    key: &PrivateKey,
) -> Result<Made, KeyError> {
    let bundle = dsse::sign(Statement { name: repository.to_owned(), subject, predicate }, key)?;
    // Our own bytes, a moment old: they are JSON with this field.
    let envelope = serde_json::from_slice::<Value>(&bundle).unwrap_or_default();
    let envelope = json::encode(&envelope.get("dsseEnvelope"));
    let mut layer = descriptor(DSSE_ENVELOPE, &envelope);
    if let Value::Object(fields) = &mut layer {
        let annotations = json!({"dev.cosignproject.cosign/signature": "", "predicateType": P::TYPE});
        fields.insert("annotations".to_owned(), annotations);
    }
    Ok(legacy(&layer, envelope))
}

/// An image whose layer is a signature or an attestation.
fn legacy(layer: &Value, content: Vec<u8>) -> Made {
    let config = json::encode(&json!({
        "architecture": "",
        "config": {},
        "os": "",
        "rootfs": {"diff_ids": [Digest::of(&content)], "type": "layers"},
    }));
    let manifest = json::encode(&json!({
        "config": descriptor(OCI_CONFIG, &config),
        "layers": [layer],
        "mediaType": OCI_MANIFEST,
        "schemaVersion": 2,
    }));
    Made { manifest, blobs: vec![config, content] }
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"digest": Digest::of(bytes), "mediaType": media_type, "size": bytes.len()})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dsse::Envelope;

    #[test]
    fn what_is_made_again_is_the_same_and_says_what_it_is_about() {
        let key = PrivateKey::generate().unwrap();
        let subject = Descriptor { digest: Digest::of(b"a"), media_type: OCI_MANIFEST.to_owned(), size: 1 };
        let made = || referrer(&subject, "ghcr.io/demo/web", ImageSignature {}, &key).unwrap();
        assert_eq!(made(), made());
        let statement = Envelope::parse(&made().blobs[1])
            .and_then(|envelope| envelope.verify::<ImageSignature>(&key.public().unwrap()))
            .unwrap();
        assert_eq!(statement.subject, subject.digest);

        let legacy = || legacy_signature(subject.digest, "ghcr.io/demo/web", &key).unwrap();
        assert_eq!(legacy(), legacy());
        let manifest: Value = serde_json::from_slice(&legacy().manifest).unwrap();
        let signature = manifest["layers"][0]["annotations"]["dev.cosignproject.cosign/signature"].as_str();
        let signature = STANDARD.decode(signature.unwrap()).unwrap();
        assert!(key.public().unwrap().verifies(&legacy().blobs[1], &signature));
    }
}
