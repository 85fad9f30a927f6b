//! What an approval brings along: what is left out, and reports that it stands on.
//!
//! Each is an artifact of its own in the annex, so the approver's signature covers it. An annex with anything else
//! in it is by a newer version and does not count: what is not understood might have left something out.

use std::collections::HashMap;
use std::fs::File;

use manifests::exclusions::Exclusions;
use manifests::inventory::{Inventory, Item, ItemKind};
use manifests::oci::{Image, Manifest};
use manifests::{Descriptor, Digest, limits, media_type};
use transfer::archive::Verified;

/// What an approval brings along.
#[derive(Debug, Clone, Default)]
pub(crate) struct Contents {
    /// What is left out. Every item is one of the archive's.
    pub(crate) exclusions: Vec<Exclusions>,
    /// Reports, each with the manifest that it is said to be about.
    pub(crate) reports: Vec<(Digest, Descriptor)>,
    /// Searches of the archive for malware.
    pub(crate) searches: Vec<Descriptor>,
}

/// Reads what is in `annex`, which is about the archive with the inventory `about`.
///
/// # Errors
/// When there is something in it that this version does not know, or an item is left out that the archive does not
/// have.
pub(super) fn read(annex: &Verified<File>, about: &Inventory) -> Result<Contents, String> {
    let mut contents = Contents::default();
    let digests: HashMap<&str, Digest> =
        about.items.iter().map(|item| (item.name.as_str(), item.published.digest)).collect();
    for item in &annex.inventory().items {
        let wrong = |message: String| format!("{}: {message}", item.name);
        let (kind, manifest, layer) = artifact(annex, item).map_err(wrong)?;
        match kind.as_str() {
            media_type::EXCLUSIONS => {
                let exclusions = exclusions(annex, &layer, &digests).map_err(wrong)?;
                contents.exclusions.push(exclusions);
            }
            media_type::SCAN_REPORT => {
                let subject = manifest.subject.as_ref();
                let subject = subject.ok_or_else(|| wrong("found a report about nothing".to_owned()))?;
                contents.reports.push((subject.digest, layer));
            }
            media_type::MALWARE_REPORT => contents.searches.push(layer),
            other => return Err(wrong(unknown(other))),
        }
    }
    Ok(contents)
}

/// An artifact's type, its manifest, and its one layer, which has the same type.
fn artifact(annex: &Verified<File>, item: &Item) -> Result<(String, Image, Descriptor), String> {
    if item.kind != ItemKind::Artifact || !item.evidence.is_empty() {
        return Err(unknown(&item.kind.to_string()));
    }
    let bytes = annex.metadata(&item.published).map_err(|error| error.to_string())?;
    let manifest = Manifest::parse(&bytes, &item.published.media_type).map_err(|error| error.to_string())?;
    let Manifest::Image(manifest) = manifest else { return Err(unknown("index")) };
    let kind = manifest.artifact_type.clone().unwrap_or_default();
    let layer = match manifest.layers.as_slice() {
        [layer] if layer.media_type == kind && layer.size <= limits::EVIDENCE_BYTES => layer.descriptor(),
        _ => return Err(unknown(&kind)),
    };
    Ok((kind, *manifest, layer))
}

fn unknown(kind: &str) -> String {
    let kind = manifests::json::shortened(kind);
    format!("found {kind:?} in the annex, wanted exclusions or reports; use a newer Airgap to count it")
}

fn exclusions(
    annex: &Verified<File>,
    layer: &Descriptor,
    digests: &HashMap<&str, Digest>,
) -> Result<Exclusions, String> {
    let bytes = annex.metadata(layer).map_err(|error| error.to_string())?;
    let exclusions = Exclusions::parse(&bytes).map_err(|error| error.to_string())?;
    let is_here = |name: &str, digest| digests.get(name) == Some(&digest);
    match exclusions.items.iter().find(|item| !is_here(&item.name, item.digest)) {
        Some(item) => {
            let name = manifests::json::shortened(&item.name);
            Err(format!("found {name:?} ({}) left out, which the archive does not have", item.digest))
        }
        None => Ok(exclusions),
    }
}
