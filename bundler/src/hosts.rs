//! How registries are reached: the definition's settings, overridden host by host by the user's own.

use std::path::{Path, PathBuf};

use clients::http::settings;
use clients::http::{Hosts, Http, Options};
use console::{Class, Failure};
use manifests::{hosts, limits};

use crate::input;

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
    let mut hosts = load("hosts", definition, folder)?;
    let user = user_file().filter(|path| path.symlink_metadata().is_ok());
    for path in user.as_deref().into_iter().chain(file) {
        let text = input::text(path, input::read(path, limits::DOCUMENT_BYTES)?)?;
        let own = hosts::parse(&text).map_err(|error| Failure::new(Class::Usage, path.display(), error))?;
        // A certificate file is named relative to the file that names it.
        hosts.extend(load(&path.display().to_string(), &own, path.parent().unwrap_or(Path::new(".")))?);
    }
    Ok(Http::new(Options { hosts, connections, ..Options::default() }))
}

fn load(what: &str, hosts: &hosts::Hosts, folder: &Path) -> Result<Hosts, Failure> {
    settings::load(hosts, folder).map_err(|error| Failure::new(Class::Usage, what, error))
}

/// `$XDG_CONFIG_HOME/airgap/hosts.yaml`, by default in `~/.config`.
fn user_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("airgap/hosts.yaml"))
}
