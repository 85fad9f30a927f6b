//! Documents that two readers take for two things. Nothing here is verified: they are refused before.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifests::Digest;
use manifests::oci::{Entry, Image, Manifest};
use manifests::policy::TrustedRootName;
use serde_json::{Value, json};

use super::candidate::{Candidate, Material};
use super::{Purpose, Roots, legacy, statement};
use crate::ambiguous::{Object, assert_refused};

const BODY: &str = "/verificationMaterial/tlogEntries/0/canonicalizedBody";
const LOG_ENTRY: &str = "dev.sigstore.cosign/bundle";

macro_rules! data {
    ($name:literal) => {
        serde_json::from_slice::<Value>(include_bytes!(concat!("../../../fixtures/data/", $name))).unwrap()
    };
}

/// A bundle with a log entry that has a promise and a proof, and with a timestamp.
fn bundle() -> Value {
    let mut bundle = data!("sigstore/bundle-attestation/bundle.json");
    let timestamped = data!("sigstore-private/timestamped/bundle.json");
    let timestamps = "timestampVerificationData";
    bundle["verificationMaterial"][timestamps] = timestamped["verificationMaterial"][timestamps].clone();
    bundle
}

fn read(bundle: &Value) -> Result<Material, String> {
    let candidate = Candidate::from_bundle(bundle.to_string().as_bytes());
    candidate.material().cloned().map_err(|reason| reason.to_string())
}

/// The text under base64 at a place of a document, as JSON.
fn inside(document: &Value, at: &str) -> Value {
    let text = document.pointer(at).and_then(Value::as_str).unwrap();
    serde_json::from_slice(&STANDARD.decode(text).unwrap()).unwrap()
}

/// A layer of cosign's older form in a vector.
fn layer() -> Entry {
    let manifest = include_bytes!(
        "../../../fixtures/data/sigstore/keyless-legacy/layout/blobs/sha256/6162308b7421163281afe8bd1c69ae16d50e675cbe93ff8b34f8ad5efb71a866"
    );
    let read = Manifest::parse(manifest, manifests::media_type::OCI_MANIFEST);
    let Ok(Manifest::Image(image)) = read else { panic!("{read:?}") };
    let Image { mut layers, .. } = *image;
    layers.remove(0)
}

/// Reads a payload with this annotation beside its signature.
fn read_beside(key: &str, annotation: &str) -> Result<(), String> {
    let mut layer = layer();
    layer.annotations.get_or_insert_with(BTreeMap::new).insert(key.to_owned(), annotation.to_owned());
    legacy::payload(b"{}".to_vec(), &layer).map(drop).map_err(|reason| reason.to_string())
}

#[test]
fn a_bundle_is_one_thing() {
    const OBJECTS: &[Object] = &[
        ("", &["mediaType", "verificationMaterial", "dsseEnvelope"]),
        ("/dsseEnvelope", &["payloadType", "payload", "signatures"]),
        ("/dsseEnvelope/signatures/0", &["sig"]),
        ("/verificationMaterial", &["certificate", "tlogEntries", "timestampVerificationData"]),
        ("/verificationMaterial/certificate", &["rawBytes"]),
        ("/verificationMaterial/timestampVerificationData", &["rfc3161Timestamps"]),
        ("/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0", &["signedTimestamp"]),
        (
            "/verificationMaterial/tlogEntries/0",
            &[
                "logIndex",
                "logId",
                "kindVersion",
                "integratedTime",
                "inclusionPromise",
                "inclusionProof",
                "canonicalizedBody",
            ],
        ),
        ("/verificationMaterial/tlogEntries/0/logId", &["keyId"]),
        ("/verificationMaterial/tlogEntries/0/kindVersion", &["kind", "version"]),
        ("/verificationMaterial/tlogEntries/0/inclusionPromise", &["signedEntryTimestamp"]),
        (
            "/verificationMaterial/tlogEntries/0/inclusionProof",
            &["logIndex", "rootHash", "treeSize", "hashes", "checkpoint"],
        ),
        ("/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint", &["envelope"]),
    ];
    let read = |text: &str| {
        let candidate = Candidate::from_bundle(text.as_bytes());
        candidate.material().map(drop).map_err(|reason| reason.to_string())
    };
    assert_refused(&bundle(), OBJECTS, read);

    let mut older = bundle();
    let material = older["verificationMaterial"].as_object_mut().unwrap();
    let certificate = material.remove("certificate").unwrap();
    material.insert("x509CertificateChain".into(), json!({"certificates": [certificate]}));
    const CHAIN: &[Object] = &[
        ("/verificationMaterial/x509CertificateChain", &["certificates"]),
        ("/verificationMaterial/x509CertificateChain/certificates/0", &["rawBytes"]),
    ];
    assert_refused(&older, CHAIN, read);

    let mut keyed = bundle();
    keyed["verificationMaterial"] = json!({"publicKey": {"hint": "a"}});
    assert_refused(&keyed, &[("/verificationMaterial/publicKey", &["hint"])], read);
}

