//! Reading answers: never more than a limit, never waiting for a silent server for ever.

use std::time::{Duration, Instant, SystemTime};

use bytes::{Bytes, BytesMut};
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;

use super::retry;
use crate::error::{Problem, network, shown};

/// How long a server may be silent within a body.
pub(crate) const SILENCE: Duration = Duration::from_secs(60);

/// How much of a large body has to come in [`SILENCE`], in bytes: a server that sends a byte now and then is never
/// silent. A hundredth of what a connection by satellite brings.
const LEAST: u64 = 16 * 1024;

/// How long a document may take in all: a server that sends a byte now and then is never silent.
const DOCUMENT: Duration = Duration::from_secs(5 * 60);

/// Largest error document that is read, in bytes.
const ERROR_BYTES: u64 = 64 * 1024;

/// The next piece of a body, as it comes off the wire.
pub(crate) async fn chunk(response: &mut Response) -> Result<Option<Bytes>, Problem> {
    match tokio::time::timeout(SILENCE, response.chunk()).await {
        Ok(chunk) => chunk.map_err(network),
        Err(_) => Err(Problem::Network(format!("the server was silent for {} s", SILENCE.as_secs()))),
    }
}

/// How fast a large body comes. Only the time that is waited for the server counts, not what is done with the pieces.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    waited: Duration,
    bytes: u64,
}

impl Pace {
    /// The next piece of a body, from a server that neither falls silent nor drips.
    pub(crate) async fn chunk(&mut self, response: &mut Response) -> Result<Option<Bytes>, Problem> {
        let began = Instant::now();
        let chunk = chunk(response).await?;
        self.count(began.elapsed(), chunk.as_ref().map_or(0, Bytes::len) as u64)?;
        Ok(chunk)
    }

    fn count(&mut self, waited: Duration, bytes: u64) -> Result<(), Problem> {
        self.waited += waited;
        self.bytes += bytes;
        if self.waited < SILENCE {
            return Ok(());
        }
        let Self { waited, bytes } = std::mem::take(self);
        if bytes >= LEAST {
            return Ok(());
        }
        let (waited, least) = (waited.as_secs(), SILENCE.as_secs());
        Err(Problem::Network(format!(
            "found {bytes} bytes in {waited} s, wanted {LEAST} in {least} s at least"
        )))
    }
}

/// A whole body of at most `limit` bytes, within [`DOCUMENT`].
pub(crate) async fn read(response: Response, limit: u64) -> Result<Bytes, Problem> {
    match tokio::time::timeout(DOCUMENT, read_all(response, limit)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(Problem::Network(format!("the answer did not end within {} s", DOCUMENT.as_secs()))),
    }
}

async fn read_all(mut response: Response, limit: u64) -> Result<Bytes, Problem> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(Problem::TooLarge { limit });
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = chunk(&mut response).await? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(Problem::TooLarge { limit });
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// The error document of the distribution specification.
#[derive(Deserialize)]
struct Errors {
    errors: Vec<OneError>,
}

#[derive(Deserialize)]
struct OneError {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// What an answer that is no success means.
pub(crate) async fn problem_of(response: Response) -> Problem {
    let status = response.status();
    let wait = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = wait.and_then(|value| retry::retry_after(value, SystemTime::now()));
    let is_html = is_html(&response);
    let body = read(response, ERROR_BYTES).await.unwrap_or_default();
    problem_with(status, &body, is_html, retry_after)
}

/// What a status and a body mean together: the code and the message decide where the status does not.
pub(crate) fn problem_with(
    status: StatusCode,
    body: &[u8],
    is_html: bool,
    retry_after: Option<Duration>,
) -> Problem {
    let errors = serde_json::from_slice::<Errors>(body).map(|document| document.errors).unwrap_or_default();
    let detail = detail(&errors, is_html, body);
    classify(status, &errors, detail, retry_after)
}

fn classify(
    status: StatusCode,
    errors: &[OneError],
    detail: String,
    retry_after: Option<Duration>,
) -> Problem {
    let number = status.as_u16();
    let says = |text: &str| errors.iter().any(|error| error.message.contains(text));
    match number {
        401 => Problem::Unauthorized(detail),
        404 => Problem::NotFound(detail),
        413 | 507 => Problem::NoRoom { status: number, detail },
        // Harbor's quota; the codes of other refusals are the same.
        403 if says("storage resource") || says("quota") => Problem::NoRoom { status: number, detail },
        500 if says("no space left on device") => Problem::NoRoom { status: number, detail },
        429 | 500..=599 => Problem::Unavailable { status: number, detail, retry_after },
        300..=399 => Problem::RedirectRefused {
            to: "another place".to_owned(),
            reason: "only downloads may be redirected",
        },
        400 | 416 => Problem::Protocol(format!("the server refuses the request ({number}){detail}")),
        _ => Problem::Denied { status: number, detail },
    }
}

/// ": CODE: message" of the first errors, or what else there is to show.
fn detail(errors: &[OneError], is_html: bool, body: &[u8]) -> String {
    if !errors.is_empty() {
        let texts: Vec<String> =
            errors.iter().take(3).map(|error| format!("{}: {}", error.code, error.message)).collect();
        return format!(": {}", shown(&texts.join("; ")));
    }
    if is_html {
        return ": found an HTML page, wanted the answer of a registry".to_owned();
    }
    let text = String::from_utf8_lossy(body);
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(": {}", shown(text)) }
}

/// Whether an answer is a web page: a login form or a proxy's notice where a registry should answer.
pub(crate) fn is_html(response: &Response) -> bool {
    content_type(response).is_some_and(|found| found.eq_ignore_ascii_case("text/html"))
}

/// The media type of an answer without parameters.
pub(crate) fn content_type(response: &Response) -> Option<String> {
    let value = response.headers().get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').next().map(|essence| essence.trim().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_drips_is_given_up_and_a_slow_one_is_not() {
        let mut dripping = Pace::default();
        let second = Duration::from_secs(1);
        for _ in 0..59 {
            dripping.count(second, 1).unwrap();
        }
        let problem = dripping.count(second, 1).unwrap_err();
        assert!(problem.is_transient(), "{problem}");
        assert_eq!(problem.to_string(), "found 60 bytes in 60 s, wanted 16384 in 60 s at least");
        let mut slow = Pace::default();
        for _ in 0..600 {
            slow.count(second, LEAST / 60 + 1).unwrap();
        }
        // What came in one minute does not speak for the next.
        slow.count(second, 10 * LEAST).unwrap();
        for _ in 0..59 {
            slow.count(second, 0).unwrap();
        }
        assert!((0..60).any(|_| slow.count(second, 0).is_err()));
    }
}
