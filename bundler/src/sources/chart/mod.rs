//! Helm charts: in a registry by a range of versions, or packaged on the disk.

mod packaged;
mod version_range;

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

    /// Whether an item's name is one of this chart in a version that fits.
    pub(super) fn fits(&self, name: &str) -> bool {
        let reference: Option<Reference> = name.parse().ok();
        let Some(reference) = reference.filter(|name| *name.repository() == self.repository) else {
            return false;
        };
        reference.tag().and_then(version).is_some_and(|version| self.range.fits(&version))
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
    packaged::read(chart, provenance, named).map_err(|error| reader.fail(path, error)).ok()
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

/// The tag of a whole version: no list of tags is needed to find it.
fn exact(written: &str) -> Option<String> {
    Version::parse(written).is_ok().then(|| written.replace('+', "_"))
}

/// The version that a tag stands for: `_` is `+`, which tags cannot have.
fn version(tag: &str) -> Option<Version> {
    Version::parse(&tag.replace('_', "+")).ok()
}

/// The tag of the highest version that fits.
async fn highest(wanted: &Wanted, upstream: &Upstream) -> Result<String, PinError> {
    let tags = upstream.tags(&wanted.repository).await?;
    let tags = tags.ok_or_else(|| PinError::Absent(String::new()))?;
    let count = tags.len();
    let versions = tags.into_iter().filter_map(|tag| Some((version(&tag)?, tag)));
    // Build metadata does not order versions, but the same tags must give the same result: `Version`
    // compares it last.
    let fitting = versions.filter(|(version, _)| wanted.range.fits(version));
    let highest = fitting.max_by(|(one, _), (other, _)| one.cmp(other));
    let absent = || PinError::Absent(format!(": none of {count} tags is a version in the range"));
    highest.map(|(_, tag)| tag).ok_or_else(absent)
}
