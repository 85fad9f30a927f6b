//! Blobs: read from any offset, resumed where they were cut, hashed once.

use std::io;

use bytes::Bytes;
use manifests::Digest;
use manifests::digest::Hasher;
use reqwest::header::{CONTENT_RANGE, HeaderValue, RANGE};
use reqwest::{Method, Response, StatusCode};
use tokio::sync::OwnedSemaphorePermit;

use super::Remote;
use crate::error::{Error, Problem, shown};
use crate::http::Call;
use crate::http::answer::Pace;
use crate::http::retry::Tries;

/// How much must come for the tries to be counted anew: a server that sends a byte and hangs up makes no
/// progress.
const PROGRESS: u64 = 1024 * 1024;

/// What is there already of a blob.
#[derive(Debug, Clone, Default)]
pub struct BlobStart {
    /// How many bytes.
    pub length: u64,
    /// The hash of them.
    pub hasher: Hasher,
}

/// A blob that is read piece by piece, and opened again where its connection was cut. While it is read it holds one
/// of the host's connections: a task that waits for another request to the same host meanwhile may wait for ever.
#[derive(Debug)]
pub struct BlobReader {
    remote: Remote,
    digest: Digest,
    size: u64,
    offset: u64,
    tries: Tries,
    /// Where the blob was when the tries were counted anew.
    counted_from: u64,
    open: Option<Open>,
}

/// One answer with a blob's content.
#[derive(Debug)]
struct Open {
    response: Response,
    /// Bytes at the start that were not asked for, from a server without ranges.
    skip: u64,
    pace: Pace,
    _permit: OwnedSemaphorePermit,
}

impl BlobReader {
    /// The next bytes; none at the end, when exactly the wanted ones have come. They are not yet verified: the caller
    /// hashes them.
    ///
    /// # Errors
    /// When it is not there (404 only), or is cut again and again without coming further; bytes beyond the size are
    /// [`Problem::LengthMismatch`]; or as every request.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = self.next_piece().await;
        piece.map_err(|problem| problem.about(self.remote.subject(self.digest.into())))
    }

    async fn next_piece(&mut self) -> Result<Option<Bytes>, Problem> {
        loop {
            if self.offset == self.size && self.open.is_none() {
                return Ok(None);
            }
            let problem = match self.try_next().await {
                Ok(piece) => return Ok(piece),
                Err(problem) => problem,
            };
            // Its connection is free for others while this one waits.
            self.open = None;
            if self.offset >= self.counted_from + PROGRESS {
                self.counted_from = self.offset;
                self.tries.reset();
            }
            self.tries.wait_after(problem).await?;
        }
    }

    async fn try_next(&mut self) -> Result<Option<Bytes>, Problem> {
        let open = match &mut self.open {
            Some(open) => open,
            None => self.open.insert(self.remote.open(self.digest, self.size, self.offset).await?),
        };
        loop {
            let Some(mut chunk) = open.pace.chunk(&mut open.response).await? else {
                self.open = None;
                let (offset, size) = (self.offset, self.size);
                if offset < size {
                    let text = format!("the content ended after {offset} of {size} bytes");
                    return Err(Problem::Network(text));
                }
                return Ok(None);
            };
            let skipped = open.skip.min(chunk.len() as u64);
            open.skip -= skipped;
            // Not more than the chunk's length, which fits.
            let _ = chunk.split_to(skipped as usize);
            let end = self.offset + chunk.len() as u64;
            if end > self.size {
                return Err(Problem::LengthMismatch { wanted: self.size, found: end });
            }
            self.offset = end;
            if !chunk.is_empty() {
                return Ok(Some(chunk));
            }
        }
    }
}

impl Remote {
    /// Reads a blob from `offset` on; nothing is asked for before the first piece is. [`Self::fetch_blob`] hashes it too.
    #[must_use]
    pub fn read_blob(&self, digest: Digest, size: u64, offset: u64) -> BlobReader {
        let (remote, tries) = (self.clone(), self.host.retry().start());
        BlobReader { remote, digest, size, offset, tries, counted_from: offset, open: None }
    }

