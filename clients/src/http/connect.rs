//! Connections: TLS, proxies, and what all of them have in common.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Proxy};

use super::address::Guard;
use super::settings::HostSettings;
use crate::error::Problem;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(20);

/// Whether connections leave this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// No: plain HTTP mostly, so neither the system's certificates are read nor a proxy is asked.
    Loopback,
    /// They may.
    Network,
}

/// Connections to one host, or to where it redirects.
pub(super) fn client(
    settings: &HostSettings,
    reach: Reach,
    guard: Option<&Arc<Guard>>,
) -> Result<Client, Problem> {
    let mut certificates = Vec::new();
    if let Some(pem) = &settings.certificates {
        certificates = Certificate::from_pem_bundle(pem)
            .map_err(|error| Problem::Settings(format!("caFile: found no certificates in PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(Problem::Settings("caFile: found no certificate, wanted PEM".to_owned()));
        }
    }
    let builder = || builder(settings, reach, guard);
    if reach == Reach::Network
        && let Ok(client) = builder()?.tls_certs_merge(certificates.clone()).build()
    {
        return Ok(client);
    }
    // A machine without any certificates of the system is no reason not to speak plain HTTP; over TLS each
    // server is refused then, by name.
    let client = builder()?.tls_certs_only(certificates).build();
    client.map_err(|error| Problem::Settings(format!("cannot set up TLS: {error:?}")))
}

/// What all connections have in common. No cookies: Harbor refuses writes that send its own back. No
/// decompression: digests are over what is sent.
fn builder(
    settings: &HostSettings,
    reach: Reach,
    guard: Option<&Arc<Guard>>,
) -> Result<ClientBuilder, Problem> {
    let mut builder = Client::builder()
        .user_agent(concat!("airgap/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT);
    if reach == Reach::Loopback || guard.is_some() {
        builder = builder.no_proxy();
    }
    if let Some(proxy) = &settings.proxy {
        let proxy = Proxy::all(proxy)
            .map_err(|_| Problem::Settings("proxy: found something else, wanted a URL".to_owned()))?;
        builder = builder.proxy(proxy);
    }
    Ok(match guard {
        Some(guard) => builder.dns_resolver(Arc::clone(guard)),
        None => builder,
    })
}
