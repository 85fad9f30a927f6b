//! Where everything stands in an archive. A function of the inventory, known before a byte is fetched.

use std::collections::HashMap;

use manifests::inventory::{Blob, Inventory};
use manifests::limits::SLOT_BYTES;
use manifests::{Digest, slot};

use super::header::{BLOCK, header, padded};
use super::index_json;

/// The path of the signature's slot.
pub const SLOT_PATH: &str = "airgap/inventory.sigstore.json";

/// The offset of the inventory's header: the slot is the first member and has a constant size.
pub(crate) const INVENTORY_OFFSET: u64 = BLOCK + SLOT_BYTES;

/// The two zero blocks that end a tar.
pub(crate) const END: u64 = 2 * BLOCK;

/// Every offset of one archive.
#[derive(Debug, Clone)]
pub struct Layout {
    /// What stands before the blobs, but for the slot's and the inventory's contents.
    inventory_size: u64,
    index: Vec<u8>,
    blobs: Vec<Placed>,
    at: HashMap<Digest, u32>,
    evidence_end: u64,
    size: u64,
}

/// A blob with its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placed {
    /// Its digest.
    pub digest: Digest,
    /// The offset of its content in the file; its header stands right before.
    pub offset: u64,
    /// Its size.
    pub size: u64,
}

/// A member of the archive.
#[derive(Debug, Clone)]
pub struct Member<'a> {
    /// Its path.
    pub path: String,
    /// The offset of its header.
    pub offset: u64,
    /// The size of its content.
    pub size: u64,
    /// What its content is.
    pub content: Content<'a>,
}

/// The content of a member.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The signature's slot.
    Slot,
    /// The inventory.
    Inventory,
    /// Bytes that follow from the inventory.
    Fixed(&'a [u8]),
    /// A blob.
    Blob(Digest),
}

impl Layout {
    /// Lays out an archive of `inventory`, which takes `inventory_size` bytes when it is encoded.
    #[must_use]
    pub fn of(inventory: &Inventory, inventory_size: u64) -> Self {
        let mut index = index_json::encode(inventory);
        index.shrink_to_fit();
        let mut offset = INVENTORY_OFFSET + BLOCK + padded(inventory_size);
        offset += BLOCK + padded(index_json::OCI_LAYOUT.len() as u64);
        offset += BLOCK + padded(index.len() as u64);
        let mut place = |Blob { digest, size }: Blob| {
            let placed = Placed { digest, offset: offset + BLOCK, size };
            offset += BLOCK + padded(size);
            placed
        };
        let metadata = inventory.metadata.len();
        let mut blobs: Vec<Placed> = Vec::with_capacity(metadata + inventory.content.len());
        blobs.extend(inventory.metadata.iter().copied().map(&mut place));
        let content = inventory.content.iter().filter(|blob| blob.carried);
        blobs.extend(content.map(|blob| place(Blob { digest: blob.digest, size: blob.size })));
        let evidence_end = blobs.get(metadata).map_or(offset, |first| first.offset - BLOCK);
        // The limit of 250,000 blobs fits into 32 bits.
        let at =
            blobs.iter().enumerate().map(|(at, blob)| (blob.digest, u32::try_from(at).unwrap_or(u32::MAX)));
        let at = at.collect();
        Self { inventory_size, index, blobs, at, evidence_end, size: offset + END }
    }

    /// The size of the archive.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where large content begins: an archive that is cut here is its own evidence pack. Without large
    /// content it is where the end of the tar begins.
    #[must_use]
    pub const fn evidence_end(&self) -> u64 {
        self.evidence_end
    }

    /// The place of a blob that the archive carries.
    #[must_use]
    pub fn place(&self, digest: &Digest) -> Option<Placed> {
        self.at.get(digest).and_then(|&at| self.blobs.get(at as usize)).copied()
    }

    /// Every blob, in archive order.
    #[must_use]
    pub fn blobs(&self) -> &[Placed] {
        &self.blobs
    }

    /// How many members there are.
    #[must_use]
    pub fn len(&self) -> usize {
        FIRST_MEMBERS + self.blobs.len()
    }

    /// Never: an archive has at least its slot.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// The members in archive order.
    pub fn members(&self) -> impl Iterator<Item = Member<'_>> {
        (0..self.len()).filter_map(|at| self.member(at))
    }

    /// The member at a position.
    #[must_use]
    pub fn member(&self, at: usize) -> Option<Member<'_>> {
        let layout_offset = INVENTORY_OFFSET + BLOCK + padded(self.inventory_size);
        let index_offset = layout_offset + BLOCK + padded(index_json::OCI_LAYOUT.len() as u64);
        let fixed = |path: &str, offset: u64, bytes| Member {
            path: path.to_owned(),
            offset,
            size: <[u8]>::len(bytes) as u64,
            content: Content::Fixed(bytes),
        };
        match at {
            0 => Some(Member {
                path: SLOT_PATH.to_owned(),
                offset: 0,
                size: SLOT_BYTES,
                content: Content::Slot,
            }),
            1 => Some(Member {
                path: slot::SUBJECT.to_owned(),
                offset: INVENTORY_OFFSET,
                size: self.inventory_size,
                content: Content::Inventory,
            }),
            2 => Some(fixed("oci-layout", layout_offset, index_json::OCI_LAYOUT)),
            3 => Some(fixed("index.json", index_offset, &self.index)),
            _ => self.blobs.get(at - FIRST_MEMBERS).map(|blob| Member {
                path: format!("blobs/sha256/{}", blob.digest.hex()),
                offset: blob.offset - BLOCK,
                size: blob.size,
                content: Content::Blob(blob.digest),
            }),
        }
    }
}

const FIRST_MEMBERS: usize = 4;

impl Member<'_> {
    /// The tar header, one block.
    #[must_use]
    pub fn header(&self) -> [u8; BLOCK as usize] {
        header(&self.path, self.size)
    }

    /// The offset of its content.
    #[must_use]
    pub const fn content_offset(&self) -> u64 {
        self.offset + BLOCK
    }

    /// How many zero bytes follow its content.
    #[must_use]
    pub const fn padding(&self) -> usize {
        (padded(self.size) - self.size) as usize
    }
}
