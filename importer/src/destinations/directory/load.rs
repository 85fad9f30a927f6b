//! Content into a folder, by digest.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use console::progress::Progress;
use console::{Class, Failure};
use manifests::inventory::Blob;
use manifests::receipt::Confirmation;
use manifests::{Descriptor, Digest};
use tempfile::NamedTempFile;
use transfer::archive::{ArchiveError, ReadAt};

use super::{Directory, parts, workers};
use crate::archive_failure;
use crate::blobs::{Blobs, Check, Metadata as _};
use crate::destinations::{Delivery, Survey};
use crate::plain;
use crate::shipment::{Cargo, Lack, Shipment};

/// How much is read and written at once, in bytes.
const PIECE: u64 = 1024 * 1024;

/// The file that marks an OCI image layout.
const OCI_LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;

/// Why a blob is not in the folder.
enum Wrong {
    /// It cannot be read as what it is.
    Source(ArchiveError),
    /// It was in the folder when that was looked at, and is not at hand.
    Gone(Digest),
    /// It cannot be written.
    Target(io::Error),
}

/// What became of a blob.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Present,
    Written,
    /// Another one had failed.
    NotTried,
}

struct Job<'a> {
    part: Blob,
    is_manifest: bool,
    item: &'a Cargo,
}

impl Directory {
    /// Brings the content of a shipment. A blob that is there is compared with its digest: a folder is a medium
    /// that people carry about. One that cannot be brought was compared by the survey.
    ///
    /// # Errors
    /// Every item that is not there afterwards.
    pub(crate) fn load(
        &self,
        shipment: &Shipment,
        survey: &Survey,
        progress: &Progress,
    ) -> Result<Delivery, Vec<Failure>> {
        // The survey looked as well, hours ago where a target before this one is slow.
        self.check().map_err(|failure| vec![failure])?;
        let _lock = self.prepare().map_err(|error| vec![self.failed(&error)])?;
        let jobs = jobs(shipment);
        let is_over = AtomicBool::new(false);
        let outcomes = workers::each(&jobs, |job| {
            if is_over.load(Ordering::Relaxed) {
                return Ok(Outcome::NotTried);
            }
            self.bring(shipment.blobs.as_ref(), survey, &job.part, progress).map_err(|wrong| {
                is_over.store(true, Ordering::Relaxed);
                self.wrong(shipment, job.item, &wrong)
            })
        });
        let mut delivery = Delivery::default();
        let (mut written, mut failures) = (HashSet::new(), Vec::new());
        for (Job { part, is_manifest, .. }, outcome) in jobs.iter().zip(outcomes) {
            match outcome {
                Ok(Outcome::Written) => {
                    written.insert(part.digest);
                    if *is_manifest { delivery.manifests += 1 } else { delivery.sent.add(part.size) }
                }
                Ok(Outcome::Present | Outcome::NotTried) => {}
                Err(failure) => failures.push(failure),
            }
        }
        if failures.is_empty() {
            failures.extend(self.sync().err().map(|error| self.failed(&error)));
        }
        for cargo in &shipment.items {
            match self.confirm(cargo, &written) {
                Ok(confirmation) => delivery.confirmations.push(confirmation),
                Err(failure) if failures.is_empty() => failures.push(failure),
                Err(_) => {}
            }
        }
        if failures.is_empty() { Ok(delivery) } else { Err(failures) }
    }

    /// Where blobs are that are not whole yet.
    pub(super) fn partial(&self) -> PathBuf {
        self.layout.join(".partial")
    }

