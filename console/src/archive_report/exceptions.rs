//! What a policy accepts for a while: who answers for it, until when, and whether this archive needs it.

use gates::{JudgedItem, Judgement};
use manifests::inventory::{Inventory, Item};
use manifests::policy::vulnerabilities::{Exception as Accepted, ExceptionImage};
use manifests::policy::{Policy, Requirement, Signatures, Waiver};
use manifests::{Digest, Timestamp};
use serde::Serialize;

use super::{Judged, judged};

/// Something that somebody answers for.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Exception {
    /// Where it stands in the policy.
    pub place: String,
    /// What is accepted.
    pub what: String,
    /// The items that it is written for: a pattern or a digest.
    pub scope: String,
    /// Who answers for it.
    pub owner: String,
    /// Why it is acceptable.
    pub statement: String,
    /// When it ends.
    pub until: String,
    /// Whether it holds.
    pub standing: Standing,
    /// The items of this archive that it is about.
    pub items: Vec<String>,
}

/// Whether an exception holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "why")]
pub enum Standing {
    /// It holds.
    Holds,
    /// It does not, for this reason.
    DoesNotHold(String),
}

/// The exceptions of a policy: of signatures, then of findings.
pub(super) fn of(
    policy: &Policy,
    inventory: &Inventory,
    judgement: Option<&Judgement>,
    now: Timestamp,
) -> Vec<Exception> {
    let mut all: Vec<Exception> =
        policy.signatures.iter().flat_map(|rules| waivers(rules, inventory, now)).collect();
    let accepted = policy.vulnerabilities.iter().flat_map(|rules| rules.exceptions.iter().enumerate());
    let judged = judged(judgement);
    all.extend(accepted.map(|(at, exception)| finding(at, exception, inventory, &judged, now)));
    all
}

fn waivers(rules: &Signatures, inventory: &Inventory, now: Timestamp) -> Vec<Exception> {
    let numbered = rules.rules().iter().enumerate();
    let waived = numbered.filter_map(|(at, rule)| match &rule.requirement {
        Requirement::Unsigned(waiver) => Some((at, rule, waiver)),
        Requirement::Signed(_) | Requirement::Attested | Requirement::Denied => None,
    });
    let exception = |(at, rule, waiver): (usize, &manifests::policy::SignatureRule, &Waiver)| {
        let is_about =
            |item: &&Item| rules.rule_for(&item.name, item.kind).is_some_and(|(number, _)| number == at);
        let ended = format!("ended at {}", waiver.until);
        Exception {
            place: format!("signatures[{at}]"),
            what: "no signature".to_owned(),
            scope: rule.pattern.to_string(),
            owner: waiver.owner.clone(),
            statement: waiver.reason.clone(),
            until: waiver.until.to_string(),
            standing: standing((now >= waiver.until).then_some(ended)),
            items: inventory.items.iter().filter(is_about).map(|item| item.name.clone()).collect(),
        }
    };
    waived.map(exception).collect()
}

fn finding(
    at: usize,
    exception: &Accepted,
    inventory: &Inventory,
    judged: &Judged<'_>,
    now: Timestamp,
) -> Exception {
    let items = inventory.items.iter().filter(|item| {
        let judged = judged.get(&(item.kind, item.name.as_str(), item.published.digest));
        judged.is_some_and(|judged| has(exception, item, judged))
    });
    Exception {
        place: format!("vulnerabilities.exceptions[{at}]"),
        what: format!("{} in {}", exception.id, exception.package),
        scope: match &exception.image {
            ExceptionImage::Digest(digest) => digest.to_string(),
            ExceptionImage::Match(pattern) => pattern.to_string(),
        },
        owner: exception.owner.clone(),
        statement: exception.statement.clone(),
        until: exception.until.to_string(),
        standing: standing(exception.invalid_at(now)),
        items: items.map(|item| item.name.clone()).collect(),
    }
}

/// Whether an item has the finding that an exception is about.
fn has(exception: &Accepted, item: &Item, judged: &JudgedItem) -> bool {
    let platforms = judged.findings.iter().flat_map(|findings| &findings.platforms);
    platforms.into_iter().any(|platform| {
        let digests: [Digest; 3] = [platform.manifest, item.published.digest, item.source.digest];
        let is_named = platform.findings.iter().any(|finding| finding.is_named_by(exception));
        is_named && exception.is_about(&item.name, &digests)
    })
}

fn standing(against: Option<String>) -> Standing {
    against.map_or(Standing::Holds, Standing::DoesNotHold)
}
