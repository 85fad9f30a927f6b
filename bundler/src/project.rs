//! A definition on the disk, with what belongs to it: its folder, its lock, the files that it names.

use std::path::{Path, PathBuf};

use console::{Class, Failure, Failures, input};
use manifests::Digest;
use manifests::definition::Definition;

/// Largest lock that is read, in bytes: 250,000 blobs with line breaks, and as much again for items.
pub(crate) const LOCK_BYTES: u64 = 128 * 1024 * 1024;

/// A definition that was read, and that this version can do.
#[derive(Debug)]
pub(crate) struct Project {
    pub(crate) definition: Definition,
    /// The folder that its files are relative to.
    pub(crate) folder: PathBuf,
    /// The definition's own file name.
    pub(crate) name: String,
    /// The digest of the definition's bytes.
    pub(crate) digest: Digest,
}

/// Reads the definition at `path`.
///
/// # Errors
/// When it is not one, or uses what this version cannot do: that is named, never ignored.
pub(crate) fn read(path: &Path) -> Result<Project, Failures> {
    let text = input::document(path)?;
    let usage = |message: String| Failure::new(Class::Usage, path.display(), message);
    let definition = Definition::parse(&text).map_err(|error| usage(error.to_string()))?;
    let later = definition
        .unsupported
        .iter()
        .map(|field| usage(format!("found {field}, which is not in this version")));
    Failures::unless_empty(later.collect(), ())?;
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .ok_or_else(|| usage("found no file name".to_owned()))?;
    Ok(Project {
        definition,
        folder: path.parent().unwrap_or(Path::new("")).to_owned(),
        name: name.to_owned(),
        digest: Digest::of(text.as_bytes()),
    })
}

/// The lock of the definition at `path`: `core.yaml` has `core.lock.json`.
pub(crate) fn lock_path(path: &Path) -> PathBuf {
    path.with_extension("lock.json")
}
