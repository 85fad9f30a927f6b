//! What comes from where: small blobs from beside the lock, everything else from its registry.

use std::collections::HashMap;

use console::progress::Progress;
use console::{Class, Failure};
use manifests::closure;
use manifests::inventory::Blob;
use manifests::lock::Lock;
use manifests::reference::Repository;
use manifests::{Descriptor, Digest};
use transfer::archive::write::Draft;

use crate::archive_failure;
use crate::beside::{Beside, BesideError};

/// The blobs of an archive, by where they come from.
#[derive(Debug)]
pub(crate) struct Plan {
    /// From beside the lock, in archive order.
    pub(crate) local: Vec<Blob>,
    /// From registries, in archive order.
    pub(crate) remote: Vec<Remote>,
}

/// A blob that a registry has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Remote {
    pub(crate) blob: Blob,
    /// The first item that it belongs to.
    pub(crate) item: String,
    /// Where that item came from.
    pub(crate) repository: Repository,
}

impl Plan {
    /// The size of everything.
    pub(crate) fn bytes(&self) -> u64 {
        let remote = self.remote.iter().map(|remote| &remote.blob);
        self.local.iter().chain(remote).map(|blob| blob.size).sum()
    }
}

/// Finds out where each blob comes from.
///
/// # Errors
/// When something that nobody else has does not lie beside the lock.
pub(crate) fn plan(lock: &Lock, beside: &Beside) -> Result<Plan, Failure> {
    let (kept, away): (Vec<Blob>, Vec<Blob>) =
        lock.content.iter().partition(|blob| beside.has(blob.digest, blob.size));
    let mut local = lock.metadata.clone();
    local.extend(kept);
    let owners = owners(lock, beside)?;
    let mut remote = Vec::with_capacity(away.len());
    for blob in away {
        let owner = owners.get(&blob.digest).and_then(|at| lock.items.get(*at as usize));
        match owner.and_then(|locked| Some((&locked.item.name, locked.origin.as_ref()?))) {
            Some((item, repository)) => {
                remote.push(Remote { blob, item: item.clone(), repository: repository.clone() });
            }
            None => {
                let item = owner.map_or("", |locked| locked.item.name.as_str());
                let path = beside.path(blob.digest);
                let error = BesideError::Absent { path, size: blob.size };
                return Err(Failure::new(Class::Usage, item, error).advise("run `airgap-bundle lock` again"));
            }
        }
    }
    Ok(Plan { local, remote })
}

/// The position of the first item that each blob belongs to, one with an origin before one without.
fn owners(lock: &Lock, beside: &Beside) -> Result<HashMap<Digest, u32>, Failure> {
    let mut owners = HashMap::with_capacity(lock.content.len());
    let (with, without): (Vec<_>, Vec<_>) =
        lock.items.iter().enumerate().partition(|(_, locked)| locked.origin.is_some());
    for (at, locked) in with.into_iter().chain(without) {
        let closed =
            closure::walk(std::slice::from_ref(&locked.item), &mut |wanted: &Descriptor| beside.load(wanted));
        let closed = closed.map_err(|error| Failure::new(Class::Usage, "", error))?;
        for blob in closed.content {
            // The limit on blobs keeps the number of items below 2^32.
            owners.entry(blob.digest).or_insert(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }
    Ok(owners)
}

/// Copies what lies beside the lock; each blob is compared with its digest while it is read.
///
/// # Errors
/// When one is not there any more, or the disk fails.
pub(crate) fn copy(draft: &Draft, plan: &Plan, beside: &Beside, progress: &Progress) -> Result<(), Failure> {
    for blob in &plan.local {
        let wanted = Descriptor { digest: blob.digest, media_type: String::new(), size: blob.size };
        let bytes = beside.load(&wanted).map_err(|error| {
            Failure::new(Class::Usage, "", error).advise("run `airgap-bundle lock` again")
        })?;
        draft
            .write_at(&blob.digest, 0, &bytes)
            .map_err(|error| archive_failure::failure(&beside.path(blob.digest), &error))?;
        progress.add(blob.size);
    }
    Ok(())
}