    /// Makes the folders, and takes the right to write blobs.
    fn prepare(&self) -> io::Result<File> {
        fs::create_dir_all(self.layout.join("blobs/sha256"))?;
        fs::create_dir_all(self.partial())?;
        let lock = plain::open_lock(&self.layout.join(".partial.lock"))?;
        if lock.try_lock().is_err() {
            let text = "found another load into this folder under way, wanted to be the only one";
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        // Whatever is here was left by a load that was killed.
        for leftover in fs::read_dir(self.partial())? {
            fs::remove_file(leftover?.path())?;
        }
        let layout = self.layout.join("oci-layout");
        if !is_marked(&layout) {
            let mut file = NamedTempFile::new_in(self.partial())?;
            file.write_all(OCI_LAYOUT)?;
            named(file, &layout)?;
        }
        Ok(lock)
    }

    /// Makes the new names of blobs last.
    fn sync(&self) -> io::Result<()> {
        let parent = self.layout.parent().unwrap_or(&self.layout);
        let blobs = [self.layout.join("blobs/sha256"), self.layout.join("blobs")];
        let folders = blobs.iter().map(PathBuf::as_path).chain([self.layout.as_path(), parent]);
        folders.into_iter().try_for_each(|folder| File::open(folder)?.sync_all())
    }

    fn bring(
        &self,
        blobs: &dyn Blobs,
        survey: &Survey,
        part: &Blob,
        progress: &Progress,
    ) -> Result<Outcome, Wrong> {
        let is_compared = survey.has.contains(&(0, part.digest)) && !blobs.carries(&part.digest);
        if let Ok(file) = plain::open(&self.folder().path(&part.digest))
            && ReadAt::size(&file).is_ok_and(|size| size == part.size)
            && (is_compared || copy(&file, part, |_| Ok(())).is_ok())
        {
            return Ok(Outcome::Present);
        }
        let source = blobs.open(&part.digest).map_err(|error| match error {
            ArchiveError::NoBlob(digest) => Wrong::Gone(digest),
            error => Wrong::Source(error),
        })?;
        let mut file = NamedTempFile::new_in(self.partial()).map_err(Wrong::Target)?;
        copy(source.as_ref(), part, |piece| {
            file.write_all(piece)?;
            progress.add(piece.len() as u64);
            Ok(())
        })?;
        self.keep(file, &part.digest).map_err(Wrong::Target)?;
        Ok(Outcome::Written)
    }

    /// Gives a whole file its name.
    fn keep(&self, file: NamedTempFile, digest: &Digest) -> io::Result<()> {
        named(file, &self.folder().path(digest))
    }

    /// Writes a document that was made here.
    pub(super) fn write_small(&self, bytes: &[u8], media_type: &str) -> io::Result<Descriptor> {
        let (digest, size) = (Digest::of(bytes), bytes.len() as u64);
        let descriptor = Descriptor { digest, media_type: media_type.to_owned(), size };
        fs::create_dir_all(self.partial())?;
        let mut file = NamedTempFile::new_in(self.partial())?;
        file.write_all(bytes)?;
        self.keep(file, &digest)?;
        self.sync()?;
        Ok(descriptor)
    }

    fn confirm(&self, cargo: &Cargo, written: &HashSet<Digest>) -> Result<Confirmation, Failure> {
        let unread = |error| self.unread(&cargo.name.to_string(), &cargo.tree.root.digest, &error);
        self.folder().metadata(&cargo.tree.root).map_err(unread)?;
        let is_new = parts(std::iter::once(&cargo.tree)).any(|(part, _)| written.contains(&part.digest));
        Ok(if is_new { Confirmation::ReadBack } else { Confirmation::Present })
    }

    fn wrong(&self, shipment: &Shipment, item: &Cargo, wrong: &Wrong) -> Failure {
        match wrong {
            Wrong::Source(error) => archive_failure::failure(item.name.to_string().as_ref(), error),
            Wrong::Gone(digest) => shipment.lacks(item, *digest, Lack::Missing),
            Wrong::Target(error) => {
                let message = format!("{}: {error}", self.layout.display());
                Failure::new(Class::Failed, &item.name, message)
            }
        }
    }
}

/// Whether a file is the one that marks a layout.
fn is_marked(path: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = |file: File| file.take(OCI_LAYOUT.len() as u64 + 1).read_to_end(&mut bytes);
    plain::open(path).and_then(read).is_ok() && bytes == OCI_LAYOUT
}

fn named(file: NamedTempFile, path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    // Temporary files are for their owner only; what is loaded is for everybody who may enter the folder.
    file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Everything that is to be there, each once.
fn jobs(shipment: &Shipment) -> Vec<Job<'_>> {
    let mut seen = HashSet::new();
    let all = shipment
        .items
        .iter()
        .flat_map(|item| parts(item.trees()).map(move |(part, is_manifest)| Job { part, is_manifest, item }));
    all.filter(|job| seen.insert(job.part.digest)).collect()
}

/// Compares a file with the blob that it should be; what is wrong with it, if anything.
pub(super) fn compare(file: &File, part: &Blob) -> io::Result<Option<Lack>> {
    match copy(file, part, |_| Ok(())) {
        Ok(()) => Ok(None),
        Err(Wrong::Source(ArchiveError::Io(error)) | Wrong::Target(error)) => Err(error),
        Err(_) => Ok(Some(Lack::Changed)),
    }
}

/// Reads a blob through `sink`, and compares it with its digest.
fn copy(blob: &dyn ReadAt, part: &Blob, mut sink: impl FnMut(&[u8]) -> io::Result<()>) -> Result<(), Wrong> {
    let mut check = Check::new(part.digest);
    let mut buffer = vec![0; usize::try_from(part.size.min(PIECE)).unwrap_or_default()];
    let mut at = 0;
    while at < part.size {
        let length = usize::try_from(part.size - at).unwrap_or(usize::MAX).min(buffer.len());
        let Some(piece) = buffer.get_mut(..length) else { break };
        blob.read_exact_at(piece, at).map_err(|error| Wrong::Source(error.into()))?;
        check.update(piece);
        sink(piece).map_err(Wrong::Target)?;
        at += length as u64;
    }
    check.finish().map_err(Wrong::Source)
}
