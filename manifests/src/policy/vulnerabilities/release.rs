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

/// The text is not a release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found the release {0:?}, wanted a family and a release such as debian 12")]
pub struct ReleaseError(String);

impl Release {
    /// Whether an image's system is of this release.
    #[must_use]
    pub fn includes(&self, family: &str, name: &str) -> bool {
        let is_part = |own: &String| {
            name.strip_prefix(own.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.family == family && self.name.as_ref().is_none_or(is_part)
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
