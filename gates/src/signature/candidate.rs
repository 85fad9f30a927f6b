//! What could be a signature of an item: read from its evidence, not yet believed.

use std::fmt;

use manifests::media_type::{DSSE_ENVELOPE, SIGSTORE_BUNDLES, SIMPLE_SIGNING};
use manifests::oci::{Entry, Manifest};
use manifests::{Descriptor, Digest, limits, shape};
use serde::de::IgnoredAny;
use sigstore_verify::types::{Bundle, SignatureContent};

use super::legacy;
use super::provenance::{self, Provenance};
use super::reason::Reason;
use super::shapes::{BUNDLE, LOG_BODY};
use crate::{Content, Subject};

/// Something that could be a signature or an attestation.
#[derive(Debug, Clone)]
pub struct Candidate {
    layout: Layout,
    digest: Digest,
    form: Result<Form, Reason>,
}

/// What can be verified, by whom it is signed with.
#[derive(Debug, Clone)]
enum Form {
    /// With Sigstore, or with a key alone.
    Sigstore(Box<Material>),
    /// With OpenPGP.
    Provenance(Box<Provenance>),
}

/// How signatures are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// A payload of cosign's older form, with its signature in annotations.
    Payload,
    /// A DSSE envelope of cosign's older form, with its certificate in annotations.
    Envelope,
    /// A Sigstore bundle.
    Bundle,
    /// The provenance file of a chart.
    Provenance,
    /// Evidence whose manifest could not be read: nothing says what it would have been.
    Unknown,
}

/// What is verified.
#[derive(Debug, Clone)]
pub(super) struct Material {
    /// Signature, certificate and log entries, in the one form that the verifier reads.
    pub(super) bundle: Bundle,
    /// The signed bytes, where they are not in the bundle.
    pub(super) payload: Option<Vec<u8>>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let layout = match self.layout {
            Layout::Payload => "legacy signature",
            Layout::Envelope => "legacy attestation",
            Layout::Bundle => "bundle",
            Layout::Provenance => "provenance file",
            Layout::Unknown => "evidence",
        };
        write!(formatter, "{layout} {}", self.digest)
    }
}

impl Candidate {
    /// A bundle by itself, such as a file.
    #[must_use]
    pub fn from_bundle(bytes: &[u8]) -> Self {
        Self::sigstore(Layout::Bundle, Digest::of(bytes), read_bundle(bytes))
    }

    /// How it is stored.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    fn sigstore(layout: Layout, digest: Digest, material: Result<Material, Reason>) -> Self {
        Self { layout, digest, form: material.map(|material| Form::Sigstore(Box::new(material))) }
    }

    /// What Sigstore or a key signed.
    pub(super) fn material(&self) -> Result<&Material, Reason> {
        match self.form.as_ref().map_err(Clone::clone)? {
            Form::Sigstore(material) => Ok(material),
            Form::Provenance(_) => Err(Reason::OpenPgp),
        }
    }

    /// What a key of OpenPGP signed.
    pub(super) fn provenance(&self) -> Result<&Provenance, Reason> {
        match self.form.as_ref().map_err(Clone::clone)? {
            Form::Sigstore(_) => Err(Reason::NoOpenPgp),
            Form::Provenance(provenance) => Ok(provenance),
        }
    }

    /// The same; or, where `check` has something against it, one that does not count for that.
    pub(super) fn held_to(&self, check: impl FnOnce(&Material) -> Result<(), Reason>) -> Self {
        let material = self.material().cloned().and_then(|material| check(&material).map(|()| material));
        Self::sigstore(self.layout, self.digest, material)
    }
}

