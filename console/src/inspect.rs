//! An inventory as both binaries show it.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use gates::signature::has_provenance;
use gates::{Content, Subject};
use indicatif::HumanBytes;
use manifests::inventory::{Inventory, Item};
use manifests::{ChannelName, Digest, limits};
use serde::Serialize;

use crate::escape::escape;
use crate::progress::count;

/// What a differential archive leaves to its base.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCarried {
    /// The identity of the archive that has it.
    pub base: Digest,
    /// How many blobs it is.
    pub blobs: u64,
    /// How many bytes together.
    pub bytes: u64,
}

impl NotCarried {
    /// What an archive does not carry; nothing where it carries all.
    #[must_use]
    pub fn of(inventory: &Inventory) -> Option<Self> {
        let sizes = inventory.content.iter().filter(|blob| !blob.carried).map(|blob| blob.size);
        let (blobs, bytes) = sizes.fold((0, 0), |(blobs, bytes), size| (blobs + 1, bytes + size));
        inventory.base.filter(|_| blobs > 0).map(|base| Self { base, blobs, bytes })
    }
}

impl fmt::Display for NotCarried {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (blobs, bytes) = (count(self.blobs, "blob"), HumanBytes(self.bytes));
        write!(formatter, "{blobs}, {bytes}, which the base {} has: load that first", self.base)
    }
}

/// The charts among these items that have a provenance file, by their manifests: it is a layer of the chart, and stands in
/// no list of evidence.
#[must_use]
pub fn provenances<'a>(items: impl IntoIterator<Item = &'a Item>, content: &dyn Content) -> BTreeSet<Digest> {
    // Where nobody checked the tables, a size is anybody's word.
    let small = items.into_iter().filter(|item| item.published.size <= limits::MANIFEST_BYTES);
    let found = small.filter(|item| has_provenance(Subject { item, content }));
    found.map(|item| item.published.digest).collect()
}

/// What an archive says it is, for people. `standing` says how far that is to be believed; `provenances` which charts
/// have a provenance file.
#[must_use]
pub fn render(
    inventory: &Inventory,
    identity: Digest,
    standing: &str,
    provenances: &BTreeSet<Digest>,
) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<14} {}", escape(value));
    };
    line("status", standing);
    line("identity", &identity.to_string());
    line("name", inventory.name.as_str());
    line("serial", &inventory.serial.to_string());
    line("created", &inventory.created.to_string());
    let before = inventory.import_before.map_or_else(|| "any time".to_owned(), |time| time.to_string());
    line("import before", &before);
    let audience: Vec<&str> = inventory.audience.iter().map(ChannelName::as_str).collect();
    line("audience", &if audience.is_empty() { "any site".to_owned() } else { audience.join(", ") });
    if let Some(archive) = inventory.annex_of {
        line("annex of", &archive.to_string());
    }
    if let Some(base) = inventory.base {
        line("base", &base.to_string());
    }
    line("generator", &inventory.generator);
    let bytes: u64 = inventory.carried().map(|blob| blob.size).sum();
    let blobs = inventory.carried().count();
    line("carried", &format!("{} in {blobs} blobs", HumanBytes(bytes)));
    if let Some(not_carried) = NotCarried::of(inventory) {
        line("not carried", &not_carried.to_string());
    }
    let _ = writeln!(text, "\n{} items", inventory.items.len());
    for item in &inventory.items {
        let platforms: Vec<String> = item.platforms.iter().map(ToString::to_string).collect();
        let platforms =
            if platforms.is_empty() { String::new() } else { format!(" [{}]", platforms.join(", ")) };
        let evidence = item.evidence.len();
        let name = escape(&item.name);
        let _ = writeln!(text, "  {:<8} {name}{platforms}", item.kind.to_string());
        let digest = item.published.digest;
        let provenance = if provenances.contains(&digest) { " and its provenance file" } else { "" };
        let _ = writeln!(text, "           {digest}, {evidence} evidence{provenance}");
    }
    text
}
