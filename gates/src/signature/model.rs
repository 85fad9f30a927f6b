//! Signatures of models by the OpenSSF (`https://model_signing/signature/v1.0`): a statement that names every file with its
//! digest, in place of a manifest.
//!
//! A model comes as an artifact whose layers are its files, each under its name. What a signature names has to be all
//! of them and nothing else: a file that it leaves out would come in unsigned beside those that are.

use std::collections::BTreeMap;

use manifests::media_type::OCI_EMPTY;
use manifests::oci::Manifest;
use manifests::shape::{self, Part, Shape};
use manifests::{Digest, json};
use serde::Deserialize;
use sigstore_verify::types::SignatureContent;

use super::candidate::{Candidate, Material};
use super::reason::Reason;
use super::statement::{self, Purpose};
use crate::Subject;

/// The predicate type of such a signature.
pub(super) const MODEL: &str = "https://model_signing/signature/v1.0";

/// Where a layer says which file it is.
const TITLE: &str = "org.opencontainers.image.title";

/// The files of a model, by their names.
pub(super) type Files = BTreeMap<String, Digest>;

static STATEMENT: Shape = Shape {
    keys: &["predicate"],
    below: &[(
        "predicate",
        Part::One(&Shape {
            keys: &["resources", "serialization"],
            below: &[
                ("resources", Part::Many(&Shape { keys: &["algorithm", "digest", "name"], below: &[] })),
                ("serialization", Part::One(&Shape { keys: &["hash_type", "method"], below: &[] })),
            ],
        }),
    )],
};

#[derive(Deserialize)]
struct Statement {
    predicate: Predicate,
}

#[derive(Deserialize)]
struct Predicate {
    resources: Vec<Resource>,
    serialization: Serialization,
}

#[derive(Deserialize)]
struct Resource {
    algorithm: String,
    digest: String,
    name: String,
}

#[derive(Deserialize)]
struct Serialization {
    hash_type: String,
    method: String,
}

/// The files that an item consists of.
///
/// # Errors
/// When its manifest cannot be read or is an index, or a layer has no name or that of another.
pub(super) fn files(subject: Subject<'_>) -> Result<Files, Reason> {
    let published = &subject.item.published;
    let bytes = subject.content.read(published).map_err(|error| Reason::Unreadable(error.to_string()))?;
    let parsed = Manifest::parse(&bytes, &published.media_type);
    let Manifest::Image(manifest) = parsed.map_err(|error| Reason::malformed("a manifest", error))? else {
        return Err(Reason::OtherFiles(
            "found an index, wanted one manifest whose layers are files".to_owned(),
        ));
    };
    if manifest.config.media_type != OCI_EMPTY {
        let found = json::shortened(&manifest.config.media_type);
        return Err(Reason::OtherFiles(format!(
            "found a config of type {found:?}, which no model's signature names, wanted none"
        )));
    }
    let mut files = Files::new();
    for layer in &manifest.layers {
        let Some(name) = layer.annotation(TITLE) else {
            let layer = layer.digest;
            return Err(Reason::OtherFiles(format!(
                "found the layer {layer} without a name, wanted {TITLE}"
            )));
        };
        if files.insert(name.to_owned(), layer.digest).is_some() {
            let name = json::shortened(name);
            return Err(Reason::OtherFiles(format!("found two files {name:?}, wanted each name once")));
        }
    }
    Ok(files)
}

/// What a signature of these files says that it is about: SHA-256 over their digests, in the order of their paths, folder
/// by folder.
pub(super) fn subject(files: &Files) -> Digest {
    let mut files: Vec<(&String, &Digest)> = files.iter().collect();
    files.sort_by(|(one, _), (other, _)| one.split('/').cmp(other.split('/')));
    let digests: Vec<u8> = files.iter().flat_map(|(_, digest)| digest.as_bytes().to_vec()).collect();
    Digest::of(&digests)
}

/// The candidates, of which those are refused that are signatures of other files.
pub(super) fn held_to(candidates: &[Candidate], files: &Files) -> Vec<Candidate> {
    candidates.iter().map(|candidate| candidate.held_to(|material| check(material, files))).collect()
}

fn check(material: &Material, files: &Files) -> Result<(), Reason> {
    if statement::purpose(material)? != Purpose::Attestation(MODEL.to_owned()) {
        return Ok(());
    }
    let SignatureContent::DsseEnvelope(envelope) = &material.bundle.content else {
        return Err(Reason::NoStatement);
    };
    let Statement { predicate: Predicate { resources, serialization } } =
        shape::parse(envelope.payload.as_bytes(), &STATEMENT)
            .map_err(|error| Reason::malformed("a signature of a model", error))?;
    let Serialization { hash_type, method } = serialization;
    let others = |text: String| Err(Reason::OtherFiles(text));
    if (method.as_str(), hash_type.as_str()) != ("files", "sha256") {
        let [method, hash_type] = [method, hash_type].map(|text| json::shortened(&text));
        return others(format!(
            "found a serialization of {method:?} by {hash_type:?}, wanted files by sha256"
        ));
    }
    let mut signed = BTreeMap::new();
    for Resource { algorithm, digest, name } in resources {
        let shown = json::shortened(&name);
        let digest = Digest::from_hex(&digest).ok().filter(|_| algorithm == "sha256");
        let Some(digest) = digest else {
            return others(format!("found the file {shown:?} without a digest by sha256, wanted one"));
        };
        if signed.insert(name, digest).is_some() {
            return others(format!("found the file {shown:?} signed twice, wanted each once"));
        }
    }
    for (name, found) in files {
        match signed.remove(name) {
            Some(wanted) if wanted == *found => {}
            Some(wanted) => {
                let name = json::shortened(name);
                return others(format!("found the file {name:?} as {found}, wanted {wanted} as was signed"));
            }
            None => {
                let name = json::shortened(name);
                return others(format!("found the file {name:?}, which the signature does not name"));
            }
        }
    }
    match signed.into_keys().next() {
        Some(name) => others(format!("found no file {:?}, wanted it as was signed", json::shortened(&name))),
        None => Ok(()),
    }
}
