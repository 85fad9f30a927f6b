//! The receipt of a refusal, which load and publish leave alike, and what would change trust or policy.

use console::{Class, Failure, Failures, clock};
use manifests::key::PrivateKey;
use manifests::receipt::{ArchiveRecord, ChangeRecord};

use super::judge::Judge;
use super::notice;
use crate::cli::Global;
use crate::site::Site;
use crate::site::receipts::Listed;
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
    leave(failures, global, |failures| {
        let (trusts, policies) = judge.held_to();
        let refused = Refused { archive, change: None, failures, trusts, policies };
        issue(judge.writer()?, refused, key)
    })
}

/// The same of a trust file or a policy that was not put in force.
pub(super) fn refuse_change(
    site: &mut Site,
    change: ChangeRecord,
    failures: Failures,
    key: &PrivateKey,
    global: &Global,
) -> Failures {
    leave(failures, global, |failures| {
        let (trusts, policies) = (vec![site.trust().digest()], vec![site.policy().policy.digest()]);
        let refused = Refused { archive: None, change: Some(change), failures, trusts, policies };
        issue(site, refused, key)
    })
}

fn issue(site: &mut Site, refused: Refused<'_>, key: &PrivateKey) -> Result<Listed, Failure> {
    let draft = site.refusal(refused, clock::now(), key)?;
    Ok(site.issue(draft, key)?)
}

/// Issues the receipt where the failures are a refusal, and says where it is, or that it could not be written.
fn leave(
    failures: Failures,
    global: &Global,
    issue: impl FnOnce(&Failures) -> Result<Listed, Failure>,
) -> Failures {
    if !matches!(failures.class(), Class::Refused | Class::Damaged) {
        return failures;
    }
    match issue(&failures) {
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
