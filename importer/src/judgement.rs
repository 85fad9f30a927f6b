//! What the gates say about an archive and what its approvers submitted, by each policy that it is held to. They read its
//! small content alone, and compare each piece with its digest: an evidence pack is judged as the archive was.

use std::collections::HashSet;
use std::fs::File;

use console::input::PolicyFile;
use console::judging;
use console::{Failure, Failures};
use gates::malware::Searches;
use gates::vulnerability::{Submissions, Submitted};
use gates::{Before, Clock, Content, Grounds, Judgement, Subject, Unreadable, signature};
use manifests::inventory::{Inventory, Item};
use manifests::policy::{Requirement, Signatures};
use manifests::receipt::{ArchiveRecord, Receipt, State};
use manifests::{Descriptor, Digest, Timestamp};
use transfer::archive::{ArchiveError, Signed};

use crate::accept::Rules;
use crate::annex::Annex;
use crate::exclusion::Excluded;
use crate::rescan::Rescanned;
use crate::site::{Site, SiteError, receipts};

/// How many earlier archives of each channel are looked at for signatures that an upstream left out since.
const MOST_BEFORE: usize = 1_000;

/// The small content of an archive, as gates read it.
pub(crate) struct Small<F>(pub(crate) F);

impl<F: Fn(&Descriptor) -> Result<Vec<u8>, ArchiveError>> Content for Small<F> {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        (self.0)(wanted).map_err(|error| Unreadable(error.to_string()))
    }
}

/// Judges what is not left out of an archive by every policy, in their order.
///
/// # Errors
/// Each gate that a policy names and that this version lacks; a trusted root that cannot be read.
pub(crate) fn judge(
    archive: &Signed<File>,
    annexes: &[Annex],
    excluded: &Excluded,
    rules: &Rules<'_>,
    (before, clock): (&Before, Clock),
) -> Result<Vec<Judgement>, Failures> {
    let Rules { policies, knowledge, .. } = rules;
    let content = Small(|wanted: &Descriptor| read(archive, annexes, rules.rescanned, wanted));
    let submitted = submissions(annexes, rules.rescanned);
    let searches = searches(archive, annexes, rules);
    let judged = policies.iter().map(|file| {
        judging::check_gates(file)?;
        let roots = judging::roots(file, &judging::carried_roots(file, archive.inventory(), &content))?;
        let (kev, vex) = (knowledge.kev.as_ref(), knowledge.vex.as_slice());
        let grounds = Grounds {
            content: &content,
            roots: &roots,
            clock,
            kev,
            vex,
            before,
            submitted: &submitted,
            searches: &searches,
        };
        Ok(gates::judge(excluded.rest(&archive.inventory().items), &file.policy, &grounds))
    });
    judged.collect()
}

/// Small content of the archive, or a report of an annex or of this moment. Digests say which is meant.
fn read(
    archive: &Signed<File>,
    annexes: &[Annex],
    rescanned: &[Rescanned],
    wanted: &Descriptor,
) -> Result<Vec<u8>, ArchiveError> {
    match archive.metadata(wanted) {
        Err(ArchiveError::NoBlob(digest)) => {
            if let Some(scan) = rescanned.iter().find(|scan| scan.report.digest == digest) {
                return Ok(scan.bytes.clone());
            }
            let has = |annex: &&Annex| annex.archive.layout().place(&wanted.digest).is_some();
            let annex = annexes.iter().find(has).ok_or(ArchiveError::NoBlob(digest))?;
            annex.archive.metadata(wanted)
        }
        other => other,
    }
}

/// Who answers for what was found just now.
const THIS_MOMENT: &str = "the scan of this moment";

/// The searches for malware that approvers stood on, and those of this moment. What came inside of the archive is its
/// preparer's word on themselves, and counts nothing.
fn searches(archive: &Signed<File>, annexes: &[Annex], rules: &Rules<'_>) -> Searches {
    let mut searches = Searches::of(archive.identity());
    for annex in annexes {
        let by = annex.by();
        for report in &annex.contents.searches {
            match annex.archive.metadata(report) {
                Ok(bytes) => searches.add(&by, &bytes),
                Err(error) => searches.refuse(&by, &error.to_string()),
            }
        }
    }
    rules.searched.iter().for_each(|report| searches.add(THIS_MOMENT, &report.encode()));
    searches
}

/// The reports that approvers stood on, and those of this moment, by what they are about.
fn submissions(annexes: &[Annex], rescanned: &[Rescanned]) -> Submissions {
    let mut submissions = Submissions::new();
    for annex in annexes {
        let by = annex.by();
        for (about, report) in &annex.contents.reports {
            let submitted = Submitted { by: by.clone(), report: report.clone() };
            submissions.entry(*about).or_default().push(submitted);
        }
    }
    for Rescanned { about, report, .. } in rescanned {
        let submitted = Submitted { by: THIS_MOMENT.to_owned(), report: report.clone() };
        submissions.entry(*about).or_default().push(submitted);
    }
    submissions
}

