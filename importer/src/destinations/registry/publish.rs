//! Names at a registry: a tag is set by putting its manifest under it.

use bytes::Bytes;
use clients::registry::Selector;
use console::Failure;
use futures_util::{StreamExt as _, stream};

use super::Registry;
use crate::archive_failure;
use crate::blobs::Metadata;
use crate::client_failure;
use crate::destinations::Move;

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
        let put = remote.put_manifest(Selector::Tag(tag), &published.media_type, &bytes).await;
        put.map(|_| ()).map_err(|error| client_failure::failure(name, &error))
    }
}
