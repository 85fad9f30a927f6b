//! What a manifest consists of: every manifest and blob below it, children before parents.

use std::collections::HashSet;

use manifests::inventory::Blob;
use manifests::media_type::{self, SIGSTORE_BUNDLES};
use manifests::oci::{Image, Manifest, ManifestError};
use manifests::{Descriptor, Digest, limits};
use transfer::archive::ArchiveError;

use crate::blobs::Metadata;

/// A manifest with everything below it, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The manifest that everything is below.
    pub(crate) root: Descriptor,
    /// The manifests below it, those of platforms before the indexes that list them.
    pub(crate) children: Vec<Descriptor>,
    /// Those of the children that indexes list for the platform that no machine has, and for no other: attestations of
    /// BuildKit, which no gate judges.
    pub(crate) for_none: Vec<Digest>,
    /// Configs and layers, in the order of their first use.
    pub(crate) blobs: Vec<Blob>,
    /// Whether a Sigstore bundle is among them.
    pub(crate) has_bundle: bool,
    /// What the root says that it is about.
    pub(crate) subject: Option<Digest>,
}

impl Tree {
    /// The manifests: children before the indexes that list them, the root last. Registries refuse a manifest that
    /// names something they do not have.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &Descriptor> {
        self.children.iter().chain([&self.root])
    }

    /// Everything in it: the blobs, then the manifests, children first.
    pub(crate) fn parts(&self) -> impl Iterator<Item = Blob> + '_ {
        self.blobs.iter().copied().chain(self.manifest_parts())
    }

    /// The manifests, children first.
    pub(crate) fn manifest_parts(&self) -> impl Iterator<Item = Blob> + '_ {
        self.manifests().map(|manifest| Blob { digest: manifest.digest, size: manifest.size })
    }
}

/// Why a tree cannot be walked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    /// A manifest cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A manifest is not one.
    #[error("the manifest {0}: {1}")]
    Manifest(Digest, ManifestError),
    /// Indexes within indexes beyond [`limits::INDEX_DEPTH`].
    #[error("the index {0}: found more than {max} levels of indexes", max = limits::INDEX_DEPTH)]
    Depth(Digest),
    /// The item's name is not a reference.
    #[error("{0}")]
    Name(String),
}

/// Walks from `root` down.
///
/// # Errors
/// When a manifest below it is missing, changed or not one.
pub(crate) fn walk(content: &dyn Metadata, root: &Descriptor) -> Result<Tree, TreeError> {
    let (children, for_none, blobs) = (vec![], vec![], vec![]);
    let tree = Tree { root: root.clone(), children, for_none, blobs, has_bundle: false, subject: None };
    let mut walk = Walk { content, tree, seen: HashSet::new(), runs: HashSet::new() };
    let subject = walk.manifest(root, false, 0)?;
    let mut tree = Tree { subject, ..walk.tree };
    tree.for_none.retain(|child| !walk.runs.contains(child));
    tree.for_none.shrink_to_fit();
    // Thousands of them are kept, and a list of a few entries is made for more.
    tree.children.shrink_to_fit();
    tree.blobs.shrink_to_fit();
    Ok(tree)
}

struct Walk<'a> {
    content: &'a dyn Metadata,
    tree: Tree,
    seen: HashSet<Digest>,
    /// Children that an index lists for a platform that a machine may have, where others are for none.
    runs: HashSet<Digest>,
}

impl Walk<'_> {
    /// `is_for_none`: every index on the way lists it for the platform that no machine has.
    fn manifest(
        &mut self,
        at: &Descriptor,
        is_for_none: bool,
        depth: usize,
    ) -> Result<Option<Digest>, TreeError> {
        if depth > limits::INDEX_DEPTH {
            return Err(TreeError::Depth(at.digest));
        }
        if !self.seen.insert(at.digest) {
            return Ok(None);
        }
        let subject = match read(self.content, at)? {
            Manifest::Image(image) => {
                self.image(&image);
                image.subject
            }
            Manifest::Index(index) => {
                for child in &index.manifests {
                    if media_type::is_manifest(&child.media_type) {
                        let is_for_none = is_for_none || child.is_for_none();
                        if is_for_none {
                            self.tree.for_none.push(child.digest);
                        } else {
                            self.runs.insert(child.digest);
                        }
                        self.manifest(&child.descriptor(), is_for_none, depth + 1)?;
                    } else {
                        self.blob(&child.media_type, child.digest, child.size);
                    }
                }
                index.subject
            }
        };
        // The root comes last, and is there from the beginning.
        if depth > 0 {
            self.tree.children.push(at.clone());
        }
        Ok(subject.map(|subject| subject.digest))
    }

    fn image(&mut self, image: &Image) {
        for entry in std::iter::once(&image.config).chain(&image.layers) {
            self.blob(&entry.media_type, entry.digest, entry.size);
        }
    }

    fn blob(&mut self, media_type: &str, digest: Digest, size: u64) {
        if self.seen.insert(digest) {
            self.tree.has_bundle |= media_type.starts_with(SIGSTORE_BUNDLES);
            self.tree.blobs.push(Blob { digest, size });
        }
    }
}

/// Reads one manifest.
///
/// # Errors
/// When it is missing, changed or not one.
pub(crate) fn read(content: &dyn Metadata, at: &Descriptor) -> Result<Manifest, TreeError> {
    if at.size > limits::MANIFEST_BYTES {
        let size = usize::try_from(at.size).unwrap_or(usize::MAX);
        return Err(TreeError::Manifest(at.digest, ManifestError::Size(size)));
    }
    let bytes = content.metadata(at)?;
    Manifest::parse(&bytes, &at.media_type).map_err(|error| TreeError::Manifest(at.digest, error))
}
