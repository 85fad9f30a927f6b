//! Rejudgement: what is inside is judged once more, from what was kept of it alone, as of the moment that it was let in.
//! A receipt says what its site found; this shows that it had to.
//!
//! ```text
//! receipt -> evidence pack, annexes | trust files, policies, roots, KEV, VEX, each by its digest
//!         -> the gates, who prepared and approved -> compared with the judgements and signers that the receipt names
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io;

use console::input::PolicyFile;
use console::judging::{self, Knowledge};
use console::{Class, Failure, Failures};
use gates::vulnerability::{Kev, Vex};
use gates::{Clock, Judgement, KeptJudgement, KeptVerdict};
use manifests::inventory::{Inventory, Item};
use manifests::policy::{Policy, Signatures};
use manifests::receipt::{ArchiveRecord, ExclusionRecord, ItemRecord, Receipt, SignerRecord, State};
use manifests::trust::{self, Trust};
use manifests::{ChannelName, Digest, Timestamp, json};
use serde::Serialize;
use transfer::archive::Signed;

use crate::accept::{self, Rules};
use crate::annex::{self, Annex};
use crate::exclusion::{self, Excluded};
use crate::judgement::{self, History};
use crate::plain;
use crate::site::{Site, SiteError, chain, receipts, summaries};

/// An archive that was judged once more, and as it was.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rejudged {
    /// The number of the receipt that it was let in by.
    pub(crate) receipt: u64,
    /// The archive.
    pub(crate) archive: ArchiveRecord,
    /// The moment that was judged by.
    pub(crate) at: Timestamp,
    /// How many items were judged.
    pub(crate) items: usize,
    /// The gates that judged; none means that nothing was judged but who signed and what was brought.
    pub(crate) gates: Vec<String>,
    /// The trust files that its signers stand in, the site's first.
    pub(crate) trust_digests: Vec<Digest>,
    /// The policies that were judged by, the site's first.
    pub(crate) policy_digests: Vec<Digest>,
    /// Whether every judgement is the same to the byte. Another version may say the same in other words.
    pub(crate) is_identical: bool,
}

/// Judges what the receipt of this number let in, or what every receipt did.
///
/// # Errors
/// Whatever a receipt says that is not so; a broken chain, evidence that is missing or changed, a number that there is
/// not, or that let nothing in.
pub(crate) fn rejudge(site: &Site, number: Option<u64>) -> Result<Vec<Rejudged>, Failures> {
    chain::verify(site)?;
    // What one held and another published was judged once, before the first of them.
    let mut judged_for = HashMap::new();
    // What approvers said of each archive up to each receipt, refusals too: a rejection must not be left out.
    let mut said: HashMap<Digest, Vec<Digest>> = HashMap::new();
    let (mut last, mut state) = (None, None);
    let (mut judged, mut failures) = (Vec::new(), Vec::new());
    for listed in receipts::list(&site.receipts())? {
        let receipt = receipts::read(&listed.path, site.public_key())?.receipt;
        if number == Some(listed.number) {
            state = Some(receipt.state);
        }
        let lets_in = matches!(receipt.state, State::Held | State::Published);
        let after = last.replace(receipt.issued);
        let Some(archive) = receipt.archive.clone() else { continue };
        let said = said.entry(archive.identity).or_default();
        said.extend(
            receipt.annexes.iter().filter(|annex| !said.contains(annex)).copied().collect::<Vec<_>>(),
        );
        if !lets_in {
            continue;
        }
        let judgements = (archive.identity, receipt.judgements.clone());
        let (first, after) = *judged_for.entry(judgements).or_insert((listed.number, after));
        if number.is_some_and(|wanted| wanted != listed.number) {
            continue;
        }
        let about = About { number: listed.number, first, after, said };
        match once_more(site, &about, archive, &receipt) {
            Ok(one) => judged.push(one),
            Err(more) => failures.extend(more),
        }
    }
    if let Some(number) = number.filter(|_| judged.is_empty() && failures.is_empty()) {
        return Err(let_nothing_in(number, state).into());
    }
    Failures::unless_empty(failures, judged)
}

/// Why the receipt of this number, which is of this state where there is one, is not judged once more.
fn let_nothing_in(number: u64, state: Option<State>) -> Failure {
    let found = match state {
        None => "no receipt of this number",
        Some(State::Changed) => "the receipt of a change of trust or policy",
        Some(_) => "the receipt of a refusal",
    };
    let message = format!("found {found}, wanted one that let something in");
    Failure::new(Class::Usage, format!("receipt {number}"), message)
}

