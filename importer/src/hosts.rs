//! How registries are reached: the document's settings, overridden host by host by the user's own.

use std::path::{Path, PathBuf};

use clients::http::{Hosts, settings};
use console::{Class, Failure};
use manifests::hosts;

use crate::input;

/// The settings of a document in `folder` and of the user's file, which wins.
///
/// # Errors
/// When a file of settings or of certificates cannot be read or used.
pub(crate) fn settings(document: &hosts::Hosts, folder: &Path) -> Result<Hosts, Failure> {
    let mut all = load("hosts", document, folder)?;
    if let Some(path) = user_file().filter(|path| path.symlink_metadata().is_ok()) {
        let own = hosts::parse(&input::document(&path)?)
            .map_err(|error| Failure::new(Class::Usage, path.display(), error))?;
        // A certificate file is named relative to the file that names it.
        all.extend(load(&path.display().to_string(), &own, path.parent().unwrap_or(Path::new(".")))?);
    }
    Ok(all)
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
