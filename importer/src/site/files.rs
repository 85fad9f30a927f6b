//! Writing files that are either there and whole after a crash, or not there.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use tempfile::NamedTempFile;

/// For everybody to read, whatever the umask takes away.
pub(crate) const PUBLIC: u32 = 0o644;
/// For the owner alone.
pub(crate) const PRIVATE: u32 = 0o600;

/// Writes a file that must not be there yet, to the disk.
///
/// # Errors
/// When it is there, or the disk fails.
pub(crate) fn create(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Writes a file in the place of what may be there: whole under another name first, then renamed.
///
/// # Errors
/// When the disk fails.
pub(crate) fn put(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let draft = draft(path, write)?;
    make_public(&draft)?;
    draft.persist(path).map_err(|error| error.error)?;
    sync_folder(folder_of(path))
}

/// As [`put`], where nothing is there yet. It may be a medium whose file system knows no permissions (FAT).
///
/// # Errors
/// When something is there, or the disk fails.
pub(crate) fn put_new(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let draft = draft(path, write)?;
    let _ = make_public(&draft);
    draft.persist_noclobber(path).map_err(|error| error.error)?;
    sync_folder(folder_of(path))
}

/// The folder in which a path is.
pub(crate) fn folder_of(path: &Path) -> &Path {
    let folder = path.parent().unwrap_or(path);
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

/// The whole file beside its place, under a name that goes with the process.
fn draft(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<NamedTempFile> {
    let mut draft = tempfile::Builder::new().prefix(".partial-").tempfile_in(folder_of(path))?;
    write(draft.as_file_mut())?;
    draft.as_file().sync_all()?;
    Ok(draft)
}

fn make_public(draft: &NamedTempFile) -> io::Result<()> {
    draft.as_file().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(PUBLIC))
}

/// Makes a folder where there is none, to the disk.
///
/// # Errors
/// When the disk fails.
pub(crate) fn folder(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => sync_folder(path.parent().unwrap_or(path)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// Makes the names in a folder last through a crash.
///
/// # Errors
/// When the disk fails.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    File::open(path)?.sync_all()
}