/// What the gates say of an archive that was accepted and held, by every policy that it was judged by and as of now: what has an
/// end of its own, such as an exception, may have ended since, and a signer may have been missed. How old reports are
/// counts up to when it came in.
///
/// # Errors
/// When what was kept of it is missing or changed.
pub(crate) fn as_of_now(
    site: &Site,
    pack: &Signed<File>,
    annexes: &[Annex],
    held: &Receipt,
    rules: &Rules<'_>,
) -> Result<Vec<Judgement>, Failures> {
    let identity = pack.identity();
    let kept = site.kept_judgements(held)?;
    let knowledge = knowledge(site, identity, &kept)?;
    let arrived = kept.first().map_or(rules.now, |judgement| judgement.at);
    // Those that flags added at the load as well.
    let policies = policies(site, identity, held)?;
    let rules = Rules { knowledge: &knowledge, policies: policies.iter().collect(), ..*rules };
    let excluded = exclusion::counted(&pack.inventory().items, annexes);
    let before = judgement::before(pack, &rules.policies, site, History::Whole)?;
    let clock = Clock { now: rules.now, arrived };
    judgement::judge(pack, annexes, &excluded, &rules, (&before, clock))
}

/// Where a receipt stands in the history of its site.
struct About<'a> {
    number: u64,
    /// The number of the first receipt of the same judgements: what was held is published by another.
    first: u64,
    /// When the receipt before that one was issued.
    after: Option<Timestamp>,
    /// The annexes that this receipt and those before it name of the archive.
    said: &'a [Digest],
}

fn once_more(
    site: &Site,
    About { number, first, after, said }: &About<'_>,
    archive: ArchiveRecord,
    receipt: &Receipt,
) -> Result<Rejudged, Failures> {
    let (number, first) = (*number, *first);
    let about = format!("receipt {number}");
    let identity = archive.identity;
    let pack = site.pack_of(identity, receipt)?;
    let kept = site.kept_judgements(receipt)?;
    let Some(KeptJudgement { at, .. }) = kept.first() else {
        return Err(
            Failure::new(Class::Damaged, about, "found no judgement, wanted one of each policy").into()
        );
    };
    let trusts = trusts(site, identity, receipt)?;
    let policies = policies(site, identity, receipt)?;
    let knowledge = knowledge(site, identity, &kept)?;
    let [trust, stricter @ ..] = trusts.as_slice() else {
        return Err(Failure::new(Class::Damaged, about, "found no trust file, wanted the site's").into());
    };
    let rules = Rules {
        trust,
        stricter: stricter.first(),
        policies: policies.iter().collect(),
        site: None,
        knowledge: &knowledge,
        rescanned: &[],
        searched: &[],
        now: *at,
    };
    let annexes = annexes(site, &pack, said, receipt, &rules)?;
    let excluded = exclusion::counted(&pack.inventory().items, &annexes);
    let before = judgement::before(&pack, &rules.policies, site, History::Before(first, *at))?;
    let judged = judgement::judge(&pack, &annexes, &excluded, &rules, (&before, Clock::at(*at)))?;

    let mut differences = signers(&pack, &annexes, receipt, &rules);
    differences.extend(moment(&kept, (*after, receipt.issued)));
    differences.extend(archive_of(&pack, &archive, site, receipt));
    differences.extend(verdicts(&kept, &judged)?);
    differences.extend(records(&pack, &excluded, &judged, receipt));
    let mut differences: Vec<Failure> =
        differences.into_iter().map(|text| Failure::new(Class::Refused, &about, text)).collect();
    differences.extend(judging::refusals(&judged));
    let rejudged = Rejudged {
        receipt: number,
        at: *at,
        items: excluded.rest(&pack.inventory().items).count(),
        gates: receipt.gates.clone(),
        trust_digests: receipt.trust_digests.clone(),
        policy_digests: receipt.policy_digests.clone(),
        is_identical: judged.iter().map(json::digest).eq(receipt.judgements.iter().copied()),
        archive,
    };
    Failures::unless_empty(differences, rejudged)
}

/// Whether all was judged by one moment and one knowledge, between the receipt before it and its own.
fn moment(kept: &[KeptJudgement], (after, issued): (Option<Timestamp>, Timestamp)) -> Vec<String> {
    let mut differences = Vec::new();
    let Some(first) = kept.first() else { return differences };
    if kept.iter().any(|other| (other.at, other.kev, &other.vex) != (first.at, first.kev, &first.vex)) {
        differences.push("found judgements of two moments or by two lists, wanted one of each".to_owned());
    }
    let at = first.at;
    if at > issued || after.is_some_and(|after| at < after) {
        let after = after.map(|after| format!("from {after} ")).unwrap_or_default();
        differences
            .push(format!("found it judged by {at}, wanted a moment {after}to {issued}, when it was issued"));
    }
    differences
}

