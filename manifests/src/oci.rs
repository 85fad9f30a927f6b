//! What Airgap reads of OCI and Docker manifests: a view with the fields that it needs.
//!
//! Manifests travel byte for byte and are never written back, so fields that are unknown here are kept
//! by their bytes and ignored by the view. Layer `urls` are among them on purpose.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::Digest;
use crate::platform::Platform;
use crate::shape::{self, Part, Shape};
use crate::{json, limits, media_type};

/// The content of something, as the OCI image specification describes it, cut to what never changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Descriptor {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes, below [`limits::SIZE`].
    pub size: u64,
}

/// One entry of a manifest or an index as upstream wrote it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Digest of the content.
    pub digest: Digest,
    /// Media type of the content.
    pub media_type: String,
    /// Size of the content in bytes, below [`limits::SIZE`].
    #[serde(deserialize_with = "exact")]
    pub size: u64,
    /// The platform, in an index.
    #[serde(default)]
    pub platform: Option<EntryPlatform>,
    /// Annotations; absent and `null` are alike.
    #[serde(default)]
    pub annotations: Option<BTreeMap<String, String>>,
    /// The kind of artifact, in an index of referrers.
    #[serde(default)]
    pub artifact_type: Option<String>,
}

impl Entry {
    /// Whether an index lists it for the platform that no machine has, as BuildKit lists its attestations: no runtime
    /// that is given the index takes it.
    #[must_use]
    pub fn is_for_none(&self) -> bool {
        let platform = self.platform.as_ref();
        platform.is_some_and(|platform| platform.os == "unknown" && platform.architecture == "unknown")
    }
}

/// The platform object of an index entry.
#[derive(Debug, Clone, Deserialize)]
pub struct EntryPlatform {
    /// CPU architecture, by Go's names.
    pub architecture: String,
    /// Operating system, by Go's names.
    pub os: String,
    /// Variant of the CPU.
    #[serde(default)]
    pub variant: Option<String>,
}

/// An image manifest, an artifact's manifest or an index, read from bytes whose digest was checked.
#[derive(Debug, Clone)]
pub enum Manifest {
    /// A config and layers.
    Image(Box<Image>),
    /// A list of manifests.
    Index(Index),
}

/// A manifest with a config and layers.
#[derive(Debug, Clone)]
pub struct Image {
    /// The config.
    pub config: Entry,
    /// The layers in their order.
    pub layers: Vec<Entry>,
    /// What this is about, for evidence.
    pub subject: Option<Descriptor>,
    /// What this is, where it says so.
    pub artifact_type: Option<String>,
    /// Annotations of the manifest itself.
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests.
#[derive(Debug, Clone)]
pub struct Index {
    /// The manifests in their order.
    pub manifests: Vec<Entry>,
    /// What this is about, for evidence.
    pub subject: Option<Descriptor>,
}

/// Why bytes are not a manifest that Airgap carries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Larger than [`limits::MANIFEST_BYTES`].
    #[error("found a manifest of {0} bytes, wanted at most {max}", max = limits::MANIFEST_BYTES)]
    Size(usize),
    /// The type that the bytes are offered as is none of the four.
    #[error("found the media type {0:?}, wanted an OCI or Docker (schema 2) manifest or index")]
    MediaType(String),
    /// The type inside differs from the type outside: two readers would see two things.
    #[error("found the media type {inside:?} inside a manifest offered as {outside:?}")]
    OtherMediaType {
        /// By the document itself.
        inside: String,
        /// By the header or the descriptor.
        outside: String,
    },
    /// Both a manifest and an index, or neither.
    #[error("found {0}, wanted a config and layers, or manifests")]
    Shape(&'static str),
    /// Not JSON, or not of the expected fields.
    #[error(transparent)]
    Json(#[from] json::JsonError),
}

/// The keys of a manifest, a descriptor and a platform: each of them in another case is refused in all three.
const KEYS: &[&str] = &[
    "annotations",
    "architecture",
    "artifactType",
    "config",
    "digest",
    "layers",
    "manifests",
    "mediaType",
    "os",
    "platform",
    "schemaVersion",
    "size",
    "subject",
    "variant",
];

/// A manifest or an index.
pub(crate) static MANIFEST: Shape = Shape {
    keys: KEYS,
    below: &[
        ("config", Part::One(&DESCRIPTOR)),
        ("layers", Part::Many(&DESCRIPTOR)),
        ("manifests", Part::Many(&DESCRIPTOR)),
        ("subject", Part::One(&DESCRIPTOR)),
    ],
};

static DESCRIPTOR: Shape =
    Shape { keys: KEYS, below: &[("platform", Part::One(&Shape { keys: KEYS, below: &[] }))] };

/// Every field of both forms, so that a document with fields of both is seen to be one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    schema_version: u64,
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default)]
    config: Option<Entry>,
    #[serde(default)]
    layers: Option<Vec<Entry>>,
    #[serde(default)]
    manifests: Option<Vec<Entry>>,
    #[serde(default)]
    subject: Option<Entry>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
}

