//! Reading an archive from a pipe: once, in order, checked before anything is passed on.

use std::fs::File;
use std::io::{self, Read, Write as _};

use manifests::Digest;
use manifests::digest::Hasher;
use manifests::inventory::Inventory;
use manifests::key::PublicKey;
use manifests::limits::SLOT_BYTES;
use manifests::slot::ArchiveSignature;

use super::check;
use super::error::ArchiveError;
use super::header::BLOCK;
use super::layout::{Content, END, Layout, Member};
use super::open::{self, Verified};

const CHUNK: usize = 1 << 20;

/// What is kept of a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Everything: the spool is the archive, and can be loaded from.
    Whole,
    /// The evidence pack: enough to check the tables, when nothing is to be loaded.
    Evidence,
}

/// Reads an archive from `stream` and keeps what `keep` says in `spool`, an empty file.
///
/// The result of [`Keep::Evidence`] has read and checked every byte as well, but cannot hand out large content.
///
/// # Errors
/// As for a file. A stream that does not end where the archive ends is damaged.
pub fn verify(
    stream: impl Read,
    trusted: impl FnOnce(Digest) -> Option<PublicKey>,
    mut spool: File,
    keep: Keep,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Verified<File>, ArchiveError> {
    let mut stream = Counted { stream, read: 0 };
    let mut first = vec![0; (BLOCK + SLOT_BYTES) as usize];
    stream.fill(&mut first)?;
    let envelope = open::open_slot(&first)?;
    let key = trusted(envelope.hint()).ok_or_else(|| ArchiveError::UnknownKey(envelope.hint()))?;
    let statement = envelope.verify::<ArchiveSignature>(&key)?;
    spool.write_all(&first)?;

    let (identity, signature) = (statement.subject, statement.predicate);
    let member = open::inventory_member(&statement.name, &signature)?;
    let mut copy = Copy { stream, spool, progress, buffer: vec![0; CHUNK], keep: u64::MAX };
    let inventory = copy.inventory(&member, identity)?;
    let layout = Layout::of(&inventory, signature.inventory_size);
    if keep == Keep::Evidence {
        copy.keep = layout.evidence_end();
    }
    copy.rest(&layout).map_err(|error| match error {
        // From here on its whole size is known.
        ArchiveError::Cut { found, .. } => open::other_size(found, &layout),
        error => error,
    })?;
    copy.spool.sync_all()?;
    open::spooled(copy.spool, identity, signature, key.id(), inventory, layout)
}

/// A stream, and how much of it was read.
struct Counted<S> {
    stream: S,
    read: u64,
}

impl<S: Read> Counted<S> {
    /// Fills `buffer`, or says how far the stream went.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        let wanted = self.read + buffer.len() as u64;
        self.read_exact(buffer).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Cut { found: self.read, wanted },
            _ => error.into(),
        })
    }
}

impl<S: Read> Read for Counted<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.read += count as u64;
        Ok(count)
    }
}

struct Copy<'a, S> {
    stream: Counted<S>,
    spool: File,
    progress: &'a (dyn Fn(u64) + Sync),
    buffer: Vec<u8>,
    /// Bytes from this offset on, where a member begins or the end of the archive, are checked and not kept.
    keep: u64,
}

impl<S: Read> Copy<'_, S> {
    fn inventory(&mut self, member: &Member<'_>, identity: Digest) -> Result<Inventory, ArchiveError> {
        self.fixed(member, member.offset, &member.header())?;
        let mut bytes = vec![0; member.size as usize];
        self.stream.fill(&mut bytes)?;
        let inventory = open::parse_inventory(member, &bytes, identity)?;
        self.spool.write_all(&bytes)?;
        self.padding(member)?;
        Ok(inventory)
    }

    /// Everything after the inventory.
    fn rest(&mut self, layout: &Layout) -> Result<(), ArchiveError> {
        for member in layout.members().skip(2) {
            self.member(&member)?;
        }
        if let Some(last) = layout.member(layout.len() - 1) {
            self.fixed(&last, layout.size() - END, &[0; END as usize])?;
        }
        match self.stream.read(&mut [0])? {
            0 => Ok(()),
            _ => Err(ArchiveError::Appended { wanted: layout.size() }),
        }
    }

    fn member(&mut self, member: &Member<'_>) -> Result<(), ArchiveError> {
        self.fixed(member, member.offset, &member.header())?;
        match member.content {
            Content::Fixed(bytes) => self.fixed(member, member.content_offset(), bytes)?,
            Content::Blob(wanted) => self.blob(member, wanted)?,
            // Both stand before and were read there.
            Content::Slot | Content::Inventory => {}
        }
        self.padding(member)
    }

    fn blob(&mut self, member: &Member<'_>, wanted: Digest) -> Result<(), ArchiveError> {
        let mut hasher = Hasher::default();
        let mut left = member.size;
        while left > 0 {
            let length = left.min(CHUNK as u64);
            let chunk = &mut self.buffer[..length as usize];
            self.stream.fill(chunk)?;
            hasher.update(chunk);
            if member.offset < self.keep {
                self.spool.write_all(chunk)?;
            }
            left -= length;
            (self.progress)(length);
        }
        check::blob(member, wanted, hasher.finish())
    }

    fn padding(&mut self, member: &Member<'_>) -> Result<(), ArchiveError> {
        let zeros = vec![0; member.padding()];
        self.fixed(member, member.content_offset() + member.size, &zeros)
    }

    fn fixed(&mut self, member: &Member<'_>, offset: u64, wanted: &[u8]) -> Result<(), ArchiveError> {
        let mut found = vec![0; wanted.len()];
        self.stream.fill(&mut found)?;
        check::same(member, offset, &found, wanted)?;
        if offset < self.keep {
            self.spool.write_all(wanted)?;
        }
        Ok(())
    }
}
