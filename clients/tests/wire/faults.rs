//! Servers that are busy, break off, or never end.

use std::time::{Duration, Instant};

use axum::body::Body;
use clients::Problem;
use clients::http::{HostSettings, Options};
use clients::registry::Selector;
use manifests::Digest;

use crate::server::{Server, answer, cut, options, status};

#[tokio::test]
async fn a_busy_server_is_asked_again_as_late_as_it_wants() {
    for code in ["429", "503"] {
        let code: u16 = code.parse().unwrap();
        let server = Server::start(move |seen| match seen.index {
            0 => answer(code, &[("retry-after", "1")], ""),
            _ => status(200),
        })
        .await;
        let before = Instant::now();
        assert!(server.remote().head_blob(Digest::of(b"")).await.unwrap());
        assert!(before.elapsed() >= Duration::from_secs(1), "{code}");
    }
}

#[tokio::test]
async fn a_server_that_wants_an_hour_is_reported_instead() {
    let server = Server::start(|_| answer(429, &[("retry-after", "3600")], "")).await;
    let error = server.remote().head_blob(Digest::of(b"")).await.unwrap_err();
    let Problem::Unavailable { status: 429, retry_after, .. } = error.problem else { panic!("{error}") };
    assert_eq!(retry_after, Some(Duration::from_secs(3600)));
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn failures_are_repeated_and_then_reported() {
    let server = Server::start(|seen| status(if seen.index < 3 { 502 } else { 200 })).await;
    assert!(server.remote().head_blob(Digest::of(b"")).await.unwrap());
    let server = Server::start(|_| answer(500, &[], "out of \u{1b}[2J order")).await;
    let error = server.remote().get_manifest(Selector::Tag("v1")).await.unwrap_err();
    assert!(matches!(error.problem, Problem::Unavailable { status: 500, .. }), "{error}");
    assert!(error.to_string().contains("out of \\u{1b}[2J order"), "{error}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_cut_connection_is_resumed_where_it_was_cut() {
    let content = b"0123456789";
    for has_ranges in [true, false] {
        let server = Server::start(move |seen| match (seen.header("range"), has_ranges) {
            ("", _) => cut(10, b"0123"),
            (range, true) => {
                assert_eq!(range, "bytes=4-9");
                answer(206, &[("content-range", "bytes 4-9/10")], "456789")
            }
            (_, false) => answer(200, &[], "0123456789"),
        })
        .await;
        let found = server.remote().get_blob(Digest::of(content), 10, 100).await.unwrap();
        assert_eq!(found, content, "ranges: {has_ranges}");
        assert_eq!(server.seen().len(), 2);
    }
}

#[tokio::test]
async fn a_server_that_cuts_every_time_is_given_up() {
    let server = Server::start(|seen| match seen.header("range") {
        "" => cut(10, b"0123"),
        _ => answer(206, &[("content-range", "bytes 4-9/10")], Body::from_stream(cut_at_once())),
    })
    .await;
    let error = server.remote().get_blob(Digest::of(b"0123456789"), 10, 100).await.unwrap_err();
    assert!(error.problem.is_transient(), "{error}");
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn a_byte_at_a_time_is_no_progress() {
    let server = Server::start(|seen| {
        let range = seen.header("range");
        let from = range.strip_prefix("bytes=").and_then(|range| range.strip_suffix("-9")).unwrap_or("0");
        let at: usize = from.parse().unwrap();
        let mut response = cut(10 - at, &b"0123456789"[at..=at]);
        if at > 0 {
            *response.status_mut() = axum::http::StatusCode::PARTIAL_CONTENT;
            let range = format!("bytes {at}-9/10").parse().unwrap();
            response.headers_mut().insert("content-range", range);
        }
        response
    })
    .await;
    let mut reader = server.remote().read_blob(Digest::of(b"0123456789"), 10, 0);
    let mut came = Vec::new();
    let error = loop {
        match reader.next().await {
            Ok(piece) => came.extend_from_slice(&piece.unwrap()),
            Err(error) => break error,
        }
    };
    assert!(error.problem.is_transient(), "{error}");
    assert_eq!((came.as_slice(), server.seen().len()), (b"0123".as_slice(), 4));
}

fn cut_at_once() -> impl futures_util::Stream<Item = std::io::Result<axum::body::Bytes>> {
    futures_util::stream::iter([Err(std::io::Error::other("cut"))])
}

#[tokio::test]
async fn lengths_that_lie_are_errors() {
    let digest = Digest::of(b"0123456789");
    let endless = || {
        let piece = axum::body::Bytes::from(vec![0; 1000]);
        Body::from_stream(futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(piece.clone())))
    };
    let server = Server::start(move |_| answer(200, &[], endless())).await;
    let error = server.remote().get_blob(digest, 10, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::LengthMismatch { wanted: 10, .. }), "endless: {error}");

    for (body, why) in [("01234", "announced shorter"), ("0123456789a", "announced longer")] {
        let server = Server::start(move |_| answer(200, &[], body)).await;
        let error = server.remote().get_blob(digest, 10, 100).await.unwrap_err();
        assert!(matches!(error.problem, Problem::LengthMismatch { .. }), "{why}: {error}");
    }

    let short = || Body::from_stream(futures_util::stream::iter([Ok::<_, std::io::Error>("01234")]));
    let server = Server::start(move |_| answer(200, &[], short())).await;
    let mut reader = server.remote().read_blob(digest, 10, 0);
    assert_eq!(reader.next().await.unwrap().unwrap(), "01234");
    // Opened again from there on, as if it had been cut; this server knows no ranges, so nothing more comes.
    assert!(reader.next().await.unwrap_err().to_string().contains("5 of 10"), "short without a length");
}

#[tokio::test]
async fn another_range_than_the_wanted_is_an_error() {
    for (range, why) in [
        ("bytes 3-9/10", "from another place"),
        ("bytes 4-8/10", "to another place"),
        ("bytes 4-9/11", "of something larger"),
        ("", "not said"),
    ] {
        let server = Server::start(move |_| answer(206, &[("content-range", range)], "456789")).await;
        let error = server.remote().read_blob(Digest::of(b"0123456789"), 10, 4).next().await.unwrap_err();
        assert!(matches!(error.problem, Problem::Protocol(_)), "{why}: {error}");
    }
}

#[tokio::test]
async fn a_large_claim_is_not_read_into_memory() {
    let server = Server::start(|_| status(200)).await;
    let error = server.remote().get_blob(Digest::of(b""), 1 << 40, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::TooLarge { limit: 100 }), "{error}");
    assert!(server.seen().is_empty());
}

