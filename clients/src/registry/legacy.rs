//! Signatures as cosign 1 and 2 keep them: an image under the tag `sha256-<hex>.sig` (`.att`, `.sbom`) whose
//! layers are the signatures. A push replaces the tag, so what is there must be merged in first.

use std::collections::BTreeMap;

use bytes::Bytes;
use manifests::oci::Manifest;
use manifests::{Digest, evidence_tag, limits};
use serde_json::{Map, Value};

use super::{MERGES, Merged, Remote, Selector, changed_again};
use crate::error::{Error, Problem, shown};

/// The tags that cosign keeps beside a manifest, in the order of their names.
#[must_use]
pub fn tags(subject: Digest) -> [String; 3] {
    evidence_tag::LEGACY_KINDS.map(|kind| evidence_tag::legacy(subject, kind))
}

impl Remote {
    /// Stores `ours` under a legacy tag, together with the layers that are there already. Layers and config
    /// of `ours` must be in the repository. A manifest that has all of our layers is left as it is.
    ///
    /// # Errors
    /// As every request; or when what is there is not a manifest with layers.
    pub async fn merge_legacy(&self, tag: &str, media_type: &str, ours: &Bytes) -> Result<Merged, Error> {
        let mut outcome = Merged::Present;
        for _ in 0..MERGES {
            let (bytes, bytes_type) = match self.compare_legacy(tag, media_type, ours).await? {
                Compared::Same => return Ok(outcome),
                Compared::Absent => (ours.clone(), media_type.to_owned()),
                Compared::Lacking(merged, merged_type) => (merged, merged_type),
            };
            // Read again afterwards: there is no conditional write, and another importer may have replaced
            // what this one put.
            self.put_manifest(Selector::Tag(tag), &bytes_type, &bytes).await?;
            outcome = Merged::Written(Digest::of(&bytes));
        }
        Err(self.failed(Selector::Tag(tag))(changed_again()))
    }

    /// Whether [`Remote::merge_legacy`] would replace what is under a tag: something is there, and it lacks layers of
    /// `ours`.
    ///
    /// # Errors
    /// As every request; or when what is there is not a manifest with layers.
    pub async fn lacks_legacy(&self, tag: &str, media_type: &str, ours: &Bytes) -> Result<bool, Error> {
        let compared = self.compare_legacy(tag, media_type, ours).await?;
        Ok(matches!(compared, Compared::Lacking(..)))
    }

    async fn compare_legacy(&self, tag: &str, media_type: &str, ours: &Bytes) -> Result<Compared, Error> {
        let found = match self.get_manifest(Selector::Tag(tag)).await {
            Ok(found) if found.digest == Digest::of(ours) => return Ok(Compared::Same),
            Ok(found) => found,
            Err(Error { problem: Problem::NotFound(_), .. }) => return Ok(Compared::Absent),
            Err(error) => return Err(error),
        };
        let merged = merge(&found.bytes, &found.media_type, ours, media_type);
        let merged = merged.map_err(self.failed(Selector::Tag(tag)))?;
        Ok(merged.map_or(Compared::Same, |merged| Compared::Lacking(merged, found.media_type)))
    }
}

/// What is under a legacy tag, beside a manifest of ours.
enum Compared {
    /// All of our layers.
    Same,
    /// Nothing.
    Absent,
    /// Something that lacks some: it with them, and its media type.
    Lacking(Bytes, String),
}

/// `existing` with the layers of `ours` that it lacks, all in one order; nothing when it has them all. A
/// layer is the same when digest and annotations are: the signature itself is an annotation, and two
/// signatures over one payload share the digest.
///
/// # Errors
/// When one of them is not a manifest with layers, or both together are too large for one.
pub fn merge(
    existing: &[u8],
    existing_type: &str,
    ours: &[u8],
    our_type: &str,
) -> Result<Option<Bytes>, Problem> {
    let (mut document, theirs) = layers(existing, existing_type)?;
    let (_, ours) = layers(ours, our_type)?;
    let keyed = |layer: Value| {
        let digest = layer.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
        let annotations = layer.get("annotations").map(ToString::to_string).unwrap_or_default();
        ((digest, annotations), layer)
    };
    let mut merged: BTreeMap<(String, String), Value> = theirs.into_iter().map(keyed).collect();
    let before = merged.len();
    for (key, layer) in ours.into_iter().map(keyed) {
        merged.entry(key).or_insert(layer);
    }
    if merged.len() == before {
        return Ok(None);
    }
    document.insert("layers".to_owned(), merged.into_values().collect());
    let bytes = manifests::json::encode(&document);
    if bytes.len() as u64 > limits::MANIFEST_BYTES {
        return Err(Problem::TooLarge { limit: limits::MANIFEST_BYTES });
    }
    Ok(Some(bytes.into()))
}

/// A manifest as it is, with its layers taken out.
fn layers(bytes: &[u8], media_type: &str) -> Result<(Map<String, Value>, Vec<Value>), Problem> {
    let refused = |text: String| Problem::Protocol(shown(&format!("cannot merge the signatures: {text}")));
    match Manifest::parse(bytes, media_type).map_err(|error| refused(error.to_string()))? {
        Manifest::Image(_) => {}
        Manifest::Index(_) => return Err(refused("found an index, wanted a manifest".to_owned())),
    }
    let mut document: Map<String, Value> =
        serde_json::from_slice(bytes).map_err(|error| refused(error.to_string()))?;
    match document.remove("layers") {
        Some(Value::Array(layers)) => Ok((document, layers)),
        _ => Err(refused("found no layers".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use manifests::media_type::OCI_MANIFEST;

    fn signatures(signed: &[&str]) -> Vec<u8> {
        let (config, payload) = (Digest::of(b"{}"), Digest::of(b"payload"));
        let layers: Vec<String> = signed
            .iter()
            .map(|signature| {
                format!(
                    r#"{{"digest":"{payload}","mediaType":"application/vnd.dev.cosign.simplesigning.v1+json","size":7,"annotations":{{"dev.cosignproject.cosign/signature":"{signature}"}}}}"#
                )
            })
            .collect();
        let layers = layers.join(",");
        format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{{"digest":"{config}","mediaType":"x","size":2}},"layers":[{layers}]}}"#).into_bytes()
    }

    #[test]
    fn signatures_over_one_payload_are_kept_side_by_side() {
        let merged = |one: &[&str], other: &[&str]| {
            merge(&signatures(one), OCI_MANIFEST, &signatures(other), OCI_MANIFEST).unwrap()
        };
        let both = merged(&["a"], &["b"]).unwrap();
        assert_eq!(both, merged(&["b"], &["a"]).unwrap(), "the order of two loads leaves no trace");
        assert_eq!(both.windows(9).filter(|window| window == b"signature").count(), 2);
        assert_eq!(merged(&["a", "b"], &["b"]), None, "a superset is left as it is");
    }
}
