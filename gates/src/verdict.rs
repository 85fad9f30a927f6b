//! What a gate says about an item.

use serde::Serialize;

/// A judgement of one item by one gate. The same inputs give the same bytes on both sides of the gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// The gate, by its name in the policy.
    pub gate: &'static str,
    /// What was decided.
    pub outcome: Outcome,
    /// Which rule of the policy decided: `signatures[2] (ghcr.io/openova-io/**)`.
    pub rule: String,
    /// Why it is refused: every reason, not the first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// What a person should know, and what does not refuse it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What was established, for the report: who signed, what was found.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub facts: Vec<String>,
}

/// What a gate decides. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Nothing against it.
    Passed,
    /// It may pass, and somebody should look.
    Warned,
    /// It must not pass.
    Refused,
}

impl Outcome {
    /// As people read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Warned => "warned",
            Self::Refused => "refused",
        }
    }
}

impl Verdict {
    /// Adds a reason against the item, where there is one.
    pub(crate) fn refuse(&mut self, reason: Option<String>) {
        if let Some(reason) = reason {
            self.reasons.push(reason);
            self.outcome = Outcome::Refused;
        }
    }
}
