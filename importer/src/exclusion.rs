//! What approvers leave out of an archive, with what depends on it: it is neither judged nor loaded.
//!
//! What depends on an item is read from the archive's own inventory. An approver's list can only make it more.

use std::collections::{BTreeMap, HashMap, HashSet};

use console::{Class, Failure, Failures};
use manifests::Reference;
use manifests::exclusions::ExcludedItem;
use manifests::inventory::Item;
use manifests::receipt::ExclusionRecord;

use crate::annex::Annex;

/// What is left out, in the inventory's order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Excluded {
    records: Vec<ExclusionRecord>,
    names: HashSet<String>,
}

impl Excluded {
    /// Whether the item of this name is left out.
    #[must_use]
    pub(crate) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// Each item, with who left it out and why.
    #[must_use]
    pub(crate) fn records(&self) -> &[ExclusionRecord] {
        &self.records
    }

    /// The items that stay.
    pub(crate) fn rest<'a>(&self, items: &'a [Item]) -> impl Iterator<Item = &'a Item> {
        items.iter().filter(|item| !self.has(&item.name))
    }
}

/// What the approvals among `annexes` leave out of `items`, together. Where several name an item, the first counts.
#[must_use]
pub(crate) fn counted(items: &[Item], annexes: &[Annex]) -> Excluded {
    let mut out: BTreeMap<usize, ExclusionRecord> = BTreeMap::new();
    let at: HashMap<&str, usize> =
        items.iter().enumerate().map(|(at, item)| (item.name.as_str(), at)).collect();
    // What somebody names is noted as such, also where another's list leads to it.
    let mut open = Vec::new();
    for annex in annexes {
        let Some(by) = annex.signers.first().map(|signer| &signer.person) else { continue };
        for exclusions in &annex.contents.exclusions {
            for ExcludedItem { digest, name } in &exclusions.items {
                let Some(at) = at.get(name.as_str()).copied() else { continue };
                open.push(at);
                out.entry(at).or_insert_with(|| ExclusionRecord {
                    by: by.clone(),
                    digest: *digest,
                    name: name.clone(),
                    reason: exclusions.reason.clone(),
                    requires: None,
                });
            }
        }
    }
    let dependants = dependants(items);
    while let Some(next) = open.pop() {
        let Some(cause) = out.get(&next).cloned() else { continue };
        for at in dependants.get(cause.name.as_str()).into_iter().flatten() {
            let Some(item) = items.get(*at).filter(|_| !out.contains_key(at)) else { continue };
            let requires = Some(cause.name.clone());
            let (digest, name) = (item.published.digest, item.name.clone());
            out.insert(*at, ExclusionRecord { digest, name, requires, ..cause.clone() });
            open.push(*at);
        }
    }
    let names = out.values().map(|record| record.name.clone()).collect();
    Excluded { records: out.into_values().collect(), names }
}

/// The positions of the items that require an item, by its name.
fn dependants(items: &[Item]) -> HashMap<&str, Vec<usize>> {
    let mut dependants: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        for required in &item.requires {
            dependants.entry(required).or_default().push(at);
        }
    }
    dependants
}

/// The items that a person names, by full or short name.
///
/// # Errors
/// Each name that no item has.
pub(crate) fn named(items: &[Item], wanted: &[String]) -> Result<Vec<ExcludedItem>, Failures> {
    let (mut found, mut failures) = (BTreeMap::new(), Vec::new());
    for name in wanted {
        let full = name.parse::<Reference>().map(|name| name.to_string()).unwrap_or_default();
        match items.iter().find(|item| item.name == *name || item.name == full) {
            Some(item) => drop(found.insert(&item.name, item.published.digest)),
            None => failures.push(
                Failure::new(Class::Usage, name, "found no item of this name in the archive")
                    .advise("inspect lists the items"),
            ),
        }
    }
    let items = found.into_iter().map(|(name, digest)| ExcludedItem { digest, name: name.clone() });
    Failures::unless_empty(failures, items.collect())
}
