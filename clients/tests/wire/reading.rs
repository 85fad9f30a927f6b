//! Manifests and blobs that are what they are said to be, and others.

use clients::Problem;
use clients::registry::{BlobStart, Selector};
use manifests::Digest;
use manifests::digest::Hasher;
use manifests::media_type::{OCI_INDEX, OCI_MANIFEST};

use crate::server::{Server, answer, status};

fn manifest() -> String {
    let empty = Digest::of(b"");
    let config = format!(r#"{{"digest":"{empty}","mediaType":"x","size":0}}"#);
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}","config":{config},"layers":[]}}"#)
}

#[tokio::test]
async fn a_manifest_is_asked_for_by_all_four_types_and_checked() {
    let server = Server::start(|_| answer(200, &[("content-type", OCI_MANIFEST)], manifest())).await;
    let found = server.remote().get_manifest(Selector::Tag("v1")).await.unwrap();
    assert_eq!((found.digest, found.media_type.as_str()), (Digest::of(manifest().as_bytes()), OCI_MANIFEST));
    assert_eq!(found.bytes, manifest());
    server.remote().get_manifest(found.digest).await.unwrap();
    assert_eq!(server.lines()[0], "GET /v2/team/app/manifests/v1");
    for accepted in manifests::media_type::MANIFESTS {
        assert!(server.seen()[0].header("accept").contains(accepted), "{accepted}");
    }
    assert!(server.seen()[0].header("user-agent").starts_with("airgap/"));
}

#[tokio::test]
async fn an_answer_that_is_not_the_manifest_is_named() {
    let right = Digest::of(manifest().as_bytes());
    let other = Digest::of(b"other").to_string();
    let json = [("content-type", OCI_MANIFEST)];
    let lies = [("content-type", OCI_MANIFEST), ("docker-content-digest", other.as_str())];
    for (why, selector, headers, body, wanted) in [
        ("other bytes", right.into(), &json[..], manifest() + " ", "digest"),
        ("a digest that differs", Selector::Tag("v1"), &lies, manifest(), "digest"),
        (
            "a web page",
            Selector::Tag("v1"),
            &[("content-type", "text/html; charset=utf-8")],
            "<html>".into(),
            "HTML",
        ),
        ("no type", Selector::Tag("v1"), &[], manifest(), "media type"),
        (
            "an index by its header",
            Selector::Tag("v1"),
            &[("content-type", OCI_INDEX)],
            manifest(),
            "media type",
        ),
        ("too much", Selector::Tag("v1"), &json, "x".repeat(5_000_000), "bytes"),
        ("no JSON", Selector::Tag("v1"), &json, "{".into(), "EOF"),
    ] {
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let server = Server::start(move |_| {
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            answer(200, &headers, body.clone())
        })
        .await;
        let error = server.remote().get_manifest(selector).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains(wanted), "{why}: {text}");
        assert!(text.starts_with(&format!("{}/team/app", server.address)), "{why}: {text}");
    }
}

#[tokio::test]
async fn only_404_means_not_there() {
    for code in [400, 401, 403, 405, 410, 418, 500] {
        let server = Server::start(move |_| status(code)).await;
        let error = server.remote().get_manifest(Selector::Tag("v1")).await.unwrap_err();
        assert!(!matches!(error.problem, Problem::NotFound(_)), "{code}: {error}");
        assert!(server.remote().head_blob(Digest::of(b"")).await.is_err(), "{code}");
    }
    let server = Server::start(|_| status(404)).await;
    let error = server.remote().head_manifest(Selector::Tag("v1")).await.unwrap_err();
    assert!(matches!(error.problem, Problem::NotFound(_)));
    assert!(!server.remote().head_blob(Digest::of(b"")).await.unwrap());
    assert_eq!(server.seen().len(), 2, "an answer is not asked for twice");
}

