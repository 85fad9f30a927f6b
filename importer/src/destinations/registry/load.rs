//! Content into a registry, by digest. Nothing that a reader could follow: no names.
//!
//! ```text
//! item: blobs -> child manifests -> manifest -> evidence      several items at once, in archive order
//! then: the site's own signatures and summaries, once all of that is there
//! then: fallback indexes and legacy tags of evidence, merged with what is there
//! ```
//!
//! A blob that several repositories need is sent once: the first one that needs it leads, the others wait
//! for it and then have the registry mount it.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use clients::registry::{Pushed, PutAnswer, Remote};
use clients::{Error, Problem};
use console::progress::Progress;
use console::{Class, Failure};
use futures_util::future::Either;
use futures_util::{Stream, StreamExt as _, TryStreamExt as _, stream};
use manifests::inventory::Blob;
use manifests::receipt::Confirmation;
use manifests::{Descriptor, Digest};
use tokio::sync::OnceCell;

use super::Registry;
use super::places::Places;
use crate::archive_failure;
use crate::blobs;
use crate::client_failure;
use crate::destinations::{Delivery, Survey};
use crate::shipment::{Cargo, For, Shipment};
use crate::tree::Tree;

/// How many items are worked on at once. What is sent at once is limited by the host's connections; more items
/// than those keep them busy while manifests are put and read back.
const ITEMS: usize = 8;

/// How many blobs of one item are worked on at once.
const BLOBS: usize = 4;

/// One load into one registry.
pub(super) struct Loader<'a> {
    pub(super) target: &'a str,
    pub(super) shipment: &'a Shipment,
    pub(super) survey: &'a Survey,
    pub(super) places: Places,
    progress: &'a Progress,
    /// Blobs that several trees need, and those that can only be mounted. The others, which are most, need nobody to
    /// wait for them.
    shared: HashSet<Digest>,
    /// Each shared blob in each place, once.
    blobs: Once<(usize, Digest), ()>,
    /// The place that has a shared blob, or is the first to get it.
    leaders: Once<Digest, usize>,
    /// Manifests that several trees have in one place.
    several: HashSet<(usize, Digest)>,
    /// Each of them, once.
    manifests: Once<(usize, Digest), PutAnswer>,
    /// Manifests that were put and that the registry does not list among their subject's referrers.
    unlisted: Mutex<HashSet<(usize, Digest)>>,
    pub(super) delivery: Mutex<Delivery>,
    /// Nothing more is to be tried.
    is_over: AtomicBool,
    not_tried: AtomicU64,
}

/// Work that is done once for each key, whoever comes first; the others wait for it.
struct Once<K, V>(Mutex<HashMap<K, Arc<OnceCell<V>>>>);

impl<K: std::hash::Hash + Eq, V> Once<K, V> {
    fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    fn cell(&self, key: K) -> Arc<OnceCell<V>> {
        let mut cells = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cells.entry(key).or_default())
    }
}

fn shared_blobs(shipment: &Shipment) -> HashSet<Digest> {
    let blobs = || shipment.items.iter().flat_map(Cargo::trees).flat_map(|tree| &tree.blobs);
    let absent = blobs().map(|blob| blob.digest).filter(|digest| !shipment.blobs.carries(digest));
    repeated(blobs().map(|blob| blob.digest)).into_iter().chain(absent).collect()
}

/// Manifests that several trees have in one place. The others, which are most, are put by whoever comes to them.
fn several(shipment: &Shipment, places: &[usize]) -> HashSet<(usize, Digest)> {
    repeated(shipment.items.iter().zip(places).flat_map(|(cargo, place)| {
        cargo.trees().flat_map(move |tree| tree.manifests().map(move |manifest| (*place, manifest.digest)))
    }))
}

/// What comes more than once. A list that is sorted takes half the room of a set, and most comes once.
fn repeated<T: Copy + Ord + std::hash::Hash>(all: impl Iterator<Item = T>) -> HashSet<T> {
    let mut all: Vec<T> = all.collect();
    all.sort_unstable();
    let same = all.chunk_by(PartialEq::eq).filter(|same| same.len() > 1);
    same.filter_map(|same| same.first().copied()).collect()
}

impl Registry {
    /// Brings the content of a shipment.
    ///
    /// # Errors
    /// Every item that is not there afterwards.
    pub(crate) async fn load(
        &self,
        shipment: &Shipment,
        survey: &Survey,
        progress: &Progress,
    ) -> Result<Delivery, Vec<Failure>> {
        let loader = Loader::new(self.name(), shipment, survey, self.places(shipment)?, progress);
        let items = || stream::iter(shipment.items.iter().zip(&survey.places));
        let loaded = items().map(|(cargo, place)| loader.item(cargo, *place)).buffered(ITEMS);
        let (mut confirmations, mut failures) = (Vec::new(), Vec::new());
        for outcome in loaded.collect::<Vec<_>>().await {
            match outcome {
                Ok(confirmation) => confirmations.push(confirmation),
                Err(failure) => failures.extend(failure),
            }
        }
        if failures.is_empty() {
            // A cluster runs what bears the site's signature, by its digest: not what a medium that changes cut short.
            let vouched = items().map(|(cargo, place)| loader.evidence(cargo, *place, true));
            let outcomes = vouched.buffer_unordered(ITEMS).collect::<Vec<_>>().await;
            failures = outcomes.into_iter().filter_map(Result::err).flatten().collect();
        }
        if failures.is_empty() {
            failures = loader.merge_evidence().await;
        }
        let not_tried = loader.not_tried.load(Ordering::Relaxed);
        if not_tried > 0 {
            let message = format!("{not_tried} more items were not tried");
            failures.push(Failure::new(Class::Failed, self.name(), message));
        }
        if !failures.is_empty() {
            return Err(failures);
        }
        let delivery = loader.delivery.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Delivery { confirmations, ..delivery })
    }
}

