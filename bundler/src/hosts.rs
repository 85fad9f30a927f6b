//! How registries are reached: the definition's settings, overridden host by host by the user's own.

use std::path::Path;

use clients::http::{Http, Options, settings};
use console::{Class, Failure};
use manifests::hosts;

/// Clients by the settings of the definition in `folder`, of the user's file and of `file`, which wins.
///
/// # Errors
/// When a file of settings or of certificates cannot be read or used.
pub(crate) fn clients(
    definition: &hosts::Hosts,
    folder: &Path,
    file: Option<&Path>,
    connections: u16,
) -> Result<Http, Failure> {
    let failed = |error| Failure::new(Class::Usage, "hosts", error);
    let mut hosts = settings::load(definition, folder).map_err(failed)?;
    for path in settings::user_file().as_deref().into_iter().chain(file) {
        hosts.extend(settings::load_file(path).map_err(failed)?);
    }
    Ok(Http::new(Options { hosts, connections, ..Options::default() }))
}
