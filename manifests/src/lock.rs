//! A definition with every mutable name pinned to digests and sizes.
//!
//! Beside `X.lock.json` lies `X.lock.d/sha256/` with what is small: manifests, configs, evidence and the
//! layers of charts. A lock can be edited by hand and proves nothing, so there is one door, [`Lock::read`],
//! which walks the items again and compares the result with the blob table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::closure::{self, Closure, ClosureError};
use crate::digest::Digest;
use crate::inventory::{Blob, ContentBlob, Inventory, InventoryError, Item};
use crate::name::ChannelName;
use crate::oci::Descriptor;
use crate::reference::Repository;
use crate::timestamp::Timestamp;
use crate::{API_VERSION, json};

/// A lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lock {
    /// [`API_VERSION`].
    pub api_version: String,
    /// The sites that it is meant for, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audience: Vec<ChannelName>,
    /// Large content in archive order.
    pub content: Vec<Blob>,
    /// When it was made; the serial follows from it.
    pub created: Timestamp,
    /// The hosts that `build` will contact.
    pub hosts: Vec<String>,
    /// The moment after which no site accepts it for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub import_before: Option<Timestamp>,
    /// The files that it was made from, relative to the definition, with their digests.
    pub inputs: BTreeMap<String, Digest>,
    /// What is carried.
    pub items: Vec<LockedItem>,
    /// Always `Lock`.
    pub kind: String,
    /// Manifests, configs and evidence in archive order.
    pub metadata: Vec<Blob>,
    /// The channel.
    pub name: ChannelName,
    /// What was left out, and why: optional items that are absent, evidence that is too large.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
}

/// An item with the place that its content is fetched from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedItem {
    /// The item as the inventory will list it.
    pub item: Item,
    /// The repository that it came from; none when all of it lies beside the lock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Repository>,
}

/// Something that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Skipped {
    /// What.
    pub name: String,
    /// Why.
    pub reason: String,
}

/// Why a lock is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum LockError<E> {
    /// Not JSON of the expected fields.
    #[error("the lock: {0}: run `airgap-bundle lock` again")]
    Json(#[from] json::JsonError),
    /// Of another version.
    #[error(
        "the lock: found apiVersion {0:?} and kind {1:?}, wanted {API_VERSION} and Lock: run `airgap-bundle lock` again"
    )]
    Kind(String, String),
    /// The items cannot be walked.
    #[error("the lock: {0}: run `airgap-bundle lock` again")]
    Closure(ClosureError<E>),
    /// The blob table does not follow from the items.
    #[error(
        "the lock: found a blob table that does not follow from its items: run `airgap-bundle lock` again"
    )]
    Table,
    /// It would make an inventory that no importer accepts.
    #[error("the lock: {0}")]
    Inventory(#[from] InventoryError),
}

impl Lock {
    /// Reads a lock and checks it against the small files beside it, which `load` gives.
    ///
    /// # Errors
    /// When it is not a lock, or its parts contradict each other.
    pub fn read<E>(
        bytes: &[u8],
        load: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, E>,
    ) -> Result<Self, LockError<E>> {
        let lock: Self = json::parse(bytes)?;
        if lock.api_version != API_VERSION || lock.kind != "Lock" {
            return Err(LockError::Kind(json::shortened(&lock.api_version), json::shortened(&lock.kind)));
        }
        lock.check(load)?;
        Ok(lock)
    }

    /// Holds a lock to what [`Lock::read`] holds it to; for the writer.
    ///
    /// # Errors
    /// When its parts contradict each other.
    pub fn check<E>(
        &self,
        load: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, E>,
    ) -> Result<(), LockError<E>> {
        self.inventory("check").check()?;
        let items: Vec<Item> = self.items.iter().map(|locked| locked.item.clone()).collect();
        let Closure { metadata, content } = closure::walk(&items, load).map_err(LockError::Closure)?;
        if metadata == self.metadata && content == self.content { Ok(()) } else { Err(LockError::Table) }
    }

    /// The inventory of the full archive that `generator` builds from this lock.
    #[must_use]
    pub fn inventory(&self, generator: &str) -> Inventory {
        let content = self.content.iter();
        Inventory {
            annex_of: None,
            annotations: BTreeMap::new(),
            api_version: API_VERSION.to_owned(),
            audience: self.audience.clone(),
            base: None,
            content: content
                .map(|blob| ContentBlob { carried: true, digest: blob.digest, size: blob.size })
                .collect(),
            created: self.created,
            generator: generator.to_owned(),
            import_before: self.import_before,
            items: self.items.iter().map(|locked| locked.item.clone()).collect(),
            kind: "Inventory".to_owned(),
            metadata: self.metadata.clone(),
            name: self.name.clone(),
            serial: self.created.serial(),
        }
    }

    /// The bytes of the lock's file: for people to read and to compare, so with line breaks.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        // Serialising string-keyed data into memory cannot fail; the compact form is as good.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_else(|_| json::encode(self));
        bytes.push(b'\n');
        bytes
    }
}