impl<'a> Loader<'a> {
    fn new(
        target: &'a str,
        shipment: &'a Shipment,
        survey: &'a Survey,
        places: Places,
        progress: &'a Progress,
    ) -> Self {
        let (shared, leaders) = (shared_blobs(shipment), Once::new());
        for (place, digest) in survey.has.iter().filter(|(_, digest)| shared.contains(digest)) {
            // The first one that is found is as good as any other.
            let _ = leaders.cell(*digest).set(*place);
        }
        Self {
            target,
            shipment,
            survey,
            places,
            progress,
            shared,
            blobs: Once::new(),
            leaders,
            several: several(shipment, &survey.places),
            manifests: Once::new(),
            unlisted: Mutex::default(),
            delivery: Mutex::default(),
            is_over: AtomicBool::new(false),
            not_tried: AtomicU64::new(0),
        }
    }

    /// The repository with a number.
    pub(super) fn remote(&self, place: usize) -> Result<&Remote, Failure> {
        let missing = || Failure::new(Class::Failed, self.target, "found no repository with this number");
        self.places.remotes.get(place).ok_or_else(missing)
    }

    /// Brings one item. `Err(None)` when it was not tried.
    async fn item(&self, cargo: &Cargo, place: usize) -> Result<Confirmation, Option<Failure>> {
        if self.is_over.load(Ordering::Relaxed) {
            self.not_tried.fetch_add(1, Ordering::Relaxed);
            return Err(None);
        }
        self.progress.message(&cargo.name.to_string());
        let remote = self.remote(place)?;
        let name = cargo.name.to_string();
        let put = self.tree(&name, remote, place, &cargo.tree).await?;
        self.evidence(cargo, place, false).await?;
        let Some(put) = put else { return Ok(Confirmation::Present) };
        let confirmed = self.confirm(remote, &cargo.tree.root, &put).await;
        confirmed.map_err(|error| Some(self.failed(&name, &error)))
    }

    /// Brings what is said about an item: by the site, or by those who said it upstream. `Err(None)` when it was not tried;
    /// what the site would have said of it is no item.
    async fn evidence(&self, cargo: &Cargo, place: usize, is_ours: bool) -> Result<(), Option<Failure>> {
        if is_ours && self.is_over.load(Ordering::Relaxed) {
            return Err(None);
        }
        let remote = self.remote(place)?;
        for proof in cargo.evidence.iter().filter(|proof| (proof.whom != For::All) == is_ours) {
            let put = self.tree(&cargo.name.to_string(), remote, place, &proof.tree).await?;
            if put.is_some_and(|answer| !answer.lists_subject) {
                self.unlisted().insert((place, proof.tree.root.digest));
            }
        }
        Ok(())
    }

    /// Brings a manifest with everything below it, where it is not there. The answer to the manifest itself, where it
    /// was not.
    async fn tree(
        &self,
        name: &str,
        remote: &Remote,
        place: usize,
        tree: &Tree,
    ) -> Result<Option<PutAnswer>, Failure> {
        // Where one fails no other is begun, and those under way are not cut: their uploads would stay open at the registry.
        let has_failed = &AtomicBool::new(false);
        let blobs = stream::iter(&tree.blobs).map(|blob| async move {
            if has_failed.load(Ordering::Relaxed) {
                return Ok(());
            }
            let outcome = self.blob(remote, place, blob).await;
            has_failed.fetch_or(outcome.is_err(), Ordering::Relaxed);
            outcome.map_err(|error| self.failed(name, &error))
        });
        let outcomes: Vec<Result<(), Failure>> = blobs.buffer_unordered(BLOBS).collect().await;
        outcomes.into_iter().collect::<Result<(), Failure>>()?;
        let mut answer = None;
        for manifest in tree.manifests() {
            let key = (place, manifest.digest);
            answer = if self.survey.has.contains(&key) {
                None
            } else if self.several.contains(&key) {
                let cell = self.manifests.cell(key);
                Some(cell.get_or_try_init(|| self.put(name, remote, manifest)).await?.clone())
            } else {
                Some(self.put(name, remote, manifest).await?)
            };
        }
        Ok(answer)
    }

