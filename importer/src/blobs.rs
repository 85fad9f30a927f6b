//! Content by digest, wherever it is kept: an archive, or a folder in the form of an OCI image layout.
//!
//! Where content is kept may change under our hands between two readings, so nothing here is passed on
//! before its digest agrees: [`Metadata::metadata`] compares small content whole, and [`Check`] compares
//! large content while it streams, with its last piece held back.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::{Stream, stream};
use manifests::digest::Hasher;
use manifests::{Descriptor, Digest, limits};
use tokio::task::{JoinHandle, spawn_blocking};
use transfer::archive::layout::Placed;
use transfer::archive::{ArchiveError, ReadAt, Signed, Unverified, Verified};

use crate::accept::{Accepted, Assessment};
use crate::plain;

/// How much is read at once, in bytes. Each stream holds up to three pieces.
const PIECE: u64 = 128 * 1024;

/// Small content, whole.
pub(crate) trait Metadata: Send + Sync {
    /// A manifest, a config or a piece of evidence, whose digest was compared.
    ///
    /// # Errors
    /// When it is not there, too large, or not what its digest says.
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError>;
}

/// Content of any size.
pub(crate) trait Blobs: Metadata {
    /// Opens a blob. Its bytes are to be compared with its digest while they are read.
    ///
    /// # Errors
    /// When it is not there, or cannot be opened.
    fn open(&self, digest: &Digest) -> Result<Box<dyn ReadAt>, ArchiveError>;

    /// Whether it can be had here. A differential archive leaves out what its base brought.
    fn carries(&self, digest: &Digest) -> bool {
        self.open(digest).is_ok()
    }
}

/// Compares a blob with its digest, piece by piece.
#[derive(Debug)]
pub(crate) struct Check {
    wanted: Digest,
    hasher: Hasher,
}

impl Check {
    /// A comparison with `wanted`.
    #[must_use]
    pub(crate) fn new(wanted: Digest) -> Self {
        Self { wanted, hasher: Hasher::default() }
    }

    /// Takes a piece that is not the last.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.hasher.update(piece);
    }

    /// Compares all pieces together.
    ///
    /// # Errors
    /// When they are not what the digest says.
    pub(crate) fn finish(self) -> Result<(), ArchiveError> {
        let found = self.hasher.finish();
        if found == self.wanted {
            return Ok(());
        }
        Err(damaged(&self.wanted, found.to_string(), self.wanted.to_string()))
    }
}

fn damaged(digest: &Digest, found: String, wanted: String) -> ArchiveError {
    ArchiveError::Damaged { member: format!("blobs/sha256/{}", digest.hex()), offset: 0, found, wanted }
}

/// The bytes from `start` up to `end`, unchecked, with the next piece read while one is sent.
pub(crate) fn pieces(
    blob: Arc<dyn ReadAt>,
    start: u64,
    end: u64,
) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
    let read = move |blob: &Arc<dyn ReadAt>, start: u64| -> Option<JoinHandle<io::Result<Bytes>>> {
        let length = end.saturating_sub(start).min(PIECE);
        let blob = Arc::clone(blob);
        (length > 0).then(|| {
            spawn_blocking(move || {
                let mut piece = vec![0; usize::try_from(length).unwrap_or_default()];
                blob.read_exact_at(&mut piece, start)?;
                Ok(piece.into())
            })
        })
    };
    let first = read(&blob, start);
    stream::try_unfold((blob, start, first), move |(blob, start, reading)| async move {
        let Some(reading) = reading else { return Ok(None) };
        let piece = reading.await.map_err(io::Error::other)??;
        let next = start + piece.len() as u64;
        let reading = read(&blob, next);
        Ok(Some((piece, (blob, next, reading))))
    })
}

/// An archive in one of its states.
pub(crate) trait Archive: Send + Sync + 'static {
    /// Where a blob stands.
    fn place(&self, digest: &Digest) -> Option<Placed>;
    /// What it is read from.
    fn file(&self) -> &File;
    /// Small content, compared.
    ///
    /// # Errors
    /// When it is not there or was changed.
    fn small(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError>;
}

macro_rules! archives {
    ($($state:ty => $archive:expr;)*) => { $(
        impl Archive for $state {
            fn place(&self, digest: &Digest) -> Option<Placed> {
                $archive(self).layout().place(digest)
            }

            fn file(&self) -> &File {
                $archive(self).reader()
            }

            fn small(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
                $archive(self).metadata(wanted)
            }
        }
    )* };
}

archives! {
    Verified<File> => std::convert::identity;
    Unverified<File> => std::convert::identity;
    Accepted => Assessment::archive;
}

/// Of an archive that was accepted, what the site keeps: large content is not in it.
impl Archive for Signed<File> {
    fn place(&self, digest: &Digest) -> Option<Placed> {
        let end = self.layout().evidence_end();
        self.layout().place(digest).filter(|place| place.offset.saturating_add(place.size) <= end)
    }

    fn file(&self) -> &File {
        self.reader()
    }

    fn small(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        self.metadata(wanted)
    }
}

struct ArchiveBlob<A> {
    archive: Arc<A>,
    place: Placed,
}

impl<A: Archive> ReadAt for ArchiveBlob<A> {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.place.size) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        ReadAt::read_exact_at(self.archive.file(), buffer, self.place.offset + offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.place.size)
    }
}

impl<A: Archive> Metadata for Arc<A> {
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        self.small(wanted)
    }
}

impl<A: Archive> Blobs for Arc<A> {
    fn open(&self, digest: &Digest) -> Result<Box<dyn ReadAt>, ArchiveError> {
        let place = self.place(digest).ok_or(ArchiveError::NoBlob(*digest))?;
        Ok(Box::new(ArchiveBlob { archive: Self::clone(self), place }))
    }
}

/// An evidence pack has every manifest, and no layers.
impl Metadata for Signed<File> {
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        Self::metadata(self, wanted)
    }
}

/// A folder in the form of an OCI image layout.
#[derive(Debug, Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    /// The layout in `path`, which holds `oci-layout`, `index.json` and `blobs/`.
    #[must_use]
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    /// Where a blob stands.
    #[must_use]
    pub(crate) fn path(&self, digest: &Digest) -> PathBuf {
        self.0.join("blobs/sha256").join(digest.hex())
    }
}

impl Metadata for Folder {
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        let blob = self.open(&wanted.digest)?;
        let found = blob.size()?;
        if found != wanted.size || found > limits::EVIDENCE_BYTES {
            let (found, wanted_size) = (format!("{found} bytes"), format!("{} bytes", wanted.size));
            return Err(damaged(&wanted.digest, found, wanted_size));
        }
        let mut bytes = vec![0; usize::try_from(found).unwrap_or_default()];
        blob.read_exact_at(&mut bytes, 0)?;
        let mut check = Check::new(wanted.digest);
        check.update(&bytes);
        check.finish()?;
        Ok(bytes)
    }
}

impl Blobs for Folder {
    fn open(&self, digest: &Digest) -> Result<Box<dyn ReadAt>, ArchiveError> {
        match plain::open(&self.path(digest)) {
            Ok(file) => Ok(Box::new(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(ArchiveError::NoBlob(*digest)),
            Err(error) => Err(error.into()),
        }
    }
}
