//! Lock -> Judged: every item through every gate, offline, from the evidence alone, by policy.

use std::path::Path;

use console::input::PolicyFile;
use console::{Class, Failure, Failures, clock};
use gates::signature::Roots;
use gates::{Content, Grounds, Judgement, Unreadable};
use manifests::Descriptor;
use manifests::lock::Lock;

use crate::beside::Beside;
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

/// The files beside a lock, as gates read them.
struct SmallFiles<'a>(&'a Beside);

impl Content for SmallFiles<'_> {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        self.0.load(wanted).map_err(|error| Unreadable(error.to_string()))
    }
}

/// Judges a lock by a policy, or by none.
///
/// # Errors
/// Every reason against every item; each gate that the policy names and that this version lacks.
pub(crate) fn judge(
    lock: Lock,
    beside: &Beside,
    policy: Option<(&Path, &PolicyFile)>,
) -> Result<Judged, Failures> {
    let judgement = policy.map(|(path, policy)| by_policy(&lock, beside, path, policy)).transpose()?;
    let refused = judgement.iter().flat_map(Judgement::refusals);
    let failures = refused.map(|(item, reason)| Failure::new(Class::Refused, item, reason));
    Failures::unless_empty(failures.collect(), Judged { lock, judgement })
}

fn by_policy(lock: &Lock, beside: &Beside, path: &Path, file: &PolicyFile) -> Result<Judgement, Failures> {
    let lacking = gates::lacking(&file.policy).into_iter().map(|gate| {
        let message = format!("found the gate {gate:?}, which this version lacks");
        Failure::new(Class::Refused, path.display(), message)
            .advise("nothing would be judged by it; use a newer Airgap, or a policy without it")
    });
    Failures::unless_empty(lacking.collect(), ())?;
    let named = file.policy.signatures.as_ref().map_or(&[][..], |signatures| signatures.roots());
    let given = file.roots.iter().map(|(digest, bytes)| (*digest, bytes.as_slice()));
    let roots =
        Roots::new(named, given).map_err(|error| Failure::new(Class::Usage, path.display(), error))?;
    let grounds =
        Grounds { content: &SmallFiles(beside), roots: &roots, now: clock::now(), was_signed: &|_| false };
    Ok(gates::judge(&lock.inventory(GENERATOR), &file.policy, &grounds))
}
