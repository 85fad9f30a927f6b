//! Definition -> Resolved: every mutable name is read once and pinned to a digest, and the serial is issued.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry as Slot;

use console::{Class, Failure};
use futures_util::{StreamExt as _, stream};
use manifests::definition::Definition;
use manifests::inventory::{Evidence, Item};
use manifests::lock::{Lock, LockedItem, Skipped};
use manifests::reference::Repository;
use manifests::{ChannelName, Descriptor, Platform, Timestamp};

use crate::sources::{Entry, Inputs, Pin, PinError};
use crate::upstream::Upstream;

/// How many entries are worked on at once. Each host has its own, smaller limit on requests.
pub(crate) const AT_ONCE: usize = 32;

/// What a definition means right now.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(crate) name: ChannelName,
    pub(crate) audience: Vec<ChannelName>,
    pub(crate) import_before: Option<Timestamp>,
    pub(crate) created: Timestamp,
    pub(crate) inputs: Inputs,
    pub(crate) items: Vec<ResolvedItem>,
    pub(crate) skipped: Vec<Skipped>,
    _private: (),
}

/// An entry with what its name means.
#[derive(Debug)]
pub(crate) struct ResolvedItem {
    pub(crate) pin: Pin,
    pub(crate) group: Option<ChannelName>,
    pub(crate) platforms: Vec<Platform>,
    /// Whether the entry says the platforms itself, or takes the definition's.
    pub(crate) has_own_platforms: bool,
    /// Whether the entry names a digest, which is then what is carried.
    pub(crate) is_by_digest: bool,
    /// What the older lock says about it, when it is not to be pinned anew.
    pub(crate) kept: Option<Kept>,
}

/// What is kept of an older lock.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) published: Descriptor,
    pub(crate) evidence: Vec<Evidence>,
}

/// What of an older lock stays as it is.
#[derive(Debug)]
pub(crate) struct Update<'a> {
    old: &'a Lock,
    names: &'a [String],
}

/// An older lock that does not fit what is asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpdateError {
    /// No entry has that name.
    #[error("found no entry {0:?} in the definition, wanted the name of one")]
    Unknown(String),
}

impl<'a> Update<'a> {
    /// Pins only `names` anew.
    ///
    /// # Errors
    /// Each name that no entry has.
    pub(crate) fn new(
        old: &'a Lock,
        names: &'a [String],
        entries: &[Entry],
    ) -> Result<Self, Vec<UpdateError>> {
        let is_known = |name: &&String| entries.iter().any(|entry| is_named(entry, name));
        let unknown: Vec<_> = names.iter().filter(|name| !is_known(name)).cloned().collect();
        if unknown.is_empty() {
            Ok(Self { old, names })
        } else {
            Err(unknown.into_iter().map(UpdateError::Unknown).collect())
        }
    }

    /// What the old lock pinned an entry to, unless it is to be pinned anew, is new or lies on the disk.
    fn kept(&self, entry: &Entry) -> Option<&LockedItem> {
        if entry.wanted.is_local() || self.names.iter().any(|name| is_named(entry, name)) {
            return None;
        }
        entry.wanted.find(&self.old.items)
    }

    /// What was left out of the evidence in a repository that is not asked again.
    fn left_out(&self, origin: &Repository) -> impl Iterator<Item = Skipped> + '_ {
        let prefix = format!("{origin}: evidence ");
        self.old.skipped.iter().filter(move |skipped| skipped.name.starts_with(&prefix)).cloned()
    }

    /// Whether an entry was absent when the old lock was made, and is not asked for again.
    fn is_skipped(&self, entry: &Entry) -> bool {
        let name = entry.wanted.to_string();
        let asked = self.names.iter().any(|wanted| is_named(entry, wanted));
        entry.optional && !asked && self.old.skipped.iter().any(|skipped| skipped.name == name)
    }
}

/// Whether a person means this entry: as the definition writes it, in full, or by its repository.
fn is_named(entry: &Entry, name: &str) -> bool {
    let written = entry.wanted.to_string();
    let repository = entry.wanted.repository();
    let name = name.strip_prefix("oci://").unwrap_or(name);
    written == name
        || name.parse().is_ok_and(|named| *repository == named)
        || name.parse::<manifests::Reference>().is_ok_and(|named| named.to_string() == written)
}

