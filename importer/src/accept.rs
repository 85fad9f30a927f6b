//! Accept: a verified archive, judged by this side's own trust, policy, ledger and clock.
//!
//! Beside a site, `--trust` and `--policy` can only be stricter: every trust file and every policy must be
//! met. All reasons against an archive are given, not the first.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::ops::Deref;

use console::input::PolicyFile;
use console::judging::{self, Knowledge};
use console::{Class, Failure, Failures};
use gates::{Clock, Judgement};
use manifests::inventory::Inventory;
use manifests::malware_report::MalwareReport;
use manifests::policy::Decision;
use manifests::receipt::{ExclusionRecord, Receipt};
use manifests::slot::{ArchiveSignature, Verdict};
use manifests::trust::{self, Role, Signer, Trust, TrustError};
use manifests::{Digest, Timestamp, json};
use transfer::archive::{Signed, Verified};

use crate::annex::{self, Annex, Annexes};
use crate::exclusion::{self, Excluded};
use crate::judgement::{self, History};
use crate::rescan::Rescanned;
use crate::site::Site;
use crate::site::archives::KnownArchive;

/// An archive that may be loaded. Only [`accept`] makes one.
#[derive(Debug)]
pub(crate) struct Accepted(Assessment);

impl Deref for Accepted {
    type Target = Assessment;

    fn deref(&self) -> &Assessment {
        &self.0
    }
}

impl Accepted {
    /// The archive alone.
    pub(crate) fn into_archive(self) -> Verified<File> {
        self.0.archive
    }
}

/// What is to be said of an archive, for and against it.
#[derive(Debug)]
pub(crate) struct Assessment {
    archive: Verified<File>,
    signers: Vec<Signer>,
    annexes: Vec<Annex>,
    excluded: Excluded,
    trusts: Vec<Digest>,
    policies: Vec<Digest>,
    judgements: Vec<Judgement>,
    notices: Vec<String>,
    missing: Vec<String>,
    reasons: Vec<Failure>,
}

/// What an archive is judged for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To be loaded, now: every threshold has to be met.
    Load,
    /// To be approved: the approvals of others may still come, before or after this one.
    Approval,
}

impl Assessment {
    /// The archive, every byte of which is what was signed.
    #[must_use]
    pub(crate) const fn archive(&self) -> &Verified<File> {
        &self.archive
    }

    /// Who signed it and its annexes, by the site's trust file where there is a site.
    #[must_use]
    pub(crate) fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The annexes that were counted.
    #[must_use]
    pub(crate) fn annexes(&self) -> &[Annex] {
        &self.annexes
    }

    /// What the approvers left out, with what depends on it.
    #[must_use]
    pub(crate) const fn excluded(&self) -> &Excluded {
        &self.excluded
    }

    /// Approvals that are still missing, where it was judged for one of them.
    #[must_use]
    pub(crate) fn missing(&self) -> &[String] {
        &self.missing
    }

    /// Everything against it; nothing, where it was accepted.
    #[must_use]
    pub(crate) fn reasons(&self) -> &[Failure] {
        &self.reasons
    }

    /// The digests of the trust files that the signers stand in, the site's first.
    #[must_use]
    pub(crate) fn trusts(&self) -> &[Digest] {
        &self.trusts
    }

    /// The digests of the policies that it was accepted by, the site's first; none where none was given.
    #[must_use]
    pub(crate) fn policies(&self) -> &[Digest] {
        &self.policies
    }

    /// What the gates said, by each of these policies.
    #[must_use]
    pub(crate) fn judgements(&self) -> &[Judgement] {
        &self.judgements
    }

    /// What a person should know.
    #[must_use]
    pub(crate) fn notices(&self) -> &[String] {
        &self.notices
    }
}

/// What an archive is held to.
pub(crate) struct Rules<'a> {
    /// The trust file; the site's, where there is one.
    pub(crate) trust: &'a Trust,
    /// Another trust file that must be met as well.
    pub(crate) stricter: Option<&'a Trust>,
    /// Every policy that must be met, the site's first.
    pub(crate) policies: Vec<&'a PolicyFile>,
    /// The site: its name, channels and ledger.
    pub(crate) site: Option<&'a Site>,
    /// What is known of vulnerabilities beside the reports.
    pub(crate) knowledge: &'a Knowledge,
    /// The reports that were made for this judgement.
    pub(crate) rescanned: &'a [Rescanned],
    /// The searches for malware that were made for this judgement.
    pub(crate) searched: &'a [MalwareReport],
    /// The moment that dates are compared with.
    pub(crate) now: Timestamp,
}

