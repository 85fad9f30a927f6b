//! Provenance files of charts: what Helm signed with OpenPGP before there was Sigstore, a layer beside the chart's archive.
//!
//! It names the archive's file and digest, and neither the manifest nor the place that the chart is published at. So the
//! manifest may hold the archive and this file and nothing else, as Helm takes other layers for the chart as well; and the
//! name that the file must have is that of the chart's configuration, by which it has to be published: another chart of the
//! same signer does not pass for this one.

use manifests::inventory::ItemKind;
use manifests::media_type::{HELM_CHART, HELM_CONFIG, HELM_PROVENANCE};
use manifests::oci::{Entry, Image, Manifest};
use manifests::openpgp::{OpenPgpCertificate, SignedText};
use manifests::shape::{self, Shape};
use manifests::{Digest, Reference, chart_provenance, json};
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

/// The digest and size of a provenance file, and the file where it can be read.
pub(super) type Found = (Digest, u64, Result<Provenance, Reason>);

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

/// The provenance file of an item; none where it has none, is no chart, or `digest` is not its own.
///
/// # Errors
/// When its manifest cannot be read.
pub(super) fn find(subject: Subject<'_>, digest: Digest) -> Result<Option<Found>, Reason> {
    if subject.item.published.digest != digest {
        return Ok(None);
    }
    let found = layer(subject)?;
    Ok(found.map(|(manifest, file)| (file.digest, file.size, provenance(subject, &manifest, &file))))
}

/// Whether an item is a chart with a provenance file, whatever that is worth. It is a layer of the chart, and stands in no
/// list of evidence.
#[must_use]
pub fn has_provenance(subject: Subject<'_>) -> bool {
    matches!(layer(subject), Ok(Some(_)))
}

/// The manifest of a chart with its provenance file.
fn layer(subject: Subject<'_>) -> Result<Option<(Box<Image>, Entry)>, Reason> {
    if subject.item.kind != ItemKind::Chart {
        return Ok(None);
    }
    let published = &subject.item.published;
    let bytes = read(subject.content, published)?;
    let parsed = Manifest::parse(&bytes, &published.media_type);
    let Manifest::Image(manifest) = parsed.map_err(|error| Reason::malformed("a manifest", error))? else {
        return Ok(None);
    };
    let file = manifest.layers.iter().find(|layer| layer.media_type == HELM_PROVENANCE).cloned();
    Ok(file.map(|file| (manifest, file)))
}

fn provenance(subject: Subject<'_>, manifest: &Image, file: &Entry) -> Result<Provenance, Reason> {
    let other = |text: String| Reason::OtherFiles(text);
    if manifest.config.media_type != HELM_CONFIG {
        let found = json::shortened(&manifest.config.media_type);
        return Err(other(format!("found a config of type {found:?}, wanted that of a chart")));
    }
    let archives: Vec<&Entry> =
        manifest.layers.iter().filter(|layer| layer.media_type == HELM_CHART).collect();
    let ([archive], 2) = (archives.as_slice(), manifest.layers.len()) else {
        return Err(other(format!(
            "found {} layers, of which {} are a chart's archive, wanted the archive and its provenance alone",
            manifest.layers.len(),
            archives.len()
        )));
    };
    let config = read(subject.content, &manifest.config.descriptor())?;
    let chart =
        shape::parse(&config, &CHART).map_err(|error| Reason::malformed("a chart's config", error))?;
    check_name(&chart, &subject.item.name)?;
    let text = SignedText::parse(&read(subject.content, &file.descriptor())?)?;
    let Chart { name, version } = chart;
    Ok(Provenance { text, file: format!("{name}-{version}.tgz"), archive: archive.digest })
}

/// A chart is published under its own name and version, as Helm does it.
fn check_name(chart: &Chart, published: &str) -> Result<(), Reason> {
    let reference = published.parse::<Reference>().ok();
    let repository = reference.as_ref().map(|name| name.repository().to_string());
    let last = repository.as_deref().and_then(|repository| repository.rsplit('/').next());
    let tag = reference.as_ref().and_then(Reference::tag);
    // Tags have no `+`; Helm writes `_` for it.
    if last == Some(chart.name.as_str()) && tag.is_none_or(|tag| tag == chart.version.replace('+', "_")) {
        return Ok(());
    }
    let [name, version] = [&chart.name, &chart.version].map(|text| json::shortened(text));
    Err(Reason::OtherFiles(format!(
        "found the chart {name:?} of version {version:?} under the name {published}, wanted it under its own name and version"
    )))
}
