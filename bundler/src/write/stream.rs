//! The archive to a pipe: in order, the signature first, without a draft and without resuming.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;

use bytes::Bytes;
use clients::Http;
use clients::registry::{self, BlobReader};
use console::progress::Progress;
use console::{Class, Failure, Failures};
use manifests::digest::Hasher;
use manifests::inventory::Blob;
use manifests::{Descriptor, Digest, Reference};
use tokio::runtime::Runtime;
use transfer::archive::{Layout, write};

use super::local::{self, Remote};
use super::{Writer, Written};
use crate::archive_failure;
use crate::beside::Beside;

/// Writes the archive to `out`.
///
/// # Errors
/// When a blob cannot be had, or is not what it should be: what came out so far is then no archive.
pub(crate) fn to_stream(writer: &Writer<'_>, out: &mut impl Write) -> Result<Written, Failures> {
    let inventory = super::inventory(writer.judged);
    let bytes = inventory.encode();
    let identity = Digest::of(&bytes);
    let size = Layout::of(&inventory, bytes.len() as u64).size();
    drop(bytes);
    let slot = super::sign(&inventory, identity, writer.key)?;
    let plan = local::plan(writer.judged.lock(), writer.beside)?;
    let fetched = plan.remote.iter().map(|remote| remote.blob.size).sum();
    let progress = Progress::new("build", plan.bytes(), writer.quiet);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Class::Failed, "tokio", error))?;
    let opener = Opener {
        runtime: &runtime,
        http: writer.http,
        beside: writer.beside,
        local: plan.local.iter().map(|blob| (blob.digest, *blob)).collect(),
        remote: plan.remote.iter().map(|remote| (remote.blob.digest, remote)).collect(),
        progress: &progress,
    };
    let written = write::stream(out, &inventory, &slot, |digest| opener.open(digest));
    progress.finish();
    written.map_err(|error| {
        archive_failure::failure(Path::new("-"), &error).advise("what was written so far is no archive")
    })?;
    Ok(Written { identity, size, fetched, resumed: 0, was_there: false, judgement: None })
}

struct Opener<'a> {
    runtime: &'a Runtime,
    http: &'a Http,
    beside: &'a Beside,
    local: HashMap<Digest, Blob>,
    remote: HashMap<Digest, &'a Remote>,
    progress: &'a Progress,
}

impl<'a> Opener<'a> {
    fn open(&self, digest: &Digest) -> io::Result<Content<'a>> {
        if let Some(blob) = self.local.get(digest) {
            let wanted = Descriptor { digest: *digest, media_type: String::new(), size: blob.size };
            let bytes = self.beside.load(&wanted).map_err(io::Error::other)?;
            self.progress.add(blob.size);
            return Ok(Content::Local(io::Cursor::new(bytes)));
        }
        let remote = self.remote.get(digest).copied().ok_or(io::ErrorKind::NotFound)?;
        self.progress.message(&remote.item);
        let repository = registry::Remote::new(self.http, &remote.repository).map_err(io::Error::other)?;
        Ok(Content::Remote(Box::new(Download {
            runtime: self.runtime,
            reader: repository.read_blob(*digest, remote.blob.size, 0),
            wanted: remote.repository.at(*digest),
            item: &remote.item,
            progress: self.progress,
            hasher: Some(Hasher::default()),
            chunk: Bytes::new(),
        })))
    }
}

/// The content of one blob.
enum Content<'a> {
    Local(io::Cursor<Vec<u8>>),
    Remote(Box<Download<'a>>),
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Local(bytes) => bytes.read(buffer),
            Self::Remote(download) => download.read(buffer),
        }
    }
}

/// A download that is read while it comes. Its end is given only when the digest agrees.
struct Download<'a> {
    runtime: &'a Runtime,
    reader: BlobReader,
    wanted: Reference,
    item: &'a str,
    progress: &'a Progress,
    hasher: Option<Hasher>,
    chunk: Bytes,
}

impl Read for Download<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.is_empty() {
            match self.runtime.block_on(self.reader.next()) {
                Ok(Some(chunk)) => {
                    self.hasher.iter_mut().for_each(|hasher| hasher.update(&chunk));
                    self.progress.add(chunk.len() as u64);
                    self.chunk = chunk;
                }
                Ok(None) => return self.end(),
                Err(error) => return Err(io::Error::other(format!("{}: {error}", self.item))),
            }
        }
        let length = buffer.len().min(self.chunk.len());
        if let Some(buffer) = buffer.get_mut(..length) {
            buffer.copy_from_slice(&self.chunk.split_to(length));
        }
        Ok(length)
    }
}

impl Download<'_> {
    fn end(&mut self) -> io::Result<usize> {
        let found = self.hasher.take().map(Hasher::finish);
        match found {
            Some(found) if Some(found) != self.wanted.digest() => {
                let message =
                    format!("{}: {}: found content with the digest {found}", self.item, self.wanted);
                Err(io::Error::other(message))
            }
            _ => Ok(0),
        }
    }
}
