//! Content into a registry.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use axum::response::Response;
use bytes::Bytes;
use clients::Problem;
use clients::registry::{FallbackEntry, Merged, Pushed, Selector};
use futures_util::stream;
use manifests::Digest;
use manifests::media_type::{OCI_INDEX, OCI_MANIFEST};
use manifests::reference::Repository;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::server::{Seen, Server, answer, logged_in, options, status};

const SESSION: &str = "https://internal.name/v2/team/app/blobs/uploads/1?_state=x%3D";

/// A registry that opens sessions, and answers their PUT as told.
fn sessions(
    put: impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
) -> impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static {
    move |seen: &Seen| match seen.method.as_str() {
        "POST" => answer(202, &[("location", SESSION)], ""),
        "PUT" => put(seen),
        "DELETE" => status(204),
        _ => status(404),
    }
}

fn pieces(
    pieces: &'static [&'static str],
) -> impl Fn() -> stream::Iter<std::vec::IntoIter<io::Result<Bytes>>> {
    move || stream::iter(pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect::<Vec<_>>())
}

#[tokio::test]
async fn a_blob_goes_in_one_request_with_its_length() {
    let server = Server::start(sessions(|_| status(201))).await;
    let digest = Digest::of(b"content");
    let pushed = server.remote().push_blob(digest, 7, None, pieces(&["con", "tent"])).await.unwrap();
    assert_eq!(pushed, Pushed::Sent);
    let seen = server.seen();
    assert_eq!(server.lines(), ["POST /v2/team/app/blobs/uploads/", "PUT /v2/team/app/blobs/uploads/1"]);
    // Path and state of the session are kept; its host is not followed.
    assert_eq!(
        seen[1].path,
        format!("/v2/team/app/blobs/uploads/1?_state=x%3D&digest=sha256%3A{}", digest.hex())
    );
    assert_eq!(seen[1].header("content-length"), "7");
    assert_eq!(seen[1].body.as_deref(), Some(&b"content"[..]));

    let server = Server::start(sessions(|_| status(201))).await;
    server.remote().push_blob(Digest::of(b""), 0, None, pieces(&[])).await.unwrap();
    assert_eq!(server.seen()[1].header("content-length"), "0");
}

#[tokio::test]
async fn content_that_changed_since_it_was_verified_is_never_committed() {
    for (changed, why) in [
        (&["con", "tenX"][..], "at the end"),
        (&["Xon", "tent"], "at the start"),
        (&["con"], "shorter"),
        (&["content", "s"], "longer"),
        (&["Xontent"], "in one piece"),
    ] {
        let committed = Arc::new(AtomicBool::new(false));
        let seen_whole = Arc::clone(&committed);
        let server = Server::start(sessions(move |seen| {
            seen_whole.fetch_or(seen.body.is_some(), Ordering::SeqCst);
            status(201)
        }))
        .await;
        let error =
            server.remote().push_blob(Digest::of(b"content"), 7, None, pieces(changed)).await.unwrap_err();
        assert!(matches!(error.problem, Problem::SourceChanged { .. }), "{why}: {error}");
        assert!(!committed.load(Ordering::SeqCst), "{why}");
        assert!(server.lines().len() <= 2, "{why}: what changed is not tried again");
    }
}

#[tokio::test]
async fn a_source_that_cannot_be_read_is_named_as_such() {
    let server = Server::start(sessions(|_| status(201))).await;
    let open = || stream::iter([Ok(Bytes::from("con")), Err(io::Error::other("bad sector"))]);
    let error = server.remote().push_blob(Digest::of(b"content"), 7, None, open).await.unwrap_err();
    assert!(matches!(&error.problem, Problem::Source(inner) if inner.to_string() == "bad sector"), "{error}");
}

