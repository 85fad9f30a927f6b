//! Writing an archive: everything in its place from the start, the signature last, the name last of all.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use manifests::inventory::{Inventory, InventoryError};
use manifests::{Digest, limits, slot};

use super::error::ArchiveError;
use super::header::BLOCK;
use super::layout::{Content, END, Layout};
use super::read_at::Window;

/// An archive that is being written, under a temporary name. Blobs may come in any order and from many
/// threads at once.
#[derive(Debug)]
pub struct Draft {
    file: File,
    path: PathBuf,
    layout: Layout,
    identity: Digest,
    inventory_size: u64,
    is_reserved: bool,
}

impl Draft {
    /// Starts or continues an archive at `path`: takes the space it needs and writes everything but the
    /// signature and the blobs.
    ///
    /// # Errors
    /// When the inventory breaks a rule, or there is too little room.
    pub fn create(path: &Path, inventory: &Inventory) -> Result<Self, ArchiveError> {
        let bytes = encode(inventory)?;
        let layout = Layout::of(inventory, bytes.len() as u64);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let is_reserved = reserve(&file, path, layout.size())?;
        let draft = Self {
            file,
            path: path.to_owned(),
            identity: Digest::of(&bytes),
            inventory_size: bytes.len() as u64,
            layout,
            is_reserved,
        };
        draft.write_frame(&bytes)?;
        Ok(draft)
    }

    /// Whether the file system has set the space aside; otherwise it was only found to be free.
    #[must_use]
    pub const fn is_reserved(&self) -> bool {
        self.is_reserved
    }

    /// The archive's identity.
    #[must_use]
    pub const fn identity(&self) -> Digest {
        self.identity
    }

    /// The size of the encoded inventory, which the signature states.
    #[must_use]
    pub const fn inventory_size(&self) -> u64 {
        self.inventory_size
    }

    /// Where everything stands.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The file, for hints to the kernel and for syncing.
    #[must_use]
    pub const fn file(&self) -> &File {
        &self.file
    }

    /// Writes a piece of a blob to its final place.
    ///
    /// # Errors
    /// When the archive has no such blob, the piece does not fit into it, or the disk fails.
    pub fn write_at(&self, digest: &Digest, offset: u64, bytes: &[u8]) -> Result<(), ArchiveError> {
        self.file.write_all_at(bytes, self.offset(digest, offset, bytes.len())?)?;
        Ok(())
    }

    /// Reads a piece of a blob back, when a build is resumed.
    ///
    /// # Errors
    /// When the archive has no such blob, the piece is not inside of it, or the disk fails.
    pub fn read_at(&self, digest: &Digest, offset: u64, buffer: &mut [u8]) -> Result<(), ArchiveError> {
        self.file.read_exact_at(buffer, self.offset(digest, offset, buffer.len())?)?;
        Ok(())
    }

    /// A blob that was written, whole.
    ///
    /// # Errors
    /// When the archive has no such blob.
    pub fn blob(&self, digest: &Digest) -> Result<Window<&File>, ArchiveError> {
        let place = self.layout.place(digest).ok_or(ArchiveError::NoBlob(*digest))?;
        Ok(Window::new(&self.file, place.offset, place.size))
    }

    fn offset(&self, digest: &Digest, offset: u64, length: usize) -> Result<u64, ArchiveError> {
        let place = self.layout.place(digest).ok_or(ArchiveError::NoBlob(*digest))?;
        match offset.checked_add(length as u64) {
            Some(end) if end <= place.size => Ok(place.offset + offset),
            _ => Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
        }
    }

    /// Writes the signature and gives the archive its name. Nothing of it may be missing any more: the
    /// caller has written every blob and compared its digest.
    ///
    /// # Errors
    /// When the disk fails, or something has that name by now; then the file keeps its temporary name.
    pub fn seal(self, slot: &[u8], name: &Path) -> Result<(), ArchiveError> {
        self.file.write_all_at(slot, BLOCK)?;
        self.file.sync_all()?;
        rename(&self.path, name)?;
        let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()?;
        Ok(())
    }

