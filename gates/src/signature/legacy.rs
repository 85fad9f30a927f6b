//! Cosign's older layouts (`.sig`, `.att`), rewritten as bundles, so that one verifier judges all.
//!
//! A layer is what was signed; signature, certificate, chain and log entry stand in its annotations. The chain
//! is not read: intermediates come from the trusted root. Nothing here is believed, it only gets another form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifests::Digest;
use manifests::media_type::SIGSTORE_BUNDLE;
use manifests::oci::Entry;
use manifests::shape::{self, Part, Shape};
use serde::Deserialize;
use serde_json::{Value, json};
use sigstore_verify::types::Bundle;

use super::candidate::Material;
use super::reason::Reason;
use super::shapes::{ENVELOPE, LOG_BODY};

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// The version of bundles whose log entries have a signed promise and no proof, as cosign's annotations do.
const PROMISED: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";

const CERTIFICATE_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const CERTIFICATE_END: &str = "-----END CERTIFICATE-----";

/// The log's answer, as cosign keeps it.
#[derive(Deserialize)]
struct LogAnnotation {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: String,
    #[serde(rename = "Payload")]
    entry: LogEntry,
}

static LOG_ANNOTATION: Shape = Shape {
    keys: &["Payload", "SignedEntryTimestamp"],
    below: &[(
        "Payload",
        Part::One(&Shape { keys: &["body", "integratedTime", "logID", "logIndex"], below: &[] }),
    )],
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LogEntry {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

/// The start of a log entry's body.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    api_version: String,
    kind: String,
}

static TIMESTAMP_ANNOTATION: Shape = Shape { keys: &["SignedRFC3161Timestamp"], below: &[] };

#[derive(Deserialize)]
struct TimestampAnnotation {
    #[serde(rename = "SignedRFC3161Timestamp")]
    timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

/// A layer of simple signing: the payload is what was signed.
pub(super) fn payload(payload: Vec<u8>, layer: &Entry) -> Result<Material, Reason> {
    let signature = layer.annotation(SIGNATURE).ok_or(Reason::Unsigned)?;
    if signature.is_empty() {
        return Err(Reason::EmptySignature);
    }
    let digest = STANDARD.encode(Digest::of(&payload).as_bytes());
    let content = json!({
        "messageDigest": {"algorithm": "SHA2_256", "digest": digest},
        "signature": signature,
    });
    let bundle = bundle("messageSignature", &content, layer)?;
    Ok(Material { bundle, payload: Some(payload) })
}

/// A layer of a DSSE envelope: the statement and its signature are in it.
pub(super) fn envelope(bytes: &[u8], layer: &Entry) -> Result<Material, Reason> {
    let envelope: Envelope =
        shape::parse_closed(bytes, &ENVELOPE).map_err(|error| Reason::malformed("a DSSE envelope", error))?;
    let [EnvelopeSignature { sig }] = envelope.signatures.as_slice() else {
        return Err(Reason::SignatureCount(envelope.signatures.len()));
    };
    if sig.is_empty() {
        return Err(Reason::EmptySignature);
    }
    let content = json!({
        "payloadType": envelope.payload_type,
        "payload": envelope.payload,
        "signatures": [{"sig": sig, "keyid": ""}],
    });
    let bundle = bundle("dsseEnvelope", &content, layer)?;
    Ok(Material { bundle, payload: None })
}

fn bundle(kind: &str, content: &Value, layer: &Entry) -> Result<Bundle, Reason> {
    let entry = layer.annotation(LOG_ENTRY).map(log_entry).transpose()?;
    let media_type = if entry.is_some() { PROMISED } else { SIGSTORE_BUNDLE };
    let (name, key) = match (layer.annotation(CERTIFICATE), &entry) {
        // Version 0.1 has chains, of which this one is one long; version 0.3 has certificates.
        (Some(pem), Some(_)) => {
            ("x509CertificateChain", json!({"certificates": [{"rawBytes": certificate(pem)?}]}))
        }
        (Some(pem), None) => ("certificate", json!({"rawBytes": certificate(pem)?})),
        (None, _) => ("publicKey", json!({"hint": ""})),
    };
    let timestamps = layer.annotation(TIMESTAMP).map(timestamp).transpose()?;
    let written = json!({
        "mediaType": media_type,
        "verificationMaterial": {
            name: key,
            "tlogEntries": entry.into_iter().collect::<Vec<_>>(),
            "timestampVerificationData": {"rfc3161Timestamps": timestamps.into_iter().collect::<Vec<_>>()},
        },
        kind: content,
    });
    Bundle::from_json(&written.to_string())
        .map_err(|error| Reason::malformed("a signature with its annotations", error))
}

fn log_entry(annotation: &str) -> Result<Value, Reason> {
    let malformed = |error: String| Reason::malformed("a log entry", error);
    let read: LogAnnotation = shape::parse_closed(annotation.as_bytes(), &LOG_ANNOTATION)
        .map_err(|error| malformed(error.to_string()))?;
    let entry = read.entry;
    let body = STANDARD.decode(&entry.body).map_err(|error| malformed(error.to_string()))?;
    let body: Body = shape::parse_closed(&body, &LOG_BODY).map_err(|error| malformed(error.to_string()))?;
    let log = hex::decode(&entry.log_id).map_err(|error| malformed(error.to_string()))?;
    Ok(json!({
        "logIndex": entry.log_index.to_string(),
        "logId": {"keyId": STANDARD.encode(log)},
        "kindVersion": {"kind": body.kind, "version": body.api_version},
        "integratedTime": entry.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": read.promise},
        "canonicalizedBody": entry.body,
    }))
}

fn timestamp(annotation: &str) -> Result<Value, Reason> {
    let read: TimestampAnnotation = shape::parse_closed(annotation.as_bytes(), &TIMESTAMP_ANNOTATION)
        .map_err(|error| Reason::malformed("a timestamp", error))?;
    Ok(json!({"signedTimestamp": read.timestamp}))
}

/// The base64 body of the one certificate in PEM.
fn certificate(pem: &str) -> Result<String, Reason> {
    let body = pem.trim().strip_prefix(CERTIFICATE_BEGIN);
    let body = body.and_then(|rest| rest.strip_suffix(CERTIFICATE_END));
    let body = body.ok_or_else(|| Reason::malformed("a certificate", "wanted one in PEM"))?;
    Ok(body.chars().filter(|letter| !letter.is_ascii_whitespace()).collect())
}
