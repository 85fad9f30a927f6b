//! What an archive is: its identity, its items and every blob in it.
//!
//! The SHA-256 of the inventory's bytes is the archive's identity. Its encoding is canonical, so one
//! inventory has one identity, and everything else in an archive follows from it and from the blobs.

use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::name::ChannelName;
use crate::oci::Descriptor;
use crate::platform::Platform;
use crate::timestamp::Timestamp;
use crate::{API_VERSION, evidence_tag, json, limits, media_type};

/// Annotations of our documents: free text that no decision is ever taken by.
pub type Annotations = BTreeMap<String, String>;

/// The inventory of an archive. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Inventory {
    /// In an annex: the identity of the archive that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annex_of: Option<Digest>,
    /// Notes for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// [`API_VERSION`].
    pub api_version: String,
    /// The sites that it is meant for, in order; none means any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<ChannelName>,
    /// In a differential archive: the identity of the archive that holds what is not carried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Digest>,
    /// Large content in archive order: the layers of items.
    pub content: Vec<ContentBlob>,
    /// When the lock was made.
    pub created: Timestamp,
    /// The program that wrote it, with its version.
    pub generator: String,
    /// The moment after which no site accepts it for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_before: Option<Timestamp>,
    /// What it brings, by kind, name and digest.
    pub items: Vec<Item>,
    /// Always `Inventory`.
    pub kind: String,
    /// Manifests, configs and evidence in archive order. They come first and always travel.
    pub metadata: Vec<Blob>,
    /// The channel: the name of the definition.
    pub name: ChannelName,
    /// The serial of `created`: it grows without anybody keeping a counter.
    pub serial: u64,
}

/// A blob that is in the archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

/// A blob of large content, which a differential archive may leave out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ContentBlob {
    /// Whether the archive holds it; `false` is written, `true` is not.
    #[serde(default = "carried", skip_serializing_if = "Clone::clone")]
    pub carried: bool,
    /// Its digest.
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
}

const fn carried() -> bool {
    true
}

/// One thing that the archive brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Item {
    /// Notes for people.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: Annotations,
    /// Signatures, attestations and reports about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// The group that it can be loaded with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// What it is.
    pub kind: ItemKind,
    /// Its full name upstream: a reference, with the tag where there is one.
    pub name: String,
    /// The platforms that were selected; none means that everything the source lists is here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub platforms: Vec<Platform>,
    /// What the name points to inside.
    pub published: Descriptor,
    /// The names of items that it cannot do without.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub requires: Vec<String>,
    /// What the name pointed to upstream.
    pub source: Descriptor,
    /// Where it is to go, for the kinds that say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The kinds of items that this version knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ItemKind {
    /// Any other OCI artifact, such as a Trivy database.
    Artifact,
    /// A Helm chart.
    Chart,
    /// A container image.
    Image,
}

impl std::fmt::Display for ItemKind {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Artifact => "artifact",
            Self::Chart => "chart",
            Self::Image => "image",
        })
    }
}

/// A manifest that says something about an item or about a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// Its digest.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// The manifest that it is about: the item, one of its platforms, or other evidence.
    pub subject: Digest,
    /// The legacy tag that it is found by (`sha256-<hex>.sig`); none for a referrer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
}

impl Evidence {
    /// Its manifest.
    #[must_use]
    pub fn descriptor(&self) -> Descriptor {
        Descriptor { digest: self.digest, media_type: self.media_type.clone(), size: self.size }
    }
}

/// Why bytes under a good signature are not an inventory that this version reads.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InventoryError {
    /// Another apiVersion: nothing is wrong with the archive.
    #[error(
        "found apiVersion {0:?}, wanted {API_VERSION}: the archive was made by a newer Airgap, use that version here too"
    )]
    Newer(String),
    /// Not JSON in the canonical form, or not of the expected fields.
    #[error("the inventory: {0}")]
    Json(#[from] json::JsonError),
    /// A rule of the format is broken.
    #[error("the inventory: {0}")]
    Rule(String),
}

/// The two fields that every version has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
}

