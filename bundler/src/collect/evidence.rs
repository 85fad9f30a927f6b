//! What upstream says about an item: signatures, attestations, SBOMs, and what is said about those.
//!
//! It lies in three places, which are all asked for every subject: the referrers API, the fallback tag
//! `sha256-<hex>` of registries without it, and cosign's older tags. Nothing is chosen here by its type:
//! fallback indexes often leave it empty, and what counts is the gates' decision.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use clients::registry::legacy;
use futures_util::{StreamExt as _, stream};
use gates::vulnerability::could_run;
use manifests::inventory::Evidence;
use manifests::lock::Skipped;
use manifests::oci::Manifest;
use manifests::reference::Repository;
use manifests::{Descriptor, Digest, limits, media_type};

use super::small::{self, Layers, SmallError};
use crate::beside::SmallFiles;
use crate::upstream::{Upstream, UpstreamError};

/// How many subjects of one item are asked about at once. Each host has its own limit on requests.
const AT_ONCE: usize = 8;

/// What was found about an item.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) evidence: Vec<Evidence>,
    pub(super) skipped: Vec<Skipped>,
}

/// Why evidence cannot be gathered.
#[derive(Debug, thiserror::Error)]
pub(super) enum EvidenceError {
    /// A manifest or a blob of it.
    #[error("evidence about {subject}: {error}")]
    Small {
        /// What it is about.
        subject: Digest,
        /// Why not.
        error: SmallError,
    },
    /// Somebody is filling a registry, not signing.
    #[error("found {found} manifests about {subject}, wanted at most {max}", max = limits::EVIDENCE_PER_SUBJECT)]
    Count {
        /// What they are about.
        subject: Digest,
        /// How many.
        found: usize,
    },
    /// The same, spread over many subjects.
    #[error("found more than {max} manifests of evidence about the item, its parts and their evidence", max = limits::EVIDENCE_PER_ITEM)]
    Total,
    /// Evidence about evidence about evidence.
    #[error("found evidence more than {max} levels above the item, about {subject}", max = limits::EVIDENCE_DEPTH)]
    Depth {
        /// What the one too many is about.
        subject: Digest,
    },
    /// Upstream failed.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
}

impl EvidenceError {
    /// As [`UpstreamError::is_lasting`].
    const fn is_lasting(&self) -> bool {
        match self {
            Self::Upstream(error) => error.is_lasting(),
            Self::Small { error, .. } => error.is_lasting(),
            Self::Count { .. } | Self::Total | Self::Depth { .. } => false,
        }
    }

    pub(super) fn failure(&self, item: &str) -> console::Failure {
        match self {
            Self::Upstream(error) | Self::Small { error: SmallError::Upstream(error), .. } => {
                error.failure(item)
            }
            error => console::Failure::new(console::Class::Failed, item, error),
        }
    }
}

/// Gathers what there is about `subjects`, and about that, and so on. Every failure is returned, of what can be asked
/// for all the same.
pub(super) async fn gather(
    upstream: &Upstream,
    repository: &Repository,
    subjects: Vec<Digest>,
) -> Result<Gathered, Vec<EvidenceError>> {
    let mut seen: HashSet<Digest> = subjects.iter().copied().collect();
    let mut level = subjects;
    let mut found = BTreeMap::new();
    let (mut skipped, mut failures) = (Vec::new(), Vec::new());
    for depth in 0..=limits::EVIDENCE_DEPTH {
        let asked = std::mem::take(&mut level);
        let asking = stream::iter(&asked).map(|subject| about(upstream, repository, *subject));
        let mut answers = asking.buffered(AT_ONCE);
        while let Some(About { evidence, skipped: left_out, failures: of_subject }) = answers.next().await {
            let is_over = of_subject.iter().any(EvidenceError::is_lasting);
            failures.extend(of_subject);
            if is_over {
                return Err(failures);
            }
            if let Some(one) = evidence.first().filter(|_| depth == limits::EVIDENCE_DEPTH) {
                failures.push(EvidenceError::Depth { subject: one.subject });
                return Err(failures);
            }
            skipped.extend(left_out);
            for one in evidence {
                // A ring of referrers would have no end.
                if seen.insert(one.digest) {
                    level.push(one.digest);
                }
                found.insert((one.subject, one.digest, one.tag.clone()), one);
            }
            if found.len() > limits::EVIDENCE_PER_ITEM {
                failures.push(EvidenceError::Total);
                return Err(failures);
            }
        }
        if level.is_empty() {
            break;
        }
    }
    if failures.is_empty() {
        Ok(Gathered { evidence: found.into_values().collect(), skipped })
    } else {
        Err(failures)
    }
}

#[derive(Default)]
struct About {
    evidence: Vec<Evidence>,
    skipped: Vec<Skipped>,
    failures: Vec<EvidenceError>,
}

