//! A small archive with everything in it, and the ways to write one.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test target uses a part of it; a panic is how a test fails"
)]

use std::collections::{BTreeMap, HashMap};
use std::io::Cursor;

use manifests::closure;
use manifests::inventory::{Blob, ContentBlob, Evidence, Inventory, Item, ItemKind};
use manifests::key::{PrivateKey, PublicKey};
use manifests::media_type::{OCI_INDEX, OCI_MANIFEST};
use manifests::slot::{self, ArchiveSignature};
use manifests::trust::Role;
use manifests::{API_VERSION, Descriptor, Digest};
use transfer::archive::write;

/// Made for these tests; it signs nothing else.
const KEY: &str = include_str!("test.key");

/// Everything that an archive is written from.
pub struct Source {
    pub inventory: Inventory,
    pub blobs: HashMap<Digest, Vec<u8>>,
    pub key: PrivateKey,
}

fn put(blobs: &mut HashMap<Digest, Vec<u8>>, media_type: &str, bytes: &[u8]) -> Descriptor {
    let digest = Digest::of(bytes);
    blobs.insert(digest, bytes.to_vec());
    Descriptor { digest, media_type: media_type.to_owned(), size: bytes.len() as u64 }
}

fn manifest(blobs: &mut HashMap<Digest, Vec<u8>>, config: &[u8], layers: &[&[u8]]) -> Descriptor {
    let config = put(blobs, "application/vnd.oci.image.config.v1+json", config);
    let layers: Vec<Descriptor> =
        layers.iter().map(|layer| put(blobs, "application/vnd.oci.image.layer.v1.tar", layer)).collect();
    let document = serde_json::json!({"schemaVersion": 2, "config": config, "layers": layers});
    put(blobs, OCI_MANIFEST, document.to_string().as_bytes())
}

impl Source {
    /// Two images that share a layer, one of them signed, and an empty layer.
    pub fn small() -> Self {
        let mut blobs = HashMap::new();
        let first = manifest(&mut blobs, b"{\"os\":\"linux\"}", &[b"base layer", b"", &[7; 700]]);
        let second = manifest(&mut blobs, b"{\"os\":\"windows\"}", &[b"base layer", &[9; 512]]);
        let signature = manifest(&mut blobs, b"{}", &[b"signature"]);
        let item = |name: &str, published: &Descriptor, evidence: Vec<Evidence>| Item {
            annotations: BTreeMap::new(),
            evidence,
            group: None,
            kind: ItemKind::Image,
            name: name.to_owned(),
            platforms: vec![],
            published: published.clone(),
            requires: vec![],
            source: published.clone(),
            to: None,
        };
        let evidence = Evidence {
            digest: signature.digest,
            media_type: signature.media_type.clone(),
            size: signature.size,
            subject: first.digest,
            tag: Some(format!("sha256-{}.sig", first.digest.hex())),
        };
        let platform = |descriptor: &Descriptor, os: &str| {
            let mut entry = serde_json::to_value(descriptor).unwrap();
            entry["platform"] = serde_json::json!({"architecture": "amd64", "os": os});
            entry
        };
        let children = [platform(&first, "linux"), platform(&second, "windows")];
        let index = serde_json::json!({"schemaVersion": 2, "manifests": children});
        let index = put(&mut blobs, OCI_INDEX, index.to_string().as_bytes());
        let mut selected = item("registry.example/multi:3", &first, vec![]);
        selected.platforms = vec!["linux/amd64".parse().unwrap()];
        selected.source = index;
        let items = vec![
            item("registry.example/app:1", &first, vec![evidence]),
            selected,
            item("registry.example/other:2", &second, vec![]),
        ];
        let created: manifests::Timestamp = "2026-11-23T21:30:00Z".parse().unwrap();
        let mut source = Self {
            inventory: Inventory {
                annex_of: None,
                annotations: BTreeMap::new(),
                api_version: API_VERSION.to_owned(),
                audience: vec!["sovereign-a".parse().unwrap()],
                base: None,
                content: vec![],
                created,
                generator: "airgap 0.1.0".to_owned(),
                import_before: Some("2027-02-21T21:30:00Z".parse().unwrap()),
                items,
                kind: "Inventory".to_owned(),
                metadata: vec![],
                name: "core".parse().unwrap(),
                serial: created.serial(),
            },
            blobs,
            key: PrivateKey::from_pem(KEY, || None).unwrap(),
        };
        source.tabulate();
        source
    }

    /// One signed image: few enough bytes to change each of them.
    pub fn tiny() -> Self {
        let mut source = Self::small();
        source.inventory.items.truncate(1);
        source.tabulate();
        source
    }

    /// Fills the blob table in from the items.
    pub fn tabulate(&mut self) {
        let blobs = &self.blobs;
        let mut load = |wanted: &Descriptor| blobs.get(&wanted.digest).cloned().ok_or("missing");
        let closure = closure::walk(&self.inventory.items, &mut load).unwrap();
        self.inventory.metadata = closure.metadata;
        let carried = |Blob { digest, size }: Blob| ContentBlob { carried: true, digest, size };
        self.inventory.content = closure.content.into_iter().map(carried).collect();
    }

    pub fn public_key(&self) -> PublicKey {
        self.key.public().unwrap()
    }

    /// A slot that signs `inventory`, whatever it says.
    pub fn slot(&self, inventory: &[u8]) -> Vec<u8> {
        let signature = ArchiveSignature {
            change: None,
            inventory_size: inventory.len() as u64,
            policy_digest: None,
            role: Role::Preparer,
            signed_at: self.inventory.created,
            trust_digest: None,
            verdict: None,
        };
        slot::seal(Digest::of(inventory), signature, &self.key).unwrap()
    }

    /// The archive.
    pub fn write(&self) -> Vec<u8> {
        let mut archive = Vec::new();
        let slot = self.slot(&self.inventory.encode());
        write::stream(&mut archive, &self.inventory, &slot, |digest| Ok(Cursor::new(&self.blobs[digest])))
            .unwrap();
        archive
    }
}
