//! Where an archive's content goes, as people write it.

use serde::Deserialize;

use crate::hosts::{self, Hosts};
use crate::json;
use crate::name::ChannelName;
use crate::reference::{self, Repository};
use crate::yaml::{self, YamlError};

/// Destinations that were read.
#[derive(Debug, Clone)]
pub struct Destinations {
    /// How registries are reached.
    pub hosts: Hosts,
    /// The registries that images, charts and other artifacts are pushed to.
    pub registries: Vec<RegistryDestination>,
    /// Sections that it uses and that this version cannot do yet.
    pub unsupported: Vec<&'static str>,
}

/// One registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryDestination {
    /// What receipts call it.
    pub name: ChannelName,
    /// `host[:port]`, without the port that the scheme has anyway, but where nobody would take it for a host
    /// (`registry:443`): the ledger knows names by it.
    pub host: String,
    /// Whether the URL says `http://`.
    pub plain_http: bool,
    /// The path that everything goes below; empty for none.
    pub prefix: String,
    /// What kind of registry it is.
    pub kind: RegistryKind,
    /// Whether the site signs what it brings there.
    pub sign: bool,
    /// Where upstream repositories go, when not to the default place; the longest match counts.
    pub map: Vec<Mapping>,
}

/// The kinds of registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RegistryKind {
    /// Any registry that follows the OCI distribution specification.
    Oci,
    /// Harbor, whose projects may have to be made first.
    Harbor {
        /// Whether missing projects are created.
        create: bool,
        /// Whether they are made readable for everybody.
        public: bool,
    },
}

/// One rule of `map:`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapping {
    /// The start of an upstream repository, whole parts: `ghcr.io/openova-io`.
    pub from: String,
    /// What stands in its place: `platform`.
    pub to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default, deserialize_with = "yaml::unique_map::deserialize")]
    hosts: Hosts,
    #[serde(default)]
    registries: Vec<RegistrySpec>,
    #[serde(default)]
    git: Option<serde_norway::Value>,
    #[serde(default)]
    objects: Option<serde_norway::Value>,
    #[serde(default)]
    packages: Option<serde_norway::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RegistrySpec {
    name: ChannelName,
    url: String,
    #[serde(rename = "type")]
    kind: KindSpec,
    #[serde(default)]
    projects: Option<ProjectsSpec>,
    #[serde(default = "yes")]
    sign: bool,
    #[serde(default)]
    map: Vec<Mapping>,
}

const fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum KindSpec {
    Oci,
    Harbor,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectsSpec {
    #[serde(default)]
    create: bool,
    #[serde(default)]
    public: bool,
}

impl Destinations {
    /// Reads a file of destinations.
    ///
    /// # Errors
    /// When its fields are not the known ones, or a URL or mapping cannot be used.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let spec: Spec = yaml::parse(text, "Destinations")?;
        hosts::check(&spec.hosts)?;
        let sections = [("git", &spec.git), ("objects", &spec.objects), ("packages", &spec.packages)];
        let unsupported =
            sections.into_iter().filter(|(_, section)| section.is_some()).map(|(name, _)| name).collect();
        let registries: Vec<RegistryDestination> =
            spec.registries.into_iter().map(read_registry).collect::<Result<_, _>>()?;
        let mut names: Vec<&ChannelName> = registries.iter().map(|registry| &registry.name).collect();
        names.sort();
        if let Some(pair) = names.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(YamlError::Rule(format!("registries: found the name {} twice", pair[0])));
        }
        let mut places: Vec<(&str, &str)> =
            registries.iter().map(|registry| (registry.host.as_str(), registry.prefix.as_str())).collect();
        places.sort_unstable();
        if let Some(pair) = places.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(YamlError::Rule(format!("registries: found {} twice under two names", pair[0].0)));
        }
        // Its settings, and what the ledger knows of its names, are those of the host.
        let mut schemes: Vec<(&str, bool)> =
            registries.iter().map(|registry| (registry.host.as_str(), registry.plain_http)).collect();
        schemes.sort_unstable();
        if let Some(pair) = schemes.windows(2).find(|pair| pair[0].0 == pair[1].0 && pair[0].1 != pair[1].1) {
            let host = pair[0].0;
            return Err(YamlError::Rule(format!(
                "registries: found {host} with http and with https, wanted one of them"
            )));
        }
        Ok(Self { hosts: spec.hosts, registries, unsupported })
    }
}

