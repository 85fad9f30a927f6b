//! Blobs into a registry: mounted from another repository where it has them, otherwise sent in one request.
//!
//! One POST opens a session, one PUT sends everything: registries charge by request, Harbor checks quotas
//! only for a PUT with a length, and a cut PATCH kills the session of distribution 2.8 anyway. What is cut
//! is sent again from the start of the blob.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::Stream;
use manifests::Digest;
use manifests::reference::Repository;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Body, Method, Request, Response, StatusCode, Url};

use super::Remote;
use super::held_back::{HeldBack, Watch};
use crate::error::{Error, Problem, network};
use crate::http::{Call, Parts, answer};

/// How long a connection may take nothing of what is sent.
const STALLED: Duration = Duration::from_secs(120);

/// How long a registry may take to store what it has received: object storage copies it once more.
const STORING: Duration = Duration::from_secs(15 * 60);

/// How a blob came to be in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// The registry had it in another repository.
    Mounted,
    /// It was sent.
    Sent,
}

enum Session {
    Mounted,
    Open(Url),
}

impl Remote {
    /// Makes a blob of another repository of the same registry appear in this one.
    ///
    /// # Errors
    /// As every request. That it is not there or may not be read there is `false`, not an error.
    pub async fn mount_blob(&self, from: &Repository, digest: Digest) -> Result<bool, Error> {
        let outcome = async {
            match self.open_session(digest, Some(from)).await? {
                Session::Mounted => Ok(true),
                Session::Open(url) => {
                    // A session that nobody uses is a leftover on the registry's disk. That it cannot be
                    // cancelled is no error: registries clean up by themselves.
                    let call = Call::new(Method::DELETE, url, self.push());
                    let _ = self.host.try_once(&call).await;
                    Ok(false)
                }
            }
        };
        outcome.await.map_err(self.failed(digest.into()))
    }

    /// Brings a blob into this repository: mounted from `mount_from` when the registry can, otherwise sent.
    /// `open` gives the content from its start, once for each try; it is hashed while it is sent, and its
    /// last piece is held back until the hash agrees. Pieces of up to 1 MiB keep memory small.
    ///
    /// # Errors
    /// [`Problem::SourceChanged`] and [`Problem::Source`] are about `open`; nothing was committed then.
    /// [`Problem::NoRoom`] and [`Problem::Denied`] carry what the registry says. Or as every request.
    pub async fn push_blob<S, F>(
        &self,
        digest: Digest,
        size: u64,
        mount_from: Option<&Repository>,
        mut open: F,
    ) -> Result<Pushed, Error>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
        F: FnMut() -> S,
    {
        let failed = self.failed(digest.into());
        let mut tries = self.host.retry().start();
        let mut mount_from = mount_from;
        let mut may_renew = true;
        loop {
            match self.push_once(digest, size, mount_from.take(), &mut open).await {
                Ok(pushed) => return Ok(pushed),
                // The token ran out between the POST and the PUT: once more with the one that took its place.
                Err(Problem::Unauthorized(_)) if may_renew => may_renew = false,
                Err(problem) => tries.wait_after(problem).await.map_err(&failed)?,
            }
        }
    }

    async fn push_once<S, F>(
        &self,
        digest: Digest,
        size: u64,
        mount_from: Option<&Repository>,
        open: &mut F,
    ) -> Result<Pushed, Problem>
    where
        S: Stream<Item = io::Result<Bytes>> + Send + 'static,
        F: FnMut() -> S,
    {
        let Session::Open(session) = self.open_session(digest, mount_from).await? else {
            return Ok(Pushed::Mounted);
        };
        let _permit = self.host.permit().await?;
        let watch = Arc::new(Watch::default());
        let source = HeldBack::new(open(), digest, size, Arc::clone(&watch));
        let request = put_request(session, digest, size, Body::wrap_stream(source))?;
        let (sent_with, answer) = self.host.send_stream(request, &self.push()).await?;
        let response = match watched(answer, &watch).await {
            Ok(response) => response,
            Err(problem) => return Err(watch.take_fault().unwrap_or(problem)),
        };
        match response.status() {
            status if status.is_success() => confirmed(&response, digest),
            StatusCode::UNAUTHORIZED => {
                self.host.renew(&self.push(), sent_with.as_ref()).await?;
                Err(answer::problem_of(response).await)
            }
            _ => Err(restartable(answer::problem_of(response).await)),
        }
    }

