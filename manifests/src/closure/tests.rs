//! Walks over made-up manifests.

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
fn a_chart_s_provenance_is_metadata_and_its_archive_is_not() {
    let mut store = Store::default();
    let entry = |name: &str, media_type: &str| {
        format!(r#"{{"digest":"{}","mediaType":"{media_type}","size":10}}"#, Digest::of(name.as_bytes()))
    };
    let mut provenance_of = |config: &str| {
        let config = entry("config", config);
        let archive = entry("archive", media_type::HELM_CHART);
        let provenance = entry("provenance", media_type::HELM_PROVENANCE);
        let layers = format!("{archive},{provenance}");
        store.put(OCI_MANIFEST, format!(r#"{{"schemaVersion":2,"config":{config},"layers":[{layers}]}}"#))
    };
    let chart = provenance_of(media_type::HELM_CONFIG);
    let image = provenance_of(media_type::OCI_CONFIG);
    let known = ["config", "archive", "provenance"];
    let closure = store.walk(&[item(&chart)]).unwrap();
    assert_eq!(names(&closure.metadata, &known), ["config", "provenance"]);
    assert_eq!(names(&closure.content, &known), ["archive"]);
    let closure = store.walk(&[item(&image)]).unwrap();
    assert_eq!(names(&closure.content, &known), ["archive", "provenance"], "an image has none");
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
fn evidence_is_about_the_item_its_parts_or_other_evidence() {
    let mut store = Store::default();
    let (amd, arm) = (store.image("config-a", &[]), store.image("config-b", &[]));
    let (index, signature) = (store.index(&[&amd, &arm]), store.image("signature", &[]));
    let (other, nested) = (store.image("other", &[]), store.index(&[&index]));
    let about = |subject: &Descriptor, published: &Descriptor| {
        let evidence = |manifest: &Descriptor, subject: &Descriptor| Evidence {
            digest: manifest.digest,
            media_type: manifest.media_type.clone(),
            size: manifest.size,
            subject: subject.digest,
            tag: Some(format!("sha256-{}.sig", subject.digest.hex())),
        };
        let mut item = item(published);
        item.evidence = vec![evidence(&other, published), evidence(&signature, subject)];
        item
    };
    for (subject, published, is_right, why) in [
        (&index, &index, true, "the item"),
        (&arm, &index, true, "a platform"),
        (&arm, &nested, true, "a platform of an index in an index"),
        (&other, &index, true, "other evidence"),
        (&arm, &amd, false, "another image"),
        (&index, &amd, false, "an index that is not here"),
    ] {
        let walked = store.walk(&[about(subject, published)]);
        assert_eq!(walked.is_ok(), is_right, "{why}: {walked:?}");
    }
    // The index was walked for another item: what it lists is known all the same.
    assert!(store.walk(&[item(&index), about(&arm, &index)]).is_ok());
    assert!(store.walk(&[item(&index), about(&arm, &amd)]).is_err());
}

#[test]
fn evidence_that_leads_only_to_itself_is_refused() {
    let mut store = Store::default();
    let image = store.image("config", &[]);
    let (one, two) = (store.image("one", &[]), store.image("two", &[]));
    let (listed, other) = (store.image("listed", &[]), store.image("other", &[]));
    let list = store.index(&[&listed]);
    let walked = |pieces: &[(&Descriptor, &Descriptor)]| {
        let evidence = pieces.iter().map(|(manifest, subject)| Evidence {
            digest: manifest.digest,
            media_type: manifest.media_type.clone(),
            size: manifest.size,
            subject: subject.digest,
            tag: Some(format!("sha256-{}.sig", subject.digest.hex())),
        });
        store.walk(&[Item { evidence: evidence.collect(), ..item(&image) }])
    };
    for (pieces, is_right, why) in [
        (&[(&one, &one)][..], false, "about itself"),
        (&[(&one, &two), (&two, &one)], false, "a circle"),
        (&[(&one, &image), (&other, &two), (&two, &other)], false, "a circle beside what is right"),
        (&[(&one, &image), (&two, &one), (&one, &two)], true, "a circle that leads to the item"),
        (&[(&two, &one), (&one, &image)], true, "evidence on evidence, in any order"),
        (&[(&list, &image), (&one, &listed)], true, "what an index of evidence lists"),
        (&[(&list, &listed)], false, "an index about what it lists itself"),
    ] {
        let walked = walked(pieces);
        assert_eq!(walked.is_ok(), is_right, "{why}: {walked:?}");
    }
}

#[test]
fn what_the_source_lists_is_not_known_by_another_item() {
    let mut store = Store::default();
    let (amd, arm) = (store.image("config-a", &[]), store.image("config-b", &[]));
    let entry = |image: &Descriptor, architecture: &str| {
        let text = String::from_utf8(crate::json::encode(image)).unwrap();
        text.replacen('{', &format!(r#"{{"platform":{{"architecture":"{architecture}","os":"linux"}},"#), 1)
    };
    let list = [entry(&amd, "amd64"), entry(&arm, "arm64")].join(",");
    let index = store.put(OCI_INDEX, format!(r#"{{"schemaVersion":2,"manifests":[{list}]}}"#));
    let signature = store.image("signature", &[]);
    let selected = |subject: &Descriptor| Item {
        evidence: vec![Evidence {
            digest: signature.digest,
            media_type: signature.media_type.clone(),
            size: signature.size,
            subject: subject.digest,
            tag: Some(format!("sha256-{}.sig", subject.digest.hex())),
        }],
        platforms: vec!["linux/amd64".parse().unwrap()],
        source: index.clone(),
        ..item(&amd)
    };
    for (subject, is_right) in [(&index, true), (&amd, true), (&arm, false)] {
        for items in [vec![selected(subject)], vec![item(&index), selected(subject)]] {
            assert_eq!(store.walk(&items).is_ok(), is_right, "{items:?}");
        }
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
