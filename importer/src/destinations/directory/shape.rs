//! What a folder must look like before anything in it is read or written.
//!
//! It may have come on a medium, made by whoever carried that. A link in it would have a load delete or overwrite
//! files elsewhere on this machine. The folder that was named may be one itself: whoever named it knows where it
//! leads.

use std::fs;
use std::io;

use console::{Class, Failure};

use super::Directory;
use crate::plain;

/// The folders of a layout, outer ones first.
const FOLDERS: [&str; 4] = ["", "blobs", "blobs/sha256", ".partial"];

/// Its files beside the blobs. A blob that is no file is written anew.
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
            let found = match fs::symlink_metadata(&path) {
                Ok(found) => found,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(Failure::new(Class::Failed, path.display(), error)),
            };
            if found.is_dir() != is_folder || !(found.is_dir() || found.is_file()) {
                let wanted = if is_folder { "a folder" } else { "a file" };
                let message = format!("found {}, wanted {wanted}", plain::kind(&found));
                let failure = Failure::new(Class::Refused, path.display(), message);
                return Err(failure.advise("load into another folder, or remove it"));
            }
        }
        Ok(())
    }
}
