//! The routes of the registry.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri, header};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream};
use manifests::oci::Manifest;
use manifests::{Descriptor, Digest, json, media_type};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use transfer::archive::ReadAt;

use super::Served;
use super::answer::{document, error, set, set_digest, sized};
use super::route::{Route, route};
use crate::blobs::{Check, pieces};

/// Most tags of one page.
const PAGE: usize = 10_000;

type Parameters = Vec<(String, String)>;

/// Answers one request.
pub(super) async fn answer(State(served): State<Arc<Served>>, request: Request) -> Response<Body> {
    let (head, _) = request.into_parts();
    if !matches!(head.method, Method::GET | Method::HEAD) {
        return error(StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED", "this registry is read-only");
    }
    let parameters = parameters(&head.uri);
    let Some(route) = route(head.uri.path()) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "no such path");
    };
    let (Route::Tags(name) | Route::Manifest(name, _) | Route::Blob(name, _) | Route::Referrers(name, _)) =
        route
    else {
        return document(StatusCode::OK, "application/json", &json!({}));
    };
    let Some(name) = repository(&served, name, &parameters) else {
        return error(StatusCode::NOT_FOUND, "NAME_UNKNOWN", "repository name not known to registry");
    };
    match route {
        Route::Tags(_) => tags(&served, &name, &parameters),
        Route::Manifest(_, reference) => manifest(served, &name, reference).await,
        Route::Blob(_, digest) => blob(&served, &head.headers, digest),
        Route::Referrers(_, digest) => referrers(served, digest, &parameters).await,
        Route::Version => document(StatusCode::OK, "application/json", &json!({})),
    }
}

fn parameters(uri: &Uri) -> Parameters {
    Query::<Parameters>::try_from_uri(uri).map(|query| query.0).unwrap_or_default()
}

fn parameter<'a>(parameters: &'a Parameters, name: &str) -> Option<&'a str> {
    parameters.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// The full name that is asked for: with containerd's `ns`, the host stands there and not in the path.
fn repository(served: &Served, name: &str, parameters: &Parameters) -> Option<String> {
    let below = parameter(parameters, "ns").map(|host| format!("{host}/{name}"));
    let is_known = |name: &String| served.catalog.tags(name).is_some();
    below.filter(is_known).or_else(|| Some(name.to_owned()).filter(is_known))
}

fn tags(served: &Served, name: &str, parameters: &Parameters) -> Response<Body> {
    let all = served.catalog.tags(name).into_iter().flat_map(|tags| tags.keys());
    let last = parameter(parameters, "last").unwrap_or_default();
    let count = parameter(parameters, "n").and_then(|count| count.parse().ok()).unwrap_or(PAGE).min(PAGE);
    let mut rest = all.filter(|tag| tag.as_str() > last);
    let page: Vec<&String> = rest.by_ref().take(count).collect();
    let mut answer = document(StatusCode::OK, "application/json", &json!({ "name": name, "tags": page }));
    if let Some(last) = page.last().filter(|_| rest.next().is_some()) {
        set(
            &mut answer,
            header::LINK,
            &format!("</v2/{name}/tags/list?n={count}&last={last}>; rel=\"next\""),
        );
    }
    answer
}

