//! An inventory as both binaries show it.

use std::fmt::Write as _;

use indicatif::HumanBytes;
use manifests::inventory::Inventory;
use manifests::{ChannelName, Digest};

use crate::escape::escape;

/// What an archive says it is, for people. `standing` says how far that is to be believed.
#[must_use]
pub fn render(inventory: &Inventory, identity: Digest, standing: &str) -> String {
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
    let absent = inventory.content.iter().filter(|blob| !blob.carried).count();
    if absent > 0 {
        line("not carried", &format!("{absent} blobs, which the base has"));
    }
    let _ = writeln!(text, "\n{} items", inventory.items.len());
    for item in &inventory.items {
        let platforms: Vec<String> = item.platforms.iter().map(ToString::to_string).collect();
        let platforms =
            if platforms.is_empty() { String::new() } else { format!(" [{}]", platforms.join(", ")) };
        let evidence = item.evidence.len();
        let name = escape(&item.name);
        let _ = writeln!(text, "  {:<8} {name}{platforms}", item.kind.to_string());
        let _ = writeln!(text, "           {}, {evidence} evidence", item.published.digest);
    }
    text
}
