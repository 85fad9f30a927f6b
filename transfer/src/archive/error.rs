//! Why an archive is not accepted.

use std::io;

use manifests::Digest;
use manifests::closure::ClosureError;
use manifests::dsse::EnvelopeError;
use manifests::inventory::InventoryError;

/// Why an archive cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The medium failed.
    #[error("{0}")]
    Io(io::Error),
    /// It ends before its whole size is known.
    #[error("found {found} bytes, wanted {wanted} or more: the copy is not complete")]
    Cut {
        /// How many bytes there are.
        found: u64,
        /// How many there are in any that goes on as this one begins.
        wanted: u64,
    },
    /// It ends while it is read, and whoever read it does not know where.
    #[error("found the end before all was read: the copy is not complete")]
    End,
    /// A stream that goes on where the archive ends.
    #[error("found more than {wanted} bytes, wanted {wanted}: something was appended")]
    Appended {
        /// The size by the inventory.
        wanted: u64,
    },
    /// Bytes that differ from what the inventory says.
    #[error("damaged at byte {offset}, in {member}: found {found}, wanted {wanted}")]
    Damaged {
        /// The member, by its path.
        member: String,
        /// Where in the file.
        offset: u64,
        /// What is there.
        found: String,
        /// What the inventory says.
        wanted: String,
    },
    /// The file is longer or shorter than the inventory says.
    #[error("found {found} bytes, wanted {wanted}{hint}")]
    Size {
        /// The size of the file.
        found: u64,
        /// The size by the inventory.
        wanted: u64,
        /// What the difference looks like.
        hint: &'static str,
    },
    /// The slot is not a signature of ours, or the signature does not verify.
    #[error("the signature: {0}")]
    Signature(#[from] EnvelopeError),
    /// Signed by a key that nobody here trusts.
    #[error("signed by the key {0}, which is not trusted here")]
    UnknownKey(Digest),
    /// A signed inventory that breaks the format.
    #[error(transparent)]
    Inventory(#[from] InventoryError),
    /// The blob table does not follow from the items.
    #[error("the inventory: {0}")]
    Closure(String),
    /// Too little room for the archive.
    #[error("found {free} bytes free in {folder}, wanted {wanted} for the archive")]
    Space {
        /// Where.
        folder: String,
        /// What is free.
        free: u64,
        /// What is needed.
        wanted: u64,
    },
    /// A blob that the inventory does not list.
    #[error("found no blob {0} in the archive")]
    NoBlob(Digest),
}

/// What an error means, for the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The medium: worth another try.
    Io,
    /// Not what was signed.
    Damaged,
    /// Not trusted.
    Refused,
    /// Of a version that this one cannot read.
    Newer,
}

impl ArchiveError {
    /// What it means.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Io(_) | Self::Space { .. } | Self::NoBlob(_) => Kind::Io,
            Self::UnknownKey(_) => Kind::Refused,
            Self::Inventory(InventoryError::Newer(_)) => Kind::Newer,
            _ => Kind::Damaged,
        }
    }
}

impl From<io::Error> for ArchiveError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // What ends early while it is read was cut, whatever its size said before.
            io::ErrorKind::UnexpectedEof => Self::End,
            _ => Self::Io(error),
        }
    }
}

impl From<ClosureError<Self>> for ArchiveError {
    fn from(error: ClosureError<Self>) -> Self {
        match error {
            ClosureError::Load { error, .. } => error,
            other => Self::Closure(other.to_string()),
        }
    }
}
