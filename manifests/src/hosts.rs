//! How registries are reached: mirrors, certificate authorities, proxies. The same form on both sides.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::reference::{DOCKER_HUB_INDEX, is_host, is_path};
use crate::yaml::{self, YamlError};

/// Settings by host, as references name it (`docker.io`, `registry.example:5000`).
pub type Hosts = BTreeMap<String, HostSettings>;

/// How one host is reached. Nothing of it enters an inventory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostSettings {
    /// `HOST[/PREFIX]` to ask instead; the digests are the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mirror: Option<String>,
    /// A file with certificate authorities in PEM, relative to the document; they are added to the usual ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
    /// The URL of a proxy (http, https or socks5).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// Whether it is spoken to without TLS. Loopback addresses are, without being told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plain_http: Option<bool>,
    /// How many requests may be under way at once; where names share a mirror, the fewest that one of them says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u16>,
    /// Hosts that its downloads may be redirected to, where redirects are refused otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirects: Vec<String>,
}

/// A document with nothing but `hosts:`; the user's own settings, kept out of what is versioned.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default, deserialize_with = "yaml::unique_map::deserialize")]
    hosts: Hosts,
}

/// Reads a user's file of host settings (`kind: Hosts`).
///
/// # Errors
/// When its fields are not the known ones, or a name is not a host.
pub fn parse(text: &str) -> Result<Hosts, YamlError> {
    let spec: Spec = yaml::parse(text, "Hosts")?;
    check(&spec.hosts)?;
    Ok(spec.hosts)
}

/// Holds host settings to what requests can be made of.
pub(crate) fn check(hosts: &Hosts) -> Result<(), YamlError> {
    for (host, settings) in hosts {
        let rule = |holds: bool, message: &str| {
            if holds { Ok(()) } else { Err(YamlError::Rule(format!("hosts: {host:?}: {message}"))) }
        };
        rule(is_host(host), "found a name that is not a host, wanted one as references write it")?;
        // References of it are read as `docker.io`: settings would be about nothing.
        rule(host != DOCKER_HUB_INDEX, "found another name of Docker Hub, wanted docker.io")?;
        if let Some(mirror) = &settings.mirror {
            let (mirror_host, prefix) = mirror.split_once('/').unwrap_or((mirror, "prefix"));
            let is_mirror = is_host(mirror_host) && is_path(prefix);
            rule(is_mirror, "found a mirror that is not HOST or HOST/PREFIX, without https://")?;
        }
        rule(settings.connections != Some(0), "found 0 connections, wanted 1 or more")?;
        rule(settings.redirects.iter().all(|host| is_host(host)), "found a redirect that is not a host")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_no_request_can_be_made_of_are_refused() {
        let file =
            |hosts: &str| format!("apiVersion: airgap/v1\nkind: Hosts\nspec: {{hosts: {{{hosts}}}}}\n");
        assert!(parse(&file("docker.io: {mirror: mirror.example/hub, caFile: corp.pem}")).is_ok());
        for (hosts, why) in [
            ("docker.io: {mirror: \"https://mirror.example\"}", "a URL where a host belongs"),
            ("\"https://docker.io\": {}", "a URL as the name"),
            ("docker.io: {connections: 0}", "no connection at all"),
            ("docker.io: {}, docker.io: {}", "one host twice"),
            ("docker.io: {insecure: true}", "an unknown field"),
            ("index.docker.io: {connections: 2}", "a name that no reference has"),
        ] {
            assert!(parse(&file(hosts)).is_err(), "{why}");
        }
    }
}
