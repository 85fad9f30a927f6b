//! Files where others may write, such as a medium: opened only as what they seem to be.
//!
//! A link leads to a file of this machine, and a FIFO keeps whoever opens it waiting for ever.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Opens a regular file for reading.
///
/// # Errors
/// When it is a link or anything else, or cannot be opened.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a regular file for locking, and makes it where there is none.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().create(true).truncate(false).write(true), path)
}

/// The type is asked by the path, as some devices do something when they are opened, and then of the open file: by
/// its path it may be another one a moment later.
fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let wrong = |found: &str| io::Error::other(format!("found {found}, wanted a file"));
    if let Some(found) = fs::symlink_metadata(path).ok().filter(|found| !found.is_file()) {
        return Err(wrong(kind(&found)));
    }
    let file =
        options.custom_flags(flags).open(path).map_err(|error| match Errno::from_io_error(&error) {
            Some(Errno::LOOP) => wrong("a link"),
            _ => error,
        })?;
    let metadata = file.metadata()?;
    if metadata.is_file() { Ok(file) } else { Err(wrong(kind(&metadata))) }
}

/// What something is, for people.
pub(crate) fn kind(metadata: &Metadata) -> &'static str {
    let kind = metadata.file_type();
    match () {
        () if kind.is_file() => "a file",
        () if kind.is_dir() => "a folder",
        () if kind.is_symlink() => "a link",
        () if kind.is_fifo() => "a pipe",
        () if kind.is_socket() => "a socket",
        () => "a device",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_a_regular_file_is_opened_and_nothing_keeps_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("file"), "text").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink(path("nowhere"), path("dangling")).unwrap();
        fs::create_dir(path("folder")).unwrap();
        assert!(Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        let _listener = UnixListener::bind(path("socket")).unwrap();
        assert!(open(&path("file")).is_ok() && open_lock(&path("file")).is_ok());
        for (name, found) in [("link", "a link"), ("dangling", "a link"), ("folder", "a folder")] {
            let said = open(&path(name)).unwrap_err().to_string();
            assert_eq!(said, format!("found {found}, wanted a file"));
        }
        assert_eq!(open(&path("pipe")).unwrap_err().to_string(), "found a pipe, wanted a file");
        assert_eq!(open(Path::new("/dev/null")).unwrap_err().to_string(), "found a device, wanted a file");
        for name in ["link", "dangling", "folder", "pipe", "socket"] {
            assert!(open_lock(&path(name)).is_err(), "{name}");
        }
        // Nobody answers for these two: whoever opens them is told that instead.
        assert_eq!(open(&path("socket")).unwrap_err().to_string(), "found a socket, wanted a file");
        let device = Command::new("mknod").arg(path("device")).args(["c", "60", "0"]).output().unwrap();
        if device.status.success() {
            assert_eq!(open(&path("device")).unwrap_err().to_string(), "found a device, wanted a file");
        }
        assert!(!path("nowhere").exists());
        assert!(open_lock(&path("lock")).is_ok() && path("lock").is_file());
        assert_eq!(fs::read_to_string(path("file")).unwrap(), "text");
    }
}
