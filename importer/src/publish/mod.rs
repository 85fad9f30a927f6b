//! Publish: the names move.
//!
//! What a name points to, and whether it may move, is asked once more where the answer may be old (a load takes
//! hours, one that was held days), the ledger decides once more, and what is about to move is in the ledger before
//! it does, with what it replaces: a run that is cut must not take with it what a name was before.

mod held;

use std::collections::HashMap;

use console::{Class, Failure, Failures, clock};
use manifests::Digest;
use manifests::inventory::{Inventory, Item, ItemKind};
use manifests::receipt::{Confirmation, NameOutcome, NameRecord, Place};
use manifests::reference::Repository;
use manifests::{ChannelName, Reference};

use crate::blobs::Metadata;
use crate::destinations::{Move, Target};
use crate::load::{Delivered, Loaded};
use crate::plan::Asked;
use crate::site::ledger::{Ledger, LedgerError};
use crate::site::names::{NameDecision, NameEntry, NameIntent, NameKey, decide_name};

pub(crate) use held::{check_held, publish_held};

/// An item that is at its targets.
#[derive(Debug, Clone)]
pub(crate) struct Arrived {
    /// The manifest that its name points to.
    pub(crate) digest: Digest,
    /// What it is.
    pub(crate) kind: ItemKind,
    /// Its name upstream.
    pub(crate) name: String,
    /// Where it is, once for each target.
    pub(crate) places: Vec<Place>,
}

/// An item at one target whose content is there.
struct Waiting<'a> {
    item: &'a Item,
    name: Reference,
    confirmation: Confirmation,
    evidence: Vec<Digest>,
    /// What its name pointed to when that was asked.
    found: Option<Digest>,
    /// Whether it does so now: it was asked a moment ago, and so was whether it may move.
    is_known: bool,
}

/// A target with the items whose content is there.
type AtTarget<'t, 'a> = (&'t Target, Vec<Waiting<'a>>);

/// Whose names move.
struct Claimant {
    channel: ChannelName,
    serial: u64,
    identity: Digest,
}

/// Moves the names of what was loaded. Every name at every target is decided first, and what is about to move
/// is in the ledger before the first one does.
///
/// # Errors
/// Every name that may not be moved, or could not be.
pub(crate) async fn publish(loaded: Loaded, ledger: &mut Ledger) -> Result<Vec<Arrived>, Failures> {
    let Loaded { accepted, destinations, delivered, asked, .. } = loaded;
    let archive = accepted.archive();
    let claimant = Claimant::of(archive.inventory(), archive.identity());
    let waiting = waiting(archive.inventory(), delivered, asked);
    let at: Vec<AtTarget<'_, '_>> = destinations.targets().iter().zip(waiting).collect();
    everywhere(&at, &claimant, &accepted, ledger).await
}

/// What a load that is held leaves for the receipt: every name as `Held`.
pub(crate) fn held(loaded: Loaded) -> Vec<Arrived> {
    let mut records = Records::default();
    let Loaded { accepted, destinations, delivered, asked, .. } = loaded;
    let waiting = waiting(accepted.archive().inventory(), delivered, asked);
    for (target, waiting) in destinations.targets().iter().zip(waiting) {
        let places = waiting.iter().map(|one| {
            let tag = one.name.tag().map(str::to_owned);
            let record = |tag| NameRecord { outcome: NameOutcome::Held, previous: one.found, tag };
            one.place(target, tag.map(record))
        });
        records.add(&waiting, places.collect());
    }
    records.list
}

/// What waits at each target.
fn waiting(inventory: &Inventory, delivered: Vec<Vec<Delivered>>, asked: Asked) -> Vec<Vec<Waiting<'_>>> {
    let by_name: HashMap<&str, &Item> =
        inventory.items.iter().map(|item| (item.name.as_str(), item)).collect();
    let is_fresh = asked.is_fresh();
    let one = |Delivered { name, confirmation, evidence, found }| {
        let item = *by_name.get(name.to_string().as_str())?;
        // An old answer is not believed even where it says that nothing is to be done: the receipt will say so.
        Some(Waiting { item, name, confirmation, evidence, found, is_known: is_fresh })
    };
    delivered.into_iter().map(|items| items.into_iter().filter_map(one).collect()).collect()
}

