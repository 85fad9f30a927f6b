//! Lock -> Judged: every item through every gate, offline, from the evidence alone, by policy.

use console::input::PolicyFile;
use console::judging::{self, Knowledge};
use console::{Failures, clock};
use gates::malware::Searches;
use gates::vulnerability::Submissions;
use gates::{Before, Clock, Grounds, Judgement};
use manifests::lock::Lock;
use manifests::{Timestamp, json};

use crate::beside::{Beside, SmallFiles};
use crate::write::GENERATOR;

/// A lock that may be written into an archive.
#[derive(Debug)]
pub(crate) struct Judged {
    lock: Lock,
    judgement: Option<Judgement>,
}

impl Judged {
    /// What was judged.
    pub(crate) const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// What the gates said; nothing without a policy.
    pub(crate) const fn judgement(&self) -> Option<&Judgement> {
        self.judgement.as_ref()
    }
}

/// Judges a lock by a policy, or by none.
///
/// # Errors
/// Every reason against every item; each gate that the policy names and that this version lacks.
pub(crate) fn judge(
    lock: Lock,
    beside: &Beside,
    policy: Option<&PolicyFile>,
    knowledge: &Knowledge,
) -> Result<Judged, Failures> {
    let Some(file) = policy else { return Ok(Judged { lock, judgement: None }) };
    let judgement = by_policy(&lock, beside, &without_malware(file), knowledge, clock::now())?;
    let failures = judging::refusals(std::slice::from_ref(&judgement));
    Failures::unless_empty(failures, Judged { lock, judgement: Some(judgement) })
}

/// What can be judged before the content is there. Malware is looked for in the whole archive, before it is signed:
/// [`crate::malware`].
fn without_malware(file: &PolicyFile) -> PolicyFile {
    let mut file = file.clone();
    file.policy.malware = None;
    file.policy.gates.retain(|gate| *gate != gates::malware::GATE);
    file
}

/// What the gates of a policy say about a lock, without a search for malware.
///
/// # Errors
/// Each gate that the policy names and that this version lacks; a trusted root that is none.
pub(crate) fn by_policy(
    lock: &Lock,
    beside: &Beside,
    file: &PolicyFile,
    knowledge: &Knowledge,
    now: Timestamp,
) -> Result<Judgement, Failures> {
    let nothing = Searches::of(json::digest(&lock.inventory(GENERATOR)));
    by_searches(lock, beside, file, knowledge, &nothing, now)
}

/// What the gates of a policy say about a lock whose content was searched for malware.
///
/// # Errors
/// As [`by_policy`].
pub(crate) fn by_searches(
    lock: &Lock,
    beside: &Beside,
    file: &PolicyFile,
    knowledge: &Knowledge,
    searches: &Searches,
    now: Timestamp,
) -> Result<Judgement, Failures> {
    judging::check_gates(file)?;
    let grounds = Grounds {
        content: &SmallFiles(beside),
        roots: &judging::roots(file, &[])?,
        clock: Clock::at(now),
        kev: knowledge.kev.as_ref(),
        vex: &knowledge.vex,
        // What is inside, only a site knows.
        before: &Before::default(),
        submitted: &Submissions::new(),
        searches,
    };
    Ok(gates::judge(&lock.inventory(GENERATOR).items, &file.policy, &grounds))
}
