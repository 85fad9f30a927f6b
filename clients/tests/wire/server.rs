//! A server that answers as a test says and remembers what it was asked.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::Response;
use clients::Http;
use clients::http::{Credential, Options, Retry};
use clients::registry::Remote;
use manifests::reference::Repository;
use tokio::net::TcpListener;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    /// The path with its query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    /// Nothing when the body was cut.
    pub(crate) body: Option<Bytes>,
    /// How many requests came before it.
    pub(crate) index: usize,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    pub(crate) fn is(&self, method: &str, path: &str) -> bool {
        self.method.as_str() == method && self.path.split('?').next() == Some(path)
    }
}

/// A running server. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub(crate) async fn start<F>(answer: F) -> Self
    where
        F: Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
    {
        Self::start_at("127.0.0.1", answer).await
    }

    pub(crate) async fn start_at<F>(ip: &str, answer: F) -> Self
    where
        F: Fn(&Seen) -> Response + Clone + Send + Sync + 'static,
    {
        let listener = TcpListener::bind((ip, 0)).await.unwrap();
        let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
        let server = Self { address: listener.local_addr().unwrap(), seen: Arc::clone(&seen) };
        let handler = move |request: axum::extract::Request| {
            let (seen, answer) = (Arc::clone(&seen), answer.clone());
            async move {
                let (parts, body) = request.into_parts();
                let body = axum::body::to_bytes(body, usize::MAX).await.ok();
                let path = parts.uri.path_and_query().unwrap().to_string();
                let (method, headers) = (parts.method, parts.headers);
                let request = {
                    let mut seen = seen.lock().unwrap();
                    let request = Seen { method, path, headers, body, index: seen.len() };
                    seen.push(request.clone());
                    request
                };
                answer(&request)
            }
        };
        let app = axum::Router::new().fallback(handler);
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The requests as `METHOD path`, without queries.
    pub(crate) fn lines(&self) -> Vec<String> {
        let line = |seen: &Seen| format!("{} {}", seen.method, seen.path.split('?').next().unwrap());
        self.seen().iter().map(line).collect()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The repository `team/app` of this server, for an anonymous user.
    pub(crate) fn remote(&self) -> Remote {
        self.remote_with(options())
    }

    pub(crate) fn remote_with(&self, options: Options) -> Remote {
        Remote::new(&Http::new(options), &self.repository()).unwrap()
    }

    pub(crate) fn repository(&self) -> Repository {
        Repository::new(&self.address.to_string(), "team/app").unwrap()
    }
}

/// Options for tests: no credentials, and failures that are repeated at once.
pub(crate) fn options() -> Options {
    Options {
        credentials: Arc::new(|_: &str| Ok(None)),
        retry: Retry { attempts: 4, first_wait: Duration::from_millis(1) },
        ..Options::default()
    }
}

/// The same for a user whose password is `secret`.
pub(crate) fn logged_in() -> Options {
    let credential = || Credential::Password { user: "robot$imp".to_owned(), password: "secret".to_owned() };
    Options { credentials: Arc::new(move |_: &str| Ok(Some(credential()))), ..options() }
}

/// `robot$imp:secret`
pub(crate) const BASIC: &str = "Basic cm9ib3QkaW1wOnNlY3JldA==";

pub(crate) fn status(status: u16) -> Response {
    Response::builder().status(StatusCode::from_u16(status).unwrap()).body(Body::empty()).unwrap()
}

/// An answer with headers.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(body.into()).unwrap()
}

/// A body that ends with a broken connection.
pub(crate) fn cut(length: usize, sent: &[u8]) -> Response {
    let sent = Bytes::copy_from_slice(sent);
    let pieces = futures_util::stream::unfold(Some(sent), |sent| async move {
        match sent {
            Some(sent) if !sent.is_empty() => Some((Ok(sent), Some(Bytes::new()))),
            Some(_) => {
                // The piece before is on its way before the connection is cut.
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some((Err(std::io::Error::other("cut")), None))
            }
            None => None,
        }
    });
    answer(200, &[("content-length", &length.to_string())], Body::from_stream(pieces))
}
