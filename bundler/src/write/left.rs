//! What interrupted builds of older locks left beside the archive: each keeps the space of a whole one.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use manifests::ChannelName;

/// A draft that no build works on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) path: PathBuf,
    /// What it takes of the disk, in bytes.
    pub(crate) size: u64,
}

/// The drafts of the channel `name` in the folder of `archive`, but its own, in the order of their names. Nothing is
/// removed: the lock of one may still be wanted.
pub(crate) fn drafts(archive: &Path, name: &ChannelName) -> Vec<Left> {
    let folder = archive.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let own = super::beside(archive, ".partial");
    let prefix = format!("{name}-");
    let is_draft = |path: &Path| {
        let file_name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let serial = file_name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".tar.partial"));
        serial.is_some_and(|serial| serial.bytes().all(|byte| byte.is_ascii_digit()))
            && path.file_name() != own.file_name()
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let idle = entries.filter(|path| is_draft(path) && !is_worked_on(path));
    let mut left: Vec<Left> = idle
        .filter_map(|path| {
            let metadata = fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
            Some(Left { path, size: metadata.blocks().saturating_mul(512) })
        })
        .collect();
    left.sort_by(|one, other| one.path.cmp(&other.path));
    left
}

/// Whether a build holds the journal beside a draft.
fn is_worked_on(draft: &Path) -> bool {
    let journal = File::open(draft.with_extension("journal"));
    journal.is_ok_and(|journal| matches!(journal.try_lock_shared(), Err(TryLockError::WouldBlock)))
}
