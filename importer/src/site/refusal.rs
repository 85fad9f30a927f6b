//! The receipt of an archive that was refused: that somebody brought it, when, and why nothing of it came in. The same of a
//! trust file or policy that was not put in force.
//!
//! It may be about something that nobody signed, so everything in it that was not verified is short: who can put a
//! file before the importer must not be able to fill its disk.

use console::Failures;
use manifests::key::PrivateKey;
use manifests::receipt::{ArchiveRecord, ChangeRecord, Receipt, State};
use manifests::summary::VerificationResult;
use manifests::{Digest, Timestamp, limits};

use super::receipts::Draft;
use super::summaries::{Subject, Summaries};
use super::{Site, SiteError};

/// What was refused, and what it was held to.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    /// The archive, where its signature and its bytes were good.
    pub(crate) archive: Option<&'a (ArchiveRecord, Subject)>,
    /// The trust file or policy, where it was one.
    pub(crate) change: Option<ChangeRecord>,
    /// Every reason.
    pub(crate) failures: &'a Failures,
    /// The digests of the trust files, the site's first.
    pub(crate) trusts: Vec<Digest>,
    /// The digests of the policies, the site's first.
    pub(crate) policies: Vec<Digest>,
}

impl Site {
    /// The receipt of a refusal, without its place in the chain.
    ///
    /// # Errors
    /// When the key does not sign, or the disk fails.
    pub(crate) fn refusal(
        &self,
        refused: Refused<'_>,
        now: Timestamp,
        key: &PrivateKey,
    ) -> Result<Draft, SiteError> {
        let Refused { archive, change, failures, trusts, policies } = refused;
        let verification = self.verification(now, VerificationResult::Failed);
        let mut summaries = Summaries::new(self.receipts());
        if let Some((_, subject)) = archive {
            summaries.push(&subject.sign(&verification, key)?)?;
        }
        let identity = archive.map(|(record, _)| record.identity);
        let annexes = identity.map(|identity| self.annexes_about(identity)).transpose()?;
        let receipt = Receipt {
            annexes: annexes.unwrap_or_default(),
            archive: archive.map(|(record, _)| record.clone()),
            change,
            policy_digests: policies,
            reasons: reasons(failures),
            summary: summaries.first(),
            trust_digests: trusts,
            ..self.blank(State::Refused, now)
        };
        Ok(Draft { receipt, summaries })
    }
}

/// The reasons, as many and as much of each as a receipt holds.
fn reasons(failures: &Failures) -> Vec<String> {
    let mut reasons: Vec<String> =
        failures.iter().take(limits::REFUSAL_REASONS).map(|failure| shortened(failure.to_string())).collect();
    let more = failures.iter().count().saturating_sub(limits::REFUSAL_REASONS);
    if more > 0 {
        reasons.push(format!("and {more} more reasons"));
    }
    reasons
}

fn shortened(mut reason: String) -> String {
    const MORE: &str = "...";
    if reason.len() > limits::REFUSAL_REASON_BYTES {
        reason.truncate(reason.floor_char_boundary(limits::REFUSAL_REASON_BYTES - MORE.len()));
        reason.push_str(MORE);
    }
    reason
}

#[cfg(test)]
mod tests {
    use super::*;
    use console::{Class, Failure};

    #[test]
    fn the_reasons_are_bounded_in_number_and_length() {
        let one = Failure::new(Class::Refused, "item", "\u{e4}".repeat(10_000));
        let reasons = reasons(&Failures::of(vec![one; 1_500]));
        assert_eq!(reasons.len(), limits::REFUSAL_REASONS + 1);
        assert!(reasons.iter().all(|reason| reason.len() <= limits::REFUSAL_REASON_BYTES), "each is short");
        assert!(reasons[0].starts_with("item: ") && reasons[0].ends_with("..."), "{}", reasons[0]);
        assert!(reasons[0].len() >= limits::REFUSAL_REASON_BYTES - 1, "a letter of two bytes may not fit");
        let whole = "a".repeat(limits::REFUSAL_REASON_BYTES);
        assert_eq!(shortened(whole.clone()), whole);
        assert_eq!(reasons[1_000], "and 500 more reasons");
    }
}
