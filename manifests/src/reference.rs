//! References to content in registries: `host/repository[:tag][@digest]`.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Digest, DigestError};

/// The host that is meant where none is named.
const DOCKER_HUB: &str = "docker.io";

/// What Docker called it before, and still takes for it.
pub(crate) const DOCKER_HUB_INDEX: &str = "index.docker.io";

/// A repository in a registry: `host[:port]/path`. `docker.io` and `library/` are filled in as Docker does, and a host
/// is the same in every case, so that it is written in one: a policy's pattern compares bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    host: String,
    path: String,
}

/// A repository with the tag, the digest, or both, that select something in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    repository: Repository,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// Why a text is not a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// Not of the form of the OCI distribution specification.
    #[error("found the reference {0:?}, wanted HOST/REPOSITORY[:TAG][@sha256:...] in lower case ({1})")]
    Form(String, &'static str),
    /// The part after `@` is not a digest that Airgap works with.
    #[error("the reference {0:?}: {1}")]
    Digest(String, DigestError),
}

impl Repository {
    /// A repository from its two parts, each checked.
    ///
    /// # Errors
    /// When one is not of the form of the distribution specification.
    pub fn new(host: &str, path: &str) -> Result<Self, ReferenceError> {
        let refuse = |why| Err(ReferenceError::Form(crate::json::shortened(&format!("{host}/{path}")), why));
        if !is_host(host) {
            return refuse(
                "the host is no name of a-z, digits, '-' and single dots, no address, or its port is none",
            );
        }
        if !is_path(path) {
            return refuse("a part of the repository has other characters than a-z, 0-9, '.', '_' and '-'");
        }
        Ok(Self { host: host.to_owned(), path: path.to_owned() })
    }

    /// The registry's host as it is named, with its port where one is given.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The name of the repository inside the registry.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// This repository as a path within another registry: its host is the first part.
    ///
    /// Two hosts never come to one place, since a rule of the policy about one host may not decide about what
    /// stands under another's name. See `host_part`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", host_part(&self.host), self.path)
    }

    /// This repository with a tag.
    ///
    /// # Errors
    /// When `tag` is not a tag.
    pub fn tagged(&self, tag: &str) -> Result<Reference, ReferenceError> {
        if !is_tag(tag) {
            let text = crate::json::shortened(&format!("{self}:{tag}"));
            return Err(ReferenceError::Form(text, "the tag is not one"));
        }
        Ok(Reference { repository: self.clone(), tag: Some(tag.to_owned()), digest: None })
    }

    /// This repository with a digest.
    #[must_use]
    pub fn at(&self, digest: Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (host, path) = split_host(text);
        let host = canonical_host(host.unwrap_or(DOCKER_HUB));
        if host == DOCKER_HUB && !path.contains('/') {
            return Self::new(&host, &format!("library/{path}"));
        }
        Self::new(&host, path)
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.host, self.path)
    }
}

impl Reference {
    /// The repository.
    #[must_use]
    pub const fn repository(&self) -> &Repository {
        &self.repository
    }

    /// The tag, where one is given.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest, where one is given. With a tag beside it the digest decides and the tag is a name.
    #[must_use]
    pub const fn digest(&self) -> Option<Digest> {
        self.digest
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    /// Reads a reference as Docker does: `pause` is `docker.io/library/pause:latest`.
    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let shown = || crate::json::shortened(text);
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => {
                (name, Some(digest.parse().map_err(|error| ReferenceError::Digest(shown(), error))?))
            }
            None => (text, None),
        };
        let after_slash = name.rfind('/').map_or(0, |slash| slash + 1);
        let (repository, tag) = match name[after_slash..].split_once(':') {
            Some((last, tag)) => (&name[..after_slash + last.len()], Some(tag)),
            None => (name, None),
        };
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Form(shown(), "the tag is not one"));
        }
        let tag = match (tag, digest) {
            (None, None) => Some("latest"),
            (tag, _) => tag,
        };
        Ok(Self { repository: repository.parse()?, tag: tag.map(str::to_owned), digest })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.repository, formatter)?;
        self.tag.iter().try_for_each(|tag| write!(formatter, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(formatter, "@{digest}"))
    }
}

