//! `report`: one HTML file about an archive, for whoever decides about it.

use std::collections::{BTreeMap, BTreeSet};

use console::archive_report::{Archive, ArchiveReport, PolicyReport, Preparer, Standing};
use console::judging::{self, Knowledge};
use console::written_report::WrittenReport;
use console::{Failure, Failures, clock, input};
use manifests::policy::Policy;
use manifests::trust::{Role, Trust};

use crate::cli::ReportArguments;
use crate::examine::{self, Reading};
use crate::trusted;
use crate::write::GENERATOR;

pub(crate) fn run(
    arguments: &ReportArguments,
    quiet: bool,
    as_json: bool,
) -> Result<(WrittenReport, Vec<Failure>), Failures> {
    let ReportArguments { archive, policy, trust, output, at, knowledge } = arguments;
    let file = input::policy(policy)?;
    let knowledge = Knowledge::read(knowledge.kev.as_deref(), &knowledge.vex)?;
    let trust = trusted::read(trust)?;
    let now = at.unwrap_or_else(clock::now);
    let archive = examine::open(archive, trust.as_ref(), Reading::Whole { quiet }, now)?;
    let judgement = archive.judge(&file, &knowledge, now)?;
    let refusals = judging::refusals(std::slice::from_ref(&judgement));
    let person = archive.signer.as_ref().map(|signer| signer.person.clone());
    let policies = vec![PolicyReport::new(&file, Some(&judgement), &archive.inventory, BTreeSet::new(), now)];
    let report = ArchiveReport {
        at: now,
        at_given: at.is_some(),
        written_by: GENERATOR.to_owned(),
        standing: if trust.is_some() { Standing::Verified } else { Standing::Unverified },
        conclusion: ArchiveReport::conclude(&refusals, &policies),
        preparer: Preparer::new(person, archive.key, &archive.signature),
        archive: Archive::new(&archive.inventory, archive.identity, archive.bytes, archive.content.as_ref()),
        site: None,
        trust_digests: trust.iter().map(Trust::digest).collect(),
        approvals_wanted: approvals_wanted(trust.as_ref(), &file.policy),
        approvals_found: BTreeMap::new(),
        approvals: Vec::new(),
        excluded: Vec::new(),
        previous: None,
        policies,
        refusals: refusals.clone(),
        notices: vec![
            "what was approved so far and what is inside already is for the importer to say".to_owned(),
        ],
    };
    Ok((WrittenReport::write(report, output.as_deref(), as_json)?, refusals))
}

/// What each role that approves has to give. Nobody has approved yet on this side.
fn approvals_wanted(trust: Option<&Trust>, policy: &Policy) -> BTreeMap<Role, usize> {
    let counted = |trust: &Trust| {
        let counts = trust.counts(&[], &policy.approvals).into_iter();
        counts.map(|(role, count)| (role, count.wanted)).collect()
    };
    let mut wanted: BTreeMap<Role, usize> = trust.map_or_else(|| policy.approvals.clone(), counted);
    wanted.retain(|role, _| role.approves());
    wanted
}