/// Everything in an item's evidence that could be a signature or an attestation about `digest`, in the order
/// of the inventory, and a chart's own provenance file. What cannot be read is in the list, with the reason.
///
/// # Errors
/// When it is more than [`limits::EVIDENCE_PER_SUBJECT`] or [`limits::EVIDENCE_JUDGED_BYTES`].
pub fn candidates(subject: Subject<'_>, digest: Digest) -> Result<Vec<Candidate>, Reason> {
    let (mut found, mut bytes) = (Vec::new(), 0_u64);
    for evidence in subject.item.evidence.iter().filter(|evidence| evidence.subject == digest) {
        let manifest = evidence.descriptor();
        let layers = match layers(subject.content, &manifest, digest, evidence.tag.is_none()) {
            Ok(layers) => layers,
            Err(reason) => {
                found.push(Candidate { layout: Layout::Unknown, digest: manifest.digest, form: Err(reason) });
                continue;
            }
        };
        for layer in layers {
            let Some(layout) = layout(&layer) else { continue };
            admit(&mut bytes, layer.size, found.len())?;
            let material = material(subject.content, layout, &layer);
            found.push(Candidate::sigstore(layout, layer.digest, material));
        }
    }
    if let Some((digest, size, read)) = provenance::find(subject, digest)? {
        admit(&mut bytes, size, found.len())?;
        let form = read.map(|provenance| Form::Provenance(Box::new(provenance)));
        found.push(Candidate { layout: Layout::Provenance, digest, form });
    }
    Ok(found)
}

/// Whether one more of this size is still judged.
fn admit(bytes: &mut u64, size: u64, count: usize) -> Result<(), Reason> {
    *bytes = bytes.saturating_add(size);
    if *bytes > limits::EVIDENCE_JUDGED_BYTES {
        return Err(Reason::TooMuch);
    }
    if count >= limits::EVIDENCE_PER_SUBJECT {
        return Err(Reason::TooMany);
    }
    Ok(())
}

fn layers(
    content: &dyn Content,
    manifest: &Descriptor,
    wanted: Digest,
    is_referrer: bool,
) -> Result<Vec<Entry>, Reason> {
    let bytes = read(content, manifest)?;
    let parsed = Manifest::parse(&bytes, &manifest.media_type);
    match parsed.map_err(|error| Reason::malformed("a manifest", error))? {
        Manifest::Image(image) => {
            let found = image.subject.map(|subject| subject.digest);
            if is_referrer && found != Some(wanted) {
                return Err(Reason::OtherReferrer { found, wanted });
            }
            Ok(image.layers)
        }
        // An index is never a signature; what it lists is evidence of its own where it is about the item.
        Manifest::Index(_) => Ok(Vec::new()),
    }
}

/// How a layer is stored; nothing for layers that are never signed, such as a bare SBOM.
fn layout(layer: &Entry) -> Option<Layout> {
    match layer.media_type.as_str() {
        SIMPLE_SIGNING => Some(Layout::Payload),
        DSSE_ENVELOPE => Some(Layout::Envelope),
        other if other.starts_with(SIGSTORE_BUNDLES) => Some(Layout::Bundle),
        _ => None,
    }
}

fn material(content: &dyn Content, layout: Layout, layer: &Entry) -> Result<Material, Reason> {
    let (found, max) = (layer.size, limits::EVIDENCE_BYTES);
    if found > max {
        return Err(Reason::Unreadable(format!("found {found} bytes, wanted at most {max}")));
    }
    let bytes = read(content, &layer.descriptor())?;
    match layout {
        Layout::Payload => legacy::payload(bytes, layer),
        Layout::Envelope => legacy::envelope(&bytes, layer),
        Layout::Bundle | Layout::Provenance | Layout::Unknown => read_bundle(&bytes),
    }
}

pub(super) fn read(content: &dyn Content, wanted: &Descriptor) -> Result<Vec<u8>, Reason> {
    content.read(wanted).map_err(|error| Reason::Unreadable(error.to_string()))
}

/// Unknown fields are ignored, as in every document of upstream's: newer versions of the format add some, and
/// nothing that is verified is taken from them.
fn read_bundle(bytes: &[u8]) -> Result<Material, Reason> {
    let malformed = |error: String| Reason::malformed("a bundle", error);
    shape::parse_closed::<IgnoredAny>(bytes, &BUNDLE).map_err(|error| malformed(error.to_string()))?;
    let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
    let bundle = Bundle::from_json(text).map_err(|error| malformed(error.to_string()))?;
    // A body is a document by itself, which the library reads once more when it verifies.
    for entry in &bundle.verification_material.tlog_entries {
        shape::parse_closed::<IgnoredAny>(entry.canonicalized_body.as_bytes(), &LOG_BODY)
            .map_err(|error| Reason::malformed("a log entry", error))?;
    }
    match &bundle.content {
        SignatureContent::DsseEnvelope(_) => Ok(Material { bundle, payload: None }),
        _ => Err(Reason::NoStatement),
    }
}