impl Inventory {
    /// Reads an inventory and holds it to every rule of the format that needs no blob.
    ///
    /// # Errors
    /// When it is of another version, not canonical, or breaks a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, InventoryError> {
        if bytes.len() as u64 > limits::INVENTORY_BYTES {
            let found = bytes.len();
            let message = format!("found {found} bytes, wanted at most {}", limits::INVENTORY_BYTES);
            return Err(InventoryError::Rule(message));
        }
        let head: Head = json::parse(bytes)?;
        if head.api_version != API_VERSION {
            return Err(InventoryError::Newer(json::shortened(&head.api_version)));
        }
        let mut inventory: Self = json::parse_canonical(bytes)?;
        inventory.check()?;
        // It is kept as long as the archive is open, and the lists grew by doubling.
        inventory.items.shrink_to_fit();
        inventory.content.shrink_to_fit();
        inventory.metadata.shrink_to_fit();
        Ok(inventory)
    }

    /// The bytes whose digest is the identity.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::encode(self)
    }

    /// Every blob that the archive holds, in archive order.
    pub fn carried(&self) -> impl Iterator<Item = Blob> + '_ {
        let content = self.content.iter().filter(|blob| blob.carried);
        self.metadata.iter().copied().chain(content.map(|blob| Blob { digest: blob.digest, size: blob.size }))
    }

    /// Holds the inventory to the rules that [`Inventory::parse`] holds it to; for the writer.
    ///
    /// # Errors
    /// The first broken rule.
    pub fn check(&self) -> Result<(), InventoryError> {
        let rule = |holds: bool, message: &str| {
            if holds { Ok(()) } else { Err(InventoryError::Rule(message.to_owned())) }
        };
        rule(self.kind == "Inventory", "found another kind than Inventory")?;
        rule(self.serial == self.created.serial(), "found a serial that is not the time of creation")?;
        rule(
            self.import_before.is_none_or(|before| before > self.created),
            "found an import date before its creation",
        )?;
        rule(is_increasing(self.audience.iter()), "found an audience that is not in order")?;
        rule(
            !self.generator.is_empty()
                && self.generator.len() <= 128
                && self.generator.bytes().all(|b| (0x20..0x7f).contains(&b)),
            "found a generator that is not a short text",
        )?;
        check_annotations(&self.annotations)?;
        self.check_blobs()?;
        let keys = self.items.iter().map(|item| (item.kind, item.name.as_str(), item.published.digest));
        rule(is_increasing(keys), "found items that are not in order, or one item twice")?;
        let names: HashSet<&str> = self.items.iter().map(|item| item.name.as_str()).collect();
        rule(names.len() == self.items.len(), "found one name on two items")?;
        self.items.iter().try_for_each(|item| check_item(item, &names))
    }

    fn check_blobs(&self) -> Result<(), InventoryError> {
        let broken = |message: String| Err(InventoryError::Rule(message));
        let count = self.metadata.len().saturating_add(self.content.len());
        if count > limits::BLOBS {
            return broken(format!("found {count} blobs, wanted at most {}", limits::BLOBS));
        }
        let content = self.content.iter().map(|blob| Blob { digest: blob.digest, size: blob.size });
        let mut seen = HashSet::with_capacity(count);
        let mut total = 0_u64;
        for blob in self.metadata.iter().copied().chain(content) {
            if !seen.insert(blob.digest) {
                return broken(format!("found the blob {} twice", blob.digest));
            }
            // A member costs its size and at most two blocks more.
            total = total.saturating_add(blob.size).saturating_add(1024);
            if blob.size >= limits::SIZE || total >= limits::SIZE {
                return broken(format!(
                    "found sizes that sum up to 2^53 or more, at the blob {}",
                    blob.digest
                ));
            }
        }
        if let Some(blob) = self.metadata.iter().find(|blob| blob.size > limits::EVIDENCE_BYTES) {
            let (found, wanted) = (blob.size, limits::EVIDENCE_BYTES);
            return broken(format!(
                "found {} with {found} bytes, wanted at most {wanted} of metadata",
                blob.digest
            ));
        }
        if self.base.is_none() && self.content.iter().any(|blob| !blob.carried) {
            return broken("found content that is not carried, and no base that has it".to_owned());
        }
        Ok(())
    }
}

