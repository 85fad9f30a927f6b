//! Where content goes: one file a kind of target, and this table of them.
//!
//! ```text
//! survey   what is there already; rights, room and rules, before the first byte   (reads only)
//! load     blobs, child manifests, manifests, indexes, evidence: all by digest
//! publish  the names
//! ```

mod directory;
mod harbor;
mod registry;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use clients::http::{self, Credentials as _, Http};
use console::progress::Progress;
use console::{Class, Failure, Failures, input};
use manifests::Digest;
use manifests::destinations::{Destinations as Document, RegistryDestination, RegistryKind};
use manifests::inventory::Item;
use manifests::receipt::Confirmation;
use manifests::reference::Repository;
use serde::Serialize;

use crate::blobs::Metadata;
use crate::hosts;
use crate::shipment::{Shipment, Signatures};

/// How many questions without content are under way at once. They cost a registry little, and each waits for
/// an answer.
const QUESTIONS: usize = 8;

/// The targets of one command.
pub(crate) struct Destinations(Vec<Target>);

/// One target.
pub(crate) enum Target {
    /// A folder.
    Directory(directory::Directory),
    /// A registry of the OCI distribution specification.
    Registry(registry::Registry),
    /// The same, with Harbor's projects, quotas and rules.
    Harbor(registry::Registry, harbor::Harbor),
}

/// How many, and how many bytes together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Amount {
    /// How many.
    pub(crate) count: u64,
    /// How many bytes.
    pub(crate) bytes: u64,
}

impl Amount {
    /// Counts one more.
    pub(crate) const fn add(&mut self, bytes: u64) {
        self.count += 1;
        self.bytes += bytes;
    }
}

/// What a target has already, and what it will be sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Survey {
    /// For each item: what its name points to now.
    pub(crate) names: Vec<Option<Digest>>,
    /// What is known to be there: a digest, in the place (a repository of the target) with this number.
    pub(crate) has: HashSet<(usize, Digest)>,
    /// For each item: the number of its place.
    pub(crate) places: Vec<usize>,
    /// Items of which something is there and may not be read by us, by their position.
    pub(crate) kept_from_us: Vec<usize>,
    /// Blobs to be sent; small ones that were not asked for count as such.
    pub(crate) send: Amount,
    /// Blobs that the target has in another repository already, or will have.
    pub(crate) mount: Amount,
    /// Blobs that are there.
    pub(crate) present: Amount,
    /// Manifests to be sent.
    pub(crate) manifests: u64,
    /// What will be made first: projects.
    pub(crate) create: Vec<String>,
    /// What a person should know, and need not act on.
    pub(crate) notices: Vec<String>,
}

/// What a name points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NameThere {
    /// To this.
    At(Digest),
    /// There is no such name.
    Nowhere,
    /// A policy does not let us see.
    KeptFromUs,
}

impl NameThere {
    /// The digest, where it is known.
    pub(crate) const fn digest(self) -> Option<Digest> {
        match self {
            Self::At(digest) => Some(digest),
            Self::Nowhere | Self::KeptFromUs => None,
        }
    }
}

/// What was brought to a target.
#[derive(Debug, Clone, Default)]
pub(crate) struct Delivery {
    /// For each item: how it is known that it is there.
    pub(crate) confirmations: Vec<Confirmation>,
    /// Blobs that were sent.
    pub(crate) sent: Amount,
    /// Blobs that the target took from another repository of its own.
    pub(crate) mounted: Amount,
    /// Manifests that were sent.
    pub(crate) manifests: u64,
    /// Subjects whose evidence is listed under a tag, because the registry has no referrers API.
    pub(crate) fallback_indexes: u64,
}

/// An item whose name may move.
pub(crate) struct Move<'a> {
    /// The item.
    pub(crate) item: &'a Item,
    /// The repository upstream.
    pub(crate) upstream: Repository,
    /// Its tag; none leaves every name alone, and the content is listed by its digest where a target lists
    /// content.
    pub(crate) tag: Option<String>,
    /// Whether the tag points there already.
    pub(crate) is_there: bool,
}