#[test]
fn the_body_of_a_log_entry_is_one_thing() {
    const OBJECTS: &[Object] = &[
        ("", &["apiVersion", "kind", "spec"]),
        ("/spec", &["envelopeHash", "payloadHash", "signatures"]),
        ("/spec/envelopeHash", &["algorithm", "value"]),
        ("/spec/payloadHash", &["algorithm", "value"]),
        ("/spec/signatures/0", &["signature", "verifier"]),
    ];
    let with_body = |text: &str| {
        let mut bundle = bundle();
        *bundle.pointer_mut(BODY).unwrap() = STANDARD.encode(text).into();
        read(&bundle).map(drop)
    };
    assert_refused(&inside(&bundle(), BODY), OBJECTS, with_body);

    const OLDER: &[Object] = &[
        ("", &["apiVersion", "kind", "spec"]),
        ("/spec", &["data", "signature"]),
        ("/spec/data", &["hash"]),
        ("/spec/data/hash", &["algorithm", "value"]),
        ("/spec/signature", &["content", "publicKey"]),
        ("/spec/signature/publicKey", &["content"]),
    ];
    let annotation: Value = serde_json::from_str(layer().annotation(LOG_ENTRY).unwrap()).unwrap();
    let with_body = |text: &str| {
        let mut annotation = annotation.clone();
        annotation["Payload"]["body"] = STANDARD.encode(text).into();
        read_beside(LOG_ENTRY, &annotation.to_string())
    };
    assert_refused(&inside(&annotation, "/Payload/body"), OLDER, with_body);

    const SECOND: &[Object] = &[
        ("/spec/hashedRekordV002", &["data", "signature"]),
        ("/spec/hashedRekordV002/data", &["algorithm", "digest"]),
        ("/spec/hashedRekordV002/signature", &["content", "verifier"]),
        ("/spec/hashedRekordV002/signature/verifier", &["keyDetails", "x509Certificate"]),
        ("/spec/hashedRekordV002/signature/verifier/x509Certificate", &["rawBytes"]),
    ];
    let with_body = |text: &str| {
        let mut bundle = bundle();
        *bundle.pointer_mut(BODY).unwrap() = STANDARD.encode(text).into();
        read(&bundle).map(drop)
    };
    let second = json!({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": {"hashedRekordV002": {
        "data": {"algorithm": "SHA2_256", "digest": "AA=="},
        "signature": {"content": "AA==", "verifier": {"keyDetails": "a", "x509Certificate": {"rawBytes": "AA=="}}},
    }}});
    assert_refused(&second, SECOND, with_body);
}

#[test]
fn the_annotations_of_a_signature_are_one_thing() {
    const LOGGED: &[Object] = &[
        ("", &["SignedEntryTimestamp", "Payload"]),
        ("/Payload", &["body", "integratedTime", "logIndex", "logID"]),
    ];
    let annotation: Value = serde_json::from_str(layer().annotation(LOG_ENTRY).unwrap()).unwrap();
    assert_refused(&annotation, LOGGED, |text| read_beside(LOG_ENTRY, text));
    let timestamp = json!({"SignedRFC3161Timestamp": "AAAA"});
    let read = |text: &str| read_beside("dev.sigstore.cosign/rfc3161timestamp", text);
    assert_refused(&timestamp, &[("", &["SignedRFC3161Timestamp"])], read);
}