/// Reads from all of them at once, eight times, where two at once are allowed.
async fn read_two_at_once(remotes: &[clients::registry::Remote]) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let open = AtomicUsize::new(0);
    let reads = remotes.iter().cycle().take(8).map(|remote| async {
        let mut reader = remote.read_blob(Digest::of(b"0123456789"), 10, 0);
        let first = reader.next().await.unwrap();
        assert!(first.is_some() && open.fetch_add(1, Ordering::SeqCst) < 2);
        // Long enough for whatever else may be under way to come as far.
        tokio::time::sleep(Duration::from_millis(50)).await;
        while reader.next().await.unwrap().is_some() {}
        open.fetch_sub(1, Ordering::SeqCst);
    });
    futures_util::future::join_all(reads).await;
}

fn connections(connections: u16) -> HostSettings {
    HostSettings { connections: Some(connections), ..HostSettings::default() }
}

#[tokio::test]
async fn a_host_gets_no_more_requests_at_once_than_its_settings_say() {
    let server = Server::start(|_| answer(200, &[], "0123456789")).await;
    let hosts = [(server.address.to_string(), connections(2))].into();
    read_two_at_once(&[server.remote_with(Options { hosts, ..options() })]).await;
    assert_eq!(server.seen().len(), 8);
}

#[tokio::test]
async fn names_behind_one_mirror_share_what_may_be_under_way_there() {
    for (hub, github, own) in [(None, None, Some(2)), (Some(2), Some(8), None), (Some(8), None, Some(2))] {
        let server = Server::start(|_| answer(200, &[], "0123456789")).await;
        let address = server.address.to_string();
        let behind = |path: &str, connections| HostSettings {
            mirror: Some(format!("{address}{path}")),
            connections,
            ..HostSettings::default()
        };
        let mirror = HostSettings { connections: own, ..HostSettings::default() };
        let hosts = [
            ("docker.io".to_owned(), behind("/hub", hub)),
            ("ghcr.io".to_owned(), behind("", github)),
            (address.clone(), mirror),
        ];
        let http = clients::Http::new(Options { hosts: hosts.into(), ..options() });
        let remotes = ["ghcr.io", "docker.io", &address].map(|host| {
            let repository = manifests::reference::Repository::new(host, "team/app").unwrap();
            clients::registry::Remote::new(&http, &repository).unwrap()
        });
        read_two_at_once(&remotes).await;
        assert_eq!(server.seen().len(), 8);
    }
}

#[tokio::test]
async fn no_connection_is_a_transient_error_that_names_the_host() {
    let server = Server::start(|_| status(200)).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let repository = manifests::reference::Repository::new(&address.to_string(), "a").unwrap();
    let remote = clients::registry::Remote::new(&clients::Http::new(options()), &repository).unwrap();
    let error = remote.get_manifest(Selector::Tag("v1")).await.unwrap_err();
    assert!(error.problem.is_transient() && error.to_string().contains(&address.to_string()), "{error}");
    assert!(server.seen().is_empty());
}
