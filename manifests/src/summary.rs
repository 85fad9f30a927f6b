//! Verification Summary Attestations of SLSA: that a site judged an archive or an item by its policy, and the result.
//!
//! They are for readers other than Airgap, such as an admission controller: whoever knows the site's key need know
//! nothing of the signatures and reports that were judged. Specification: <https://slsa.dev/spec/v1.1/verification_summary>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::dsse::{DigestSet, Predicate};
use crate::name::ChannelName;
use crate::timestamp::Timestamp;

/// What every URI of ours begins with.
const URI: &str = "https://airgap.openova.io";

/// The version of SLSA whose fields these are.
const SLSA_VERSION: &str = "1.1";

/// Provenance may be among what a policy asks for, but no gate derives a level from it, so none is claimed.
const UNEVALUATED: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";

/// The level where policy verification failed.
const FAILED: &str = "FAILED";

/// A verification summary. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct VerificationSummary {
    /// The signed statements that were judged.
    pub input_attestations: Vec<Resource>,
    /// The site's policy. What flags added to it stands in the receipt.
    pub policy: Resource,
    /// What the subject is: an item's name upstream, or channel and serial of an archive.
    pub resource_uri: String,
    /// Always `1.1`.
    pub slsa_version: String,
    /// When it was judged.
    pub time_verified: Timestamp,
    /// Whether it may come in.
    pub verification_result: VerificationResult,
    /// That no level of SLSA was evaluated, or that verification failed.
    pub verified_levels: Vec<String>,
    /// Who judged.
    pub verifier: Verifier,
}

/// Something with its digest, as in-toto describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Its digest.
    pub digest: DigestSet,
    /// What it is called.
    pub uri: String,
}

/// The result of a verification.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum VerificationResult {
    /// It may not come in.
    Failed,
    /// It may come in.
    Passed,
}

/// Who judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verifier {
    /// The site.
    pub id: String,
    /// The programs that judged, with their versions.
    pub version: BTreeMap<String, String>,
}

impl Predicate for VerificationSummary {
    const TYPE: &'static str = "https://slsa.dev/verification_summary/v1";
}

/// By whom, by what and when everything in one archive was judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The site.
    pub site: ChannelName,
    /// The version of the program.
    pub version: String,
    /// The digest of the site's policy.
    pub policy: Digest,
    /// When.
    pub at: Timestamp,
    /// The result.
    pub result: VerificationResult,
}

impl Verification {
    /// The summary about what `resource_uri` says, judged from these statements.
    #[must_use]
    pub fn summary(&self, resource_uri: String, input_attestations: Vec<Resource>) -> VerificationSummary {
        let Self { site, version, policy, at, result } = self;
        let level = match result {
            VerificationResult::Failed => FAILED,
            VerificationResult::Passed => UNEVALUATED,
        };
        VerificationSummary {
            input_attestations,
            policy: Resource::new(*policy, format!("{URI}/site/{site}/policy")),
            resource_uri,
            slsa_version: SLSA_VERSION.to_owned(),
            time_verified: *at,
            verification_result: *result,
            verified_levels: vec![level.to_owned()],
            verifier: Verifier {
                id: verifier(site),
                version: BTreeMap::from([("airgap-import".to_owned(), version.clone())]),
            },
        }
    }
}

impl Resource {
    /// What is called `uri` and has this digest.
    #[must_use]
    pub fn new(digest: Digest, uri: String) -> Self {
        Self { digest: digest.into(), uri }
    }
}

/// A site, as the verifier of a summary.
#[must_use]
pub fn verifier(site: &ChannelName) -> String {
    format!("{URI}/site/{site}")
}

/// An archive, as the resource of a summary.
#[must_use]
pub fn archive_uri(channel: &ChannelName, serial: u64) -> String {
    format!("{URI}/archive/{channel}/{serial}")
}

/// An item by its name upstream, as the resource of a summary.
#[must_use]
pub fn item_uri(name: &str) -> String {
    format!("oci://{name}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;

    #[test]
    fn a_summary_has_the_fields_of_the_specification() {
        let verification = |result| Verification {
            site: "sovereign-a".parse().unwrap(),
            version: "0.1.0".into(),
            policy: Digest::of(b"policy"),
            at: "2026-11-23T21:30:00Z".parse().unwrap(),
            result,
        };
        let input = Resource::new(Digest::of(b"signature"), "oci://registry.example/app@sha256:1".into());
        let passed =
            verification(VerificationResult::Passed).summary(item_uri("registry.example/app:1"), vec![input]);
        let found: serde_json::Value = json::parse(&json::encode(&passed)).unwrap();
        let wanted = serde_json::json!({
            "verifier": {"id": "https://airgap.openova.io/site/sovereign-a", "version": {"airgap-import": "0.1.0"}},
            "timeVerified": "2026-11-23T21:30:00Z",
            "resourceUri": "oci://registry.example/app:1",
            "policy": {
                "uri": "https://airgap.openova.io/site/sovereign-a/policy",
                "digest": {"sha256": Digest::of(b"policy").hex()},
            },
            "inputAttestations": [{
                "uri": "oci://registry.example/app@sha256:1",
                "digest": {"sha256": Digest::of(b"signature").hex()},
            }],
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
            "slsaVersion": "1.1",
        });
        assert_eq!(found, wanted);
        let sorted = json::encode(&wanted);
        assert_eq!(json::encode(&passed), sorted, "the fields stand in alphabetical order");

        let failed = verification(VerificationResult::Failed)
            .summary(archive_uri(&"core".parse().unwrap(), 7), vec![]);
        let failed = String::from_utf8(json::encode(&failed)).unwrap();
        assert!(failed.contains(r#""verificationResult":"FAILED","verifiedLevels":["FAILED"]"#), "{failed}");
    }
}
