//! A folder: `DIR/oci/` is an OCI image layout, `index.json` its names.
//!
//! A blob is written under a temporary name, hashed on the way, synced and then renamed, so a file under
//! its final name is whole. Publishing is one rename of `index.json`.

mod load;
mod publish;
mod shape;

use std::path::{Path, PathBuf};

use console::{Class, Failure, Failures};
use manifests::Digest;
use manifests::inventory::Blob;
use manifests::reference::Repository;

use crate::blobs::Folder;
use crate::destinations::Survey;
use crate::folder_index::FolderIndex;
use crate::shipment::{Cargo, Shipment};

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

    /// Looks at what is there: blobs by their size; their content is compared when they are loaded.
    ///
    /// # Errors
    /// When the folder leads elsewhere, cannot be written to, or has too little room.
    pub(crate) fn survey(&self, shipment: &Shipment) -> Result<Survey, Vec<Failure>> {
        self.check().map_err(|failure| vec![failure])?;
        let index = self.index().map_err(|failure| vec![failure])?;
        let folder = self.folder();
        let mut survey = Survey { places: vec![0; shipment.items.len()], ..Survey::default() };
        let (mut seen, mut absent) = (std::collections::HashSet::new(), Vec::new());
        for cargo in &shipment.items {
            survey.names.push(match cargo.name.tag() {
                Some(tag) => index.get(&full_name(cargo.name.repository(), tag)).map(|found| found.digest),
                None => None,
            });
            for (part, is_manifest) in parts(cargo.trees()).filter(|(part, _)| seen.insert(part.digest)) {
                let is_there = std::fs::symlink_metadata(folder.path(&part.digest))
                    .is_ok_and(|found| found.is_file() && found.len() == part.size);
                match (is_there, is_manifest) {
                    (true, true) => {}
                    (true, false) => survey.present.add(part.size),
                    (false, true) => survey.manifests += 1,
                    (false, false) => survey.send.add(part.size),
                }
                if is_there {
                    survey.has.insert((0, part.digest));
                } else if !shipment.blobs.carries(&part.digest) {
                    absent.push(not_carried(shipment, cargo, &format!("no {} here", part.digest)));
                }
            }
        }
        absent.extend(self.room(survey.send.bytes));
        if absent.is_empty() { Ok(survey) } else { Err(absent) }
    }

    /// What is in the way of writing `bytes` more.
    fn room(&self, bytes: u64) -> Option<Failure> {
        use rustix::fs::{Access, access, statvfs};
        let existing = self.layout.ancestors().find(|folder| folder.exists())?;
        if let Err(error) = access(existing, Access::WRITE_OK | Access::EXEC_OK) {
            return Some(Failure::new(Class::Failed, existing.display(), std::io::Error::from(error)));
        }
        let space = match statvfs(existing) {
            Ok(space) => space,
            Err(error) => {
                return Some(Failure::new(Class::Failed, existing.display(), std::io::Error::from(error)));
            }
        };
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        (free < bytes).then(|| {
            let message = format!("found {free} bytes free, wanted {bytes} for what is to be loaded");
            Failure::new(Class::Failed, existing.display(), message)
        })
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

/// That something is not as it should be, and cannot be brought from what is at hand.
fn not_carried(shipment: &Shipment, cargo: &Cargo, found: &str) -> Failure {
    let (wanted, advice) = if shipment.is_held {
        ("what was loaded and held", "load it again")
    } else {
        ("what the archive's base has", "load the base first")
    };
    Failure::new(Class::Failed, &cargo.name, format!("found {found}, wanted {wanted}")).advise(advice)
}

/// Everything of some trees, and whether it is a manifest; children before parents.
fn parts<'a>(
    trees: impl Iterator<Item = &'a crate::tree::Tree> + 'a,
) -> impl Iterator<Item = (Blob, bool)> + 'a {
    trees.flat_map(|tree| {
        let blobs = tree.blobs.iter().map(|blob| (*blob, false));
        blobs.chain(tree.manifest_parts().map(|manifest| (manifest, true)))
    })
}
