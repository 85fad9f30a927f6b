//! What a new lock changes against the one that was there.

use std::collections::{BTreeMap, HashSet};

use indicatif::HumanBytes;
use manifests::Digest;
use manifests::inventory::{Blob, Item};
use manifests::lock::Lock;
use serde::Serialize;

/// The difference between two locks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Changes {
    /// Each item that differs, in the order of the names.
    pub(crate) items: Vec<Change>,
    /// How many items are the same.
    pub(crate) unchanged: usize,
    /// What of the content the older lock did not have, in bytes.
    pub(crate) new_bytes: u64,
}

/// One item that differs.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "change")]
pub(crate) enum Change {
    /// It was not there.
    Added {
        /// Its name.
        name: String,
        /// What the name means.
        digest: Digest,
        /// The size of all of it, in bytes.
        size: u64,
    },
    /// It is no longer there.
    Removed {
        /// Its name.
        name: String,
        /// What the name meant.
        digest: Digest,
    },
    /// The name means something else now.
    Moved {
        /// Its name.
        name: String,
        /// What it meant.
        from: Digest,
        /// What it means.
        to: Digest,
        /// The size of all of what it means now, in bytes.
        size: u64,
    },
    /// The same content, with other platforms or in another group.
    Selected {
        /// Its name.
        name: String,
    },
    /// The same content; something else is said about it.
    Evidence {
        /// Its name.
        name: String,
        /// How many manifests of evidence there were.
        from: usize,
        /// How many there are.
        to: usize,
    },
}

/// Compares two locks; without an older one, everything is new. `size` gives the size of an item of the new one.
pub(crate) fn between(old: Option<&Lock>, new: &Lock, size: impl Fn(&Item) -> u64) -> Changes {
    let items = |lock: &'_ Lock| -> BTreeMap<String, Item> {
        lock.items.iter().map(|locked| (locked.item.name.clone(), locked.item.clone())).collect()
    };
    let mut before = old.map(items).unwrap_or_default();
    let mut changes = Vec::new();
    let mut unchanged = 0;
    for (name, item) in items(new) {
        match before.remove(&name) {
            None => changes.push(Change::Added { name, digest: item.source.digest, size: size(&item) }),
            Some(old) => match compare(name, &old, &item, &size) {
                Some(change) => changes.push(change),
                None => unchanged += 1,
            },
        }
    }
    changes
        .extend(before.into_iter().map(|(name, item)| Change::Removed { name, digest: item.source.digest }));
    let had: HashSet<Digest> =
        old.map(|lock| blobs(lock).map(|blob| blob.digest).collect()).unwrap_or_default();
    let new_bytes = blobs(new).filter(|blob| !had.contains(&blob.digest)).map(|blob| blob.size).sum();
    Changes { items: changes, unchanged, new_bytes }
}

fn blobs(lock: &Lock) -> impl Iterator<Item = &Blob> {
    lock.metadata.iter().chain(&lock.content)
}

fn compare(name: String, old: &Item, new: &Item, size: impl Fn(&Item) -> u64) -> Option<Change> {
    if old.source.digest != new.source.digest {
        let (from, to) = (old.source.digest, new.source.digest);
        return Some(Change::Moved { name, from, to, size: size(new) });
    }
    if old.published != new.published || old.group != new.group {
        return Some(Change::Selected { name });
    }
    let (from, to) = (old.evidence.len(), new.evidence.len());
    (old.evidence != new.evidence).then_some(Change::Evidence { name, from, to })
}

impl std::fmt::Display for Change {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Added { name, digest, size } => {
                write!(formatter, "+ {name} {digest} {}", HumanBytes(*size))
            }
            Self::Removed { name, digest } => write!(formatter, "- {name} {digest}"),
            Self::Moved { name, from, to, size } => {
                write!(formatter, "~ {name} {from} -> {to} {}", HumanBytes(*size))
            }
            Self::Selected { name } => write!(formatter, "~ {name} other platforms or group"),
            Self::Evidence { name, from, to } => write!(formatter, "~ {name} evidence {from} -> {to}"),
        }
    }
}

impl Changes {
    /// For people, one line an item.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for change in &self.items {
            text.push_str(&console::escape::escape(&change.to_string()));
            text.push('\n');
        }
        let (unchanged, new) = (self.unchanged, HumanBytes(self.new_bytes));
        text + &format!("{unchanged} unchanged; {new} that the lock before did not have\n")
    }
}