/// Moves the names at every target, and says what became of each. A refusal at one target leaves the names at
/// all of them alone.
async fn everywhere(
    at: &[AtTarget<'_, '_>],
    claimant: &Claimant,
    manifests: &dyn Metadata,
    ledger: &mut Ledger,
) -> Result<Vec<Arrived>, Failures> {
    let decided = decide_everywhere(at, claimant, ledger).await?;
    let mut failures = Vec::new();
    let of_ledger = |error: LedgerError| Failure::new(Class::Failed, "the ledger", error);
    ledger.intend(decided.iter().flat_map(|one| &one.intents), clock::now()).map_err(of_ledger)?;
    let mut records = Records::default();
    for ((target, waiting), Decided { moves, intents, sure, places, .. }) in at.iter().zip(decided) {
        match target.publish(&moves, manifests).await {
            Ok(()) => {
                ledger.done(intents.iter().chain(&sure), clock::now()).map_err(of_ledger)?;
                records.add(waiting, places);
            }
            Err(reasons) => failures.extend(reasons),
        }
    }
    Failures::unless_empty(failures, records.list)
}

/// Decides about the names at every target.
async fn decide_everywhere<'a>(
    at: &[AtTarget<'_, 'a>],
    claimant: &Claimant,
    ledger: &Ledger,
) -> Result<Vec<Decided<'a>>, Failures> {
    let (mut decided, mut failures) = (Vec::new(), Vec::new());
    for (target, waiting) in at {
        match decide(target, waiting, claimant, ledger).await {
            Ok(one) => decided.push(one),
            Err(reasons) => failures.extend(reasons),
        }
    }
    Failures::unless_empty(failures, decided)
}

/// What is to be done with the names at one target.
#[derive(Default)]
struct Decided<'a> {
    moves: Vec<Move<'a>>,
    /// Names that are about to be set.
    intents: Vec<NameIntent>,
    /// Names that point there already, which the ledger does not say.
    sure: Vec<NameIntent>,
    /// Names that will be taken from other content, where no plan has just asked whether they may.
    replacing: Vec<(Repository, String)>,
    places: Vec<Place>,
}

/// Decides about the names at one target, from what they point to now.
async fn decide<'a>(
    target: &Target,
    waiting: &[Waiting<'a>],
    claimant: &Claimant,
    ledger: &Ledger,
) -> Result<Decided<'a>, Vec<Failure>> {
    let asked = waiting.iter().filter(|one| !one.is_known);
    let names: Vec<(Repository, String)> =
        asked.filter_map(|one| Some((one.name.repository().clone(), one.name.tag()?.to_owned()))).collect();
    let mut answers = target.look_up(&names).await?.into_iter();
    let (mut decided, mut refused) = (Decided::default(), Vec::new());
    for one in waiting {
        let is_asked = !one.is_known && one.name.tag().is_some();
        let found = if is_asked { answers.next().flatten() } else { one.found };
        if let Err(failure) = decided.item(target, one, found, claimant, ledger) {
            refused.push(failure);
        }
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    // A rule may have come since the plan, and would stop this target when the names at others have moved.
    target.check_names(&decided.replacing).await?;
    Ok(decided)
}

impl<'a> Decided<'a> {
    /// Decides about one item. `found` is what its name points to now.
    fn item(
        &mut self,
        target: &Target,
        one: &Waiting<'a>,
        found: Option<Digest>,
        claimant: &Claimant,
        ledger: &Ledger,
    ) -> Result<(), Failure> {
        let intent = one.name.tag().map(|tag| claimant.intent(target, one, tag, found));
        let record = intent.map(|intent| self.name(intent, ledger)).transpose()?;
        let moves = |record: &&NameRecord| record.outcome != NameOutcome::LeftNewer;
        let tag = record.as_ref().filter(moves).map(|record| record.tag.clone());
        // Not what the record says: for what a cut run set, that is more than there is left to do.
        let is_there = found == Some(one.item.published.digest);
        let upstream = one.name.repository().clone();
        if let Some(tag) = tag.as_ref().filter(|_| !one.is_known && !is_there && found.is_some()) {
            self.replacing.push((upstream.clone(), tag.clone()));
        }
        self.moves.push(Move { item: one.item, upstream, tag, is_there });
        self.places.push(one.place(target, record));
        Ok(())
    }

