//! The signature gate: who signed an item upstream, and whether the policy asks for just that.
//!
//! ```text
//! evidence -> Candidate -> signed by whom (signer) -> about what (statement) -> Verdict
//! ```
//!
//! Legacy tags (`.sig`, `.att`) and referrers are read alike, by the media types of their layers: artifact
//! types are missing in fallback indexes, and annotations are not signed. What was signed is the only thing
//! that says what it is. A certificate is judged at the time that a log of a trusted root gave the signature,
//! and its chain ends in that root by certificates of that root alone.

mod attested;
mod candidate;
mod claim;
mod digests;
mod legacy;
mod model;
mod provenance;
mod reason;
mod roots;
mod shapes;
mod signer;
mod statement;
mod threshold;

pub use attested::{Attested, attested};
pub use candidate::{Candidate, Layout, candidates};
pub use claim::{Claim, ClaimedBy, claimed, claims_signed};
use manifests::policy::{Requirement, SignatureRule, Signatures, Waiver};
use manifests::{Digest, Timestamp};
pub use provenance::has_provenance;
pub use reason::Reason;
pub use roots::{RootError, Roots};
pub use signer::{Signed, SignedAt, verify};
pub use statement::Purpose;

use crate::{Outcome, Subject, Verdict};

/// The gate's name in a policy.
pub const GATE: &str = "signatures";

/// Judges the signatures of an item. `now` is for the ends of waivers only: certificates are judged at the
/// time of their log entries. `was_signed` is whether this item's name was found signed before: then a waiver
/// does not take its place.
#[must_use]
pub fn judge(
    subject: Subject<'_>,
    rules: &Signatures,
    roots: &Roots,
    now: Timestamp,
    was_signed: bool,
) -> Verdict {
    let item = subject.item;
    let mut verdict = Verdict {
        gate: GATE,
        outcome: Outcome::Passed,
        rule: format!("{GATE} (no rule)"),
        reasons: Vec::new(),
        warnings: Vec::new(),
        facts: Vec::new(),
    };
    let Some((number, rule)) = rules.rule_for(&item.name, item.kind) else {
        verdict.reasons.push(format!(
            "found no rule about this {}, wanted one: what no rule is about is refused",
            item.kind
        ));
        verdict.outcome = Outcome::Refused;
        return verdict;
    };
    verdict.rule = format!("{GATE}[{number}] ({})", rule.pattern);
    match &rule.requirement {
        Requirement::Denied => {
            verdict.reasons.push("found an item that the rule denies, signed or not".to_owned());
        }
        Requirement::Unsigned(waiver) => {
            waive(waiver, now, was_signed, &mut verdict);
            check(subject, rule, roots, &mut verdict);
        }
        Requirement::Signed(_) | Requirement::Attested => check(subject, rule, roots, &mut verdict),
    }
    verdict.outcome = match (verdict.reasons.is_empty(), verdict.warnings.is_empty()) {
        (false, _) => Outcome::Refused,
        (true, false) => Outcome::Warned,
        (true, true) => Outcome::Passed,
    };
    verdict
}

fn waive(waiver: &Waiver, now: Timestamp, was_signed: bool, verdict: &mut Verdict) {
    let Waiver { reason, owner, until } = waiver;
    if now >= *until {
        verdict.reasons.push(format!(
            "found accept: unsigned by {owner} that ended at {until}, wanted a signature or a new decision"
        ));
    }
    if was_signed {
        verdict.reasons.push(
            "found an item that was signed before and would be accepted unsigned now, wanted a rule for its signer"
                .to_owned(),
        );
    }
    verdict.warnings.push(format!("accepted unsigned until {until} by {owner}: {reason}"));
}

/// Everything that a rule asks about every digest that it asks about.
fn check(subject: Subject<'_>, rule: &SignatureRule, roots: &Roots, verdict: &mut Verdict) {
    let digests = match digests::asked(subject, rule.platforms) {
        Ok(digests) => digests,
        Err(reason) => return verdict.reasons.push(reason.to_string()),
    };
    for digest in digests {
        match candidates(subject, digest) {
            Ok(candidates) => {
                check_digest(digest, &candidates, rule, roots, verdict);
                check_model(subject, digest, &candidates, rule, roots, verdict);
            }
            Err(reason) => verdict.reasons.push(format!("{digest}: {reason}")),
        }
    }
}

fn check_digest(
    digest: Digest,
    candidates: &[Candidate],
    rule: &SignatureRule,
    roots: &Roots,
    verdict: &mut Verdict,
) {
    if let Requirement::Signed(signers) = &rule.requirement {
        record(digest, threshold::met(&Purpose::Signature, digest, signers, candidates, roots), verdict);
    }
    for attestation in
        rule.attestations.iter().filter(|attestation| attestation.predicate_type != model::MODEL)
    {
        let purpose = Purpose::Attestation(attestation.predicate_type.clone());
        let signers = std::slice::from_ref(&attestation.signer);
        record(digest, threshold::met(&purpose, digest, signers, candidates, roots), verdict);
    }
}

/// Signatures of a model name its files, and not its manifest.
fn check_model(
    subject: Subject<'_>,
    digest: Digest,
    candidates: &[Candidate],
    rule: &SignatureRule,
    roots: &Roots,
    verdict: &mut Verdict,
) {
    for attestation in
        rule.attestations.iter().filter(|attestation| attestation.predicate_type == model::MODEL)
    {
        let purpose = Purpose::Attestation(attestation.predicate_type.clone());
        let signers = std::slice::from_ref(&attestation.signer);
        match model::files(subject) {
            Ok(files) => {
                let candidates = model::held_to(candidates, &files);
                let about = model::subject(&files);
                record(digest, threshold::met(&purpose, about, signers, &candidates, roots), verdict);
            }
            Err(reason) => verdict.reasons.push(format!("{digest}: {reason}")),
        }
    }
}

fn record(digest: Digest, found: Result<Vec<String>, Vec<String>>, verdict: &mut Verdict) {
    let (lines, list) = match found {
        Ok(facts) => (facts, &mut verdict.facts),
        Err(reasons) => (reasons, &mut verdict.reasons),
    };
    for line in lines {
        let line = format!("{digest}: {line}");
        if !list.contains(&line) {
            list.push(line);
        }
    }
}

#[cfg(test)]
mod tests;
