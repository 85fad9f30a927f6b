//! Scans: each platform of each image by the real Trivy, or as a given report says; kept as evidence beside the lock.

use std::collections::HashMap;

use clients::trivy::{Trivy, TrivyError};
use console::given_reports::{self, GivenReport};
use console::progress::Progress;
use console::{Class, Failure, clock};
use gates::Subject;
use gates::vulnerability::{Bound, PlatformImage, images, refusals};
use manifests::inventory::Evidence;
use manifests::lock::LockedItem;
use manifests::media_type::{OCI_MANIFEST, SCAN_REPORT};
use manifests::oci::Manifest;
use manifests::policy::vulnerabilities::Vulnerabilities;
use manifests::reference::Repository;
use manifests::{Descriptor, Digest, json};
use serde_json::{Value, json};

use crate::beside::{Beside, BesideError, SmallFiles};

/// The config of evidence that has none, by the OCI image specification.
const EMPTY: (&str, &[u8]) = ("application/vnd.oci.empty.v1+json", b"{}");

/// Why a platform has no report.
#[derive(Debug, thiserror::Error)]
enum ScanError {
    #[error(transparent)]
    Trivy(#[from] TrivyError),
    #[error(transparent)]
    Beside(#[from] BesideError),
    #[error("found no platform in its config, wanted one to scan it by")]
    Platform,
}

/// What reports come from.
#[derive(Debug)]
pub(crate) struct Scans {
    /// The scanner, for what no report is given on.
    pub(crate) trivy: Option<Trivy>,
    /// Reports that were made elsewhere.
    pub(crate) given: Vec<GivenReport>,
    /// What will judge the reports.
    pub(crate) rules: Option<Vulnerabilities>,
}

impl Scans {
    /// Whether there will be no report.
    pub(crate) const fn are_none(&self) -> bool {
        self.trivy.is_none() && self.given.is_empty()
    }
}

/// Attaches what was given, and scans every other image that has a registry to be scanned in, one after the other: a
/// scanner's cache is one process's. Reports of an earlier lock are replaced. Tells with what it scanned, if it did, and
/// what was given that the rules will not count.
///
/// # Errors
/// Every platform that could not be scanned, and every report that is about none.
pub(crate) fn all(
    items: &mut [LockedItem],
    beside: &Beside,
    scans: &Scans,
    progress: &Progress,
) -> Result<Vec<String>, Vec<Failure>> {
    let (given, mut failures) = bind(items, beside, &scans.given);
    let mut scanned_by: Option<&Trivy> = None;
    let mut notices = Vec::new();
    for locked in items {
        // What comes from a disk cannot be scanned, and given reports are about it all the same.
        let scanner = scans.trivy.as_ref().zip(locked.origin.clone());
        let subject = Subject { item: &locked.item, content: &SmallFiles(beside) };
        let name = locked.item.name.clone();
        let platforms = match images(subject) {
            Ok(platforms) => platforms,
            Err(reasons) => {
                failures.extend(reasons.into_iter().map(|reason| Failure::new(Class::Failed, &name, reason)));
                continue;
            }
        };
        let is_replaced = |about: &Digest| scanner.is_some() || given.contains_key(about);
        locked.item.evidence.retain(|found| !(is_replaced(&found.subject) && is_report(found, beside)));
        for image in platforms {
            let evidence = match (given.get(&image.manifest.digest), &scanner) {
                (Some(reports), _) => {
                    notices.extend(uncounted(reports, &image, (scans.rules.as_ref(), &name)));
                    reports.iter().map(|report| attach(&image.manifest, report, beside)).collect()
                }
                (None, Some((trivy, origin))) => {
                    progress.message(&format!("{name} {}", image.name));
                    scanned_by = Some(trivy);
                    scan(origin, &image, beside, trivy).map(|evidence| vec![evidence])
                }
                (None, None) => Ok(vec![]),
            };
            match evidence {
                Ok(evidence) => locked.item.evidence.extend(evidence),
                Err(error) => failures.push(failure(&name, &image, &error)),
            }
        }
        locked.item.evidence.sort_by(|one, other| {
            (one.subject, one.digest, &one.tag).cmp(&(other.subject, other.digest, &other.tag))
        });
        // A report that was given twice is one.
        locked.item.evidence.dedup();
    }
    notices.extend(scanned_by.map(|trivy| {
        format!("scanned by trivy {} with its database of {}", trivy.version(), trivy.database())
    }));
    if failures.is_empty() { Ok(notices) } else { Err(failures) }
}

/// What rules will not count of reports that were given on an image of the item of this name; a line for each.
fn uncounted(
    reports: &[Vec<u8>],
    image: &PlatformImage,
    (rules, item): (Option<&Vulnerabilities>, &str),
) -> Vec<String> {
    let Some(rules) = rules else { return vec![] };
    let refusals =
        |report: &Vec<u8>| refusals(report, image, (rules, item), clock::now()).unwrap_or_default();
    let refusals = reports.iter().flat_map(refusals);
    refusals.map(|refusal| format!("{item} {}: the policy will refuse it: {refusal}", image.name)).collect()
}

/// Reports by the manifest that each is about, and those that are about none.
fn bind(
    items: &[LockedItem],
    beside: &Beside,
    given: &[GivenReport],
) -> (HashMap<Digest, Vec<Vec<u8>>>, Vec<Failure>) {
    let small = SmallFiles(beside);
    let subjects = items.iter().map(|locked| Subject { item: &locked.item, content: &small });
    let (bound, failures) = given_reports::bind(given, subjects);
    let mut by_manifest = HashMap::<Digest, Vec<Vec<u8>>>::new();
    for Bound { manifest, report } in bound {
        by_manifest.entry(manifest.digest).or_default().push(report);
    }
    (by_manifest, failures)
}

fn failure(name: &str, image: &PlatformImage, error: &ScanError) -> Failure {
    let class = match error {
        ScanError::Trivy(error) if error.is_refusal() => Class::Refused,
        _ => Class::Failed,
    };
    Failure::new(class, name, format!("the scan of {}: {error}", image.name))
}

/// Whether evidence is a scan report of ours.
fn is_report(evidence: &Evidence, beside: &Beside) -> bool {
    let bytes = beside.load(&evidence.descriptor()).unwrap_or_default();
    matches!(
        Manifest::parse(&bytes, &evidence.media_type),
        Ok(Manifest::Image(image)) if image.layers.iter().any(|layer| layer.media_type == SCAN_REPORT)
    )
}

fn scan(
    origin: &Repository,
    image: &PlatformImage,
    beside: &Beside,
    trivy: &Trivy,
) -> Result<Evidence, ScanError> {
    let platform = image.platform.as_ref().ok_or(ScanError::Platform)?;
    let report = trivy.scan(&format!("{origin}@{}", image.manifest.digest), platform)?.encode();
    attach(&image.manifest, &report, beside)
}

/// Keeps a report beside the lock, as a referrer of the manifest that it is about.
fn attach(about: &Descriptor, report: &[u8], beside: &Beside) -> Result<Evidence, ScanError> {
    let (empty, config) = EMPTY;
    let blob = |media_type: &str, bytes: &[u8]| -> Result<Value, BesideError> {
        Ok(json!({"digest": beside.keep(bytes)?, "mediaType": media_type, "size": bytes.len()}))
    };
    let Descriptor { digest, media_type, size } = about;
    let manifest = json::encode(&json!({
        "artifactType": SCAN_REPORT,
        "config": blob(empty, config)?,
        "layers": [blob(SCAN_REPORT, report)?],
        "mediaType": OCI_MANIFEST,
        "schemaVersion": 2,
        "subject": {"digest": digest, "mediaType": media_type, "size": size},
    }));
    Ok(Evidence {
        digest: beside.keep(&manifest)?,
        media_type: OCI_MANIFEST.to_owned(),
        size: manifest.len() as u64,
        subject: *digest,
        tag: None,
    })
}
