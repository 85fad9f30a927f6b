//! The receipt of a refusal, which load and publish leave alike.

use console::{Class, Failures, clock};
use manifests::key::PrivateKey;
use manifests::receipt::ArchiveRecord;

use super::judge::Judge;
use super::notice;
use crate::cli::Global;
use crate::site::refusal::Refused;
use crate::site::summaries::Subject;

/// An archive that was opened, for the receipt of its refusal.
pub(super) type Opened = (ArchiveRecord, Subject);

/// Leaves a receipt of a refusal. What is worth another try, or was wrong use, is none. The refusal stands whatever
/// becomes of its receipt.
pub(super) fn refuse(
    judge: &mut Judge,
    archive: Option<&Opened>,
    failures: Failures,
    key: &PrivateKey,
    global: &Global,
) -> Failures {
    if !matches!(failures.class(), Class::Refused | Class::Damaged) {
        return failures;
    }
    let (trusts, policies) = judge.held_to();
    let refused = Refused { archive, failures: &failures, trusts, policies };
    let issued = judge.writer().and_then(|site| {
        let draft = site.refusal(refused, clock::now(), key)?;
        Ok(site.issue(draft, key)?)
    });
    match issued {
        Ok(issued) => {
            notice(global, &[format!("the refusal is in the receipt {}", issued.path.display())]);
            failures
        }
        Err(mut failure) => {
            failure.message =
                format!("the receipt of this refusal could not be written: {}", failure.message);
            Failures::of(failures.into_iter().chain([failure]).collect())
        }
    }
}
