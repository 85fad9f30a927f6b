//! Small archives and annexes, with whatever a test wants them to say.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifests::closure;
use manifests::inventory::{Blob, ContentBlob, Evidence, Inventory, Item, ItemKind};
use manifests::key::PrivateKey;
use manifests::media_type::{OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, SCAN_REPORT};
use manifests::slot::{self, ArchiveSignature, Verdict};
use manifests::trust::Role;
use manifests::{API_VERSION, Descriptor, Digest, Timestamp};
use serde_json::{Value, json};
use transfer::archive::write;

use crate::scan_report;

/// The name of the one image that a draft has.
pub(crate) const NAME: &str = "registry.example/team/app:1";

/// An archive to be written.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) channel: &'static str,
    pub(crate) created: Timestamp,
    pub(crate) signed_at: Timestamp,
    /// What its one image holds; nothing: it has no items.
    pub(crate) content: &'static str,
    /// What Trivy found in it, where a report on it is carried.
    pub(crate) findings: Option<Value>,
    /// More images: their names, and what each requires.
    pub(crate) more: Vec<(&'static str, &'static [&'static str])>,
    /// Artifacts of one layer: their media type and bytes.
    pub(crate) artifacts: Vec<(&'static str, Vec<u8>)>,
    /// What the artifacts are said to be.
    pub(crate) artifact_kind: ItemKind,
    /// The media type of the artifacts' layers, where it is not their own.
    pub(crate) layer_type: Option<&'static str>,
    pub(crate) audience: Vec<&'static str>,
    pub(crate) import_before: Option<Timestamp>,
    pub(crate) generator: &'static str,
    pub(crate) role: Role,
    pub(crate) annex_of: Option<Digest>,
    pub(crate) verdict: Option<Verdict>,
    /// Whether upstream signed the image, with [`UPSTREAM`].
    pub(crate) is_signed: bool,
}

/// The key that upstream signs with.
pub(crate) static UPSTREAM: LazyLock<PrivateKey> = LazyLock::new(|| PrivateKey::generate().unwrap());

/// An archive that was written.
pub(crate) struct Archive {
    pub(crate) path: PathBuf,
    pub(crate) identity: Digest,
    pub(crate) serial: u64,
}

pub(crate) fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

impl Draft {
    /// An archive of the channel `core`, made on this day of November 2024.
    pub(crate) fn on(day: u32) -> Self {
        let created = at(&format!("2024-11-{day:02}T21:30:00Z"));
        Self {
            channel: "core",
            created,
            signed_at: created,
            content: "content",
            findings: None,
            more: vec![],
            artifacts: vec![],
            artifact_kind: ItemKind::Artifact,
            layer_type: None,
            audience: vec![],
            import_before: None,
            generator: "airgap 0.1.0",
            role: Role::Preparer,
            annex_of: None,
            verdict: None,
            is_signed: false,
        }
    }

    /// What an approver says about an archive, an hour later.
    pub(crate) fn annex(archive: &Archive, verdict: Verdict) -> Self {
        let created = at("2024-11-30T08:00:00Z");
        Self {
            created,
            signed_at: created,
            content: "",
            role: Role::SecurityOfficer,
            annex_of: Some(archive.identity),
            verdict: Some(verdict),
            ..Self::on(1)
        }
    }

    pub(crate) fn write(&self, path: &Path, key: &PrivateKey) -> Archive {
        let mut blobs = HashMap::new();
        let inventory = self.inventory(&mut blobs);
        let bytes = inventory.encode();
        let signature = ArchiveSignature {
            change: self.verdict.map(|_| "CHG-4711".to_owned()),
            inventory_size: bytes.len() as u64,
            policy_digest: None,
            role: self.role,
            signed_at: self.signed_at,
            trust_digest: None,
            verdict: self.verdict,
        };
        let slot = slot::seal(Digest::of(&bytes), signature, key).unwrap();
        let mut file = fs::File::create(path).unwrap();
        write::stream(&mut file, &inventory, &slot, |digest| Ok(Cursor::new(&blobs[digest]))).unwrap();
        Archive { path: path.to_owned(), identity: Digest::of(&bytes), serial: inventory.serial }
    }

    fn inventory(&self, blobs: &mut HashMap<Digest, Vec<u8>>) -> Inventory {
        let artifacts = self.artifacts.iter();
        let mut items: Vec<Item> =
            artifacts.map(|(kind, bytes)| self.artifact(kind, bytes.clone(), blobs)).collect();
        if !self.content.is_empty() {
            items.push(image(NAME, self.content, self.findings.as_ref(), &[], blobs));
        }
        items.extend(self.more.iter().map(|(name, requires)| image(name, name, None, requires, blobs)));
        for item in items.iter_mut().filter(|_| self.is_signed) {
            item.evidence.push(signature(item.published.digest, blobs));
            item.evidence.sort_by_key(|evidence| (evidence.subject, evidence.digest, evidence.tag.clone()));
        }
        let load = |wanted: &Descriptor| blobs.get(&wanted.digest).cloned().ok_or("missing");
        let closure = closure::walk(&items, &mut { load }).unwrap();
        let carried = |Blob { digest, size }: Blob| ContentBlob { carried: true, digest, size };
        Inventory {
            annex_of: self.annex_of,
            annotations: BTreeMap::new(),
            api_version: API_VERSION.to_owned(),
            audience: self.audience.iter().map(|site| site.parse().unwrap()).collect(),
            base: None,
            content: closure.content.into_iter().map(carried).collect(),
            created: self.created,
            generator: self.generator.to_owned(),
            import_before: self.import_before,
            items,
            kind: "Inventory".to_owned(),
            metadata: closure.metadata,
            name: self.channel.parse().unwrap(),
            serial: self.created.serial(),
        }
    }

    fn artifact(&self, kind: &str, bytes: Vec<u8>, blobs: &mut HashMap<Digest, Vec<u8>>) -> Item {
        let config = put(OCI_EMPTY, b"{}".to_vec(), blobs);
        let layer = put(self.layer_type.unwrap_or(kind), bytes, blobs);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": kind, "config": config, "layers": [layer],
        });
        let published = put(OCI_MANIFEST, manifest.to_string().into_bytes(), blobs);
        item(self.artifact_kind, format!("annex.local/artifact@{}", published.digest), published, None, &[])
    }
}

