//! Lock -> Judged: every item through every gate, offline, from the evidence alone, by policy.
//!
//! This version has no gates yet. A policy that names one is refused rather than read as if it did not.

use std::path::Path;

use console::{Class, Failure, Failures};
use manifests::lock::Lock;
use manifests::policy::Policy;

/// A lock that may be written into an archive.
#[derive(Debug)]
pub(crate) struct Judged {
    lock: Lock,
    verdicts: Vec<Verdict>,
}

/// What a gate says about an item. There are no gates yet, so there is no verdict either.
#[derive(Debug, serde::Serialize)]
pub(crate) enum Verdict {}

impl Judged {
    /// What was judged.
    pub(crate) const fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The verdicts, one a gate and item.
    pub(crate) fn verdicts(&self) -> &[Verdict] {
        &self.verdicts
    }
}

/// Judges a lock by a policy, or by none.
///
/// # Errors
/// Each gate that the policy names and that this version lacks.
pub(crate) fn judge(lock: Lock, policy: Option<(&Path, &Policy)>) -> Result<Judged, Failures> {
    let lacking = policy.into_iter().flat_map(|(path, policy)| {
        policy.gates.iter().map(move |gate| {
            let message = format!("found the gate {gate:?}, which this version lacks");
            Failure::new(Class::Refused, path.display(), message)
                .advise("nothing would be judged by it; use a newer Airgap, or a policy without it")
        })
    });
    Failures::unless_empty(lacking.collect(), Judged { lock, verdicts: Vec::new() })
}
