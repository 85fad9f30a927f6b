//! What an item consists of: the walk from its manifest to every blob, in archive order.
//!
//! The writer lays an archive out by it and the reader walks again and compares, so the blob table of an
//! inventory is a function of its items. One walk, one order: items in theirs, each from its manifest down
//! (pre-order), each blob where it is first used.

#[cfg(test)]
mod tests;

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::inventory::{Blob, Evidence, Item};
use crate::oci::{Descriptor, Entry, Image, Manifest, ManifestError};
use crate::selection::{self, SelectionError};
use crate::{limits, media_type};

/// Every blob of a set of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// Manifests, configs, provenance files of charts, and evidence.
    pub metadata: Vec<Blob>,
    /// The layers of items, but for those that are metadata as well.
    pub content: Vec<Blob>,
}

/// Why items do not have a closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError<E> {
    /// A manifest could not be had.
    #[error("{item}: {error}")]
    Load {
        /// The item.
        item: String,
        /// Why not.
        error: E,
    },
    /// A manifest is not one.
    #[error("{item}: the manifest {digest}: {error}")]
    Manifest {
        /// The item.
        item: String,
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// What is published does not follow from the source and the platforms.
    #[error("{item}: {error}")]
    Selection {
        /// The item.
        item: String,
        /// What is wrong.
        error: SelectionError,
    },
    /// One digest with two sizes: one of them lies, and offsets would differ between readers.
    #[error("{item}: found the blob {digest} with {first} and with {second} bytes")]
    TwoSizes {
        /// The item where the second size stands.
        item: String,
        /// The blob.
        digest: Digest,
        /// The size that was seen first.
        first: u64,
        /// The other size.
        second: u64,
    },
    /// A referrer that is about something else than the inventory says.
    #[error("{item}: found the evidence {digest} about something else, wanted it about {wanted}")]
    Subject {
        /// The item.
        item: String,
        /// The evidence.
        digest: Digest,
        /// What the inventory says that it is about.
        wanted: Digest,
    },
    /// Evidence about something that is not the item's.
    #[error(
        "{item}: found the evidence {digest} about {subject}, wanted it about the item, a part of it or evidence about those"
    )]
    Stranger {
        /// The item.
        item: String,
        /// The evidence.
        digest: Digest,
        /// What it is about.
        subject: Digest,
    },
    /// A limit of the format.
    #[error("{item}: found {found}, wanted at most {limit}")]
    Limit {
        /// The item.
        item: String,
        /// What is too much.
        found: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// Walks `items` in their order. `load` gives the bytes of a manifest, whose digest it has checked.
///
/// # Errors
/// When a manifest cannot be had or is none, when sizes contradict each other, or at a limit.
pub fn walk<E>(
    items: &[Item],
    load: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, E>,
) -> Result<Closure, ClosureError<E>> {
    let mut walk = Walk {
        load,
        order: Vec::new(),
        at: HashMap::new(),
        walked: HashSet::new(),
        children: HashMap::new(),
        item: String::new(),
    };
    for item in items {
        walk.item.clone_from(&item.name);
        walk.item(item)?;
    }
    let blobs =
        |wanted: Role| walk.order.iter().filter(move |(_, role)| *role == wanted).map(|(blob, _)| *blob);
    Ok(Closure { metadata: blobs(Role::Metadata).collect(), content: blobs(Role::Content).collect() })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Metadata,
    Content,
}

/// What a chart's signer says of it is judged, and is kept with the evidence for as long.
fn is_provenance(chart: &Image, layer: &Entry) -> bool {
    chart.config.media_type == media_type::HELM_CONFIG && layer.media_type == media_type::HELM_PROVENANCE
}

struct Walk<'a, E> {
    load: &'a mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, E>,
    order: Vec<(Blob, Role)>,
    at: HashMap<Digest, usize>,
    /// A manifest is walked once in each role at each depth: an index that lists one child a thousand times,
    /// on four levels, would otherwise never end. The depth counts, so that the limit does not depend on the
    /// order in which a manifest is met.
    walked: HashSet<(Descriptor, Role, usize)>,
    /// The manifests that each index lists.
    children: HashMap<Digest, Vec<Digest>>,
    item: String,
}

