//! One door to all servers: settings by host, pooled connections, credentials, retries, redirects.

pub mod address;
pub(crate) mod answer;
mod api;
mod auth;
mod challenge;
mod connect;
pub mod credentials;
mod host;
mod redirect;
mod request;
pub mod retry;
pub mod settings;

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

pub use address::AddressClass;
pub use api::ApiAnswer;
pub use credentials::{Credential, Credentials, DockerConfig};
pub use host::Host;
use host::Permits;
pub use redirect::Redirects;
pub(crate) use request::{Call, Parts, body};
pub use reqwest::Method;
pub use retry::Retry;
pub use settings::{HostSettings, Hosts};

use crate::error::Error;

/// How many requests to one host may be under way at once, where its settings do not say.
pub const CONNECTIONS: u16 = 4;

/// What a set of clients is made with.
#[derive(Clone)]
pub struct Options {
    /// Settings by host.
    pub hosts: Hosts,
    /// Where user names, passwords and identity tokens come from.
    pub credentials: Arc<dyn Credentials>,
    /// Which redirects of downloads are followed.
    pub redirects: Redirects,
    /// How many requests to one host may be under way at once, where its settings do not say.
    pub connections: u16,
    /// How often and how patiently failed requests are repeated.
    pub retry: Retry,
    /// What sort of address an address is: [`address::classify`], unless a test stands in for a network.
    pub classify: fn(IpAddr) -> AddressClass,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            hosts: Hosts::new(),
            credentials: Arc::new(DockerConfig),
            redirects: Redirects::SameClass,
            connections: CONNECTIONS,
            retry: Retry::default(),
            classify: address::classify,
        }
    }
}

/// All servers. Cheap to clone; clones share connections, tokens and limits.
#[derive(Clone)]
pub struct Http(Arc<Shared>);

struct Shared {
    options: Options,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    hosts: HashMap<String, Arc<Host>>,
    permits: Permits,
}

impl Http {
    /// Clients with these options; nothing is contacted yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        Self(Arc::new(Shared { options, known: Mutex::default() }))
    }

    /// The server for a host as references name it (`docker.io`, `registry.example:5000`).
    ///
    /// # Errors
    /// When its settings cannot be used: not certificates, not a proxy.
    pub fn host(&self, name: &str) -> Result<Arc<Host>, Error> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let Known { hosts, permits } = &mut *known;
        if let Some(host) = hosts.get(name) {
            return Ok(Arc::clone(host));
        }
        let host = Host::new(name, &self.0.options, permits).map_err(|problem| problem.about(name))?;
        let host = Arc::new(host);
        hosts.insert(name.to_owned(), Arc::clone(&host));
        Ok(host)
    }

    /// Every host that requests went to so far, for a firewall's list: see [`Host::contacted`].
    #[must_use]
    pub fn contacted(&self) -> BTreeSet<String> {
        let known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.hosts.values().flat_map(|host| host.contacted()).collect()
    }
}

impl fmt::Debug for Http {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Http").finish_non_exhaustive()
    }
}
