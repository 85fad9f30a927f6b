//! Opening an archive without trusting the path it took: the signature first, then every byte.
//!
//! The types say how far that went. [`Unverified`] is for showing only; [`Signed`] has an inventory that a
//! trusted key signed (an evidence pack opens as this too); [`Verified`] was read whole and agrees. Their
//! fields are private, so the only way to a later one leads through the check.

use std::ops::Deref;

use manifests::closure;
use manifests::dsse::{Envelope, EnvelopeError, Statement};
use manifests::inventory::Inventory;
use manifests::key::PublicKey;
use manifests::limits::{INVENTORY_BYTES, SLOT_BYTES};
use manifests::slot::{self, ArchiveSignature};
use manifests::{Descriptor, Digest};

use super::check;
use super::error::ArchiveError;
use super::header::BLOCK;
use super::layout::{Content, END, INVENTORY_OFFSET, Layout, Member, SLOT_PATH};
use super::read_at::{ReadAt, Window};

/// An archive whose signature nobody checked.
#[derive(Debug)]
pub struct Unverified<R>(Opened<R>);

/// An archive whose inventory a trusted key signed. Its blobs were not read.
#[derive(Debug)]
pub struct Signed<R>(Opened<R>);

/// An archive that was read whole and is what was signed.
#[derive(Debug)]
pub struct Verified<R>(Signed<R>);

impl<R> Deref for Verified<R> {
    type Target = Signed<R>;

    fn deref(&self) -> &Signed<R> {
        &self.0
    }
}

#[derive(Debug)]
struct Opened<R> {
    archive: R,
    inventory: Inventory,
    identity: Digest,
    signature: ArchiveSignature,
    key: Digest,
    layout: Layout,
}

/// Opens an archive, or its evidence pack. `trusted` gives the key with an id, if it is trusted at all.
///
/// # Errors
/// When the signature is not there, not trusted or wrong, or the inventory is not what was signed.
pub fn signed<R: ReadAt>(
    archive: R,
    trusted: impl FnOnce(Digest) -> Option<PublicKey>,
) -> Result<Signed<R>, ArchiveError> {
    let (statement, key) = read_signature(&archive, trusted)?;
    read_inventory(archive, &statement.name, statement.subject, statement.predicate, key).map(Signed)
}

/// What a trusted key signed, and the key's id.
fn read_signature<R: ReadAt>(
    archive: &R,
    trusted: impl FnOnce(Digest) -> Option<PublicKey>,
) -> Result<(Statement<ArchiveSignature>, Digest), ArchiveError> {
    let envelope = read_slot(archive)?;
    let key = trusted(envelope.hint()).ok_or_else(|| ArchiveError::UnknownKey(envelope.hint()))?;
    Ok((envelope.verify::<ArchiveSignature>(&key)?, key.id()))
}

/// Opens an archive to show what it says. Nothing of it is to be believed.
///
/// # Errors
/// When it is not an archive.
pub fn unverified<R: ReadAt>(archive: R) -> Result<Unverified<R>, ArchiveError> {
    let envelope = read_slot(&archive)?;
    let statement = envelope.unverified::<ArchiveSignature>()?;
    read_inventory(archive, &statement.name, statement.subject, statement.predicate, envelope.hint())
        .map(Unverified)
}

fn read_slot<R: ReadAt>(archive: &R) -> Result<Envelope, ArchiveError> {
    let mut bytes = [0; (BLOCK + SLOT_BYTES) as usize];
    check::read(archive, &mut bytes, 0)?;
    open_slot(&bytes)
}

/// The slot with its header: the first bytes of every archive.
pub(super) fn open_slot(bytes: &[u8]) -> Result<Envelope, ArchiveError> {
    let member = Member { path: SLOT_PATH.to_owned(), offset: 0, size: SLOT_BYTES, content: Content::Slot };
    let (header, content) = bytes.split_at(BLOCK as usize);
    check::same(&member, 0, header, &member.header())?;
    Ok(slot::open(content)?)
}