impl<'a> Rules<'a> {
    /// Every trust file that must be met.
    #[must_use]
    pub(crate) fn trusts(&self) -> Vec<&'a Trust> {
        std::iter::once(self.trust).chain(self.stricter).collect()
    }
}

/// Accepts an archive that was judged for being loaded.
///
/// # Errors
/// Every reason why it may not be.
pub(crate) fn accept(mut assessment: Assessment) -> Result<Accepted, Failures> {
    Failures::unless_empty(std::mem::take(&mut assessment.reasons), Accepted(assessment))
}

/// Finds everything that is to be said against an archive.
pub(crate) fn assess(
    archive: Verified<File>,
    annexes: Annexes,
    rules: &Rules<'_>,
    purpose: Purpose,
) -> Assessment {
    let (mut reasons, mut missing) = (Vec::new(), Vec::new());
    let Annexes { counted: annexes, mut notices } = annexes;
    let inventory = archive.inventory();
    let excluded = exclusion::counted(&inventory.items, &annexes);
    notices.extend(excluded.records().iter().map(excluded_notice));
    notices.extend(annexes.iter().filter_map(|annex| other_policy(annex, rules)));
    if !inventory.items.is_empty() && excluded.rest(&inventory.items).next().is_none() {
        reasons.push("found every item left out by its approvers, wanted at least one to stay".to_owned());
    }
    if let Some(about) = inventory.annex_of {
        reasons.push(format!("found an annex of {about}, wanted the archive itself"));
    }
    let signing_time = trust::check_signing_time(inventory, archive.signature(), rules.now);
    reasons.extend(signing_time.err().map(|error| error.to_string()));
    let open = (purpose == Purpose::Approval).then_some(&mut missing);
    let signers = judge_signers(&archive, &annexes, rules, &mut reasons, open);
    judge_dates(&archive, rules, &mut reasons);
    match rules.site {
        Some(site) => judge_for_site(&archive, site, rules, &mut reasons),
        None => notices.push("no site: its name, channels and ledger were not compared".to_owned()),
    }
    if rules.policies.is_empty() {
        notices.push("no policy: none was applied".to_owned());
    }
    let label = format!("{}-{}", inventory.name, inventory.serial);
    let refused = |reason| Failure::new(Class::Refused, &label, reason);
    let mut failures: Vec<Failure> = reasons.into_iter().map(refused).collect();
    let judgements = match judge_content(&archive, &annexes, &excluded, rules) {
        Ok(judgements) => judgements,
        Err(more) => {
            failures.extend(more);
            vec![]
        }
    };
    failures.extend(judging::refusals(&judgements));
    Assessment {
        signers,
        annexes,
        excluded,
        trusts: rules.trusts().into_iter().map(Trust::digest).collect(),
        policies: rules.policies.iter().map(|file| file.policy.digest()).collect(),
        judgements,
        notices,
        missing,
        reasons: failures,
        archive,
    }
}

/// What the gates say, with all that the site knows of earlier archives.
fn judge_content(
    archive: &Signed<File>,
    annexes: &[Annex],
    excluded: &Excluded,
    rules: &Rules<'_>,
) -> Result<Vec<Judgement>, Failures> {
    let known = |site| judgement::before(archive, &rules.policies, site, History::Whole);
    let before = rules.site.map(known).transpose()?.unwrap_or_default();
    judgement::judge(archive, annexes, excluded, rules, (&before, Clock::at(rules.now)))
}

