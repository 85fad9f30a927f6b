//! What a folder has already, and what is in the way of the rest.

use std::collections::HashSet;
use std::io;

use console::{Class, Failure};
use manifests::inventory::Blob;

use super::load::compare;
use super::shape::{look_at, misplaced};
use super::{Directory, full_name, parts, workers};
use crate::destinations::Survey;
use crate::plain;
use crate::shipment::{Cargo, Lack, Shipment};

impl Directory {
    /// Looks at what is there: blobs by their size, as their content is compared when they are loaded. What cannot be
    /// brought is compared now, all of it: nothing is written where something is missing or changed.
    ///
    /// # Errors
    /// When the folder leads elsewhere, cannot be written to, or has too little room; everything that is not there and
    /// not at hand; every legacy tag that cannot be merged with.
    pub(crate) fn survey(&self, shipment: &Shipment) -> Result<Survey, Vec<Failure>> {
        self.check().map_err(|failure| vec![failure])?;
        let index = self.index().map_err(|failure| vec![failure])?;
        let mut survey = Survey { places: vec![0; shipment.items.len()], ..Survey::default() };
        let (mut seen, mut unsure, mut failures) = (HashSet::new(), Vec::new(), Vec::new());
        for cargo in &shipment.items {
            survey.names.push(match cargo.name.tag() {
                Some(tag) => index.get(&full_name(cargo.name.repository(), tag)).map(|found| found.digest),
                None => None,
            });
            for (part, is_manifest) in parts(cargo.trees()).filter(|(part, _)| seen.insert(part.digest)) {
                let lack = self.glance(&part).map_err(|failure| vec![failure])?;
                match (lack, is_manifest) {
                    (None, true) => {}
                    (None, false) => survey.present.add(part.size),
                    (Some(_), true) => survey.manifests += 1,
                    (Some(_), false) => survey.send.add(part.size),
                }
                let is_at_hand = shipment.blobs.carries(&part.digest);
                match lack {
                    Some(lack) if !is_at_hand => failures.push(shipment.lacks(cargo, part.digest, lack)),
                    Some(_) => {}
                    None => {
                        survey.has.insert((0, part.digest));
                        unsure.extend((!is_at_hand).then_some((cargo, part)));
                    }
                }
            }
        }
        failures.extend(self.compare_all(shipment, &unsure));
        // What is brought is whole afterwards, whatever stands in its place now.
        failures.extend(self.check_merges(shipment, &index, |digest| seen.contains(digest)));
        failures.extend(self.room(survey.send.bytes));
        if failures.is_empty() { Ok(survey) } else { Err(failures) }
    }

    /// What is wrong with a blob, by its size alone. No file takes the place of a folder.
    pub(super) fn glance(&self, part: &Blob) -> Result<Option<Lack>, Failure> {
        let path = self.folder().path(&part.digest);
        match look_at(&path)? {
            None => Ok(Some(Lack::Missing)),
            Some(found) if found.is_dir() => Err(misplaced(&path, &found, "a file")),
            Some(found) if found.is_file() && found.len() == part.size => Ok(None),
            Some(_) => Ok(Some(Lack::Changed)),
        }
    }

    /// Compares blobs with their digests, and says what is wrong with each.
    fn compare_all(&self, shipment: &Shipment, unsure: &[(&Cargo, Blob)]) -> Vec<Failure> {
        let outcomes = workers::each(unsure, |(_, part)| {
            compare(&plain::open(&self.folder().path(&part.digest))?, part)
        });
        let failure = |((cargo, part), outcome): (&(&Cargo, Blob), io::Result<Option<Lack>>)| match outcome {
            Ok(lack) => lack.map(|lack| shipment.lacks(cargo, part.digest, lack)),
            Err(error) => {
                Some(Failure::new(Class::Failed, self.folder().path(&part.digest).display(), error))
            }
        };
        unsure.iter().zip(outcomes).filter_map(failure).collect()
    }

    /// What is in the way of writing `bytes` more.
    fn room(&self, bytes: u64) -> Option<Failure> {
        use rustix::fs::{Access, access, statvfs};
        let existing = self.layout.ancestors().find(|folder| folder.exists())?;
        if let Err(error) = access(existing, Access::WRITE_OK | Access::EXEC_OK) {
            return Some(Failure::new(Class::Failed, existing.display(), io::Error::from(error)));
        }
        let space = match statvfs(existing) {
            Ok(space) => space,
            Err(error) => {
                return Some(Failure::new(Class::Failed, existing.display(), io::Error::from(error)));
            }
        };
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        (free < bytes).then(|| {
            let message = format!("found {free} bytes free, wanted {bytes} for what is to be loaded");
            Failure::new(Class::Failed, existing.display(), message)
        })
    }
}
