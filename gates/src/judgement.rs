//! All gates of a policy over all items of an inventory.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use manifests::inventory::{Inventory, Item, ItemKind};
use manifests::policy::Policy;
use manifests::{Digest, Timestamp};
use serde::Serialize;

use crate::signature::{self, Roots};
use crate::{Content, Outcome, Subject, Verdict};

/// The gates that this version has, by their names in a policy.
pub const GATES: [&str; 1] = [signature::GATE];

/// What is judged from, beside the policy.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Where manifests and evidence are read.
    pub content: &'a dyn Content,
    /// The trusted roots that the policy names.
    pub roots: &'a Roots,
    /// The moment that is judged by.
    pub now: Timestamp,
    /// Whether an item of this name was found signed before.
    pub was_signed: &'a dyn Fn(&Item) -> bool,
}

/// What the gates of one policy say. The same inputs give the same bytes on both sides of the gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Judgement {
    /// The digest of the policy.
    pub policy: Digest,
    /// The moment that was judged by.
    pub at: Timestamp,
    /// The gates that judged, in the order of the verdicts.
    pub gates: Vec<&'static str>,
    /// Every item, in the inventory's order.
    pub items: Vec<JudgedItem>,
}

/// What the gates say about one item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct JudgedItem {
    /// What it is.
    pub kind: ItemKind,
    /// Its name upstream.
    pub name: String,
    /// What its name points to inside.
    pub digest: Digest,
    /// One verdict a gate.
    pub verdicts: Vec<Verdict>,
}

/// The gates that a policy names and that this version does not have. A gate that is passed over would read as
/// passed, so a caller refuses such a policy.
#[must_use]
pub fn lacking(policy: &Policy) -> Vec<&'static str> {
    policy.gates.iter().copied().filter(|gate| !GATES.contains(gate)).collect()
}

/// Judges every item by every gate that the policy has a section for.
#[must_use]
pub fn judge(inventory: &Inventory, policy: &Policy, grounds: &Grounds<'_>) -> Judgement {
    let judged = inventory.items.iter().map(|item| JudgedItem {
        kind: item.kind,
        name: item.name.clone(),
        digest: item.published.digest,
        verdicts: verdicts(item, policy, grounds),
    });
    let gates = GATES.into_iter().filter(|gate| policy.gates.contains(gate)).collect();
    Judgement { policy: policy.digest(), at: grounds.now, gates, items: judged.collect() }
}

fn verdicts(item: &Item, policy: &Policy, grounds: &Grounds<'_>) -> Vec<Verdict> {
    let Grounds { content, roots, now, was_signed } = *grounds;
    let subject = Subject { item, content };
    let signatures = policy.signatures.as_ref();
    signatures
        .map(|rules| signature::judge(subject, rules, roots, now, was_signed(item)))
        .into_iter()
        .collect()
}

impl Judgement {
    /// Every reason against every item: the item's name, and the rule with the reason.
    pub fn refusals(&self) -> impl Iterator<Item = (&str, String)> {
        self.said(|verdict| &verdict.reasons)
    }

    /// What a person should know, and what refuses nothing.
    pub fn warnings(&self) -> impl Iterator<Item = (&str, String)> {
        self.said(|verdict| &verdict.warnings)
    }

    fn said(&self, what: fn(&Verdict) -> &Vec<String>) -> impl Iterator<Item = (&str, String)> {
        self.items.iter().flat_map(move |item| {
            item.verdicts.iter().flat_map(move |verdict| {
                let line = |text: &String| (item.name.as_str(), format!("{}: {text}", verdict.rule));
                what(verdict).iter().map(line)
            })
        })
    }

    /// `signatures: 12 passed, 1 warned`, one a gate; without a gate, that nothing was judged.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<(&str, Outcome), usize> = BTreeMap::new();
        for verdict in self.items.iter().flat_map(|item| &item.verdicts) {
            *counts.entry((verdict.gate, verdict.outcome)).or_default() += 1;
        }
        let gates = self.gates.iter().map(|gate| {
            let outcomes = [Outcome::Passed, Outcome::Warned, Outcome::Refused];
            let counted = outcomes.into_iter().filter_map(|outcome| {
                let count = counts.get(&(*gate, outcome))?;
                Some(format!("{count} {}", outcome.as_str()))
            });
            format!("{gate}: {}", counted.collect::<Vec<_>>().join(", "))
        });
        let gates: Vec<String> = gates.collect();
        if gates.is_empty() { NOTHING.to_owned() } else { gates.join("; ") }
    }

    /// Item by item, which rule decided and why: for people, with a newline at the end.
    #[must_use]
    pub fn explain(&self) -> String {
        let mut text = String::new();
        for JudgedItem { kind, name, digest, verdicts } in &self.items {
            let _ = writeln!(text, "{kind} {name}\n  {digest}");
            for Verdict { outcome, rule, reasons, warnings, facts, .. } in verdicts {
                let _ = writeln!(text, "  {:<8} {rule}", outcome.as_str());
                for (label, lines) in [("against", reasons), ("note", warnings), ("found", facts)] {
                    for line in lines {
                        let _ = writeln!(text, "    {label:<8} {line}");
                    }
                }
            }
        }
        text
    }
}

/// What stands in the place of a verdict where no gate is configured.
pub const NOTHING: &str = "0 gates: nothing was judged";