impl Manifest {
    /// Reads a manifest that is offered as `outside` (a Content-Type or a descriptor's media type).
    ///
    /// # Errors
    /// When it is too large, of another type than offered, of an ambiguous shape or not valid.
    pub fn parse(bytes: &[u8], outside: &str) -> Result<Self, ManifestError> {
        if bytes.len() as u64 > limits::MANIFEST_BYTES {
            return Err(ManifestError::Size(bytes.len()));
        }
        if !media_type::is_manifest(outside) {
            return Err(ManifestError::MediaType(json::shortened(outside)));
        }
        let raw: Raw = shape::parse(bytes, &MANIFEST)?;
        // helm leaves the media type out; then the one outside is all there is.
        if let Some(inside) = raw.media_type.filter(|inside| inside != outside) {
            return Err(ManifestError::OtherMediaType {
                inside: json::shortened(&inside),
                outside: outside.to_owned(),
            });
        }
        if raw.schema_version != 2 {
            return Err(ManifestError::Shape("another schemaVersion than 2"));
        }
        let subject = raw.subject.as_ref().map(Entry::descriptor);
        match (raw.config, raw.layers, raw.manifests) {
            (Some(config), Some(layers), None) if !media_type::is_index(outside) => {
                Ok(Self::Image(Box::new(Image {
                    config,
                    layers,
                    subject,
                    artifact_type: raw.artifact_type,
                    annotations: raw.annotations.unwrap_or_default(),
                })))
            }
            (None, None, Some(manifests)) if media_type::is_index(outside) => {
                Ok(Self::Index(Index { manifests, subject }))
            }
            (None, None, None) => Err(ManifestError::Shape("neither layers nor manifests")),
            (_, _, None) => Err(ManifestError::Shape("an incomplete manifest, or an index with layers")),
            (_, _, Some(_)) => Err(ManifestError::Shape("manifests where layers belong, or both")),
        }
    }
}

/// A size that is the same number in every JSON implementation.
fn exact<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let size = u64::deserialize(deserializer)?;
    if size < limits::SIZE {
        return Ok(size);
    }
    Err(serde::de::Error::custom(format_args!("found the size {size}, wanted less than 2^53")))
}

impl Entry {
    /// The descriptor without what only upstream's document says.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest, media_type: self.media_type.clone(), size: self.size }
    }

    /// The platform, where the entry names one that is known (`unknown/unknown` marks attestations).
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        let EntryPlatform { architecture, os, variant } = self.platform.as_ref()?;
        Platform::of_parts(os, architecture, variant.as_deref()).filter(|_| os != "unknown")
    }

    /// An annotation of this entry.
    #[must_use]
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{OCI_INDEX, OCI_MANIFEST};

    const ENTRY: &str = r#"{"digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","mediaType":"x","size":0}"#;

    #[test]
    fn a_document_is_one_thing_only() {
        let image = format!(r#"{{"schemaVersion":2,"config":{ENTRY},"layers":[]}}"#);
        let index = format!(r#"{{"schemaVersion":2,"manifests":[{ENTRY}]}}"#);
        let both = format!(r#"{{"schemaVersion":2,"config":{ENTRY},"layers":[],"manifests":[]}}"#);
        assert!(matches!(Manifest::parse(image.as_bytes(), OCI_MANIFEST), Ok(Manifest::Image(_))));
        assert!(matches!(Manifest::parse(index.as_bytes(), OCI_INDEX), Ok(Manifest::Index(_))));
        for (bytes, outside, why) in [
            (&image, OCI_INDEX, "a manifest offered as an index"),
            (&index, OCI_MANIFEST, "an index offered as a manifest"),
            (&both, OCI_MANIFEST, "both at once"),
            (&both, OCI_INDEX, "both at once"),
            (&image, "text/html", "another media type"),
        ] {
            assert!(Manifest::parse(bytes.as_bytes(), outside).is_err(), "{why}");
        }
        for (changed, why) in [
            (image.replace("layers", "Layers"), "a key in another case"),
            (image.replace("\"size\":0", "\"size\":9007199254740992"), "a size that is not exact everywhere"),
            (image.replace("schemaVersion\":2", "schemaVersion\":2.0"), "a number in another form"),
        ] {
            assert_ne!(changed, image, "{why}");
            assert!(Manifest::parse(changed.as_bytes(), OCI_MANIFEST).is_err(), "{why}");
        }
        // Go writes an empty list and an absent one like this.
        let null = image.replacen('{', r#"{"manifests":null,"annotations":null,"mediaType":null,"#, 1);
        assert!(Manifest::parse(null.as_bytes(), OCI_MANIFEST).is_ok());
        let lies = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","config":{ENTRY},"layers":[]}}"#);
        assert!(matches!(
            Manifest::parse(lies.as_bytes(), OCI_MANIFEST),
            Err(ManifestError::OtherMediaType { .. })
        ));
    }
}
