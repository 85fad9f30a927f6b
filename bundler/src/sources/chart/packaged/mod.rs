//! Charts that lie beside the definition as `.tgz`: read within bounds, and given the manifest that
//! `helm push` would give them, without the time of the push.

use std::collections::BTreeMap;
use std::io::{self, Read};
use std::path::Component;

use manifests::openpgp::SignedText;
use manifests::reference::{Reference, Repository};
use manifests::{Descriptor, Digest, chart_provenance, json, limits, media_type};
use serde::{Deserialize, Deserializer, Serialize};

/// Largest Chart.yaml, in bytes. Real ones have a few hundred; Helm takes 5 MiB for any file.
const METADATA_BYTES: u64 = 1024 * 1024;

/// Most bytes that a chart may unpack to: Helm's own limit.
const UNPACKED_BYTES: u64 = 100 * 1024 * 1024;

/// Most members of a chart. Real ones have some hundreds.
const MEMBERS: usize = 20_000;

/// The host that local charts are named by.
const LOCAL_HOST: &str = "charts.local";

/// A chart as a registry would hold it.
#[derive(Debug)]
pub(crate) struct Packaged {
    /// Its name, with the version as the tag.
    pub(crate) reference: Reference,
    /// Its manifest.
    pub(crate) manifest: Descriptor,
    /// The manifest, the config and the layers.
    pub(crate) blobs: Vec<Vec<u8>>,
}

/// Why a file is not a chart.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackagedError {
    /// Not a gzip'd tar archive.
    #[error("found no gzip'd tar archive: {0}")]
    Archive(#[from] io::Error),
    /// A member that no packaging tool writes.
    #[error("found the member {0:?}, wanted paths inside the chart and regular files only")]
    Member(String),
    /// A limit.
    #[error("found more than {0}")]
    Limit(&'static str),
    /// There is not one Chart.yaml.
    #[error("found {0} files NAME/Chart.yaml, wanted one")]
    Metadata(usize),
    /// A Chart.yaml that does not say what is needed.
    #[error("Chart.yaml: {0}")]
    Form(String),
    /// A provenance file of something else, or none.
    #[error("the .prov beside it: {0}: get the one that belongs to it, or take it away")]
    Provenance(String),
}

/// What Helm keeps of Chart.yaml, in the order in which it writes it.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(deserialize_with = "text")]
    name: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    home: String,
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    sources: Vec<String>,
    #[serde(deserialize_with = "text")]
    version: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    keywords: Vec<String>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    maintainers: Vec<Maintainer>,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    icon: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    api_version: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    tags: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    app_version: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_false")]
    deprecated: bool,
    #[serde(default, deserialize_with = "text_map", skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    kube_version: String,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<Dependency>,
    #[serde(default, rename = "type", deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    chart_type: String,
}

#[derive(Serialize, Deserialize)]
struct Maintainer {
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    name: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    email: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    url: String,
}

#[derive(Serialize, Deserialize)]
struct Dependency {
    #[serde(deserialize_with = "text")]
    name: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(default, deserialize_with = "text")]
    repository: String,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    condition: String,
    #[serde(default, deserialize_with = "texts", skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(default, deserialize_with = "nullable", skip_serializing_if = "is_false")]
    enabled: bool,
    #[serde(
        default,
        rename = "import-values",
        deserialize_with = "nullable",
        skip_serializing_if = "Vec::is_empty"
    )]
    import_values: Vec<serde_json::Value>,
    #[serde(default, deserialize_with = "text", skip_serializing_if = "String::is_empty")]
    alias: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Manifest {
    schema_version: u32,
    media_type: &'static str,
    config: Descriptor,
    layers: Vec<Descriptor>,
    annotations: BTreeMap<&'static str, String>,
}

/// Reads the chart of a file, and its provenance, and names it by `named` or by its own name. Who signed the provenance is
/// for a policy to ask; what it is about has to be this file, or it was mistaken for another.
///
/// # Errors
/// When it is not a chart, says a name or a version that no registry takes, or its provenance is about something else.
pub(crate) fn read(
    file: &str,
    chart: Vec<u8>,
    provenance: Option<Vec<u8>>,
    named: Option<&Repository>,
) -> Result<Packaged, PackagedError> {
    let metadata = metadata(&chart)?;
    provenance.iter().try_for_each(|provenance| check_provenance(file, &chart, provenance))?;
    let form = |error: manifests::reference::ReferenceError| PackagedError::Form(error.to_string());
    let repository = match named {
        Some(repository) => repository.clone(),
        None => Repository::new(LOCAL_HOST, &metadata.name).map_err(form)?,
    };
    // Tags have no `+`; Helm writes `_` for it.
    let reference = repository.tagged(&metadata.version.replace('+', "_")).map_err(form)?;
    let config = json::encode(&metadata);
    let mut layers = vec![descriptor(media_type::HELM_CHART, &chart)];
    layers.extend(provenance.iter().map(|bytes| descriptor(media_type::HELM_PROVENANCE, bytes)));
    let manifest = json::encode(&Manifest {
        schema_version: 2,
        media_type: media_type::OCI_MANIFEST,
        config: descriptor(media_type::HELM_CONFIG, &config),
        layers,
        annotations: annotations(&metadata),
    });
    let described = descriptor(media_type::OCI_MANIFEST, &manifest);
    let blobs = [manifest, config, chart].into_iter().chain(provenance).collect();
    Ok(Packaged { reference, manifest: described, blobs })
}

