//! `index.json`: what makes an archive an OCI image layout. A function of the inventory alone.

use std::collections::{BTreeMap, HashMap, HashSet};

use manifests::inventory::Inventory;
use manifests::{Digest, json, limits, media_type};
use serde::Serialize;

/// The file that marks an OCI image layout.
pub(crate) const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// The full name, where containerd looks for it.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// The tag-safe name, where the layout's own tools look for it.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Index<'a> {
    manifests: Vec<Entry<'a>>,
    media_type: &'a str,
    schema_version: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'a str, &'a str>,
    digest: Digest,
    media_type: &'a str,
    size: u64,
}

/// The bytes of `index.json`: each item under its name, then each evidence manifest once.
pub(crate) fn encode(inventory: &Inventory) -> Vec<u8> {
    let names = ref_names(inventory.items.iter().map(|item| item.name.as_str()));
    let items = inventory.items.iter().zip(&names).map(|(item, ref_name)| Entry {
        annotations: BTreeMap::from([(IMAGE_NAME, item.name.as_str()), (REF_NAME, ref_name.as_str())]),
        digest: item.published.digest,
        media_type: &item.published.media_type,
        size: item.published.size,
    });
    let mut seen = HashSet::new();
    let evidence = inventory.items.iter().flat_map(|item| &item.evidence);
    let evidence = evidence.filter(|evidence| seen.insert(evidence.digest)).map(|evidence| Entry {
        annotations: BTreeMap::new(),
        digest: evidence.digest,
        media_type: &evidence.media_type,
        size: evidence.size,
    });
    let manifests = items.chain(evidence).collect();
    json::encode(&Index { manifests, media_type: media_type::OCI_INDEX, schema_version: 2 })
}

/// Names that fit into a tag, in the order of `names`, each once: oras cuts a name at its last colon.
#[must_use]
pub fn ref_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let names: Vec<(&str, String)> = names.map(|name| (name, tag_safe(name))).collect();
    let mut uses: HashMap<&str, usize> = HashMap::new();
    for (_, safe) in &names {
        *uses.entry(safe.as_str()).or_default() += 1;
    }
    let unique = |(name, safe): &(&str, String)| {
        let is_taken = uses.get(safe.as_str()).is_some_and(|uses| *uses > 1);
        if is_taken || safe.len() > limits::TAG_BYTES || has_digest(safe) {
            with_digest(name, safe)
        } else {
            safe.clone()
        }
    };
    names.iter().map(unique).collect()
}

fn tag_safe(name: &str) -> String {
    let safe = |byte: u8| {
        if byte.is_ascii_alphanumeric() || b"._-".contains(&byte) { char::from(byte) } else { '-' }
    };
    let text: String = name.bytes().map(safe).collect();
    // A tag starts with a letter, a digit or `_`.
    match text.strip_prefix(['-', '.']) {
        Some(rest) => format!("_{rest}"),
        None => text,
    }
}

/// How many digits of a digest keep two names apart.
const DIGITS: usize = 12;

/// Whether a name ends as [`with_digest`] ends one. Such a name gets a digest as well: a tag upstream could
/// otherwise be chosen to look like another name with its digest.
fn has_digest(safe: &str) -> bool {
    let is_digit = |character: char| matches!(character, '0'..='9' | 'a'..='f');
    safe.rsplit_once('-').is_some_and(|(_, end)| end.len() == DIGITS && end.chars().all(is_digit))
}

fn with_digest(name: &str, safe: &str) -> String {
    let hex = Digest::of(name.as_bytes()).hex();
    let kept = safe.len().min(limits::TAG_BYTES - DIGITS - 1);
    format!("{}-{}", &safe[..kept], &hex[..DIGITS])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_be_chosen_to_look_like_another_with_its_digest() {
        let first = ref_names(["r.example/a/b:1", "r.example/a-b:1"].into_iter());
        let chosen = format!("r.example/a/b:1-{}", first[0].rsplit_once('-').unwrap().1);
        let names = ref_names(["r.example/a/b:1", "r.example/a-b:1", &chosen].into_iter());
        assert_eq!(names[..2], first[..]);
        assert_ne!(names[0], names[2]);
    }

    #[test]
    fn names_are_tags_and_stay_apart() {
        let long = format!("ghcr.io/{}:1", "a".repeat(200));
        let names = ["ghcr.io/a/b:1", "ghcr.io/a-b:1", "[::1]:5000/a:1", "docker.io/library/x:1", &long];
        let safe = ref_names(names.into_iter());
        assert_eq!(safe[0], format!("ghcr.io-a-b-1-{}", &Digest::of(names[0].as_bytes()).hex()[..12]));
        assert_eq!(safe[1], format!("ghcr.io-a-b-1-{}", &Digest::of(names[1].as_bytes()).hex()[..12]));
        assert_eq!(safe[2], "_--1--5000-a-1");
        assert_eq!(safe[3], "docker.io-library-x-1");
        assert_eq!(safe[4].len(), 128);
        assert!(safe.iter().all(|name| manifests::reference::is_tag(name)));
    }
}
