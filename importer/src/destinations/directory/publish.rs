//! Names in a folder: one new index in place of the old one.

use console::Failure;
use manifests::inventory::Evidence;

use super::{Directory, full_name};
use crate::blobs::Metadata;
use crate::destinations::Move;
use crate::folder_index::{FolderIndex, IndexLock};

impl Directory {
    /// Moves names, and lists what has none, in one step.
    ///
    /// # Errors
    /// When the folder leads elsewhere, or the index cannot be replaced; then every name is where it was.
    pub(crate) fn publish(&self, moves: &[Move<'_>], manifests: &dyn Metadata) -> Result<(), Vec<Failure>> {
        self.replace_index(moves, manifests).map_err(|failure| vec![failure])
    }

    fn replace_index(&self, moves: &[Move<'_>], manifests: &dyn Metadata) -> Result<(), Failure> {
        // Once more, right before something is written.
        self.check()?;
        let _lock = IndexLock::take(&self.layout).map_err(|error| self.failed(&error))?;
        let mut index = self.index()?;
        for one in moves {
            let published = &one.item.published;
            let name = match &one.tag {
                Some(tag) => full_name(&one.upstream, tag),
                None => format!("{}@{}", one.upstream, published.digest),
            };
            index.set(&name, published);
            for evidence in &one.item.evidence {
                self.list(&mut index, one, evidence, manifests)?;
            }
        }
        index.write(&self.layout).map_err(|error| self.failed(&error))
    }

    /// Evidence is listed by its digest; a legacy tag is a name, under which what others have stays.
    fn list(
        &self,
        index: &mut FolderIndex,
        one: &Move<'_>,
        evidence: &Evidence,
        manifests: &dyn Metadata,
    ) -> Result<(), Failure> {
        let ours = evidence.descriptor();
        let Some(tag) = &evidence.tag else {
            index.list(&ours);
            return Ok(());
        };
        let name = full_name(&one.upstream, tag);
        let theirs = index.get(&name).filter(|theirs| theirs.digest != ours.digest);
        let Some(theirs) = theirs else {
            index.set(&name, &ours);
            return Ok(());
        };
        let merged = self.merge(&name, &theirs, &ours, manifests)?;
        if let Some(bytes) = merged {
            let merged = self.write_small(&bytes, &theirs.media_type).map_err(|error| self.failed(&error))?;
            index.set(&name, &merged);
        }
        Ok(())
    }
}
