//! Reading the files that a person gives, within bounds.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use console::{Class, Failure};
use manifests::limits;
use manifests::policy::Policy;
use manifests::trust::Trust;

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

/// The text of a document that a person wrote.
///
/// # Errors
/// When it cannot be read, is larger than a document may be, or is not UTF-8.
pub(crate) fn document(path: &Path) -> Result<String, Failure> {
    String::from_utf8(read(path, limits::DOCUMENT_BYTES)?)
        .map_err(|_| Failure::new(Class::Usage, path.display(), "found no UTF-8 text"))
}

/// A trust file, or a public key in its place.
///
/// # Errors
/// When it cannot be read, or is neither.
pub(crate) fn trust(path: &Path) -> Result<Trust, Failure> {
    Trust::parse(&document(path)?).map_err(|error| Failure::new(Class::Usage, path.display(), error))
}

/// A policy.
///
/// # Errors
/// When it cannot be read, or is none.
pub(crate) fn policy(path: &Path) -> Result<Policy, Failure> {
    Policy::parse(&document(path)?).map_err(|error| Failure::new(Class::Usage, path.display(), error))
}
