//! The verdict where the cluster can see it: the site's own signature and verification summary on everything that it
//! brings.
//!
//! Upstream's signatures travel too, but to judge them takes upstream's roots, identities and policy. Inside, one
//! key is enough: what bears its signature was accepted here.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use console::{Class, Failure};
use manifests::cosign::{self, ImageSignature, Made};
use manifests::inventory::Blob;
use manifests::key::PrivateKey;
use manifests::media_type::OCI_MANIFEST;
use manifests::summary::{self, Resource, Verification};
use manifests::{Descriptor, Digest};
use transfer::archive::{ArchiveError, ReadAt};

use crate::blobs::{Blobs, Metadata};
use crate::shipment::{Cargo, For, Proof, Shipment};
use crate::tree::Tree;

/// What was made here, in front of what the archive has.
struct Overlay {
    made: HashMap<Digest, Arc<[u8]>>,
    archive: Arc<dyn Blobs>,
}

impl Metadata for Overlay {
    fn metadata(&self, wanted: &Descriptor) -> Result<Vec<u8>, ArchiveError> {
        match self.made.get(&wanted.digest) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => self.archive.metadata(wanted),
        }
    }
}

impl Blobs for Overlay {
    fn open(&self, digest: &Digest) -> Result<Box<dyn ReadAt>, ArchiveError> {
        match self.made.get(digest) {
            Some(bytes) => Ok(Box::new(Memory(Arc::clone(bytes)))),
            None => self.archive.open(digest),
        }
    }

    fn carries(&self, digest: &Digest) -> bool {
        self.made.contains_key(digest) || self.archive.carries(digest)
    }
}

struct Memory(Arc<[u8]>);

impl ReadAt for Memory {
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(io::Error::other)?;
        let part = start.checked_add(buffer.len()).and_then(|end| self.0.get(start..end));
        buffer.copy_from_slice(part.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.len() as u64)
    }
}

/// What the site says with, and about what was decided.
pub(crate) struct Voucher<'a> {
    /// The site's key.
    pub(crate) key: &'a PrivateKey,
    /// By whom, by what and when the archive was accepted for the first time: a second load says the same.
    pub(crate) verification: Verification,
}

/// Adds the site's signature and verification summary of every manifest of every item: an admission controller sees
/// the manifest that a node runs, which is one platform's, and Harbor looks at each child of an index for itself.
///
/// # Errors
/// When the key does not sign.
pub(crate) fn vouch(shipment: Shipment, voucher: &Voucher<'_>) -> Result<Shipment, Failure> {
    let Shipment { mut items, blobs, is_new } = shipment;
    let mut made = HashMap::new();
    for cargo in &mut items {
        let proofs = statements(cargo, voucher, &mut made)
            .map_err(|error| Failure::new(Class::Failed, "the receipt key", error))?;
        cargo.evidence.extend(proofs);
    }
    Ok(Shipment { items, blobs: Arc::new(Overlay { made, archive: blobs }), is_new })
}

fn statements(
    cargo: &Cargo,
    Voucher { key, verification }: &Voucher<'_>,
    made: &mut HashMap<Digest, Arc<[u8]>>,
) -> Result<Vec<Proof>, manifests::key::KeyError> {
    let repository = cargo.name.repository().to_string();
    let mut proofs = Vec::new();
    for subject in &cargo.tree.manifests {
        let digest = subject.digest;
        let summary = verification.summary(summary::item_uri(&cargo.name.to_string()), judged(cargo, digest));
        let tag = |kind: &str| Some(format!("sha256-{}.{kind}", digest.hex()));
        let signature = cosign::legacy_signature(digest, &repository, key)?;
        if has_tags_only(cargo, digest) {
            let attestation = cosign::legacy_attestation(digest, &repository, summary, key)?;
            proofs.push(proof(signature, digest, tag("sig"), For::Registries, made));
            proofs.push(proof(attestation, digest, tag("att"), For::Registries, made));
        } else {
            let bundle = cosign::referrer(subject, &repository, ImageSignature {}, key)?;
            let attestation = cosign::referrer(subject, &repository, summary, key)?;
            proofs.push(proof(bundle, digest, None, For::Registries, made));
            proofs.push(proof(attestation, digest, None, For::Registries, made));
            proofs.push(proof(signature, digest, tag("sig"), For::TagsOnly, made));
        }
    }
    Ok(proofs)
}

/// What was said upstream about a manifest.
fn judged(cargo: &Cargo, digest: Digest) -> Vec<Resource> {
    let about = cargo.evidence.iter().filter(|proof| proof.subject == digest);
    let uri = |proof: &Proof| format!("oci://{}@{}", cargo.name.repository(), proof.manifest.digest);
    about.map(|proof| Resource::new(proof.manifest.digest, uri(proof))).collect()
}

/// Whether upstream signed a manifest in the older form only. Cosign 3 looks at no tag where there is a bundle, so
/// a bundle of ours would hide upstream's signature.
fn has_tags_only(cargo: &Cargo, subject: Digest) -> bool {
    let about = || cargo.evidence.iter().filter(|proof| proof.subject == subject);
    about().any(|proof| proof.tag.is_some()) && !about().any(|proof| proof.tree.has_bundle)
}

fn proof(
    Made { manifest, blobs }: Made,
    subject: Digest,
    tag: Option<String>,
    whom: For,
    made: &mut HashMap<Digest, Arc<[u8]>>,
) -> Proof {
    let mut keep = |bytes: Vec<u8>| {
        let blob = Blob { digest: Digest::of(&bytes), size: bytes.len() as u64 };
        made.entry(blob.digest).or_insert_with(|| bytes.into());
        blob
    };
    let Blob { digest, size } = keep(manifest);
    let manifest = Descriptor { digest, media_type: OCI_MANIFEST.to_owned(), size };
    let tree = Tree {
        manifests: vec![manifest.clone()],
        blobs: blobs.into_iter().map(keep).collect(),
        // As the walk would find it: what stands under a tag names no subject.
        subject: tag.is_none().then_some(subject),
        has_bundle: tag.is_none(),
    };
    Proof { manifest, subject, tag, tree, whom }
}
