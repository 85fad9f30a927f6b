//! What approvers said about an archive, as the site keeps it beside the evidence: nobody may take a word of it away unseen.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;

use manifests::Digest;
use manifests::receipt::{ArchiveRecord, Receipt};
use transfer::archive::{ArchiveError, open};

use super::evidence::short;
use super::{Site, SiteError, form, receipts};

impl Site {
    /// The annexes that were kept about an archive.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub(crate) fn kept_annexes(&self, about: Digest) -> Result<Vec<PathBuf>, SiteError> {
        let (folder, pack) = (self.evidence(about), self.evidence_pack(about));
        if !folder.exists() {
            return Ok(vec![]);
        }
        let failed = |error| SiteError::Io(folder.clone(), error);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path != pack && path.extension().is_some_and(|kind| kind == "tar") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    /// The identities of the annexes that were kept about an archive, one for each person who signed it; of those that are
    /// good, as a refusal must not hang on a file that somebody put there. One that is damaged is missed by the receipt that
    /// named it.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn annexes_about(&self, about: Digest) -> Result<Vec<Digest>, SiteError> {
        let signed = |path: &PathBuf| {
            let annex = open::signed(File::open(path).ok()?, |id| self.key_ever(id)).ok()?;
            // Under another name it would not be found again.
            let name = path.file_name()?.to_str()?;
            let is_named = name.ends_with(&format!("-{}.tar", short(annex.identity())));
            is_named.then(|| (annex.identity(), annex.signed_by()))
        };
        let signed: BTreeSet<(Digest, Digest)> =
            self.kept_annexes(about)?.iter().filter_map(signed).collect();
        Ok(signed.into_iter().map(|(identity, _)| identity).collect())
    }

    /// Where the annexes of an identity are kept: one of each person who said just that.
    ///
    /// # Errors
    /// When none has a name that fits.
    pub(crate) fn annexes(&self, about: Digest, annex: Digest) -> Result<Vec<PathBuf>, SiteError> {
        let ending = format!("-{}.tar", short(annex));
        let is_it = |path: &PathBuf| {
            path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.ends_with(&ending))
        };
        let paths: Vec<PathBuf> = self.kept_annexes(about)?.into_iter().filter(is_it).collect();
        if paths.is_empty() {
            let reason = format!("found no annex {annex}, wanted it as a receipt names it");
            return Err(form(&self.evidence(about), reason));
        }
        Ok(paths)
    }

    /// Whether every annex is kept that a receipt names, and is whole: one of each person where several say just that.
    ///
    /// # Errors
    /// The first that is not.
    pub(super) fn check_annexes(&self, about: Digest, receipt: &Receipt) -> Result<(), SiteError> {
        for annex in receipt.annexes.iter().collect::<BTreeSet<_>>() {
            let wanted = receipt.annexes.iter().filter(|named| *named == annex).count();
            let mut signers = BTreeSet::new();
            for path in self.annexes(about, *annex)? {
                let kept = self.kept_archive(&path, *annex)?.verify(&|_| ());
                signers.insert(kept.map_err(|error: ArchiveError| form(&path, error))?.signed_by());
            }
            if signers.len() < wanted {
                let found = signers.len();
                let reason =
                    format!("found {found} annexes {annex}, wanted {wanted} as a receipt names them");
                return Err(form(&self.evidence(about), reason));
            }
        }
        Ok(())
    }

    /// Whether every annex is kept that any receipt of an archive names: one that is gone may have been a rejection.
    ///
    /// # Errors
    /// The first that is not.
    pub(crate) fn check_annexes_of(&self, archive: &ArchiveRecord) -> Result<(), SiteError> {
        let ArchiveRecord { identity, name, serial } = archive;
        let ending = format!("-{name}-{serial}.json");
        for listed in receipts::list(&self.receipts())? {
            let path = listed.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if !path.ends_with(&ending) {
                continue;
            }
            let receipt = receipts::read(&listed.path, self.public_key())?.receipt;
            if receipt.archive.as_ref().is_some_and(|archive| archive.identity == *identity) {
                self.check_annexes(*identity, &receipt)?;
            }
        }
        Ok(())
    }
}
