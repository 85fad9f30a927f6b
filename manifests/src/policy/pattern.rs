//! Which items a rule of a policy is about, and which packages an exception: patterns of references and of package URLs.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json;

/// Longest pattern, in bytes: a name and some stars.
const BYTES: usize = 1024;

/// How package URLs begin.
const PACKAGE_URL: &str = "pkg:";

/// A pattern of references, such as `ghcr.io/openova-io/**`. It is compared with the whole of a reference:
/// with its repository, and with the tag and digest where the pattern has them.
///
/// `*` stands for any text without `/`, `**` for any text. Nothing else is special.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// A pattern of package URLs, such as `pkg:deb/debian/*`, with the same stars. Names of packages have letters of either
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct PackagePattern(String);

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// Empty or too long.
    #[error("found a pattern of {0} bytes, wanted 1 to {BYTES}")]
    Length(usize),
    /// It could match no reference.
    #[error(
        "found the pattern {0:?}, wanted visible characters of references and stars, such as ghcr.io/openova-io/**, \
         and host and repository in lower case"
    )]
    Form(String),
    /// No reference to Docker Hub is spelled like it.
    #[error(
        "found the pattern {0:?}, wanted Docker Hub as full references have it: docker.io/library/NAME, \
         docker.io/OWNER/NAME or docker.io/**"
    )]
    DockerHub(String),
    /// It is a host alone, or a repository without one.
    #[error(
        "found the pattern {0:?}, wanted one that full references, HOST/REPOSITORY, can match: **/{0} for a repository, \
         {0}/** for a host"
    )]
    Short(String),
    /// No package URL is spelled like it.
    #[error(
        "found the pattern {0:?}, wanted visible characters of package URLs and stars, such as pkg:deb/debian/openssl"
    )]
    Package(String),
}

impl Pattern {
    /// Whether the pattern is about a reference, given in full (`ghcr.io/demo/web:1`). A pattern without a tag
    /// is about every tag, and one without a digest about every digest: whoever names both must not be past a rule about
    /// the tag.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        let tagged = name.split_once('@').map_or(name, |(before, _)| before);
        [name, tagged, repository(name)].iter().any(|name| matches(self.0.as_bytes(), name.as_bytes()))
    }
}

impl PackagePattern {
    /// Whether the pattern is about a package URL, as it is given.
    #[must_use]
    pub fn matches(&self, package: &str) -> bool {
        matches(self.0.as_bytes(), package.as_bytes())
    }
}

/// A full reference without its tag and digest. The colon of a port stands before the last slash.
fn repository(name: &str) -> &str {
    let name = name.split_once('@').map_or(name, |(before, _)| before);
    let path = name.rfind('/').unwrap_or(0);
    let colon = name.get(path..).and_then(|last| last.find(':')).map(|at| at + path);
    colon.and_then(|colon| name.get(..colon)).unwrap_or(name)
}

/// Compares with a table of one row a pattern byte, so that no pattern takes more than its length times the
/// name's: an attacker chooses names, and backtracking over stars would be exponential.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let mut reached = vec![false; name.len() + 1];
    if let Some(start) = reached.first_mut() {
        *start = true;
    }
    let mut rest = pattern;
    loop {
        rest = match rest {
            [] => return reached.last().copied().unwrap_or(false),
            [b'*', b'*', rest @ ..] => {
                stars(&mut reached, name, |_| true);
                rest
            }
            [b'*', rest @ ..] => {
                stars(&mut reached, name, |byte| byte != b'/');
                rest
            }
            [byte, rest @ ..] => {
                let mut next = vec![false];
                let steps = name.iter().zip(&reached);
                next.extend(steps.map(|(found, is_reached)| *is_reached && found == byte));
                reached = next;
                rest
            }
        };
    }
}

/// From every place that was reached, on over every byte that the star may stand for.
fn stars(reached: &mut [bool], name: &[u8], may_stand_for: impl Fn(u8) -> bool) {
    let mut is_reached = false;
    for (at, place) in reached.iter_mut().enumerate() {
        let byte = at.checked_sub(1).and_then(|before| name.get(before));
        is_reached = *place || (is_reached && byte.is_some_and(|byte| may_stand_for(*byte)));
        *place = is_reached;
    }
}

