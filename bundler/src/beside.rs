//! The folder beside a lock (`X.lock.d/sha256/<hex>`): manifests, configs, evidence and chart layers.
//!
//! What is read from it is compared with its digest every time, so a file that is damaged, or that a
//! power cut left empty, is as good as absent: `lock` fetches it again and `build` says which one it is.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use gates::{Content, Unreadable};
use manifests::{Descriptor, Digest};

/// How the names of files begin that are not whole yet.
const PARTIAL: &str = ".partial-";

/// The folder of one lock.
#[derive(Debug)]
pub(crate) struct Beside {
    folder: PathBuf,
    written: Mutex<Vec<Digest>>,
}

/// Why a small file cannot be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BesideError {
    /// The disk.
    #[error("{}: {error}", path.display())]
    Disk {
        /// Where.
        path: PathBuf,
        /// What happened.
        error: io::Error,
    },
    /// It is not there, or is not what its name says.
    #[error("found no file {} of {size} bytes with that digest, which the lock needs", path.display())]
    Absent {
        /// Where it should be.
        path: PathBuf,
        /// How large it should be.
        size: u64,
    },
    /// Another lock is being made.
    #[error("{}: found another `airgap-bundle lock` at work, wanted one at a time", path.display())]
    Busy {
        /// The folder that both would write into.
        path: PathBuf,
    },
}

/// The files beside a lock, as gates read them.
pub(crate) struct SmallFiles<'a>(pub(crate) &'a Beside);

impl Content for SmallFiles<'_> {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        self.0.load(wanted).map_err(|error| Unreadable(error.to_string()))
    }
}

impl Beside {
    /// The folder that belongs to the lock `lock`: `X.lock.json` has `X.lock.d`.
    pub(crate) fn of(lock: &Path) -> Self {
        let name = lock.file_name().and_then(|name| name.to_str()).unwrap_or("lock");
        let mut folder = OsString::from(name.strip_suffix(".json").unwrap_or(name));
        folder.push(".d");
        let folder = lock.with_file_name(folder).join("sha256");
        Self { folder, written: Mutex::default() }
    }

    /// Where a digest lies.
    pub(crate) fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(digest.hex())
    }

    /// Makes the folder, and keeps other locks out of it for as long as the result lives: each would remove
    /// what the other one has just fetched.
    pub(crate) fn claim(&self) -> Result<File, BesideError> {
        let opened = fs::create_dir_all(&self.folder).and_then(|()| File::open(&self.folder));
        let folder = opened.map_err(|error| disk(&self.folder, error))?;
        match folder.try_lock() {
            Ok(()) => Ok(folder),
            Err(TryLockError::WouldBlock) => Err(BesideError::Busy { path: self.folder.clone() }),
            Err(TryLockError::Error(error)) => Err(disk(&self.folder, error)),
        }
    }

    /// The bytes of a digest, when they are there and are what the digest says.
    pub(crate) fn find(&self, digest: Digest, size: u64) -> Result<Option<Vec<u8>>, BesideError> {
        let path = self.path(digest);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(disk(&path, error)),
        };
        let mut bytes = Vec::new();
        // One byte more shows a file that is too long, whatever its length is.
        file.take(size.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| disk(&path, error))?;
        Ok((bytes.len() as u64 == size && Digest::of(&bytes) == digest).then_some(bytes))
    }

    /// The bytes of a descriptor, which have to be there.
    pub(crate) fn load(&self, wanted: &Descriptor) -> Result<Vec<u8>, BesideError> {
        let absent = || BesideError::Absent { path: self.path(wanted.digest), size: wanted.size };
        self.find(wanted.digest, wanted.size)?.ok_or_else(absent)
    }

    /// Whether there is a file of this name and size; what is in it is seen when it is read.
    pub(crate) fn has(&self, digest: Digest, size: u64) -> bool {
        fs::metadata(self.path(digest)).is_ok_and(|found| found.is_file() && found.len() == size)
    }

    /// Keeps `bytes`. They are on the disk for good only after [`Beside::sync`].
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<Digest, BesideError> {
        let digest = Digest::of(bytes);
        let path = self.path(digest);
        let write = || -> io::Result<()> {
            let mut file = tempfile::Builder::new()
                .prefix(PARTIAL)
                .permissions(fs::Permissions::from_mode(0o644))
                .tempfile_in(&self.folder)?;
            file.write_all(bytes)?;
            file.persist(&path)?;
            Ok(())
        };
        write().map_err(|error| disk(&path, error))?;
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(digest);
        Ok(digest)
    }

    /// Puts everything that was kept on the disk. One pass at the end costs a tenth of a sync for each file,
    /// and a file that is lost before is seen by its digest.
    pub(crate) fn sync(&self) -> Result<(), BesideError> {
        let written = std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        for digest in written {
            let path = self.path(digest);
            File::open(&path).and_then(|file| file.sync_all()).map_err(|error| disk(&path, error))?;
        }
        File::open(&self.folder)
            .and_then(|folder| folder.sync_all())
            .map_err(|error| disk(&self.folder, error))
    }

    /// Removes what the lock no longer needs, and what an interrupted run left.
    pub(crate) fn remove_others(&self, needed: &HashSet<Digest>) -> Result<(), BesideError> {
        for entry in fs::read_dir(&self.folder).map_err(|error| disk(&self.folder, error))? {
            let entry = entry.map_err(|error| disk(&self.folder, error))?;
            let name = entry.file_name();
            let name = name.to_str().unwrap_or_default();
            let is_ours = name.starts_with(PARTIAL) || Digest::from_hex(name).is_ok();
            let is_needed = Digest::from_hex(name).is_ok_and(|digest| needed.contains(&digest));
            if is_ours && !is_needed {
                fs::remove_file(entry.path()).map_err(|error| disk(&entry.path(), error))?;
            }
        }
        Ok(())
    }
}

