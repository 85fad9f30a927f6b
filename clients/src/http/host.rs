//! One server: where it is, how it is spoken to, and requests that are authorised, repeated and redirected
//! as its rules want.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Certificate, Client, ClientBuilder, Method, Proxy, Request, Response, StatusCode, Url};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::address::{self, AddressClass};
use super::auth::Auth;
use super::redirect::{self, Redirects, Way};
use super::retry::Retry;
use super::settings::HostSettings;
use super::{Options, answer};
use crate::error::{Problem, network, shown};

/// How long a connection may take to stand.
const CONNECT: Duration = Duration::from_secs(20);

/// How long a server may think before it answers. Harbor takes 55 ms for each of 1,000 referrers.
pub(crate) const THINKING: Duration = Duration::from_secs(120);

/// The variables that name a proxy for everything, as other clients read them.
const PROXY_VARIABLES: [&str; 6] =
    ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// One server.
pub struct Host {
    name: String,
    origin: Url,
    prefix: String,
    settings: HostSettings,
    client: Client,
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

/// One request without a body that streams, so that it can be made again.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) scopes: Vec<String>,
    /// Whether redirects may be followed.
    pub(crate) is_download: bool,
}

impl Call {
    pub(crate) fn new(method: Method, url: Url, scopes: Vec<String>) -> Self {
        let is_download = method == Method::GET || method == Method::HEAD;
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), scopes, is_download }
    }
}