#[test]
fn an_envelope_is_one_thing() {
    const OBJECTS: &[Object] =
        &[("", &["payloadType", "payload", "signatures"]), ("/signatures/0", &["sig"])];
    let read =
        |text: &str| legacy::envelope(text.as_bytes(), &layer()).map(drop).map_err(|error| error.to_string());
    assert_refused(&bundle()["dsseEnvelope"], OBJECTS, read);
}

#[test]
fn a_statement_is_one_thing() {
    const OBJECTS: &[Object] = &[
        ("", &["_type", "predicateType", "subject", "predicate"]),
        ("/subject/0", &["digest"]),
        ("/subject/0/digest", &["sha256"]),
    ];
    let read_payload = |text: &str| {
        let mut bundle = bundle();
        bundle["dsseEnvelope"]["payload"] = STANDARD.encode(text).into();
        statement::purpose(&read(&bundle)?).map(drop).map_err(|reason| reason.to_string())
    };
    let mut statement = inside(&bundle(), "/dsseEnvelope/payload");
    // What a predicate says is its type's own matter.
    statement["predicate"] = json!({"Subject": [], "subject": ["a"], "a": 1, "A": 2});
    assert_refused(&statement, OBJECTS, read_payload);
}

#[test]
fn a_signed_payload_is_one_thing() {
    const OBJECTS: &[Object] = &[
        ("", &["critical"]),
        ("/critical", &["image", "type"]),
        ("/critical/image", &["docker-manifest-digest"]),
    ];
    let digest = Digest::of(b"image");
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": "ghcr.io/demo/web"},
            "image": {"docker-manifest-digest": digest},
            "type": "cosign container image signature",
        },
        "optional": {"Critical": "a", "critical": "b", "creator": "c", "Creator": "d"},
    });
    let read = |text: &str| {
        let bundle = legacy::payload(text.as_bytes().to_vec(), &layer());
        let material = bundle.map_err(|reason| reason.to_string())?;
        statement::check(&material, &Purpose::Signature, digest).map_err(|reason| reason.to_string())
    };
    assert_refused(&payload, OBJECTS, read);
}

#[test]
fn a_trusted_root_is_one_thing() {
    const OBJECTS: &[Object] = &[
        ("", &["mediaType", "tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"]),
        ("/tlogs/0", &["baseUrl", "hashAlgorithm", "publicKey", "logId"]),
        ("/tlogs/0/publicKey", &["rawBytes", "keyDetails", "validFor"]),
        ("/tlogs/0/publicKey/validFor", &["start"]),
        ("/tlogs/0/logId", &["keyId"]),
        ("/ctlogs/0", &["baseUrl", "hashAlgorithm", "publicKey", "logId"]),
        ("/certificateAuthorities/0", &["subject", "uri", "certChain", "validFor"]),
        ("/certificateAuthorities/0/subject", &["organization", "commonName"]),
        ("/certificateAuthorities/0/certChain", &["certificates"]),
        ("/certificateAuthorities/0/certChain/certificates/0", &["rawBytes"]),
        ("/certificateAuthorities/0/validFor", &["start", "end"]),
        ("/timestampAuthorities/0", &["subject", "uri", "certChain", "validFor"]),
        ("/timestampAuthorities/0/validFor", &["start"]),
    ];
    let read = |text: &str| {
        let digest = Digest::of(text.as_bytes());
        let named = [TrustedRootName { name: "root".into(), digest, file: None }];
        Roots::new(&named, [(digest, text.as_bytes())]).map(drop).map_err(|error| error.to_string())
    };
    assert_refused(&data!("sigstore/trusted-root/public-good.json"), OBJECTS, read);
}
