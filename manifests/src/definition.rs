//! What is to be carried, as people write it.

use serde::Deserialize;

use crate::duration::Duration;
use crate::hosts::{self, Hosts};
use crate::name::ChannelName;
use crate::platform::Platform;
use crate::reference::{Reference, Repository};
use crate::yaml::{self, YamlError};

/// A definition that was read.
#[derive(Debug, Clone)]
pub struct Definition {
    /// The channel.
    pub name: ChannelName,
    /// How long after the lock an archive is accepted for the first time, in seconds.
    pub import_before: Option<i64>,
    /// The sites that it is meant for; none means any.
    pub audience: Vec<ChannelName>,
    /// The platforms that images are carried for; none means all.
    pub platforms: Vec<Platform>,
    /// How registries are reached.
    pub hosts: Hosts,
    /// Images and other OCI artifacts.
    pub images: Vec<ImageSource>,
    /// Helm charts.
    pub charts: Vec<ChartSource>,
    /// Sections and fields that it uses and that this version cannot do yet.
    pub unsupported: Vec<String>,
}

/// Where images come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSource {
    /// The image or the list of images.
    pub from: ImageOrigin,
    /// What applies to it.
    pub options: ImageOptions,
}

/// One image, or a file that lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageOrigin {
    /// One reference.
    Reference(Reference),
    /// A file with one reference a line, relative to the definition.
    List(String),
}

/// What applies to an image, or to each image of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageOptions {
    /// The platforms for it alone; `None` takes the definition's.
    pub platforms: Option<Vec<Platform>>,
    /// Whether it may be absent upstream.
    pub optional: bool,
    /// The group that it can be loaded with.
    pub group: Option<ChannelName>,
}

/// Where a chart comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartSource {
    /// The repository or the file.
    pub from: ChartOrigin,
    /// Whether it may be absent upstream.
    pub optional: bool,
    /// The group that it can be loaded with.
    pub group: Option<ChannelName>,
}

/// A chart in a registry, or a packaged chart on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChartOrigin {
    /// `oci://HOST/PATH` and a semver range.
    Oci {
        /// The repository, which ends with the chart's name.
        repository: Repository,
        /// The range, as Helm writes them; the highest version that fits is taken.
        version: String,
    },
    /// A `.tgz`, relative to the definition.
    Path {
        /// The file.
        path: String,
        /// The repository that it is named by; otherwise `charts.local/<name>`.
        named: Option<Repository>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: ChannelName,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    import_before: Option<Duration>,
    #[serde(default)]
    audience: Vec<ChannelName>,
    #[serde(default)]
    platforms: Vec<Platform>,
    #[serde(default, deserialize_with = "yaml::unique_map::deserialize")]
    hosts: Hosts,
    #[serde(default)]
    images: Vec<ImageSpec>,
    #[serde(default)]
    charts: Vec<ChartSpec>,
    #[serde(default)]
    kubernetes: Option<serde_norway::Value>,
    #[serde(default)]
    blueprints: Option<serde_norway::Value>,
    #[serde(default)]
    git: Option<serde_norway::Value>,
    #[serde(default)]
    models: Option<serde_norway::Value>,
    #[serde(default)]
    packages: Option<serde_norway::Value>,
    #[serde(default)]
    files: Option<serde_norway::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageSpec {
    #[serde(default, rename = "ref")]
    reference: Option<Reference>,
    #[serde(default)]
    from: Option<String>,
    #[serde(default)]
    platforms: Option<Vec<Platform>>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    group: Option<ChannelName>,
    #[serde(default)]
    archive: Option<String>,
    #[serde(default, rename = "as")]
    named: Option<Reference>,
    #[serde(default)]
    tags: Option<String>,
    #[serde(default)]
    keep: Option<u32>,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ChartSpec {
    #[serde(default, rename = "ref")]
    reference: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    path: Option<String>,
    #[serde(default, rename = "as")]
    named: Option<Repository>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    group: Option<ChannelName>,
    #[serde(default)]
    repo: Option<String>,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    values: Option<serde_norway::Value>,
    #[serde(default)]
    images: Option<String>,
}

impl Definition {
    /// Reads a definition.
    ///
    /// # Errors
    /// When its fields are not the known ones or contradict each other.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let (metadata, spec) = yaml::parse_named::<Metadata, Spec>(text, "Definition")?;
        let Some(Metadata { name }) = metadata else {
            return Err(YamlError::Rule("found no metadata, wanted metadata: {name: NAME}".to_owned()));
        };
        hosts::check(&spec.hosts)?;
        let mut unsupported = sections(&spec);
        let images = collect(&spec.images, "images", &mut unsupported, read_image)?;
        let charts = collect(&spec.charts, "charts", &mut unsupported, read_chart)?;
        let import_before = spec.import_before.map(Duration::seconds);
        let mut audience = spec.audience;
        audience.sort();
        audience.dedup();
        let platforms = spec.platforms;
        Ok(Self { name, import_before, audience, platforms, hosts: spec.hosts, images, charts, unsupported })
    }
}

fn sections(spec: &Spec) -> Vec<String> {
    let sections = [
        ("kubernetes", &spec.kubernetes),
        ("blueprints", &spec.blueprints),
        ("git", &spec.git),
        ("models", &spec.models),
        ("packages", &spec.packages),
        ("files", &spec.files),
    ];
    sections.into_iter().filter(|(_, section)| section.is_some()).map(|(name, _)| name.to_owned()).collect()
}

/// Reads each entry of a list; an error says which one.
fn collect<S, T>(
    specs: &[S],
    section: &str,
    unsupported: &mut Vec<String>,
    read: impl Fn(&S) -> Result<Result<T, &'static str>, String>,
) -> Result<Vec<T>, YamlError> {
    let mut read_entries = Vec::new();
    for (at, spec) in specs.iter().enumerate() {
        let place = format!("{section}[{at}]");
        match read(spec).map_err(|message| YamlError::Rule(format!("{place}: {message}")))? {
            Ok(entry) => read_entries.push(entry),
            Err(field) => unsupported.push(format!("{place}.{field}")),
        }
    }
    Ok(read_entries)
}

/// An entry, or the name of a field that this version cannot do.
fn read_image(spec: &ImageSpec) -> Result<Result<ImageSource, &'static str>, String> {
    let later = [
        ("archive", spec.archive.is_some()),
        ("as", spec.named.is_some()),
        ("tags", spec.tags.is_some()),
        ("keep", spec.keep.is_some()),
        ("variant", spec.variant.is_some()),
    ];
    if let Some((field, _)) = later.into_iter().find(|(_, used)| *used) {
        return Ok(Err(field));
    }
    let from = match (&spec.reference, &spec.from) {
        (Some(reference), None) => ImageOrigin::Reference(reference.clone()),
        (None, Some(path)) => ImageOrigin::List(path.clone()),
        _ => return Err("found neither or both of ref and from, wanted one".to_owned()),
    };
    let options = ImageOptions {
        platforms: spec.platforms.clone(),
        optional: spec.optional,
        group: spec.group.clone(),
    };
    Ok(Ok(ImageSource { from, options }))
}

