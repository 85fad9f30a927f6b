//! What a server has: names, the manifests below them, and what refers to what.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use manifests::inventory::Inventory;
use manifests::reference::Repository;
use manifests::{Descriptor, Digest, Reference, json, limits};
use transfer::archive::ArchiveError;

use crate::blobs::Metadata;
use crate::folder_index::FolderIndex;
use crate::tree::{self, TreeError};

/// Names and content of one server. It is made once and never changes: an archive does not, and a folder is
/// served as its index was at the start.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    /// By full repository name (`ghcr.io/a/b`): its tags.
    repositories: BTreeMap<String, BTreeMap<String, Digest>>,
    /// Repositories of hosts with a port, by a name that clients can write: `127.0.0.1_5000/a/b`.
    written: HashMap<String, String>,
    manifests: HashMap<Digest, Descriptor>,
    blobs: HashMap<Digest, u64>,
    referrers: BTreeMap<Digest, BTreeSet<Digest>>,
}

impl Catalog {
    /// What an archive names.
    pub(super) fn of_inventory(inventory: &Inventory, content: &dyn Metadata) -> Result<Self, TreeError> {
        let mut catalog = Self::default();
        for item in &inventory.items {
            let name: Reference =
                item.name.parse().map_err(|error| TreeError::Name(format!("{}: {error}", item.name)))?;
            catalog.add(Some((name.repository(), name.tag())), &item.published, content)?;
            for evidence in &item.evidence {
                let place = evidence.tag.as_deref().map(|tag| (name.repository(), Some(tag)));
                catalog.add(place, &evidence.descriptor(), content)?;
            }
        }
        Ok(catalog)
    }

    /// What the index of a folder names, as far as it is there, and what of it is not served. A load keeps the entries
    /// of others, whatever they are and wherever their content is.
    pub(super) fn of_folder(index: &FolderIndex, content: &dyn Metadata) -> (Self, Vec<String>) {
        let (mut catalog, mut left_out) = (Self::default(), Vec::new());
        for (name, descriptor) in index.entries() {
            // Of two entries with one name the first counts, also where it cannot be served.
            let named = name
                .as_ref()
                .filter(|name| index.get(name).is_some_and(|first| first.digest == descriptor.digest));
            let reference = named.and_then(|name| name.parse::<Reference>().ok());
            let place = reference.as_ref().map(|name| (name.repository(), name.tag()));
            if let Err(error) = catalog.add(place, &descriptor, content) {
                let why = match error {
                    TreeError::Archive(ArchiveError::NoBlob(digest)) => format!("found no blob {digest}"),
                    error => error.to_string(),
                };
                let entry = name.unwrap_or_else(|| descriptor.digest.to_string());
                left_out.push(format!("{}: {why}", json::shortened(&entry)));
            }
        }
        (catalog, left_out)
    }

    fn add(
        &mut self,
        place: Option<(&Repository, Option<&str>)>,
        root: &Descriptor,
        content: &dyn Metadata,
    ) -> Result<(), TreeError> {
        if !self.manifests.contains_key(&root.digest) {
            let tree = tree::walk(content, root)?;
            if let Some(subject) = tree.subject {
                self.referrers.entry(subject).or_default().insert(root.digest);
            }
            self.blobs.extend(tree.blobs.into_iter().map(|blob| (blob.digest, blob.size)));
            let manifests = tree.children.into_iter().chain([tree.root]);
            self.manifests.extend(manifests.map(|manifest| (manifest.digest, manifest)));
        }
        if let Some((repository, tag)) = place {
            let full = repository.to_string();
            if repository.host().contains(':') {
                self.written.insert(repository.place(), full.clone());
            }
            let tags = self.repositories.entry(full).or_default();
            if let Some(tag) = tag {
                tags.entry(tag.to_owned()).or_insert(root.digest);
            }
        }
        Ok(())
    }

    /// The tags of a repository; nothing where there is no such repository.
    pub(super) fn tags(&self, repository: &str) -> Option<&BTreeMap<String, Digest>> {
        let written = || self.repositories.get(self.written.get(repository)?);
        self.repositories.get(repository).or_else(written)
    }

    /// A manifest by tag or digest.
    pub(super) fn manifest(&self, repository: &str, reference: &str) -> Option<&Descriptor> {
        let tags = self.tags(repository)?;
        let digest = match reference.parse() {
            Ok(digest) => digest,
            Err(_) => *tags.get(reference)?,
        };
        self.manifests.get(&digest)
    }

    /// The size of a blob. Manifests can be had as blobs too, as registries allow.
    pub(super) fn blob(&self, digest: &Digest) -> Option<u64> {
        let manifest = || self.manifests.get(digest).map(|manifest| manifest.size);
        self.blobs.get(digest).copied().or_else(manifest)
    }

    /// The manifests that refer to a subject.
    pub(super) fn referrers(&self, subject: &Digest) -> impl Iterator<Item = &Descriptor> {
        let found = self.referrers.get(subject).into_iter().flatten();
        found.filter_map(|digest| self.manifests.get(digest)).take(limits::EVIDENCE_PER_SUBJECT)
    }

    /// Whether there is nothing to serve.
    pub(super) fn is_empty(&self) -> bool {
        self.manifests.is_empty()
    }

    /// How much there is, for people.
    pub(super) fn summary(&self) -> String {
        let tags: usize = self.repositories.values().map(BTreeMap::len).sum();
        format!("{} repositories with {tags} tags", self.repositories.len())
    }
}