#[tokio::test]
async fn a_failed_upload_starts_again_with_a_new_session() {
    let server =
        Server::start(sessions(|seen| status(if seen.index < 4 { [500, 404][seen.index / 2] } else { 201 })))
            .await;
    let opened = AtomicUsize::new(0);
    let open = || {
        opened.fetch_add(1, Ordering::SeqCst);
        pieces(&["content"])()
    };
    server.remote().push_blob(Digest::of(b"content"), 7, None, open).await.unwrap();
    let methods: Vec<String> = server.seen().iter().map(|seen| seen.method.to_string()).collect();
    assert_eq!(methods, ["POST", "PUT", "POST", "PUT", "POST", "PUT"]);
    assert_eq!(opened.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_token_that_runs_out_before_the_upload_is_renewed() {
    let tokens = Arc::new(AtomicUsize::new(0));
    let server = Server::start(move |seen| {
        let current = format!("Bearer t{}", tokens.load(Ordering::SeqCst));
        match (seen.method.as_str(), seen.header("authorization")) {
            ("GET", _) => {
                let number = tokens.fetch_add(1, Ordering::SeqCst) + 1;
                answer(200, &[], format!(r#"{{"token":"t{number}","expires_in":1800}}"#))
            }
            (_, "") => {
                let challenge = format!("Bearer realm=\"http://{}/token\"", seen.header("host"));
                answer(401, &[("www-authenticate", &challenge)], "")
            }
            ("PUT", header) if header == "Bearer t1" || header != current => status(401),
            ("PUT", _) => status(201),
            _ => answer(202, &[("location", SESSION)], ""),
        }
    })
    .await;
    let remote = server.remote_with(logged_in());
    remote.push_blob(Digest::of(b"content"), 7, None, pieces(&["content"])).await.unwrap();
    let token = server.seen().into_iter().find(|seen| seen.path.starts_with("/token")).unwrap();
    assert!(token.path.ends_with("scope=repository%3Ateam%2Fapp%3Apull%2Cpush"), "{}", token.path);
}

#[tokio::test]
async fn a_refusal_carries_the_registrys_own_words() {
    let quota = "adding 2.0 MiB of storage resource, which when updated to current usage of 0 B will exceed the configured upper limit of 1.0 MiB.";
    for (code, name, message, is_no_room) in [
        (403, "DENIED", quota, true),
        (413, "", "", true),
        (507, "", "", true),
        (403, "DENIED", "The system is in read only mode. Any modification is prohibited.", false),
        (412, "PRECONDITION", "Failed to process request due to 'x:v1' configured as immutable.", false),
    ] {
        let body = format!(r#"{{"errors":[{{"code":"{name}","message":"{message}"}}]}}"#);
        let server = Server::start(sessions(move |_| answer(code, &[], body.clone()))).await;
        let error = server
            .remote()
            .push_blob(Digest::of(b"content"), 7, None, pieces(&["content"]))
            .await
            .unwrap_err();
        assert_eq!(matches!(error.problem, Problem::NoRoom { .. }), is_no_room, "{error}");
        assert_eq!(matches!(error.problem, Problem::Denied { .. }), !is_no_room, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert_eq!(server.seen().len(), 2, "a refusal is not repeated");
    }
}

/// Harbor's core answers a PUT that breaks the quota before it reads the body, and hangs up.
#[tokio::test]
async fn an_early_refusal_is_read_although_the_pipe_breaks() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                loop {
                    let read = socket.read(&mut head).await.unwrap_or(0);
                    if read == 0 {
                        return;
                    }
                    if head.starts_with(b"PUT") {
                        let body =
                            r#"{"errors":[{"code":"DENIED","message":"the quota of storage resource"}]}"#;
                        let answer = format!(
                            "HTTP/1.1 403 Forbidden\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                            body.len()
                        );
                        socket.write_all(answer.as_bytes()).await.unwrap();
                        return;
                    }
                    let answer =
                        format!("HTTP/1.1 202 Accepted\r\nlocation: {SESSION}\r\ncontent-length: 0\r\n\r\n");
                    socket.write_all(answer.as_bytes()).await.unwrap();
                }
            });
        }
    });
    let content = Bytes::from(vec![7; 1 << 20]);
    let whole = content.repeat(64);
    let repository = Repository::new(&address.to_string(), "team/app").unwrap();
    let remote = clients::registry::Remote::new(&clients::Http::new(options()), &repository).unwrap();
    let open = || stream::iter(vec![content.clone(); 64].into_iter().map(Ok));
    let error = remote.push_blob(Digest::of(&whole), whole.len() as u64, None, open).await.unwrap_err();
    assert!(matches!(error.problem, Problem::NoRoom { status: 403, .. }), "{error}");
}

#[tokio::test]
async fn a_blob_of_another_repository_is_mounted_where_the_registry_can() {
    let digest = Digest::of(b"content");
    for (code, mounted, sent, cancelled) in
        [(201, true, Pushed::Mounted, 0), (202, false, Pushed::Sent, 1), (401, false, Pushed::Sent, 1)]
    {
        let server = Server::start(move |seen| match seen.path.contains("mount=") {
            true if code == 401 => answer(401, &[("www-authenticate", "Basic realm=\"harbor\"")], ""),
            true => answer(code, &[("location", SESSION)], ""),
            false => sessions(|_| status(201))(seen),
        })
        .await;
        let from = Repository::new(&server.address.to_string(), "other/base").unwrap();
        assert_eq!(server.remote().mount_blob(&from, digest).await.unwrap(), mounted, "{code}");
        let cancels = server.lines().iter().filter(|line| line.starts_with("DELETE")).count();
        assert_eq!(cancels, cancelled, "{code}: no session is left behind");
        assert!(
            server.seen()[0].path.ends_with(&format!("?mount=sha256%3A{}&from=other%2Fbase", digest.hex()))
        );
        let pushed = server.remote().push_blob(digest, 7, Some(&from), pieces(&["content"])).await.unwrap();
        assert_eq!(pushed, sent, "{code}");
    }
}