fn read_chart(spec: &ChartSpec) -> Result<Result<ChartSource, &'static str>, String> {
    let later = [
        ("repo", spec.repo.is_some()),
        ("name", spec.name.is_some()),
        ("values", spec.values.is_some()),
        ("images", spec.images.is_some()),
    ];
    if let Some((field, _)) = later.into_iter().find(|(_, used)| *used) {
        return Ok(Err(field));
    }
    let from = match (&spec.reference, &spec.path) {
        (Some(reference), None) => {
            let text = reference
                .strip_prefix("oci://")
                .ok_or_else(|| format!("found the ref {reference:?}, wanted oci://HOST/PATH"))?;
            let repository =
                text.parse().map_err(|error| format!("{error}; the version stands in version:"))?;
            if spec.named.is_some() {
                return Err("found as: beside ref:, wanted it beside path: only".to_owned());
            }
            ChartOrigin::Oci { repository, version: spec.version.clone().unwrap_or_else(|| "*".to_owned()) }
        }
        (None, Some(path)) if spec.version.is_none() => {
            ChartOrigin::Path { path: path.clone(), named: spec.named.clone() }
        }
        (None, Some(_)) => {
            return Err("found version: beside path:, but Chart.yaml says the version".to_owned());
        }
        _ => return Err("found neither or both of ref and path, wanted one".to_owned()),
    };
    Ok(Ok(ChartSource { from, optional: spec.optional, group: spec.group.clone() }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(spec: &str) -> Result<Definition, YamlError> {
        Definition::parse(&format!(
            "apiVersion: airgap/v1\nkind: Definition\nmetadata: {{name: core}}\nspec: {{{spec}}}\n"
        ))
    }

    #[test]
    fn a_definition_reads_as_it_is_meant() {
        let read = definition(
            "importBefore: 90d, platforms: [linux/amd64], images: [{ref: \"pause:3.10\"}, {from: list.txt, group: bootstrap}], charts: [{ref: \"oci://ghcr.io/a/b\", version: ^1}, {path: c.tgz}]",
        )
        .unwrap();
        assert_eq!(read.import_before, Some(90 * 86_400));
        assert_eq!(read.images.len(), 2);
        let [ChartSource { from: ChartOrigin::Oci { version, .. }, .. }, _] = read.charts.as_slice() else {
            panic!("{read:?}")
        };
        assert_eq!(version, "^1");
        assert!(read.unsupported.is_empty());
    }

    #[test]
    fn what_a_later_version_does_is_named_not_ignored() {
        let read =
            definition("git: [], images: [{ref: a, tags: ~16}], charts: [{repo: \"https://x\", name: y}]");
        assert_eq!(read.unwrap().unsupported, ["git", "images[0].tags", "charts[0].repo"]);
    }

    #[test]
    fn contradictions_are_named_with_their_place() {
        for (spec, why) in [
            ("images: [{ref: a, from: b}]", "two origins"),
            ("images: [{optional: true}]", "no origin"),
            ("charts: [{ref: \"ghcr.io/a/b\"}]", "no oci://"),
            ("charts: [{path: a.tgz, version: ^1}]", "a version beside a file"),
            ("importBefore: 90", "no unit"),
            ("importBefore: -1d", "a negative time"),
            ("importBefore: 99999999999999d", "a time that does not fit"),
            ("imges: []", "a misspelt section"),
        ] {
            assert!(definition(spec).is_err(), "{why}");
        }
    }
}
