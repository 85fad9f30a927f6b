//! Publish: the names move.
//!
//! What a name points to is asked once more where the answer may be old (a load takes hours, one that was held
//! days), the ledger decides once more, and what is about to move is in the ledger before it does.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;

use console::{Class, Failure, Failures, clock};
use manifests::Digest;
use manifests::inventory::{Inventory, Item};
use manifests::receipt::{Confirmation, ItemRecord, NameOutcome, NameRecord, Place, Receipt};
use manifests::reference::Repository;
use manifests::{ChannelName, Reference};
use transfer::archive::Signed;

use crate::blobs::Metadata;
use crate::destinations::{Destinations, Move, Target};
use crate::load::Loaded;
use crate::plan::Plan;
use crate::site::ledger::{Ledger, LedgerError};
use crate::site::names::{NameDecision, NameEntry, NameIntent, NameKey, decide_name};

/// An item at one target whose content is there.
struct Waiting<'a> {
    item: &'a Item,
    name: Reference,
    confirmation: Confirmation,
    evidence: Vec<Digest>,
    /// What its name pointed to when the load was planned.
    before: Option<Digest>,
    /// Whether that is believed, and not asked again.
    is_known: bool,
}

/// Whose names move.
struct Claimant {
    channel: ChannelName,
    serial: u64,
    identity: Digest,
}

/// Moves the names of what was loaded: the intents are in the ledger before the first one moves.
///
/// # Errors
/// Every name that could not be moved.
pub(crate) async fn publish(loaded: Loaded, ledger: &mut Ledger) -> Result<Vec<ItemRecord>, Failures> {
    let Loaded { plan, deliveries, .. } = loaded;
    let archive = plan.accepted.archive();
    let claimant = Claimant::of(archive.inventory(), archive.identity());
    let (mut records, mut failures) = (Records::default(), Vec::new());
    let targets = plan.destinations.targets().iter().zip(&plan.surveys);
    for ((target, survey), delivery) in targets.zip(&deliveries) {
        let waiting = waiting(&plan, &delivery.confirmations, &survey.names);
        match to_target(target, &waiting, &claimant, &plan.accepted, ledger).await {
            Ok(places) => records.add(&waiting, places),
            Err(reasons) => failures.extend(reasons),
        }
    }
    Failures::unless_empty(failures, records.list)
}

/// What a load that is held leaves for the receipt: every name as `Held`.
pub(crate) fn held(loaded: Loaded) -> Vec<ItemRecord> {
    let mut records = Records::default();
    let Loaded { plan, deliveries, .. } = loaded;
    for ((target, delivery), survey) in plan.destinations.targets().iter().zip(&deliveries).zip(&plan.surveys)
    {
        let waiting = waiting(&plan, &delivery.confirmations, &survey.names);
        let places = waiting.iter().map(|one| {
            let tag = one.name.tag().map(str::to_owned);
            let record = |tag| NameRecord { outcome: NameOutcome::Held, previous: one.before, tag };
            one.place(target, tag.map(record))
        });
        records.add(&waiting, places.collect());
    }
    records.list
}

/// Moves the names of a receipt with the state `held`. `evidence` is the site's evidence pack of the archive:
/// it has every manifest.
///
/// # Errors
/// Every name that could not be moved.
pub(crate) async fn publish_held(
    receipt: &Receipt,
    evidence: &Signed<File>,
    destinations: Destinations,
    ledger: &mut Ledger,
) -> Result<Vec<ItemRecord>, Failures> {
    let inventory = evidence.inventory();
    let claimant = Claimant::of(inventory, evidence.identity());
    let (mut records, mut failures) = (Records::default(), missing_targets(receipt, &destinations));
    Failures::unless_empty(std::mem::take(&mut failures), ())?;
    for target in destinations.targets() {
        let waiting = match held_at(target, receipt, inventory) {
            Ok(waiting) => waiting,
            Err(failure) => {
                failures.push(failure);
                continue;
            }
        };
        match to_target(target, &waiting, &claimant, evidence, ledger).await {
            Ok(places) => records.add(&waiting, places),
            Err(reasons) => failures.extend(reasons),
        }
    }
    Failures::unless_empty(failures, records.list)
}