impl Serialize for Reference {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::from_text(deserializer)
    }
}

impl Serialize for Repository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Repository {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::from_text(deserializer)
    }
}

/// A host, or a repository or the start of one, as full references spell it: `GHCR.io/a/` is `ghcr.io/a`. Nothing
/// where it is neither.
pub(crate) fn canonical_start(text: &str) -> Option<String> {
    let text = text.trim_end_matches('/');
    let (first, path) = text.split_once('/').unwrap_or((text, ""));
    if !looks_like_host(first) {
        return text.parse::<Repository>().ok().map(|repository| repository.to_string());
    }
    let host = canonical_host(first);
    match path {
        "" => is_host(&host).then_some(host),
        // Not a repository but its start: `docker.io/nginx` is about `docker.io/nginx/nginx-ingress`.
        path => Repository::new(&host, path).ok().map(|start| start.to_string()),
    }
}

/// A host as full references spell it.
fn canonical_host(host: &str) -> String {
    let host = host.to_ascii_lowercase();
    if host == DOCKER_HUB_INDEX { DOCKER_HUB.to_owned() } else { host }
}

/// The host, where the first part looks like one: it has a dot or a port, or is `localhost`.
fn split_host(text: &str) -> (Option<&str>, &str) {
    match text.split_once('/') {
        Some((first, rest)) if looks_like_host(first) => (Some(first), rest),
        _ => (None, text),
    }
}

/// Whether the first part of a reference is a host, as Docker reads it.
pub(crate) fn looks_like_host(first: &str) -> bool {
    first.contains(['.', ':']) || first == "localhost"
}

/// A DNS name in lower case, an IPv4 address or a bracketed IPv6 address (RFC 5952), with an optional port from 1 to
/// 65535, each in its one spelling.
#[must_use]
pub fn is_host(text: &str) -> bool {
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        _ => (text, None),
    };
    let label_byte = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(label_byte)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_number = |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit());
    let bracketed = name.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let name_is_valid = match bracketed {
        Some(address) => address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address),
        // No top-level domain is a number: resolvers take such a name for an address, `10.1` for 10.0.0.1.
        None if name.rsplit('.').next().is_some_and(is_number) => name.parse::<std::net::Ipv4Addr>().is_ok(),
        None => name.len() <= 253 && name.split('.').all(is_label),
    };
    // Written back the same: no sign, no leading zero.
    let port_is_valid =
        |port: &str| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port);
    name_is_valid && port.is_none_or(port_is_valid)
}

