//! Helm charts: in a registry by a range of versions, or packaged on the disk.

mod packaged;
mod version_range;

use std::path::Path;

use manifests::definition::{ChartOrigin, ChartSource};
use manifests::oci::Manifest;
use manifests::reference::{Reference, Repository};
use manifests::{limits, media_type};
use semver::Version;

pub(super) use packaged::Packaged;
use version_range::VersionRange;

use super::{Entry, Pin, PinError, Reader};
use crate::upstream::Upstream;

/// A chart in a registry.
#[derive(Debug)]
pub(crate) struct Wanted {
    repository: Repository,
    written: String,
    range: VersionRange,
}

impl Wanted {
    /// The repository, which ends with the chart's name.
    pub(super) const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Which of these names of items is this chart in the highest version that fits: of a chart that is locked in
    /// two ranges, both may fit the wider one.
    pub(super) fn highest<'n>(&self, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
        let tagged = names.filter_map(|name| Some((name.parse::<Reference>().ok()?, name)));
        let ours = tagged.filter(|(reference, _)| *reference.repository() == self.repository);
        match exact(&self.written) {
            Some(tag) => {
                ours.filter(|(reference, _)| reference.tag() == Some(&tag)).map(|(_, name)| name).last()
            }
            None => {
                let versions = ours.filter_map(|(reference, name)| Some((version(reference.tag()?)?, name)));
                let fitting = versions.filter(|(version, _)| self.range.fits(version));
                fitting.max_by(|(one, _), (other, _)| one.cmp(other)).map(|(_, name)| name)
            }
        }
    }
}

impl std::fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "oci://{} {}", self.repository, self.written)
    }
}

/// The entries of the section `charts:`.
pub(super) fn entries(sources: &[ChartSource], reader: &mut Reader<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for source in sources {
        let wanted = match &source.from {
            ChartOrigin::Oci { repository, version } => version
                .parse()
                .map(|range| {
                    let (repository, written) = (repository.clone(), version.clone());
                    super::Wanted::Chart(Wanted { repository, written, range })
                })
                .map_err(|error| reader.fail(&repository.to_string(), error))
                .ok(),
            ChartOrigin::Path { path, named } => {
                read_packaged(path, named.as_ref(), reader).map(super::Wanted::Packaged)
            }
        };
        entries.extend(wanted.map(|wanted| Entry {
            wanted,
            platforms: None,
            optional: source.optional,
            group: source.group.clone(),
        }));
    }
    entries
}

/// Reads a packaged chart, and the provenance that lies beside it.
fn read_packaged(path: &str, named: Option<&Repository>, reader: &mut Reader<'_>) -> Option<Packaged> {
    let chart = reader.read(path, limits::EVIDENCE_BYTES)?;
    let provenance = reader.read_if_there(&format!("{path}.prov"), limits::MANIFEST_BYTES);
    let file = Path::new(path).file_name().map_or_else(|| path.into(), std::ffi::OsStr::to_string_lossy);
    packaged::read(&file, chart, provenance, named).map_err(|error| reader.fail(path, error)).ok()
}

/// Puts a packaged chart beside the lock, where everything finds it that fetches from registries otherwise.
pub(super) fn keep(packaged: &Packaged, upstream: &Upstream) -> Result<Pin, PinError> {
    for bytes in &packaged.blobs {
        upstream.keep(bytes)?;
    }
    Ok(Pin { name: packaged.reference.clone(), source: packaged.manifest.clone(), origin: None })
}

pub(super) async fn pin(wanted: &Wanted, upstream: &Upstream) -> Result<Pin, PinError> {
    let repository = &wanted.repository;
    let tag = match exact(&wanted.written) {
        Some(tag) => tag,
        None => highest(wanted, upstream).await?,
    };
    let source = upstream.tag(repository, &tag).await?;
    let source = source.ok_or_else(|| PinError::Absent(format!(", {repository}:{tag}")))?;
    let bytes = upstream.manifest(Some(repository), &source).await?;
    let config = match Manifest::parse(&bytes, &source.media_type) {
        Ok(Manifest::Image(image)) => image.config.media_type,
        Ok(Manifest::Index(_)) => "an index".to_owned(),
        Err(error) => return Err(PinError::Other { found: error.to_string(), wanted: "a chart" }),
    };
    if config != media_type::HELM_CONFIG {
        let found = format!("{repository}:{tag} with the config {}", manifests::json::shortened(&config));
        return Err(PinError::Other { found, wanted: "a Helm chart" });
    }
    let name = repository
        .tagged(&tag)
        .map_err(|error| PinError::Other { found: error.to_string(), wanted: "a version that is a tag" })?;
    Ok(Pin { name, source, origin: Some(repository.clone()) })
}

/// The tag of a whole version, as Helm writes it: no list of tags is needed to find it. A `v` before it belongs to
/// the tag.
fn exact(written: &str) -> Option<String> {
    Version::parse(without_v(written)).is_ok().then(|| written.replace('+', "_"))
}

fn without_v(version: &str) -> &str {
    version.strip_prefix('v').unwrap_or(version)
}

/// The version that a tag stands for: `_` is `+`, which tags cannot have. With a `v` it stands for none, as with
/// Helm: a range would mean another chart here than there.
fn version(tag: &str) -> Option<Version> {
    Version::parse(&tag.replace('_', "+")).ok()
}

/// The tag of the highest version that fits.
async fn highest(wanted: &Wanted, upstream: &Upstream) -> Result<String, PinError> {
    let tags = upstream.tags(&wanted.repository).await?;
    let tags = tags.ok_or_else(|| PinError::Absent(String::new()))?;
    let count = tags.len();
    let with_v = tags.iter().filter(|tag| tag.starts_with('v') && version(without_v(tag)).is_some()).count();
    let versions = tags.into_iter().filter_map(|tag| Some((version(&tag)?, tag)));
    // Build metadata does not order versions, but the same tags must give the same result: `Version`
    // compares it last.
    let fitting = versions.filter(|(version, _)| wanted.range.fits(version));
    let highest = fitting.max_by(|(one, _), (other, _)| one.cmp(other));
    highest.map(|(_, tag)| tag).ok_or(PinError::NoVersion { count, with_v })
}