/// Pins everything that `definition` names, and gives every name that is absent and not optional, is something else,
/// or cannot be had.
pub(crate) async fn resolve(
    definition: &Definition,
    entries: Vec<Entry>,
    inputs: Inputs,
    created: Timestamp,
    update: Option<&Update<'_>>,
    upstream: &Upstream,
) -> (Resolved, Vec<Failure>) {
    let mut failures = Vec::new();
    let mut skipped = Vec::new();
    let mut items = BTreeMap::new();
    let pinning = entries.into_iter().map(|entry| async {
        if update.is_some_and(|update| update.is_skipped(&entry)) {
            return (entry, Err(PinError::Absent(String::new())));
        }
        match update.and_then(|update| update.kept(&entry)) {
            Some(locked) => {
                let kept = pin_of(&locked.item, locked);
                (entry, kept.map(|pin| (pin, Some(kept_of(&locked.item)))))
            }
            None => {
                let pin = entry.wanted.pin(upstream).await;
                (entry, pin.map(|pin| (pin, None)))
            }
        }
    });
    // In their own order, so that the same failures come in the same order.
    let mut pinned = stream::iter(pinning).buffered(AT_ONCE);
    while let Some((entry, pin)) = pinned.next().await {
        match pin {
            Ok((pin, kept)) => {
                if let (Some(update), Some(origin), true) = (update, &pin.origin, kept.is_some()) {
                    skipped.extend(update.left_out(origin));
                }
                let name = pin.name.to_string();
                let item = item(definition, &entry, pin, kept);
                if let Err(failure) = merge(&mut items, name, item) {
                    failures.push(failure);
                }
            }
            Err(PinError::Absent(_)) if entry.optional => {
                let reason = "optional, and absent upstream".to_owned();
                skipped.push(Skipped { name: entry.wanted.to_string(), reason });
            }
            Err(error) => failures.push(failure(&entry, &error)),
        }
    }
    let import_before = definition.import_before.map(|seconds| created.plus_seconds(seconds));
    let import_before = match import_before {
        Some(None) => {
            let message = "found an importBefore beyond the year 9999, wanted a shorter time";
            failures.push(Failure::new(Class::Usage, "importBefore", message));
            None
        }
        before => before.flatten(),
    };
    let resolved = Resolved {
        name: definition.name.clone(),
        audience: definition.audience.clone(),
        import_before,
        created,
        inputs,
        items: items.into_values().collect(),
        skipped,
        _private: (),
    };
    (resolved, failures)
}

fn item(definition: &Definition, entry: &Entry, pin: Pin, kept: Option<Kept>) -> ResolvedItem {
    let own = entry.platforms.as_ref();
    ResolvedItem {
        pin,
        group: entry.group.clone(),
        platforms: own.unwrap_or(&definition.platforms).clone(),
        has_own_platforms: own.is_some(),
        is_by_digest: entry.wanted.is_by_digest(),
        kept,
    }
}

fn pin_of(item: &Item, locked: &LockedItem) -> Result<Pin, PinError> {
    let name = item
        .name
        .parse()
        .map_err(|_| PinError::Other { found: item.name.clone(), wanted: "a reference in the older lock" })?;
    Ok(Pin { name, source: item.source.clone(), origin: locked.origin.clone() })
}

fn kept_of(item: &Item) -> Kept {
    Kept { published: item.published.clone(), evidence: item.evidence.clone() }
}

/// The same thing may stand in several lists; but one name has one content and one destination.
fn merge(
    items: &mut BTreeMap<String, ResolvedItem>,
    name: String,
    item: ResolvedItem,
) -> Result<(), Failure> {
    match items.entry(name) {
        Slot::Vacant(free) => {
            free.insert(item);
            Ok(())
        }
        Slot::Occupied(taken) => {
            let (name, first) = (taken.key(), taken.get());
            let differs = |what: &str| {
                let message = format!("found it twice, with different {what}, wanted one of them");
                Err(Failure::new(Class::Usage, name, message))
            };
            if first.pin.source != item.pin.source {
                differs("digests")
            } else if first.group != item.group {
                differs("groups")
            } else if first.platforms != item.platforms {
                differs("platforms")
            } else {
                Ok(())
            }
        }
    }
}

fn failure(entry: &Entry, error: &PinError) -> Failure {
    match error {
        PinError::Absent(_) => Failure::new(Class::Failed, &entry.wanted, error)
            .advise("correct the name, or mark the entry `optional: true`"),
        // Not absent: a range that was mistyped is no chart that somebody can do without.
        PinError::NoVersion { with_v: 0, .. } => {
            Failure::new(Class::Failed, &entry.wanted, error).advise("correct the range")
        }
        PinError::NoVersion { with_v, .. } => Failure::new(Class::Failed, &entry.wanted, error).advise(
            format!("versions after a `v` are in no range ({with_v} of the tags): name one of them whole"),
        ),
        PinError::Other { .. } => Failure::new(Class::Usage, &entry.wanted, error),
        PinError::Upstream(error) => error.failure(&entry.wanted.to_string()),
    }
}
