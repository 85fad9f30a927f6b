//! How hosts are reached: mirrors, proxies, certificates.

use clients::http::{HostSettings, Hosts, Http, Options, settings};
use clients::registry::{Remote, Selector};
use clients::{Error, Problem};
use manifests::Digest;
use manifests::reference::Repository;

use crate::server::{BASIC, Server, answer, logged_in, options, status};

fn docker_io(settings: HostSettings) -> Hosts {
    [("docker.io".to_owned(), settings)].into()
}

fn remote(hosts: Hosts, options: Options) -> Result<Remote, Error> {
    let repository = Repository::new("docker.io", "library/pause").unwrap();
    Remote::new(&Http::new(Options { hosts, ..options }), &repository)
}

#[tokio::test]
async fn a_mirror_is_asked_in_place_of_its_host_and_errors_name_the_host() {
    let server = Server::start(|seen| match seen.header("authorization") {
        BASIC => status(404),
        _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
    })
    .await;
    let mirror = Some(format!("{}/hub", server.address));
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let asked_by = std::sync::Arc::clone(&asked);
    let inner = logged_in().credentials;
    let credentials = std::sync::Arc::new(move |host: &str| {
        asked_by.lock().unwrap().push(host.to_owned());
        inner.find(host)
    });
    let hosts = docker_io(HostSettings { mirror, ..HostSettings::default() });
    let remote = remote(hosts, Options { credentials, ..options() }).unwrap();
    let error = remote.get_manifest(Selector::Tag("3.10")).await.unwrap_err();
    assert_eq!(error.subject, "docker.io/library/pause:3.10");
    assert_eq!(server.lines()[1], "GET /v2/hub/library/pause/manifests/3.10");
    assert_eq!(*asked.lock().unwrap(), [server.address.to_string()], "the mirror gets its own credentials");
    assert_eq!(remote.host().contacted().into_iter().collect::<Vec<_>>(), [server.address.to_string()]);
}

#[tokio::test]
async fn the_settings_of_a_mirrors_own_host_hold_where_nothing_else_is_said() {
    let server = Server::start(|_| status(404)).await;
    let address = server.address.to_string();
    let own = HostSettings { plain_http: Some(false), ..HostSettings::default() };
    let mirror = Some(address.clone());
    for (plain_http, scheme) in [(None, "https"), (Some(true), "http")] {
        let settings = HostSettings { mirror: mirror.clone(), plain_http, ..HostSettings::default() };
        let mut hosts = docker_io(settings);
        hosts.insert(address.clone(), own.clone());
        assert_eq!(remote(hosts, options()).unwrap().host().origin().scheme(), scheme);
    }
}

#[test]
fn tls_is_left_out_on_loopback_only() {
    for (host, origin) in [
        ("docker.io", "https://registry-1.docker.io/"),
        ("ghcr.io", "https://ghcr.io/"),
        ("registry.example:5000", "https://registry.example:5000/"),
        ("10.0.0.1:5000", "https://10.0.0.1:5000/"),
        ("localhost:5000", "http://localhost:5000/"),
        ("127.0.0.9", "http://127.0.0.9/"),
        ("[::1]:5000", "http://[::1]:5000/"),
        ("localhost.example", "https://localhost.example/"),
    ] {
        assert_eq!(Http::new(options()).host(host).unwrap().origin().as_str(), origin);
    }
}

#[tokio::test]
async fn a_proxy_is_asked_for_its_host_only() {
    let proxy = Server::start(|_| answer(200, &[], "content")).await;
    let settings = HostSettings {
        proxy: Some(proxy.url("")),
        plain_http: Some(true),
        mirror: Some("inner.test:5000".to_owned()),
        ..HostSettings::default()
    };
    let remote = remote(docker_io(settings), options()).unwrap();
    assert_eq!(remote.get_blob(Digest::of(b"content"), 7, 100).await.unwrap(), b"content");
    assert_eq!(proxy.seen()[0].header("host"), "inner.test:5000");
}

#[test]
fn settings_that_cannot_be_used_are_errors_of_settings() {
    let some = |text: &str| Some(text.to_owned());
    for (settings, why) in [
        (
            HostSettings { certificates: Some(b"not PEM".to_vec()), ..HostSettings::default() },
            "no certificate",
        ),
        (HostSettings { proxy: some("::"), ..HostSettings::default() }, "no proxy"),
    ] {
        let error = remote(docker_io(settings), options()).unwrap_err();
        assert!(matches!(error.problem, Problem::Settings(_)), "{why}: {error}");
        assert_eq!(error.subject, "docker.io");
    }
    let folder = tempfile::tempdir().unwrap();
    let named = manifests::hosts::HostSettings { ca_file: some("corp.pem"), ..Default::default() };
    let hosts = [("a.example".to_owned(), named)].into();
    assert!(settings::load(&hosts, folder.path()).unwrap_err().to_string().contains("corp.pem"));
    std::fs::write(folder.path().join("corp.pem"), "PEM").unwrap();
    let loaded = settings::load(&hosts, folder.path()).unwrap();
    assert_eq!(loaded["a.example"].certificates.as_deref(), Some(&b"PEM"[..]));
}