fn read_inventory<R: ReadAt>(
    archive: R,
    name: &str,
    identity: Digest,
    signature: ArchiveSignature,
    key: Digest,
) -> Result<Opened<R>, ArchiveError> {
    let member = inventory_member(name, &signature)?;
    check::expect(&archive, &member, member.offset, &member.header())?;
    let mut bytes = vec![0; member.size as usize];
    check::read(&archive, &mut bytes, member.content_offset())?;
    let inventory = parse_inventory(&member, &bytes, identity)?;
    drop(bytes);
    let layout = Layout::of(&inventory, signature.inventory_size);
    Ok(Opened { archive, inventory, identity, signature, key, layout })
}

/// The inventory's member, from what the signature says about it.
pub(super) fn inventory_member(
    name: &str,
    signature: &ArchiveSignature,
) -> Result<Member<'static>, ArchiveError> {
    let size = signature.inventory_size;
    if name != slot::SUBJECT || size == 0 || size > INVENTORY_BYTES {
        return Err(EnvelopeError::Statement("an inventory of at most 64 MiB").into());
    }
    signature.check()?;
    Ok(Member { path: slot::SUBJECT.to_owned(), offset: INVENTORY_OFFSET, size, content: Content::Inventory })
}

/// Only bytes with the signed digest reach the parser.
pub(super) fn parse_inventory(
    member: &Member<'_>,
    bytes: &[u8],
    identity: Digest,
) -> Result<Inventory, ArchiveError> {
    check::blob(member, identity, Digest::of(bytes))?;
    Ok(Inventory::parse(bytes)?)
}

impl<R: ReadAt> Opened<R> {
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        let place = self.layout.place(&wanted.digest).filter(|place| place.size == wanted.size);
        let place = place.ok_or(ArchiveError::NoBlob(wanted.digest))?;
        let mut bytes = vec![0; place.size as usize];
        check::read(&self.archive, &mut bytes, place.offset)?;
        // The medium may have changed since it was verified.
        let path = format!("blobs/sha256/{}", wanted.digest.hex());
        let content = Content::Blob(wanted.digest);
        let member = Member { path, offset: place.offset - BLOCK, size: place.size, content };
        check::blob(&member, wanted.digest, Digest::of(&bytes))?;
        Ok(bytes)
    }

    /// The blob table must follow from the items, so that what is carried is what the items need.
    fn check_closure(&self) -> Result<(), ArchiveError> {
        let inventory = &self.inventory;
        let mut load = |wanted: &Descriptor| match self.metadata(wanted) {
            Err(ArchiveError::NoBlob(digest)) => Err(ArchiveError::Closure(format!(
                "found no manifest {digest} of {} bytes in the table",
                wanted.size
            ))),
            other => other,
        };
        let closure = closure::walk(&inventory.items, &mut load)?;
        let content = inventory.content.iter().map(|blob| (blob.digest, blob.size));
        let is_same = closure.metadata == inventory.metadata
            && content.eq(closure.content.iter().map(|blob| (blob.digest, blob.size)));
        if is_same {
            return Ok(());
        }
        Err(ArchiveError::Closure("found a blob table that does not follow from the items".to_owned()))
    }

    fn check_end(&self) -> Result<(), ArchiveError> {
        let (found, wanted) = (self.archive.size()?, self.layout.size());
        if found != wanted {
            return Err(other_size(found, &self.layout));
        }
        match self.layout.member(self.layout.len() - 1) {
            Some(last) => check::zeros(&self.archive, &last, wanted - END, END as usize),
            None => Ok(()),
        }
    }
}

/// That an archive has another size than its inventory says, and what that looks like.
pub(super) fn other_size(found: u64, layout: &Layout) -> ArchiveError {
    let wanted = layout.size();
    let hint = match found {
        found if found > wanted => ": something was appended",
        found if found == layout.evidence_end() => ": this is the evidence pack only",
        _ => ": the copy is not complete",
    };
    ArchiveError::Size { found, wanted, hint }
}

