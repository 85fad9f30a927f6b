//! Reports that people give as files: read whole, and bound to the manifests that they are about.

use std::path::PathBuf;

use gates::Subject;
use gates::vulnerability::{Bound, Platforms};
use manifests::limits;

use crate::{Class, Failure, input};

/// A report that was given as a file.
#[derive(Debug, Clone)]
pub struct GivenReport {
    /// Its file.
    pub path: PathBuf,
    /// It.
    pub bytes: Vec<u8>,
}

/// Reads the files.
///
/// # Errors
/// The first one that cannot be read or is too large for evidence.
pub fn read(paths: &[PathBuf]) -> Result<Vec<GivenReport>, Failure> {
    let read = |path: &PathBuf| {
        Ok(GivenReport { path: path.clone(), bytes: input::read(path, limits::EVIDENCE_BYTES)? })
    };
    paths.iter().map(read).collect()
}

/// Scan reports with the manifests among `subjects` that each is about; and those that are about none, which is wrong
/// use.
pub fn bind<'a>(
    given: &[GivenReport],
    subjects: impl IntoIterator<Item = Subject<'a>>,
) -> (Vec<Bound>, Vec<Failure>) {
    let (mut bound, mut failures) = (Vec::new(), Vec::new());
    if given.is_empty() {
        return (bound, failures);
    }
    let platforms = Platforms::of(subjects);
    for GivenReport { path, bytes } in given {
        match platforms.of_report(bytes) {
            Ok(about) => bound.extend(about),
            Err(error) => failures.push(Failure::new(Class::Usage, path.display(), error)),
        }
    }
    (bound, failures)
}