/// Whether a receipt says of its archive what that says of itself, and names a trust file and a policy that were this
/// site's.
fn archive_of(pack: &Signed<File>, archive: &ArchiveRecord, site: &Site, receipt: &Receipt) -> Vec<String> {
    let mut differences = Vec::new();
    let Inventory { name, serial, .. } = pack.inventory();
    if (name, serial) != (&archive.name, &archive.serial) {
        let ArchiveRecord { name: found, serial: at, .. } = archive;
        differences.push(format!("found it called {found}, serial {at}, wanted {name}, serial {serial}"));
    }
    let foreign = |digest: &&Digest, is_policy| !site.was_in_force(**digest, is_policy);
    if let Some(digest) = receipt.trust_digests.first().filter(|digest| foreign(digest, false)) {
        differences.push(format!("found the trust file {digest}, which was never in force here"));
    }
    if let Some(digest) = receipt.policy_digests.first().filter(|digest| foreign(digest, true)) {
        differences.push(format!("found the policy {digest}, which was never in force here"));
    }
    differences
}

fn trusts(site: &Site, about: Digest, receipt: &Receipt) -> Result<Vec<Trust>, Failure> {
    let read = |digest: &Digest| {
        let text = text(site, about, "trust", *digest)?;
        Trust::parse(&text).map_err(|error| unusable("trust file", *digest, error))
    };
    receipt.trust_digests.iter().map(read).collect()
}

/// The policies, each with the trusted roots that were kept. Of those that it names, the others were in the archive.
fn policies(site: &Site, about: Digest, receipt: &Receipt) -> Result<Vec<PolicyFile>, Failure> {
    let read = |digest: &Digest| {
        let text = text(site, about, "policy", *digest)?;
        let policy = Policy::parse(&text).map_err(|error| unusable("policy", *digest, error))?;
        let named = policy.signatures.iter().flat_map(Signatures::roots).map(|root| root.digest);
        let found = named.filter_map(|root| match site.kept_file(about, "root", root, "json") {
            Ok(bytes) => Some(Ok((root, bytes))),
            Err(SiteError::Io(_, error)) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => Some(Err(error)),
        });
        Ok(PolicyFile { roots: found.collect::<Result<_, _>>()?, policy, text })
    };
    receipt.policy_digests.iter().map(read).collect()
}

fn text(site: &Site, about: Digest, kind: &str, digest: Digest) -> Result<String, Failure> {
    let bytes = site.kept_file(about, kind, digest, "yaml")?;
    String::from_utf8(bytes).map_err(|error| unusable(kind, digest, error))
}

/// What was known beside the reports: the same for every policy.
fn knowledge(site: &Site, about: Digest, kept: &[KeptJudgement]) -> Result<Knowledge, Failure> {
    let Some(kept) = kept.first() else { return Ok(Knowledge::default()) };
    let read = |kind: &str, digest: Digest| site.kept_file(about, kind, digest, "json");
    let kev = kept.kev.map(|digest| {
        Kev::parse(&read("kev", digest)?).map_err(|error| unusable("catalogue", digest, error))
    });
    let vex = kept.vex.iter().map(|digest| {
        Vex::parse(&read("vex", *digest)?, None).map_err(|error| unusable("VEX document", *digest, error))
    });
    Ok(Knowledge { kev: kev.transpose()?, vex: vex.collect::<Result<_, Failure>>()?, files: vec![] })
}

fn unusable(kind: &str, digest: Digest, error: impl std::fmt::Display) -> Failure {
    Failure::new(Class::Damaged, format!("the {kind} {digest} that was kept"), error)
}

/// The last word of everybody who said something of the archive up to a receipt, and who counts by its trust files.
fn annexes(
    site: &Site,
    pack: &Signed<File>,
    said: &[Digest],
    receipt: &Receipt,
    rules: &Rules<'_>,
) -> Result<Vec<Annex>, Failure> {
    let mut annexes = Vec::new();
    for identity in said {
        // Two people who say the same write annexes of one identity.
        for path in site.annexes(pack.identity(), *identity)? {
            let file =
                plain::open(&path).map_err(|error| Failure::new(Class::Failed, path.display(), error))?;
            match annex::examine(file, &path, pack, &rules.trusts(), rules.now) {
                Ok(annex) => annexes.push(annex),
                Err(failure) if receipt.annexes.contains(identity) => return Err(failure),
                // It counted by another trust file, or was refused for what is wrong with it.
                Err(_) => {}
            }
        }
    }
    Ok(annex::last_words(annexes))
}

