//! What a site accepts. Both sides read the same form, each its own file.

mod malware;
mod pattern;
mod signatures;
mod signer;
pub mod vulnerabilities;

use std::collections::BTreeMap;

pub use malware::Malware;
pub use pattern::{PackagePattern, Pattern, PatternError};
use serde::{Deserialize, Serialize};
pub use signatures::{
    Attestation, PlatformRule, Requirement, SignatureRule, Signatures, TrustedRootName, Waiver,
};
use signatures::{RuleSpec, TrustedRootSpec};
pub use signer::{Identity, Key, KeyAlgorithm, Keyless, LogRule, Signer};

use crate::digest::Digest;
use crate::trust::{Role, RoleError};
use crate::yaml::{self, YamlError};
use vulnerabilities::Vulnerabilities;

/// A policy that was read.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its version, which grows where one policy follows another; 0 where it has none.
    pub version: u64,
    /// What happens to an archive that is older than what the channel has.
    pub older_serial: Decision,
    /// How many approvals each role must give, beyond the thresholds of the trust file.
    pub approvals: BTreeMap<Role, usize>,
    /// Who must have signed what; nothing when the policy has no such section.
    pub signatures: Option<Signatures>,
    /// What it accepts of vulnerabilities, where it says so.
    pub vulnerabilities: Option<Vulnerabilities>,
    /// What looks for malware, where it says so.
    pub malware: Option<Malware>,
    /// The gates that it names, by their names in the file, in its order.
    pub gates: Vec<&'static str>,
    digest: Digest,
}

/// What a rule decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It may pass.
    Allow,
    /// It is refused.
    Deny,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Spec {
    #[serde(default)]
    version: u64,
    #[serde(default)]
    order: Order,
    #[serde(default, deserialize_with = "yaml::unique_map::deserialize")]
    approvals: BTreeMap<String, usize>,
    #[serde(default, deserialize_with = "yaml::present")]
    signatures: Option<Vec<RuleSpec>>,
    #[serde(default, rename = "trustedRoots")]
    trusted_roots: Vec<TrustedRootSpec>,
    #[serde(default, deserialize_with = "yaml::present")]
    vulnerabilities: Option<Vulnerabilities>,
    #[serde(default, deserialize_with = "yaml::present")]
    malware: Option<Malware>,
    #[serde(default, deserialize_with = "yaml::present")]
    models: Option<serde_norway::Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Order {
    #[serde(default = "deny")]
    older_serial: Decision,
}

impl Default for Order {
    fn default() -> Self {
        Self { older_serial: deny() }
    }
}

const fn deny() -> Decision {
    Decision::Deny
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// When its fields are not the known ones.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        let spec: Spec = yaml::parse(text, "Policy")?;
        let mut approvals = BTreeMap::new();
        for (name, count) in spec.approvals {
            let role: Role = name.parse().map_err(|error: RoleError| YamlError::Rule(error.to_string()))?;
            if !role.approves() {
                return Err(YamlError::Rule(format!("found approvals by {role}, which does not approve")));
            }
            approvals.insert(role, count);
        }
        let named = [
            ("signatures", spec.signatures.is_some()),
            ("vulnerabilities", spec.vulnerabilities.is_some()),
            ("malware", spec.malware.is_some()),
            ("models", spec.models.is_some()),
        ];
        if spec.signatures.is_none() && !spec.trusted_roots.is_empty() {
            return Err(YamlError::Rule(
                "found trustedRoots and no signatures, which they are for".to_owned(),
            ));
        }
        let rules = spec.signatures.map(|rules| Signatures::read(rules, spec.trusted_roots)).transpose()?;
        Ok(Self {
            version: spec.version,
            older_serial: spec.order.older_serial,
            approvals,
            signatures: rules,
            vulnerabilities: spec.vulnerabilities,
            malware: spec.malware,
            gates: named.into_iter().filter(|(_, named)| *named).map(|(name, _)| name).collect(),
            digest: Digest::of(text.as_bytes()),
        })
    }

    /// The digest of the file's bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(spec: &str) -> Result<Policy, YamlError> {
        Policy::parse(&format!("apiVersion: airgap/v1\nkind: Policy\nspec: {{{spec}}}\n"))
    }

    #[test]
    fn what_is_not_said_is_the_strict_default() {
        let policy = policy("").unwrap();
        assert_eq!(policy.older_serial, Decision::Deny);
        assert!(policy.approvals.is_empty() && policy.gates.is_empty());
    }

    #[test]
    fn gates_that_are_named_are_known_by_name() {
        let policy = policy("signatures: [], vulnerabilities: {critical: deny}").unwrap();
        assert_eq!(policy.gates, ["signatures", "vulnerabilities"]);
    }

    #[test]
    fn rules_that_could_not_hold_are_refused() {
        for (spec, why) in [
            ("approvals: {preparer: 1}", "who prepares does not approve"),
            ("approvals: {boss: 1}", "an unknown role"),
            ("order: {olderSerial: maybe}", "an unknown decision"),
            ("signature: []", "a misspelt gate"),
        ] {
            assert!(policy(spec).is_err(), "{why}");
        }
    }
}
