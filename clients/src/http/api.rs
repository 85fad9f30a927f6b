//! Requests beside the registry's own protocol: the API of Harbor.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Body, Method, Request, StatusCode};

use super::answer;
use super::host::Host;
use super::request::THINKING;
use crate::error::{Error, Problem};

/// Largest answer that is read, in bytes: a page of 100 artifacts with their tags.
const ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// Harbor locks a human user for 1.5 s after one wrong password, whoever sent it.
const LOCKED: Duration = Duration::from_secs(2);

/// Says that what a path calls a project is its name. Harbor takes a number for an id otherwise.
const IS_RESOURCE_NAME: &str = "x-is-resource-name";

/// An answer, whatever its status.
#[derive(Debug, Clone)]
pub struct ApiAnswer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Bytes,
}

impl ApiAnswer {
    /// What the answer means as a failure, with the server's own words.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        answer::problem_with(status, &self.body, false, None)
    }
}

impl Host {
    /// Makes a request with the name and the password themselves, where there are some: Harbor's API takes
    /// no tokens, and only this tells a wrong password from a missing right (its token server answers
    /// both alike). `path` begins with `/`; `body` is JSON.
    ///
    /// # Errors
    /// When no answer comes, or only 429 and 5xx; every other status is an answer.
    pub async fn api(&self, method: Method, path: &str, body: Option<Bytes>) -> Result<ApiAnswer, Error> {
        let about = |problem: Problem| problem.about(format!("{}{path}", self.name()));
        let _permit = self.permit().await.map_err(about)?;
        let mut tries = self.retry().start();
        let mut may_be_locked = true;
        loop {
            match self.api_once(&method, path, body.as_ref()).await {
                Ok(answer) if answer.status == 401 && may_be_locked => {
                    may_be_locked = false;
                    if self.auth.basic().await.map_err(about)?.is_none() {
                        return Ok(answer);
                    }
                    tokio::time::sleep(LOCKED).await;
                }
                Ok(answer) => return Ok(answer),
                Err(problem) => tries.wait_after(problem).await.map_err(about)?,
            }
        }
    }

    async fn api_once(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Bytes>,
    ) -> Result<ApiAnswer, Problem> {
        let url = self.origin().join(path).map_err(|error| Problem::Protocol(error.to_string()))?;
        if url.origin() != self.origin().origin() {
            return Err(Problem::Protocol("found a path that leads to another host".to_owned()));
        }
        let mut request = Request::new(method.clone(), url);
        let json = HeaderValue::from_static("application/json");
        request.headers_mut().insert(ACCEPT, json.clone());
        request.headers_mut().insert(IS_RESOURCE_NAME, HeaderValue::from_static("true"));
        if let Some(header) = self.auth.basic().await? {
            request.headers_mut().insert(AUTHORIZATION, header);
        }
        if let Some(body) = body {
            request.headers_mut().insert(CONTENT_TYPE, json);
            *request.body_mut() = Some(Body::from(body.clone()));
        }
        let response = self.send_directly(request, THINKING).await?;
        let status = response.status();
        if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
            return Err(answer::problem_of(response).await);
        }
        Ok(ApiAnswer { status: status.as_u16(), body: answer::read(response, ANSWER_BYTES).await? })
    }
}
