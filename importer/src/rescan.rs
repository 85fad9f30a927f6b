//! A scan in the DMZ: the real Trivy, with the database of this side, on an archive that nobody has accepted yet.
//!
//! The archive is served to it on loopback, straight from the tar. What it finds counts beside the reports that came
//! along, so that a newer database overrules an older one.

use std::collections::HashSet;
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use clients::trivy::{Settings, Trivy, TrivyError};
use console::progress::Progress;
use console::{Class, Failure, Failures};
use gates::Subject;
use gates::vulnerability::{PlatformImage, images};
use manifests::inventory::Item;
use manifests::media_type::SCAN_REPORT;
use manifests::{Descriptor, Digest, Reference};
use transfer::archive::Verified;

use crate::judgement::Small;
use crate::serve;
use crate::site;

/// A report that was made here.
pub(crate) struct Rescanned {
    /// The manifest that it is about.
    pub(crate) about: Digest,
    /// Its digest and size.
    pub(crate) report: Descriptor,
    /// It.
    pub(crate) bytes: Vec<u8>,
}

/// Scans every platform of every image of an archive, and gives the archive back. Where it has none, no scanner is needed.
///
/// # Errors
/// When there is no scanner, or it fails; each platform for itself.
pub(crate) fn rescan(
    archive: Verified<File>,
    settings: Settings,
    quiet: bool,
) -> Result<(Verified<File>, Vec<Rescanned>), Failures> {
    let platforms = platforms(&archive)?;
    if platforms.is_empty() {
        return Ok((archive, vec![]));
    }
    let trivy = Trivy::find(settings).map_err(|error| of_trivy("trivy", &error))?;
    let archive = Arc::new(archive);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Class::Failed, "the runtime", error))?;
    let (address, _server) =
        runtime.block_on(serve::on_loopback(Arc::clone(&archive), Ipv4Addr::LOCALHOST.into()))?;
    let progress = Progress::new("scan", 0, quiet);
    let (mut reports, mut failures) = (Vec::new(), Vec::new());
    for (item, image) in platforms {
        progress.message(&format!("{} {}", item.name, image.name));
        match scan(&trivy, &address.to_string(), &item, &image) {
            Ok(report) => reports.push(report),
            Err(failure) => failures.push(failure),
        }
    }
    progress.finish();
    drop(runtime);
    Failures::unless_empty(failures, ())?;
    let archive = Arc::try_unwrap(archive)
        .map_err(|_| Failure::new(Class::Failed, "the archive", "found it still being served"))?;
    Ok((archive, reports))
}

fn of_trivy(item: &str, error: &TrivyError) -> Failure {
    let class = if error.is_refusal() { Class::Refused } else { Class::Failed };
    Failure::new(class, item, error)
}

fn platforms(archive: &Verified<File>) -> Result<Vec<(Item, PlatformImage)>, Failures> {
    let content = Small(|wanted: &Descriptor| archive.metadata(wanted));
    let (mut platforms, mut failures, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for item in &archive.inventory().items {
        match images(Subject { item, content: &content }) {
            // One image under two names is scanned once: two reports of one moment would contradict each other.
            Ok(found) => {
                let new = found.into_iter().filter(|image| seen.insert(image.manifest.digest));
                platforms.extend(new.map(|image| (item.clone(), image)));
            }
            Err(reasons) => failures
                .extend(reasons.into_iter().map(|reason| Failure::new(Class::Refused, &item.name, reason))),
        }
    }
    Failures::unless_empty(failures, platforms)
}

fn scan(trivy: &Trivy, server: &str, item: &Item, image: &PlatformImage) -> Result<Rescanned, Failure> {
    let failed = |error: String| Failure::new(Class::Failed, &item.name, error);
    let name: Reference = item.name.parse().map_err(|error| failed(format!("{error}")))?;
    let platform = image
        .platform
        .as_ref()
        .ok_or_else(|| failed("found no platform in its config, wanted one to scan it by".to_owned()))?;
    // A colon cannot stand within a repository's name; the server knows hosts with one by their place as well.
    let target = format!("{server}/{}@{}", name.repository().place(), image.manifest.digest);
    let report = trivy.scan(&target, platform).map_err(|error| of_trivy(&item.name, &error))?;
    let bytes = report.encode();
    let report = Descriptor {
        digest: Digest::of(&bytes),
        media_type: SCAN_REPORT.to_owned(),
        size: bytes.len() as u64,
    };
    Ok(Rescanned { about: image.manifest.digest, report, bytes })
}

/// Writes reports into a folder, for `approve --report`.
///
/// # Errors
/// When the folder cannot be made or written to.
pub(crate) fn keep(reports: &[Rescanned], folder: &Path) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(Class::Usage, folder.display(), error);
    std::fs::create_dir_all(folder).map_err(failed)?;
    for Rescanned { about, bytes, .. } in reports {
        site::write(&folder.join(format!("{}.scan-report.json", about.hex())), bytes).map_err(failed)?;
    }
    Ok(())
}
