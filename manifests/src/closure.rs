//! What an item consists of: the walk from its manifest to every blob, in archive order.
//!
//! The writer lays an archive out by it and the reader walks again and compares, so the blob table of an
//! inventory is a function of its items. One walk, one order: items in theirs, each from its manifest down
//! (pre-order), each blob where it is first used.

use std::collections::hash_map::Entry as Slot;
use std::collections::{HashMap, HashSet};

use crate::digest::Digest;
use crate::inventory::{Blob, Evidence, Item};
use crate::oci::{Descriptor, Entry, Manifest, ManifestError};
use crate::selection::{self, SelectionError};
use crate::{limits, media_type};

/// Every blob of a set of items.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// Manifests, configs and evidence.
    pub metadata: Vec<Blob>,
    /// The layers of items, but for those that are metadata as well.
    pub content: Vec<Blob>,
}

/// Why items do not have a closure.
#[derive(Debug, thiserror::Error)]
pub enum ClosureError<E> {
    /// A manifest could not be had.
    #[error("{item}: {error}")]
    Load {
        /// The item.
        item: String,
        /// Why not.
        error: E,
    },
    /// A manifest is not one.
    #[error("{item}: the manifest {digest}: {error}")]
    Manifest {
        /// The item.
        item: String,
        /// The manifest.
        digest: Digest,
        /// What is wrong with it.
        error: ManifestError,
    },
    /// What is published does not follow from the source and the platforms.
    #[error("{item}: {error}")]
    Selection {
        /// The item.
        item: String,
        /// What is wrong.
        error: SelectionError,
    },
    /// One digest with two sizes: one of them lies, and offsets would differ between readers.
    #[error("{item}: found the blob {digest} with {first} and with {second} bytes")]
    TwoSizes {
        /// The item where the second size stands.
        item: String,
        /// The blob.
        digest: Digest,
        /// The size that was seen first.
        first: u64,
        /// The other size.
        second: u64,
    },
    /// A referrer that is about something else than the inventory says.
    #[error("{item}: found the evidence {digest} about something else, wanted it about {wanted}")]
    Subject {
        /// The item.
        item: String,
        /// The evidence.
        digest: Digest,
        /// What the inventory says that it is about.
        wanted: Digest,
    },
    /// A limit of the format.
    #[error("{item}: found {found}, wanted at most {limit}")]
    Limit {
        /// The item.
        item: String,
        /// What is too much.
        found: &'static str,
        /// The limit.
        limit: u64,
    },
}

/// Walks `items` in their order. `load` gives the bytes of a manifest, whose digest it has checked.
///
/// # Errors
/// When a manifest cannot be had or is none, when sizes contradict each other, or at a limit.
pub fn walk<E>(
    items: &[Item],
    load: &mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, E>,
) -> Result<Closure, ClosureError<E>> {
    let mut walk =
        Walk { load, order: Vec::new(), at: HashMap::new(), walked: HashSet::new(), item: String::new() };
    for item in items {
        walk.item.clone_from(&item.name);
        walk.item(item)?;
    }
    let blobs =
        |wanted: Role| walk.order.iter().filter(move |(_, role)| *role == wanted).map(|(blob, _)| *blob);
    Ok(Closure { metadata: blobs(Role::Metadata).collect(), content: blobs(Role::Content).collect() })
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Role {
    Metadata,
    Content,
}

struct Walk<'a, E> {
    load: &'a mut dyn FnMut(&Descriptor) -> Result<Vec<u8>, E>,
    order: Vec<(Blob, Role)>,
    at: HashMap<Digest, usize>,
    /// A manifest is walked once in each role at each depth: an index that lists one child a thousand times,
    /// on four levels, would otherwise never end. The depth counts, so that the limit does not depend on the
    /// order in which a manifest is met.
    walked: HashSet<(Descriptor, Role, usize)>,
    item: String,
}