    /// Decides about one name. `intent.replaces` is what it points to now.
    fn name(&mut self, intent: NameIntent, ledger: &Ledger) -> Result<NameRecord, Failure> {
        let names = ledger.names();
        let found = intent.replaces;
        let tag = intent.key.tag.clone();
        let record = |outcome, previous| NameRecord { outcome, previous, tag };
        match decide_name(names.lookup(&intent.key), found, &intent.entry) {
            NameDecision::Set { previous } => {
                self.intents.push(intent);
                Ok(record(NameOutcome::Set, previous))
            }
            NameDecision::Unchanged => {
                // An earlier run set it and was cut before its receipt: that it did so is in the ledger alone.
                let record = match names.unfinished(&intent) {
                    Some(previous) => record(NameOutcome::Set, previous),
                    None => record(NameOutcome::Unchanged, found),
                };
                if !names.has(&intent) {
                    self.sure.push(intent);
                }
                Ok(record)
            }
            NameDecision::LeftNewer => Ok(record(NameOutcome::LeftNewer, found)),
            NameDecision::Refused(reason) => {
                let name = format!("{}:{}", intent.key.repository, intent.key.tag);
                Err(Failure::new(Class::Refused, name, reason))
            }
        }
    }
}

impl Claimant {
    fn of(inventory: &Inventory, identity: Digest) -> Self {
        Self { channel: inventory.name.clone(), serial: inventory.serial, identity }
    }

    fn intent(&self, target: &Target, one: &Waiting<'_>, tag: &str, found: Option<Digest>) -> NameIntent {
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
            replaces: found,
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
    list: Vec<Arrived>,
    at: HashMap<String, usize>,
}

impl Records {
    fn add(&mut self, waiting: &[Waiting<'_>], places: Vec<Place>) {
        for (one, place) in waiting.iter().zip(places) {
            let Item { kind, name, published, .. } = one.item;
            let at = *self.at.entry(name.clone()).or_insert(self.list.len());
            match self.list.get_mut(at) {
                Some(record) => record.places.push(place),
                None => self.list.push(Arrived {
                    digest: published.digest,
                    kind: *kind,
                    name: name.clone(),
                    places: vec![place],
                }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use manifests::{API_VERSION, Descriptor};

    use super::*;

    fn inventory(item: Item) -> Inventory {
        Inventory {
            annex_of: None,
            annotations: <_>::default(),
            api_version: API_VERSION.to_owned(),
            audience: vec![],
            base: None,
            content: vec![],
            created: clock::now(),
            generator: String::new(),
            import_before: None,
            items: vec![item],
            kind: "Inventory".to_owned(),
            metadata: vec![],
            name: "core".parse().unwrap(),
            serial: 1,
        }
    }

    fn item(published: Descriptor) -> Item {
        Item {
            annotations: <_>::default(),
            evidence: vec![],
            group: None,
            kind: ItemKind::Image,
            name: "ghcr.io/demo/web:1".to_owned(),
            platforms: vec![],
            published: published.clone(),
            requires: vec![],
            source: published,
            to: None,
        }
    }

    #[test]
    fn an_old_answer_is_not_believed_whatever_it_was() {
        let (own, other) = (Digest::of(b"own"), Digest::of(b"other"));
        let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
        let inventory = inventory(item(Descriptor { digest: own, media_type, size: 3 }));
        let now = Instant::now();
        let a_minute_ago = now.checked_sub(Duration::from_secs(61)).unwrap();
        for found in [None, Some(other), Some(own)] {
            for (time, is_known) in [(now, true), (a_minute_ago, false)] {
                let name = "ghcr.io/demo/web:1".parse().unwrap();
                let confirmation = Confirmation::Present;
                let delivered = Delivered { name, confirmation, evidence: vec![], found };
                let waiting = waiting(&inventory, vec![vec![delivered]], Asked::at(time));
                assert_eq!(waiting[0][0].is_known, is_known, "{found:?}");
            }
        }
    }
}