/// Targets of a receipt that the destinations no longer have.
fn missing_targets(receipt: &Receipt, destinations: &Destinations) -> Vec<Failure> {
    let places = receipt.items.iter().flat_map(|item| &item.places);
    let wanted: BTreeSet<&str> = places.map(|place| place.target.as_str()).collect();
    let has = |name: &str| destinations.targets().iter().any(|target| target.name() == name);
    let missing = wanted.into_iter().filter(|name| !has(name));
    missing
        .map(|name| {
            let message = "found no such target in the destinations, wanted the one that the content is at";
            Failure::new(Class::Usage, name, message)
        })
        .collect()
}

fn held_at<'a>(
    target: &Target,
    receipt: &Receipt,
    inventory: &'a Inventory,
) -> Result<Vec<Waiting<'a>>, Failure> {
    let mut waiting = Vec::new();
    for record in &receipt.items {
        let Some(place) = record.places.iter().find(|place| place.target == target.name()) else { continue };
        let wrong = |message: &str| Failure::new(Class::Damaged, &record.name, message);
        let item = inventory
            .items
            .iter()
            .find(|item| item.name == record.name && item.published.digest == record.digest)
            .ok_or_else(|| wrong("found it in the receipt and not in the archive's inventory"))?;
        let name: Reference = item.name.parse().map_err(|_| wrong("found a name that is no reference"))?;
        if target.repository(name.repository()) != place.repository {
            let message = format!(
                "found it held in {}, wanted {}, as the destinations say now",
                place.repository,
                target.repository(name.repository())
            );
            return Err(Failure::new(Class::Usage, &record.name, message));
        }
        let (confirmation, evidence) = (place.confirmation, place.evidence.clone());
        waiting.push(Waiting { item, name, confirmation, evidence, before: None, is_known: false });
    }
    Ok(waiting)
}

fn waiting<'a>(plan: &'a Plan, confirmations: &[Confirmation], names: &[Option<Digest>]) -> Vec<Waiting<'a>> {
    let inventory = plan.accepted.archive().inventory();
    let by_name: HashMap<&str, &Item> =
        inventory.items.iter().map(|item| (item.name.as_str(), item)).collect();
    let all = plan.shipment.items.iter().zip(confirmations).zip(names);
    all.filter_map(|((cargo, confirmation), before)| {
        let item = *by_name.get(cargo.name.to_string().as_str())?;
        let mut evidence: Vec<Digest> = cargo.evidence.iter().map(|proof| proof.manifest.digest).collect();
        let is_known = plan.is_fresh() || *before == Some(item.published.digest);
        evidence.sort_unstable();
        evidence.dedup();
        Some(Waiting {
            item,
            name: cargo.name.clone(),
            confirmation: *confirmation,
            evidence,
            before: *before,
            is_known,
        })
    })
    .collect()
}