fn read_registry(spec: RegistrySpec) -> Result<RegistryDestination, YamlError> {
    let rule = |message: &str| YamlError::Rule(format!("registries: {}: {message}", spec.name));
    let (plain_http, rest) = match (spec.url.strip_prefix("https://"), spec.url.strip_prefix("http://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err(rule("found a url without https:// or http://")),
    };
    let (host, prefix) =
        rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
    let host = host.to_ascii_lowercase();
    if !reference::is_host(&host) || !(prefix.is_empty() || reference::is_path(prefix)) {
        return Err(rule(
            "found a url that is not https://HOST[:PORT][/PATH]; credentials never stand in it",
        ));
    }
    let host = one_spelling(&host, default_port(plain_http));
    let kind = match (spec.kind, spec.projects) {
        (KindSpec::Oci, None) => RegistryKind::Oci,
        (KindSpec::Oci, Some(_)) => return Err(rule("found projects:, which only type: harbor has")),
        (KindSpec::Harbor, projects) => {
            let ProjectsSpec { create, public } = projects.unwrap_or_default();
            RegistryKind::Harbor { create, public }
        }
    };
    if spec.map.iter().any(|mapping| !reference::is_path(&mapping.to)) {
        return Err(rule("found a mapping to something that is not a path of a repository"));
    }
    spec.map.iter().try_for_each(|mapping| check_start(&mapping.from)).map_err(|message| rule(&message))?;
    Ok(RegistryDestination {
        name: spec.name,
        host,
        plain_http,
        prefix: prefix.to_owned(),
        kind,
        sign: spec.sign,
        map: spec.map,
    })
}

/// The port of a URL that names none.
const fn default_port(plain_http: bool) -> &'static str {
    if plain_http { ":80" } else { ":443" }
}

/// A host without the port that its scheme has anyway. Without a port a name of one label would not be a host: in a
/// reference `registry/app` is a repository of Docker Hub, so it has its port always.
fn one_spelling(host: &str, default_port: &str) -> String {
    let bare = host.strip_suffix(default_port).unwrap_or(host);
    if reference::looks_like_host(bare) { bare.to_owned() } else { format!("{bare}{default_port}") }
}

/// Holds `from` to what references are spelled like: with any other, things would silently go to the default place.
fn check_start(from: &str) -> Result<(), String> {
    match reference::canonical_start(from) {
        Some(canonical) if canonical == from => Ok(()),
        Some(canonical) => {
            Err(format!("found a mapping from {:?}, wanted {canonical:?}", json::shortened(from)))
        }
        None => Err(format!(
            "found a mapping from {:?}, wanted HOST or HOST/REPOSITORY in lower case, such as ghcr.io/openova-io",
            json::shortened(from)
        )),
    }
}

impl RegistryDestination {
    /// The other way to write the same host, under which settings and passwords for it may be kept: with the port that
    /// its scheme has anyway, or without. None where it has another port.
    #[must_use]
    pub fn other_spelling(&self) -> Option<String> {
        let port = default_port(self.plain_http);
        match (self.host.strip_suffix(port), self.host.rsplit_once(':')) {
            (Some(bare), _) => Some(bare.to_owned()),
            (None, Some((_, other))) if !other.ends_with(']') => None,
            _ => Some(format!("{}{port}", self.host)),
        }
    }

