//! `publish`: the names of a load that was held.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use console::{Class, Failure, Failures, clock};
use manifests::key::PrivateKey;
use manifests::receipt::{ArchiveRecord, Receipt, State};
use serde::Serialize;
use transfer::archive::Signed;

use super::judge::Judge;
use super::refuse::refuse;
use super::standing::Standing;
use super::state;
use crate::cli::{Global, JudgeArguments, PublishArguments};
use crate::destinations::Destinations;
use crate::publish::Arrived;
use crate::site::summaries::Subject;
use crate::site::{Access, Site, SiteError, receipts, summaries};
use crate::vouch::Voucher;
use crate::{archive_failure, held, publish};

/// What `publish` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Published {
    archive: Standing,
    held: PathBuf,
    receipt: PathBuf,
    items: usize,
    #[serde(skip)]
    text: String,
}

pub(crate) async fn run(arguments: &PublishArguments, global: &Global) -> Result<Published, Failures> {
    let PublishArguments { receipt, to, annexes } = arguments;
    let rules = JudgeArguments { annexes: annexes.clone(), ..JudgeArguments::default() };
    let mut judge = Judge::read(&rules, Some(state(global)?), Access::Write, None)?;
    let destinations = Destinations::read(to)?;
    let site = judge.writer()?;
    let key = Arc::new(site.key()?);
    site.settle(clock::now(), &key)?;
    let path = find(site, receipt)?;
    let held = receipts::read(&path, site.public_key())?.receipt;
    let archive = check(site, &path, &held)?.clone();
    let kept = summaries::check(&path, &held, site.public_key())?;
    let evidence = Arc::new(open_evidence(site, &archive, &held)?);
    let subject =
        Subject::of(&evidence).map_err(|error| Failure::new(Class::Failed, path.display(), error))?;
    let waiting = Waiting { path: &path, receipt: &held, archive: &archive, evidence: &evidence };
    let moved = match accepted_still(&judge, &waiting, &rules, global) {
        Ok(standing) => {
            let moved = move_names(judge.writer()?, &waiting, &destinations, &key).await;
            moved.map(|arrived| (standing, arrived))
        }
        Err(failures) => Err(failures),
    };
    let (standing, arrived) = match moved {
        Ok(moved) => moved,
        Err(failures) => return Err(refuse(&mut judge, Some(&(archive, subject)), failures, &key, global)),
    };
    let site = judge.writer()?;
    let successor = summaries::published(site, held, &kept, arrived, clock::now())?;
    let text = super::receipt::render_items(&successor.receipt.items);
    let items = successor.receipt.items.len();
    let issued = site.issue(successor, &key)?;
    Ok(Published { archive: standing, held: path, receipt: issued.path, items, text })
}

/// What was held, and the site's evidence pack of it.
struct Waiting<'a> {
    path: &'a Path,
    receipt: &'a Receipt,
    archive: &'a ArchiveRecord,
    evidence: &'a Arc<Signed<File>>,
}

/// Asks once more whether it may come in, and tells by whom and what.
fn accepted_still(
    judge: &Judge,
    waiting: &Waiting<'_>,
    rules: &JudgeArguments,
    global: &Global,
) -> Result<Standing, Failures> {
    let Waiting { path, receipt, archive, evidence } = *waiting;
    let refused = |reason| Failure::new(Class::Refused, path.display(), reason);
    let mut now = judge.reassess(rules, evidence, receipt, global)?;
    let mut failures = std::mem::take(&mut now.against);
    failures.extend(refused_since(judge.reader()?, receipt, archive)?.map(refused));
    if failures.is_empty() {
        return Ok(Standing::of_held(evidence, receipt, now));
    }
    failures.push(
        refused("wanted it accepted as of now".to_owned())
            .advise("load it again, or a newer archive of its channel"),
    );
    Err(Failures::of(failures))
}

/// Asks whether the names may move, looks at what was held, and moves them.
async fn move_names(
    site: &mut Site,
    Waiting { receipt, evidence, .. }: &Waiting<'_>,
    destinations: &Destinations,
    key: &Arc<PrivateKey>,
) -> Result<Vec<Arrived>, Failures> {
    publish::check_held(receipt, evidence, destinations, &site.ledger).await?;
    let vouching = site.vouching_key(key)?;
    let verification = site.accepted_as(evidence.inventory(), clock::now());
    let voucher = Voucher { key: &vouching, verification, folder: site.receipts() };
    let there = held::look(receipt, evidence, destinations, &voucher).await?;
    publish::publish_held(receipt, evidence, destinations, &there, &mut site.ledger).await
}

/// Whether the last word about an archive since it was held is that it was refused.
fn refused_since(site: &Site, held: &Receipt, archive: &ArchiveRecord) -> Result<Option<String>, SiteError> {
    let mut refusal = None;
    for listed in receipts::list(&site.receipts())? {
        let later = receipts::read(&listed.path, site.public_key())?.receipt;
        let is_it = later.archive.as_ref().is_some_and(|other| other.identity == archive.identity);
        if later.issued >= held.issued && is_it {
            // The last word counts: it may have been accepted again since.
            refusal = (later.state == State::Refused).then_some(listed.number);
        }
    }
    Ok(refusal.map(|number| format!("found it refused since, in the receipt {number}")))
}

/// A number, or a file in the site's own folder: only its chain says what was held here.
fn find(site: &Site, wanted: &str) -> Result<PathBuf, Failure> {
    let listed = receipts::list(&site.receipts())?;
    let name = Path::new(wanted).file_name();
    let is_wanted = |receipt: &&receipts::Listed| {
        wanted.parse() == Ok(receipt.number) || (name.is_some() && receipt.path.file_name() == name)
    };
    listed.iter().find(is_wanted).map(|receipt| receipt.path.clone()).ok_or_else(|| {
        Failure::new(
            Class::Usage,
            wanted,
            format!("found {} receipts of this site, not this one", listed.len()),
        )
        .advise("give its number; `receipt show` shows the last")
    })
}

fn check<'a>(site: &Site, path: &Path, held: &'a Receipt) -> Result<&'a ArchiveRecord, Failure> {
    let wrong = |found: &str| {
        let message = format!("found {found}, wanted a receipt of a load that was held");
        Err(Failure::new(Class::Usage, path.display(), message))
    };
    match held.state {
        State::Held => {}
        State::Published => return wrong("a receipt of names that are published"),
        State::Refused => return wrong("the receipt of a refusal"),
        State::Changed => return wrong("the receipt of a change of trust or policy"),
    }
    let Some(archive) = &held.archive else { return wrong("a receipt without an archive") };
    if held.site != *site.name() {
        let message = format!("found a receipt of the site {}, wanted {}", held.site, site.name());
        return Err(Failure::new(Class::Refused, path.display(), message));
    }
    Ok(archive)
}

/// The site's own copy of the archive's beginning, which has every manifest.
fn open_evidence(site: &Site, archive: &ArchiveRecord, held: &Receipt) -> Result<Signed<File>, Failure> {
    let evidence = site.pack_of(archive.identity, held)?;
    let path = site.evidence_pack(archive.identity);
    evidence.verify_evidence(&|_| ()).map_err(|error| archive_failure::failure(&path, &error))?;
    Ok(evidence)
}

impl Published {
    pub(crate) fn render(&self) -> String {
        let receipt = console::escape::escape(&self.receipt.display().to_string());
        format!("{}\n{}{:<14} {receipt}\n", self.archive.render(), self.text, "receipt")
    }
}