/// Moves the names at one target, and says what became of each.
async fn to_target(
    target: &Target,
    waiting: &[Waiting<'_>],
    claimant: &Claimant,
    manifests: &dyn Metadata,
    ledger: &mut Ledger,
) -> Result<Vec<Place>, Vec<Failure>> {
    let present = present(target, waiting).await?;
    let Decided { moves, intents, sure, places } = decide(target, waiting, &present, claimant, ledger)?;
    let failed = |error: LedgerError| vec![Failure::new(Class::Failed, "the ledger", error)];
    ledger.intend(&intents, clock::now()).map_err(failed)?;
    target.publish(&moves, manifests).await?;
    let done: Vec<NameIntent> = intents.into_iter().chain(sure).collect();
    ledger.done(&done, clock::now()).map_err(failed)?;
    Ok(places)
}

/// What each name points to now. What the plan was told a moment ago, or found where it belongs, is not asked again.
async fn present(target: &Target, waiting: &[Waiting<'_>]) -> Result<Vec<Option<Digest>>, Vec<Failure>> {
    let asked = |one: &&Waiting<'_>| one.name.tag().is_some() && !one.is_known;
    let names: Vec<(Repository, String)> = waiting
        .iter()
        .filter(asked)
        .map(|one| (one.name.repository().clone(), one.name.tag().unwrap_or_default().to_owned()))
        .collect();
    let mut answers = target.look_up(&names).await?.into_iter();
    let found = |one: &Waiting<'_>| if asked(&one) { answers.next().flatten() } else { one.before };
    Ok(waiting.iter().map(found).collect())
}

/// What is to be done with the names at one target.
#[derive(Default)]
struct Decided<'a> {
    moves: Vec<Move<'a>>,
    /// Names that are about to be set.
    intents: Vec<NameIntent>,
    /// Names that point there already.
    sure: Vec<NameIntent>,
    places: Vec<Place>,
}

fn decide<'a>(
    target: &Target,
    waiting: &[Waiting<'a>],
    present: &[Option<Digest>],
    claimant: &Claimant,
    ledger: &Ledger,
) -> Result<Decided<'a>, Vec<Failure>> {
    let (mut decided, mut refused) = (Decided::default(), Vec::new());
    for (one, found) in waiting.iter().zip(present) {
        let (mut record, mut is_there, mut tag) = (None, false, None);
        if let Some(name) = one.name.tag() {
            let intent = claimant.intent(target, one, name);
            let known = ledger.names().lookup(&intent.key);
            let outcome = match decide_name(known, *found, &intent.entry) {
                NameDecision::Set { .. } => {
                    decided.intents.push(intent);
                    NameOutcome::Set
                }
                NameDecision::Unchanged => {
                    decided.sure.push(intent);
                    NameOutcome::Unchanged
                }
                NameDecision::LeftNewer => NameOutcome::LeftNewer,
                NameDecision::Refused(reason) => {
                    let name = format!("{}:{}", intent.key.repository, intent.key.tag);
                    refused.push(Failure::new(Class::Refused, name, reason));
                    continue;
                }
            };
            is_there = outcome == NameOutcome::Unchanged;
            tag = (outcome != NameOutcome::LeftNewer).then(|| name.to_owned());
            record = Some(NameRecord { outcome, previous: *found, tag: name.to_owned() });
        }
        let upstream = one.name.repository().clone();
        decided.moves.push(Move { item: one.item, upstream, tag, is_there });
        decided.places.push(one.place(target, record));
    }
    if refused.is_empty() { Ok(decided) } else { Err(refused) }
}

impl Claimant {
    fn of(inventory: &Inventory, identity: Digest) -> Self {
        Self { channel: inventory.name.clone(), serial: inventory.serial, identity }
    }

    fn intent(&self, target: &Target, one: &Waiting<'_>, tag: &str) -> NameIntent {
        let key = NameKey {
            target: target.place().to_owned(),
            repository: target.repository(one.name.repository()),
            tag: tag.to_owned(),
        };
        let Self { channel, serial, identity } = self;
        let digest = one.item.published.digest;
        NameIntent {
            key,
            entry: NameEntry { channel: channel.clone(), serial: *serial, identity: *identity, digest },
        }
    }
}

impl Waiting<'_> {
    fn place(&self, target: &Target, name: Option<NameRecord>) -> Place {
        Place {
            confirmation: self.confirmation,
            evidence: self.evidence.clone(),
            name,
            repository: target.repository(self.name.repository()),
            target: target.name().to_owned(),
        }
    }
}

/// One record an item, with its places at every target.
#[derive(Default)]
struct Records {
    list: Vec<ItemRecord>,
    at: HashMap<String, usize>,
}

impl Records {
    fn add(&mut self, waiting: &[Waiting<'_>], places: Vec<Place>) {
        for (one, place) in waiting.iter().zip(places) {
            let Item { kind, name, published, .. } = one.item;
            let at = *self.at.entry(name.clone()).or_insert(self.list.len());
            match self.list.get_mut(at) {
                Some(record) => record.places.push(place),
                None => self.list.push(ItemRecord {
                    digest: published.digest,
                    kind: *kind,
                    name: name.clone(),
                    places: vec![place],
                }),
            }
        }
    }
}
