//! What an error of the archive means for whoever called.

use std::path::Path;

use console::{Class, Failure};
use transfer::archive::{ArchiveError, Kind};

/// The failure about the archive at `path`.
pub(crate) fn failure(path: &Path, error: &ArchiveError) -> Failure {
    let (class, advice) = match error.kind() {
        Kind::Io => (Class::Failed, ""),
        Kind::Damaged => (Class::Damaged, "do not use it; get another copy"),
        Kind::Refused => (Class::Refused, "compare the key's id by voice with whoever signed"),
        Kind::Newer => (Class::Usage, ""),
    };
    let advice =
        if matches!(error, ArchiveError::Space { .. }) { "free some, or use -o elsewhere" } else { advice };
    Failure::new(class, path.display(), error).advise(advice)
}
