//! Content that was made here, in front of what an archive has. Thousands of images have megabytes of signatures,
//! which wait in a file without a name.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::sync::Arc;

use manifests::inventory::Blob;
use manifests::{Descriptor, Digest};
use transfer::archive::{ArchiveError, ReadAt, Window};

use crate::blobs::{Blobs, Metadata};

/// What was made so far.
pub(crate) struct Made {
    file: BufWriter<File>,
    /// Where each stands.
    at: HashMap<Digest, (u64, u64)>,
    end: u64,
}

impl Made {
    /// Nothing yet. `folder` is where it waits: in the site's state, where there is room for receipts of the same size,
    /// and not in a temporary folder that may be small or missing.
    ///
    /// # Errors
    /// When there is no place for a file.
    pub(crate) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile_in(folder)?), at: HashMap::new(), end: 0 })
    }

    /// Keeps some content, once.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn keep(&mut self, bytes: &[u8]) -> io::Result<Blob> {
        let blob = Blob { digest: Digest::of(bytes), size: bytes.len() as u64 };
        if !self.at.contains_key(&blob.digest) {
            self.file.write_all(bytes)?;
            self.at.insert(blob.digest, (self.end, blob.size));
            self.end += blob.size;
        }
        Ok(blob)
    }

    /// All of it, in front of an archive.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn before(self, archive: Arc<dyn Blobs>) -> io::Result<Arc<dyn Blobs>> {
        let file = Arc::new(self.file.into_inner()?);
        Ok(Arc::new(Overlay { file, at: self.at, archive }))
    }
}

struct Overlay {
    file: Arc<File>,
    at: HashMap<Digest, (u64, u64)>,
    archive: Arc<dyn Blobs>,
}

impl Overlay {
    fn window(&self, digest: &Digest) -> Option<Window<Arc<File>>> {
        self.at.get(digest).map(|(offset, size)| Window::new(Arc::clone(&self.file), *offset, *size))
    }
}

impl Metadata for Overlay {
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        let Some(window) = self.window(&wanted.digest) else { return self.archive.metadata(wanted) };
        let mut bytes = vec![0; usize::try_from(window.size()?).unwrap_or_default()];
        window.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }
}

impl Blobs for Overlay {
    fn open(&self, digest: &Digest) -> Result<Box<dyn ReadAt>, ArchiveError> {
        match self.window(digest) {
            Some(window) => Ok(Box::new(window)),
            None => self.archive.open(digest),
        }
    }

    fn carries(&self, digest: &Digest) -> bool {
        self.at.contains_key(digest) || self.archive.carries(digest)
    }
}