/// Whether a pattern starts like references to Docker Hub that are always filled in, and so matches none. Only `**`
/// can stand for the slash behind the owner, and no owner has a colon or an at sign.
fn is_beside_docker_hub(text: &str) -> bool {
    let is_missed = |path: &str| {
        let owner = path.find('/').into_iter().chain(path.find("**")).min().map(|end| &path[..end]);
        owner.is_none_or(|owner| owner.contains([':', '@']))
    };
    text.starts_with("index.docker.io/") || text.strip_prefix("docker.io/").is_some_and(is_missed)
}

/// Whether a text of the right length has visible characters and no more than two stars at once.
fn is_glob(text: &str) -> Result<bool, PatternError> {
    if text.is_empty() || text.len() > BYTES {
        return Err(PatternError::Length(text.len()));
    }
    Ok(text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains("***"))
}

impl TryFrom<String> for PackagePattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        // A package without a URL is not accepted by any exception.
        let start = text.split('*').next().unwrap_or_default();
        let is_url = start.starts_with(PACKAGE_URL) || (start != text && PACKAGE_URL.starts_with(start));
        if !is_glob(&text)? || !is_url {
            return Err(PatternError::Package(json::shortened(&text)));
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let is_glob = is_glob(&text)?;
        // Only a tag has other letters: such a rule would be silently about nothing, and the next one decide.
        let start = text.split('*').next().unwrap_or_default();
        let is_lower = !repository(start).bytes().any(|byte| byte.is_ascii_uppercase());
        if !is_glob || !is_lower || text.starts_with('/') || text.contains("://") {
            return Err(PatternError::Form(json::shortened(&text)));
        }
        if is_beside_docker_hub(&text) {
            return Err(PatternError::DockerHub(json::shortened(&text)));
        }
        // Every reference has a slash behind its host, for which one star does not stand.
        if !text.contains('/') && !text.contains("**") {
            return Err(PatternError::Short(json::shortened(&text)));
        }
        Ok(Self(text))
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for PackagePattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_compared_with_the_whole_name() {
        for (pattern, name, wanted) in [
            ("**", "ghcr.io/demo/web:1", true),
            ("ghcr.io/**", "ghcr.io/demo/web:1", true),
            ("ghcr.io/**", "ghcr.io.evil.test/demo/web:1", false),
            ("ghcr.io/**", "evil.test/ghcr.io/web:1", false),
            ("ghcr.io/demo/*", "ghcr.io/demo/web:1", true),
            ("ghcr.io/demo/*", "ghcr.io/demo/deep/web:1", false),
            ("ghcr.io/*/web", "ghcr.io/demo/web:1", true),
            ("ghcr.io/*/web", "ghcr.io/demo/website:1", false),
            ("ghcr.io/demo/web", "ghcr.io/demo/web:1", true),
            ("ghcr.io/demo/web:1", "ghcr.io/demo/web:1", true),
            ("ghcr.io/demo/web:1", "ghcr.io/demo/web:12", false),
            ("ghcr.io/demo/web:1*", "ghcr.io/demo/web:12", true),
            ("127.0.0.1:5000/**", "127.0.0.1:5000/demo/web:1", true),
            ("127.0.0.1:5000/web", "127.0.0.1:5000/web@sha256:00", true),
            ("ghcr.io/**/web", "ghcr.io/a/b/web:1", true),
            ("ghcr.io/demo/web:V1", "ghcr.io/demo/web:V1", true),
            ("ghcr.io/**V1", "ghcr.io/demo/web:V1", true),
            ("ghcr.io/demo", "ghcr.io/demo/web:1", false),
            ("ghcr.io/demo/web:1", "ghcr.io/demo/web:1@sha256:00", true),
            ("ghcr.io/demo/web:1", "ghcr.io/demo/web:12@sha256:00", false),
            ("ghcr.io/demo/web:1", "ghcr.io/demo/web@sha256:00", false),
            ("**:1", "ghcr.io/demo/web:1@sha256:00", true),
            ("ghcr.io/demo/web:1@sha256:00", "ghcr.io/demo/web:1@sha256:00", true),
            ("ghcr.io/demo/web:1@sha256:00", "ghcr.io/demo/web:1@sha256:01", false),
        ] {
            let pattern: Pattern = Pattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(pattern.matches(name), wanted, "{pattern} {name}");
        }
    }

    #[test]
    fn what_could_match_something_at_docker_hub_is_taken() {
        for (pattern, name) in [
            ("docker.io/**", "docker.io/library/nginx:1"),
            ("docker.io/*/nginx", "docker.io/library/nginx:1"),
            ("docker.io/library/nginx", "docker.io/library/nginx:1"),
            ("docker.io/nginx/**", "docker.io/nginx/nginx-ingress:1"),
            ("docker.io/ngi**", "docker.io/nginx/nginx-ingress:1"),
            ("docker.io/**nginx", "docker.io/library/nginx:1"),
            ("docker.io/**:1", "docker.io/library/nginx:1"),
            ("docker.io*/nginx", "docker.io.example/nginx:1"),
            ("index.docker.io*/nginx", "index.docker.io:443/nginx:1"),
            ("index.docker.io:443/nginx", "index.docker.io:443/nginx:1"),
        ] {
            assert!(Pattern::try_from(pattern.to_owned()).unwrap().matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_longer_than_their_number() {
        let pattern = Pattern::try_from(format!("a/{}", "*a".repeat(400))).unwrap();
        assert!(!pattern.matches(&format!("a/{}", "a".repeat(399))));
        assert!(pattern.matches(&format!("a/{}", "a".repeat(700))));
    }

    #[test]
    fn what_could_match_nothing_is_refused() {
        for text in [
            "",
            "/web",
            "https://ghcr.io/**",
            "ghcr.io/***",
            "ghcr.io/de mo",
            "ghcr.io/w\u{e9}b",
            "GHCR.io/**",
            "ghcr.io/demo/Web*",
            "ghcr.io/demo/Web:1",
            "index.docker.io/**",
            "index.docker.io/library/nginx",
            "docker.io/nginx",
            "docker.io/nginx:1.*",
            "docker.io/nginx:**",
            "docker.io/nginx@sha256:00/**",
            "docker.io/nginx*",
            "docker.io/*",
            "docker.io/n*:1/**",
        ] {
            assert!(Pattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
        assert!(Pattern::try_from("**".to_owned() + &"a".repeat(BYTES - 2)).is_ok());
        assert_eq!(Pattern::try_from("a".repeat(BYTES + 1)), Err(PatternError::Length(BYTES + 1)));
    }

    #[test]
    fn a_host_alone_and_a_repository_without_one_are_refused_with_what_to_write() {
        for text in
            ["nginx", "nginx:1.*", "*", "ghcr.io", "ghcr.io*", "docker.io", "registry.example:5000", "a*b"]
        {
            let said = Pattern::try_from(text.to_owned()).unwrap_err().to_string();
            assert!(said.starts_with(&format!("found the pattern {text:?}, wanted one that full")), "{said}");
            let advised = [format!("**/{text}"), format!("{text}/**")];
            assert!(advised.iter().all(|advice| said.contains(advice)), "{text}: {said}");
        }
        for (pattern, name) in [
            ("**/nginx", "docker.io/library/nginx:1"),
            ("**nginx", "docker.io/library/nginx:1"),
            ("nginx**", "nginx.example/web:1"),
            ("*/nginx", "quay.io/nginx:1"),
            ("ghcr.io/**", "ghcr.io/demo/web:1"),
        ] {
            assert!(Pattern::try_from(pattern.to_owned()).unwrap().matches(name), "{pattern} {name}");
        }
    }

    #[test]
    fn a_pattern_of_packages_has_letters_of_either_case_and_begins_as_package_urls_do() {
        for (pattern, package, wanted) in [
            ("pkg:nuget/Newtonsoft.Json", "pkg:nuget/Newtonsoft.Json", true),
            ("pkg:nuget/Newtonsoft.Json", "pkg:nuget/newtonsoft.json", false),
            ("pkg:golang/github.com/Masterminds/*", "pkg:golang/github.com/Masterminds/goutils@1.1.0", true),
            ("pkg:deb/*", "pkg:deb/debian/openssl", false),
            ("p**", "pkg:deb/debian/openssl", true),
            ("**", "pkg:deb/debian/openssl", true),
        ] {
            let pattern_of = PackagePattern::try_from(pattern.to_owned()).unwrap();
            assert_eq!(pattern_of.matches(package), wanted, "{pattern} {package}");
        }
        for text in ["", "openssl", "deb/debian/openssl", "PKG:deb/**", "p", "pk", "pkg:deb/***", "pkg:a b"] {
            assert!(PackagePattern::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
