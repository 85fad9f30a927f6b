//! A registry of the OCI distribution specification 1.1, one repository at a time.
//!
//! ```text
//! reading   manifest (get, head)   blob (read, fetch, get, head)   tags (list)   referrers
//! writing   push (mount, push)   manifest (put)   merged, not overwritten: referrers, legacy
//! ```
//!
//! Content is believed by its digest only. Each byte is hashed once: while it is received, or while it is
//! sent.

mod blob;
mod held_back;
pub mod legacy;
mod link;
mod manifest;
mod push;
pub mod referrers;
mod tags;

use std::sync::Arc;

use bytes::Bytes;
use manifests::reference::{Reference, Repository, is_tag};
use manifests::{Digest, limits};
use reqwest::{Method, Url};

pub use blob::{BlobReader, BlobStart};
pub use manifest::{ManifestHead, PutAnswer, RemoteManifest};
pub use push::Pushed;
pub use referrers::{FallbackEntry, Merged, Referrers};

use crate::error::{Error, Problem, shown};
use crate::http::{Call, Host, Http};

/// What selects a manifest in a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selector<'a> {
    /// By a name that moves.
    Tag(&'a str),
    /// By content.
    Digest(Digest),
}

impl<'a> From<&'a Reference> for Selector<'a> {
    /// With a tag beside a digest the digest decides.
    fn from(reference: &'a Reference) -> Self {
        match (reference.digest(), reference.tag()) {
            (Some(digest), _) => Self::Digest(digest),
            (None, tag) => Self::Tag(tag.unwrap_or("latest")),
        }
    }
}

impl From<Digest> for Selector<'_> {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

/// One repository of a registry. Cheap to clone; all of one [`Http`] share connections and limits.
#[derive(Debug, Clone)]
pub struct Remote {
    host: Arc<Host>,
    repository: Repository,
    /// The repository's name where it really is: below a mirror's prefix.
    path: String,
}

impl Remote {
    /// The repository at its registry; nothing is contacted yet.
    ///
    /// # Errors
    /// When the settings of its host cannot be used.
    pub fn new(http: &Http, repository: &Repository) -> Result<Self, Error> {
        let host = http.host(repository.host())?;
        let path = match host.prefix() {
            "" => repository.path().to_owned(),
            prefix => format!("{prefix}/{}", repository.path()),
        };
        Ok(Self { host, repository: repository.clone(), path })
    }

    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The server that it is at.
    #[must_use]
    pub const fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// `host/repository@digest` or `host/repository:tag`, for errors.
    fn subject(&self, selector: Selector<'_>) -> String {
        match selector {
            Selector::Tag(tag) => format!("{}:{}", self.repository, shown(tag)),
            Selector::Digest(digest) => format!("{}@{digest}", self.repository),
        }
    }

    /// What makes a problem an error about something in this repository.
    fn failed(&self, selector: Selector<'_>) -> impl Fn(Problem) -> Error + use<> {
        let subject = self.subject(selector);
        move |problem| problem.about(subject.as_str())
    }

    fn pull(&self) -> Vec<String> {
        vec![format!("repository:{}:pull", self.path)]
    }

    fn push(&self) -> Vec<String> {
        vec![format!("repository:{}:pull,push", self.path)]
    }

    /// `/v2/<repository>/<rest>` at the server.
    fn url(&self, rest: &str) -> Result<Url, Problem> {
        let url = self.host.origin().join(&format!("/v2/{}/{rest}", self.path));
        url.map_err(|error| Problem::Protocol(format!("cannot make a request: {error}")))
    }

    fn manifest_url(&self, selector: Selector<'_>) -> Result<Url, Problem> {
        match selector {
            // A tag that is none could be the path of another request.
            Selector::Tag(tag) if !is_tag(tag) => {
                Err(Problem::Protocol(format!("found {:?}, wanted a tag", shown(tag))))
            }
            Selector::Tag(tag) => self.url(&format!("manifests/{tag}")),
            Selector::Digest(digest) => self.url(&format!("manifests/{digest}")),
        }
    }

    fn blob_url(&self, digest: Digest) -> Result<Url, Problem> {
        self.url(&format!("blobs/{digest}"))
    }

    /// A GET whose answer is a JSON document of at most `limit` bytes.
    async fn get_document(&self, url: Url, limit: u64) -> Result<(crate::http::Parts, Bytes), Problem> {
        let call = Call::new(Method::GET, url, self.pull());
        let (parts, bytes) = self.host.call_and_read(&call, limit).await?;
        if parts.content_type.as_deref() == Some("text/html") {
            return Err(html());
        }
        Ok((parts, bytes))
    }
}

/// A page of the web where a registry should answer.
fn html() -> Problem {
    Problem::Protocol(
        "found an HTML page, wanted the answer of a registry: a login page or a proxy answers in its place"
            .to_owned(),
    )
}

/// Largest page of tags or referrers, in bytes: as large as a manifest may be.
const PAGE_BYTES: u64 = limits::MANIFEST_BYTES;

/// How often a merge is tried again when somebody else writes the same document at the same time.
const MERGES: usize = 4;

/// Others write the same document all the time.
fn changed_again() -> Problem {
    Problem::Protocol(format!("found it changed by somebody else {MERGES} times, wanted what was put there"))
}