impl Destinations {
    /// Reads a file of destinations; a folder in its place means: everything into this folder. A path that is
    /// not there yet is a folder to be made, unless its name ends as a document's does.
    ///
    /// # Errors
    /// When it is neither, or has a section that this version cannot do.
    pub(crate) fn read(to: &Path) -> Result<Self, Failures> {
        let is_document = to.extension().is_some_and(|ending| ending == "yaml" || ending == "yml");
        if to.is_dir() || (!to.exists() && !is_document) {
            return Ok(Self(vec![Target::Directory(directory::Directory::new(to)?)]));
        }
        let wrong = |message: String| Failures::from(Failure::new(Class::Usage, to.display(), message));
        let document = Document::parse(&input::document(to)?).map_err(|error| wrong(error.to_string()))?;
        if !document.unsupported.is_empty() {
            let sections = document.unsupported.join(", ");
            return Err(wrong(format!("found {sections}, which this version cannot load into yet")));
        }
        if document.registries.is_empty() {
            return Err(wrong("found no destination in it, wanted registries: or a folder".to_owned()));
        }
        let folder = to.parent().unwrap_or_else(|| Path::new("."));
        let http = clients(&document, folder)?;
        let targets = document.registries.into_iter().map(|destination| match destination.kind {
            RegistryKind::Oci => Target::Registry(registry::Registry::new(destination, http.clone())),
            RegistryKind::Harbor { create, public } => {
                let harbor = harbor::Harbor::new(&destination, http.clone(), create, public);
                Target::Harbor(registry::Registry::new(destination, http.clone()), harbor)
            }
        });
        Ok(Self(targets.collect()))
    }

    /// Each target.
    pub(crate) fn targets(&self) -> &[Target] {
        &self.0
    }
}

/// Clients with the settings of the document. A mirror is for reading: writes go where they are sent.
fn clients(document: &Document, folder: &Path) -> Result<Http, Failure> {
    let hosts = of_targets(hosts::settings(&document.hosts, folder)?, &document.registries)?;
    let spelled = document.registries.iter();
    let spelled: HashMap<String, String> =
        spelled.filter_map(|registry| Some((registry.host.clone(), registry.other_spelling()?))).collect();
    // `docker login` keeps a password under what was typed.
    let find = move |host: &str| match (http::DockerConfig.find(host)?, spelled.get(host)) {
        (None, Some(other)) => http::DockerConfig.find(other),
        (found, _) => Ok(found),
    };
    // Inside the gap a registry does not send anybody elsewhere, unless its settings list the host.
    let redirects = http::Redirects::SameHost;
    Ok(Http::new(http::Options { hosts, redirects, credentials: Arc::new(find), ..http::Options::default() }))
}

/// The settings of the registries, by the one name that each has here, whichever the settings call it by.
fn of_targets(mut hosts: http::Hosts, registries: &[RegistryDestination]) -> Result<http::Hosts, Failure> {
    for registry in registries {
        let other = registry.other_spelling();
        if let Some((other, settings)) = other.and_then(|other| hosts.remove_entry(&other)) {
            if hosts.contains_key(&registry.host) {
                let message =
                    format!("found settings of {} and of {other}, wanted one of them", registry.host);
                return Err(
                    Failure::new(Class::Usage, "hosts", message).advise("they are one host: merge them")
                );
            }
            hosts.insert(registry.host.clone(), settings);
        }
        let settings = hosts.entry(registry.host.clone()).or_default();
        settings.mirror = None;
        // What the URL says: otherwise `https://127.0.0.1`, a forwarded port, would be spoken to in the clear.
        settings.plain_http = Some(registry.plain_http);
    }
    Ok(hosts)
}