impl Host {
    /// A server by the name in references, with its mirror and settings resolved.
    pub(crate) fn new(name: &str, options: &Options) -> Result<Self, Problem> {
        let mut settings = options.hosts.get(name).cloned().unwrap_or_default();
        let mirror = settings.mirror.clone();
        let (place, prefix) = match &mirror {
            Some(mirror) => mirror.split_once('/').unwrap_or((mirror, "")),
            // Docker Hub's registry does not live under its name.
            None if matches!(name, "docker.io" | "index.docker.io") => ("registry-1.docker.io", ""),
            None => (name, ""),
        };
        if let Some(own) = options.hosts.get(place).filter(|_| mirror.is_some()) {
            settings = settings.or(own);
        }
        let is_plain = settings.plain_http.unwrap_or_else(|| address::is_loopback(without_port(place)));
        let scheme = if is_plain { "http" } else { "https" };
        let origin = Url::parse(&format!("{scheme}://{place}/")).map_err(|error| {
            Problem::Settings(format!("found {:?}, wanted HOST[:PORT]: {error}", shown(place)))
        })?;
        let client = build(client(&settings, address::is_loopback(without_port(place)))?)?;
        let connections = settings.connections.unwrap_or(options.connections).max(1);
        let plain = options.hosts.iter().filter(|(_, settings)| settings.plain_http == Some(true));
        Ok(Self {
            name: name.to_owned(),
            auth: Auth::new(if mirror.is_some() { place } else { name }, Arc::clone(&options.credentials)),
            origin,
            prefix: prefix.trim_matches('/').to_owned(),
            client,
            guarded: Default::default(),
            listed: OnceLock::new(),
            permits: Arc::new(Semaphore::new(usize::from(connections))),
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

    /// Every host that requests went to so far, with its port where that is not the usual one: the server
    /// itself, where it redirected to, where its tokens come from.
    #[must_use]
    pub fn contacted(&self) -> BTreeSet<String> {
        let mut contacted = self.contacted.lock().unwrap_or_else(PoisonError::into_inner).clone();
        contacted.extend(self.auth.token_server().map(|realm| redirect::authority(&realm)));
        contacted
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

    /// Makes a request and reads all of its answer, of at most `limit` bytes; a cut body is another try.
    pub(crate) async fn call_and_read(&self, call: &Call, limit: u64) -> Result<(Parts, Bytes), Problem> {
        let _permit = self.permit().await?;
        let mut tries = self.retry.start();
        loop {
            let outcome = async {
                let response = self.try_once(call).await?;
                let parts = Parts::of(&response);
                Ok((parts, answer::read(response, limit).await?))
            };
            match outcome.await {
                Ok(answer) => return Ok(answer),
                Err(problem) => tries.wait_after(problem).await?,
            }
        }
    }

    /// Makes a request once, with as many rounds as authorisation and redirects need.
    pub(crate) async fn try_once(&self, call: &Call) -> Result<Response, Problem> {
        let mut response = self.authorised(call).await?;
        for _ in 0..redirect::MOST {
            let Some(target) = redirect::target(&response).filter(|_| call.is_download) else { break };
            response = self.follow(call, &response, target?).await?;
        }
        if response.status().is_success() {
            return Ok(response);
        }
        match redirect::target(&response).filter(|_| call.is_download) {
            Some(_) => Err(Problem::RedirectRefused {
                to: shown(&redirect::authority(response.url())),
                reason: "it is one too many: at most 5 are followed",
            }),
            None => Err(answer::problem_of(response).await),
        }
    }

    async fn follow(&self, call: &Call, from: &Response, to: Url) -> Result<Response, Problem> {
        let client = match redirect::judge(self, from, &to).await? {
            Way::SameHost => {
                let header = self.auth.header(&self.client, &call.scopes, None).await?;
                return self.send(&self.client, self.request(call, to, header), THINKING).await;
            }
            Way::Guarded(class) => self.guarded_client(class)?,
            Way::Listed => self.listed_client()?,
        };
        let authority = redirect::authority(&to);
        let response = self.send(client, self.request(call, to, None), THINKING).await;
        response.map_err(|problem| match problem {
            Problem::Network(text) if text.contains(address::NOT_ALLOWED) => {
                Problem::RedirectRefused { to: shown(&authority), reason: redirect::OTHER_NETWORK }
            }
            problem => problem,
        })
    }

    async fn authorised(&self, call: &Call) -> Result<Response, Problem> {
        let header = self.auth.header(&self.client, &call.scopes, None).await?;
        let request = self.request(call, call.url.clone(), header.clone());
        let response = self.send(&self.client, request, THINKING).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if header.is_none() {
            self.auth.learn(response.headers(), &self.origin)?;
        }
        match self.auth.header(&self.client, &call.scopes, header.as_ref()).await? {
            Some(better) => {
                drop(response);
                let request = self.request(call, call.url.clone(), Some(better));
                self.send(&self.client, request, THINKING).await
            }
            None => Ok(response),
        }
    }

    /// Sends a body that cannot be sent twice, with the authorisation that is at hand.
    pub(crate) async fn send_stream(
        &self,
        request: Request,
        scopes: &[String],
    ) -> Result<(Option<HeaderValue>, impl Future<Output = Result<Response, reqwest::Error>> + use<>), Problem>
    {
        let mut request = request;
        let header = self.auth.header(&self.client, scopes, None).await?;
        if let Some(header) = &header {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        Ok((header, self.client.execute(request)))
    }

    /// Gets a token in place of one that was refused.
    pub(crate) async fn renew(
        &self,
        scopes: &[String],
        rejected: Option<&HeaderValue>,
    ) -> Result<(), Problem> {
        self.auth.header(&self.client, scopes, rejected).await.map(|_| ())
    }

    fn request(&self, call: &Call, url: Url, authorization: Option<HeaderValue>) -> Request {
        let mut request = Request::new(call.method.clone(), url);
        request.headers_mut().extend(call.headers.clone());
        if let Some(header) = authorization {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        if !call.body.is_empty() || call.method == Method::POST || call.method == Method::PUT {
            *request.body_mut() = Some(Body::from(call.body.clone()));
        }
        request
    }

    async fn send(&self, client: &Client, request: Request, wait: Duration) -> Result<Response, Problem> {
        let place = redirect::authority(request.url());
        self.contacted.lock().unwrap_or_else(PoisonError::into_inner).insert(place);
        match tokio::time::timeout(wait, client.execute(request)).await {
            Ok(response) => response.map_err(network),
            Err(_) => Err(Problem::Network(format!("no answer within {} s", wait.as_secs()))),
        }
    }

    /// Sends a request as it is over the host's own connections.
    pub(crate) async fn send_directly(&self, request: Request, wait: Duration) -> Result<Response, Problem> {
        self.send(&self.client, request, wait).await
    }

    fn guarded_client(&self, class: AddressClass) -> Result<&Client, Problem> {
        let slot = &self.guarded[class as usize];
        if let Some(client) = slot.get() {
            return Ok(client);
        }
        let mut builder = client(&self.settings, class == AddressClass::Loopback)?;
        // Behind a proxy the resolver is asked for the proxy, which may be of any class.
        if !self.is_proxied() {
            builder = builder.dns_resolver(address::guard(class, self.classify)).no_proxy();
        }
        let client = build(builder)?;
        Ok(slot.get_or_init(|| client))
    }

    fn listed_client(&self) -> Result<&Client, Problem> {
        if let Some(client) = self.listed.get() {
            return Ok(client);
        }
        let client = build(client(&self.settings, false)?)?;
        Ok(self.listed.get_or_init(|| client))
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What is kept of an answer when its body has been read.
pub(crate) struct Parts {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    pub(crate) content_type: Option<String>,
}

impl Parts {
    fn of(response: &Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            url: response.url().clone(),
            content_type: answer::content_type(response),
        }
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

/// What all connections have in common. No cookies: Harbor refuses writes that send its own back. No
/// decompression: digests are over what is sent.
fn client(settings: &HostSettings, is_loopback: bool) -> Result<ClientBuilder, Problem> {
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

fn build(builder: ClientBuilder) -> Result<Client, Problem> {
    builder.build().map_err(|error| Problem::Settings(format!("cannot set up TLS: {error:?}")))
}

/// A header value of text that we made ourselves from checked parts.
pub(crate) fn single_line(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| Problem::Protocol(format!("cannot send {:?}", shown(text))))
}

/// A body of bytes with its type, for a call.
pub(crate) fn body(call: &mut Call, media_type: &str, bytes: Bytes) -> Result<(), Problem> {
    call.headers.insert(CONTENT_TYPE, single_line(media_type)?);
    call.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    call.body = bytes;
    Ok(())
}
