//! Connections: TLS, proxies, and what all of them have in common.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Proxy};

use super::settings::HostSettings;
use crate::error::Problem;

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(20);

/// What all connections have in common. No cookies: Harbor refuses writes that send its own back. No
/// decompression: digests are over what is sent.
pub(super) fn client(settings: &HostSettings, is_loopback: bool) -> Result<ClientBuilder, Problem> {
    let mut builder = Client::builder()
        .user_agent(concat!("airgap/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .tcp_nodelay(true)
        .connect_timeout(CONNECT);
    let mut certificates = Vec::new();
    if let Some(pem) = &settings.certificates {
        certificates = Certificate::from_pem_bundle(pem)
            .map_err(|error| Problem::Settings(format!("caFile: found no certificates in PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(Problem::Settings("caFile: found no certificate, wanted PEM".to_owned()));
        }
    }
    if is_loopback {
        // Plain HTTP, mostly: the system's certificates are not read for it, nor is a proxy asked.
        builder = builder.tls_certs_only(certificates).no_proxy();
    } else {
        builder = builder.tls_certs_merge(certificates);
    }
    if let Some(proxy) = &settings.proxy {
        let proxy = Proxy::all(proxy)
            .map_err(|_| Problem::Settings("proxy: found something else, wanted a URL".to_owned()))?;
        builder = builder.proxy(proxy);
    }
    Ok(builder)
}

/// Makes it ready for use.
pub(super) fn build(builder: ClientBuilder) -> Result<Client, Problem> {
    builder.build().map_err(|error| Problem::Settings(format!("cannot set up TLS: {error:?}")))
}
