//! Evidence where the registry does not find it by itself: fallback indexes and legacy tags, merged with what
//! others have there.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use bytes::Bytes;
use clients::registry::referrers::FallbackEntry;
use clients::registry::{Merged, Remote, legacy};
use console::{Class, Failure};
use futures_util::{StreamExt as _, stream};
use manifests::{Descriptor, Digest};

use super::load::Loader;
use super::{Registry, is_policy, settle};
use crate::destinations::{QUESTIONS, Survey};
use crate::shipment::Shipment;
use crate::{archive_failure, client_failure};

/// How many documents are merged at once.
const MERGES: usize = 4;

/// Evidence by place, and by its subject (referrers) or its tag.
type Grouped<'a, K> = BTreeMap<(usize, K), BTreeSet<&'a Descriptor>>;

/// All evidence of a shipment: the referrers, and what is under legacy tags.
fn grouped<'a>(shipment: &'a Shipment, survey: &Survey) -> (Grouped<'a, Digest>, Grouped<'a, &'a str>) {
    let (mut referrers, mut tags): (Grouped<'_, Digest>, Grouped<'_, &str>) = <_>::default();
    for (cargo, place) in shipment.items.iter().zip(&survey.places) {
        for proof in &cargo.evidence {
            match &proof.tag {
                Some(tag) => tags.entry((*place, tag)).or_default().insert(&proof.tree.root),
                None => referrers.entry((*place, proof.subject)).or_default().insert(&proof.tree.root),
            };
        }
    }
    (referrers, tags)
}

impl Registry {
    /// The legacy tags, each with the path of its repository, that are there and lack evidence of ours: a load would
    /// replace them. Repositories in `missing` have none.
    ///
    /// # Errors
    /// Every tag that the registry did not answer about.
    pub(crate) async fn growing_tags(
        &self,
        shipment: &Shipment,
        missing: &HashSet<usize>,
        survey: &Survey,
    ) -> Result<Vec<(String, String)>, Vec<Failure>> {
        let remotes = &self.places(shipment)?.remotes;
        let (_, tags) = grouped(shipment, survey);
        let asked = tags.iter().filter(|((place, _), _)| !missing.contains(place));
        let asked = asked.filter_map(|((place, tag), ours)| Some((remotes.get(*place)?, *tag, ours)));
        let answers = stream::iter(asked).map(|(remote, tag, ours)| async move {
            let is_growing = grows(shipment, remote, tag, ours).await?;
            Ok(is_growing.then(|| (remote.repository().path().to_owned(), tag.to_owned())))
        });
        let answers = answers.buffered(QUESTIONS).collect().await;
        Ok(settle(answers)?.into_iter().flatten().collect())
    }
}

async fn grows(
    shipment: &Shipment,
    remote: &Remote,
    tag: &str,
    ours: &BTreeSet<&Descriptor>,
) -> Result<bool, Failure> {
    let name = format!("{}:{tag}", remote.repository());
    let read = |manifest: &Descriptor| {
        let bytes = shipment.blobs.metadata(manifest);
        bytes.map_err(|error| archive_failure::failure(name.as_ref(), &error))
    };
    let (media_type, bytes) = combined(&name, ours, read)?;
    match remote.lacks_legacy(tag, &media_type, &bytes).await {
        Ok(lacks) => Ok(lacks),
        // A policy does not let us see. The load will tell.
        Err(error) if is_policy(&error.problem) => Ok(false),
        Err(error) => Err(client_failure::failure(&name, &error)),
    }
}