async fn manifest(served: Arc<Served>, name: &str, reference: &str) -> Response<Body> {
    let Some(descriptor) = served.catalog.manifest(name, reference).cloned() else {
        return error(StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN", "manifest unknown");
    };
    match read(served, descriptor.clone()).await {
        Ok(bytes) => {
            let mut answer = sized(StatusCode::OK, &descriptor.media_type, descriptor.size, bytes);
            set_digest(&mut answer, &descriptor.digest);
            answer
        }
        Err(error) => unreadable(&descriptor.digest, &error),
    }
}

/// A manifest's bytes, compared with their digest.
async fn read(served: Arc<Served>, wanted: Descriptor) -> io::Result<Vec<u8>> {
    let reading = spawn_blocking(move || served.blobs.metadata(&wanted).map_err(io::Error::other));
    reading.await.map_err(io::Error::other)?
}

/// What cannot be read, or is no longer what it was, is not sent, and is said on stderr too.
fn unreadable(digest: &Digest, cause: &io::Error) -> Response<Body> {
    eprintln!("{}", console::escape::escape(&format!("damaged: {digest}: {cause}")));
    error(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", "the content is not what its digest says")
}

async fn referrers(served: Arc<Served>, subject: Digest, parameters: &Parameters) -> Response<Body> {
    let wanted = parameter(parameters, "artifactType");
    let found: Vec<Descriptor> = served.catalog.referrers(&subject).cloned().collect();
    let mut entries = Vec::new();
    for descriptor in found {
        let bytes = match read(Arc::clone(&served), descriptor.clone()).await {
            Ok(bytes) => bytes,
            Err(error) => return unreadable(&descriptor.digest, &error),
        };
        let entry = entry(&bytes, &descriptor);
        if wanted.is_none_or(|wanted| entry.get("artifactType").and_then(Value::as_str) == Some(wanted)) {
            entries.push(entry);
        }
    }
    let index = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": entries });
    let mut answer = document(StatusCode::OK, media_type::OCI_INDEX, &index);
    if wanted.is_some() {
        set(&mut answer, header::HeaderName::from_static("oci-filters-applied"), "artifactType");
    }
    answer
}

/// The descriptor of a referrer, with the artifact type and the annotations that the specification wants there.
fn entry(bytes: &[u8], descriptor: &Descriptor) -> Value {
    let mut entry = json!({
        "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
    });
    if let Ok(Manifest::Image(image)) = Manifest::parse(bytes, &descriptor.media_type) {
        let image = *image;
        entry["artifactType"] = image.artifact_type.unwrap_or(image.config.media_type).into();
        if !image.annotations.is_empty() {
            entry["annotations"] = json::parse(&json::encode(&image.annotations)).unwrap_or_default();
        }
    }
    entry
}

fn blob(served: &Served, headers: &HeaderMap, digest: Digest) -> Response<Body> {
    let unknown = || error(StatusCode::NOT_FOUND, "BLOB_UNKNOWN", "blob unknown to registry");
    let Some(size) = served.catalog.blob(&digest) else { return unknown() };
    let blob: Arc<dyn ReadAt> = match served.blobs.open(&digest) {
        Ok(blob) => Arc::from(blob),
        Err(_) => return unknown(),
    };
    if !matches!(blob.size(), Ok(found) if found == size) {
        return unreadable(&digest, &io::Error::other("found another size"));
    }
    let (start, end) = match range(headers, &digest, size) {
        Range::Whole => (0, size),
        Range::Part(start, end) => (start, end),
        Range::None => {
            let text = "no such range";
            let mut refusal = error(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID", text);
            set(&mut refusal, header::CONTENT_RANGE, &format!("bytes */{size}"));
            return refusal;
        }
    };
    let is_part = (start, end) != (0, size);
    // A part has no digest of its own: whoever asks for parts compares the whole.
    let body = if is_part {
        Body::from_stream(pieces(blob, start, end))
    } else {
        Body::from_stream(checked(pieces(blob, 0, size), digest))
    };
    let status = if is_part { StatusCode::PARTIAL_CONTENT } else { StatusCode::OK };
    let mut answer = sized(status, "application/octet-stream", end - start, body);
    set_digest(&mut answer, &digest);
    set(&mut answer, header::ACCEPT_RANGES, "bytes");
    if is_part {
        set(&mut answer, header::CONTENT_RANGE, &format!("bytes {start}-{}/{size}", end - 1));
    }
    answer
}

/// The pieces of a blob, the last of which comes only when all together are what the digest says; otherwise
/// the answer ends early, and whoever receives it sees that it is not whole.
fn checked(
    pieces: impl Stream<Item = io::Result<Bytes>> + Send + 'static,
    digest: Digest,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let state = (Box::pin(pieces), Some(Check::new(digest)), None::<Bytes>);
    stream::try_unfold(state, move |(mut pieces, mut check, mut held)| async move {
        loop {
            match pieces.next().await.transpose()? {
                Some(piece) => {
                    if let Some(check) = &mut check {
                        check.update(&piece);
                    }
                    if let Some(before) = held.replace(piece) {
                        return Ok(Some((before, (pieces, check, held))));
                    }
                }
                None => {
                    if let Some(check) = check.take()
                        && let Err(error) = check.finish()
                    {
                        eprintln!("{}", console::escape::escape(&format!("damaged: {error}")));
                        return Err(io::Error::other(error));
                    }
                    return Ok(held.take().map(|last| (last, (pieces, None, None))));
                }
            }
        }
    })
}

enum Range {
    Whole,
    /// From the first up to, but without, the second.
    Part(u64, u64),
    None,
}

/// One range as RFC 9110 has it. Several at once, other units and a stale `If-Range` give the whole.
fn range(headers: &HeaderMap, digest: &Digest, size: u64) -> Range {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if text(header::IF_RANGE).is_some_and(|version| version != format!("\"{digest}\"")) {
        return Range::Whole;
    }
    let Some((first, last)) = text(header::RANGE)
        .and_then(|range| range.strip_prefix("bytes="))
        .filter(|range| !range.contains(','))
        .and_then(|range| range.split_once('-'))
    else {
        return Range::Whole;
    };
    match (first.trim().parse::<u64>(), last.trim().parse::<u64>()) {
        (Ok(first), Ok(last)) if first > last => Range::Whole,
        (Ok(first), _) if first >= size => Range::None,
        (Ok(first), Ok(last)) => Range::Part(first, size.min(last.saturating_add(1))),
        (Ok(first), Err(_)) if last.trim().is_empty() => Range::Part(first, size),
        (Err(_), Ok(0)) if first.trim().is_empty() => Range::None,
        (Err(_), Ok(_)) if first.trim().is_empty() && size == 0 => Range::None,
        (Err(_), Ok(count)) if first.trim().is_empty() => Range::Part(size.saturating_sub(count), size),
        _ => Range::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parts_of_the_blob_or_refused() {
        let digest = Digest::of(b"");
        for (text, wanted, why) in [
            ("bytes=0-9", Some((0, 10)), "the first ten"),
            ("bytes=90-", Some((90, 100)), "from an offset on"),
            ("bytes=-10", Some((90, 100)), "the last ten"),
            ("bytes=-1000", Some((0, 100)), "more than there is"),
            ("bytes=50-1000", Some((50, 100)), "beyond the end"),
            ("bytes=100-", None, "at the end"),
            ("bytes=0-1,5-6", Some((0, 100)), "several: the whole"),
            ("bytes=9-1", Some((0, 100)), "turned round: the whole"),
            ("lines=1-2", Some((0, 100)), "another unit: the whole"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            let found = match range(&headers, &digest, 100) {
                Range::Whole => Some((0, 100)),
                Range::Part(start, end) => Some((start, end)),
                Range::None => None,
            };
            assert_eq!(found, wanted, "{why}: {text}");
        }
    }

    #[tokio::test]
    async fn the_last_piece_is_withheld_from_content_that_changed() {
        let sent = |content: &'static [u8]| async move {
            let whole = pieces(Arc::new(content.to_vec()), 0, content.len() as u64);
            let parts: Vec<_> = checked(whole, Digest::of(b"wanted")).collect().await;
            let bytes: usize = parts.iter().flatten().map(Bytes::len).sum();
            (bytes, parts.iter().all(Result::is_ok))
        };
        assert_eq!(sent(b"wanted").await, (6, true));
        assert_eq!(sent(b"Wanted").await, (0, false));
    }
}
