//! What can go wrong on the wire, sorted by what a caller can do about it.

use std::io;
use std::time::Duration;

use manifests::Digest;
use manifests::escape::escape;

/// Longest text of a stranger that an error repeats, in characters.
const SHOWN: usize = 400;

/// What went wrong, and with what: `host/repository:tag` or `host/repository@digest`.
#[derive(Debug, thiserror::Error)]
#[error("{subject}: {problem}")]
pub struct Error {
    /// The thing that was asked for or sent, with its registry and repository.
    pub subject: String,
    /// What went wrong.
    pub problem: Problem,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// 404, the only answer that means "not there".
    #[error("not found (404){0}")]
    NotFound(String),
    /// 401 with the best credentials there are. Harbor answers it for a missing project as well.
    #[error("unauthorized (401){0}; wanted credentials with the right to this, from `docker login`")]
    Unauthorized(String),
    /// Refused for another reason than who asks: a policy, an immutable tag, a read-only registry.
    #[error("denied ({status}){detail}")]
    Denied {
        /// The status of the answer.
        status: u16,
        /// What the registry says about it.
        detail: String,
    },
    /// No room: a quota, a full disk, or a proxy that limits the size of requests.
    #[error("no room at the target ({status}){detail}")]
    NoRoom {
        /// The status of the answer.
        status: u16,
        /// What the registry says about it.
        detail: String,
    },
    /// The answer is larger than what is read of its kind.
    #[error("found an answer of more than {limit} bytes, wanted at most that")]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// The content is not what its name says.
    #[error("found content with the digest {found}, wanted {wanted}")]
    DigestMismatch {
        /// The digest that was asked for, or that the registry announced.
        wanted: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The content has another length than its descriptor says.
    #[error("found content of {found} bytes, wanted {wanted}")]
    LengthMismatch {
        /// The size in the descriptor, in bytes.
        wanted: u64,
        /// The announced length, or the first one beyond the wanted.
        found: u64,
    },
    /// An answer that the specification does not allow.
    #[error("{0}")]
    Protocol(String),
    /// The server cannot answer now; several tries have been made.
    #[error("the server is unavailable ({status}){detail}; try again later")]
    Unavailable {
        /// The status of the last answer.
        status: u16,
        /// What the server says about it.
        detail: String,
        /// How long it wants to be left alone, where it says so.
        retry_after: Option<Duration>,
    },
    /// No connection, a cut one, or silence; several tries have been made.
    #[error("{0}")]
    Network(String),
    /// No TLS with this server: its certificate is not trusted, or it speaks something else.
    #[error("{0}")]
    Tls(String),
    /// A redirect that is not followed.
    #[error("found a redirect to {to}, which is not followed: {reason}")]
    RedirectRefused {
        /// The target without its query, which may hold secrets.
        to: String,
        /// The rule that it breaks.
        reason: &'static str,
    },
    /// What is to be sent could not be read.
    #[error("cannot read what is to be sent: {0}")]
    Source(io::Error),
    /// What is to be sent is no longer what was verified. Nothing was committed.
    #[error("found content with the digest {found} while sending, wanted {wanted}: it was changed since")]
    SourceChanged {
        /// The digest that it is sent under.
        wanted: Digest,
        /// The digest of what was read.
        found: Digest,
    },
    /// What was received could not be written down.
    #[error("cannot write what was received: {0}")]
    Sink(io::Error),
    /// The settings of the host cannot be used.
    #[error("{0}")]
    Settings(String),
    /// The credentials could not be looked up.
    #[error("cannot look up the credentials: {0}")]
    Credentials(String),
}

impl Problem {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Network(_) | Self::Unavailable { .. })
    }

    /// Whether other content came than was asked for. It is worth one more try, and then an error.
    #[must_use]
    pub const fn is_corruption(&self) -> bool {
        matches!(self, Self::DigestMismatch { .. } | Self::LengthMismatch { .. })
    }

    /// The error about `subject`.
    #[must_use]
    pub fn about(self, subject: impl Into<String>) -> Error {
        Error { subject: subject.into(), problem: self }
    }
}

/// Text of a stranger as an error may show it: one line, cut, with everything escaped that a terminal
/// could act on.
pub(crate) fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", escape(text.get(..end).unwrap_or_default())),
        None => escape(text),
    }
}

/// A transport error with its causes. Of the URL only the host is shown: the query may hold the signature of
/// a storage service, which is a secret for as long as it is valid.
pub(crate) fn network(error: reqwest::Error) -> Problem {
    let place =
        error.url().and_then(reqwest::Url::host_str).map(|host| format!("{host}: ")).unwrap_or_default();
    let error = error.without_url();
    let text = shown(&format!("{place}{}", causes(&error)));
    if text.contains("CaUsedAsEndEntity") {
        let advice =
            "found the certificate of an authority, wanted one that an authority issued for this server";
        return Problem::Tls(format!("{text}; {advice}"));
    }
    if text.contains("invalid peer certificate") {
        let advice = "wanted a certificate of a known authority: `caFile` in `hosts:` names another one";
        return Problem::Tls(format!("{text}; {advice}"));
    }
    if text.contains("InvalidContentType") {
        let advice = "found a server without TLS: `plainHttp: true` in `hosts:` allows that";
        return Problem::Tls(format!("{text}; {advice}"));
    }
    Problem::Network(text)
}

/// The causes of an error, without those that only say that there is a cause.
fn causes(error: &dyn std::error::Error) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        if !texts.last().is_some_and(|last| last.ends_with(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    let says_something =
        |text: &String| text != "error sending request" && !text.starts_with("client error (");
    let telling: Vec<&str> = texts.iter().filter(|text| says_something(text)).map(String::as_str).collect();
    if telling.is_empty() { texts.join(": ") } else { telling.join(": ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_stranger_cannot_steer_a_terminal() {
        assert_eq!(shown("quota\u{1b}[2J \u{202e}exe"), "quota\\u{1b}[2J \\u{202e}exe");
        assert_eq!(shown(&"x".repeat(9_000)).len(), SHOWN + 3);
    }
}