/// All that goes under one tag as one manifest: a tag that may be set and not moved is put once.
fn combined(
    name: &str,
    ours: &BTreeSet<&Descriptor>,
    read: impl Fn(&Descriptor) -> Result<Vec<u8>, Failure>,
) -> Result<(String, Bytes), Failure> {
    let mut all: Option<(String, Bytes)> = None;
    for manifest in ours {
        let bytes: Bytes = read(manifest)?.into();
        let Some((media_type, before)) = &mut all else {
            all = Some((manifest.media_type.clone(), bytes));
            continue;
        };
        let merged = legacy::merge(before, media_type, &bytes, &manifest.media_type);
        let merged = merged.map_err(|problem| Failure::new(Class::Failed, name, problem))?;
        *before = merged.unwrap_or_else(|| before.clone());
    }
    all.ok_or_else(|| Failure::new(Class::Failed, name, "found nothing to put under the tag"))
}

impl Loader<'_> {
    /// Writes what makes evidence findable. What is there already is left as it is.
    pub(super) async fn merge_evidence(&self) -> Vec<Failure> {
        let (mut referrers, tags) = grouped(self.shipment, self.survey);
        let has_api = match self.has_api(&referrers).await {
            Ok(has_api) => has_api,
            Err(failure) => return vec![failure],
        };
        let unlisted = std::mem::take(&mut *self.unlisted());
        let is_unlisted = |key: (usize, Digest)| {
            if self.survey.has.contains(&key) { !has_api } else { unlisted.contains(&key) }
        };
        referrers
            .retain(|(place, _), found| found.iter().any(|manifest| is_unlisted((*place, manifest.digest))));
        self.delivery().fallback_indexes = referrers.len() as u64;
        let indexes = stream::iter(&referrers)
            .map(|((place, subject), found)| self.fallback(*place, *subject, found))
            .buffer_unordered(MERGES);
        let mut outcomes: Vec<Result<(), Failure>> = indexes.collect().await;
        let legacy = stream::iter(&tags)
            .map(|((place, tag), found)| self.legacy(*place, tag, found))
            .buffer_unordered(MERGES);
        outcomes.extend(legacy.collect::<Vec<_>>().await);
        outcomes.into_iter().filter_map(Result::err).collect()
    }

    /// Whether the registry lists referrers by itself. It is asked when evidence was there before, so that
    /// no answer to an upload says it.
    async fn has_api(&self, referrers: &Grouped<'_, Digest>) -> Result<bool, Failure> {
        let was_there = referrers.iter().find(|((place, _), found)| {
            found.iter().any(|manifest| self.survey.has.contains(&(*place, manifest.digest)))
        });
        let Some(((place, subject), _)) = was_there else { return Ok(true) };
        let asked = self.remote(*place)?.referrers(*subject).await;
        asked.map(|referrers| referrers.by_api).map_err(|error| self.failed(self.target, &error))
    }

    async fn fallback(
        &self,
        place: usize,
        subject: Digest,
        found: &BTreeSet<&Descriptor>,
    ) -> Result<(), Failure> {
        let remote = self.remote(place)?;
        let name = format!("{}@{subject}", remote.repository());
        let entries = found.iter().map(|manifest| {
            let bytes = self.read(&name, manifest)?;
            FallbackEntry::of(&bytes, &manifest.media_type)
                .map_err(|error| Failure::new(Class::Damaged, &name, error))
        });
        let entries: Vec<FallbackEntry> = entries.collect::<Result<_, _>>()?;
        let merged = remote.merge_fallback_index(subject, &entries).await;
        self.count(merged.map_err(|error| self.failed(&name, &error))?);
        Ok(())
    }

    async fn legacy(&self, place: usize, tag: &str, found: &BTreeSet<&Descriptor>) -> Result<(), Failure> {
        let remote = self.remote(place)?;
        let name = format!("{}:{tag}", remote.repository());
        let (media_type, bytes) = combined(&name, found, |manifest| self.read(&name, manifest))?;
        let merged = remote.merge_legacy(tag, &media_type, &bytes).await;
        self.count(merged.map_err(|error| self.failed(&name, &error))?);
        Ok(())
    }

    fn count(&self, merged: Merged) {
        if let Merged::Written(_) = merged {
            self.delivery().manifests += 1;
        }
    }
}
