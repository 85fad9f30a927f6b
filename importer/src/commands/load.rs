//! `load`: an archive is accepted, its content brought, its names set, and a receipt left.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use console::escape::escape;
use console::{Class, Failure, Failures, clock};
use manifests::key::PrivateKey;
use manifests::receipt::{ArchiveRecord, NameOutcome, State};
use manifests::{Digest, Timestamp};
use serde::Serialize;
use transfer::archive::stream::Keep;

use super::judge::Judge;
use super::refuse::{Opened, refuse};
use super::standing::Standing;
use super::{notice, state};
use crate::accept::{self, Accepted};
use crate::cli::{Global, LoadArguments};
use crate::destinations::Destinations;
use crate::load::LoadSummary;
use crate::plan::{Plan, PlanDocument, plan};
use crate::publish::Arrived;
use crate::site::evidence::Given;
use crate::site::summaries::Subject;
use crate::site::{Access, Site};
use crate::vouch::Voucher;
use crate::{load, publish};

/// What `load` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Done {
    archive: Standing,
    plan: PlanDocument,
    load: LoadSummary,
    names: Names,
    state: State,
    receipt: PathBuf,
}

/// What became of the names.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Names {
    set: usize,
    unchanged: usize,
    held: usize,
    left_newer: usize,
    /// Names that pointed elsewhere before.
    replaced: Vec<Replaced>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replaced {
    name: String,
    target: String,
    previous: Digest,
}

pub(crate) async fn run(arguments: &LoadArguments, global: &Global) -> Result<Done, Failures> {
    let LoadArguments { archive, to, judge: rules, hold, spool, .. } = arguments;
    if archive == Path::new("-") && spool.is_none() {
        let message = "found standard input and no --spool, wanted a folder for a copy: it is read once";
        return Err(Failure::new(Class::Usage, "-", message).into());
    }
    let mut judge = Judge::read(rules, Some(state(global)?), Access::Write, None)?;
    let destinations = Destinations::read(to)?;
    // Before the long work: the key may ask for its password.
    let site = judge.writer()?;
    let key = Arc::new(site.key()?);
    site.settle(clock::now(), &key)?;
    let mut opened = None;
    let examined = examine(arguments, global, &judge, (destinations, &key), &mut opened).await;
    let (accepted, (plan, document), now) = match examined {
        Ok(examined) => examined,
        Err(failures) => return Err(refuse(&mut judge, opened.as_ref(), failures, &key, global)),
    };
    let given = judge.given();
    let site = judge.writer()?;
    remember(site, &accepted, &given, now)?;
    let (summary, items) = match bring(site, plan, *hold, global.quiet).await {
        Ok(brought) => brought,
        Err(failures) => return Err(refuse(&mut judge, opened.as_ref(), failures, &key, global)),
    };
    let state = if *hold { State::Held } else { State::Published };
    let names = Names::of(&items);
    let site = judge.writer()?;
    let receipt = site.receipt(&accepted, items, state, clock::now(), &key)?;
    let issued = site.issue(receipt, &key)?;
    let archive = Standing::of(&accepted);
    Ok(Done { archive, plan: document, load: summary, names, state, receipt: issued.path })
}

/// Everything that is done before something is written: whether the archive may be loaded, and to where.
async fn examine(
    arguments: &LoadArguments,
    global: &Global,
    judge: &Judge,
    (destinations, key): (Destinations, &Arc<PrivateKey>),
    opened: &mut Option<Opened>,
) -> Result<(Arc<Accepted>, (Plan, PlanDocument), Timestamp), Failures> {
    let LoadArguments { archive, judge: rules, only, spool, hold, .. } = arguments;
    let verified = judge.open(archive, Keep::Whole, spool.as_deref(), global.quiet)?;
    let subject =
        Subject::of(&verified).map_err(|error| Failure::new(Class::Failed, archive.display(), error))?;
    *opened = Some((ArchiveRecord::new(verified.identity(), verified.inventory()), subject));
    let accepted = Arc::new(judge.accept(archive, rules, verified)?);
    notice(global, accepted.notices());
    let site = judge.reader()?;
    let now = judge.now();
    let inventory = accepted.archive().inventory();
    let vouching = site.vouching_key(key)?;
    let voucher =
        Voucher { key: &vouching, verification: site.accepted_as(inventory, now), folder: site.receipts() };
    // What is held bears no signature of the site yet: an admission controller would let it run by its digest.
    let voucher = (!hold).then_some(&voucher);
    let plan = plan(Arc::clone(&accepted), Some(site), destinations, only, voucher).await?;
    Ok((accepted, plan, now))
}

/// Brings the content and, unless it is held, moves the names.
async fn bring(
    site: &mut Site,
    plan: Plan,
    hold: bool,
    quiet: bool,
) -> Result<(LoadSummary, Vec<Arrived>), Failures> {
    let loaded = load::load(plan, quiet).await?;
    let summary = loaded.summary().clone();
    let items = if hold { publish::held(loaded) } else { publish::publish(loaded, &mut site.ledger).await? };
    Ok((summary, items))
}

/// Keeps the evidence, and writes down that the archive was accepted, before a target sees anything of it.
fn remember(site: &mut Site, accepted: &Accepted, given: &[Given], now: Timestamp) -> Result<(), Failures> {
    site.keep(accepted, given)?;
    let (identity, inventory) = (accepted.archive().identity(), accepted.archive().inventory());
    let known = site.ledger.archives().get(&inventory.name, inventory.serial);
    let content = accept::content(accepted.archive(), known);
    site.note_accepted(&inventory.name, inventory.serial, identity, content, now)?;
    Ok(())
}

impl Names {
    fn of(items: &[Arrived]) -> Self {
        let mut names = Self::default();
        for place in items.iter().flat_map(|item| &item.places) {
            let Some(name) = &place.name else { continue };
            match name.outcome {
                NameOutcome::Set => {
                    names.set += 1;
                    names.replaced.extend(name.previous.map(|previous| Replaced {
                        name: format!("{}:{}", place.repository, name.tag),
                        target: place.target.clone(),
                        previous,
                    }));
                }
                NameOutcome::Unchanged => names.unchanged += 1,
                NameOutcome::Held => names.held += 1,
                NameOutcome::LeftNewer => names.left_newer += 1,
            }
        }
        names
    }

    fn render(&self) -> String {
        let Self { set, unchanged, held, left_newer, replaced } = self;
        let counts =
            [(set, "set"), (unchanged, "unchanged"), (held, "held"), (left_newer, "left to a newer archive")];
        let counts: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| **count > 0)
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        let counts = if counts.is_empty() { "none".to_owned() } else { counts.join(", ") };
        let mut text = format!("{:<14} {counts}\n", "names");
        for Replaced { name, target, previous } in replaced {
            let line = format!("{name} at {target}, was {previous}");
            let _ = writeln!(text, "{:<14} {}", "  replaced", escape(&line));
        }
        text
    }
}

impl Done {
    pub(crate) fn render(&self) -> String {
        let state = if self.state == State::Held {
            "the content is at its targets, no name was set: `publish` sets them"
        } else {
            "the content is at its targets and its names point to it"
        };
        let receipt = escape(&self.receipt.display().to_string());
        format!(
            "{}\n{}{}\n{:<14} {state}\n{:<14} {receipt}\n",
            self.archive.render(),
            self.load.render(),
            self.names.render(),
            "state",
            "receipt"
        )
    }
}
