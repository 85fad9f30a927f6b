//! Legacy tags of evidence: names under which what others have stays, so what is there is read before it is replaced.

use std::collections::HashSet;

use bytes::Bytes;
use clients::registry::legacy;
use console::{Class, Failure};
use manifests::inventory::Blob;
use manifests::{Descriptor, Digest};
use transfer::archive::ArchiveError;

use super::{Directory, full_name};
use crate::archive_failure;
use crate::blobs::Metadata;
use crate::folder_index::FolderIndex;
use crate::shipment::Shipment;

impl Directory {
    /// Whether everything that a shipment will be merged with can be: names move last, and a folder that cannot take
    /// them is to be known before the first write. What `is_brought` says is not read.
    pub(super) fn check_merges(
        &self,
        shipment: &Shipment,
        index: &FolderIndex,
        is_brought: impl Fn(&Digest) -> bool,
    ) -> Vec<Failure> {
        let (mut failures, mut seen) = (Vec::new(), HashSet::new());
        for cargo in &shipment.items {
            for proof in &cargo.evidence {
                let Some(tag) = &proof.tag else { continue };
                let (name, ours) = (full_name(cargo.name.repository(), tag), &proof.tree.root);
                let theirs = index.get(&name).filter(|theirs| theirs.digest != ours.digest);
                let Some(theirs) = theirs.filter(|theirs| !is_brought(&theirs.digest)) else { continue };
                let outcome = self.merge(&name, &theirs, ours, shipment.blobs.as_ref());
                let outcome = outcome.and_then(|merged| match merged {
                    Some(bytes) => {
                        let merged = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
                        self.glance(&merged).map(|_| ())
                    }
                    None => Ok(()),
                });
                failures.extend(outcome.err().filter(|_| seen.insert(name)));
            }
        }
        failures
    }

    /// What is there under a legacy tag with the layers of `ours` that it lacks; nothing where it has them all.
    ///
    /// # Errors
    /// When one of them cannot be read, or they cannot be merged.
    pub(super) fn merge(
        &self,
        name: &str,
        theirs: &Descriptor,
        ours: &Descriptor,
        manifests: &dyn Metadata,
    ) -> Result<Option<Bytes>, Failure> {
        let advice = || format!("take {name} out of index.json there, or load into another folder");
        let our_bytes = manifests.metadata(ours);
        let our_bytes = our_bytes.map_err(|error| archive_failure::failure(name.as_ref(), &error))?;
        self.glance(&Blob { digest: theirs.digest, size: theirs.size })?;
        let unread = |error| self.unread(name, &theirs.digest, &error).advise(advice());
        let their_bytes = self.folder().metadata(theirs).map_err(unread)?;
        legacy::merge(&their_bytes, &theirs.media_type, &our_bytes, &ours.media_type).map_err(|problem| {
            let path = self.folder().path(&theirs.digest);
            Failure::new(Class::Failed, path.display(), format!("{name}: {problem}")).advise(advice())
        })
    }

    /// That a manifest of the folder cannot be read. The archive that is being loaded is not to blame.
    pub(super) fn unread(&self, name: &str, digest: &Digest, error: &ArchiveError) -> Failure {
        let (class, found) = match error {
            ArchiveError::NoBlob(_) => (Class::Failed, "found no file".to_owned()),
            ArchiveError::Io(error) => (Class::Failed, error.to_string()),
            // That somebody changed it is to be on record.
            _ => (Class::Refused, "found other content than its name says".to_owned()),
        };
        let path = self.folder().path(digest);
        Failure::new(class, path.display(), format!("{found}, wanted the manifest of {name}"))
    }
}
