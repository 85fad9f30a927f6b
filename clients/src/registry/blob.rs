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
use crate::http::{Call, answer};

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

/// The content of a blob from an offset on. It holds one of the host's connections: a task that waits for
/// another request to the same host while it keeps this may wait for ever.
#[derive(Debug)]
pub struct BlobStream {
    response: Option<Response>,
    /// Bytes at the start that were not asked for, from a server without ranges.
    skip: u64,
    offset: u64,
    size: u64,
    subject: String,
    _permit: Option<OwnedSemaphorePermit>,
}

impl BlobStream {
    /// The next bytes; none at the end, when exactly the wanted ones have come. They are not yet verified.
    ///
    /// # Errors
    /// A cut or silent connection is a transient error: open the blob again from [`Self::offset`]. Bytes
    /// beyond the size are [`Problem::LengthMismatch`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        self.next_chunk().await.map_err(|problem| problem.about(self.subject.as_str()))
    }

    /// How far the content has come, counted from the blob's start.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    async fn next_chunk(&mut self) -> Result<Option<Bytes>, Problem> {
        let Some(response) = &mut self.response else { return Ok(None) };
        loop {
            let Some(mut chunk) = answer::chunk(response).await? else {
                self.response = None;
                let (offset, size) = (self.offset, self.size);
                if offset < size {
                    let text = format!("the content ended after {offset} of {size} bytes");
                    return Err(Problem::Network(text));
                }
                return Ok(None);
            };
            let skipped = self.skip.min(chunk.len() as u64);
            self.skip -= skipped;
            // Not more than the chunk's length, which fits.
            let _ = chunk.split_to(skipped as usize);
            let end = self.offset + chunk.len() as u64;
            if end > self.size {
                self.response = None;
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
    /// The content of a blob from `offset` on. The caller hashes it; [`Self::fetch_blob`] does all of that.
    ///
    /// # Errors
    /// When it is not there (404 only), has another length than `size`, or as every request.
    pub async fn open_blob(&self, digest: Digest, size: u64, offset: u64) -> Result<BlobStream, Error> {
        let subject = self.subject(digest.into());
        let mut tries = self.host.retry().start();
        loop {
            match self.try_open(digest, size, offset).await {
                Ok(stream) => return Ok(stream),
                Err(problem) => {
                    tries.wait_after(problem).await.map_err(|problem| problem.about(subject.as_str()))?;
                }
            }
        }
    }

    async fn try_open(&self, digest: Digest, size: u64, offset: u64) -> Result<BlobStream, Problem> {
        let subject = self.subject(digest.into());
        if offset == size {
            let stream = BlobStream { response: None, skip: 0, offset, size, subject, _permit: None };
            return Ok(stream);
        }
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
        let response = Some(response);
        Ok(BlobStream { response, skip, offset, size, subject, _permit: Some(permit) })
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
        let mut tries = self.host.retry().start();
        let mut counted_from = offset;
        loop {
            let outcome = self.receive(digest, size, &mut offset, &mut hasher, write).await;
            let Err(problem) = outcome else { break };
            if offset >= counted_from + PROGRESS {
                counted_from = offset;
                tries.reset();
            }
            tries.wait_after(problem).await?;
        }
        let found = hasher.finish();
        if found == digest { Ok(()) } else { Err(Problem::DigestMismatch { wanted: digest, found }) }
    }

    async fn receive<W>(
        &self,
        digest: Digest,
        size: u64,
        offset: &mut u64,
        hasher: &mut Hasher,
        write: &mut W,
    ) -> Result<(), Problem>
    where
        W: FnMut(u64, &[u8]) -> io::Result<()> + Send,
    {
        let mut stream = self.try_open(digest, size, *offset).await?;
        while let Some(chunk) = stream.next_chunk().await? {
            hasher.update(&chunk);
            write(*offset, &chunk).map_err(Problem::Sink)?;
            *offset = stream.offset();
        }
        Ok(())
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
