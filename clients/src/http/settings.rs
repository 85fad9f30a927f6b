//! How one host is reached, ready for use.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use manifests::limits;

use crate::error::{Error, Problem};

/// Settings by host, as references name it.
pub type Hosts = BTreeMap<String, HostSettings>;

/// Largest file of certificate authorities, in bytes. A whole system's set has some 220 kB.
const CERTIFICATES_BYTES: u64 = 4 * 1024 * 1024;

/// How one host is reached. The default: HTTPS with the usual certificates, plain HTTP on loopback.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostSettings {
    /// `HOST[/PREFIX]` to ask instead.
    pub mirror: Option<String>,
    /// Certificate authorities in PEM, in addition to the usual ones.
    pub certificates: Option<Vec<u8>>,
    /// The URL of a proxy (http, https or socks5). Without it, the usual environment variables count.
    pub proxy: Option<String>,
    /// Whether it is spoken to without TLS; unset means on loopback only.
    pub plain_http: Option<bool>,
    /// How many requests may be under way at once; where names share a mirror, the fewest that one of them says.
    pub connections: Option<u16>,
    /// Hosts that downloads may be redirected to, beyond what the rule for redirects allows.
    pub redirects: Vec<String>,
}

impl HostSettings {
    /// These settings, and those of `other` where nothing is set.
    pub(crate) fn or(self, other: &Self) -> Self {
        let mut redirects = self.redirects;
        redirects.extend_from_slice(&other.redirects);
        Self {
            mirror: self.mirror,
            certificates: self.certificates.or_else(|| other.certificates.clone()),
            proxy: self.proxy.or_else(|| other.proxy.clone()),
            plain_http: self.plain_http.or(other.plain_http),
            connections: self.connections.or(other.connections),
            redirects,
        }
    }
}

/// Reads the certificate files that `hosts:` of a document names, relative to the document's `folder`.
///
/// # Errors
/// When a file cannot be read or is larger than 4 MiB.
pub fn load(hosts: &manifests::hosts::Hosts, folder: &Path) -> Result<Hosts, Error> {
    let load_one = |(host, settings): (&String, &manifests::hosts::HostSettings)| {
        let certificates = settings.ca_file.as_ref().map(|file| {
            read_certificates(&folder.join(file)).map_err(|problem| problem.about(host.as_str()))
        });
        let settings = HostSettings {
            mirror: settings.mirror.clone(),
            certificates: certificates.transpose()?,
            proxy: settings.proxy.clone(),
            plain_http: settings.plain_http,
            connections: settings.connections,
            redirects: settings.redirects.clone(),
        };
        Ok((host.clone(), settings))
    };
    hosts.iter().map(load_one).collect()
}

/// Reads a file of `hosts:`, with the certificate files that it names, relative to itself.
///
/// # Errors
/// When it or a file that it names cannot be read, is too large, or is not of the form.
pub fn load_file(path: &Path) -> Result<Hosts, Error> {
    let failed = |message: String| Problem::Settings(message).about(path.display().to_string());
    let bytes = read_at_most(path, limits::DOCUMENT_BYTES).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|_| failed("found no UTF-8 text".to_owned()))?;
    let hosts = manifests::hosts::parse(&text).map_err(|error| failed(error.to_string()))?;
    load(&hosts, path.parent().unwrap_or_else(|| Path::new(".")))
}

/// The user's own file of hosts, where there is one: `airgap/hosts.yaml` in `$XDG_CONFIG_HOME`, by default in
/// `~/.config`.
#[must_use]
pub fn user_file() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let folder = set("XDG_CONFIG_HOME").or_else(|| Some(set("HOME")?.join(".config")))?;
    Some(folder.join("airgap/hosts.yaml")).filter(|path| path.symlink_metadata().is_ok())
}

fn read_certificates(path: &Path) -> Result<Vec<u8>, Problem> {
    read_at_most(path, CERTIFICATES_BYTES)
        .map_err(|message| Problem::Settings(format!("the caFile {}: {message}", path.display())))
}

fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > limit {
        return Err(format!("found more than {limit} bytes, wanted at most that"));
    }
    Ok(bytes)
}
