//! Reading what a person gives: documents and the files that they name, within bounds.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use manifests::policy::{Policy, Signatures};
use manifests::trust::Trust;
use manifests::{Digest, limits};
use rustix::fs::OFlags;

use crate::{Class, Failure};

/// The bytes of a file of at most `limit` bytes. That it cannot be read is wrong use: nothing was tried yet.
///
/// # Errors
/// When it cannot be read or is larger.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let failed = |message: String| Failure::new(Class::Usage, path.display(), message);
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| failed(error.to_string()))?;
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > limit {
        return Err(failed(format!("found more than {limit} bytes, wanted at most that")));
    }
    Ok(bytes)
}

/// As [`read`]; nothing, when there is no such file.
///
/// # Errors
/// When it is there and cannot be read, or is larger.
pub fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read(path, limit).map(Some),
    }
}

/// The text of a document that a person wrote.
///
/// # Errors
/// When it cannot be read, is larger than a document may be, or is not UTF-8.
pub fn document(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path, limits::DOCUMENT_BYTES)?)
        .map_err(|_| Failure::new(Class::Usage, path.display(), "found no UTF-8 text"))
}

/// A trust file, or a public key in its place.
///
/// # Errors
/// When it cannot be read, or is neither.
pub fn trust(path: &Path) -> Result<Trust, Failure> {
    trust_file(path).map(|file| file.trust)
}

/// A trust file with its text, whose digest is the trust's.
#[derive(Debug, Clone)]
pub struct TrustFile {
    /// The trust.
    pub trust: Trust,
    /// Its text.
    pub text: String,
}

/// As [`trust`], with the text.
///
/// # Errors
/// As [`trust`].
pub fn trust_file(path: &Path) -> Result<TrustFile, Failure> {
    let text = document(path)?;
    let trust = Trust::parse(&text).map_err(|error| Failure::new(Class::Usage, path.display(), error))?;
    Ok(TrustFile { trust, text })
}

/// A policy with the files that it names.
#[derive(Debug, Clone)]
pub struct PolicyFile {
    /// The policy.
    pub policy: Policy,
    /// Its text, whose digest is the policy's.
    pub text: String,
    /// The trusted roots that it names and that were found, by the digest that it gives. The bytes are not
    /// compared yet.
    pub roots: Vec<(Digest, Vec<u8>)>,
}

/// A policy, and the trusted roots whose files it names, relative to itself.
///
/// # Errors
/// When one cannot be read, or it is no policy.
pub fn policy(path: &Path) -> Result<PolicyFile, Failure> {
    let text = document(path)?;
    let policy = Policy::parse(&text).map_err(|error| Failure::new(Class::Usage, path.display(), error))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let named = policy.signatures.iter().flat_map(Signatures::roots);
    let files = named.filter_map(|root| Some((root.digest, root.file.as_ref()?)));
    let roots = files.map(|(digest, file)| Ok((digest, read(&folder.join(file), limits::DOCUMENT_BYTES)?)));
    Ok(PolicyFile { roots: roots.collect::<Result<_, Failure>>()?, policy, text })
}

/// Opens an archive for reading in any order: a file, or a block device that was written as one.
///
/// # Errors
/// When it cannot be opened or is something else, such as a folder: a part of the path was left out.
pub fn archive(path: &Path) -> Result<File, Failure> {
    let failed = |message: String| Failure::new(Class::Usage, path.display(), message);
    // A FIFO on a medium would keep whoever opens it waiting for ever.
    let flags = OFlags::NONBLOCK.bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let file = file.map_err(|error| failed(error.to_string()))?;
    let kind = file.metadata().map_err(|error| failed(error.to_string()))?.file_type();
    if kind.is_file() || kind.is_block_device() {
        return Ok(file);
    }
    let wrong = |found: &str| failed(format!("found {found}, wanted an archive"));
    Err(match () {
        () if kind.is_dir() => wrong("a folder"),
        () if kind.is_fifo() => wrong("a pipe").advise("give it as standard input, where - may stand"),
        () => wrong("a device"),
    })
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn what_cannot_be_read_in_any_order_is_no_archive() {
        let path = std::env::temp_dir().join(format!("airgap-console-pipe-{}", std::process::id()));
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let said = [&path, Path::new("/dev/null"), Path::new("/")].map(|path| archive(path).unwrap_err());
        fs::remove_file(path).unwrap();
        for (failure, found) in said.into_iter().zip(["a pipe", "a device", "a folder"]) {
            assert_eq!(failure.message, format!("found {found}, wanted an archive"));
            assert_eq!(failure.class, Class::Usage);
        }
    }
}