fn check_provenance(file: &str, chart: &[u8], provenance: &[u8]) -> Result<(), PackagedError> {
    let read = SignedText::parse(provenance).map_err(|error| PackagedError::Provenance(error.to_string()))?;
    chart_provenance::check(&read.unverified(), file, Digest::of(chart))
        .map_err(|error| PackagedError::Provenance(error.to_string()))
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Descriptor {
    Descriptor { digest: Digest::of(bytes), media_type: media_type.to_owned(), size: bytes.len() as u64 }
}

/// The annotations that `helm push` derives from Chart.yaml.
fn annotations(metadata: &Metadata) -> BTreeMap<&'static str, String> {
    let authors = metadata.maintainers.iter().map(|maintainer| match maintainer.email.as_str() {
        "" => maintainer.name.clone(),
        email => format!("{} ({email})", maintainer.name),
    });
    let pairs = [
        ("org.opencontainers.image.title", metadata.name.clone()),
        ("org.opencontainers.image.version", metadata.version.clone()),
        ("org.opencontainers.image.description", metadata.description.clone()),
        ("org.opencontainers.image.url", metadata.home.clone()),
        ("org.opencontainers.image.source", metadata.sources.first().cloned().unwrap_or_default()),
        ("org.opencontainers.image.authors", authors.collect::<Vec<_>>().join(", ")),
    ];
    pairs.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// Chart.yaml of a packaged chart. Nothing is unpacked to the disk.
fn metadata(chart: &[u8]) -> Result<Metadata, PackagedError> {
    if chart.len() as u64 > limits::EVIDENCE_BYTES {
        return Err(PackagedError::Limit("32 MiB in the file"));
    }
    let mut unpacked = flate2::read::MultiGzDecoder::new(chart).take(UNPACKED_BYTES);
    let mut archive = tar::Archive::new(&mut unpacked);
    let mut found = Vec::new();
    for (at, entry) in archive.entries()?.enumerate() {
        if at == MEMBERS {
            return Err(PackagedError::Limit("20,000 members"));
        }
        let entry = entry?;
        let path = entry.path()?.into_owned();
        let kind = entry.header().entry_type();
        // `tar czf c.tgz ./c` writes a leading dot.
        let parts: Vec<Component<'_>> = path.components().filter(|part| *part != Component::CurDir).collect();
        let is_inside = parts.iter().all(|part| matches!(part, Component::Normal(_)));
        if !is_inside || !(kind.is_file() || kind.is_dir() || kind.is_pax_global_extensions()) {
            return Err(PackagedError::Member(json::shortened(&path.display().to_string())));
        }
        if kind.is_file() && parts.len() == 2 && path.ends_with("Chart.yaml") {
            if entry.size() > METADATA_BYTES {
                return Err(PackagedError::Limit("1 MiB of Chart.yaml"));
            }
            let mut yaml = String::new();
            entry.take(METADATA_BYTES).read_to_string(&mut yaml)?;
            found.push(yaml);
        }
    }
    if unpacked.limit() == 0 {
        return Err(PackagedError::Limit("100 MiB unpacked"));
    }
    // Two of them would be two charts, by who reads the first and who reads the last.
    let [yaml] = found.as_slice() else { return Err(PackagedError::Metadata(found.len())) };
    let yaml = yaml.strip_prefix('\u{feff}').unwrap_or(yaml);
    serde_norway::from_str(yaml).map_err(|error| PackagedError::Form(error.to_string()))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A field that is `null` reads as if it were not there, as in Go.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// YAML reads `appVersion: 1.0` as a number, and Helm means the text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Whole(i64),
    Number(f64),
    Flag(bool),
    Nothing(()),
}

impl Scalar {
    fn into_text(self) -> String {
        match self {
            Self::Text(text) => text,
            Self::Whole(number) => number.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Nothing(()) => String::new(),
        }
    }
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(Scalar::deserialize(deserializer)?.into_text())
}

fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let list: Option<Vec<Scalar>> = Option::deserialize(deserializer)?;
    Ok(list.unwrap_or_default().into_iter().map(Scalar::into_text).collect())
}

fn text_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map: Option<BTreeMap<String, Scalar>> = Option::deserialize(deserializer)?;
    Ok(map.unwrap_or_default().into_iter().map(|(key, value)| (key, value.into_text())).collect())
}

#[cfg(test)]
mod tests;
