//! A registry of the OCI distribution specification.

mod evidence;
mod load;
mod places;
mod publish;
mod survey;

use clients::http::Http;
use clients::registry::Remote;
use clients::{Error, Problem};
use console::Failure;
use futures_util::{StreamExt as _, stream};
use manifests::Digest;
use manifests::destinations::RegistryDestination;
use manifests::reference::Repository;

use crate::client_failure;
use crate::destinations::{NameThere, QUESTIONS};

/// A registry.
pub(crate) struct Registry {
    destination: RegistryDestination,
    http: Http,
}

impl Registry {
    /// The registry that a document describes.
    pub(crate) const fn new(destination: RegistryDestination, http: Http) -> Self {
        Self { destination, http }
    }

    /// Where it is.
    pub(crate) fn host(&self) -> &str {
        &self.destination.host
    }

    /// Whether the site signs what it brings there.
    pub(crate) const fn is_signed(&self) -> bool {
        self.destination.sign
    }

    /// What receipts call it.
    pub(crate) fn name(&self) -> &str {
        self.destination.name.as_str()
    }

    /// Where an upstream repository goes, as one pulls it from there.
    pub(crate) fn repository(&self, upstream: &Repository) -> String {
        format!("{}/{}", self.destination.host, self.destination.path(upstream))
    }

    /// The same without the registry's host.
    pub(crate) fn path(&self, upstream: &Repository) -> String {
        self.destination.path(upstream)
    }

    fn remote(&self, upstream: &Repository) -> Result<Remote, Failure> {
        let path = self.destination.path(upstream);
        let repository = Repository::new(&self.destination.host, &path).map_err(|error| {
            Failure::new(console::Class::Usage, upstream, error)
                .advise("map: in the destinations can name another place for it")
        })?;
        Remote::new(&self.http, &repository)
            .map_err(|error| client_failure::failure(&upstream.to_string(), &error))
    }

    /// What names point to now.
    ///
    /// # Errors
    /// Every name that could not be looked up.
    pub(crate) async fn look_up(
        &self,
        names: &[(Repository, String)],
    ) -> Result<Vec<NameThere>, Vec<Failure>> {
        let asked = stream::iter(names).map(|(upstream, tag)| async move {
            name_there(&self.remote(upstream)?, tag)
                .await
                .map_err(|error| client_failure::failure(&format!("{upstream}:{tag}"), &error))
        });
        settle(asked.buffered(QUESTIONS).collect().await)
    }
}

/// All values, or all failures.
fn settle<T>(results: Vec<Result<T, Failure>>) -> Result<Vec<T>, Vec<Failure>> {
    let (mut values, mut failures) = (Vec::with_capacity(results.len()), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() { Ok(values) } else { Err(failures) }
}

/// What a tag points to.
async fn name_there(remote: &Remote, tag: &str) -> Result<NameThere, Error> {
    let selector = clients::registry::Selector::Tag(tag);
    match remote.head_manifest(selector).await {
        Ok(head) => match head.digest {
            Some(digest) => Ok(NameThere::At(digest)),
            // A registry that names no digest: the content says it.
            None => Ok(NameThere::At(remote.get_manifest(selector).await?.digest)),
        },
        Err(error) => match error.problem {
            Problem::NotFound(_) => Ok(NameThere::Nowhere),
            problem if is_policy(&problem) => Ok(NameThere::KeptFromUs),
            problem => Err(problem.about(error.subject)),
        },
    }
}

/// Whether a manifest is there, by its digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ManifestThere {
    Yes,
    No,
    /// A policy does not let us see. Sent again, the answer to the upload confirms it.
    KeptFromUs,
}

async fn has_manifest(remote: &Remote, digest: Digest) -> Result<ManifestThere, Error> {
    match remote.head_manifest(digest).await {
        Ok(head) if head.digest == Some(digest) => Ok(ManifestThere::Yes),
        Ok(_) if remote.get_manifest(digest).await.is_ok() => Ok(ManifestThere::Yes),
        Ok(_) | Err(Error { problem: Problem::NotFound(_), .. }) => Ok(ManifestThere::No),
        Err(error) if is_policy(&error.problem) => Ok(ManifestThere::KeptFromUs),
        Err(error) => Err(error),
    }
}

/// 412: what is there is not for us to see, by a policy of Harbor's.
const fn is_policy(problem: &Problem) -> bool {
    matches!(problem, Problem::Denied { status: 412, .. })
}
