//! One server: where it is and how it is spoken to.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::{Client, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Options;
use super::address::{self, AddressClass};
use super::auth::Auth;
use super::connect::{Reach, client};
use super::redirect::{self, Redirects};
use super::retry::Retry;
use super::settings::HostSettings;
use crate::error::{Problem, shown};

/// The variables that name a proxy for everything, as other clients read them.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// The requests that may be under way at once, by where they really go: names behind one mirror are one server's.
pub(super) type Permits = HashMap<Url, Arc<Semaphore>>;

/// One server.
pub struct Host {
    name: String,
    origin: Url,
    prefix: String,
    settings: HostSettings,
    pub(super) client: Client,
    guarded: [OnceLock<Client>; 4],
    listed: OnceLock<Client>,
    pub(crate) auth: Auth,
    permits: Arc<Semaphore>,
    retry: Retry,
    redirects: Redirects,
    classify: fn(IpAddr) -> AddressClass,
    plain_hosts: Vec<String>,
    contacted: Mutex<BTreeSet<String>>,
}

impl Host {
    /// A server by the name in references, with its mirror and settings resolved.
    pub(super) fn new(name: &str, options: &Options, permits: &mut Permits) -> Result<Self, Problem> {
        let Way { place, prefix, origin, settings } = way(name, options)?;
        let is_mirrored = settings.mirror.is_some();
        let is_loopback = address::is_loopback(without_port(place));
        let client = client(&settings, if is_loopback { Reach::Loopback } else { Reach::Network }, None)?;
        let permits = permits.entry(origin.clone());
        let permits = permits.or_insert_with(|| Arc::new(Semaphore::new(connections(&origin, options))));
        let plain = options.hosts.iter().filter(|(_, settings)| settings.plain_http == Some(true));
        Ok(Self {
            name: name.to_owned(),
            auth: Auth::new(if is_mirrored { place } else { name }, Arc::clone(&options.credentials)),
            origin,
            prefix: prefix.trim_matches('/').to_owned(),
            client,
            guarded: Default::default(),
            listed: OnceLock::new(),
            permits: Arc::clone(permits),
            retry: options.retry,
            redirects: options.redirects,
            classify: options.classify,
            plain_hosts: plain.map(|(host, _)| host.clone()).collect(),
            contacted: Mutex::default(),
            settings,
        })
    }

    /// The name in references.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where requests go: the scheme, the host and the port that are really contacted.
    #[must_use]
    pub const fn origin(&self) -> &Url {
        &self.origin
    }

    /// The host that is contacted first, with its port where that is not the usual one: a mirror's, where there is one.
    #[must_use]
    pub fn authority(&self) -> String {
        redirect::authority(&self.origin)
    }

    /// Every host that requests went to so far, with its port where that is not the usual one: the server
    /// itself, where it redirected to, where its tokens come from.
    #[must_use]
    pub fn contacted(&self) -> BTreeSet<String> {
        let mut contacted = self.contacted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        contacted.extend(self.auth.token_server().map(|realm| redirect::authority(&realm)));
        contacted
    }

    /// Remembers a host that a request goes to.
    pub(super) fn note_contact(&self, url: &Url) {
        let place = redirect::authority(url);
        self.contacted.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
    }

    /// What goes before every repository, for a mirror; empty or without slashes around it.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(crate) const fn redirects(&self) -> Redirects {
        self.redirects
    }

    pub(crate) const fn classify(&self) -> fn(IpAddr) -> AddressClass {
        self.classify
    }

    pub(crate) const fn retry(&self) -> Retry {
        self.retry
    }

    /// Whether connections go to a proxy first.
    pub(crate) fn is_proxied(&self) -> bool {
        let is_loopback = address::is_loopback(self.origin.host_str().unwrap_or_default());
        let by_environment = || PROXY_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
        self.settings.proxy.is_some() || (!is_loopback && by_environment())
    }

    /// Whether a redirect may go to `url` without TLS.
    pub(crate) fn may_be_plain(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        address::is_loopback(host) || self.plain_hosts.contains(&redirect::authority(url))
    }

    /// Whether the settings list a host, with or without its port, as one that downloads come from.
    pub(crate) fn lists_redirect(&self, authority: &str) -> bool {
        let listed = &self.settings.redirects;
        listed.iter().any(|host| host == authority || host == without_port(authority))
    }

    /// Forgets all tokens, for rights that were changed: a project that was just created.
    pub fn forget_tokens(&self) {
        self.auth.forget_tokens();
    }

    /// A place among the requests that may be under way at once.
    pub(crate) async fn permit(&self) -> Result<OwnedSemaphorePermit, Problem> {
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        permit.map_err(|_| Problem::Network("the client was shut down".to_owned()))
    }

    /// Connections that reach addresses of one class only.
    pub(super) fn guarded_client(&self, class: AddressClass) -> Result<&Client, Problem> {
        let slot = &self.guarded[class as usize];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let reach = if class == AddressClass::Loopback { Reach::Loopback } else { Reach::Network };
        // Behind a proxy the resolver is asked for the proxy, which may be of any class.
        let guard = (!self.is_proxied()).then(|| address::guard(class, self.classify));
        let client = client(&self.settings, reach, guard.as_ref())?;
        Ok(slot.get_or_init(|| client))
    }

    /// Connections to hosts that the settings list.
    pub(super) fn listed_client(&self) -> Result<&Client, Problem> {
        if let Some(client) = self.listed.get() {
            return Ok(client);
        }
        let client = client(&self.settings, Reach::Network, None)?;
        Ok(self.listed.get_or_init(|| client))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Where requests for a name go.
struct Way<'a> {
    place: &'a str,
    prefix: &'a str,
    origin: Url,
    /// Its own, and its mirror's where it says nothing.
    settings: HostSettings,
}

fn way<'a>(name: &'a str, options: &'a Options) -> Result<Way<'a>, Problem> {
    let own = options.hosts.get(name);
    let mirror = own.and_then(|settings| settings.mirror.as_deref());
    let (place, prefix) = match mirror {
        Some(mirror) => mirror.split_once('/').unwrap_or((mirror, "")),
        // Docker Hub's registry does not live under its name.
        None if matches!(name, "docker.io" | "index.docker.io") => ("registry-1.docker.io", ""),
        None => (name, ""),
    };
    let mut settings = own.cloned().unwrap_or_default();
    if let Some(of_mirror) = options.hosts.get(place).filter(|_| mirror.is_some()) {
        settings = settings.or(of_mirror);
    }
    let is_plain = settings.plain_http.unwrap_or_else(|| address::is_loopback(without_port(place)));
    let scheme = if is_plain { "http" } else { "https" };
    let origin = Url::parse(&format!("{scheme}://{place}/")).map_err(|error| {
        Problem::Settings(format!("found {:?}, wanted HOST[:PORT]: {error}", shown(place)))
    })?;
    Ok(Way { place, prefix, origin, settings })
}

/// How many requests may be under way at a server: the fewest that the settings of a name say that leads to it, so that
/// it does not depend on which name is asked first.
fn connections(origin: &Url, options: &Options) -> usize {
    let ways = options.hosts.keys().filter_map(|name| way(name, options).ok());
    let said = ways.filter(|way| way.origin == *origin).filter_map(|way| way.settings.connections);
    usize::from(said.min().unwrap_or(options.connections).max(1))
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}
