//! How registries are reached: the document's settings, overridden host by host by the user's own.

use std::path::Path;

use clients::http::{Hosts, settings};
use console::{Class, Failure};
use manifests::hosts;

/// The settings of a document in `folder` and of the user's file, which wins.
///
/// # Errors
/// When a file of settings or of certificates cannot be read or used.
pub(crate) fn settings(document: &hosts::Hosts, folder: &Path) -> Result<Hosts, Failure> {
    let failed = |error| Failure::new(Class::Usage, "hosts", error);
    let mut all = settings::load(document, folder).map_err(failed)?;
    if let Some(path) = settings::user_file() {
        all.extend(settings::load_file(&path).map_err(failed)?);
    }
    Ok(all)
}