impl Target {
    /// What receipts and the ledger call it.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Directory(directory) => directory.name(),
            Self::Registry(registry) | Self::Harbor(registry, _) => registry.name(),
        }
    }

    /// What the ledger knows its names by: where it is, not what the destinations call it, so that a new name in
    /// that file does not make every name there unknown.
    pub(crate) fn place(&self) -> &str {
        match self {
            Self::Directory(directory) => directory.name(),
            Self::Registry(registry) | Self::Harbor(registry, _) => registry.host(),
        }
    }

    /// Where an upstream repository is at the target, as one pulls it from there.
    pub(crate) fn repository(&self, upstream: &Repository) -> String {
        match self {
            Self::Directory(_) => upstream.to_string(),
            Self::Registry(registry) | Self::Harbor(registry, _) => registry.repository(upstream).to_string(),
        }
    }

    /// What it makes of the site's own signatures.
    ///
    /// # Errors
    /// When it does not say what it is.
    pub(crate) async fn signatures(&self) -> Result<Signatures, Vec<Failure>> {
        match self {
            // A folder has no place for what refers to its content but the index, which is the archive's.
            Self::Directory(_) => Ok(Signatures::Unwanted),
            Self::Registry(registry) | Self::Harbor(registry, _) if !registry.is_signed() => {
                Ok(Signatures::Unwanted)
            }
            Self::Registry(_) => Ok(Signatures::Bundles),
            Self::Harbor(_, harbor) if harbor.counts_bundles().await? => Ok(Signatures::Bundles),
            Self::Harbor(..) => Ok(Signatures::BundlesAndTags),
        }
    }

    /// Asks what is there, and whether the rest may and can be brought. Writes nothing.
    ///
    /// # Errors
    /// Every reason against it.
    pub(crate) async fn survey(&self, shipment: &Shipment) -> Result<Survey, Vec<Failure>> {
        match self {
            Self::Directory(directory) => directory.survey(shipment),
            Self::Registry(registry) => {
                let survey = registry.survey(shipment, &HashSet::new()).await?;
                registry.ask_for_blobs(shipment, &HashSet::new(), survey).await
            }
            Self::Harbor(registry, harbor) => {
                let found = harbor.prepare(&registry.paths(shipment)?).await?;
                let missing = found.missing_places();
                let survey = registry.survey(shipment, &missing).await?;
                let survey = harbor.look(&found, shipment, survey).await?;
                let survey = registry.ask_for_blobs(shipment, &missing, survey).await?;
                let frozen = match registry.growing_tags(shipment, &missing, &survey).await {
                    Ok(tags) => harbor.check_tags(&tags).await,
                    Err(reasons) => Err(reasons),
                };
                let judged = harbor.judge(&found, shipment, survey).await;
                match (judged, frozen) {
                    (Ok(survey), Ok(())) => Ok(survey),
                    (Ok(_), Err(reasons)) | (Err(reasons), Ok(())) => Err(reasons),
                    (Err(reasons), Err(more)) => Err([reasons, more].concat()),
                }
            }
        }
    }

    /// Asks whether names that point elsewhere may move.
    ///
    /// # Errors
    /// Every name that may not.
    pub(crate) async fn check_names(&self, names: &[(Repository, String)]) -> Result<(), Vec<Failure>> {
        match self {
            Self::Directory(_) | Self::Registry(_) => Ok(()),
            Self::Harbor(registry, harbor) => {
                let tags = names.iter().map(|(upstream, tag)| (registry.path(upstream), tag.clone()));
                harbor.check_tags(&tags.collect::<Vec<_>>()).await
            }
        }
    }

    /// Brings the content, by digest.
    ///
    /// # Errors
    /// Every item that is not there afterwards.
    pub(crate) async fn load(
        &self,
        shipment: &Shipment,
        survey: &Survey,
        progress: &Progress,
    ) -> Result<Delivery, Vec<Failure>> {
        match self {
            Self::Directory(directory) => directory.load(shipment, survey, progress),
            Self::Registry(registry) => registry.load(shipment, survey, progress).await,
            Self::Harbor(registry, harbor) => {
                harbor.create(&survey.create).await?;
                registry.load(shipment, survey, progress).await
            }
        }
    }

    /// What names point to now, each for itself.
    ///
    /// # Errors
    /// Every name that could not be looked up.
    pub(crate) async fn look_up(
        &self,
        names: &[(Repository, String)],
    ) -> Result<Vec<Option<Digest>>, Vec<Failure>> {
        match self {
            Self::Directory(directory) => directory.look_up(names),
            Self::Registry(registry) => {
                let found = registry.look_up(names).await?;
                Ok(found.into_iter().map(NameThere::digest).collect())
            }
            Self::Harbor(registry, harbor) => {
                let mut digests = Vec::new();
                for (found, (upstream, tag)) in registry.look_up(names).await?.into_iter().zip(names) {
                    digests.push(match found {
                        NameThere::KeptFromUs => harbor.digest_of(&registry.path(upstream), tag).await?,
                        found => found.digest(),
                    });
                }
                Ok(digests)
            }
        }
    }

    /// Moves names. `manifests` has every manifest.
    ///
    /// # Errors
    /// Every name that did not move.
    pub(crate) async fn publish(
        &self,
        moves: &[Move<'_>],
        manifests: &dyn Metadata,
    ) -> Result<(), Vec<Failure>> {
        match self {
            Self::Directory(directory) => directory.publish(moves, manifests),
            Self::Registry(registry) | Self::Harbor(registry, _) => registry.publish(moves, manifests).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_a_registry_count_with_its_port_and_without() {
        let of = |url: &str, names: &[&str]| {
            let text = format!(
                "apiVersion: airgap/v1\nkind: Destinations\nspec: {{registries: [{{name: a, url: \"{url}\", type: oci}}]}}\n"
            );
            let settings = http::HostSettings { connections: Some(3), ..http::HostSettings::default() };
            let hosts = names.iter().map(|name| ((*name).to_owned(), settings.clone())).collect();
            of_targets(hosts, &Document::parse(&text).unwrap().registries)
        };
        for (url, name, host) in [
            ("https://r.example", "r.example:443", "r.example"),
            ("https://r.example:443", "r.example", "r.example"),
            ("http://r.example:80", "r.example:80", "r.example"),
            ("https://r.example:80", "r.example:80", "r.example:80"),
        ] {
            let hosts = of(url, &[name]).unwrap();
            let found: Vec<_> = hosts.iter().map(|(host, of)| (host.as_str(), of.connections)).collect();
            assert_eq!(found, [(host, Some(3))], "{url}");
        }
        let both = of("https://r.example", &["r.example", "r.example:443"]).unwrap_err();
        assert!(both.to_string().contains("found settings of r.example and of r.example:443"), "{both}");
    }
}
