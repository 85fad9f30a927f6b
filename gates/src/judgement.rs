//! All gates of a policy over items of an inventory.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap, HashSet};

use manifests::inventory::{Item, ItemKind};
use manifests::policy::Policy;
use manifests::{Digest, Reference, Timestamp};
use serde::Serialize;

use crate::malware::{self, Searches};
use crate::signature::{self, Attested, Roots};
use crate::vulnerability::{
    self, Context, Findings, Form, Kev, Provenance, Report, Submissions, VEX_PREDICATE,
    VULNERABILITY_PREDICATE, Vex,
};
use crate::{Clock, Content, Outcome, Subject, Verdict};

/// The gates that this version has, by their names in a policy.
pub const GATES: [&str; 3] = [signature::GATE, vulnerability::GATE, malware::GATE];

/// What is judged from, beside the policy.
#[derive(Clone, Copy)]
pub struct Grounds<'a> {
    /// Where manifests and evidence are read.
    pub content: &'a dyn Content,
    /// The trusted roots that the policy names.
    pub roots: &'a Roots,
    /// The moments that are judged by.
    pub clock: Clock,
    /// The known exploited vulnerabilities, where a list is at hand.
    pub kev: Option<&'a Kev>,
    /// What is said about findings.
    pub vex: &'a [Vex],
    /// What is inside already.
    pub before: &'a Before,
    /// The reports that approvers stood on; `content` has their bytes.
    pub submitted: &'a Submissions,
    /// The searches for malware that approvers stood on, or that were made for this judgement.
    pub searches: &'a Searches,
}

/// What is known of the items of the newest archive that is inside already, by their names without tag and digest.
#[derive(Debug, Clone, Default)]
pub struct Before {
    /// Those that were signed.
    pub signed: HashSet<String>,
    /// What was found in them; by their full names as well.
    pub findings: HashMap<String, Findings>,
}

impl Before {
    /// Adds what another judgement of the same items found. What was let in on a condition by one policy was so, whatever
    /// another one made of it.
    pub fn add(&mut self, findings: HashMap<String, Findings>) {
        for (name, found) in findings {
            match self.findings.entry(name) {
                Entry::Vacant(entry) => drop(entry.insert(found)),
                Entry::Occupied(mut entry) => entry.get_mut().platforms.extend(found.platforms),
            }
        }
    }

    /// What was found in the version inside: in the item of this name, or in the one of its repository.
    #[must_use]
    pub fn of(&self, name: &str) -> Option<&Findings> {
        self.findings.get(name).or_else(|| self.findings.get(&repository(name)))
    }
}

/// An item's name without tag and digest.
#[must_use]
pub fn repository(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |name| name.repository().to_string())
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
    /// The list of known exploited vulnerabilities that was at hand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kev: Option<Digest>,
    /// The VEX documents that were at hand, beside those that the items' evidence has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub vex: Vec<Digest>,
    /// The items, in the inventory's order.
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
    /// Every vulnerability that was found, where that gate judged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub findings: Option<Findings>,
}

/// The gates that a policy names and that this version does not have. A gate that is passed over would read as
/// passed, so a caller refuses such a policy.
#[must_use]
pub fn lacking(policy: &Policy) -> Vec<&'static str> {
    policy.gates.iter().copied().filter(|gate| !GATES.contains(gate)).collect()
}

/// Judges these items by every gate that the policy has a section for.
#[must_use]
pub fn judge<'a>(
    items: impl IntoIterator<Item = &'a Item>,
    policy: &Policy,
    grounds: &Grounds<'_>,
) -> Judgement {
    let judged = items.into_iter().map(|item| judge_item(item, policy, grounds));
    let gates = GATES.into_iter().filter(|gate| policy.gates.contains(gate)).collect();
    Judgement {
        policy: policy.digest(),
        at: grounds.clock.now,
        gates,
        kev: grounds.kev.map(Kev::digest),
        vex: grounds.vex.iter().map(Vex::digest).collect(),
        items: judged.collect(),
    }
}