/// How much of a site's history is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum History {
    /// All of it.
    Whole,
    /// What came before a receipt that was judged for at a moment.
    Before(u64, Timestamp),
}

impl History {
    fn has_receipt(self, number: u64) -> bool {
        match self {
            Self::Whole => true,
            Self::Before(receipt, _) => number < receipt,
        }
    }

    fn has_archive(self, since: Timestamp) -> bool {
        match self {
            Self::Whole => true,
            Self::Before(_, at) => since <= at,
        }
    }
}

/// The last receipt by which names of this channel point to another archive: what is inside. One that is loaded again
/// replaces itself, and is not compared with itself; nor is its differential twin. What was accepted and held, or did
/// not come to its end, is not inside.
///
/// # Errors
/// When a receipt is not what was signed.
pub(crate) fn previous(
    archive: &Signed<File>,
    site: &Site,
    history: History,
) -> Result<Option<Receipt>, SiteError> {
    let Inventory { name: channel, serial: own, .. } = archive.inventory();
    let listed = receipts::list(&site.receipts())?;
    for listed in listed.iter().rev().filter(|listed| history.has_receipt(listed.number)) {
        let receipt = receipts::read(&listed.path, site.public_key())?.receipt;
        let is_other = |record: &ArchiveRecord| record.name == *channel && record.serial != *own;
        if receipt.state == State::Published && receipt.archive.as_ref().is_some_and(is_other) {
            return Ok(Some(receipt));
        }
    }
    Ok(None)
}

/// What the archives of this channel before this one say. It is read only where it matters: for an upstream that
/// ceases to sign, where a policy accepts something unsigned; and for findings that are inside already.
pub(crate) fn before(
    archive: &Signed<File>,
    policies: &[&PolicyFile],
    site: &Site,
    history: History,
) -> Result<Before, Failure> {
    let mut before = Before::default();
    let mut waived = waived(archive.inventory(), policies);
    if !waived.is_empty() {
        // Not the newest alone, and of every channel: an archive without the item, or one by another name, must not make it
        // forgotten that it was signed.
        let Inventory { name: own_channel, serial: own, .. } = archive.inventory();
        for channel in site.ledger.archives().channels() {
            let accepted = site.ledger.archives().of(channel).filter(|(serial, known)| {
                (channel, serial) != (own_channel, own) && history.has_archive(known.since)
            });
            let identities = accepted.filter_map(|(_, known)| known.identities.last().copied());
            for identity in identities.take(MOST_BEFORE) {
                for found in signed(identity, site, &waived)? {
                    waived.remove(&found);
                    before.signed.insert(found);
                }
            }
        }
    }
    if policies.iter().any(|file| file.policy.vulnerabilities.is_some())
        && let Some(receipt) = previous(archive, site, history)?
    {
        let inside: HashSet<&str> = receipt.items.iter().map(|item| item.name.as_str()).collect();
        for kept in site.kept_judgements(&receipt)? {
            before.add(kept.findings(|name| inside.contains(name)));
        }
    }
    Ok(before)
}

/// The repositories of items that some policy would accept unsigned.
fn waived(inventory: &Inventory, policies: &[&PolicyFile]) -> HashSet<String> {
    let rules: Vec<&Signatures> =
        policies.iter().filter_map(|file| file.policy.signatures.as_ref()).collect();
    let is_waived = |item: &&Item| {
        let mut rules = rules.iter().filter_map(|rules| rules.rule_for(&item.name, item.kind));
        rules.any(|(_, rule)| matches!(rule.requirement, Requirement::Unsigned(_)))
    };
    let waived = inventory.items.iter().filter(is_waived);
    waived.map(|item| gates::repository(&item.name)).collect()
}

/// Those of the repositories of which an item was signed in an archive that was accepted earlier.
fn signed(identity: Digest, site: &Site, wanted: &HashSet<String>) -> Result<Vec<String>, SiteError> {
    if wanted.is_empty() {
        return Ok(vec![]);
    }
    let pack = site.pack(identity)?;
    let content = Small(|wanted: &Descriptor| pack.metadata(wanted));
    let is_signed =
        |item: &Item| signature::claims_signed(Subject { item, content: &content }, item.source.digest);
    let named = pack.inventory().items.iter().map(|item| (gates::repository(&item.name), item));
    let signed = named.filter(|(repository, item)| wanted.contains(repository) && is_signed(item));
    Ok(signed.map(|(repository, _)| repository).collect())
}
