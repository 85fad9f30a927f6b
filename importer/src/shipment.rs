//! What is to go to the targets: items with everything they consist of.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use console::{Class, Failure, Failures};
use manifests::inventory::{Inventory, Item};
use manifests::{Digest, Reference};

use crate::archive_failure;
use crate::base::Sources;
use crate::blobs::Blobs;
use crate::exclusion::Excluded;
use crate::tree::{self, Tree, TreeError};

/// Items, and where their content is read.
#[derive(Clone)]
pub(crate) struct Shipment {
    /// The items, in the inventory's order.
    pub(crate) items: Vec<Cargo>,
    /// Their content.
    pub(crate) blobs: Arc<dyn Blobs>,
    /// The archive that has what this one does not carry.
    pub(crate) base: Option<Digest>,
    /// Where the base brought that.
    pub(crate) sources: Arc<Sources>,
    /// Whether the site knows that it never began to bring it anywhere: nothing of it lies at a target without a
    /// name by the site's own doing.
    pub(crate) is_new: bool,
    /// Whether a load brought it before and held its names: what is missing was there, and is not at hand any more.
    pub(crate) is_held: bool,
}

/// One item with what it consists of.
#[derive(Debug, Clone)]
pub(crate) struct Cargo {
    /// Its name upstream.
    pub(crate) name: Reference,
    /// Its manifest, with everything below.
    pub(crate) tree: Tree,
    /// What is said about it.
    pub(crate) evidence: Vec<Proof>,
}

/// A piece of evidence with what it consists of.
#[derive(Debug, Clone)]
pub(crate) struct Proof {
    /// What it is about.
    pub(crate) subject: Digest,
    /// The legacy tag that it is found by.
    pub(crate) tag: Option<String>,
    /// Its manifest, with everything below.
    pub(crate) tree: Tree,
    /// Which targets it goes to.
    pub(crate) whom: For,
}

/// Which targets a piece of evidence goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum For {
    /// All: it came in the archive.
    All,
    /// Those that are asked by clusters.
    Registries,
    /// Those that find signatures by their tags only.
    TagsOnly,
}

/// What a target makes of the site's own signatures, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Signatures {
    /// It gets none.
    Unwanted,
    /// It is asked for bundles.
    Bundles,
    /// It counts those under tags, and no bundles.
    BundlesAndTags,
}

impl Signatures {
    /// Whether a piece of evidence goes to such a target.
    pub(crate) fn want(self, whom: For) -> bool {
        match whom {
            For::All => true,
            For::Registries => self != Self::Unwanted,
            For::TagsOnly => self == Self::BundlesAndTags,
        }
    }
}

/// What is wrong at a target with a blob that is not at hand to be brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// It is not there.
    Missing,
    /// Something else stands in its place.
    Changed,
}

impl Shipment {
    /// That a blob is not as it should be at a target, and cannot be brought from what is at hand.
    pub(crate) fn lacks(&self, cargo: &Cargo, digest: Digest, lack: Lack) -> Failure {
        let (found, class) = match lack {
            Lack::Missing => (format!("found no blob {digest} here"), Class::Failed),
            // Content that is collected as garbage comes again; that somebody changed it is to be on record.
            Lack::Changed if self.is_held => {
                (format!("found the blob {digest} changed here"), Class::Refused)
            }
            Lack::Changed => (format!("found the blob {digest} changed here"), Class::Failed),
        };
        let (wanted, advice) = match self.base.filter(|_| !self.is_held) {
            Some(base) => (
                format!("and none in the archive, wanted what its base {base} has"),
                "load the base first, or a full archive",
            ),
            None => ("wanted what was loaded and held".to_owned(), "load it again"),
        };
        Failure::new(class, &cargo.name, format!("{found}, {wanted}")).advise(advice)
    }

    /// What of it goes to a target.
    pub(crate) fn for_target(mut self, signatures: Signatures) -> Self {
        for cargo in &mut self.items {
            cargo.evidence.retain(|proof| signatures.want(proof.whom));
        }
        self
    }
}

