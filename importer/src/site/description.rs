//! `site.json`: what a site was set up with. The ledger's first line pins its digest.

use manifests::json::{self, JsonError};
use manifests::{API_VERSION, ChannelName, Digest, Timestamp};
use serde::{Deserialize, Serialize};

/// The description of a site. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Description {
    /// [`API_VERSION`].
    pub(crate) api_version: String,
    /// The channels that it accepts; none means any.
    pub(crate) channels: Vec<ChannelName>,
    /// When it was set up.
    pub(crate) created: Timestamp,
    /// Always `Site`.
    pub(crate) kind: String,
    /// Its name, which archives may name as their audience.
    pub(crate) name: ChannelName,
    /// The digest of `policy.yaml`.
    pub(crate) policy_digest: Digest,
    /// The id of the key that signs its receipts.
    pub(crate) receipt_key: Digest,
    /// The digest of `trust.yaml`.
    pub(crate) trust_digest: Digest,
}

impl Description {
    /// Reads a description.
    ///
    /// # Errors
    /// When it is not one in the canonical form.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        json::parse_canonical(bytes)
    }

    /// The bytes that the ledger pins.
    #[must_use]
    pub(crate) fn encode(&self) -> Vec<u8> {
        json::encode(self)
    }

    /// Whether it is of the kind and version that this release writes.
    #[must_use]
    pub(crate) fn is_known(&self) -> bool {
        self.api_version == API_VERSION && self.kind == "Site"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_version_or_kind_is_not_known() {
        let text = |version: &str, kind: &str| {
            let key = Digest::of(b"key");
            format!(
                r#"{{"apiVersion":"{version}","channels":[],"created":"2024-11-03T21:30:00Z","kind":"{kind}","name":"a","policyDigest":"{key}","receiptKey":"{key}","trustDigest":"{key}"}}"#
            )
        };
        for (version, kind, is_known) in
            [("airgap/v1", "Site", true), ("airgap/v2", "Site", false), ("airgap/v1", "Receipt", false)]
        {
            let text = text(version, kind);
            let description = Description::parse(text.as_bytes());
            assert_eq!(description.map(|found| found.is_known()), Ok(is_known), "{text}");
        }
    }
}