impl<E> Walk<'_, E> {
    fn item(&mut self, item: &Item) -> Result<(), ClosureError<E>> {
        if item.source.digest != item.published.digest {
            self.selected_source(item)?;
        }
        self.manifest(&item.published, Role::Content, 0)?;
        item.evidence.iter().try_for_each(|evidence| self.evidence(evidence))?;
        self.subjects(item)
    }

    /// Evidence leads to the item: it is about the item, a part of it, or evidence that leads there itself. What is
    /// about something else, be it by way of evidence about itself, would be pushed to a place where nobody looks for
    /// it, and could pass there as somebody else's.
    fn subjects(&self, item: &Item) -> Result<(), ClosureError<E>> {
        let mut about: HashMap<Digest, Vec<Digest>> = HashMap::new();
        for evidence in &item.evidence {
            about.entry(evidence.subject).or_default().push(evidence.digest);
        }
        let mut known = HashSet::new();
        // What the source lists beside what is published is not here, whether another item brings it or not.
        let mut rest = vec![item.published.digest];
        rest.extend(about.get(&item.source.digest).into_iter().flatten());
        while let Some(digest) = rest.pop() {
            if known.insert(digest) {
                rest.extend(self.children.get(&digest).into_iter().flatten());
                rest.extend(about.get(&digest).into_iter().flatten());
            }
        }
        let is_known = |subject: &Digest| *subject == item.source.digest || known.contains(subject);
        match item.evidence.iter().find(|evidence| !is_known(&evidence.subject)) {
            Some(Evidence { digest, subject, .. }) => {
                Err(ClosureError::Stranger { item: item.name.clone(), digest: *digest, subject: *subject })
            }
            None => Ok(()),
        }
    }

    /// The index that was selected from travels, so that a signature over it proves what was selected.
    fn selected_source(&mut self, item: &Item) -> Result<(), ClosureError<E>> {
        let bytes = self.load(&item.source)?;
        selection::check(&bytes, item)
            .map_err(|error| ClosureError::Selection { item: self.item.clone(), error })?;
        self.add(&item.source, Role::Metadata)
    }

    fn manifest(&mut self, manifest: &Descriptor, layers: Role, depth: usize) -> Result<(), ClosureError<E>> {
        if depth > limits::INDEX_DEPTH {
            return Err(self.limit("indexes within indexes", limits::INDEX_DEPTH as u64));
        }
        self.add(manifest, Role::Metadata)?;
        if !self.walked.insert((manifest.clone(), layers, depth)) {
            return Ok(());
        }
        match self.read(manifest)? {
            Manifest::Image(image) => {
                self.entry(&image.config, Role::Metadata)?;
                image.layers.iter().try_for_each(|layer| {
                    let role = if is_provenance(&image, layer) { Role::Metadata } else { layers };
                    self.entry(layer, role)
                })
            }
            Manifest::Index(index) => {
                let is_manifest = |child: &&Entry| media_type::is_manifest(&child.media_type);
                let children = index.manifests.iter().filter(is_manifest).map(|child| child.digest);
                self.children.insert(manifest.digest, children.collect());
                index.manifests.iter().try_for_each(|child| {
                    if is_manifest(&child) {
                        self.manifest(&child.descriptor(), layers, depth + 1)
                    } else {
                        self.entry(child, layers)
                    }
                })
            }
        }
    }

    fn evidence(&mut self, evidence: &Evidence) -> Result<(), ClosureError<E>> {
        // A referrer says itself what it is about; at a target it would be found there, whatever the inventory says.
        if evidence.tag.is_none() {
            let found = match self.read(&evidence.descriptor())? {
                Manifest::Image(image) => image.subject,
                Manifest::Index(index) => index.subject,
            };
            if found.is_none_or(|subject| subject.digest != evidence.subject) {
                let (item, digest, wanted) = (self.item.clone(), evidence.digest, evidence.subject);
                return Err(ClosureError::Subject { item, digest, wanted });
            }
        }
        self.manifest(&evidence.descriptor(), Role::Metadata, 0)
    }

    fn read(&mut self, manifest: &Descriptor) -> Result<Manifest, ClosureError<E>> {
        if manifest.size > limits::MANIFEST_BYTES {
            return Err(self.limit("a manifest that is too large", limits::MANIFEST_BYTES));
        }
        let bytes = self.load(manifest)?;
        Manifest::parse(&bytes, &manifest.media_type).map_err(|error| ClosureError::Manifest {
            item: self.item.clone(),
            digest: manifest.digest,
            error,
        })
    }

    fn load(&mut self, manifest: &Descriptor) -> Result<Vec<u8>, ClosureError<E>> {
        (self.load)(manifest).map_err(|error| ClosureError::Load { item: self.item.clone(), error })
    }

    fn entry(&mut self, entry: &Entry, role: Role) -> Result<(), ClosureError<E>> {
        self.add(&entry.descriptor(), role)
    }

    fn add(&mut self, descriptor: &Descriptor, role: Role) -> Result<(), ClosureError<E>> {
        let Descriptor { digest, size, .. } = *descriptor;
        if size >= limits::SIZE {
            return Err(self.limit("a blob that is too large", limits::SIZE - 1));
        }
        if role == Role::Metadata && size > limits::EVIDENCE_BYTES {
            return Err(self.limit("a config or evidence that is too large", limits::EVIDENCE_BYTES));
        }
        match self.at.entry(digest) {
            Slot::Vacant(free) => {
                free.insert(self.order.len());
                self.order.push((Blob { digest, size }, role));
            }
            Slot::Occupied(taken) => {
                let (blob, first_role) = &mut self.order[*taken.get()];
                if blob.size != size {
                    let (first, second) = (blob.size, size);
                    return Err(ClosureError::TwoSizes { item: self.item.clone(), digest, first, second });
                }
                // A blob in both roles is metadata: evidence must be whole in the evidence pack.
                if role == Role::Metadata {
                    *first_role = Role::Metadata;
                }
            }
        }
        if self.order.len() > limits::BLOBS {
            return Err(self.limit("more blobs", limits::BLOBS as u64));
        }
        Ok(())
    }

    fn limit(&self, found: &'static str, limit: u64) -> ClosureError<E> {
        ClosureError::Limit { item: self.item.clone(), found, limit }
    }
}
