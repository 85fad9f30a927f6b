//! Versions of scanners whose reports do not count.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::json;

/// Three numbers, as a scanner's releases have them.
type Version = [u32; 3];

/// One version, or all from the first to the last: `0.69.4`, `0.69.4..0.69.6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Versions {
    first: Version,
    last: Version,
}

/// The text is not such a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found the versions {0:?}, wanted one such as 0.69.4 or a range such as 0.69.4..0.69.6")]
pub struct VersionsError(String);

impl Versions {
    /// The releases of Trivy that were compromised (CVE-2026-33634). No policy can make their reports count.
    #[must_use]
    pub const fn compromised() -> Self {
        Self { first: [0, 69, 4], last: [0, 69, 6] }
    }

    /// Whether a version is among them. What follows its three numbers (`-rc.1`, `+build`) makes no difference.
    #[must_use]
    pub fn contain(&self, version: &str) -> bool {
        parse(version).is_some_and(|version| (self.first..=self.last).contains(&version))
    }
}

/// Whether a text is the version of a release, which [`Versions`] can be compared with.
#[must_use]
pub fn is_release(version: &str) -> bool {
    parse(version).is_some()
}

/// The three numbers of a version.
fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let end = text.find(['-', '+']).unwrap_or(text.len());
    let mut parts = text.get(..end)?.split('.');
    let mut next = || {
        let part = parts.next()?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then_some(part)?.parse().ok()
    };
    let version = [next()?, next()?, next()?];
    parts.next().is_none().then_some(version)
}

impl TryFrom<String> for Versions {
    type Error = VersionsError;

    fn try_from(text: String) -> Result<Self, VersionsError> {
        let (first, last) = text.split_once("..").unwrap_or((&text, &text));
        match (parse(first), parse(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Self { first, last }),
            _ => Err(VersionsError(json::shortened(&text))),
        }
    }
}

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.to_string()
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [[a, b, c], [x, y, z]] = [self.first, self.last];
        write!(formatter, "{a}.{b}.{c}")?;
        if self.first == self.last { Ok(()) } else { write!(formatter, "..{x}.{y}.{z}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_compared_by_numbers() {
        for (versions, version, wanted) in [
            ("0.69.4..0.69.6", "0.69.4", true),
            ("0.69.4..0.69.6", "v0.69.5", true),
            ("0.69.4..0.69.6", "0.69.5-rc.1", true),
            ("0.69.4..0.69.6", "0.69.6+build", true),
            ("0.69.4..0.69.6", "0.69.3", false),
            ("0.69.4..0.69.6", "0.69.7", false),
            ("0.69.4..0.69.6", "0.69.50", false),
            ("0.69.4", "0.69.4", true),
            ("0.69.4", "0.69.5", false),
            ("0.9.0..0.10.0", "0.9.5", true),
            ("0.69.4", "dev", false),
        ] {
            let range = Versions::try_from(versions.to_owned()).unwrap();
            assert_eq!(range.contain(version), wanted, "{versions} {version}");
            assert_eq!(range.to_string(), versions);
        }
    }

    #[test]
    fn a_release_has_three_numbers() {
        for (version, wanted) in
            [("0.72.0", true), ("v0.72.0-rc.1", true), ("dev", false), ("0.72", false), ("", false)]
        {
            assert_eq!(is_release(version), wanted, "{version:?}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "0.69", "0.69.4.1", "0.69.6..0.69.4", "0.69.4..", "0.69.x", "0.69.+4", "latest"] {
            assert!(Versions::try_from(text.to_owned()).is_err(), "{text:?}");
        }
    }
}
