//! How one host is reached, ready for use.

use std::collections::BTreeMap;
use std::path::Path;

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
    /// How many requests may be under way at once.
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

fn read_certificates(path: &Path) -> Result<Vec<u8>, Problem> {
    use std::io::Read as _;
    let failed = |error| Problem::Settings(format!("cannot read the caFile {}: {error}", path.display()));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(CERTIFICATES_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > CERTIFICATES_BYTES {
        let text = format!("the caFile {}: found more than {CERTIFICATES_BYTES} bytes", path.display());
        return Err(Problem::Settings(text));
    }
    Ok(bytes)
}