/// Everything that is to be said now against what was accepted once: days lie between a load that was held and its
/// names. Who signed and what came since are asked again, and what is in force must be what it was judged by. The gates
/// judge again elsewhere ([`crate::rejudgement::as_of_now`]). Returns who signed.
pub(crate) fn reassess(
    archive: &Signed<File>,
    annexes: &[Annex],
    held: &Receipt,
    rules: &Rules<'_>,
    reasons: &mut Vec<String>,
) -> Vec<Signer> {
    let signers = judge_signers(archive, annexes, rules, reasons, None);
    if let Some(site) = rules.site {
        judge_order(archive.inventory(), site, rules, reasons);
    }
    for policy in rules.policies.iter().map(|file| file.policy.digest()) {
        if !held.policy_digests.contains(&policy) {
            reasons.push(format!("found the policy {policy} in force, wanted one that it was judged by"));
        }
    }
    // By whom and why may be told in another order of the annexes.
    let left_out = |records: &[ExclusionRecord]| -> BTreeSet<(String, Digest)> {
        records.iter().map(|record| (record.name.clone(), record.digest)).collect()
    };
    let now = exclusion::counted(&archive.inventory().items, annexes);
    if left_out(now.records()) != left_out(&held.excluded) {
        reasons.push("found other items left out by its approvers than when it was loaded".to_owned());
    }
    signers
}

/// An approver may have judged by a policy of their own, or by none.
fn other_policy(annex: &Annex, rules: &Rules<'_>) -> Option<String> {
    let found = annex.archive.signature().policy_digest;
    let is_ours = |digest: &Digest| rules.policies.iter().any(|file| file.policy.digest() == *digest);
    if annex.verdict != Verdict::Approved || found.as_ref().is_some_and(is_ours) {
        return None;
    }
    let person = annex.signers.first().map(|signer| signer.person.to_string()).unwrap_or_default();
    let found =
        found.map_or_else(|| "without a policy".to_owned(), |digest| format!("by the policy {digest}"));
    Some(format!("{person} approved it {found}, which is not in force here"))
}

fn excluded_notice(record: &ExclusionRecord) -> String {
    let ExclusionRecord { by, name, reason, requires, .. } = record;
    let reason = reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let requires = requires.as_ref().map(|name| format!(", because it requires {name}")).unwrap_or_default();
    format!("{name}: left out by {by}{requires}{reason}")
}

/// Whether a preparer whom every trust file knows signed an archive, for its channel and in time: what serving
/// asks for, which needs no policy and no ledger.
///
/// # Errors
/// Every reason against it.
pub(crate) fn prepared(
    archive: &Verified<File>,
    trusts: &[&Trust],
    now: Timestamp,
) -> Result<(), Vec<String>> {
    let mut reasons = Vec::new();
    for trust in trusts {
        let signer = trust.preparer(archive.inventory(), archive.signature(), archive.signed_by(), now);
        for reason in signer.err().into_iter().flatten() {
            add(&mut reasons, reason.to_string());
        }
    }
    if reasons.is_empty() { Ok(()) } else { Err(reasons) }
}

/// Holds the preparer's signature and the approvals to every trust file, and returns who signed by the first.
/// Approvals that are missing are no reason against it, but go to `open`, where there is one.
pub(crate) fn judge_signers(
    archive: &Signed<File>,
    annexes: &[Annex],
    rules: &Rules<'_>,
    reasons: &mut Vec<String>,
    mut open: Option<&mut Vec<String>>,
) -> Vec<Signer> {
    let ArchiveSignature { role, signed_at, .. } = *archive.signature();
    if role != Role::Preparer {
        reasons.push(format!("found it signed as {role}, wanted {}", Role::Preparer));
        return vec![];
    }
    for annex in annexes.iter().filter(|annex| annex.verdict == Verdict::Rejected) {
        let person = annex.signers.first().map(|signer| signer.person.to_string()).unwrap_or_default();
        let (at, change) = (annex.archive.signature().signed_at, annex.change.as_deref().unwrap_or("none"));
        reasons.push(format!("found it rejected by {person} at {at} (change: {change})"));
    }
    let approvals = approvals(&rules.policies);
    let mut first = None;
    for (at, trust) in rules.trusts().into_iter().enumerate() {
        let signer = trust.signer(archive.signed_by(), role, &archive.inventory().name, signed_at);
        let preparer = signer.map_err(|error| add(reasons, error.to_string())).ok();
        let signers: Vec<Signer> =
            preparer.clone().into_iter().chain(annex::approvers(annexes, at)).collect();
        if let Err(errors) = trust.decide(&signers, &approvals, rules.now) {
            let is_said = |error: &TrustError| {
                // Who it is was refused above; that one is missing adds nothing.
                let of_preparer =
                    matches!(error, TrustError::Threshold { role: Role::Preparer, found: 0, .. });
                of_preparer && preparer.is_none()
            };
            for error in errors.iter().filter(|error| !is_said(error)) {
                let list = match (error, &mut open) {
                    (TrustError::Threshold { role, .. }, Some(open)) if *role != Role::Preparer => open,
                    _ => &mut *reasons,
                };
                add(list, error.to_string());
            }
        }
        first.get_or_insert(signers);
    }
    first.unwrap_or_default()
}