#[tokio::test]
async fn a_name_that_is_no_tag_makes_no_request() {
    let server = Server::start(|_| status(200)).await;
    for tag in ["", "../blobs/x", "a/b", "a?b", "a b", "-a"] {
        assert!(server.remote().get_manifest(Selector::Tag(tag)).await.is_err(), "{tag:?}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn what_head_says_is_passed_on() {
    let digest = Digest::of(b"x");
    let server = Server::start(move |_| {
        let headers = [
            ("content-type", OCI_INDEX),
            ("content-length", "123456789"),
            ("docker-content-digest", &digest.to_string()),
        ];
        answer(200, &headers, "")
    })
    .await;
    let head = server.remote().head_manifest(Selector::Tag("v1")).await.unwrap();
    assert_eq!(
        (head.digest, head.size, head.media_type.as_deref()),
        (Some(digest), Some(123_456_789), Some(OCI_INDEX))
    );
    assert!(
        server.remote().head_blob(digest).await.unwrap(),
        "the length of a HEAD is not the length of a body"
    );
}

#[tokio::test]
async fn a_blob_comes_with_each_byte_once() {
    let content = "0123456789".repeat(100_000);
    let sent = content.clone();
    let server = Server::start(move |_| answer(200, &[], sent.clone())).await;
    let digest = Digest::of(content.as_bytes());
    let mut received = Vec::new();
    let write = |offset: u64, piece: &[u8]| {
        assert_eq!(offset, received.len() as u64);
        received.extend_from_slice(piece);
        Ok(())
    };
    server.remote().fetch_blob(digest, 1_000_000, BlobStart::default(), write).await.unwrap();
    assert_eq!(received, content.as_bytes());
    assert_eq!(server.lines(), [format!("GET /v2/team/app/blobs/{digest}")]);
}

#[tokio::test]
async fn what_is_there_already_is_not_asked_for_again() {
    let server = Server::start(|seen| {
        assert_eq!(seen.header("range"), "bytes=4-9");
        answer(206, &[("content-range", "bytes 4-9/10")], "456789")
    })
    .await;
    let mut hasher = Hasher::default();
    hasher.update(b"0123");
    let mut rest = Vec::new();
    let write = |offset: u64, piece: &[u8]| {
        assert_eq!(offset, 4 + rest.len() as u64);
        rest.extend_from_slice(piece);
        Ok(())
    };
    let start = BlobStart { length: 4, hasher };
    server.remote().fetch_blob(Digest::of(b"0123456789"), 10, start, write).await.unwrap();
    assert_eq!(rest, b"456789");
}

#[tokio::test]
async fn wrong_content_is_refetched_once_and_then_named() {
    let wanted = Digest::of(b"right");
    let server = Server::start(|_| answer(200, &[], "wrong")).await;
    let error = server.remote().get_blob(wanted, 5, 100).await.unwrap_err();
    assert!(matches!(error.problem, Problem::DigestMismatch { found, .. } if found == Digest::of(b"wrong")));
    assert!(error.to_string().starts_with(&format!("{}/team/app@{wanted}: ", server.address)), "{error}");
    assert_eq!(server.seen().len(), 2);

    let server =
        Server::start(|seen| answer(200, &[], if seen.index == 0 { "wrong" } else { "right" })).await;
    assert_eq!(server.remote().get_blob(wanted, 5, 100).await.unwrap(), b"right");
}

#[tokio::test]
async fn a_failing_disk_is_not_blamed_on_the_registry() {
    let server = Server::start(|_| answer(200, &[], "right")).await;
    let full = |_: u64, _: &[u8]| Err(std::io::Error::from(std::io::ErrorKind::StorageFull));
    let outcome = server.remote().fetch_blob(Digest::of(b"right"), 5, BlobStart::default(), full).await;
    assert!(matches!(outcome.unwrap_err().problem, Problem::Sink(_)));
    assert_eq!(server.seen().len(), 1);
}
