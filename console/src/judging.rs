//! What both binaries do around a judgement: what it is judged from, and what its refusals are.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use gates::signature::Roots;
use gates::vulnerability::{Kev, Vex};
use gates::{Content, Judgement};
use manifests::inventory::Inventory;
use manifests::policy::Signatures;
use manifests::{Descriptor, Digest, limits};

use crate::input::{self, PolicyFile};
use crate::{Class, Failure, Failures};

/// What is known of vulnerabilities beside the reports.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// The known exploited ones.
    pub kev: Option<Kev>,
    /// What is said about findings.
    pub vex: Vec<Vex>,
    /// The bytes of both, each with what it is: `kev` or `vex`.
    pub files: Vec<(&'static str, Vec<u8>)>,
}

impl Knowledge {
    /// Reads the files that were given.
    ///
    /// # Errors
    /// When one cannot be read, or is not what it should be.
    pub fn read(kev: Option<&Path>, vex: &[PathBuf]) -> Result<Self, Failure> {
        let usage = |path: &Path, error: String| Failure::new(Class::Usage, path.display(), error);
        let mut known = Self::default();
        if let Some(path) = kev {
            let bytes = input::read(path, limits::EVIDENCE_BYTES)?;
            known.kev = Some(Kev::parse(&bytes).map_err(|error| usage(path, error.to_string()))?);
            known.files.push(("kev", bytes));
        }
        for path in vex {
            let bytes = input::read(path, limits::EVIDENCE_BYTES)?;
            known.vex.push(Vex::parse(&bytes, None).map_err(|error| usage(path, error.to_string()))?);
            known.files.push(("vex", bytes));
        }
        Ok(known)
    }
}

/// The trusted roots that a policy names: of its own files, and of `more`. It names them by digest, so that it does
/// not matter where they come from.
///
/// # Errors
/// When one is not what its digest says, or no trusted root.
pub fn roots(file: &PolicyFile, more: &[(Digest, Vec<u8>)]) -> Result<Roots, Failure> {
    let named = file.policy.signatures.as_ref().map_or(&[][..], |signatures| signatures.roots());
    let given = file.roots.iter().chain(more).map(|(digest, bytes)| (*digest, bytes.as_slice()));
    Roots::new(named, given).map_err(|error| Failure::new(Class::Usage, about(file), error))
}

/// The trusted roots that a policy names and that are in an archive, each where it is small enough for a document.
#[must_use]
pub fn carried_roots(
    file: &PolicyFile,
    inventory: &Inventory,
    content: &dyn Content,
) -> Vec<(Digest, Vec<u8>)> {
    let named = file.policy.signatures.iter().flat_map(Signatures::roots);
    let carried = |digest: Digest| {
        let size = inventory.carried().find(|blob| blob.digest == digest)?.size;
        let wanted = Descriptor { digest, media_type: String::new(), size };
        (size <= limits::DOCUMENT_BYTES).then(|| content.read(&wanted).ok())?
    };
    named.filter_map(|root| Some((root.digest, carried(root.digest)?))).collect()
}

/// Whether this version has every gate that a policy names. One that is passed over would read as passed.
///
/// # Errors
/// Each gate that it lacks.
pub fn check_gates(file: &PolicyFile) -> Result<(), Failures> {
    let lacking = gates::lacking(&file.policy).into_iter().map(|gate| {
        let message = format!("found the gate {gate} in the policy, which this version does not have");
        Failure::new(Class::Refused, about(file), message)
            .advise("nothing would be judged by it; use a newer Airgap, or a policy without it")
    });
    Failures::unless_empty(lacking.collect(), ())
}

/// Every reason of every gate against every item, once where two policies give the same.
#[must_use]
pub fn refusals(judgements: &[Judgement]) -> Vec<Failure> {
    let mut seen = HashSet::new();
    let all = judgements.iter().flat_map(Judgement::refusals);
    let distinct = all.filter(|refusal| seen.insert(refusal.clone()));
    distinct.map(|(item, reason)| Failure::new(Class::Refused, item, reason)).collect()
}

fn about(file: &PolicyFile) -> String {
    format!("the policy {}", file.policy.digest())
}