    /// Opens an upload session, or finds the blob mounted in place of one.
    async fn open_session(
        &self,
        digest: Digest,
        mount_from: Option<&Repository>,
    ) -> Result<Session, Problem> {
        if let Some(from) = mount_from {
            let from = self.path_of(from);
            let mut url = self.url("blobs/uploads/")?;
            url.query_pairs_mut().append_pair("mount", &digest.to_string()).append_pair("from", &from);
            let mut scopes = self.push();
            if from != self.path {
                scopes.push(format!("repository:{from}:pull"));
            }
            match self.start(url, scopes).await {
                // Harbor says 401 when the other repository may not be read or does not exist.
                Err(Problem::Unauthorized(_) | Problem::NotFound(_) | Problem::Denied { .. }) => {}
                outcome => return outcome,
            }
        }
        match self.start(self.url("blobs/uploads/")?, self.push()).await? {
            Session::Mounted => {
                Err(Problem::Protocol("found a mounted blob, wanted an upload session (202)".to_owned()))
            }
            session @ Session::Open(_) => Ok(session),
        }
    }

    async fn start(&self, url: Url, scopes: Vec<String>) -> Result<Session, Problem> {
        let call = Call::new(Method::POST, url, scopes);
        let (parts, _) = self.host.call_and_read(&call, 64 * 1024).await?;
        match parts.status {
            StatusCode::CREATED => Ok(Session::Mounted),
            StatusCode::ACCEPTED => Ok(Session::Open(session_url(&parts, self.host.origin())?)),
            other => Err(Problem::Protocol(format!("found the status {other}, wanted 201 or 202"))),
        }
    }

    fn path_of(&self, repository: &Repository) -> String {
        match self.host.prefix() {
            "" => repository.path().to_owned(),
            prefix => format!("{prefix}/{}", repository.path()),
        }
    }
}

/// Where a session is. Only path and query count: behind a proxy that ends TLS the registry does not know
/// its own scheme and host, and content must not be sent elsewhere.
fn session_url(parts: &Parts, origin: &Url) -> Result<Url, Problem> {
    let malformed = || Problem::Protocol("found an upload session without a usable Location".to_owned());
    let location = parts.headers.get(LOCATION).and_then(|value| value.to_str().ok()).ok_or_else(malformed)?;
    let location = parts.url.join(location).map_err(|_| malformed())?;
    let mut url = origin.clone();
    url.set_path(location.path());
    url.set_query(location.query());
    Ok(url)
}

fn put_request(mut url: Url, digest: Digest, size: u64, body: Body) -> Result<Request, Problem> {
    url.query_pairs_mut().append_pair("digest", &digest.to_string());
    let mut request = Request::new(Method::PUT, url);
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(size));
    *request.body_mut() = Some(body);
    Ok(request)
}

/// Waits for the answer for as long as the connection takes something, and then for the storing.
async fn watched(
    answer: impl Future<Output = Result<Response, reqwest::Error>>,
    watch: &Watch,
) -> Result<Response, Problem> {
    let mut answer = std::pin::pin!(answer);
    let mut seen = 0;
    loop {
        let wait = if watch.is_whole() { STORING } else { STALLED };
        if let Ok(response) = tokio::time::timeout(wait, &mut answer).await {
            return response.map_err(network);
        }
        let now = watch.handed_over();
        if now == seen {
            let text = format!("the registry took nothing for {} s", wait.as_secs());
            return Err(Problem::Network(text));
        }
        seen = now;
    }
}

/// Holds the registry's confirmation to the digest that was sent.
fn confirmed(response: &Response, wanted: Digest) -> Result<Pushed, Problem> {
    let header = response.headers().get("docker-content-digest").and_then(|value| value.to_str().ok());
    match header.and_then(|text| text.parse::<Digest>().ok()) {
        Some(found) if found != wanted => Err(Problem::DigestMismatch { wanted, found }),
        _ => Ok(Pushed::Sent),
    }
}

/// A session that the registry no longer knows is worth another one.
fn restartable(problem: Problem) -> Problem {
    match problem {
        Problem::NotFound(detail) => Problem::Unavailable { status: 404, detail, retry_after: None },
        problem => problem,
    }
}
