//! How far a build is: JSON lines beside the archive, for the next run if this one is interrupted.
//!
//! A journal only claims. Whatever it says is there is hashed again before it counts, so a page that a
//! power cut lost costs a download and never trust. That is why it need not wait for the content to be on
//! the disk, nor be on the disk itself at every line: it is synced every 64 MiB or every second, on a
//! thread of its own.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use console::{Class, Failure};
use manifests::{Digest, limits};
use serde::{Deserialize, Serialize};

/// After how many bytes of content the journal is synced.
pub(crate) const SYNC_BYTES: u64 = 64 * 1024 * 1024;

/// After how long the journal is synced.
const SYNC_EVERY: Duration = Duration::from_secs(1);

/// Longest journal that is read, in bytes: a line of some 110 for each blob, and for each 64 MiB of 30 TB.
const JOURNAL_BYTES: u64 = (limits::BLOBS as u64 + 500_000) * 110;

/// The journal of one archive. While it is open, no other build works on the same archive.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    claims: HashMap<Digest, u64>,
    state: Mutex<State>,
    sync: Option<SyncSender<()>>,
    syncer: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct State {
    file: File,
    unsynced: u64,
    synced: Instant,
}

/// The first line: whose journal it is.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    identity: Digest,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Claim {
    blob: Digest,
    done: u64,
}

impl Journal {
    /// Opens the journal of the archive `identity`. What another archive left is forgotten, and that is said.
    ///
    /// # Errors
    /// When another build has it, or the disk fails.
    pub(crate) fn open(path: &Path, identity: Digest) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(Class::Failed, path.display(), error);
        let file = lock(path)?;
        let (found, claims) = read(&file).map_err(failed)?;
        let is_ours = found == Some(identity);
        if found.is_some() && !is_ours {
            eprintln!("notice: what an interrupted build of another archive left here is not used");
        }
        let mut file = file;
        let claims = if is_ours { claims } else { HashMap::new() };
        // Written anew: a line that was cut by a crash would spoil the one that is appended to it.
        file.set_len(0).map_err(failed)?;
        line(&mut file, &Head { identity }).map_err(failed)?;
        for (blob, done) in &claims {
            line(&mut file, &Claim { blob: *blob, done: *done }).map_err(failed)?;
        }
        let (sync, syncer) = syncer(file.try_clone().map_err(failed)?);
        let state = Mutex::new(State { file, unsynced: 0, synced: Instant::now() });
        Ok(Self { path: path.to_owned(), claims, state, sync: Some(sync), syncer: Some(syncer) })
    }

    /// What the interrupted run says it had, by blob, in bytes from the start of each.
    pub(crate) fn claims(&self) -> HashMap<Digest, u64> {
        self.claims.clone()
    }

    /// Notes that `blob` is there up to `done`; `written` bytes were added since the last note.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn note(&self, blob: Digest, done: u64, written: u64) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        line(&mut state.file, &Claim { blob, done })?;
        state.unsynced = state.unsynced.saturating_add(written);
        if state.unsynced >= SYNC_BYTES || state.synced.elapsed() >= SYNC_EVERY {
            state.unsynced = 0;
            state.synced = Instant::now();
            // When the thread is still at it, the next note asks again.
            let _ = self.sync.as_ref().map(|sync| sync.try_send(()));
        }
        Ok(())
    }

    /// Removes the journal of an archive that is finished.
    ///
    /// # Errors
    /// When the disk fails.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

impl Drop for Journal {
    /// The thread has the file open too, and with it the lock.
    fn drop(&mut self) {
        drop(self.sync.take());
        if let Some(syncer) = self.syncer.take() {
            let _ = syncer.join();
        }
    }
}

/// Syncs when asked to, until the journal is closed. A disk that cannot sync is seen by the archive's own sync.
fn syncer(file: File) -> (SyncSender<()>, JoinHandle<()>) {
    let (sender, receiver) = sync_channel(1);
    let thread = std::thread::spawn(move || {
        while receiver.recv().is_ok() {
            let _ = file.sync_data();
        }
    });
    (sender, thread)
}

/// Opens the file at `path` for one build alone.
fn lock(path: &Path) -> Result<File, Failure> {
    let failed = |error: io::Error| Failure::new(Class::Failed, path.display(), error);
    loop {
        let file = OpenOptions::new().read(true).append(true).create(true).open(path).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = "found another build at work on the same archive, wanted one at a time";
                return Err(Failure::new(Class::Failed, path.display(), message).advise("wait for it to end"));
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        // A build that just finished has removed the file that was opened here.
        let own = file.metadata().map_err(failed)?;
        if fs::metadata(path).is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())) {
            return Ok(file);
        }
    }
}

/// Whose journal it is and what it claims; nothing, when it does not begin as one. Lines that a crash cut
/// are left out.
fn read(file: &File) -> io::Result<(Option<Digest>, HashMap<Digest, u64>)> {
    let mut lines = BufReader::new(file.take(JOURNAL_BYTES)).lines();
    let mut claims = HashMap::new();
    let head = lines.next().transpose();
    let Ok(Some(head)) = head else { return Ok((None, claims)) };
    let Ok(Head { identity }) = serde_json::from_str(&head) else { return Ok((None, claims)) };
    for line in lines.map_while(Result::ok) {
        if let Ok(Claim { blob, done }) = serde_json::from_str(&line) {
            // The last one counts: a blob whose digest was wrong begins at 0 again.
            claims.insert(blob, done);
        }
    }
    Ok((Some(identity), claims))
}

fn line<T: Serialize>(file: &mut File, value: &T) -> io::Result<()> {
    let mut bytes = manifests::json::encode(value);
    bytes.push(b'\n');
    file.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(path: &Path, identity: Digest) -> HashMap<Digest, u64> {
        Journal::open(path, identity).unwrap().claims()
    }

    #[test]
    fn a_journal_tells_the_next_run_how_far_this_one_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        let (identity, one, two) = (Digest::of(b"archive"), Digest::of(b"1"), Digest::of(b"2"));
        let journal = Journal::open(&path, identity).unwrap();
        journal.note(one, 64, 64).unwrap();
        journal.note(two, 7, 7).unwrap();
        journal.note(one, 0, 0).unwrap();
        drop(journal);
        assert_eq!(opened(&path, identity), HashMap::from([(one, 0), (two, 7)]));
        // A line that was cut, and something that is no line, are left out.
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"nonsense\n{\"blob\":\"sha256:").unwrap();
        assert_eq!(opened(&path, identity).len(), 2);
        assert_eq!(opened(&path, Digest::of(b"another")).len(), 0);
        assert_eq!(opened(&path, identity).len(), 0, "the other one has taken its place");
    }

    #[test]
    fn two_builds_of_one_archive_do_not_run_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.journal");
        let first = Journal::open(&path, Digest::of(b"a")).unwrap();
        assert!(Journal::open(&path, Digest::of(b"a")).unwrap_err().message.contains("another build"));
        first.remove().unwrap();
        assert!(Journal::open(&path, Digest::of(b"a")).is_ok());
    }
}