macro_rules! readers {
    ($($state:ident)*) => { $(
        impl<R: ReadAt> $state<R> {
            /// What the archive says it is.
            #[must_use]
            pub const fn inventory(&self) -> &Inventory {
                &self.0.inventory
            }

            /// The SHA-256 of the inventory: what approvals and receipts name.
            #[must_use]
            pub const fn identity(&self) -> Digest {
                self.0.identity
            }

            /// What the signer says.
            #[must_use]
            pub const fn signature(&self) -> &ArchiveSignature {
                &self.0.signature
            }

            /// The id of the signing key.
            #[must_use]
            pub const fn signed_by(&self) -> Digest {
                self.0.key
            }

            /// Where everything stands.
            #[must_use]
            pub const fn layout(&self) -> &Layout {
                &self.0.layout
            }

            /// The bytes of a manifest, config or piece of evidence, whose digest is checked again.
            ///
            /// # Errors
            /// When the archive does not hold it, or no longer holds these bytes.
            pub fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
                self.0.metadata(wanted)
            }

            /// A blob, to be hashed while it is read: the medium may change between two readings.
            ///
            /// # Errors
            /// When the archive does not carry it.
            pub fn blob(&self, digest: &Digest) -> Result<Window<&R>, ArchiveError> {
                let place = self.0.layout.place(digest).ok_or(ArchiveError::NoBlob(*digest))?;
                Ok(Window::new(&self.0.archive, place.offset, place.size))
            }

            /// What the archive is read from.
            #[must_use]
            pub const fn reader(&self) -> &R {
                &self.0.archive
            }
        }
    )* };
}

readers!(Unverified Signed);

impl<R: ReadAt> Signed<R> {
    /// Reads the whole archive. `progress` is told how many bytes of blobs were read.
    ///
    /// # Errors
    /// When any byte differs from what the inventory says, or its tables contradict each other.
    pub fn verify(self, progress: &(dyn Fn(u64) + Sync)) -> Result<Verified<R>, ArchiveError> {
        let opened = &self.0;
        opened.check_end()?;
        check::members(&opened.archive, &opened.layout, opened.layout.size(), progress)?;
        opened.check_closure()?;
        Ok(Verified(self))
    }

    /// Reads the evidence pack: everything before the large content, of a whole archive or of one that was
    /// cut there.
    ///
    /// # Errors
    /// As [`Signed::verify`], for that part.
    pub fn verify_evidence(&self, progress: &(dyn Fn(u64) + Sync)) -> Result<(), ArchiveError> {
        let opened = &self.0;
        check_evidence(&opened.archive, &opened.layout, progress)?;
        opened.check_closure()
    }
}

/// Reads everything before the large content, but for the slot's and the inventory's contents.
fn check_evidence<R: ReadAt>(
    archive: &R,
    layout: &Layout,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<(), ArchiveError> {
    let (found, end) = (archive.size()?, layout.evidence_end());
    if found != end && found != layout.size() {
        let hint = ": neither the archive nor its evidence pack";
        return Err(ArchiveError::Size { found, wanted: end, hint });
    }
    check::members(archive, layout, end, progress)
}

impl<R: ReadAt> Verified<R> {
    /// Reads a copy of its evidence pack, which was made just now: the signature that was judged, and every byte. What
    /// its inventory says was read here already, and is in memory once.
    ///
    /// # Errors
    /// As [`signed`] and [`Signed::verify_evidence`].
    pub fn verify_evidence_copy<C: ReadAt>(
        &self,
        copy: &C,
        trusted: impl FnOnce(Digest) -> Option<PublicKey>,
    ) -> Result<(), ArchiveError> {
        let Opened { identity, layout, signature, key, .. } = &self.0.0;
        let (statement, by) = read_signature(copy, trusted)?;
        // Another good signature over the same inventory is not the one that the receipt will name.
        if by != *key || statement.predicate != *signature {
            return Err(EnvelopeError::Statement("the signature that was verified").into());
        }
        let inventory = inventory_member(&statement.name, &statement.predicate)?;
        check::blob(&inventory, *identity, statement.subject)?;
        check::inventory(copy, &inventory, *identity)?;
        check_evidence(copy, layout, &|_| ())
    }
}

/// A verified archive whose parts a stream reader checked one by one, on their way into `spool`.
pub(super) fn spooled<R: ReadAt>(
    spool: R,
    identity: Digest,
    signature: ArchiveSignature,
    key: Digest,
    inventory: Inventory,
    layout: Layout,
) -> Result<Verified<R>, ArchiveError> {
    let opened = Opened { archive: spool, inventory, identity, signature, key, layout };
    opened.check_closure()?;
    Ok(Verified(Signed(opened)))
}
