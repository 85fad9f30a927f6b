//! Fetching what is small of a manifest: itself, what it lists, configs; of evidence and charts everything.

use console::{Class, Failure};
use futures_util::{Stream, StreamExt as _, stream};
use manifests::oci::{Entry, Manifest};
use manifests::reference::Repository;
use manifests::{Descriptor, Digest, limits, media_type};

use super::is_chart;
use crate::upstream::{Upstream, UpstreamError};

/// How much of one item is fetched at once. Each host has its own limit on requests.
const AT_ONCE: usize = 8;

/// The bytes of the config `{}`, which some registries do not hand out again.
const EMPTY: &[u8] = b"{}";

/// Which layers are small.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layers {
    /// Those of charts. All others are large content, and fetched when the archive is built.
    OfCharts,
    /// All: evidence lies beside the lock whole.
    All,
}

/// What was fetched.
#[derive(Debug, Default)]
pub(super) struct Fetched {
    /// Every manifest and index, the first one first.
    pub(super) manifests: Vec<Descriptor>,
    /// The first config: it says what the thing is.
    pub(super) config: Option<Descriptor>,
}

/// Why something small cannot be fetched.
#[derive(Debug, thiserror::Error)]
pub(super) enum SmallError {
    /// Upstream or the disk failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// It is no manifest, or not the one that is said.
    #[error("the manifest {0}: {1}")]
    Manifest(Digest, manifests::oci::ManifestError),
    /// A limit of the format.
    #[error("found {found}, wanted at most {limit}")]
    Limit {
        /// What is too much.
        found: String,
        /// The limit.
        limit: u64,
    },
}

impl SmallError {
    /// As [`UpstreamError::is_lasting`].
    pub(super) const fn is_lasting(&self) -> bool {
        matches!(self, Self::Upstream(error) if error.is_lasting())
    }

    pub(super) fn failure(&self, item: &str) -> Failure {
        match self {
            Self::Upstream(error) => error.failure(item),
            error => Failure::new(Class::Failed, item, error),
        }
    }
}

/// Whether a layer of this size is kept beside the lock.
pub(super) const fn is_kept(size: u64) -> bool {
    size <= limits::EVIDENCE_BYTES
}

/// Everything that came and everything that failed, in order; after a failure that is `lasting` nothing more is asked.
pub(super) async fn settle<T, E>(
    outcomes: impl Stream<Item = Result<T, Vec<E>>>,
    lasting: impl Fn(&E) -> bool,
) -> (Vec<T>, Vec<E>) {
    let mut outcomes = std::pin::pin!(outcomes);
    let (mut came, mut failed) = (Vec::new(), Vec::new());
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Ok(one) => came.push(one),
            Err(errors) => {
                let is_over = errors.iter().any(&lasting);
                failed.extend(errors);
                if is_over {
                    break;
                }
            }
        }
    }
    (came, failed)
}

/// Fetches what is small under `root`, level by level. Every failure is returned.
pub(super) async fn fetch(
    upstream: &Upstream,
    origin: Option<&Repository>,
    root: &Descriptor,
    layers: Layers,
) -> Result<Fetched, Vec<SmallError>> {
    let (mut fetched, mut failures) = (Fetched::default(), Vec::new());
    let mut level = vec![root.clone()];
    for _ in 0..=limits::INDEX_DEPTH {
        let fetching = stream::iter(&level).map(|manifest| one(upstream, origin, manifest, layers));
        let (read, failed) = settle(fetching.buffered(AT_ONCE), SmallError::is_lasting).await;
        failures.extend(failed);
        if failures.iter().any(SmallError::is_lasting) {
            return Err(failures);
        }
        fetched.manifests.append(&mut level);
        for manifest in read {
            match manifest {
                Manifest::Image(image) => {
                    fetched.config.get_or_insert_with(|| image.config.descriptor());
                }
                Manifest::Index(index) => level.extend(children(&index.manifests)),
            }
        }
        // An index that lists one child a thousand times is no reason for a thousand requests.
        let mut seen: std::collections::HashSet<Digest> =
            fetched.manifests.iter().map(|manifest| manifest.digest).collect();
        level.retain(|manifest| seen.insert(manifest.digest));
        if fetched.manifests.len().saturating_add(level.len()) > limits::BLOBS {
            failures.push(limit("more manifests", limits::BLOBS as u64));
            return Err(failures);
        }
        if level.is_empty() {
            return if failures.is_empty() { Ok(fetched) } else { Err(failures) };
        }
    }
    failures.push(limit("indexes within indexes", limits::INDEX_DEPTH as u64));
    Err(failures)
}

fn children(entries: &[Entry]) -> impl Iterator<Item = Descriptor> + '_ {
    entries.iter().filter(|entry| media_type::is_manifest(&entry.media_type)).map(Entry::descriptor)
}

/// One manifest with its small blobs.
async fn one(
    upstream: &Upstream,
    origin: Option<&Repository>,
    manifest: &Descriptor,
    layers: Layers,
) -> Result<Manifest, Vec<SmallError>> {
    let bytes = upstream.manifest(origin, manifest).await.map_err(|error| vec![error.into()])?;
    let read = Manifest::parse(&bytes, &manifest.media_type)
        .map_err(|error| vec![SmallError::Manifest(manifest.digest, error)])?;
    drop(bytes);
    let blobs: Vec<Descriptor> = match &read {
        Manifest::Image(image) => {
            let is_small = layers == Layers::All || is_chart(&image.config.media_type);
            let kept = image.layers.iter().filter(|_| is_small);
            // A chart beyond the limit is large content; evidence beyond it is skipped by its collector.
            let kept = kept.filter(|layer| layers == Layers::All || is_kept(layer.size));
            std::iter::once(&image.config).chain(kept).map(Entry::descriptor).collect()
        }
        Manifest::Index(index) => {
            let others = index.manifests.iter().filter(|entry| !media_type::is_manifest(&entry.media_type));
            others.filter(|_| layers == Layers::All).map(Entry::descriptor).collect()
        }
    };
    if let Some(large) = blobs.iter().find(|blob| !is_kept(blob.size)) {
        let found = format!("the config or evidence {} of {} bytes", large.digest, large.size);
        return Err(vec![limit(&found, limits::EVIDENCE_BYTES)]);
    }
    let fetching = stream::iter(&blobs).map(|blob| async move {
        small_blob(upstream, origin, blob).await.map_err(|error| vec![SmallError::from(error)])
    });
    let (_, failures) = settle(fetching.buffered(AT_ONCE), SmallError::is_lasting).await;
    if failures.is_empty() { Ok(read) } else { Err(failures) }
}

async fn small_blob(
    upstream: &Upstream,
    origin: Option<&Repository>,
    blob: &Descriptor,
) -> Result<(), UpstreamError> {
    if blob.size == EMPTY.len() as u64 && blob.digest == Digest::of(EMPTY) {
        return upstream.keep(EMPTY);
    }
    upstream.blob(origin, blob).await
}

fn limit(found: &str, limit: u64) -> SmallError {
    SmallError::Limit { found: found.to_owned(), limit }
}
