//! Releases of operating systems, as a scanner names them.

use serde::{Deserialize, Serialize};

use crate::json;

/// A release of a system that the scanner's database has data for: `alpine 3.20`, `debian 12`, or a family
/// alone (`wolfi`). It stands for its point releases too: `debian 12` for 12.5, not for 120.
///
/// A scanner that knows nothing about a release finds nothing and says so by no word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release {
    family: String,
    name: Option<String>,
}

/// Releases that Trivy 0.72 looks after or did, by the names that it gives them: of the common families those of its tables of
/// support, and families without releases. A newer database may know more, which a policy then names.
const KNOWN: [(&str, &[&str]); 22] = [
    ("alma", &["8", "9", "10"]),
    (
        "alpine",
        &[
            "3.2", "3.3", "3.4", "3.5", "3.6", "3.7", "3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14",
            "3.15", "3.16", "3.17", "3.18", "3.19", "3.20", "3.21", "3.22", "3.23", "edge",
        ],
    ),
    ("amazon", &["1", "2", "2023"]),
    ("azurelinux", &["3.0"]),
    ("cbl-mariner", &["1.0", "2.0"]),
    ("centos", &["3", "4", "5", "6", "7", "8"]),
    ("chainguard", &[]),
    ("debian", &["7", "8", "9", "10", "11", "12", "13"]),
    ("echo", &[]),
    ("minimos", &[]),
    ("opensuse-leap", SUSE_LEAP),
    ("opensuse.leap", SUSE_LEAP),
    ("opensuse-tumbleweed", &[]),
    ("opensuse.tumbleweed", &[]),
    ("oracle", &["5", "6", "7", "8", "9"]),
    ("photon", &["1.0", "2.0", "3.0", "4.0", "5.0"]),
    ("redhat", &["4", "5", "6", "7", "8", "9", "10"]),
    ("rocky", &["8", "9"]),
    ("slem", &["5.0", "5.1", "5.2", "5.3", "5.4", "5.5", "6.0", "6.1"]),
    (
        "sles",
        &[
            "11", "11.1", "11.2", "11.3", "11.4", "12", "12.1", "12.2", "12.3", "12.4", "12.5", "15", "15.1",
            "15.2", "15.3", "15.4", "15.5", "15.6", "15.7", "16.0", "16.1",
        ],
    ),
    (
        "ubuntu",
        &[
            "12.04",
            "12.04-ESM",
            "14.04",
            "14.04-ESM",
            "16.04",
            "16.04-ESM",
            "18.04",
            "18.04-ESM",
            "20.04",
            "20.04-ESM",
            "22.04",
            "22.10",
            "23.04",
            "23.10",
            "24.04",
            "24.10",
            "25.04",
            "25.10",
            "26.04",
        ],
    ),
    ("wolfi", &[]),
];

/// Families whose advisories stand under the whole of a release's name: a point release of one has none.
const EXACT: [&str; 6] = ["opensuse-leap", "opensuse.leap", "photon", "slem", "sles", "ubuntu"];

const SUSE_LEAP: &[&str] =
    &["42.1", "42.2", "42.3", "15.0", "15.1", "15.2", "15.3", "15.4", "15.5", "15.6", "16.0"];

/// Whether the database of the scanner has data for a system, as far as this version knows: what counts where a policy
/// names no releases.
#[must_use]
pub fn is_known(family: &str, name: &str) -> bool {
    let known = KNOWN.iter().filter(|(known, _)| *known == family).map(|(_, releases)| *releases);
    let is_it =
        |release: &&str| if EXACT.contains(&family) { *release == name } else { is_part(release, name) };
    known.into_iter().any(|releases| releases.is_empty() || releases.iter().any(is_it))
}

/// Whether a system calls itself by a release or a point release of it. What stands behind the first word (`2 (Karoo)`) is
/// passed over.
fn is_part(release: &str, name: &str) -> bool {
    let name = name.split(' ').next().unwrap_or_default();
    name.strip_prefix(release).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The text is not a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found the release {0:?}, wanted a family and a release such as debian 12")]
pub struct ReleaseError(String);

impl Release {
    /// Whether an image's system is of this release.
    #[must_use]
    pub fn includes(&self, family: &str, name: &str) -> bool {
        self.family == family && self.name.as_ref().is_none_or(|own| is_part(own, name))
    }
}

impl TryFrom<String> for Release {
    type Error = ReleaseError;

    fn try_from(text: String) -> Result<Self, ReleaseError> {
        let is_word = |word: &str| {
            (1..=64).contains(&word.len())
                && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_+".contains(&byte))
        };
        let (family, name) = match text.split_once(' ') {
            Some((family, name)) => (family, Some(name)),
            None => (text.as_str(), None),
        };
        if !is_word(family) || !name.is_none_or(is_word) {
            return Err(ReleaseError(json::shortened(&text)));
        }
        Ok(Self { family: family.to_owned(), name: name.map(str::to_owned) })
    }
}

impl From<Release> for String {
    fn from(release: Release) -> Self {
        match release.name {
            Some(name) => format!("{} {name}", release.family),
            None => release.family,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_release_that_no_scanner_knows_is_not_known() {
        for (family, name, wanted) in [
            ("debian", "12.5", true),
            ("debian", "120", false),
            ("alpine", "3.20.3", true),
            ("alpine", "3.99.0", false),
            ("amazon", "2 (Karoo)", true),
            ("amazon", "2023.6.20241010 (Amazon Linux)", true),
            ("amazon", "3 (Karoo)", false),
            ("ubuntu", "20.04-ESM", true),
            ("ubuntu", "20.04-EVIL", false),
            ("wolfi", "20230201", true),
            ("opensuse.leap", "15.6", true),
            ("sles", "15.7", true),
            ("sles", "15.99", false),
            ("slem", "6.1", true),
            ("photon", "5.0.9", false),
            ("ubuntu", "22.04.9", false),
            ("nobodys", "1", false),
            ("debian", "", false),
        ] {
            assert_eq!(is_known(family, name), wanted, "{family} {name}");
        }
    }

    #[test]
    fn a_release_stands_for_its_point_releases() {
        for (release, family, name, wanted) in [
            ("alpine 3.9", "alpine", "3.9.4", true),
            ("alpine 3.9", "alpine", "3.9", true),
            ("alpine 3.2", "alpine", "3.20", false),
            ("alpine 3.20", "alpine", "3.2", false),
            ("debian 12", "debian", "12.5", true),
            ("debian 12", "ubuntu", "12", false),
            ("wolfi", "wolfi", "20230201", true),
        ] {
            let release = Release::try_from(release.to_owned()).unwrap();
            assert_eq!(release.includes(family, name), wanted, "{release:?} {family} {name}");
        }
    }

    #[test]
    fn what_is_no_release_is_refused() {
        for text in ["", " ", "debian  12", "debian 12 13", "debian *", " debian"] {
            assert!(Release::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