fn judge_item(item: &Item, policy: &Policy, grounds: &Grounds<'_>) -> JudgedItem {
    let Grounds { content, roots, clock, kev, vex, before, submitted, searches } = *grounds;
    let subject = Subject { item, content };
    let repository = repository(&item.name);
    let (mut verdicts, mut attested) = (Vec::new(), Vec::new());
    let mut unread = None;
    let mut signed_vex = Vec::new();
    if let Some(rules) = &policy.signatures {
        let was_signed = before.signed.contains(&repository);
        let mut verdict = signature::judge(subject, rules, roots, clock.now, was_signed);
        verdict.refuse(misnamed(subject));
        verdicts.push(verdict);
        match signature::attested(subject, rules, roots, VULNERABILITY_PREDICATE) {
            Ok(reports) => attested.extend(reports.into_iter().map(report)),
            Err(reason) => unread = Some(format!("the attested reports: {reason}")),
        }
        // VEX can only lower a finding, so what cannot be read is as good as not there.
        let signed = signature::attested(subject, rules, roots, VEX_PREDICATE).unwrap_or_default();
        signed_vex.extend(signed.into_iter().filter_map(|vex| Vex::of_statement(&vex.payload, vex.by).ok()));
    }
    let mut findings = None;
    if let Some(rules) = &policy.vulnerabilities {
        let vex: Vec<&Vex> = vex.iter().chain(&signed_vex).collect();
        let context = Context { kev, clock, previous: before.of(&item.name), submitted, vex: &vex };
        let mut judged = vulnerability::judge(subject, rules, &attested, &context);
        judged.verdict.refuse(unread);
        verdicts.push(judged.verdict);
        findings = Some(judged.findings);
    }
    if let Some(rules) = &policy.malware {
        verdicts.push(malware::judge(subject, rules, searches, clock));
    }
    JudgedItem { kind: item.kind, name: item.name.clone(), digest: item.published.digest, verdicts, findings }
}

/// The kind of an item is its preparer's word, and rules ask by kind: what is called something else would choose its
/// rule. Where it cannot be told, it may be an image.
fn misnamed(subject: Subject<'_>) -> Option<String> {
    let (said, found) = (subject.item.kind, vulnerability::kind(subject));
    match found {
        Ok(found) if found == said => None,
        Ok(found) => {
            Some(format!("found {} that is called {}, wanted it called what it is", a(found), a(said)))
        }
        Err(_) if said == ItemKind::Image => None,
        Err(reasons) => {
            Some(format!("found something called {} that may be an image: {}", a(said), reasons.join("; ")))
        }
    }
}

fn a(kind: ItemKind) -> String {
    let article = if kind == ItemKind::Chart { "a" } else { "an" };
    format!("{article} {kind}")
}

/// A report that somebody signed, as the vulnerability gate takes it.
fn report(attested: Attested) -> Report {
    let Attested { about, payload, by } = attested;
    let provenance = Provenance::Attested { by };
    Report { about: Some(about), bytes: payload, form: Form::Statement, provenance }
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

    /// Item by item, which rule decided and why: lines for people, each to be escaped by whoever shows it.
    #[must_use]
    pub fn explain(&self) -> Vec<String> {
        let mut said = Vec::new();
        for JudgedItem { kind, name, digest, verdicts, .. } in &self.items {
            said.extend([format!("{kind} {name}"), format!("  {digest}")]);
            for Verdict { outcome, rule, reasons, warnings, facts, .. } in verdicts {
                said.push(format!("  {:<8} {rule}", outcome.as_str()));
                for (label, lines) in [("against", reasons), ("note", warnings), ("found", facts)] {
                    said.extend(lines.iter().map(|line| format!("    {label:<8} {line}")));
                }
            }
        }
        said
    }
}

/// What stands in the place of a verdict where no gate is configured.
pub const NOTHING: &str = "0 gates: nothing was judged";

#[cfg(test)]
mod tests;