/// Two trust files give one reason once.
fn add(reasons: &mut Vec<String>, reason: String) {
    if !reasons.contains(&reason) {
        reasons.push(reason);
    }
}

/// The approvals that the strictest of the policies wants, for each role.
pub(crate) fn approvals(policies: &[&PolicyFile]) -> BTreeMap<Role, usize> {
    let mut strictest = BTreeMap::new();
    for (role, count) in policies.iter().flat_map(|file| &file.policy.approvals) {
        let wanted = strictest.entry(*role).or_insert(0);
        *wanted = (*count).max(*wanted);
    }
    strictest
}

fn judge_dates(archive: &Verified<File>, rules: &Rules<'_>, reasons: &mut Vec<String>) {
    let Some(before) = archive.inventory().import_before else { return };
    // What is in already may be loaded again, to mend a target.
    if rules.now >= before && !is_known(archive, rules.site) {
        reasons.push(format!(
            "found {}, wanted a first import before {before}: ask for a newer archive",
            rules.now
        ));
    }
}

fn is_known(archive: &Verified<File>, site: Option<&Site>) -> bool {
    let inventory = archive.inventory();
    site.and_then(|site| site.ledger.archives().get(&inventory.name, inventory.serial))
        .is_some_and(|known| known.identities.contains(&archive.identity()))
}

fn judge_for_site(archive: &Verified<File>, site: &Site, rules: &Rules<'_>, reasons: &mut Vec<String>) {
    let Inventory { name, serial, audience, .. } = archive.inventory();
    if !audience.is_empty() && !audience.contains(site.name()) {
        let audience: Vec<&str> = audience.iter().map(manifests::ChannelName::as_str).collect();
        reasons.push(format!("found it meant for {}, wanted {}", audience.join(", "), site.name()));
    }
    if !site.channels().is_empty() && !site.channels().contains(name) {
        reasons.push(format!("found the channel {name}, which this site was not set up for"));
    }
    if let Some(known) = site.ledger.archives().get(name, *serial)
        && known.content != content(archive, Some(known))
    {
        let identities: Vec<String> = known.identities.iter().map(ToString::to_string).collect();
        reasons.push(format!(
            "ALARM: found another identity, {}, under a serial that was accepted as {}: one of the two is forged, or two people prepare one channel",
            archive.identity(),
            identities.join(", ")
        ));
    }
    judge_order(archive.inventory(), site, rules, reasons);
}

fn judge_order(
    Inventory { name, serial, .. }: &Inventory,
    site: &Site,
    rules: &Rules<'_>,
    reasons: &mut Vec<String>,
) {
    let newest = site.ledger.archives().newest(name).filter(|newest| serial < newest);
    let is_denied = rules.policies.iter().any(|file| file.policy.older_serial == Decision::Deny);
    if let Some(newest) = newest.filter(|_| is_denied) {
        reasons.push(format!(
            "found the serial {serial}, wanted {newest} or newer, which was accepted before (order.olderSerial in the policy)"
        ));
    }
}

/// The digest of what an archive brings: full and differential archives of one lock share a serial, and made
/// by another version of Airgap it is still the same content.
///
/// `known` is what the ledger says of the serial. An identity is the digest of the whole inventory: one that was
/// accepted brings what it brought then.
#[must_use]
pub(crate) fn content(archive: &Verified<File>, known: Option<&KnownArchive>) -> Digest {
    if let Some(known) = known.filter(|known| known.identities.contains(&archive.identity())) {
        return known.content;
    }
    let mut inventory = archive.inventory().clone();
    inventory.base = None;
    inventory.generator = String::new();
    for blob in &mut inventory.content {
        blob.carried = true;
    }
    json::digest(&inventory)
}
