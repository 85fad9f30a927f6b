//! What is read of an image's config: the platform that it is for, and its layers as they are unpacked.

use serde::Deserialize;

use crate::json::JsonError;
use crate::platform::Platform;
use crate::shape::{self, Part, Shape};

/// An image's config. Others than an image's name no platform, such as a signature's.
#[derive(Debug, Clone, Deserialize)]
pub struct ImageConfig {
    #[serde(default)]
    architecture: String,
    #[serde(default)]
    os: String,
    #[serde(default)]
    rootfs: Option<RootFs>,
    #[serde(default)]
    variant: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
struct RootFs {
    #[serde(default)]
    diff_ids: Option<Vec<String>>,
}

static CONFIG: Shape = Shape {
    keys: &["architecture", "os", "rootfs", "variant"],
    below: &[("rootfs", Part::One(&Shape { keys: &["diff_ids"], below: &[] }))],
};

impl ImageConfig {
    /// Reads a config, whose digest was checked.
    ///
    /// # Errors
    /// When it is no JSON, or what is read of it is in another form or spelling.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        shape::parse(bytes, &CONFIG)
    }

    /// The platform, where it names one.
    #[must_use]
    pub fn platform(&self) -> Option<Platform> {
        Platform::of_parts(&self.os, &self.architecture, self.variant.as_deref())
    }

    /// Whether it is for the platform that no machine has, by which BuildKit marks its attestations.
    #[must_use]
    pub fn is_for_none(&self) -> bool {
        self.os == "unknown" && self.architecture == "unknown"
    }

    /// The digests of its unpacked layers.
    #[must_use]
    pub fn into_diff_ids(self) -> Vec<String> {
        self.rootfs.and_then(|rootfs| rootfs.diff_ids).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_platform_is_what_a_config_names() {
        for (text, wanted) in [
            (r#"{"architecture":"amd64","os":"linux","OSFeatures":[]}"#, Some("linux/amd64")),
            (r#"{"architecture":"arm","os":"linux","variant":"v7"}"#, Some("linux/arm/v7")),
            (r#"{"architecture":"arm64","os":"linux","variant":""}"#, Some("linux/arm64")),
            (
                r#"{"architecture":"arm64","os":"linux","variant":null,"rootfs":{"diff_ids":null}}"#,
                Some("linux/arm64"),
            ),
            (r#"{"architecture":"","os":"","rootfs":null}"#, None),
            (r#"{"architecture":"v7","os":"linux/arm"}"#, None),
            ("{}", None),
        ] {
            let platform = ImageConfig::parse(text.as_bytes()).unwrap().platform();
            assert_eq!(platform.map(|platform| platform.to_string()).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn what_others_would_read_is_refused() {
        for text in [
            r#"["amd64","linux"]"#,
            r#"{"os":"linux","OS":"windows"}"#,
            r#"{"rootfs":[["sha256:00"]]}"#,
            r#"{"rootfs":{"diff_ids":[],"Diff_IDs":["a"]}}"#,
            r#"{"rootfs":{"diff_ids":["a"]},"rootfs":{}}"#,
        ] {
            assert!(ImageConfig::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