/// A signature as cosign writes it under a tag.
fn signature(subject: Digest, blobs: &mut HashMap<Digest, Vec<u8>>) -> Evidence {
    let payload = json!({
        "critical": {
            "identity": {"docker-reference": "registry.example/team/app"},
            "image": {"docker-manifest-digest": subject.to_string()},
            "type": "cosign container image signature",
        },
        "optional": null,
    });
    let payload = payload.to_string().into_bytes();
    let signed = STANDARD.encode(UPSTREAM.sign(&payload).unwrap());
    let config = put(OCI_CONFIG, br#"{"architecture":"","os":""}"#.to_vec(), blobs);
    let layer = put("application/vnd.dev.cosign.simplesigning.v1+json", payload, blobs);
    let mut layer = json!(layer);
    layer["annotations"] = json!({"dev.cosignproject.cosign/signature": signed});
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
    });
    let Descriptor { digest, media_type, size } = put(OCI_MANIFEST, manifest.to_string().into_bytes(), blobs);
    Evidence { digest, media_type, size, subject, tag: Some(format!("sha256-{}.sig", subject.hex())) }
}

fn image(
    name: &str,
    content: &str,
    findings: Option<&Value>,
    requires: &[&str],
    blobs: &mut HashMap<Digest, Vec<u8>>,
) -> Item {
    let layer = put("application/vnd.oci.image.layer.v1.tar", content.repeat(100).into_bytes(), blobs);
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer.digest]},
    });
    let config = put(OCI_CONFIG, config.to_string().into_bytes(), blobs);
    let published = manifest(&config, &layer, None, blobs);
    let report = findings.map(|findings| {
        let report = scan_report::of(config.digest, layer.digest, 2, findings);
        let (config, layer) = (put(OCI_EMPTY, b"{}".to_vec(), blobs), put(SCAN_REPORT, report, blobs));
        let Descriptor { digest, media_type, size } = manifest(&config, &layer, Some(&published), blobs);
        Evidence { digest, media_type, size, subject: published.digest, tag: None }
    });
    item(ItemKind::Image, name.to_owned(), published, report, requires)
}

fn item(
    kind: ItemKind,
    name: String,
    published: Descriptor,
    report: Option<Evidence>,
    requires: &[&str],
) -> Item {
    Item {
        annotations: BTreeMap::new(),
        evidence: report.into_iter().collect(),
        group: None,
        kind,
        name,
        platforms: vec![],
        published: published.clone(),
        requires: requires.iter().map(|name| (*name).to_owned()).collect(),
        source: published,
        to: None,
    }
}

fn put(media_type: &str, bytes: Vec<u8>, blobs: &mut HashMap<Digest, Vec<u8>>) -> Descriptor {
    let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
    blobs.insert(digest, bytes);
    Descriptor { digest, media_type: media_type.into(), size }
}

/// A manifest with one layer, about `subject` where there is one.
fn manifest(
    config: &Descriptor,
    layer: &Descriptor,
    subject: Option<&Descriptor>,
    blobs: &mut HashMap<Digest, Vec<u8>>,
) -> Descriptor {
    let mut manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer],
    });
    if let Some(subject) = subject {
        manifest["subject"] = json!(subject);
    }
    put(OCI_MANIFEST, manifest.to_string().into_bytes(), blobs)
}