impl Cargo {
    /// Its tree and those of its evidence.
    pub(crate) fn trees(&self) -> impl Iterator<Item = &Tree> {
        std::iter::once(&self.tree).chain(self.evidence.iter().map(|proof| &proof.tree))
    }
}

/// Packs the items that `only` names, by group or by name; none means all. What an item requires comes with it, and
/// what approvers left out does not.
///
/// # Errors
/// When `only` names nothing that is there or is left, or a manifest cannot be read.
pub(crate) fn pack(
    inventory: &Inventory,
    excluded: &Excluded,
    blobs: Arc<dyn Blobs>,
    is_new: bool,
    only: &[String],
) -> Result<Shipment, Failures> {
    let chosen = chosen(&inventory.items, excluded, only)?;
    let packed = chosen.into_iter().filter_map(|at| inventory.items.get(at)).map(|item| {
        one(item, blobs.as_ref()).map_err(|error| match error {
            TreeError::Archive(error) => archive_failure::failure(Path::new(&item.name), &error),
            error => Failure::new(Class::Damaged, &item.name, error),
        })
    });
    let mut items = packed.collect::<Result<Vec<_>, Failure>>()?;
    items.shrink_to_fit();
    let (base, sources) = (inventory.base, Arc::default());
    Ok(Shipment { items, blobs, base, sources, is_new, is_held: false })
}

fn one(item: &Item, blobs: &dyn Blobs) -> Result<Cargo, TreeError> {
    let evidence = item.evidence.iter().map(|evidence| {
        let tree = tree::walk(blobs, &evidence.descriptor())?;
        Ok(Proof { subject: evidence.subject, tag: evidence.tag.clone(), tree, whom: For::All })
    });
    let name: Reference = item.name.parse().map_err(|error| TreeError::Name(format!("{error}")))?;
    Ok(Cargo {
        name,
        tree: tree::walk(blobs, &item.published)?,
        evidence: evidence.collect::<Result<_, TreeError>>()?,
    })
}

/// The positions of what `only` names and of what that requires.
fn chosen(items: &[Item], excluded: &Excluded, only: &[String]) -> Result<BTreeSet<usize>, Failures> {
    let stays = |item: &Item| !excluded.has(&item.name);
    if only.is_empty() {
        let all = items.iter().enumerate().filter(|(_, item)| stays(item));
        return Ok(all.map(|(at, _)| at).collect());
    }
    let at: HashMap<&str, usize> =
        items.iter().enumerate().map(|(at, item)| (item.name.as_str(), at)).collect();
    let (mut chosen, mut open, mut failures) = (BTreeSet::new(), Vec::new(), Vec::new());
    for wanted in only {
        let full = wanted.parse::<Reference>().map(|name| name.to_string()).unwrap_or_default();
        let is_wanted =
            |item: &Item| item.group.as_ref() == Some(wanted) || item.name == *wanted || item.name == full;
        let before = open.len();
        let found = items.iter().enumerate().filter(|(_, item)| is_wanted(item) && stays(item));
        open.extend(found.map(|(at, _)| at));
        if open.len() == before {
            let is_out = items.iter().any(is_wanted);
            failures.push(if is_out { left_out(wanted) } else { unknown(wanted, items) });
        }
    }
    while let Some(next) = open.pop() {
        if chosen.insert(next)
            && let Some(item) = items.get(next)
        {
            open.extend(item.requires.iter().filter_map(|name| at.get(name.as_str()).copied()));
        }
    }
    Failures::unless_empty(failures, chosen)
}

fn left_out(wanted: &str) -> Failure {
    Failure::new(
        Class::Refused,
        wanted,
        "found it left out by an approver, wanted something that is to be loaded",
    )
}

fn unknown(wanted: &str, items: &[Item]) -> Failure {
    let groups: BTreeSet<&str> = items.iter().filter_map(|item| item.group.as_deref()).collect();
    let groups = if groups.is_empty() {
        "it has no groups".to_owned()
    } else {
        format!("its groups are {}", groups.into_iter().collect::<Vec<_>>().join(", "))
    };
    let message = format!("found no group and no item of this name in the archive, {groups}");
    Failure::new(Class::Usage, wanted, message).advise("inspect lists the items")
}
