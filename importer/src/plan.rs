//! Plan: what each target needs of an accepted archive, asked before the first byte is sent.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::iter;
use std::sync::Arc;
use std::time::{Duration, Instant};

use console::escape::escape;
use console::progress::{self, count};
use console::{Class, Failure, Failures};
use manifests::reference::Repository;
use manifests::{Digest, evidence_tag};
use serde::Serialize;

use crate::accept::Accepted;
use crate::base;
use crate::destinations::{Amount, Destinations, Survey, Target};
use crate::shipment::{self, Cargo, Shipment, Signatures};
use crate::site::Site;
use crate::site::ledger::Ledger;
use crate::site::names::{NameDecision, NameEntry, NameKey, Names, decide_name};
use crate::vouch::{Voucher, vouch};

/// How long an answer about a name is believed. To ask once more is one request a name, which is much of a load of
/// small images and nothing of a large one.
const FRESH: Duration = Duration::from_secs(60);

/// What will be sent where.
pub(crate) struct Plan {
    /// Whose content it is.
    pub(crate) accepted: Arc<Accepted>,
    /// What goes to each target, in the order of the destinations.
    pub(crate) shipments: Vec<Shipment>,
    /// Where it goes.
    pub(crate) destinations: Destinations,
    /// What each target has, in the order of the destinations.
    pub(crate) surveys: Vec<Survey>,
    /// When the targets were asked.
    pub(crate) asked: Asked,
}

/// When targets were asked about names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked(Instant);

/// A plan as `plan` prints it: what will be sent where, and which names will be set.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PlanDocument {
    items: usize,
    targets: Vec<TargetPlan>,
}

/// What one target needs.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetPlan {
    target: String,
    create: Vec<String>,
    send: Amount,
    mount: Amount,
    present: Amount,
    manifests: u64,
    names: Vec<NamePlan>,
    notices: Vec<String>,
}

/// What will be done with one name.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct NamePlan {
    name: String,
    outcome: Outcome,
    digest: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Digest>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
enum Outcome {
    /// It is new.
    Set,
    /// It pointed elsewhere, by this site's own doing.
    Move,
    /// It pointed elsewhere, and this site does not know why.
    Replace,
    Unchanged,
    LeftNewer,
}

/// Asks every target. `site` is what knows the names; there may be none. `only` names groups or items;
/// none means everything. `voucher` is the site's word on what goes to registries.
///
/// # Errors
/// Every reason why the archive could not be loaded.
pub(crate) async fn plan(
    accepted: Arc<Accepted>,
    site: Option<&Site>,
    destinations: Destinations,
    only: &[String],
    voucher: Option<&Voucher<'_>>,
) -> Result<(Plan, PlanDocument), Failures> {
    let asked = Asked::at(Instant::now());
    let inventory = accepted.archive().inventory();
    let nothing = Names::default();
    let ledger = site.map(|site| &site.ledger);
    let names = ledger.map_or(&nothing, Ledger::names);
    let is_new =
        ledger.is_some_and(|ledger| ledger.archives().get(&inventory.name, inventory.serial).is_none());
    let content = Arc::new(Arc::clone(&accepted));
    let packed = shipment::pack(inventory, accepted.excluded(), content, is_new, only)?;
    let sources = site.map(|site| base::sources(inventory, site)).transpose()?.unwrap_or_default();
    let shipment = Shipment { sources: Arc::new(sources), ..packed };
    Failures::unless_empty(contradictions(&shipment), ())?;
    let items = shipment.items.len();
    let mut wanted = Vec::new();
    for target in destinations.targets() {
        wanted.push(target.signatures().await);
    }
    // Signing is most of the work of a load that sends nothing, and a folder has no use for it.
    let most = wanted.iter().flatten().copied().max().unwrap_or(Signatures::Unwanted);
    let shipment = match voucher {
        Some(voucher) => vouch(shipment, voucher, most)?,
        None => shipment,
    };
    let (mut shipments, mut surveys, mut targets, mut failures) =
        <(Vec<_>, Vec<_>, Vec<_>, Vec<_>)>::default();
    // The last target gets it without a copy: most often there is one, and thousands of items.
    let copies = iter::repeat_n(shipment, wanted.len());
    for ((target, signatures), shipment) in destinations.targets().iter().zip(wanted).zip(copies) {
        let asked = async {
            let shipment = shipment.for_target(signatures?);
            let survey = target.survey(&shipment).await?;
            Ok((shipment, survey))
        };
        let (shipment, survey) = match asked.await {
            Ok(asked) => asked,
            Err(reasons) => {
                failures.extend::<Vec<Failure>>(reasons);
                continue;
            }
        };
        match of_target(&accepted, &shipment, target, &survey, names) {
            Ok(planned) => {
                let moving: Vec<(Repository, String)> = moving(&shipment, &planned.names).collect();
                if let Err(reasons) = target.check_names(&moving).await {
                    failures.extend(reasons);
                }
                targets.push(planned);
            }
            Err(refused) => failures.extend(refused),
        }
        shipments.push(shipment);
        surveys.push(survey);
    }
    Failures::unless_empty(failures, ())?;
    let document = PlanDocument { items, targets };
    Ok((Plan { accepted, shipments, destinations, surveys, asked }, document))
}

