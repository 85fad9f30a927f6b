//! Publish: the names move.
//!
//! What a name points to is asked once more, the ledger decides once more, and what is about to move is in the
//! ledger before it does: a plan may be hours old, a load that was held days.

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
use crate::site::ledger::Ledger;
use crate::site::names::{NameDecision, NameEntry, NameIntent, NameKey, decide_name};

/// An item at one target whose content is there.
struct Waiting<'a> {
    item: &'a Item,
    name: Reference,
    confirmation: Confirmation,
    evidence: Vec<Digest>,
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
    for (target, delivery) in plan.destinations.targets().iter().zip(&deliveries) {
        let waiting = waiting(&plan, delivery.confirmations.as_slice());
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
        let waiting = waiting(&plan, delivery.confirmations.as_slice());
        let places = waiting.iter().zip(&survey.names).map(|(one, previous)| {
            let tag = one.name.tag().map(str::to_owned);
            let record = |tag| NameRecord { outcome: NameOutcome::Held, previous: *previous, tag };
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
        waiting.push(Waiting { item, name, confirmation, evidence });
    }
    Ok(waiting)
}

fn waiting<'a>(plan: &'a Plan, confirmations: &[Confirmation]) -> Vec<Waiting<'a>> {
    let inventory = plan.accepted.archive().inventory();
    let by_name: HashMap<&str, &Item> =
        inventory.items.iter().map(|item| (item.name.as_str(), item)).collect();
    let all = plan.shipment.items.iter().zip(confirmations);
    all.filter_map(|(cargo, confirmation)| {
        let item = *by_name.get(cargo.name.to_string().as_str())?;
        let mut evidence: Vec<Digest> = cargo.evidence.iter().map(|proof| proof.manifest.digest).collect();
        evidence.sort_unstable();
        evidence.dedup();
        Some(Waiting { item, name: cargo.name.clone(), confirmation: *confirmation, evidence })
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
    let tagged = waiting.iter().filter_map(|one| Some((one, one.name.tag()?)));
    let names: Vec<(Repository, String)> =
        tagged.clone().map(|(one, tag)| (one.name.repository().clone(), tag.to_owned())).collect();
    let mut present = target.look_up(&names).await?.into_iter();
    let (mut moves, mut intents, mut sure, mut places) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut refused = Vec::new();
    for one in waiting {
        let mut record = None;
        let mut tag = None;
        if let Some(name) = one.name.tag() {
            let found = present.next().flatten();
            let intent = claimant.intent(target, one, name);
            let (outcome, previous) =
                match decide_name(ledger.names().lookup(&intent.key), found, &intent.entry) {
                    NameDecision::Set { previous } => {
                        tag = Some(name.to_owned());
                        intents.push(intent);
                        (NameOutcome::Set, previous)
                    }
                    NameDecision::Unchanged => {
                        sure.push(intent);
                        (NameOutcome::Unchanged, found)
                    }
                    NameDecision::LeftNewer => (NameOutcome::LeftNewer, found),
                    NameDecision::Refused(reason) => {
                        let name = format!("{}:{}", intent.key.repository, intent.key.tag);
                        refused.push(Failure::new(Class::Refused, name, reason));
                        continue;
                    }
                };
            record = Some(NameRecord { outcome, previous, tag: name.to_owned() });
        }
        let is_there = record.as_ref().is_some_and(|name| name.outcome == NameOutcome::Unchanged);
        let upstream = one.name.repository().clone();
        let tag = if is_there { one.name.tag().map(str::to_owned) } else { tag };
        moves.push(Move { item: one.item, upstream, tag, is_there });
        places.push(one.place(target, record));
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    let of_ledger =
        |error: crate::site::ledger::LedgerError| vec![Failure::new(Class::Failed, "the ledger", error)];
    ledger.intend(&intents, clock::now()).map_err(of_ledger)?;
    target.publish(&moves, manifests).await?;
    intents.extend(sure);
    ledger.done(&intents, clock::now()).map_err(of_ledger)?;
    Ok(places)
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
