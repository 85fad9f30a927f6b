//! The file without a name that keeps what is read from a pipe.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::{Class, Failure};

/// Makes the file in `folder`, or in the system's temporary folder.
///
/// # Errors
/// When no file can be made there.
pub fn file(folder: Option<&Path>) -> Result<File, Failure> {
    folder.map_or_else(tempfile::tempfile, tempfile::tempfile_in).map_err(|error| failure(folder, &error))
}

/// That the file cannot be made or written: the folder is at fault, and not what is read.
#[must_use]
pub fn failure(folder: Option<&Path>, error: &io::Error) -> Failure {
    let temporary = std::env::temp_dir();
    let advice = match folder {
        Some(_) => "--spool names another folder",
        None => "TMPDIR names another folder",
    };
    let message = format!("{error}, wanted room for what is kept of the archive while it is read");
    Failure::new(Class::Failed, folder.unwrap_or(&temporary).display(), message).advise(advice)
}

/// Whether an error of reading and keeping is about the file: whatever is read never says that a disk is full.
#[must_use]
pub fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
