//! Which repository of the target each item goes to.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use clients::registry::Remote;
use console::{Class, Failure};
use manifests::Digest;
use manifests::reference::Repository;

use super::Registry;
use crate::base::Sources;
use crate::shipment::Shipment;

/// The repositories that a shipment needs at the target.
#[derive(Default)]
pub(super) struct Places {
    /// Each repository once: those of the items, then those where the base brought what is not carried.
    pub(super) remotes: Vec<Remote>,
    /// For each item: the number of its repository.
    pub(super) of: Vec<usize>,
    /// The numbers of the repositories where the base brought a blob.
    pub(super) sources: HashMap<Digest, Vec<usize>>,
    /// How many repositories are those of the items.
    own: usize,
}

impl Registry {
    /// The path of each repository that a shipment needs, by its number.
    ///
    /// # Errors
    /// As [`Registry::places`].
    pub(crate) fn paths(&self, shipment: &Shipment) -> Result<Vec<String>, Vec<Failure>> {
        let places = self.places(shipment)?;
        let own = places.remotes.iter().take(places.own);
        Ok(own.map(|remote| remote.repository().path().to_owned()).collect())
    }

    /// Maps every item to its repository.
    ///
    /// # Errors
    /// When two repositories upstream would become one here.
    pub(super) fn places(&self, shipment: &Shipment) -> Result<Places, Vec<Failure>> {
        let mut places = Places::default();
        let mut known: BTreeMap<&Repository, usize> = BTreeMap::new();
        let mut failures = self.collisions(shipment);
        for cargo in &shipment.items {
            let upstream = cargo.name.repository();
            let number = match known.get(upstream) {
                Some(number) => *number,
                None => match self.remote(upstream) {
                    Ok(remote) => {
                        places.remotes.push(remote);
                        places.remotes.len() - 1
                    }
                    Err(failure) => {
                        failures.push(failure);
                        0
                    }
                },
            };
            known.insert(upstream, number);
            places.of.push(number);
        }
        places.own = places.remotes.len();
        self.add_sources(&shipment.sources, &mut known, &mut places);
        if failures.is_empty() { Ok(places) } else { Err(failures) }
    }

    /// Adds where the base brought what is not carried. A repository that cannot be named here has nothing.
    fn add_sources<'a>(
        &self,
        sources: &'a Sources,
        known: &mut BTreeMap<&'a Repository, usize>,
        places: &mut Places,
    ) {
        // In one order, so that the numbers are the same each time.
        let repositories: BTreeSet<&Repository> = sources.values().flatten().collect();
        for upstream in repositories {
            if let (None, Ok(remote)) = (known.get(upstream), self.remote(upstream)) {
                known.insert(upstream, places.remotes.len());
                places.remotes.push(remote);
            }
        }
        for (digest, repositories) in sources {
            let numbers = repositories.iter().filter_map(|upstream| known.get(upstream).copied());
            places.sources.insert(*digest, numbers.collect());
        }
    }

    /// Repositories that `map:` brings together. Where it says nothing, each has its own place.
    fn collisions(&self, shipment: &Shipment) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut paths: HashMap<String, &Repository> = HashMap::new();
        for cargo in &shipment.items {
            let upstream = cargo.name.repository();
            let path = self.destination.path(upstream);
            if let Some(other) = paths.insert(path.clone(), upstream).filter(|other| *other != upstream) {
                failures.push(collision(upstream, other, &path));
            }
        }
        failures
    }
}

fn collision(one: &Repository, other: &Repository, place: &str) -> Failure {
    let message = format!("found {place:?} as the place of this and of {other}, wanted one place for each");
    Failure::new(Class::Usage, one, message).advise("map: in the destinations can tell them apart")
}