    /// Where an upstream repository goes: below its upstream host, so that containerd's `hosts.toml` can
    /// redirect without touching a manifest, or where `map:` says.
    #[must_use]
    pub fn path(&self, upstream: &Repository) -> String {
        let full = upstream.to_string();
        let matched = |mapping: &&Mapping| {
            full.strip_prefix(mapping.from.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let path = match self.map.iter().filter(matched).max_by_key(|mapping| mapping.from.len()) {
            Some(mapping) => format!("{}{}", mapping.to, &full[mapping.from.len()..]),
            None => upstream.place(),
        };
        if self.prefix.is_empty() { path } else { format!("{}/{path}", self.prefix) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn destinations(spec: &str) -> Result<Destinations, YamlError> {
        Destinations::parse(&format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {{{spec}}}\n"))
    }

    #[test]
    fn images_keep_their_upstream_name_below_the_upstream_host() {
        let read = destinations(
            "registries: [{name: mgt, url: \"https://Harbor.example/team\", type: harbor, map: [{from: ghcr.io/openova-io, to: platform}, {from: ghcr.io, to: other}]}]",
        )
        .unwrap();
        let [registry] = read.registries.as_slice() else { panic!("{read:?}") };
        assert_eq!(registry.host, "harbor.example");
        for (upstream, path) in [
            ("docker.io/library/nginx", "team/docker.io/library/nginx"),
            ("ghcr.io/openova-io/bp-cilium", "team/platform/bp-cilium"),
            ("ghcr.io/openova-io-other/x", "team/other/openova-io-other/x"),
            ("127.0.0.1:5000/a/b", "team/127.0.0.1_5000/a/b"),
            ("[::1]:5000/a", "team/0_0_0_0_0_0_0_1_5000/a"),
        ] {
            assert_eq!(registry.path(&upstream.parse().unwrap()), path);
        }
    }

    #[test]
    fn a_mapping_from_what_no_reference_starts_with_is_refused() {
        let mapped = |from: &str| {
            destinations(&format!(
                "registries: [{{name: a, url: \"https://r.example\", type: oci, map: [{{from: \"{from}\", to: x}}]}}]"
            ))
        };
        for (from, wanted) in [
            ("GHCR.io/x", "wanted \"ghcr.io/x\""),
            ("ghcr.io/", "wanted \"ghcr.io\""),
            ("index.docker.io/x", "wanted \"docker.io/x\""),
            ("index.docker.io", "wanted \"docker.io\""),
            ("grafana/loki", "wanted \"docker.io/grafana/loki\""),
            ("nginx", "wanted \"docker.io/library/nginx\""),
            ("[0::1]:5000/x", "wanted HOST or HOST/REPOSITORY"),
            ("ghcr.io/X", "wanted HOST or HOST/REPOSITORY"),
            ("ghcr.io/x:1", "wanted HOST or HOST/REPOSITORY"),
            ("ghcr.io//x", "wanted HOST or HOST/REPOSITORY"),
            ("", "wanted HOST or HOST/REPOSITORY"),
        ] {
            let found = mapped(from).map_err(|error| error.to_string());
            assert!(found.as_ref().is_err_and(|error| error.contains(wanted)), "{from}: {found:?}");
        }
        // `docker.io/nginx` is about nobody's `nginx`, but about `docker.io/nginx/nginx-ingress`.
        for from in [
            "ghcr.io",
            "ghcr.io/x",
            "docker.io/library/nginx",
            "docker.io/nginx",
            "localhost/x",
            "[::1]:5000",
        ] {
            assert!(mapped(from).is_ok(), "{from}");
        }
    }

    #[test]
    fn a_registry_has_one_spelling_with_its_port_and_without() {
        for (url, host, other) in [
            ("http://127.0.0.1", "127.0.0.1", Some("127.0.0.1:80")),
            ("http://127.0.0.1:80", "127.0.0.1", Some("127.0.0.1:80")),
            ("https://R.example:443/team", "r.example", Some("r.example:443")),
            ("https://[::1]:443", "[::1]", Some("[::1]:443")),
            ("http://[::80]", "[::80]", Some("[::80]:80")),
            ("http://[::1]:5000", "[::1]:5000", None),
            ("http://r.example:443", "r.example:443", None),
            ("https://r.example:80", "r.example:80", None),
            ("https://r.example:8443", "r.example:8443", None),
            ("https://localhost:443", "localhost", Some("localhost:443")),
            // Without a port it would be a repository of Docker Hub.
            ("https://registry", "registry:443", Some("registry")),
            ("https://registry:443/team", "registry:443", Some("registry")),
            ("http://registry", "registry:80", Some("registry")),
            ("http://registry:443", "registry:443", None),
            ("http://registry:5000", "registry:5000", None),
        ] {
            let read =
                destinations(&format!("registries: [{{name: a, url: \"{url}\", type: oci}}]")).unwrap();
            let registry = &read.registries[0];
            assert_eq!(
                (registry.host.as_str(), registry.other_spelling().as_deref()),
                (host, other),
                "{url}"
            );
        }
        for (one, other) in
            [("http://127.0.0.1", "http://127.0.0.1:80"), ("https://r.example:443/a", "https://r.example/a")]
        {
            let both = destinations(&format!(
                "registries: [{{name: a, url: \"{one}\", type: oci}}, {{name: b, url: \"{other}\", type: oci}}]"
            ));
            assert!(both.is_err_and(|error| error.to_string().contains("twice under two names")), "{one}");
        }
        let both = destinations(
            "registries: [{name: a, url: \"http://r.example/a\", type: oci}, {name: b, url: \"https://r.example/b\", type: oci}]",
        );
        assert!(both.is_err_and(|error| error.to_string().contains("with http and with https")));
    }

    #[test]
    fn urls_that_would_leak_or_mislead_are_refused() {
        for (registry, why) in [
            ("url: harbor.example, type: oci", "no scheme"),
            ("url: \"https://user:secret@harbor.example\", type: oci", "credentials in a file"),
            ("url: \"https://harbor.example/?a\", type: oci", "a query"),
            (
                "url: \"https://harbor.example\", type: oci, projects: {create: true}",
                "projects outside Harbor",
            ),
            ("url: \"https://harbor.example\", type: quay", "an unknown type"),
        ] {
            assert!(destinations(&format!("registries: [{{name: a, {registry}}}]")).is_err(), "{why}");
        }
    }
}