/// A host as a part of a path, where neither colons nor brackets can stand. `_` stands for a colon: a name or an IPv4
/// address has none of its own, so one `_` comes before a port and none where there is none. An IPv6 address has all of
/// its eight groups, and so seven of them, or eight with a port.
fn host_part(host: &str) -> String {
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let address = bracketed.and_then(|(address, port)| Some((address.parse::<Ipv6Addr>().ok()?, port)));
    match address {
        Some((address, port)) => {
            let groups = address.segments().map(|group| format!("{group:x}"));
            groups.join("_") + &port.replace(':', "_")
        }
        None => host.replace(':', "_"),
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` parts between slashes, at most 255 bytes.
#[must_use]
pub fn is_path(text: &str) -> bool {
    let alphanumeric = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part_is_valid = |part: &str| {
        let separators = part.split(|byte: char| byte.is_ascii_lowercase() || byte.is_ascii_digit());
        part.bytes().next().is_some_and(alphanumeric)
            && part.bytes().next_back().is_some_and(alphanumeric)
            && separators.into_iter().all(|separator| {
                matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-')
            })
    };
    (1..=255).contains(&text.len()) && text.split('/').all(part_is_valid)
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
#[must_use]
pub fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=crate::limits::TAG_BYTES).contains(&text.len())
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn short_names_are_filled_in_as_docker_does() {
        for (text, full) in [
            ("pause", "docker.io/library/pause:latest"),
            ("grafana/loki:3.1", "docker.io/grafana/loki:3.1"),
            ("docker.io/pause", "docker.io/library/pause:latest"),
            ("docker.io/grafana/loki:3.1", "docker.io/grafana/loki:3.1"),
            ("index.docker.io/pause:1", "docker.io/library/pause:1"),
            ("localhost/app", "localhost/app:latest"),
            ("127.0.0.1:5000/a/b__c:v1", "127.0.0.1:5000/a/b__c:v1"),
            ("[::1]:5000/a:1", "[::1]:5000/a:1"),
            ("[FD00::1]/a:1", "[fd00::1]/a:1"),
            ("[::ffff:10.0.0.1]/a:1", "[::ffff:10.0.0.1]/a:1"),
            ("GHCR.io/a/b:V1", "ghcr.io/a/b:V1"),
            ("Index.Docker.io/pause:1", "docker.io/library/pause:1"),
            ("10.0.0.255/a:1", "10.0.0.255/a:1"),
            ("10.0.0.1a/a:1", "10.0.0.1a/a:1"),
            ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:3.10"),
        ] {
            assert_eq!(text.parse::<Reference>().unwrap().to_string(), full);
        }
        let pinned = format!("ghcr.io/a/b:1@{DIGEST}");
        assert_eq!(pinned.parse::<Reference>().unwrap().to_string(), pinned);
    }

    #[test]
    fn what_would_be_another_request_is_refused() {
        for text in [
            "",
            "ghcr.io/",
            "ghcr.io/A",
            "ghcr.io/a..b",
            "ghcr.io/a/../b",
            "ghcr.io/a/:x",
            "ghcr.io/a:x?y",
            "ghcr.io/a@sha256:00",
            "gh cr.io/a",
            "ghcr.io:99999/a",
            "ghcr.io:0/a",
            "ghcr.io:0443/a",
            "ghcr.io:+443/a",
            "ghcr.io:/a",
            "ghcr..io/a",
            "ghcr.io./a",
            ".ghcr.io/a",
            "-ghcr.io/a",
            "ghcr-.io/a",
            "10.1/a",
            "10.0.0.256/a",
            "10.0.0.01/a",
            "1.2.3.4.5:80/a",
            "registry.5000/a",
            "5000:80/a",
            "[::g]:5000/a",
            "[0::1]/a",
            "[::01]/a",
            "[1:0:0:2:0:0:0:3]/a",
            "[::ffff:a00:1]/a",
            "[::1%eth0]/a",
            "ghcr.io/a-",
            "ghcr.io/a:.x",
            "user@ghcr.io/a",
            "ghcr.io/a%2fb",
            "ghcr.io/a\u{1b}b",
        ] {
            assert!(text.parse::<Reference>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_hosts_never_come_to_one_place() {
        let places = [
            ("registry.example:5000/app", "registry.example_5000/app"),
            ("registry.example-5000/app", "registry.example-5000/app"),
            ("registry.example/app", "registry.example/app"),
            ("localhost:1/app", "localhost_1/app"),
            ("xn--a.example/app", "xn--a.example/app"),
            ("xn-a.example/app", "xn-a.example/app"),
            ("0.0.0.1:5000/app", "0.0.0.1_5000/app"),
            ("[::1]/app", "0_0_0_0_0_0_0_1/app"),
            ("[::1]:5000/app", "0_0_0_0_0_0_0_1_5000/app"),
            ("[::1:5000]/app", "0_0_0_0_0_0_1_5000/app"),
            ("[1::]/app", "1_0_0_0_0_0_0_0/app"),
            ("[::ffff:0.0.0.1]/app", "0_0_0_0_0_ffff_0_1/app"),
        ];
        for (text, place) in places {
            assert_eq!(text.parse::<Repository>().unwrap().place(), place);
            assert!(is_path(place), "{place}");
        }
        let different: std::collections::BTreeSet<&str> = places.iter().map(|(_, place)| *place).collect();
        assert_eq!(different.len(), places.len());
    }
}
