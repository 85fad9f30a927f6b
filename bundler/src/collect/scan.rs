//! Scans: each platform of each image by the real Trivy, its report kept as evidence beside the lock.

use clients::trivy::{Trivy, TrivyError};
use console::progress::Progress;
use console::{Class, Failure};
use gates::Subject;
use gates::vulnerability::{PlatformImage, images};
use manifests::inventory::Evidence;
use manifests::lock::LockedItem;
use manifests::media_type::{OCI_MANIFEST, SCAN_REPORT};
use manifests::oci::Manifest;
use manifests::reference::Repository;
use manifests::{Descriptor, json};
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

/// Scans every image that has a registry to be scanned in, one after the other: a scanner's cache is one process's.
/// Reports of an earlier lock are replaced.
///
/// # Errors
/// Every platform that could not be scanned.
pub(crate) fn all(
    items: &mut [LockedItem],
    beside: &Beside,
    trivy: &Trivy,
    progress: &Progress,
) -> Result<(), Vec<Failure>> {
    let mut failures = Vec::new();
    for locked in items {
        let Some(origin) = locked.origin.clone() else { continue };
        let subject = Subject { item: &locked.item, content: &SmallFiles(beside) };
        let name = locked.item.name.clone();
        let platforms = match images(subject) {
            Ok(platforms) => platforms,
            Err(reasons) => {
                failures.extend(reasons.into_iter().map(|reason| Failure::new(Class::Failed, &name, reason)));
                continue;
            }
        };
        locked.item.evidence.retain(|evidence| !is_report(evidence, beside));
        for image in platforms {
            progress.message(&format!("{name} {}", image.name));
            match scan(&origin, &image, beside, trivy) {
                Ok(evidence) => locked.item.evidence.push(evidence),
                Err(error) => failures.push(failure(&name, &image, &error)),
            }
        }
        locked.item.evidence.sort_by(|one, other| {
            (one.subject, one.digest, &one.tag).cmp(&(other.subject, other.digest, &other.tag))
        });
    }
    if failures.is_empty() { Ok(()) } else { Err(failures) }
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
    let (empty, config) = EMPTY;
    let blob = |media_type: &str, bytes: &[u8]| -> Result<Value, BesideError> {
        Ok(json!({"digest": beside.keep(bytes)?, "mediaType": media_type, "size": bytes.len()}))
    };
    let Descriptor { digest, media_type, size } = &image.manifest;
    let manifest = json::encode(&json!({
        "artifactType": SCAN_REPORT,
        "config": blob(empty, config)?,
        "layers": [blob(SCAN_REPORT, &report)?],
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