/// What is against those who signed, and whether they are who the receipt names.
fn signers(pack: &Signed<File>, annexes: &[Annex], receipt: &Receipt, rules: &Rules<'_>) -> Vec<String> {
    let mut differences = Vec::new();
    let found = accept::judge_signers(pack, annexes, rules, &mut differences, None);
    let found: Vec<SignerRecord> = found.iter().map(SignerRecord::from).collect();
    let signing_time = trust::check_signing_time(pack.inventory(), pack.signature(), rules.now);
    differences.extend(signing_time.err().map(|error| error.to_string()));
    let each = |signers: &[SignerRecord]| -> BTreeSet<(ChannelName, String, Digest)> {
        let each = signers.iter().map(|signer| (signer.person.clone(), signer.role.to_string(), signer.key));
        each.collect()
    };
    if each(&found) != each(&receipt.signers) {
        let names = |signers: &[SignerRecord]| {
            let names = signers.iter().map(|signer| format!("{} as {}", signer.person, signer.role));
            names.collect::<Vec<_>>().join(", ")
        };
        let (found, wanted) = (names(&found), names(&receipt.signers));
        differences.push(format!("found it signed by {found}, wanted {wanted}, whom the receipt names"));
    }
    differences
}

/// Each verdict that is not as it was kept: the gates, what they decided, and the rules that decided.
fn verdicts(kept: &[KeptJudgement], judged: &[Judgement]) -> Result<Vec<String>, Failure> {
    let said = |judgement: &KeptJudgement| -> BTreeMap<(Digest, String), String> {
        let items = judgement.items.iter();
        items.map(|item| ((judgement.policy, item.name.clone()), outcomes(&item.verdicts))).collect()
    };
    let again = judged.iter().map(|judgement| {
        let written = KeptJudgement::parse(&json::encode(judgement));
        written.map_err(|error| unusable("judgement", judgement.policy, error))
    });
    let again: Vec<KeptJudgement> = again.collect::<Result<_, _>>()?;
    let (mut then, now) = (BTreeMap::new(), again.iter().flat_map(said));
    then.extend(kept.iter().flat_map(said));
    let mut differences = Vec::new();
    for (key, found) in now {
        let wanted = then.remove(&key).unwrap_or_else(|| "nothing".to_owned());
        if found != wanted {
            let (policy, name) = key;
            differences
                .push(format!("{name}: found {found}, wanted {wanted} as was kept, by the policy {policy}"));
        }
    }
    let missing =
        then.into_keys().map(|(_, name)| format!("{name}: found no judgement, wanted one as was kept"));
    differences.extend(missing);
    Ok(differences)
}

/// Each item of a receipt that is not one of the archive's, or not as it was judged, and what was left out. A load of a
/// part names that part alone.
fn records(pack: &Signed<File>, excluded: &Excluded, judged: &[Judgement], receipt: &Receipt) -> Vec<String> {
    let mut differences = Vec::new();
    let is_named = |record: &ExclusionRecord| receipt.excluded.contains(record);
    if !excluded.records().iter().all(is_named) || excluded.records().len() != receipt.excluded.len() {
        differences.push("found other items left out by its approvers than the receipt names".to_owned());
    }
    let gates: BTreeSet<&str> = judged.iter().flat_map(|judgement| judgement.gates.iter().copied()).collect();
    if gates != receipt.gates.iter().map(String::as_str).collect() {
        differences.push("found other gates than the receipt names".to_owned());
    }
    let said = summaries::verdicts(judged);
    let mut items: HashMap<&str, &Item> =
        excluded.rest(&pack.inventory().items).map(|item| (item.name.as_str(), item)).collect();
    for ItemRecord { digest, kind, name, verdicts, .. } in &receipt.items {
        let is_so = items.remove(name.as_str()).is_some_and(|item| {
            let said = said.get(name.as_str()).map_or(&[][..], Vec::as_slice);
            item.published.digest == *digest && item.kind == *kind && said == verdicts
        });
        if !is_so {
            differences
                .push(format!("{name}: found it in the receipt as {digest}, which is not what was judged"));
        }
    }
    differences
}

fn outcomes(verdicts: &[KeptVerdict]) -> String {
    let said =
        verdicts.iter().map(|verdict| format!("{}: {} by {}", verdict.gate, verdict.outcome, verdict.rule));
    said.collect::<Vec<_>>().join("; ")
}