/// What there is about one subject, fetched whole.
async fn about(upstream: &Upstream, repository: &Repository, subject: Digest) -> About {
    let (listed, failures) = list(upstream, repository, subject).await;
    let mut about = About { failures, ..About::default() };
    if about.failures.iter().any(EvidenceError::is_lasting) {
        return about;
    }
    if listed.len() > limits::EVIDENCE_PER_SUBJECT {
        about.failures.push(EvidenceError::Count { subject, found: listed.len() });
        return about;
    }
    let fetching = stream::iter(listed).map(|(manifest, tag)| async move {
        let fetched = fetch(upstream, repository, subject, &manifest, tag.is_some()).await;
        fetched.map(|reason| (manifest, tag, reason))
    });
    let (fetched, failed) = small::settle(fetching.buffered(AT_ONCE), EvidenceError::is_lasting).await;
    about.failures.extend(failed);
    for (Descriptor { digest, media_type, size }, tag, reason) in fetched {
        match reason {
            None => about.evidence.push(Evidence { digest, media_type, size, subject, tag }),
            Some(reason) => {
                let name = tag.unwrap_or_else(|| digest.to_string());
                let name = format!("{repository}: evidence {name} about {subject}");
                about.skipped.push(Skipped { name, reason });
            }
        }
    }
    about
}

/// The manifests about one subject, each with the older tag that it was found by, and what could not be asked.
async fn list(
    upstream: &Upstream,
    repository: &Repository,
    subject: Digest,
) -> (BTreeSet<(Descriptor, Option<String>)>, Vec<EvidenceError>) {
    let tags = legacy::tags(subject);
    let [attestation, sbom, signature] = &tags;
    let (referrers, attestation, sbom, signature) = tokio::join!(
        upstream.referrers(repository, subject),
        upstream.tag(repository, attestation),
        upstream.tag(repository, sbom),
        upstream.tag(repository, signature),
    );
    let (mut listed, mut failures) = (BTreeSet::new(), Vec::new());
    match referrers {
        Ok(found) => listed.extend(found.into_iter().map(|found| (found, None))),
        Err(error) => failures.push(error.into()),
    }
    for (found, tag) in [attestation, sbom, signature].into_iter().zip(tags) {
        match found {
            Ok(found) => listed.extend(found.map(|found| (found, Some(tag)))),
            Err(error) => failures.push(error.into()),
        }
    }
    (listed, failures)
}

/// Why evidence that could run is left out. A gate would refuse the item for it, and what is to run can be an item.
fn runnable(upstream: &Upstream, manifest: &Descriptor) -> Option<String> {
    match could_run(&SmallFiles(upstream.beside()), manifest) {
        Ok(false) => None,
        Ok(true) => Some("found an image that could run, which is no evidence".to_owned()),
        Err(reason) => Some(reason),
    }
}

/// Fetches one piece of evidence; gives the reason, when it is left out.
async fn fetch(
    upstream: &Upstream,
    repository: &Repository,
    subject: Digest,
    manifest: &Descriptor,
    is_tagged: bool,
) -> Result<Option<String>, Vec<EvidenceError>> {
    let small = |error: SmallError| EvidenceError::Small { subject, error };
    let bytes = match upstream.manifest(Some(repository), manifest).await {
        Ok(bytes) => bytes,
        // An old fallback index still lists what was removed since.
        Err(UpstreamError::Absent(_)) => return Ok(Some("listed, but absent upstream".to_owned())),
        Err(error) => return Err(vec![error.into()]),
    };
    let read = Manifest::parse(&bytes, &manifest.media_type)
        .map_err(|error| vec![small(SmallError::Manifest(manifest.digest, error))])?;
    drop(bytes);
    let stated = match &read {
        Manifest::Image(image) => image.subject.as_ref().map(|stated| stated.digest),
        Manifest::Index(index) => index.subject.as_ref().map(|stated| stated.digest),
    };
    if !is_tagged && stated != Some(subject) {
        let stated = stated.map_or_else(|| "nothing".to_owned(), |digest| digest.to_string());
        return Ok(Some(format!("listed, but it says that it is about {stated}")));
    }
    // A scan report counts because the preparer answers for it. Upstream's would count as the preparer's.
    if let Manifest::Image(image) = &read
        && image.layers.iter().any(|layer| layer.media_type == media_type::SCAN_REPORT)
    {
        return Ok(Some("found a scan report of somebody else".to_owned()));
    }
    let Err(errors) = small::fetch(upstream, Some(repository), manifest, Layers::All).await else {
        return Ok(runnable(upstream, manifest));
    };
    // Whatever else is wrong with what is left out is no failure.
    let limit = errors.iter().find(|error| matches!(error, SmallError::Limit { .. }));
    match limit.map(ToString::to_string) {
        Some(reason) => Ok(Some(reason)),
        None => Err(errors.into_iter().map(small).collect()),
    }
}
