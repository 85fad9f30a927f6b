//! Which repository of the target each item goes to.

use std::collections::{BTreeMap, HashMap};

use clients::registry::Remote;
use console::{Class, Failure};
use manifests::reference::Repository;

use super::Registry;
use crate::shipment::Shipment;

/// The repositories that a shipment needs at the target.
pub(super) struct Places {
    /// Each repository once.
    pub(super) remotes: Vec<Remote>,
    /// For each item: the number of its repository.
    pub(super) of: Vec<usize>,
}

impl Registry {
    /// The path of each repository that a shipment needs, by its number.
    ///
    /// # Errors
    /// As [`Registry::places`].
    pub(crate) fn paths(&self, shipment: &Shipment) -> Result<Vec<String>, Vec<Failure>> {
        let places = self.places(shipment)?;
        Ok(places.remotes.iter().map(|remote| remote.repository().path().to_owned()).collect())
    }

    /// Maps every item to its repository.
    ///
    /// # Errors
    /// When two repositories or hosts upstream would become one here.
    pub(super) fn places(&self, shipment: &Shipment) -> Result<Places, Vec<Failure>> {
        let mut places = Places { remotes: Vec::new(), of: Vec::with_capacity(shipment.items.len()) };
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
        if failures.is_empty() { Ok(places) } else { Err(failures) }
    }

    fn collisions(&self, shipment: &Shipment) -> Vec<Failure> {
        let mut failures = Vec::new();
        let mut paths: HashMap<String, &Repository> = HashMap::new();
        let mut hosts: HashMap<String, &Repository> = HashMap::new();
        for cargo in &shipment.items {
            let upstream = cargo.name.repository();
            let path = self.destination.path(upstream);
            let host = self.host_part(upstream, &path);
            match paths.insert(path.clone(), upstream) {
                Some(other) if other != upstream => failures.push(collision(upstream, other, &path)),
                _ => {
                    let other = host.clone().and_then(|host| hosts.insert(host, upstream));
                    if let Some(other) = other.filter(|other| other.host() != upstream.host()) {
                        failures.push(collision(upstream, other, &host.unwrap_or_default()));
                    }
                }
            }
        }
        failures
    }

    /// What stands for the upstream host in a path; nothing where `map:` says where things go.
    fn host_part(&self, upstream: &Repository, path: &str) -> Option<String> {
        let full = upstream.to_string();
        let is_mapped = self.destination.map.iter().any(|mapping| {
            full.strip_prefix(mapping.from.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        let host = path.strip_suffix(upstream.path()).filter(|_| !is_mapped);
        host.map(str::to_owned)
    }
}

fn collision(one: &Repository, other: &Repository, place: &str) -> Failure {
    let message = format!("found {place:?} as the place of this and of {other}, wanted one place for each");
    Failure::new(Class::Usage, one, message).advise("map: in the destinations can tell them apart")
}
