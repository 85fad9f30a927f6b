//! Names at a registry: a tag is set by putting its manifest under it.

use bytes::Bytes;
use clients::Error;
use clients::registry::Selector;
use console::{Class, Failure};
use futures_util::{StreamExt as _, stream};

use super::{Registry, name_there};
use crate::archive_failure;
use crate::blobs::Metadata;
use crate::client_failure;
use crate::destinations::{Move, NameThere};

/// How many names move at once.
const NAMES: usize = 4;

impl Registry {
    /// Moves names. Content without a name needs nothing here.
    ///
    /// # Errors
    /// Every name that did not move.
    pub(crate) async fn publish(
        &self,
        moves: &[Move<'_>],
        manifests: &dyn Metadata,
    ) -> Result<(), Vec<Failure>> {
        let moved = stream::iter(moves).map(|one| self.set(one, manifests)).buffer_unordered(NAMES);
        let outcomes: Vec<Result<(), Failure>> = moved.collect().await;
        let failures: Vec<Failure> = outcomes.into_iter().filter_map(Result::err).collect();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    async fn set(&self, one: &Move<'_>, manifests: &dyn Metadata) -> Result<(), Failure> {
        let Some(tag) = one.tag.as_ref().filter(|_| !one.is_there) else { return Ok(()) };
        let (name, published) = (&one.item.name, &one.item.published);
        let bytes = manifests.metadata(published);
        let bytes: Bytes = bytes.map_err(|error| archive_failure::failure(name.as_ref(), &error))?.into();
        let remote = self.remote(&one.upstream)?;
        let failed = |error: Error| client_failure::failure(name, &error);
        let put = remote.put_manifest(Selector::Tag(tag), &published.media_type, &bytes).await;
        if put.map_err(failed)?.confirmed {
            return Ok(());
        }
        // The answer did not say what the name points to now, and a receipt will.
        match name_there(&remote, tag).await.map_err(failed)? {
            NameThere::At(digest) if digest == published.digest => Ok(()),
            other => {
                let found = other.digest().map_or_else(|| "nothing".to_owned(), |found| found.to_string());
                let wanted = published.digest;
                let message = format!("found {found} under the tag {tag} once it was set, wanted {wanted}");
                Err(Failure::new(Class::Failed, name, message))
            }
        }
    }
}
