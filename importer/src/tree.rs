//! What a manifest consists of: every manifest and blob below it, children before parents.

use std::collections::HashSet;

use manifests::oci::{Image, Manifest, ManifestError};
use manifests::{Descriptor, Digest, limits, media_type};
use transfer::archive::ArchiveError;

use crate::blobs::Metadata;

/// A manifest with everything below it, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Tree {
    /// The manifests: children before the indexes that list them, the root last. Registries refuse a
    /// manifest that names something they do not have.
    pub(crate) manifests: Vec<Descriptor>,
    /// Configs and layers, in the order of their first use.
    pub(crate) blobs: Vec<Descriptor>,
    /// What the root says that it is about.
    pub(crate) subject: Option<Digest>,
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
    let mut walk = Walk { content, tree: Tree::default(), seen: HashSet::new() };
    let subject = walk.manifest(root, 0)?;
    Ok(Tree { subject, ..walk.tree })
}

struct Walk<'a> {
    content: &'a dyn Metadata,
    tree: Tree,
    seen: HashSet<Digest>,
}

impl Walk<'_> {
    fn manifest(&mut self, at: &Descriptor, depth: usize) -> Result<Option<Digest>, TreeError> {
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
                        self.manifest(&child.descriptor(), depth + 1)?;
                    } else {
                        self.blob(child.descriptor());
                    }
                }
                index.subject
            }
        };
        self.tree.manifests.push(at.clone());
        Ok(subject.map(|subject| subject.digest))
    }

    fn image(&mut self, image: &Image) {
        for entry in std::iter::once(&image.config).chain(&image.layers) {
            self.blob(entry.descriptor());
        }
    }

    fn blob(&mut self, blob: Descriptor) {
        if self.seen.insert(blob.digest) {
            self.tree.blobs.push(blob);
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