/// Items that would make one name point to two things: the last one would win, and the receipt would say both. Under
/// a tag of evidence the other thing is what this site and others say there.
fn contradictions(shipment: &Shipment) -> Vec<Failure> {
    let mut tags: HashMap<(&Repository, &str), Digest> = HashMap::new();
    let mut failures = Vec::new();
    for cargo in &shipment.items {
        let Some(tag) = cargo.name.tag() else { continue };
        if let Some(subject) = evidence_tag::subject(tag) {
            let message = format!(
                "found the tag under which the evidence of {subject} is kept, wanted one that nothing is merged under"
            );
            let failure = Failure::new(Class::Refused, &cargo.name, message);
            failures.push(
                failure.advise("leave it out, with --only for the others: evidence comes with its subject"),
            );
            continue;
        }
        let digest = cargo.tree.root.digest;
        let other = tags.insert((cargo.name.repository(), tag), digest).filter(|other| *other != digest);
        if let Some(other) = other {
            let message = format!("found {other} and {digest} under one tag, wanted one of them");
            failures.push(Failure::new(Class::Usage, &cargo.name, message).advise("load one with --only"));
        }
    }
    failures
}

fn of_target(
    accepted: &Accepted,
    shipment: &Shipment,
    target: &Target,
    survey: &Survey,
    known: &Names,
) -> Result<TargetPlan, Vec<Failure>> {
    let (mut names, mut refused) = (Vec::new(), Vec::new());
    for (cargo, present) in shipment.items.iter().zip(&survey.names) {
        let Some(tag) = cargo.name.tag() else { continue };
        let (key, wanted) = claim(accepted, target, cargo, tag);
        let entry = known.lookup(&key);
        let (outcome, previous) = match decide_name(entry, *present, &wanted) {
            NameDecision::Set { previous: None } => (Outcome::Set, None),
            NameDecision::Set { previous } if entry.map(|entry| entry.digest) == previous => {
                (Outcome::Move, previous)
            }
            NameDecision::Set { previous } => (Outcome::Replace, previous),
            NameDecision::Unchanged => (Outcome::Unchanged, None),
            NameDecision::LeftNewer => (Outcome::LeftNewer, *present),
            NameDecision::Refused(reason) => {
                refused.push(Failure::new(Class::Refused, format!("{}:{}", key.repository, key.tag), reason));
                continue;
            }
        };
        let name = format!("{}:{tag}", key.repository);
        names.push(NamePlan { name, outcome, digest: wanted.digest, previous });
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    Ok(TargetPlan {
        target: target.name().to_owned(),
        create: survey.create.clone(),
        send: survey.send,
        mount: survey.mount,
        present: survey.present,
        manifests: survey.manifests,
        names,
        notices: survey.notices.clone(),
    })
}

/// A name at a target, and what the archive makes of it.
pub(crate) fn claim(accepted: &Accepted, target: &Target, cargo: &Cargo, tag: &str) -> (NameKey, NameEntry) {
    let archive = accepted.archive();
    let key = NameKey {
        target: target.place().to_owned(),
        repository: target.repository(cargo.name.repository()),
        tag: tag.to_owned(),
    };
    let entry = NameEntry {
        channel: archive.inventory().name.clone(),
        serial: archive.inventory().serial,
        identity: archive.identity(),
        digest: cargo.tree.root.digest,
    };
    (key, entry)
}

/// The names that point elsewhere now and are to move.
fn moving<'a>(
    shipment: &'a Shipment,
    names: &'a [NamePlan],
) -> impl Iterator<Item = (Repository, String)> + 'a {
    let tagged = shipment.items.iter().filter(|cargo| cargo.name.tag().is_some());
    let moving =
        tagged.zip(names).filter(|(_, name)| matches!(name.outcome, Outcome::Move | Outcome::Replace));
    moving
        .map(|(cargo, _)| (cargo.name.repository().clone(), cargo.name.tag().unwrap_or_default().to_owned()))
}

impl Asked {
    /// They were asked at this time.
    pub(crate) const fn at(time: Instant) -> Self {
        Self(time)
    }

    /// Whether what the targets said may be acted upon. Later, somebody else may have set a name.
    pub(crate) fn is_fresh(self) -> bool {
        self.0.elapsed() < FRESH
    }
}

impl PlanDocument {
    /// For people, with a newline at the end.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for target in &self.targets {
            target.render(&mut text);
        }
        text
    }
}

impl TargetPlan {
    fn render(&self, text: &mut String) {
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "{label:<14} {}", escape(value));
        };
        line("target", &self.target);
        for project in &self.create {
            line("  create", &format!("the project {project}"));
        }
        line("  send", &format!("{}, and {}", amount(self.send), count(self.manifests, "manifest")));
        line("  mount", &amount(self.mount));
        line("  there", &amount(self.present));
        for name in &self.names {
            let digest = name.digest;
            let previous = name.previous.map(|previous| previous.to_string()).unwrap_or_default();
            match name.outcome {
                Outcome::Set => line("  set", &format!("{} to {digest}", name.name)),
                Outcome::Move => line("  move", &format!("{} to {digest} from {previous}", name.name)),
                Outcome::Replace => {
                    line(
                        "  replace",
                        &format!("{} by {digest}, which is {previous}, and not by this site", name.name),
                    );
                }
                Outcome::Unchanged => line("  unchanged", &name.name),
                Outcome::LeftNewer => line("  left", &format!("{}, which a newer archive set", name.name)),
            }
        }
        for notice in &self.notices {
            line("  notice", notice);
        }
    }
}

/// `12 blobs, 3 MiB`.
pub(crate) fn amount(amount: Amount) -> String {
    let Amount { count, bytes } = amount;
    format!("{}, {}", progress::count(count, "blob"), progress::size(bytes))
}
