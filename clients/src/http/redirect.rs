//! Redirects of downloads, followed by hand.
//!
//! A registry may keep its content elsewhere, so downloads are redirected; nothing else is. It may not
//! choose freely where to: see [`super::address`].

use std::collections::HashSet;

use reqwest::header::LOCATION;
use reqwest::{Response, Url};

use super::address::{self, AddressClass};
use super::host::Host;
use crate::error::{Problem, shown};

/// Most redirects of one download.
pub(crate) const MOST: usize = 5;

/// Why a redirect into another class of addresses is refused.
pub(crate) const OTHER_NETWORK: &str = "it leads into another kind of network than the registry's own";

/// Which redirects of downloads are followed, beyond hosts that the settings list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redirects {
    /// To addresses of the class that the registry's own address has: outside the gap.
    SameClass,
    /// To the registry's own host and port: inside the gap.
    SameHost,
}

/// The target of a redirect; none when the answer is not one.
pub(crate) fn target(response: &Response) -> Option<Result<Url, Problem>> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
    let target = location.and_then(|text| response.url().join(text).ok());
    Some(target.ok_or_else(|| Problem::Protocol("found a redirect without a usable Location".to_owned())))
}

/// `host[:port]` of a URL, as references write it.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn refuse(url: &Url, reason: &'static str) -> Problem {
    Problem::RedirectRefused { to: shown(&format!("{}://{}", url.scheme(), authority(url))), reason }
}

/// What a redirect from `from` to `to` is followed with.
pub(crate) enum Way {
    /// The connections of the registry itself, with its credentials.
    SameHost,
    /// Connections that reach addresses of one class only, without credentials.
    Guarded(AddressClass),
    /// Connections to wherever the settings list, without credentials.
    Listed,
}

/// Decides about a redirect from an answer of this host to `to`.
pub(crate) async fn judge(host: &Host, answer: &Response, to: &Url) -> Result<Way, Problem> {
    let from = answer.url();
    if !matches!(to.scheme(), "http" | "https") || to.host_str().is_none() {
        return Err(refuse(to, "it leads to no web address"));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(refuse(to, "it carries credentials"));
    }
    let origin = host.origin();
    if to.origin() == origin.origin() {
        return Ok(Way::SameHost);
    }
    if to.scheme() == "http" && !host.may_be_plain(to) {
        return Err(refuse(to, "it leaves TLS"));
    }
    if host.lists_redirect(&authority(to)) {
        return Ok(Way::Listed);
    }
    if host.redirects() == Redirects::SameHost {
        return Err(refuse(to, "it leads to another host that `redirects:` of this host does not list"));
    }
    let own = own_class(host, answer, from).await;
    let classes = literal_or_known(host, to).await;
    if classes.iter().any(|class| *class != own) {
        return Err(refuse(to, OTHER_NETWORK));
    }
    Ok(Way::Guarded(own))
}

/// The class of the address that answered. Behind a proxy that is the proxy's, so the name is asked for;
/// a name that only the proxy knows counts as public.
async fn own_class(host: &Host, answer: &Response, from: &Url) -> AddressClass {
    let classify = host.classify();
    if !host.is_proxied()
        && let Some(address) = answer.remote_addr()
    {
        return classify(address.ip());
    }
    let name = from.host_str().unwrap_or_default();
    let classes = address::classes_of(name, classify).await.unwrap_or_default();
    classes.into_iter().next().unwrap_or(AddressClass::Public)
}

/// The classes of the target: of an address as it stands, which no resolver is asked for; behind a proxy
/// of what the name resolves to here, since the proxy connects.
async fn literal_or_known(host: &Host, to: &Url) -> HashSet<AddressClass> {
    let name = to.host_str().unwrap_or_default();
    let classify = host.classify();
    if let Some(address) = address::literal(name) {
        return HashSet::from([classify(address)]);
    }
    if host.is_proxied() {
        return address::classes_of(name, classify).await.unwrap_or_default();
    }
    HashSet::new()
}
