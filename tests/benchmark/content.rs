//! The sets: many large layers, one very large layer, tiny layers by the hundred and by the thousand.

use std::collections::HashSet;

use bytes::Bytes;
use manifests::Digest;
use manifests::media_type::{OCI_CONFIG, OCI_INDEX, OCI_MANIFEST};
use serde_json::{Value, json};

use crate::floor;
use crate::registry::DockerRegistry;

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MIB: u64 = 1 << 20;

/// Some images of a kind.
pub(crate) struct Set {
    /// What the table calls it.
    pub(crate) description: &'static str,
    /// The images.
    pub(crate) images: Vec<Image>,
}

/// One image.
pub(crate) struct Image {
    repository: String,
    platforms: Vec<Vec<Layer>>,
}

/// A layer: its bytes follow from the seed.
#[derive(Clone, Copy)]
struct Layer {
    seed: u64,
    size: u64,
}

/// A blob as the registry has it.
#[derive(Clone)]
pub(crate) struct Blob {
    /// A repository that has it.
    pub(crate) repository: String,
    /// Its digest.
    pub(crate) digest: Digest,
    /// Its size.
    pub(crate) size: u64,
}

impl Image {
    /// `repository:tag`.
    pub(crate) fn name(&self) -> String {
        format!("{}:1", self.repository)
    }

    /// The full reference.
    pub(crate) fn reference(&self, source: &DockerRegistry) -> String {
        format!("{}/{}", source.address, self.name())
    }

    /// The repository.
    pub(crate) fn repository(&self) -> &str {
        &self.repository
    }
}

impl Set {
    /// The set with a name of the command line.
    pub(crate) fn named(name: &str) -> Self {
        match name {
            "images" => {
                Self { description: "2 GB in 20 images, 5 with two platforms", images: large_images() }
            }
            "layer" => Self {
                description: "one layer of 4 GiB",
                images: vec![image(0, vec![vec![(1, 4096 * MIB)]])],
            },
            "small" => Self { description: "300 images of 3 x 20 KB", images: small_images(300, 20_000) },
            "many" => Self { description: "5,000 blobs in 1,250 images", images: small_images(1250, 1000) },
            "more" => Self { description: "20,000 blobs in 5,000 images", images: small_images(5000, 1000) },
            other => panic!("found the set {other:?}, wanted images, layer, small, many or more"),
        }
    }

    /// Pushes the set and returns its distinct blobs.
    pub(crate) fn push(&self, registry: &DockerRegistry) -> Vec<Blob> {
        let (mut blobs, mut seen) = (Vec::new(), HashSet::new());
        for image in &self.images {
            let mut pusher =
                Pusher { registry, repository: &image.repository, blobs: &mut blobs, seen: &mut seen };
            let manifests: Vec<Value> =
                image.platforms.iter().enumerate().map(|(at, layers)| pusher.manifest(at, layers)).collect();
            match manifests.as_slice() {
                [only] => {
                    let digest = only["digest"].as_str().unwrap();
                    floor::tag(registry, &image.repository, digest, OCI_MANIFEST);
                }
                several => pusher.index(several),
            }
        }
        blobs
    }
}

fn image(at: u64, platforms: Vec<Vec<(u64, u64)>>) -> Image {
    let layers =
        |layers: Vec<(u64, u64)>| layers.into_iter().map(|(seed, size)| Layer { seed, size }).collect();
    Image { repository: format!("bench/image-{at}"), platforms: platforms.into_iter().map(layers).collect() }
}

/// Images with a config and three layers of this size.
fn small_images(count: u64, size: u64) -> Vec<Image> {
    (0..count)
        .map(|at| image(at, vec![(0..3).map(|layer| (1000 + at * 3 + layer, size)).collect()]))
        .collect()
}

/// Five bases that are shared, and a layer of 64 MiB for each platform of each image.
fn large_images() -> Vec<Image> {
    let platform = |at: u64, number: u64| vec![(at % 5, 80 * MIB), (100 + at * 2 + number, 64 * MIB)];
    (0..20)
        .map(|at| image(at, (0..if at < 5 { 2 } else { 1 }).map(|number| platform(at, number)).collect()))
        .collect()
}

struct Pusher<'a> {
    registry: &'a DockerRegistry,
    repository: &'a str,
    blobs: &'a mut Vec<Blob>,
    seen: &'a mut HashSet<Digest>,
}

impl Pusher<'_> {
    fn blob(&mut self, bytes: Bytes, media_type: &str) -> Value {
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        floor::push(self.registry, self.repository, digest, bytes);
        if self.seen.insert(digest) {
            self.blobs.push(Blob { repository: self.repository.to_owned(), digest, size });
        }
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    fn manifest(&mut self, at: usize, layers: &[Layer]) -> Value {
        let architecture = ["amd64", "arm64"][at];
        let layers: Vec<Value> = layers.iter().map(|layer| self.blob(random(*layer), LAYER)).collect();
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let config = json!({
            "os": "linux", "architecture": architecture, "config": {"Labels": {"image": self.repository}},
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        });
        let config = self.blob(config.to_string().into(), OCI_CONFIG);
        let manifest =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
        let bytes = manifest.to_string();
        let digest = floor::put_manifest(self.registry, self.repository, None, OCI_MANIFEST, bytes.clone());
        json!({
            "mediaType": OCI_MANIFEST, "digest": digest, "size": bytes.len(),
            "platform": {"os": "linux", "architecture": architecture},
        })
    }

    fn index(&self, manifests: &[Value]) {
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests});
        floor::put_manifest(self.registry, self.repository, Some("1"), OCI_INDEX, index.to_string());
    }
}

/// Bytes that do not compress and follow from a seed (xorshift).
fn random(layer: Layer) -> Bytes {
    let mut state = layer.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(layer.size as usize + 8);
    while (bytes.len() as u64) < layer.size {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(layer.size as usize);
    bytes.into()
}
