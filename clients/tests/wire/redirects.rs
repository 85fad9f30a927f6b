//! Where downloads may be redirected to.

use std::net::IpAddr;

use clients::Problem;
use clients::http::{AddressClass, HostSettings, Options, Redirects};
use manifests::Digest;

use crate::server::{BASIC, Server, answer, logged_in, options, status};

/// A small internet: 127.0.0.1 is public, all else is an inner network.
fn classify(address: IpAddr) -> AddressClass {
    let is_public = address == IpAddr::from([127, 0, 0, 1]);
    if is_public { AddressClass::Public } else { AddressClass::Private }
}

/// The same with 127.0.0.2 as the public one.
fn classify_second(address: IpAddr) -> AddressClass {
    let is_public = address == IpAddr::from([127, 0, 0, 2]);
    if is_public { AddressClass::Public } else { AddressClass::Private }
}

fn to(
    target: &str,
) -> impl Fn(&crate::server::Seen) -> axum::response::Response + Clone + Send + Sync + 'static {
    let target = target.to_owned();
    move |_| answer(307, &[("location", &target)], "")
}

#[tokio::test]
async fn a_redirect_into_an_inner_network_is_refused_before_it_is_made() {
    let inner = Server::start_at("127.0.0.2", |_| answer(200, &[], "metadata")).await;
    let server = Server::start(to(&inner.url("/latest/meta-data"))).await;
    let remote = server.remote_with(Options { classify, ..options() });
    let error = remote.get_blob(Digest::of(b"metadata"), 8, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::RedirectRefused { .. }), "{error}");
    assert!(inner.seen().is_empty());
    assert_eq!(server.seen().len(), 1, "a refusal is not repeated");
}

#[tokio::test]
async fn a_name_that_resolves_into_an_inner_network_is_refused() {
    let inner = Server::start(|_| answer(200, &[], "metadata")).await;
    let target = format!("http://localhost:{}/", inner.address.port());
    let server = Server::start_at("127.0.0.2", to(&target)).await;
    let remote = server.remote_with(Options { classify: classify_second, ..options() });
    let error = remote.get_blob(Digest::of(b"metadata"), 8, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::RedirectRefused { .. }), "{error}");
    assert!(inner.seen().is_empty());
}

#[tokio::test]
async fn within_its_own_kind_of_network_a_redirect_is_followed_without_credentials() {
    let storage = Server::start(|_| answer(200, &[], "content")).await;
    let target = storage.url("/bucket?signature=1");
    let server = Server::start(move |seen| match seen.header("authorization") {
        BASIC => answer(307, &[("location", &target)], ""),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
    })
    .await;
    let remote = server.remote_with(Options { classify, ..logged_in() });
    assert_eq!(remote.get_blob(Digest::of(b"content"), 7, 100).await.unwrap(), b"content");
    assert_eq!(storage.seen()[0].header("authorization"), "");
    assert_eq!(storage.seen()[0].path, "/bucket?signature=1");
}

#[tokio::test]
async fn a_redirect_of_the_same_host_keeps_the_credentials() {
    let server = Server::start(|seen| match (seen.header("authorization"), seen.path.as_str()) {
        (BASIC, "/elsewhere") => answer(200, &[], "content"),
        (BASIC, _) => answer(307, &[("location", "/elsewhere")], ""),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
    })
    .await;
    let remote = server.remote_with(Options { redirects: Redirects::SameHost, ..logged_in() });
    assert_eq!(remote.get_blob(Digest::of(b"content"), 7, 100).await.unwrap(), b"content");
}

#[tokio::test]
async fn inside_the_gap_another_host_must_be_listed() {
    let storage = Server::start_at("127.0.0.2", |_| answer(200, &[], "content")).await;
    let server = Server::start(to(&storage.url("/x"))).await;
    let inside = || Options { redirects: Redirects::SameHost, ..options() };
    let error = server.remote_with(inside()).get_blob(Digest::of(b"content"), 7, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::RedirectRefused { .. }), "{error}");
    assert!(storage.seen().is_empty());

    let settings = HostSettings { redirects: vec!["127.0.0.2".to_owned()], ..HostSettings::default() };
    let hosts = [(server.address.to_string(), settings)].into();
    let remote = server.remote_with(Options { hosts, ..inside() });
    assert_eq!(remote.get_blob(Digest::of(b"content"), 7, 100).await.unwrap(), b"content");
}

#[tokio::test]
async fn a_redirect_that_no_download_needs_is_refused() {
    for (target, why) in [
        ("http://public.example/x", "it leaves TLS"),
        ("file:///etc/passwd", "no web address"),
        ("http://user:password@127.0.0.1/x", "it carries credentials"),
        ("http://[::ffff:10.0.0.1]/x", "it leaves TLS into an inner network"),
        ("https://10.0.0.1/x", "an inner network"),
        ("", "nowhere"),
    ] {
        let server = Server::start(to(target)).await;
        let remote = server.remote_with(Options { classify, ..options() });
        let error = remote.get_blob(Digest::of(b"x"), 1, 100).await.unwrap_err();
        let is_refused = matches!(error.problem, Problem::RedirectRefused { .. } | Problem::Protocol(_));
        assert!(is_refused, "{why}: {error}");
        assert!(!error.to_string().contains("password@"), "{error}");
    }
}

#[tokio::test]
async fn five_redirects_are_followed_and_no_more() {
    let server = Server::start(|seen| match seen.index {
        5 => answer(200, &[], "content"),
        index => answer(302, &[("location", &format!("/{index}"))], ""),
    })
    .await;
    assert_eq!(server.remote().get_blob(Digest::of(b"content"), 7, 100).await.unwrap(), b"content");

    let server = Server::start(to("/again")).await;
    let error = server.remote().get_blob(Digest::of(b"content"), 7, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::RedirectRefused { .. }), "{error}");
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn only_downloads_are_redirected() {
    let other = Server::start(|_| status(202)).await;
    let server = Server::start(to(&other.url("/"))).await;
    let open = || futures_util::stream::iter([Ok("x".into())]);
    let error = server.remote().push_blob(Digest::of(b"x"), 1, None, open).await.unwrap_err();
    assert!(matches!(error.problem, Problem::RedirectRefused { .. }), "{error}");
    assert!(other.seen().is_empty());
}
