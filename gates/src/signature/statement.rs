//! What a verified signature says: about which digest, and what for.

use std::collections::BTreeMap;

use manifests::media_type::IN_TOTO;
use manifests::shape::{self, Part, Shape};
use manifests::{Digest, json};
use serde::Deserialize;
use sigstore_verify::types::SignatureContent;

use super::candidate::Material;
use super::reason::Reason;

/// The only `critical.type` that is an image signature. Cosign does not look at it.
const SIMPLE_TYPE: &str = "cosign container image signature";

/// The predicate type of an image signature in a bundle.
const SIGN: &str = "https://sigstore.dev/cosign/sign/v1";

const STATEMENTS: [&str; 2] = ["https://in-toto.io/Statement/v0.1", "https://in-toto.io/Statement/v1"];

/// What a signature is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Purpose {
    /// A signature of the image, chart or artifact itself.
    Signature,
    /// An attestation with this predicate type.
    Attestation(String),
}

static SIMPLE: Shape = Shape {
    keys: &["critical"],
    below: &[(
        "critical",
        Part::One(&Shape {
            keys: &["image", "type"],
            below: &[("image", Part::One(&Shape { keys: &["docker-manifest-digest"], below: &[] }))],
        }),
    )],
};

/// The predicate is read by others, each in the shape of its type.
static STATEMENT: Shape = Shape {
    keys: &["_type", "predicate", "predicateType", "subject"],
    below: &[(
        "subject",
        Part::Many(&Shape {
            keys: &["digest"],
            below: &[("digest", Part::One(&Shape { keys: &["sha256"], below: &[] }))],
        }),
    )],
};

/// A payload of simple signing, as far as it is looked at.
#[derive(Deserialize)]
struct Simple {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: SimpleImage,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct SimpleImage {
    docker_manifest_digest: String,
}

/// A statement of in-toto, as far as it is looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    predicate_type: String,
    subject: Vec<StatementSubject>,
}

#[derive(Deserialize)]
struct StatementSubject {
    #[serde(default)]
    digest: BTreeMap<String, String>,
}

/// What the bytes say that they are for.
pub(super) fn purpose(material: &Material) -> Result<Purpose, Reason> {
    if material.payload.is_some() {
        return Ok(Purpose::Signature);
    }
    let found = read(material)?.predicate_type;
    Ok(if found == SIGN { Purpose::Signature } else { Purpose::Attestation(found) })
}

/// Whether the signed bytes are for this purpose, and about this digest.
pub(super) fn check(material: &Material, purpose: &Purpose, digest: Digest) -> Result<(), Reason> {
    match &material.payload {
        Some(payload) => check_simple(payload, purpose, digest),
        None => {
            let statement = read(material)?;
            check_purpose(&statement.predicate_type, purpose)?;
            about(&statement, digest)
        }
    }
}

/// Whether a statement is about this digest, whatever it is for.
pub(super) fn check_subject(material: &Material, digest: Digest) -> Result<(), Reason> {
    about(&read(material)?, digest)
}

fn check_simple(payload: &[u8], purpose: &Purpose, digest: Digest) -> Result<(), Reason> {
    let simple: Simple =
        shape::parse(payload, &SIMPLE).map_err(|error| Reason::malformed("a signed payload", error))?;
    if simple.critical.kind != SIMPLE_TYPE {
        return Err(Reason::OtherType(json::shortened(&simple.critical.kind)));
    }
    if let Purpose::Attestation(wanted) = purpose {
        return Err(Reason::OtherAttestation {
            found: "an image signature".to_owned(),
            wanted: wanted.clone(),
        });
    }
    let found = simple.critical.image.docker_manifest_digest;
    if found == digest.to_string() {
        return Ok(());
    }
    Err(Reason::OtherSubject { found: json::shortened(&found), wanted: digest })
}

fn read(material: &Material) -> Result<Statement, Reason> {
    let SignatureContent::DsseEnvelope(envelope) = &material.bundle.content else {
        return Err(Reason::NoStatement);
    };
    if envelope.payload_type != IN_TOTO {
        return Err(Reason::OtherPayload(json::shortened(&envelope.payload_type)));
    }
    let statement: Statement = shape::parse(envelope.payload.as_bytes(), &STATEMENT)
        .map_err(|error| Reason::malformed("a signed statement", error))?;
    if !STATEMENTS.contains(&statement.kind.as_str()) {
        let error = format!("found _type {:?}, wanted {}", json::shortened(&statement.kind), STATEMENTS[1]);
        return Err(Reason::malformed("a signed statement", error));
    }
    Ok(statement)
}

fn check_purpose(found: &str, purpose: &Purpose) -> Result<(), Reason> {
    match purpose {
        Purpose::Signature if found == SIGN => Ok(()),
        Purpose::Signature => Err(Reason::NotASignature(json::shortened(found))),
        Purpose::Attestation(wanted) if found == wanted => Ok(()),
        Purpose::Attestation(wanted) => Err(Reason::OtherAttestation {
            found: format!("an attestation of type {:?}", json::shortened(found)),
            wanted: wanted.clone(),
        }),
    }
}

fn about(statement: &Statement, digest: Digest) -> Result<(), Reason> {
    let digests = statement.subject.iter().filter_map(|subject| subject.digest.get("sha256"));
    if digests.clone().any(|found| *found == digest.hex()) {
        return Ok(());
    }
    // The first is enough to see what it is about; a release's statement may list hundreds.
    let first = digests.map(|found| format!("sha256:{}", json::shortened(found))).next();
    let found = first.unwrap_or_else(|| "nothing by sha256".to_owned());
    Err(Reason::OtherSubject { found, wanted: digest })
}