    fn write_frame(&self, inventory: &[u8]) -> Result<(), ArchiveError> {
        for member in self.layout.members() {
            self.file.write_all_at(&member.header(), member.offset)?;
            match member.content {
                // Without a signature the file is no archive, whatever becomes of it.
                Content::Slot => self.file.write_all_at(&slot::empty(), member.content_offset())?,
                Content::Inventory => self.file.write_all_at(inventory, member.content_offset())?,
                Content::Fixed(bytes) => self.file.write_all_at(bytes, member.content_offset())?,
                Content::Blob(_) => {}
            }
            let padding = vec![0; member.padding()];
            self.file.write_all_at(&padding, member.content_offset() + member.size)?;
        }
        self.file.write_all_at(&[0; END as usize], self.layout.size() - END)?;
        Ok(())
    }
}

/// Writes an archive to a stream, in order. `slot` is its signature; `open` gives each blob, whose digest it
/// checks while it is read.
///
/// # Errors
/// When the inventory breaks a rule, a blob has another size than it should, or the stream fails.
pub fn stream<R: Read>(
    out: &mut impl Write,
    inventory: &Inventory,
    slot: &[u8],
    mut open: impl FnMut(&Digest) -> io::Result<R>,
) -> Result<(), ArchiveError> {
    let bytes = encode(inventory)?;
    let layout = Layout::of(inventory, bytes.len() as u64);
    for member in layout.members() {
        out.write_all(&member.header())?;
        match member.content {
            Content::Slot => out.write_all(slot)?,
            Content::Inventory => out.write_all(&bytes)?,
            Content::Fixed(bytes) => out.write_all(bytes)?,
            Content::Blob(digest) => {
                // One byte more than there should be shows a blob that is too long.
                let copied = io::copy(&mut open(&digest)?.take(member.size + 1), out)?;
                if copied != member.size {
                    let (found, wanted) = (format!("{copied} bytes"), format!("{} bytes", member.size));
                    let offset = member.content_offset();
                    return Err(ArchiveError::Damaged { member: member.path, offset, found, wanted });
                }
            }
        }
        out.write_all(&vec![0; member.padding()])?;
    }
    out.write_all(&[0; END as usize])?;
    out.flush()?;
    Ok(())
}

fn encode(inventory: &Inventory) -> Result<Vec<u8>, ArchiveError> {
    inventory.check()?;
    let bytes = inventory.encode();
    if bytes.len() as u64 > limits::INVENTORY_BYTES {
        let message = format!("found {} bytes, wanted at most {}", bytes.len(), limits::INVENTORY_BYTES);
        return Err(InventoryError::Rule(message).into());
    }
    Ok(bytes)
}

/// Sets the space aside, so that a disk that fills up is found now and not after four hours. Returns whether
/// the file system could; otherwise the space was at least free.
fn reserve(file: &File, path: &Path, size: u64) -> Result<bool, ArchiveError> {
    use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
    let has = file.metadata()?;
    if has.len() > size {
        file.set_len(size)?;
    }
    let space = fstatvfs(file).map_err(io::Error::from)?;
    // Blocks of 512 bytes, by POSIX; a draft that is resumed has most of its own already.
    let own = std::os::unix::fs::MetadataExt::blocks(&has).saturating_mul(512);
    let free = space.f_bavail.saturating_mul(space.f_frsize).saturating_add(own);
    if free < size {
        let folder = path.parent().unwrap_or(path).display().to_string();
        return Err(ArchiveError::Space { folder, free, wanted: size });
    }
    match fallocate(file, FallocateFlags::empty(), 0, size) {
        Ok(()) => Ok(true),
        // FAT, some network file systems and older kernels have no fallocate.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS) => {
            file.set_len(size)?;
            Ok(false)
        }
        Err(error) => Err(io::Error::from(error).into()),
    }
}

/// Gives a file its name, where nothing has it: what came there during the hours of a build is not overwritten.
fn rename(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // Some network file systems cannot do it in one step.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) if !to.try_exists()? => fs::rename(from, to),
        other => Ok(other?),
    }
}
