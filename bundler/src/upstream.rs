//! What `lock` reads of registries: manifests and small blobs, each kept beside the lock as soon as its
//! digest agrees, and taken from there when it is there already.

use clients::registry::{Remote, RemoteManifest};
use clients::{Error, Http, Problem};
use console::{Class, Failure};
use manifests::oci::Entry;
use manifests::reference::Repository;
use manifests::{Descriptor, Digest, limits};

use crate::beside::{Beside, BesideError};

/// Registries, and the folder that keeps what they give.
#[derive(Debug)]
pub(crate) struct Upstream {
    http: Http,
    beside: Beside,
}

/// Why something cannot be had from upstream.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UpstreamError {
    /// It is not there, though something that is there names it.
    #[error("{0}: not found (404)")]
    Absent(String),
    /// The registry failed, or lied.
    #[error(transparent)]
    Registry(#[from] Error),
    /// It has another size or type than what names it says.
    #[error("{subject}: found {found}, wanted {wanted}")]
    Other {
        /// The thing.
        subject: String,
        /// What it is.
        found: String,
        /// What it should be.
        wanted: String,
    },
    /// The folder beside the lock.
    #[error(transparent)]
    Beside(#[from] BesideError),
}

impl UpstreamError {
    /// Whether what is asked next would fail as well: the registry does not answer any more, or the disk takes nothing.
    pub(crate) const fn is_lasting(&self) -> bool {
        match self {
            Self::Registry(error) => error.problem.is_transient(),
            Self::Beside(error) => matches!(error, BesideError::Disk { .. }),
            Self::Absent(_) | Self::Other { .. } => false,
        }
    }

    /// The failure about an item.
    pub(crate) fn failure(&self, item: &str) -> Failure {
        let class = match self {
            Self::Registry(Error { problem: Problem::Settings(_) | Problem::Credentials(_), .. }) => {
                Class::Usage
            }
            _ => Class::Failed,
        };
        match self {
            // The subject would only repeat the item.
            Self::Registry(Error { subject, problem }) if subject == item => {
                Failure::new(class, item, problem)
            }
            error => Failure::new(class, item, error),
        }
    }
}

impl Upstream {
    pub(crate) fn new(http: Http, beside: Beside) -> Self {
        Self { http, beside }
    }

    /// The folder beside the lock.
    pub(crate) const fn beside(&self) -> &Beside {
        &self.beside
    }

    /// The hosts that were contacted: registries or their mirrors, token servers, where downloads were
    /// redirected to. A build asks the same ones.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.http.contacted().into_iter().collect()
    }

    /// The server that is asked for what references of `host` name: a mirror, where there is one. Settings that cannot be
    /// used are told with the first request.
    pub(crate) fn server(&self, host: &str) -> String {
        self.http.host(host).map_or_else(|_| host.to_owned(), |server| server.authority())
    }

    fn remote(&self, repository: &Repository) -> Result<Remote, Error> {
        Remote::new(&self.http, repository)
    }

    /// Keeps bytes that were made here, or that came with something else.
    pub(crate) fn keep(&self, bytes: &[u8]) -> Result<(), UpstreamError> {
        if self.beside.find(Digest::of(bytes), bytes.len() as u64)?.is_none() {
            self.beside.keep(bytes)?;
        }
        Ok(())
    }

    /// What a tag points to right now; nothing after a 404.
    pub(crate) async fn tag(
        &self,
        repository: &Repository,
        tag: &str,
    ) -> Result<Option<Descriptor>, UpstreamError> {
        let reference =
            repository.tagged(tag).map_err(|error| Problem::Settings(error.to_string()).about(tag))?;
        let found = self.remote(repository)?.get_manifest(&reference).await;
        self.take(found)
    }

    /// The manifest of a digest; nothing after a 404.
    pub(crate) async fn digest(
        &self,
        repository: &Repository,
        digest: Digest,
    ) -> Result<Option<Descriptor>, UpstreamError> {
        let found = self.remote(repository)?.get_manifest(digest).await;
        self.take(found)
    }

    fn take(&self, found: Result<RemoteManifest, Error>) -> Result<Option<Descriptor>, UpstreamError> {
        match found {
            Ok(RemoteManifest { bytes, media_type, digest, .. }) => {
                self.keep(&bytes)?;
                Ok(Some(Descriptor { digest, media_type, size: bytes.len() as u64 }))
            }
            Err(Error { problem: Problem::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The bytes of a manifest that something names with its digest, type and size.
    pub(crate) async fn manifest(
        &self,
        origin: Option<&Repository>,
        wanted: &Descriptor,
    ) -> Result<Vec<u8>, UpstreamError> {
        let kept = self.beside.find(wanted.digest, wanted.size)?;
        let (None, Some(repository)) = (&kept, origin) else {
            return match kept {
                Some(bytes) => Ok(bytes),
                None => Ok(self.beside.load(wanted)?),
            };
        };
        let subject = repository.at(wanted.digest).to_string();
        let found = self.digest(repository, wanted.digest).await?;
        let found = found.ok_or_else(|| UpstreamError::Absent(subject.clone()))?;
        if found != *wanted {
            let described = |one: &Descriptor| format!("{} of {} bytes", one.media_type, one.size);
            let (found, wanted) = (described(&found), described(wanted));
            return Err(UpstreamError::Other { subject, found, wanted });
        }
        Ok(self.beside.load(wanted)?)
    }

    /// Makes sure that a small blob lies beside the lock.
    pub(crate) async fn blob(
        &self,
        origin: Option<&Repository>,
        wanted: &Descriptor,
    ) -> Result<(), UpstreamError> {
        let Descriptor { digest, size, .. } = *wanted;
        if self.beside.find(digest, size)?.is_some() {
            return Ok(());
        }
        let Some(repository) = origin else { return Ok(self.beside.load(wanted).map(drop)?) };
        match self.remote(repository)?.get_blob(digest, size, limits::EVIDENCE_BYTES).await {
            Ok(bytes) => {
                self.beside.keep(&bytes)?;
                Ok(())
            }
            Err(Error { subject, problem: Problem::NotFound(_) }) => Err(UpstreamError::Absent(subject)),
            Err(error) => Err(error.into()),
        }
    }

    /// The tags of a repository; nothing after a 404.
    pub(crate) async fn tags(&self, repository: &Repository) -> Result<Option<Vec<String>>, UpstreamError> {
        match self.remote(repository)?.list_tags().await {
            Ok(tags) => Ok(Some(tags)),
            Err(Error { problem: Problem::NotFound(_), .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What refers to a subject, by the referrers API **and** the fallback tag: what was pushed before a
    /// registry had the API stays under the tag.
    pub(crate) async fn referrers(
        &self,
        repository: &Repository,
        subject: Digest,
    ) -> Result<Vec<Descriptor>, UpstreamError> {
        let remote = self.remote(repository)?;
        let found = remote.referrers(subject).await?;
        let mut entries = found.entries;
        if found.by_api {
            entries.extend(remote.fallback_referrers(subject).await?);
        }
        Ok(entries.iter().map(Entry::descriptor).collect())
    }
}
