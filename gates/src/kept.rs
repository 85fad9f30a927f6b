//! Judgements that were written down, as they are read again years later.

use std::collections::HashMap;

use manifests::json::{self, JsonError};
use manifests::{Digest, Timestamp};
use serde::{Deserialize, Serialize};

use crate::repository;
use crate::vulnerability::Findings;

/// A judgement that was kept, as far as it is shown. What a later version added to it is passed over.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeptJudgement {
    /// The digest of the policy.
    pub policy: Digest,
    /// The moment that was judged by.
    pub at: Timestamp,
    /// The list of known exploited vulnerabilities that was at hand.
    #[serde(default)]
    pub kev: Option<Digest>,
    /// The VEX documents that were at hand.
    #[serde(default)]
    pub vex: Vec<Digest>,
    /// Every item.
    pub items: Vec<KeptItem>,
}

/// What was said about one item.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeptItem {
    /// Its name upstream.
    pub name: String,
    /// One verdict a gate.
    pub verdicts: Vec<KeptVerdict>,
    /// Every vulnerability that was found, where that gate judged.
    #[serde(default)]
    pub findings: Option<Findings>,
}

/// A verdict that was kept. The gate and its outcome are texts here: they may be another version's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptVerdict {
    /// The gate.
    pub gate: String,
    /// What it decided.
    pub outcome: String,
    /// The rule that decided.
    pub rule: String,
    /// What a person should know.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Who signed, what was found.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
}

impl KeptJudgement {
    /// Reads a judgement that was kept.
    ///
    /// # Errors
    /// When the bytes are not one.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        json::parse(bytes)
    }

    /// What was said about an item.
    pub fn verdicts(&self, name: &str) -> impl Iterator<Item = &KeptVerdict> {
        self.items.iter().filter(move |item| item.name == name).flat_map(|item| &item.verdicts)
    }

    /// What was found in the items that `is_inside` names: by their names, and without tag and digest where one of
    /// them stands for its repository. For [`crate::Before`].
    #[must_use]
    pub fn findings(self, is_inside: impl Fn(&str) -> bool) -> HashMap<String, Findings> {
        let mut found = HashMap::new();
        let mut of_repository: HashMap<String, Vec<Findings>> = HashMap::new();
        for item in self.items.into_iter().filter(|item| is_inside(&item.name)) {
            let Some(findings) = item.findings else { continue };
            of_repository.entry(repository(&item.name)).or_default().push(findings.clone());
            found.insert(item.name, findings);
        }
        // Of several versions side by side none speaks for a new one.
        let alone = of_repository.into_iter().filter(|(_, several)| several.len() == 1);
        found.extend(alone.filter_map(|(name, mut one)| Some((name, one.pop()?))));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{JudgedItem, Judgement, Outcome, Verdict};
    use manifests::inventory::ItemKind;

    #[test]
    fn a_judgement_is_read_as_it_was_written() {
        let verdict = Verdict {
            gate: "signatures",
            outcome: Outcome::Warned,
            rule: "signatures[1] (**)".into(),
            reasons: vec![],
            warnings: vec!["a warning".into()],
            facts: vec!["a fact".into()],
        };
        let item = JudgedItem {
            kind: ItemKind::Image,
            name: "registry.example/app:1".into(),
            digest: Digest::of(b"app"),
            verdicts: vec![verdict],
            findings: None,
        };
        let at = "2026-11-23T21:30:00Z".parse().unwrap();
        let written = Judgement {
            policy: Digest::of(b"policy"),
            at,
            gates: vec!["signatures"],
            kev: None,
            vex: vec![],
            items: vec![item],
        };
        let kept = KeptJudgement::parse(&json::encode(&written)).unwrap();
        assert_eq!((kept.policy, kept.at), (written.policy, written.at));
        let found: Vec<&KeptVerdict> = kept.verdicts("registry.example/app:1").collect();
        let wanted = KeptVerdict {
            gate: "signatures".into(),
            outcome: "warned".into(),
            rule: "signatures[1] (**)".into(),
            warnings: vec!["a warning".into()],
            facts: vec!["a fact".into()],
        };
        assert_eq!(found, [&wanted]);
        assert_eq!(kept.verdicts("registry.example/other:1").count(), 0);
    }

    #[test]
    fn what_is_inside_speaks_for_its_repository_where_it_is_alone() {
        let item = |name: &str, platform: &str| {
            let platform = serde_json::json!({"created": "2026-11-23T00:00:00Z", "findings": [],
                "manifest": Digest::of(b"m"), "platform": platform, "report": Digest::of(b"r"), "secrets": 0});
            serde_json::json!({"name": name, "verdicts": [], "findings": {"platforms": [platform]}})
        };
        let written = serde_json::json!({"policy": Digest::of(b"policy"), "at": "2026-11-23T21:30:00Z", "items": [
            item("ghcr.io/demo/web:1", "linux/amd64"),
            item("ghcr.io/demo/db:1", "linux/amd64"),
            item("ghcr.io/demo/db:2", "linux/arm64"),
            item("ghcr.io/demo/refused:1", "linux/amd64"),
            {"name": "ghcr.io/demo/chart:1", "verdicts": []},
        ]});
        let kept = KeptJudgement::parse(written.to_string().as_bytes()).unwrap();
        let found = kept.findings(|name| name != "ghcr.io/demo/refused:1");
        let mut found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, findings)| (name.as_str(), findings.platforms[0].platform.as_str()))
            .collect();
        found.sort_unstable();
        let wanted = [
            ("ghcr.io/demo/db:1", "linux/amd64"),
            ("ghcr.io/demo/db:2", "linux/arm64"),
            ("ghcr.io/demo/web", "linux/amd64"),
            ("ghcr.io/demo/web:1", "linux/amd64"),
        ];
        assert_eq!(found, wanted);
    }
}
