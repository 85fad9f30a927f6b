//! Requests to one server: authorised, redirected, repeated as its rules want.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{Body, Client, Method, Request, Response, StatusCode, Url};

use super::host::Host;
use super::redirect::{self, Way};
use super::{address, answer};
use crate::error::{Problem, network, shown};

/// How long a server may think before it answers. Harbor takes 55 ms for each of 1,000 referrers.
pub(crate) const THINKING: Duration = Duration::from_secs(120);

/// One request without a body that streams, so that it can be made again.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) scopes: Vec<String>,
    /// Whether redirects may be followed.
    pub(crate) is_download: bool,
}

impl Call {
    pub(crate) fn new(method: Method, url: Url, scopes: Vec<String>) -> Self {
        let is_download = method == Method::GET || method == Method::HEAD;
        Self { method, url, headers: HeaderMap::new(), body: Bytes::new(), scopes, is_download }
    }
}

/// What is kept of an answer when its body has been read.
pub(crate) struct Parts {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) url: Url,
    pub(crate) content_type: Option<String>,
}

impl Parts {
    fn of(response: &Response) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            url: response.url().clone(),
            content_type: answer::content_type(response),
        }
    }
}

impl Host {
    /// Makes a request and reads all of its answer, of at most `limit` bytes; a cut body is another try.
    pub(crate) async fn call_and_read(&self, call: &Call, limit: u64) -> Result<(Parts, Bytes), Problem> {
        let _permit = self.permit().await?;
        let mut tries = self.retry().start();
        loop {
            let outcome = async {
                let response = self.try_once(call).await?;
                let parts = Parts::of(&response);
                Ok((parts, answer::read(response, limit).await?))
            };
            match outcome.await {
                Ok(answer) => return Ok(answer),
                Err(problem) => tries.wait_after(problem).await?,
            }
        }
    }

    /// Makes a request once, with as many rounds as authorisation and redirects need.
    pub(crate) async fn try_once(&self, call: &Call) -> Result<Response, Problem> {
        let mut response = self.authorised(call).await?;
        for _ in 0..redirect::MOST {
            let Some(target) = redirect::target(&response).filter(|_| call.is_download) else { break };
            response = self.follow(call, &response, target?).await?;
        }
        if response.status().is_success() {
            return Ok(response);
        }
        match redirect::target(&response).filter(|_| call.is_download) {
            Some(_) => Err(Problem::RedirectRefused {
                to: shown(&redirect::authority(response.url())),
                reason: "it is one too many: at most 5 are followed",
            }),
            None => Err(answer::problem_of(response).await),
        }
    }

    async fn follow(&self, call: &Call, from: &Response, to: Url) -> Result<Response, Problem> {
        let client = match redirect::judge(self, from, &to).await? {
            Way::SameHost => {
                let header = self.auth.header(&self.client, &call.scopes, None).await?;
                return self.send(&self.client, self.request(call, to, header), THINKING).await;
            }
            Way::Guarded(class) => self.guarded_client(class)?,
            Way::Listed => self.listed_client()?,
        };
        let authority = redirect::authority(&to);
        let response = self.send(client, self.request(call, to, None), THINKING).await;
        response.map_err(|problem| match problem {
            Problem::Network(text) if text.contains(address::NOT_ALLOWED) => {
                Problem::RedirectRefused { to: shown(&authority), reason: redirect::OTHER_NETWORK }
            }
            problem => problem,
        })
    }

    async fn authorised(&self, call: &Call) -> Result<Response, Problem> {
        let header = self.auth.header(&self.client, &call.scopes, None).await?;
        let request = self.request(call, call.url.clone(), header.clone());
        let response = self.send(&self.client, request, THINKING).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        if header.is_none() {
            self.auth.learn(response.headers(), self.origin())?;
        }
        match self.auth.header(&self.client, &call.scopes, header.as_ref()).await? {
            Some(better) => {
                drop(response);
                let request = self.request(call, call.url.clone(), Some(better));
                self.send(&self.client, request, THINKING).await
            }
            None => Ok(response),
        }
    }

    /// Sends a body that cannot be sent twice, with the authorisation that is at hand.
    pub(crate) async fn send_stream(
        &self,
        request: Request,
        scopes: &[String],
    ) -> Result<(Option<HeaderValue>, impl Future<Output = Result<Response, reqwest::Error>> + use<>), Problem>
    {
        let mut request = request;
        let header = self.auth.header(&self.client, scopes, None).await?;
        if let Some(header) = &header {
            request.headers_mut().insert(AUTHORIZATION, header.clone());
        }
        Ok((header, self.client.execute(request)))
    }

    /// Gets a token in place of one that was refused.
    pub(crate) async fn renew(
        &self,
        scopes: &[String],
        rejected: Option<&HeaderValue>,
    ) -> Result<(), Problem> {
        self.auth.header(&self.client, scopes, rejected).await.map(|_| ())
    }

    fn request(&self, call: &Call, url: Url, authorization: Option<HeaderValue>) -> Request {
        let mut request = Request::new(call.method.clone(), url);
        request.headers_mut().extend(call.headers.clone());
        if let Some(header) = authorization {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        if !call.body.is_empty() || call.method == Method::POST || call.method == Method::PUT {
            *request.body_mut() = Some(Body::from(call.body.clone()));
        }
        request
    }

    async fn send(&self, client: &Client, request: Request, wait: Duration) -> Result<Response, Problem> {
        self.note_contact(request.url());
        match tokio::time::timeout(wait, client.execute(request)).await {
            Ok(response) => response.map_err(network),
            Err(_) => Err(Problem::Network(format!("no answer within {} s", wait.as_secs()))),
        }
    }

    /// Sends a request as it is over the host's own connections.
    pub(crate) async fn send_directly(&self, request: Request, wait: Duration) -> Result<Response, Problem> {
        self.send(&self.client, request, wait).await
    }
}

/// A header value of text that we made ourselves from checked parts.
pub(crate) fn single_line(text: &str) -> Result<HeaderValue, Problem> {
    HeaderValue::from_str(text).map_err(|_| Problem::Protocol(format!("cannot send {:?}", shown(text))))
}

/// A body of bytes with its type, for a call.
pub(crate) fn body(call: &mut Call, media_type: &str, bytes: Bytes) -> Result<(), Problem> {
    call.headers.insert(CONTENT_TYPE, single_line(media_type)?);
    call.headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    call.body = bytes;
    Ok(())
}
