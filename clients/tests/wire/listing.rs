//! Tags and referrers, page by page.

use clients::Problem;
use manifests::Digest;
use manifests::media_type::OCI_INDEX;

use crate::server::{Server, answer, status};

#[tokio::test]
async fn tags_are_read_to_the_last_page() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/v2/team/app/tags/list?n=1000" => {
            let next = "</v2/team/app/tags/list?n=1000&last=b>; rel=\"next\"";
            answer(200, &[("link", next)], r#"{"name":"team/app","tags":["a","b","not a tag"]}"#)
        }
        "/v2/team/app/tags/list?n=1000&last=b" => {
            // As behind a proxy that ends TLS: the registry does not know its own port.
            let next = "<http://127.0.0.1/v2/team/app/tags/list?n=1000&last=c>; rel=next";
            answer(200, &[("link", next)], r#"{"tags":["c"]}"#)
        }
        _ => answer(200, &[], r#"{"tags":null}"#),
    })
    .await;
    assert_eq!(server.remote().list_tags().await.unwrap(), ["a", "b", "c"]);
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn a_listing_stays_at_its_host_and_ends() {
    let other = Server::start_at("127.0.0.2", |_| answer(200, &[], r#"{"tags":[]}"#)).await;
    let next = format!("<{}>; rel=\"next\"", other.url("/"));
    let server = Server::start(move |_| answer(200, &[("link", &next)], r#"{"tags":["a"]}"#)).await;
    let error = server.remote().list_tags().await.unwrap_err();
    assert!(matches!(error.problem, Problem::RedirectRefused { .. }), "{error}");
    assert!(other.seen().is_empty());

    let circle = "</v2/team/app/tags/list?again>; rel=\"next\"";
    let server = Server::start(move |_| answer(200, &[("link", circle)], r#"{"tags":["a"]}"#)).await;
    assert!(server.remote().list_tags().await.is_err());

    let server = Server::start(|_| answer(200, &[("content-type", "text/html")], "<html>login</html>")).await;
    assert!(server.remote().list_tags().await.unwrap_err().to_string().contains("HTML"));
}

fn index(contents: &[&str]) -> String {
    let entry = |content: &&str| {
        let digest = Digest::of(content.as_bytes());
        format!(
            r#"{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{digest}","size":9,"artifactType":"x"}}"#
        )
    };
    let entries: Vec<String> = contents.iter().map(entry).collect();
    format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[{}]}}"#, entries.join(","))
}

const TYPE: (&str, &str) = ("content-type", OCI_INDEX);

#[tokio::test]
async fn referrers_come_from_the_api_page_by_page() {
    let server = Server::start(|seen| match seen.path.contains("page=2") {
        false => answer(200, &[TYPE, ("link", "<?page=2>; rel=\"next\"")], index(&["a", "b"])),
        true => answer(200, &[TYPE], index(&["b", "c"])),
    })
    .await;
    let found = server.remote().referrers(Digest::of(b"subject")).await.unwrap();
    assert!(found.by_api);
    let digests: Vec<Digest> = found.entries.iter().map(|entry| entry.digest).collect();
    assert_eq!(digests, ["a", "b", "c"].map(|content| Digest::of(content.as_bytes())));
}

#[tokio::test]
async fn without_the_api_the_fallback_index_counts() {
    let subject = Digest::of(b"subject");
    let tag = format!("/v2/team/app/manifests/sha256-{}", subject.hex());
    let server = Server::start(move |seen| match seen.path == tag {
        true => answer(200, &[TYPE], index(&["a"])),
        false => status(404),
    })
    .await;
    let found = server.remote().referrers(subject).await.unwrap();
    assert!(!found.by_api);
    assert_eq!(found.entries.len(), 1);
    assert_eq!(server.remote().fallback_referrers(subject).await.unwrap().len(), 1);

    let server = Server::start(|_| status(404)).await;
    assert!(server.remote().referrers(subject).await.unwrap().entries.is_empty());
}

#[tokio::test]
async fn evidence_is_never_missing_by_accident() {
    let thousand_and_one: Vec<String> = (0..1001).map(|number| number.to_string()).collect();
    let thousand_and_one: Vec<&str> = thousand_and_one.iter().map(String::as_str).collect();
    let flood = index(&thousand_and_one);
    for (why, code, content_type, body) in [
        ("a refusal", 403, OCI_INDEX, String::new()),
        ("a bad request", 400, OCI_INDEX, String::new()),
        ("a broken server", 500, OCI_INDEX, String::new()),
        ("a web page", 200, "text/html", "<html>".to_owned()),
        ("another document", 200, "application/json", "{}".to_owned()),
        ("too many", 200, OCI_INDEX, flood),
    ] {
        let server =
            Server::start(move |_| answer(code, &[("content-type", content_type)], body.clone())).await;
        assert!(server.remote().referrers(Digest::of(b"subject")).await.is_err(), "{why}");
    }
}
