//! Comparing a file with what its inventory says, byte for byte.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use manifests::Digest;
use manifests::digest::Hasher;

use super::error::ArchiveError;
use super::layout::{Content, Layout, Member};
use super::read_at::ReadAt;

/// How much is read at once. Two readers with this much do not make a disk seek more than it reads.
const CHUNK: usize = 1 << 20;

/// Below this size a second thread takes longer to start than it saves.
const SMALL: u64 = 8 << 20;

/// Compares every member up to the offset `end`, on every core. The slot's and the inventory's contents were
/// verified before.
pub(super) fn members<R: ReadAt>(
    archive: &R,
    layout: &Layout,
    end: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), ArchiveError> {
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || -> Result<(), (usize, ArchiveError)> {
        let mut buffer = vec![0; CHUNK];
        while !failed.load(Ordering::Relaxed) {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(found) = layout.member(at).filter(|member| member.offset < end) else { break };
            if let Err(error) = member(archive, &found, &mut buffer, progress) {
                failed.store(true, Ordering::Relaxed);
                return Err((at, error));
            }
        }
        Ok(())
    };
    let workers = if end < SMALL { 1 } else { thread::available_parallelism().map_or(1, usize::from).min(4) };
    let mut errors: Vec<(usize, ArchiveError)> = thread::scope(|scope| {
        let handles: Vec<_> = (0..workers).map(|_| scope.spawn(work)).collect();
        let joined = handles.into_iter().map(thread::ScopedJoinHandle::join);
        joined
            .filter_map(|result| result.unwrap_or_else(|panic| std::panic::resume_unwind(panic)).err())
            .collect()
    });
    // The first damage in the file is the one to report, whichever thread came first.
    errors.sort_by_key(|(at, _)| *at);
    errors.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
}

fn member<R: ReadAt>(
    archive: &R,
    member: &Member<'_>,
    buffer: &mut [u8],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), ArchiveError> {
    expect(archive, member, member.offset, &member.header())?;
    match member.content {
        Content::Slot | Content::Inventory => {}
        Content::Fixed(bytes) => expect(archive, member, member.content_offset(), bytes)?,
        Content::Blob(wanted) => {
            blob(member, wanted, content(archive, member, buffer, progress)?)?;
        }
    }
    zeros(archive, member, member.content_offset() + member.size, member.padding())
}

/// Compares the inventory with its digest, without reading what it says.
pub(super) fn inventory<R: ReadAt>(
    archive: &R,
    member: &Member<'_>,
    wanted: Digest,
) -> Result<(), ArchiveError> {
    blob(member, wanted, content(archive, member, &mut vec![0; CHUNK], &|_| ())?)
}

/// The digest of a member's content.
fn content<R: ReadAt>(
    archive: &R,
    member: &Member<'_>,
    buffer: &mut [u8],
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Digest, ArchiveError> {
    let mut hasher = Hasher::default();
    let mut done = 0;
    while done < member.size {
        let length = (member.size - done).min(buffer.len() as u64);
        let chunk = &mut buffer[..length as usize];
        read(archive, chunk, member.content_offset() + done)?;
        hasher.update(chunk);
        done += length;
        progress(length);
    }
    Ok(hasher.finish())
}

/// Fills `buffer` with what stands at `offset`, or says how far the archive goes.
pub(super) fn read<R: ReadAt>(archive: &R, buffer: &mut [u8], offset: u64) -> Result<(), ArchiveError> {
    archive.read_exact_at(buffer, offset).map_err(|error| match (error.kind(), archive.size()) {
        (io::ErrorKind::UnexpectedEof, Ok(found)) => {
            ArchiveError::Cut { found, wanted: offset + buffer.len() as u64 }
        }
        _ => error.into(),
    })
}

/// Compares a blob's digest.
pub(super) fn blob(member: &Member<'_>, wanted: Digest, found: Digest) -> Result<(), ArchiveError> {
    if found == wanted {
        return Ok(());
    }
    Err(ArchiveError::Damaged {
        member: member.path.clone(),
        offset: member.content_offset(),
        found: found.to_string(),
        wanted: wanted.to_string(),
    })
}

/// Compares bytes that follow from the inventory.
pub(super) fn expect<R: ReadAt>(
    archive: &R,
    member: &Member<'_>,
    offset: u64,
    wanted: &[u8],
) -> Result<(), ArchiveError> {
    let mut found = vec![0; wanted.len()];
    read(archive, &mut found, offset)?;
    same(member, offset, &found, wanted)
}

/// Compares the padding after a member, or the end of the tar.
pub(super) fn zeros<R: ReadAt>(
    archive: &R,
    member: &Member<'_>,
    offset: u64,
    count: usize,
) -> Result<(), ArchiveError> {
    expect(archive, member, offset, &vec![0; count])
}

/// Names the first byte that differs.
pub(super) fn same(
    member: &Member<'_>,
    offset: u64,
    found: &[u8],
    wanted: &[u8],
) -> Result<(), ArchiveError> {
    let Some(at) = found.iter().zip(wanted).position(|(found, wanted)| found != wanted) else {
        return Ok(());
    };
    Err(ArchiveError::Damaged {
        member: member.path.clone(),
        offset: offset + at as u64,
        found: format!("{:#04x}", found[at]),
        wanted: format!("{:#04x}", wanted[at]),
    })
}
