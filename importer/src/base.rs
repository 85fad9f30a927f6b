//! Base: where the archive before brought what a differential archive does not carry.
//!
//! A registry has a blob in a repository, and nowhere else. What is needed in another one can be mounted from there by
//! whoever knows where it is: the base's evidence pack says where the base brought it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use console::Failures;
use manifests::Digest;
use manifests::inventory::Inventory;
use manifests::reference::Repository;

use crate::exclusion::Excluded;
use crate::shipment::{self, Cargo};
use crate::site::Site;
use crate::tree::Tree;

/// The repositories upstream of each blob that is not carried, by the base.
pub(crate) type Sources = HashMap<Digest, BTreeSet<Repository>>;

/// Where the base of an archive brought what the archive does not carry; nothing where the site does not know the
/// base.
///
/// # Errors
/// When the evidence of the base is not what was kept.
pub(crate) fn sources(inventory: &Inventory, site: &Site) -> Result<Sources, Failures> {
    let absent = inventory.content.iter().filter(|blob| !blob.carried);
    let wanted: HashSet<Digest> = absent.map(|blob| blob.digest).collect();
    let known = inventory.base.filter(|base| !wanted.is_empty() && site.evidence_pack(*base).exists());
    let Some(base) = known else { return Ok(Sources::new()) };
    let pack = Arc::new(site.pack(base)?);
    let everything =
        shipment::pack(pack.inventory(), &Excluded::default(), Arc::new(Arc::clone(&pack)), false, &[])?;
    let mut sources = Sources::new();
    for cargo in &everything.items {
        for digest in blobs(cargo).filter(|digest| wanted.contains(digest)) {
            sources.entry(digest).or_default().insert(cargo.name.repository().clone());
        }
    }
    Ok(sources)
}

fn blobs(cargo: &Cargo) -> impl Iterator<Item = Digest> + '_ {
    cargo.trees().flat_map(|tree: &Tree| &tree.blobs).map(|blob| blob.digest)
}