fn check_item(item: &Item, names: &HashSet<&str>) -> Result<(), InventoryError> {
    let rule = |holds: bool, message: &str| {
        let name = json::shortened(&item.name);
        if holds { Ok(()) } else { Err(InventoryError::Rule(format!("the item {name:?}: {message}"))) }
    };
    let is_reference = item
        .name
        .parse::<crate::Reference>()
        .is_ok_and(|reference| reference.to_string() == item.name && item.name.len() <= limits::NAME_BYTES);
    rule(is_reference, "found a name that is not a full reference")?;
    let pinned = item.name.parse::<crate::Reference>().ok().and_then(|reference| reference.digest());
    rule(
        pinned.is_none_or(|digest| digest == item.source.digest),
        "found another source than the digest in its name",
    )?;
    for descriptor in [&item.published, &item.source] {
        rule(media_type::is_manifest(&descriptor.media_type), "found another media type than a manifest's")?;
        rule(descriptor.size <= limits::MANIFEST_BYTES, "found a manifest that is too large")?;
    }
    let is_selected = item.published.digest != item.source.digest;
    rule(is_selected || item.published == item.source, "found one digest with two descriptions")?;
    rule(is_selected != item.platforms.is_empty(), "found platforms without a selection, or the reverse")?;
    rule(
        !is_selected || media_type::is_index(&item.source.media_type),
        "found a selection from something that is no index",
    )?;
    rule(
        item.platforms.iter().collect::<HashSet<_>>().len() == item.platforms.len(),
        "found a platform twice",
    )?;
    rule(is_increasing(item.requires.iter()), "found requirements that are not in order")?;
    let is_known = |name: &String| names.contains(name.as_str()) && *name != item.name;
    rule(item.requires.iter().all(is_known), "found a requirement that is not another item here")?;
    let is_label = |text: &String| text.parse::<ChannelName>().is_ok();
    rule(item.group.as_ref().is_none_or(is_label), "found a group that is not a name")?;
    rule(item.to.is_none(), "found a target path, which this kind does not have")?;
    check_annotations(&item.annotations)?;
    let keys = item.evidence.iter().map(|evidence| (evidence.subject, evidence.digest, &evidence.tag));
    rule(is_increasing(keys), "found evidence that is not in order")?;
    let mut tags = HashSet::new();
    let is_alone =
        item.evidence.iter().filter_map(|evidence| evidence.tag.as_ref()).all(|tag| tags.insert(tag));
    rule(is_alone, "found two manifests under one tag")?;
    rule(
        item.evidence.len() <= limits::EVIDENCE_PER_ITEM,
        "found more evidence than an item may have (10,000 manifests)",
    )?;
    for evidence in &item.evidence {
        let of_subject = |kind| evidence_tag::legacy(evidence.subject, kind);
        let is_ours =
            |tag: &String| evidence_tag::LEGACY_KINDS.into_iter().any(|kind| *tag == of_subject(kind));
        rule(
            evidence.tag.as_ref().is_none_or(is_ours),
            "found evidence under a tag that is not its subject's",
        )?;
        rule(media_type::is_manifest(&evidence.media_type), "found evidence that is no manifest")?;
        rule(evidence.size <= limits::MANIFEST_BYTES, "found an evidence manifest that is too large")?;
    }
    Ok(())
}

/// Keys are ASCII, so that their order is the same in every language that sorts them.
fn check_annotations(annotations: &Annotations) -> Result<(), InventoryError> {
    match annotations.keys().find(|key| key.is_empty() || !key.bytes().all(|byte| byte.is_ascii_graphic())) {
        Some(key) => Err(InventoryError::Rule(format!(
            "found the annotation {:?}, wanted an ASCII key",
            json::shortened(key)
        ))),
        None => Ok(()),
    }
}

fn is_increasing<T: PartialOrd>(mut values: impl Iterator<Item = T>) -> bool {
    let Some(mut last) = values.next() else { return true };
    values.all(|value| {
        let grows = last < value;
        last = value;
        grows
    })
}
