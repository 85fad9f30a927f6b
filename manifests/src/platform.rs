//! Platforms as `os/architecture[/variant]`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A platform of an image, such as `linux/amd64` or `linux/arm/v7`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Platform {
    os: String,
    architecture: String,
    variant: Option<String>,
}

/// The text is not a platform.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, wanted a platform such as linux/amd64 or linux/arm/v7")]
pub struct PlatformError(String);

impl Platform {
    /// The platform of a document that has its parts under keys of their own, where each is one; an empty variant is
    /// none.
    #[must_use]
    pub fn of_parts(os: &str, architecture: &str, variant: Option<&str>) -> Option<Self> {
        let variant = variant.filter(|variant| !variant.is_empty());
        let is_valid = [Some(os), Some(architecture), variant].into_iter().flatten().all(is_part);
        is_valid.then(|| Self {
            os: os.to_owned(),
            architecture: architecture.to_owned(),
            variant: variant.map(str::to_owned),
        })
    }

    /// Whether an index entry for `other` is what somebody who asked for `self` wants: the same system and
    /// architecture, and the same variant where one is asked for. `arm64` and `arm64/v8` are one platform.
    #[must_use]
    pub fn accepts(&self, other: &Self) -> bool {
        let variant = |platform: &Self| match (platform.architecture.as_str(), platform.variant.as_deref()) {
            ("arm64", None | Some("v8")) => None,
            (_, variant) => variant.map(str::to_owned),
        };
        self.os == other.os
            && self.architecture == other.architecture
            && (self.variant.is_none() || variant(self) == variant(other))
    }
}

impl FromStr for Platform {
    type Err = PlatformError;

    fn from_str(text: &str) -> Result<Self, PlatformError> {
        let parts: Vec<&str> = text.split('/').collect();
        let platform = match parts.as_slice() {
            [os, architecture] => Self::of_parts(os, architecture, None),
            [os, architecture, variant] if !variant.is_empty() => {
                Self::of_parts(os, architecture, Some(variant))
            }
            _ => None,
        };
        platform.ok_or_else(|| PlatformError(crate::json::shortened(text)))
    }
}

fn is_part(text: &str) -> bool {
    text.len() <= 32
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(formatter, "/{variant}"))
    }
}

impl Serialize for Platform {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Platform {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_match_as_container_runtimes_match_them() {
        for (asked, offered, accepted) in [
            ("linux/amd64", "linux/amd64", true),
            ("linux/arm64", "linux/arm64/v8", true),
            ("linux/arm64/v8", "linux/arm64", true),
            ("linux/arm", "linux/arm/v7", true),
            ("linux/arm/v7", "linux/arm/v6", false),
            ("linux/arm/v7", "linux/arm", false),
            ("linux/amd64", "windows/amd64", false),
        ] {
            let [asked, offered]: [Platform; 2] = [asked, offered].map(|text| text.parse().unwrap());
            assert_eq!(asked.accepts(&offered), accepted, "{asked} {offered}");
        }
    }

    #[test]
    fn what_is_not_a_platform_is_refused() {
        for text in ["", "linux", "linux/", "linux/arm/", "a/b/c/d", "linux/am d64", "../etc"] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
        // Two parts in one are none.
        assert_eq!(Platform::of_parts("linux/arm", "v7", None), None);
    }
}