    async fn put(&self, name: &str, remote: &Remote, manifest: &Descriptor) -> Result<PutAnswer, Failure> {
        let failed = |error: Error| self.failed(name, &error);
        let bytes: Bytes = self.read(name, manifest)?.into();
        let answer = remote.put_manifest(manifest.digest, &manifest.media_type, &bytes).await;
        self.delivery().manifests += 1;
        let answer = answer.map_err(failed)?;
        // A receipt names it: where the answer did not, it is read back.
        if !answer.confirmed {
            remote.get_manifest(manifest.digest).await.map_err(failed)?;
        }
        Ok(answer)
    }

    /// Brings a blob: it is there, or another place has it, or it is sent.
    async fn blob(&self, remote: &Remote, place: usize, blob: &Blob) -> Result<(), Error> {
        if self.survey.has.contains(&(place, blob.digest)) {
            return Ok(());
        }
        if !self.shared.contains(&blob.digest) {
            return self.send(remote, blob).await;
        }
        let cell = self.blobs.cell((place, blob.digest));
        let bring = async {
            let leader = self.leaders.cell(blob.digest);
            let lead = async { self.send(remote, blob).await.map(|()| place) };
            let from = *leader.get_or_try_init(|| lead).await?;
            if let Some(source) = self.places.remotes.get(from).filter(|_| from != place) {
                match self.fetch(remote, source, blob).await? {
                    Pushed::Mounted => self.delivery().mounted.add(blob.size),
                    Pushed::Sent => self.delivery().sent.add(blob.size),
                }
            }
            Ok(())
        };
        cell.get_or_try_init(|| bring).await.copied()
    }

    /// Mounted from where it is to go: the answer says whether it is there, in the request that is needed anyway
    /// to send it.
    async fn send(&self, remote: &Remote, blob: &Blob) -> Result<(), Error> {
        if self.push(remote, remote, blob).await? == Pushed::Sent {
            self.delivery().sent.add(blob.size);
        } else {
            self.progress.add(blob.size);
        }
        Ok(())
    }

    /// Mounted from another repository, or else sent, where the archive carries it.
    async fn fetch(&self, remote: &Remote, source: &Remote, blob: &Blob) -> Result<Pushed, Error> {
        if self.shipment.blobs.carries(&blob.digest) {
            return self.push(remote, source, blob).await;
        }
        if remote.mount_blob(source.repository(), blob.digest).await? {
            return Ok(Pushed::Mounted);
        }
        let message = format!(
            "found it in {} and a registry that does not mount it from there, wanted it here: load a full archive",
            source.repository()
        );
        Err(Problem::Protocol(message).about(blob.digest.to_string()))
    }

    async fn push(&self, remote: &Remote, from: &Remote, blob: &Blob) -> Result<Pushed, Error> {
        let counted = Arc::new(AtomicU64::new(0));
        let open = || {
            self.progress.take_back(counted.swap(0, Ordering::Relaxed));
            let (progress, counted) = (self.progress.clone(), Arc::clone(&counted));
            self.open(blob).inspect_ok(move |piece| {
                counted.fetch_add(piece.len() as u64, Ordering::Relaxed);
                progress.add(piece.len() as u64);
            })
        };
        remote.push_blob(blob.digest, blob.size, Some(from.repository()), open).await
    }

    fn open(&self, blob: &Blob) -> impl Stream<Item = io::Result<Bytes>> + Send + use<> {
        match self.shipment.blobs.open(&blob.digest) {
            Ok(reader) => Either::Left(blobs::pieces(Arc::from(reader), 0, blob.size)),
            Err(error) => Either::Right(stream::iter([Err(io::Error::other(error))])),
        }
    }

    /// The bytes of a manifest, compared with its digest once more.
    pub(super) fn read(&self, name: &str, manifest: &Descriptor) -> Result<Vec<u8>, Failure> {
        self.shipment.blobs.metadata(manifest).map_err(|error| {
            self.is_over.store(true, Ordering::Relaxed);
            archive_failure::failure(name.as_ref(), &error)
        })
    }

    /// Reads back what was sent and compares its bytes with the digest: a header is the registry's word only.
    /// Where a policy does not let us read, the answer to the upload must do.
    async fn confirm(
        &self,
        remote: &Remote,
        published: &Descriptor,
        put: &PutAnswer,
    ) -> Result<Confirmation, Error> {
        let error = match remote.get_manifest(published.digest).await {
            Ok(_) => return Ok(Confirmation::ReadBack),
            Err(error) => error,
        };
        let is_kept_from_us = matches!(error.problem, Problem::Denied { .. } | Problem::Unauthorized(_));
        if is_kept_from_us && put.confirmed { Ok(Confirmation::PutAnswer) } else { Err(error) }
    }

    /// Manifests that were put and that the registry does not list.
    pub(super) fn unlisted(&self) -> std::sync::MutexGuard<'_, HashSet<(usize, Digest)>> {
        self.unlisted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn delivery(&self) -> std::sync::MutexGuard<'_, Delivery> {
        self.delivery.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failed(&self, name: &str, error: &Error) -> Failure {
        if client_failure::ends_everything(&error.problem) {
            self.is_over.store(true, Ordering::Relaxed);
        }
        client_failure::failure(name, error)
    }
}
