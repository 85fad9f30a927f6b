//! Provenance files of charts: what Helm signed with OpenPGP before there was Sigstore, a layer beside the chart's archive.
//!
//! It names the archive's file and digest, and neither the manifest nor the place that the chart is published at. So the
//! name that the file must have is derived from the chart's configuration, whose version the published tag must be:
//! another chart of the same signer does not pass for this one.

use manifests::inventory::ItemKind;
use manifests::media_type::{HELM_CHART, HELM_CONFIG, HELM_PROVENANCE};
use manifests::oci::{Entry, Image, Manifest};
use manifests::openpgp::{OpenPgpCertificate, SignedText};
use manifests::shape::{self, Shape};
use manifests::{Digest, Reference, chart_provenance, json, limits};
use serde::Deserialize;

use super::candidate::read;
use super::reason::Reason;
use super::signer::{Signed, SignedAt, SignedBy};
use super::statement::Purpose;
use crate::Subject;

/// A provenance file, and what it has to be about.
#[derive(Debug, Clone)]
pub(super) struct Provenance {
    text: SignedText,
    file: String,
    archive: Digest,
}

/// The digest of a provenance file, and the file where it can be read.
pub(super) type Found = (Digest, Result<Provenance, Reason>);

/// Chart.yaml as JSON, as far as it is looked at.
#[derive(Deserialize)]
struct Chart {
    name: String,
    version: String,
}

static CHART: Shape = Shape { keys: &["name", "version"], below: &[] };

impl Provenance {
    /// Whether a certificate's key signed it, and it is about the chart's archive. Only then is its text read.
    pub(super) fn verify(
        &self,
        purpose: &Purpose,
        certificate: &OpenPgpCertificate,
    ) -> Result<Signed, Reason> {
        if let Purpose::Attestation(wanted) = purpose {
            let found = "a provenance file".to_owned();
            return Err(Reason::OtherAttestation { found, wanted: wanted.clone() });
        }
        let (text, at) = certificate.verify(&self.text)?;
        self.check(&text)?;
        let by = SignedBy::OpenPgp(certificate.fingerprint().to_owned());
        Ok(Signed { by, at: SignedAt::Signer(at) })
    }

    /// Who signed it, by its own word, where it says that it is about the chart's archive.
    pub(super) fn claimed(&self) -> Result<Option<String>, Reason> {
        self.check(&self.text.unverified())?;
        Ok(self.text.claimed_key())
    }

    fn check(&self, text: &str) -> Result<(), Reason> {
        Ok(chart_provenance::check(text, &self.file, self.archive)?)
    }
}

/// The provenance files of an item, by their digests; none where it is no chart, or `digest` is not its own.
///
/// # Errors
/// When its manifest cannot be read.
pub(super) fn files(subject: Subject<'_>, digest: Digest) -> Result<Vec<Found>, Reason> {
    let published = &subject.item.published;
    if subject.item.kind != ItemKind::Chart || published.digest != digest {
        return Ok(Vec::new());
    }
    let bytes = read(subject.content, published)?;
    let parsed = Manifest::parse(&bytes, &published.media_type);
    let Manifest::Image(manifest) = parsed.map_err(|error| Reason::malformed("a manifest", error))? else {
        return Ok(Vec::new());
    };
    let files = manifest.layers.iter().filter(|layer| layer.media_type == HELM_PROVENANCE);
    Ok(files.map(|layer| (layer.digest, provenance(subject, &manifest, layer))).collect())
}

fn provenance(subject: Subject<'_>, manifest: &Image, layer: &Entry) -> Result<Provenance, Reason> {
    let other = |text: String| Reason::OtherFiles(text);
    if manifest.config.media_type != HELM_CONFIG {
        let found = json::shortened(&manifest.config.media_type);
        return Err(other(format!("found a config of type {found:?}, wanted that of a chart")));
    }
    let archives: Vec<&Entry> =
        manifest.layers.iter().filter(|layer| layer.media_type == HELM_CHART).collect();
    let [archive] = archives.as_slice() else {
        return Err(other(format!("found {} archives in one chart, wanted one", archives.len())));
    };
    if layer.size > limits::MANIFEST_BYTES {
        let (found, max) = (layer.size, limits::MANIFEST_BYTES);
        return Err(Reason::Unreadable(format!("found {found} bytes, wanted at most {max}")));
    }
    let config = read(subject.content, &manifest.config.descriptor())?;
    let Chart { name, version } =
        shape::parse(&config, &CHART).map_err(|error| Reason::malformed("a chart's config", error))?;
    let tag = subject.item.name.parse::<Reference>().ok().and_then(|name| name.tag().map(str::to_owned));
    // Tags have no `+`; Helm writes `_` for it.
    if tag.as_ref().is_some_and(|tag| *tag != version.replace('+', "_")) {
        let [tag, version] = [tag.unwrap_or_default(), version].map(|text| json::shortened(&text));
        return Err(other(format!(
            "found the chart's version {version:?} under the tag {tag:?}, wanted the same"
        )));
    }
    let text = SignedText::parse(&read(subject.content, &layer.descriptor())?)?;
    Ok(Provenance { text, file: format!("{name}-{version}.tgz"), archive: archive.digest })
}
