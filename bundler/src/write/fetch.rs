//! Downloads, several at once, each straight to its place.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use clients::registry::{self, BlobStart};
use clients::{Error, Http, Problem};
use console::progress::Progress;
use console::{Class, Failure, Failures};
use futures_util::future::join_all;
use manifests::inventory::Blob;
use rustix::fs::{Advice, fadvise};
use tokio::signal::unix::{SignalKind, signal};
use transfer::archive::write::Draft;

use super::journal::{Journal, SYNC_BYTES};
use super::local::Remote;
use super::pieces::{Piece, Started};

/// From this size on a blob is limited by bandwidth, below by round trips.
const LARGE: u64 = 1024 * 1024;

/// How many large blobs are fetched at once, from all hosts together.
const LARGE_AT_ONCE: usize = 4;

/// How many small blobs are fetched at once, from all hosts together.
const SMALL_AT_ONCE: usize = 12;

/// How many requests to one host may be under way at once, where its settings do not say.
pub(crate) const CONNECTIONS: u16 = 16;

/// How much is written before the kernel is told to begin with the disk: it would wait until there is a lot,
/// and then all writers wait with it.
const WRITE_BEHIND: u64 = 8 * 1024 * 1024;

/// What all downloads share.
struct Downloads<'a> {
    http: &'a Http,
    draft: &'a Draft,
    journal: &'a Journal,
    progress: &'a Progress,
    started: Mutex<Started>,
    fetched: AtomicU64,
    /// Set when nothing more is to be begun: the disk is full, or the network is gone.
    stopped: AtomicBool,
    failures: Mutex<Vec<Failure>>,
}

/// Fetches all of `blobs` but what has been started already; gives the bytes that were fetched.
///
/// # Errors
/// Every blob that a registry does not give as it should be; the first failure of the network or the disk;
/// an interruption.
pub(crate) fn all(
    http: &Http,
    draft: &Draft,
    journal: &Journal,
    blobs: Vec<Remote>,
    started: Started,
    progress: &Progress,
) -> Result<u64, Failures> {
    let downloads = Downloads {
        http,
        draft,
        journal,
        progress,
        started: Mutex::new(started),
        fetched: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        failures: Mutex::default(),
    };
    let (large, small): (VecDeque<Remote>, VecDeque<Remote>) =
        blobs.into_iter().partition(|remote| remote.blob.size >= LARGE);
    let (large, small) = (Mutex::new(large), Mutex::new(small));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Class::Failed, "tokio", error))?;
    runtime.block_on(async {
        let workers = (0..LARGE_AT_ONCE).map(|_| downloads.work(&large));
        let workers = workers.chain((0..SMALL_AT_ONCE).map(|_| downloads.work(&small)));
        let mut terminate = signal(SignalKind::terminate()).map_err(interrupts)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(interrupts)?;
        tokio::select! {
            _ = join_all(workers) => Ok(()),
            _ = terminate.recv() => Err(interrupted()),
            _ = interrupt.recv() => Err(interrupted()),
        }
    })?;
    let failures = downloads.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    Failures::unless_empty(failures, downloads.fetched.into_inner())
}

fn interrupts(error: io::Error) -> Failure {
    Failure::new(Class::Failed, "signals", error)
}

fn interrupted() -> Failure {
    Failure::new(Class::Failed, "", "interrupted").advise("the same command goes on where this one was")
}

impl Downloads<'_> {
    /// Takes one blob after the other from the queue.
    async fn work(&self, queue: &Mutex<VecDeque<Remote>>) {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some(remote) = next.filter(|_| !self.stopped.load(Ordering::Relaxed)) else { return };
            if let Err(error) = self.fetch(&remote).await {
                // One wrong blob says nothing about the next; a network or a disk that fails does.
                if error.problem.is_transient() || matches!(error.problem, Problem::Sink(_)) {
                    self.stopped.store(true, Ordering::Relaxed);
                }
                let failure = Failure::new(Class::Failed, &remote.item, &error)
                    .advise("the same command goes on where this one was");
                self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(failure);
            }
        }
    }

    async fn fetch(&self, remote: &Remote) -> Result<(), Error> {
        let Blob { digest, size } = remote.blob;
        let piece = self.started.lock().unwrap_or_else(PoisonError::into_inner).take(&digest);
        let start = match piece {
            Some(Piece { hasher: None, .. }) => return Ok(()),
            Some(Piece { length, hasher: Some(hasher) }) => BlobStart { length, hasher },
            None => BlobStart::default(),
        };
        self.progress.message(&remote.item);
        let mut place = Place::new(self, remote.blob, start.length);
        let repository = registry::Remote::new(self.http, &remote.repository)?;
        repository.fetch_blob(digest, size, start, |offset, bytes| place.write(offset, bytes)).await?;
        place.finish().map_err(|error| Problem::Sink(error).about(remote.repository.at(digest).to_string()))
    }
}

/// The place of one blob that is being fetched.
struct Place<'a> {
    downloads: &'a Downloads<'a>,
    blob: Blob,
    /// Where the blob's content begins in the file.
    base: u64,
    /// How far it is written.
    done: u64,
    /// How far the journal says it is.
    noted: u64,
    /// How far the kernel was told to write.
    behind: u64,
}

impl<'a> Place<'a> {
    fn new(downloads: &'a Downloads<'a>, blob: Blob, done: u64) -> Self {
        let base = downloads.draft.layout().place(&blob.digest).map_or(0, |place| place.offset);
        Self { downloads, blob, base, done, noted: done, behind: done }
    }

    fn write(&mut self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let Downloads { draft, journal, progress, fetched, .. } = self.downloads;
        if offset < self.done {
            // The content was wrong and comes once more from the start: what the journal said is void.
            progress.take_back(self.done - offset);
            journal.note(self.blob.digest, offset, 0)?;
            (self.noted, self.behind) = (offset, offset);
        }
        draft.write_at(&self.blob.digest, offset, bytes).map_err(io::Error::other)?;
        let length = bytes.len() as u64;
        self.done = offset + length;
        progress.add(length);
        fetched.fetch_add(length, Ordering::Relaxed);
        if self.done - self.behind >= WRITE_BEHIND {
            self.write_behind();
        }
        if self.done - self.noted >= SYNC_BYTES {
            journal.note(self.blob.digest, self.done, self.done - self.noted)?;
            self.noted = self.done;
        }
        Ok(())
    }

    /// Starts writing to the disk (Linux does that before it drops pages, and drops none that are dirty),
    /// and lets go of what is written: an archive need not push everything else out of memory.
    fn write_behind(&mut self) {
        let start = self.behind.saturating_sub(WRITE_BEHIND);
        let length = std::num::NonZeroU64::new(self.done - start);
        let _ = fadvise(self.downloads.draft.file(), self.base + start, length, Advice::DontNeed);
        self.behind = self.done;
    }

    fn finish(mut self) -> io::Result<()> {
        if self.blob.size >= WRITE_BEHIND {
            self.write_behind();
        }
        self.downloads.journal.note(self.blob.digest, self.blob.size, self.blob.size - self.noted)
    }
}
