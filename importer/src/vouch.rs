//! The verdict where the cluster can see it: the site's own signature and verification summary on everything that it
//! brings.
//!
//! Upstream's signatures travel too, but to judge them takes upstream's roots, identities and policy. Inside, one
//! key is enough: what bears its signature was accepted here.

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use console::{Class, Failure};
use manifests::cosign::{self, ImageSignature, Made as Signed};
use manifests::inventory::Blob;
use manifests::key::{KeyError, PrivateKey};
use manifests::media_type::OCI_MANIFEST;
use manifests::summary::{self, Resource, Verification};
use manifests::{Descriptor, Digest, evidence_tag};

use crate::made::Made;
use crate::shipment::{Cargo, For, Proof, Shipment, Signatures};
use crate::tree::Tree;

/// What the site says with, and about what was decided.
pub(crate) struct Voucher<'a> {
    /// The site's key.
    pub(crate) key: &'a PrivateKey,
    /// By whom, by what and when the archive was accepted for the first time: a second load says the same.
    pub(crate) verification: Verification,
    /// Where what it says waits for the targets.
    pub(crate) folder: PathBuf,
}

/// Adds the site's signature and verification summary of every manifest of every item: an admission controller sees
/// the manifest that a node runs, which is one platform's, and Harbor looks at each child of an index for itself.
/// `wanted` is the most that a target makes of them; what none counts is not signed.
///
/// # Errors
/// When the key does not sign, or the disk fails.
pub(crate) fn vouch(
    mut shipment: Shipment,
    voucher: &Voucher<'_>,
    wanted: Signatures,
) -> Result<Shipment, Failure> {
    if wanted == Signatures::Unwanted {
        return Ok(shipment);
    }
    let mut made = Made::new(&voucher.folder).map_err(unkept)?;
    for cargo in &mut shipment.items {
        let proofs = statements(cargo, voucher, wanted, &mut made)?;
        // Of the size that it needs, as everything of which there are thousands.
        cargo.evidence.reserve_exact(proofs.len());
        cargo.evidence.extend(proofs);
    }
    let blobs = made.before(Arc::clone(&shipment.blobs)).map_err(unkept)?;
    Ok(Shipment { blobs, ..shipment })
}

fn unkept(error: io::Error) -> Failure {
    Failure::new(Class::Failed, "the signatures of the site", error)
}

fn statements(
    cargo: &Cargo,
    Voucher { key, verification, .. }: &Voucher<'_>,
    wanted: Signatures,
    made: &mut Made,
) -> Result<Vec<Proof>, Failure> {
    let unsigned = |error: KeyError| Failure::new(Class::Failed, "the receipt key", error);
    let repository = cargo.name.repository().to_string();
    let mut proofs = Vec::new();
    // What no gate judged gets no signature: by its digest it would run.
    let for_none: HashSet<Digest> = cargo.tree.for_none.iter().copied().collect();
    let judged_here = |manifest: &&Descriptor| !for_none.contains(&manifest.digest);
    for subject in cargo.tree.manifests().filter(judged_here) {
        let digest = subject.digest;
        let summary = verification.summary(summary::item_uri(&cargo.name.to_string()), judged(cargo, digest));
        let tag = |kind: &str| Some(evidence_tag::legacy(digest, kind));
        let signature = || cosign::legacy_signature(digest, &repository, key).map_err(unsigned);
        if has_tags_only(cargo, digest) {
            let attestation =
                cosign::legacy_attestation(digest, &repository, summary, key).map_err(unsigned)?;
            proofs.push(proof(&signature()?, digest, tag("sig"), For::Registries, made)?);
            proofs.push(proof(&attestation, digest, tag("att"), For::Registries, made)?);
        } else {
            let bundle = cosign::referrer(subject, &repository, ImageSignature {}, key).map_err(unsigned)?;
            let attestation = cosign::referrer(subject, &repository, summary, key).map_err(unsigned)?;
            proofs.push(proof(&bundle, digest, None, For::Registries, made)?);
            proofs.push(proof(&attestation, digest, None, For::Registries, made)?);
            if wanted.want(For::TagsOnly) {
                proofs.push(proof(&signature()?, digest, tag("sig"), For::TagsOnly, made)?);
            }
        }
    }
    Ok(proofs)
}

/// What was said upstream about a manifest.
fn judged(cargo: &Cargo, digest: Digest) -> Vec<Resource> {
    let about = cargo.evidence.iter().filter(|proof| proof.subject == digest);
    let uri = |proof: &Proof| format!("oci://{}@{}", cargo.name.repository(), proof.tree.root.digest);
    about.map(|proof| Resource::new(proof.tree.root.digest, uri(proof))).collect()
}

/// Whether upstream signed a manifest in the older form only. Cosign 3 looks at no tag where there is a bundle, so
/// a bundle of ours would hide upstream's signature.
fn has_tags_only(cargo: &Cargo, subject: Digest) -> bool {
    let about = || cargo.evidence.iter().filter(|proof| proof.subject == subject);
    about().any(|proof| proof.tag.is_some()) && !about().any(|proof| proof.tree.has_bundle)
}

fn proof(
    signed: &Signed,
    subject: Digest,
    tag: Option<String>,
    whom: For,
    made: &mut Made,
) -> Result<Proof, Failure> {
    let Blob { digest, size } = made.keep(&signed.manifest).map_err(unkept)?;
    let mut blobs = Vec::with_capacity(signed.blobs.len());
    for bytes in &signed.blobs {
        blobs.push(made.keep(bytes).map_err(unkept)?);
    }
    let tree = Tree {
        root: Descriptor { digest, media_type: OCI_MANIFEST.to_owned(), size },
        children: vec![],
        for_none: vec![],
        blobs,
        // As the walk would find it: what stands under a tag names no subject.
        subject: tag.is_none().then_some(subject),
        has_bundle: tag.is_none(),
    };
    Ok(Proof { subject, tag, tree, whom })
}
