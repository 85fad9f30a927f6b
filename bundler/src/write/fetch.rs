//! Downloads, several at once, each straight to its place.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clients::registry::{self, BlobStart};
use clients::{Error, Http, Problem};
use console::progress::Progress;
use console::{Class, Failure, Failures};
use manifests::inventory::Blob;
use rustix::fs::{Advice, fadvise};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
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

/// How many threads receive, hash and write. One is a third slower with four downloads at once; a third one
/// brings nothing more.
const THREADS: usize = 2;

/// What all downloads share.
struct Downloads {
    http: Http,
    draft: Draft,
    journal: Journal,
    progress: Progress,
    large: Mutex<VecDeque<Remote>>,
    small: Mutex<VecDeque<Remote>>,
    started: Mutex<Started>,
    fetched: AtomicU64,
    /// Set when nothing more is to be begun: the disk is full, or the network is gone.
    stopped: AtomicBool,
    failures: Mutex<Vec<Failure>>,
}

/// A draft that has every blob, with its journal.
#[derive(Debug)]
pub(crate) struct Complete {
    pub(crate) draft: Draft,
    pub(crate) journal: Journal,
    /// Fetched by this run, in bytes.
    pub(crate) fetched: u64,
}

/// Fetches all of `blobs` but what has been started already.
///
/// # Errors
/// Every blob that a registry does not give as it should be; the first failure of the network or the disk;
/// an interruption.
pub(crate) fn all(
    http: &Http,
    draft: Draft,
    journal: Journal,
    blobs: Vec<Remote>,
    started: Started,
    progress: &Progress,
) -> Result<Complete, Failures> {
    let (large, small): (VecDeque<Remote>, VecDeque<Remote>) =
        blobs.into_iter().partition(|remote| remote.blob.size >= LARGE);
    let downloads = Arc::new(Downloads {
        http: http.clone(),
        draft,
        journal,
        progress: progress.clone(),
        large: Mutex::new(large),
        small: Mutex::new(small),
        started: Mutex::new(started),
        fetched: AtomicU64::new(0),
        stopped: AtomicBool::new(false),
        failures: Mutex::default(),
    });
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(THREADS).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Class::Failed, "tokio", error))?;
    runtime.block_on(work(&downloads))?;
    // Ends every task, so that nobody holds the draft any more.
    drop(runtime);
    let downloads = Arc::into_inner(downloads)
        .ok_or_else(|| Failure::new(Class::Failed, "", "found a download still at work after the end"))?;
    let failures = downloads.failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    let Downloads { draft, journal, fetched, .. } = downloads;
    Failures::unless_empty(failures, Complete { draft, journal, fetched: fetched.into_inner() })
}

/// Runs the workers until the queues are empty, or somebody says stop.
async fn work(downloads: &Arc<Downloads>) -> Result<(), Failure> {
    let mut workers = JoinSet::new();
    for at in 0..LARGE_AT_ONCE + SMALL_AT_ONCE {
        let downloads = Arc::clone(downloads);
        workers.spawn(async move {
            let queue = if at < LARGE_AT_ONCE { &downloads.large } else { &downloads.small };
            downloads.work(queue).await;
        });
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(interrupts)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(interrupts)?;
    tokio::select! {
        _ = workers.join_all() => Ok(()),
        _ = terminate.recv() => Err(interrupted()),
        _ = interrupt.recv() => Err(interrupted()),
    }
}

fn interrupts(error: io::Error) -> Failure {
    Failure::new(Class::Failed, "signals", error)
}

fn interrupted() -> Failure {
    Failure::new(Class::Failed, "", "interrupted").advise("the same command goes on where this one was")
}

impl Downloads {
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
        let repository = registry::Remote::new(&self.http, &remote.repository)?;
        repository.fetch_blob(digest, size, start, |offset, bytes| place.write(offset, bytes)).await?;
        place.finish().map_err(|error| Problem::Sink(error).about(remote.repository.at(digest).to_string()))
    }
}

/// The place of one blob that is being fetched.
struct Place<'a> {
    downloads: &'a Downloads,
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
    fn new(downloads: &'a Downloads, blob: Blob, done: u64) -> Self {
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
