//! Reading what a person gives: documents and the files that they name, within bounds.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use console::{Class, Failure};
use manifests::limits;

/// The bytes of a file of at most `limit` bytes. That it cannot be read is wrong use: nothing was tried yet.
///
/// # Errors
/// When it cannot be read or is larger.
pub(crate) fn read(path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
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
pub(crate) fn read_if_there(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Failure> {
    match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        _ => read(path, limit).map(Some),
    }
}

/// The text of a document that a person wrote.
///
/// # Errors
/// When it cannot be read, is larger than a document may be, or is not UTF-8.
pub(crate) fn document(path: &Path) -> Result<String, Failure> {
    text(path, read(path, limits::DOCUMENT_BYTES)?)
}

/// The text that `bytes` of the file `path` are.
///
/// # Errors
/// When they are not UTF-8.
pub(crate) fn text(path: &Path, bytes: Vec<u8>) -> Result<String, Failure> {
    String::from_utf8(bytes).map_err(|_| Failure::new(Class::Usage, path.display(), "found no UTF-8 text"))
}
