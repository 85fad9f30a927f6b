//! A folder: `DIR/oci/` is an OCI image layout, `index.json` its names.
//!
//! A blob is written under a temporary name, hashed on the way, synced and then renamed, so a file under
//! its final name is whole. Publishing is one rename of `index.json`.

mod legacy;
mod load;
mod publish;
mod shape;
mod survey;
mod workers;

use std::path::{Path, PathBuf};

use console::{Class, Failure, Failures};
use manifests::Digest;
use manifests::inventory::Blob;
use manifests::reference::Repository;

use crate::blobs::Folder;
use crate::folder_index::FolderIndex;
use crate::tree::Tree;

/// An absolute path without links, as far as it exists.
fn canonical(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(found), _, _) => found,
        (Err(_), Some(parent), Some(name)) => canonical(parent).join(name),
        (Err(_), _, _) => path.to_owned(),
    }
}

/// A folder.
pub(crate) struct Directory {
    name: String,
    layout: PathBuf,
}

impl Directory {
    /// The folder at `path`, which need not be there yet.
    ///
    /// # Errors
    /// When the path has no absolute form.
    pub(crate) fn new(path: &Path) -> Result<Self, Failures> {
        let absolute = std::path::absolute(path);
        let absolute = absolute.map_err(|error| Failure::new(Class::Usage, path.display(), error))?;
        // Two ways to one folder must have one name in the ledger, also before the folder is there.
        let absolute = canonical(&absolute);
        Ok(Self { name: absolute.display().to_string(), layout: absolute.join("oci") })
    }

    /// What receipts call it: its path.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn folder(&self) -> Folder {
        Folder::new(&self.layout)
    }

    fn index(&self) -> Result<FolderIndex, Failure> {
        FolderIndex::read(&self.layout).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &std::io::Error) -> Failure {
        Failure::new(Class::Failed, self.layout.display(), error)
    }

    /// What names point to now.
    ///
    /// # Errors
    /// When the folder leads elsewhere, or the index cannot be read.
    pub(crate) fn look_up(
        &self,
        names: &[(Repository, String)],
    ) -> Result<Vec<Option<Digest>>, Vec<Failure>> {
        self.check().map_err(|failure| vec![failure])?;
        let index = self.index().map_err(|failure| vec![failure])?;
        let at = |(upstream, tag): &(Repository, String)| index.get(&full_name(upstream, tag));
        Ok(names.iter().map(|name| at(name).map(|found| found.digest)).collect())
    }
}

fn full_name(upstream: &Repository, tag: &str) -> String {
    format!("{upstream}:{tag}")
}

/// Everything of some trees, and whether it is a manifest; children before parents.
fn parts<'a>(trees: impl Iterator<Item = &'a Tree> + 'a) -> impl Iterator<Item = (Blob, bool)> + 'a {
    trees.flat_map(|tree| {
        let blobs = tree.blobs.iter().map(|blob| (*blob, false));
        blobs.chain(tree.manifest_parts().map(|manifest| (manifest, true)))
    })
}