fn artifact(kind: &str) -> Bytes {
    let empty = Digest::of(b"");
    let config = format!(r#"{{"digest":"{empty}","mediaType":"x","size":0}}"#);
    format!(r#"{{"schemaVersion":2,"artifactType":"{kind}","config":{config},"layers":[]}}"#).into()
}

#[tokio::test]
async fn a_manifest_is_confirmed_by_its_digest() {
    let bytes = artifact("x");
    let right = Digest::of(&bytes).to_string();
    let other = Digest::of(b"other").to_string();
    for (digest, subject, confirmed, lists_subject) in [
        (right.as_str(), None, Some(true), false),
        (right.as_str(), Some("sha256:x"), Some(true), true),
        ("", None, Some(false), false),
        (other.as_str(), None, None, false),
    ] {
        let digest = digest.to_owned();
        let server = Server::start(move |_| {
            let mut headers = vec![("docker-content-digest", digest.as_str())];
            headers.extend(subject.map(|subject| ("oci-subject", subject)));
            answer(201, &headers, "")
        })
        .await;
        let outcome = server.remote().put_manifest(Selector::Tag("v1"), OCI_MANIFEST, &bytes).await;
        assert_eq!(outcome.as_ref().ok().map(|answer| answer.confirmed), confirmed);
        assert!(outcome.is_err() || outcome.unwrap().lists_subject == lists_subject);
        let seen = &server.seen()[0];
        assert!(seen.is("PUT", "/v2/team/app/manifests/v1"));
        assert_eq!(seen.header("content-type"), OCI_MANIFEST);
        assert_eq!(seen.body.as_ref(), Some(&bytes));
    }
}

/// One manifest that can be read and replaced.
fn one_manifest(
    media_type: &'static str,
    start: Option<Bytes>,
) -> impl Fn(&Seen) -> Response + Clone + Send + Sync + 'static {
    let stored = Arc::new(std::sync::Mutex::new(start));
    move |seen: &Seen| {
        let mut stored = stored.lock().unwrap();
        match (seen.method.as_str(), stored.as_ref()) {
            ("PUT", _) => {
                *stored = seen.body.clone();
                status(201)
            }
            (_, Some(bytes)) => answer(200, &[("content-type", media_type)], bytes.clone()),
            (_, None) => status(404),
        }
    }
}

#[tokio::test]
async fn a_fallback_index_is_merged_and_left_alone_when_it_has_all() {
    let server = Server::start(one_manifest(OCI_INDEX, None)).await;
    let (remote, subject) = (server.remote(), Digest::of(b"subject"));
    let entry = |kind: &str| FallbackEntry::of(&artifact(kind), OCI_MANIFEST).unwrap();
    assert!(matches!(remote.merge_fallback_index(subject, &[entry("a")]).await.unwrap(), Merged::Written(_)));
    assert!(matches!(remote.merge_fallback_index(subject, &[entry("b")]).await.unwrap(), Merged::Written(_)));
    assert_eq!(
        remote.merge_fallback_index(subject, &[entry("a"), entry("b")]).await.unwrap(),
        Merged::Present
    );
    assert_eq!(remote.fallback_referrers(subject).await.unwrap().len(), 2);
    let puts = server.lines().iter().filter(|line| line.starts_with("PUT")).count();
    assert_eq!(puts, 2);
}

#[tokio::test]
async fn a_legacy_signature_of_somebody_else_is_kept() {
    let signature = |name: &str| {
        let digest = Digest::of(b"payload");
        let layer = format!(
            r#"{{"digest":"{digest}","mediaType":"x","size":7,"annotations":{{"signature":"{name}"}}}}"#
        );
        let config = format!(r#"{{"digest":"{digest}","mediaType":"x","size":7}}"#);
        Bytes::from(format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layer}]}}"#))
    };
    let server = Server::start(one_manifest(OCI_MANIFEST, Some(signature("theirs")))).await;
    let remote = server.remote();
    let merged = remote.merge_legacy("sha256-00.sig", OCI_MANIFEST, &signature("ours")).await.unwrap();
    assert!(matches!(merged, Merged::Written(_)));
    let found = remote.get_manifest(Selector::Tag("sha256-00.sig")).await.unwrap();
    let text = std::str::from_utf8(&found.bytes).unwrap();
    assert!(text.contains("theirs") && text.contains("ours"), "{text}");
    let again = remote.merge_legacy("sha256-00.sig", OCI_MANIFEST, &signature("ours")).await.unwrap();
    assert_eq!(again, Merged::Present);
}