impl<E> Walk<'_, E> {
    fn item(&mut self, item: &Item) -> Result<(), ClosureError<E>> {
        if item.source.digest != item.published.digest {
            self.selected_source(item)?;
        }
        self.manifest(&item.published, Role::Content, 0)?;
        item.evidence.iter().try_for_each(|evidence| self.evidence(evidence))
    }

    /// The index that was selected from travels, so that a signature over it proves what was selected.
    fn selected_source(&mut self, item: &Item) -> Result<(), ClosureError<E>> {
        let bytes = self.load(&item.source)?;
        selection::check(&bytes, item)
            .map_err(|error| ClosureError::Selection { item: self.item.clone(), error })?;
        self.add(&item.source, Role::Metadata)
    }

    fn manifest(&mut self, manifest: &Descriptor, layers: Role, depth: usize) -> Result<(), ClosureError<E>> {
        if depth > limits::INDEX_DEPTH {
            return Err(self.limit("indexes within indexes", limits::INDEX_DEPTH as u64));
        }
        self.add(manifest, Role::Metadata)?;
        if !self.walked.insert((manifest.clone(), layers, depth)) {
            return Ok(());
        }
        match self.read(manifest)? {
            Manifest::Image(image) => {
                self.entry(&image.config, Role::Metadata)?;
                image.layers.iter().try_for_each(|layer| self.entry(layer, layers))
            }
            Manifest::Index(index) => index.manifests.iter().try_for_each(|child| {
                if media_type::is_manifest(&child.media_type) {
                    self.manifest(&child.descriptor(), layers, depth + 1)
                } else {
                    self.entry(child, layers)
                }
            }),
        }
    }

    fn evidence(&mut self, evidence: &Evidence) -> Result<(), ClosureError<E>> {
        // A referrer says itself what it is about; at a target it would be found there, whatever the inventory says.
        if evidence.tag.is_none() {
            let found = match self.read(&evidence.descriptor())? {
                Manifest::Image(image) => image.subject,
                Manifest::Index(index) => index.subject,
            };
            if found.is_none_or(|subject| subject.digest != evidence.subject) {
                let (item, digest, wanted) = (self.item.clone(), evidence.digest, evidence.subject);
                return Err(ClosureError::Subject { item, digest, wanted });
            }
        }
        self.manifest(&evidence.descriptor(), Role::Metadata, 0)
    }

    fn read(&mut self, manifest: &Descriptor) -> Result<Manifest, ClosureError<E>> {
        if manifest.size > limits::MANIFEST_BYTES {
            return Err(self.limit("a manifest that is too large", limits::MANIFEST_BYTES));
        }
        let bytes = self.load(manifest)?;
        Manifest::parse(&bytes, &manifest.media_type).map_err(|error| ClosureError::Manifest {
            item: self.item.clone(),
            digest: manifest.digest,
            error,
        })
    }

    fn load(&mut self, manifest: &Descriptor) -> Result<Vec<u8>, ClosureError<E>> {
        (self.load)(manifest).map_err(|error| ClosureError::Load { item: self.item.clone(), error })
    }

    fn entry(&mut self, entry: &Entry, role: Role) -> Result<(), ClosureError<E>> {
        self.add(&entry.descriptor(), role)
    }

    fn add(&mut self, descriptor: &Descriptor, role: Role) -> Result<(), ClosureError<E>> {
        let Descriptor { digest, size, .. } = *descriptor;
        if size >= limits::SIZE {
            return Err(self.limit("a blob that is too large", limits::SIZE - 1));
        }
        if role == Role::Metadata && size > limits::EVIDENCE_BYTES {
            return Err(self.limit("a config or evidence that is too large", limits::EVIDENCE_BYTES));
        }
        match self.at.entry(digest) {
            Slot::Vacant(free) => {
                free.insert(self.order.len());
                self.order.push((Blob { digest, size }, role));
            }
            Slot::Occupied(taken) => {
                let (blob, first_role) = &mut self.order[*taken.get()];
                if blob.size != size {
                    let (first, second) = (blob.size, size);
                    return Err(ClosureError::TwoSizes { item: self.item.clone(), digest, first, second });
                }
                // A blob in both roles is metadata: evidence must be whole in the evidence pack.
                if role == Role::Metadata {
                    *first_role = Role::Metadata;
                }
            }
        }
        if self.order.len() > limits::BLOBS {
            return Err(self.limit("more blobs", limits::BLOBS as u64));
        }
        Ok(())
    }

    fn limit(&self, found: &'static str, limit: u64) -> ClosureError<E> {
        ClosureError::Limit { item: self.item.clone(), found, limit }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::inventory::ItemKind;
    use crate::media_type::{OCI_INDEX, OCI_MANIFEST};

    /// A store of manifests, as a registry has them.
    #[derive(Default)]
    struct Store(HashMap<Digest, Vec<u8>>);

    impl Store {
        fn put(&mut self, media_type: &str, text: String) -> Descriptor {
            let bytes = text.into_bytes();
            let descriptor = Descriptor {
                digest: Digest::of(&bytes),
                media_type: media_type.to_owned(),
                size: bytes.len() as u64,
            };
            self.0.insert(descriptor.digest, bytes);
            descriptor
        }

        fn image(&mut self, config: &str, layers: &[(&str, u64)]) -> Descriptor {
            let entry = |name: &str, size: u64| {
                format!(r#"{{"digest":"{}","mediaType":"x/y","size":{size}}}"#, Digest::of(name.as_bytes()))
            };
            let layers: Vec<String> = layers.iter().map(|(name, size)| entry(name, *size)).collect();
            let (config, layers) = (entry(config, 2), layers.join(","));
            self.put(OCI_MANIFEST, format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#))
        }

        fn index(&mut self, children: &[&Descriptor]) -> Descriptor {
            let children: Vec<String> =
                children.iter().map(|child| String::from_utf8(crate::json::encode(child)).unwrap()).collect();
            self.put(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, children.join(",")))
        }

        fn walk(&self, items: &[Item]) -> Result<Closure, ClosureError<String>> {
            walk(items, &mut |wanted| self.0.get(&wanted.digest).cloned().ok_or_else(|| "missing".to_owned()))
        }
    }

    fn item(published: &Descriptor) -> Item {
        Item {
            annotations: BTreeMap::new(),
            evidence: vec![],
            group: None,
            kind: ItemKind::Image,
            name: "registry.test/a:1".into(),
            platforms: vec![],
            published: published.clone(),
            requires: vec![],
            source: published.clone(),
            to: None,
        }
    }

    fn names(blobs: &[Blob], known: &[&str]) -> Vec<String> {
        let name = |blob: &Blob| known.iter().find(|name| Digest::of(name.as_bytes()) == blob.digest);
        blobs.iter().filter_map(name).map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn metadata_comes_first_and_each_blob_once_where_it_is_first_used() {
        let mut store = Store::default();
        let amd = store.image("config-a", &[("base", 10), ("top-a", 20)]);
        let arm = store.image("config-b", &[("base", 10), ("top-b", 30)]);
        let index = store.index(&[&amd, &arm]);
        let closure = store.walk(&[item(&index), item(&amd)]).unwrap();
        let metadata: Vec<Digest> = closure.metadata.iter().map(|blob| blob.digest).collect();
        let config = |name: &str| Digest::of(name.as_bytes());
        let wanted = [index.digest, amd.digest, config("config-a"), arm.digest, config("config-b")];
        assert_eq!(metadata, wanted);
        assert_eq!(names(&closure.content, &["base", "top-a", "top-b"]), ["base", "top-a", "top-b"]);
    }

    #[test]
    fn a_layer_that_is_evidence_too_is_metadata() {
        let mut store = Store::default();
        let image = store.image("config", &[("shared", 10), ("own", 10)]);
        let signature = store.image("empty", &[("shared", 10)]);
        let mut item = item(&image);
        item.evidence = vec![Evidence {
            digest: signature.digest,
            media_type: signature.media_type.clone(),
            size: signature.size,
            subject: image.digest,
            tag: Some(format!("sha256-{}.sig", image.digest.hex())),
        }];
        let closure = store.walk(&[item]).unwrap();
        assert_eq!(names(&closure.content, &["shared", "own"]), ["own"]);
        assert_eq!(names(&closure.metadata, &["shared", "own"]), ["shared"]);
    }

    #[test]
    fn a_referrer_is_about_what_the_inventory_says() {
        let mut store = Store::default();
        let image = store.image("config", &[("own", 10)]);
        let other = store.image("other", &[("own", 10)]);
        let mut referrer = |subject: &Descriptor| {
            let subject = String::from_utf8(crate::json::encode(subject)).unwrap();
            let config = format!(r#"{{"digest":"{}","mediaType":"x/y","size":2}}"#, Digest::of(b"empty"));
            let text = format!(r#"{{"schemaVersion":2,"config":{config},"layers":[],"subject":{subject}}}"#);
            store.put(OCI_MANIFEST, text)
        };
        let (right, wrong) = (referrer(&image), referrer(&other));
        for (manifest, is_right) in [(right, true), (wrong, false), (other, false)] {
            let mut item = item(&image);
            item.evidence = vec![Evidence {
                digest: manifest.digest,
                media_type: manifest.media_type.clone(),
                size: manifest.size,
                subject: image.digest,
                tag: None,
            }];
            let walked = store.walk(&[item]);
            assert_eq!(walked.is_ok(), is_right, "{walked:?}");
        }
    }

    #[test]
    fn contradictions_and_endless_nesting_are_refused() {
        let mut store = Store::default();
        let one = store.image("config", &[("layer", 10)]);
        let two = store.image("config", &[("layer", 11)]);
        let error = store.walk(&[item(&one), item(&two)]).unwrap_err();
        assert!(matches!(error, ClosureError::TwoSizes { first: 10, second: 11, .. }), "{error}");

        let mut nested = one.clone();
        for _ in 0..=limits::INDEX_DEPTH {
            nested = store.index(&[&nested]);
        }
        assert!(matches!(store.walk(&[item(&nested)]), Err(ClosureError::Limit { .. })));
        let missing = Descriptor { digest: Digest::of(b"?"), ..one };
        assert!(matches!(store.walk(&[item(&missing)]), Err(ClosureError::Load { .. })));
    }

    #[test]
    fn a_child_that_is_listed_a_thousand_times_is_walked_once() {
        let mut store = Store::default();
        let mut nested = store.image("config", &[("layer", 10)]);
        for _ in 0..limits::INDEX_DEPTH {
            nested = store.index(&vec![&nested; 1000]);
        }
        assert_eq!(store.walk(&[item(&nested)]).unwrap().content.len(), 1);
    }
}