fn disk(path: &Path, error: io::Error) -> BesideError {
    BesideError::Disk { path: path.to_owned(), error }
}

/// Writes a file whole or not at all: under another name first, then on the disk, then by its name.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), BesideError> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}", std::process::id()));
    let temporary = folder.join(name);
    let write = || -> io::Result<()> {
        let mut file = File::create(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(|error| {
        // Gone already when only the last step failed.
        let _ = fs::remove_file(&temporary);
        disk(path, error)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> (tempfile::TempDir, Beside) {
        let folder = tempfile::tempdir().unwrap();
        let beside = Beside::of(&folder.path().join("core.lock.json"));
        drop(beside.claim().unwrap());
        (folder, beside)
    }

    #[test]
    fn the_folder_bears_the_name_of_the_lock() {
        for (lock, folder) in [("a/x.lock.json", "a/x.lock.d/sha256"), ("pinned", "pinned.d/sha256")] {
            assert_eq!(Beside::of(Path::new(lock)).folder, Path::new(folder));
        }
    }

    #[test]
    fn two_locks_do_not_clean_up_after_each_other() {
        let (_folder, beside) = lock();
        let first = beside.claim().unwrap();
        assert!(matches!(beside.claim(), Err(BesideError::Busy { .. })));
        drop(first);
        assert!(beside.claim().is_ok());
    }

    #[test]
    fn what_is_not_of_its_digest_is_as_good_as_absent() {
        let (_folder, beside) = lock();
        let digest = beside.keep(b"content").unwrap();
        assert_eq!(beside.find(digest, 7).unwrap().as_deref(), Some(&b"content"[..]));
        for (bytes, why) in
            [(&b""[..], "emptied by a power cut"), (b"CONTENT", "changed"), (b"content more", "appended to")]
        {
            fs::write(beside.path(digest), bytes).unwrap();
            assert_eq!(beside.find(digest, 7).unwrap(), None, "{why}");
        }
    }

    #[test]
    fn only_what_is_ours_and_not_needed_is_removed() {
        let (_folder, beside) = lock();
        let (needed, old) = (beside.keep(b"needed").unwrap(), beside.keep(b"old").unwrap());
        fs::write(beside.folder.join(".partial-99"), "left by an interrupted run").unwrap();
        fs::write(beside.folder.join("README"), "somebody's own").unwrap();
        beside.remove_others(&HashSet::from([needed])).unwrap();
        assert!(beside.has(needed, 6) && !beside.has(old, 3));
        assert!(beside.folder.join("README").exists() && !beside.folder.join(".partial-99").exists());
    }
}
