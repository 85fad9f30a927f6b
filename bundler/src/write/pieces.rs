//! What of an interrupted build is really there: everything that its journal claims is hashed again.

use std::collections::HashMap;

use console::progress::Progress;
use manifests::Digest;
use manifests::digest::Hasher;
use transfer::archive::ArchiveError;
use transfer::archive::write::Draft;

use super::local::Remote;
use std::io;

/// How much is read at once.
const CHUNK: usize = 1024 * 1024;

/// What a build can start from.
#[derive(Debug, Default)]
pub(crate) struct Started {
    blobs: HashMap<Digest, Piece>,
}

/// A blob, or the beginning of one.
#[derive(Debug)]
pub(crate) struct Piece {
    pub(crate) length: u64,
    /// The hash of the beginning; nothing, when the blob is whole and of its digest.
    pub(crate) hasher: Option<Hasher>,
}

impl Started {
    /// How much is there.
    pub(crate) fn bytes(&self) -> u64 {
        self.blobs.values().map(|piece| piece.length).sum()
    }

    /// What is there of a blob.
    pub(crate) fn take(&mut self, digest: &Digest) -> Option<Piece> {
        self.blobs.remove(digest)
    }
}

/// Hashes what the journal claims. A whole blob that is not of its digest counts as absent; the beginning of
/// one is judged by its end, which is still to come.
///
/// # Errors
/// When the draft cannot be read.
pub(crate) fn check(
    draft: &Draft,
    blobs: &[Remote],
    claims: &HashMap<Digest, u64>,
    progress: &Progress,
) -> io::Result<Started> {
    let mut started = Started::default();
    let mut buffer = vec![0; CHUNK];
    for blob in blobs.iter().map(|remote| remote.blob) {
        let Some(length) = claims.get(&blob.digest).copied().filter(|done| *done > 0 && *done <= blob.size)
        else {
            continue;
        };
        let hasher = hash(draft, &blob.digest, length, &mut buffer)?;
        let piece = if length < blob.size {
            Piece { length, hasher: Some(hasher) }
        } else if hasher.finish() == blob.digest {
            Piece { length, hasher: None }
        } else {
            continue;
        };
        progress.add(length);
        started.blobs.insert(blob.digest, piece);
    }
    Ok(started)
}

fn hash(draft: &Draft, digest: &Digest, length: u64, buffer: &mut [u8]) -> io::Result<Hasher> {
    let mut hasher = Hasher::default();
    let mut offset = 0;
    while offset < length {
        let wanted = usize::try_from(length - offset).unwrap_or(usize::MAX).min(buffer.len());
        let Some(chunk) = buffer.get_mut(..wanted) else { break };
        draft.read_at(digest, offset, chunk).map_err(|error| match error {
            ArchiveError::Io(error) => error,
            other => io::Error::other(other),
        })?;
        hasher.update(chunk);
        offset += wanted as u64;
    }
    Ok(hasher)
}
