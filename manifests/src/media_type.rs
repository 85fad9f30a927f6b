//! Media types of the OCI image specification, of Docker's schema 2, and of what Airgap knows by them.

/// OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker image manifest, version 2, schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// OCI image configuration.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// Docker image configuration.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Configuration of a Helm chart (the content of its Chart.yaml as JSON).
pub const HELM_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// The chart archive itself.
pub const HELM_CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
/// The provenance file of a chart.
pub const HELM_PROVENANCE: &str = "application/vnd.cncf.helm.chart.provenance.v1.prov";
/// The two-byte configuration of an artifact without one.
pub const OCI_EMPTY: &str = "application/vnd.oci.empty.v1+json";
/// A Sigstore bundle, as a referrer's artifact type and as our own signature's form.
pub const SIGSTORE_BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// Every version of Sigstore's bundles begins so.
pub const SIGSTORE_BUNDLES: &str = "application/vnd.dev.sigstore.bundle";
/// The layer of a cosign signature of the older form.
pub const SIMPLE_SIGNING: &str = "application/vnd.dev.cosign.simplesigning.v1+json";
/// The layer of a cosign attestation of the older form.
pub const DSSE_ENVELOPE: &str = "application/vnd.dsse.envelope.v1+json";
/// What a DSSE envelope of ours holds.
pub const IN_TOTO: &str = "application/vnd.in-toto+json";
/// A report of a scan with what the scanner itself does not write into it.
pub const SCAN_REPORT: &str = "application/vnd.airgap.scan-report.v1+json";
/// What a search for malware found in an archive.
pub const MALWARE_REPORT: &str = "application/vnd.airgap.malware-report.v1+json";
/// What an approver leaves out of an archive.
pub const EXCLUSIONS: &str = "application/vnd.airgap.exclusions.v1+json";

/// The four types to ask a registry for: one that is left out reads as "missing" (Harbor).
pub const MANIFESTS: [&str; 4] = [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX];

/// Whether a document of this type is the config of an image.
#[must_use]
pub fn is_image_config(media_type: &str) -> bool {
    matches!(media_type, OCI_CONFIG | DOCKER_CONFIG)
}

/// Whether a document of this type lists other manifests.
#[must_use]
pub fn is_index(media_type: &str) -> bool {
    matches!(media_type, OCI_INDEX | DOCKER_INDEX)
}

/// Whether a document of this type is a manifest or an index.
#[must_use]
pub fn is_manifest(media_type: &str) -> bool {
    MANIFESTS.contains(&media_type)
}
