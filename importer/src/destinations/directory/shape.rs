//! What a folder must look like before anything in it is read or written.
//!
//! It may have come on a medium, made by whoever carried that. A link in it would have a load delete or overwrite
//! files elsewhere on this machine. The folder that was named may be one itself: whoever named it knows where it
//! leads.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use console::{Class, Failure};

use super::Directory;
use crate::folder_index::FolderIndex;
use crate::plain;

/// The folders of a layout, outer ones first.
const FOLDERS: [&str; 4] = ["", "blobs", "blobs/sha256", ".partial"];

/// Its files beside the blobs. A blob that is no file is written anew, where it is no folder.
const FILES: [&str; 4] = ["index.json", "oci-layout", ".index.json.lock", ".partial.lock"];

impl Directory {
    /// Whether all that is there of the layout are folders and files of its own.
    ///
    /// # Errors
    /// The first link, and whatever else is in the place of a folder or file.
    pub(super) fn check(&self) -> Result<(), Failure> {
        let folders = FOLDERS.iter().map(|name| (name, true));
        // Folders come first: a file below a link would be looked at in another place.
        for (name, is_folder) in folders.chain(FILES.iter().map(|name| (name, false))) {
            let path = if name.is_empty() { self.layout.clone() } else { self.layout.join(name) };
            let Some(found) = look_at(&path)? else { continue };
            if found.is_dir() != is_folder || !(found.is_dir() || found.is_file()) {
                return Err(misplaced(&path, &found, if is_folder { "a folder" } else { "a file" }));
            }
        }
        // Whatever was left under these names is removed, and that works for all but folders.
        for path in self.drafts().map_err(|error| self.failed(&error))? {
            if let Some(found) = look_at(&path)?.filter(Metadata::is_dir) {
                return Err(misplaced(&path, &found, "a file"));
            }
        }
        Ok(())
    }

    /// What is not under its name yet: of the index, and of blobs.
    fn drafts(&self) -> io::Result<Vec<PathBuf>> {
        let index = self.layout.join(FolderIndex::PARTIAL);
        let blobs = match fs::read_dir(self.partial()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![index]),
            blobs => blobs?.map(|entry| Ok(entry?.path())),
        };
        std::iter::once(Ok(index)).chain(blobs).collect()
    }
}

/// What is at a path, if anything is.
pub(super) fn look_at(path: &Path) -> Result<Option<Metadata>, Failure> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::new(Class::Failed, path.display(), error)),
    }
}

/// That something else is in the place of what belongs there.
pub(super) fn misplaced(path: &Path, found: &Metadata, wanted: &str) -> Failure {
    let message = format!("found {}, wanted {wanted}", plain::kind(found));
    let failure = Failure::new(Class::Refused, path.display(), message);
    failure.advise("load into another folder, or remove it")
}
