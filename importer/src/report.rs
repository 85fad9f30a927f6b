//! The report on an archive, as this site sees it: with what is inside already and the approvals so far.

use std::collections::{BTreeMap, BTreeSet};

use console::Failure;
use console::archive_report::{Approval, Archive, ArchiveReport, PolicyReport, Preparer, Previous, Standing};
use console::input::PolicyFile;
use gates::Before;
use manifests::Descriptor;
use manifests::receipt::ArchiveRecord;
use manifests::slot::ArchiveSignature;
use manifests::trust::{Count, Role, Signer, Trust};

use crate::accept::{self, Assessment, Rules};
use crate::annex::{self, Annex};
use crate::judgement::{self, History, Small};
use crate::site::Site;

/// The program that the report names.
const WRITTEN_BY: &str = concat!("airgap-import ", env!("CARGO_PKG_VERSION"));

/// The report on an archive that was judged by `rules`; `at_given`: at a moment that somebody named.
///
/// # Errors
/// When what the site kept of the archive before cannot be read.
pub(crate) fn of(
    assessment: &Assessment,
    rules: &Rules<'_>,
    at_given: bool,
) -> Result<ArchiveReport, Failure> {
    let archive = assessment.archive();
    let inventory = archive.inventory();
    let preparer = assessment.signers().iter().find(|signer| signer.role == Role::Preparer);
    let previous =
        rules.site.map(|site| judgement::previous(archive, site, History::Whole)).transpose()?.flatten();
    let previous = previous.and_then(|receipt| receipt.archive);
    // Read once: it is what the archives before this one say, and the same for every policy.
    let known = |site: &Site| judgement::before(archive, &rules.policies, site, History::Whole);
    let before = rules.site.map(known).transpose()?.unwrap_or_default();
    let policies: Vec<PolicyReport> =
        rules.policies.iter().map(|file| policy(file, assessment, &before, rules)).collect();
    let counts = counts(assessment, rules);
    let content = Small(|wanted: &Descriptor| archive.metadata(wanted));
    Ok(ArchiveReport {
        at: rules.now,
        at_given,
        written_by: WRITTEN_BY.to_owned(),
        standing: Standing::Verified,
        conclusion: ArchiveReport::conclude(assessment.reasons(), &policies),
        archive: Archive::new(inventory, archive.identity(), archive.layout().size(), &content),
        preparer: Preparer::new(
            preparer.map(|signer| signer.person.clone()),
            archive.signed_by(),
            archive.signature(),
        ),
        site: rules.site.map(|site| site.name().clone()),
        trust_digests: rules.trusts().into_iter().map(Trust::digest).collect(),
        approvals_wanted: counts.iter().map(|(role, count)| (*role, count.wanted)).collect(),
        approvals_found: counts.iter().map(|(role, count)| (*role, count.found)).collect(),
        approvals: assessment.annexes().iter().map(approval).collect(),
        excluded: assessment.excluded().records().to_vec(),
        previous: previous.map(|ArchiveRecord { identity, serial, .. }| Previous { identity, serial }),
        policies,
        refusals: assessment.reasons().to_vec(),
        notices: assessment.notices().to_vec(),
    })
}

/// How many people approved it and how many have to, in each role. Trust files may differ: the one by which the most are
/// missing is what the reasons against it tell.
fn counts(assessment: &Assessment, rules: &Rules<'_>) -> BTreeMap<Role, Count> {
    let archive = assessment.archive();
    let (key, channel, signed_at) =
        (archive.signed_by(), &archive.inventory().name, archive.signature().signed_at);
    let approvals = accept::approvals(&rules.policies);
    let mut counts: BTreeMap<Role, Count> = BTreeMap::new();
    for (at, trust) in rules.trusts().into_iter().enumerate() {
        let preparer = trust.signer(key, Role::Preparer, channel, signed_at).ok();
        let signers: Vec<Signer> =
            preparer.into_iter().chain(annex::approvers(assessment.annexes(), at)).collect();
        let counted = trust.counts(&signers, &approvals).into_iter();
        for (role, count) in counted.filter(|(role, _)| role.approves()) {
            let worst = counts.entry(role).or_insert(count);
            let weight = |count: Count| (count.missing(), count.wanted);
            if weight(count) > weight(*worst) {
                *worst = count;
            }
        }
    }
    counts
}

fn policy(file: &PolicyFile, assessment: &Assessment, before: &Before, rules: &Rules<'_>) -> PolicyReport {
    let archive = assessment.archive();
    let digest = file.policy.digest();
    let judgement = assessment.judgements().iter().find(|judgement| judgement.policy == digest);
    let names = archive.inventory().items.iter().map(|item| &item.name);
    let compared: BTreeSet<String> = names.filter(|name| before.of(name).is_some()).cloned().collect();
    PolicyReport::new(file, judgement, archive.inventory(), compared, rules.now)
}

fn approval(annex: &Annex) -> Approval {
    let ArchiveSignature { role, signed_at, .. } = *annex.archive.signature();
    Approval {
        person: annex.signers.first().map(|signer: &Signer| signer.person.clone()),
        role,
        verdict: annex.verdict,
        change: annex.change.clone(),
        signed_at,
        key: annex.archive.signed_by(),
        annex: annex.identity,
    }
}
