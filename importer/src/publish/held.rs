//! The names of what was held: of a receipt, days later.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;

use console::{Class, Failure, Failures};
use manifests::inventory::{Inventory, Item};
use manifests::receipt::{ItemRecord, Place, Receipt};
use manifests::{Digest, Reference};
use transfer::archive::Signed;

use super::{Arrived, AtTarget, Claimant, Waiting, decide_everywhere, everywhere};
use crate::destinations::{Destinations, Target};
use crate::held::There;
use crate::site::ledger::Ledger;

/// Whether the names of a receipt with the state `held` may move, asked before the content bears a signature of the
/// site: with that a cluster would run by its digest what is refused its name.
///
/// # Errors
/// Every name that may not be moved; every target that is not as it was when the content came.
pub(crate) async fn check_held(
    receipt: &Receipt,
    evidence: &Signed<File>,
    destinations: &Destinations,
    ledger: &Ledger,
) -> Result<(), Failures> {
    let inventory = evidence.inventory();
    let at = held_everywhere(receipt, inventory, destinations)?;
    decide_everywhere(&at, &Claimant::of(inventory, evidence.identity()), ledger).await.map(|_| ())
}

/// Moves the names of a receipt with the state `held`. `evidence` is the site's evidence pack of the archive:
/// it has every manifest. `there` is what was found just now.
///
/// # Errors
/// Every name that could not be moved.
pub(crate) async fn publish_held(
    receipt: &Receipt,
    evidence: &Signed<File>,
    destinations: &Destinations,
    there: &There,
    ledger: &mut Ledger,
) -> Result<Vec<Arrived>, Failures> {
    let inventory = evidence.inventory();
    let mut at = held_everywhere(receipt, inventory, destinations)?;
    for (target, waiting) in &mut at {
        for one in waiting {
            found_again(target, one, there)?;
        }
    }
    everywhere(&at, &Claimant::of(inventory, evidence.identity()), evidence, ledger).await
}

/// What a receipt says is at each target, as the destinations say where that is now.
fn held_everywhere<'t, 'a>(
    receipt: &Receipt,
    inventory: &'a Inventory,
    destinations: &'t Destinations,
) -> Result<Vec<AtTarget<'t, 'a>>, Failures> {
    let items: HashMap<&str, &Item> = inventory.items.iter().map(|item| (item.name.as_str(), item)).collect();
    let mut failures = missing_targets(receipt, destinations);
    let mut at = Vec::new();
    for target in destinations.targets() {
        match held_at(target, receipt, &items) {
            Ok(waiting) => at.push((target, waiting)),
            Err(failure) => failures.push(failure),
        }
    }
    Failures::unless_empty(failures, at)
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
    items: &HashMap<&str, &'a Item>,
) -> Result<Vec<Waiting<'a>>, Failure> {
    let here =
        |record: &'_ ItemRecord| record.places.iter().find(|place| place.target == target.name()).cloned();
    let held = receipt.items.iter().filter_map(|record| Some((record, here(record)?)));
    held.map(|(record, place)| one_held(target, record, place, items)).collect()
}

fn one_held<'a>(
    target: &Target,
    record: &ItemRecord,
    Place { confirmation, evidence, repository, .. }: Place,
    items: &HashMap<&str, &'a Item>,
) -> Result<Waiting<'a>, Failure> {
    let wrong = |message: &str| Failure::new(Class::Damaged, &record.name, message);
    let item = *items
        .get(record.name.as_str())
        .filter(|item| item.published.digest == record.digest)
        .ok_or_else(|| wrong("found it in the receipt and not in the archive's inventory"))?;
    let name: Reference = item.name.parse().map_err(|_| wrong("found a name that is no reference"))?;
    let now = target.repository(name.repository());
    if now != repository {
        let message = format!("found it held in {repository}, wanted {now}, as the destinations say now");
        return Err(Failure::new(Class::Usage, &record.name, message));
    }
    Ok(Waiting { item, name, confirmation, evidence, found: None, is_known: false })
}

/// What the receipt of the load says of an item is as old as that; what was found just now takes its place.
fn found_again(target: &Target, one: &mut Waiting<'_>, there: &There) -> Result<(), Failure> {
    let found = there.get(&(target.name().to_owned(), one.name.to_string())).ok_or_else(|| {
        let message = "found it in the receipt and looked for it nowhere";
        Failure::new(Class::Damaged, &one.item.name, message)
    })?;
    one.confirmation = found.confirmation;
    let evidence: BTreeSet<Digest> = one.evidence.iter().chain(&found.vouched).copied().collect();
    one.evidence = evidence.into_iter().collect();
    Ok(())
}
