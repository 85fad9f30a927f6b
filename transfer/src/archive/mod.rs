//! The archive: one file, signed, never changed after it is written. `docs/format.md` specifies it to the byte.
//!
//! ```text
//! Inventory -> layout (every offset)  -> write (draft, seal)        the writer
//! file      -> open::signed (slot, inventory) -> verify (every byte) the reader
//! ```
//!
//! Every byte that is not an inventory, a signature or a blob follows from the inventory: headers, padding,
//! `oci-layout`, `index.json`. So the reader computes it and compares, and parses nothing of it.

mod check;
mod error;
mod header;
mod index_json;
pub mod layout;
pub mod open;
mod read_at;
pub mod stream;
pub mod write;

pub use error::{ArchiveError, Kind};
pub use index_json::{IMAGE_NAME, REF_NAME, ref_names};
pub use layout::Layout;
pub use open::{Signed, Unverified, Verified};
pub use read_at::{ReadAt, Reader, Window};