    async fn open(&self, digest: Digest, size: u64, offset: u64) -> Result<Open, Problem> {
        let permit = self.host.permit().await?;
        let mut call = Call::new(Method::GET, self.blob_url(digest)?, self.pull());
        if offset > 0 {
            // With its end, which some registries insist on.
            let range = HeaderValue::from_str(&format!("bytes={offset}-{}", size - 1));
            call.headers.insert(RANGE, range.map_err(|error| Problem::Protocol(error.to_string()))?);
        }
        let response = self.host.try_once(&call).await?;
        let skip = match response.status() {
            StatusCode::OK => offset,
            StatusCode::PARTIAL_CONTENT => {
                check_range(&response, offset, size)?;
                0
            }
            other => return Err(Problem::Protocol(format!("found the status {other}, wanted 200 or 206"))),
        };
        let wanted = size - (offset - skip);
        if let Some(found) = response.content_length().filter(|found| *found != wanted) {
            return Err(Problem::LengthMismatch { wanted, found });
        }
        Ok(Open { response, skip, pace: Pace::default(), _permit: permit })
    }

    /// Reads a whole blob, or what `start` lacks of it, and hashes every byte once as it comes. `write`
    /// gets each piece with its offset. A cut connection is resumed where it was cut; content that does not
    /// match is read once more from the start, and is an error then.
    ///
    /// # Errors
    /// [`Problem::DigestMismatch`] names registry, repository and digest; [`Problem::Sink`] is an error of
    /// `write`; or as every request.
    pub async fn fetch_blob<W>(
        &self,
        digest: Digest,
        size: u64,
        start: BlobStart,
        mut write: W,
    ) -> Result<(), Error>
    where
        W: FnMut(u64, &[u8]) -> io::Result<()> + Send,
    {
        let subject = self.subject(digest.into());
        let outcome = match self.fetch_once(digest, size, start, &mut write).await {
            Err(problem) if problem.is_corruption() => {
                self.fetch_once(digest, size, BlobStart::default(), &mut write).await
            }
            outcome => outcome,
        };
        outcome.map_err(|problem| problem.about(subject))
    }

    async fn fetch_once<W>(
        &self,
        digest: Digest,
        size: u64,
        start: BlobStart,
        write: &mut W,
    ) -> Result<(), Problem>
    where
        W: FnMut(u64, &[u8]) -> io::Result<()> + Send,
    {
        let BlobStart { length: mut offset, mut hasher } = start;
        let mut reader = self.read_blob(digest, size, offset);
        while let Some(chunk) = reader.next_piece().await? {
            hasher.update(&chunk);
            write(offset, &chunk).map_err(Problem::Sink)?;
            offset = reader.offset;
        }
        let found = hasher.finish();
        if found == digest { Ok(()) } else { Err(Problem::DigestMismatch { wanted: digest, found }) }
    }

    /// A small blob, verified, in memory.
    ///
    /// # Errors
    /// [`Problem::TooLarge`] when `size` is more than `limit`; or as [`Self::fetch_blob`].
    pub async fn get_blob(&self, digest: Digest, size: u64, limit: u64) -> Result<Vec<u8>, Error> {
        if size > limit {
            return Err(Problem::TooLarge { limit }.about(self.subject(digest.into())));
        }
        let mut bytes = Vec::new();
        let write = |offset: u64, chunk: &[u8]| {
            // A second try begins at the start again; the offset is at most `limit`.
            bytes.truncate(offset as usize);
            bytes.extend_from_slice(chunk);
            Ok(())
        };
        self.fetch_blob(digest, size, BlobStart::default(), write).await?;
        Ok(bytes)
    }

    /// Whether a blob is in this repository.
    ///
    /// # Errors
    /// As every request; 404 is `false`, nothing else is.
    pub async fn head_blob(&self, digest: Digest) -> Result<bool, Error> {
        let outcome = async {
            let call = Call::new(Method::HEAD, self.blob_url(digest)?, self.pull());
            match self.host.call_and_read(&call, 0).await {
                Ok(_) => Ok(true),
                Err(Problem::NotFound(_)) => Ok(false),
                Err(problem) => Err(problem),
            }
        };
        outcome.await.map_err(self.failed(digest.into()))
    }
}

/// Holds a partial answer to the range that was asked for: other bytes would end in a wrong digest only.
fn check_range(response: &Response, offset: u64, size: u64) -> Result<(), Problem> {
    let value =
        response.headers().get(CONTENT_RANGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let wanted = format!("bytes {offset}-{}/", size - 1);
    match value.strip_prefix(&wanted) {
        Some(total) if total == "*" || total == size.to_string() => Ok(()),
        _ => Err(Problem::Protocol(format!("found the range {:?}, wanted {wanted}{size}", shown(value)))),
    }
}
