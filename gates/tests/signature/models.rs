//! Signatures of models by the OpenSSF: of their files, and of nothing less.

use std::collections::BTreeMap;
use std::fs;

use gates::{Outcome, Verdict};
use manifests::Digest;
use manifests::inventory::ItemKind;
use serde_json::{Value, json};

use crate::signers::{Signer, bundle_of};
use crate::support::{self, Store, data};

const MODEL: &str = "https://model_signing/signature/v1.0";

/// What the reason of each refusal says.
const REASONS: [(&str, &str); 5] = [
    ("model-keyed-file-added", "which the signature does not name"),
    ("model-keyed-file-changed", "as was signed"),
    ("model-keyed-file-missing", "found no file"),
    ("model-keyed-files-swapped", "as was signed"),
    ("model-keyless-wrong-identity", "found the identity \"stefanb@us.ibm.com\""),
];

/// Files by name, as the layers of an artifact, with a bundle that refers to it: what the rule makes of that.
fn judged(files: &[(Option<&str>, Vec<u8>)], bundle: &[u8], signer: &str) -> Verdict {
    let mut store = Store::default();
    let layers: Vec<_> = files
        .iter()
        .map(|(name, bytes)| {
            let annotations =
                name.map_or_else(|| json!({}), |name| json!({"org.opencontainers.image.title": name}));
            (store.put("application/octet-stream", bytes), annotations)
        })
        .collect();
    let layers: Vec<_> = layers.iter().map(|(layer, annotations)| (layer, annotations.clone())).collect();
    let manifest = store.manifest(&layers, None);
    let evidence = store.bundle(bundle, manifest.digest);
    let mut item = support::item(&manifest, vec![evidence]);
    item.kind = ItemKind::Artifact;
    let rule = format!(
        "{{match: \"**\", accept: unsigned, reason: r, owner: o, until: 2999-01-01, \
         attestations: [{{predicateType: \"{MODEL}\", {signer}}}]}}"
    );
    support::verdict(&item, &store, &support::policy(&rule))
}

#[test]
fn every_model_gets_its_verdict() {
    let mut reasons = BTreeMap::from(REASONS);
    let mut passed = 0;
    for folder in fs::read_dir(data("sigstore")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        let Some(vector) = name.starts_with("model-").then(|| fs::read(folder.join("vector.json")).unwrap())
        else {
            continue;
        };
        let vector: Value = serde_json::from_slice(&vector).unwrap();
        // What the vector says to be no part of the model is not carried.
        let ignored = vector["ignore"].as_array().unwrap();
        let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder.join("model"))
            .unwrap()
            .map(|file| file.unwrap().path())
            .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
            .filter(|(name, _)| !ignored.contains(&json!(name)))
            .collect();
        files.sort();
        let files: Vec<_> = files.iter().map(|(name, bytes)| (Some(name.as_str()), bytes.clone())).collect();
        let signer = match &vector["key"] {
            Value::String(key) => support::key(&fs::read_to_string(folder.join(key)).unwrap(), "notRequired"),
            _ => format!("keyless: {{issuer: {}, identity: {}}}", vector["issuer"], vector["identity"]),
        };
        let verdict = judged(&files, &fs::read(folder.join("model.sig")).unwrap(), &signer);
        match reasons.remove(name.as_str()) {
            None => {
                assert_eq!(
                    (vector["verdict"].as_str(), verdict.outcome),
                    (Some("pass"), Outcome::Warned),
                    "{name}: {verdict:#?}"
                );
                assert!(
                    verdict.facts[0].contains(&format!("attestation of type {MODEL} by ")),
                    "{name}: {verdict:#?}"
                );
                passed += 1;
            }
            Some(reason) => {
                assert_eq!(
                    (vector["verdict"].as_str(), verdict.outcome),
                    (Some("fail"), Outcome::Refused),
                    "{name}: {verdict:#?}"
                );
                assert!(verdict.reasons.iter().all(|found| found.contains(reason)), "{name}: {verdict:#?}");
            }
        }
    }
    assert!(reasons.is_empty() && passed == 2, "{passed} passed, and none of {reasons:?}");
}

/// A statement about these files by a key.
fn signed(by: &Signer, resources: &Value, subject: Digest, serialization: &Value) -> Vec<u8> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "model", "digest": {"sha256": subject.hex()}}],
        "predicateType": MODEL,
        "predicate": {"resources": resources, "serialization": serialization},
    });
    bundle_of(&by.envelope("application/vnd.in-toto+json", &statement.to_string()))
}

#[test]
fn what_is_signed_in_another_way_or_is_no_model_is_refused() {
    let alice = Signer::new(1);
    let (one, two) = (b"one".to_vec(), b"two".to_vec());
    let about = |digests: &[&[u8]]| {
        let digests: Vec<u8> =
            digests.iter().flat_map(|bytes| Digest::of(bytes).as_bytes().to_vec()).collect();
        Digest::of(&digests)
    };
    let both = about(&[&one, &two]);
    let resource = |name: &str, bytes: &[u8]| json!({"algorithm": "sha256", "name": name, "digest": Digest::of(bytes).hex()});
    let resources = json!([resource("a", &one), resource("b", &two)]);
    let by_files = json!({"method": "files", "hash_type": "sha256", "allow_symlinks": false});
    let layers = || vec![(Some("a"), one.clone()), (Some("b"), two.clone())];
    let key = alice.key("notRequired");
    let good = signed(&alice, &resources, both, &by_files);
    assert_eq!(judged(&layers(), &good, &key).outcome, Outcome::Warned);
    // In folders, which are before the files that begin as they do.
    let nested = json!([resource("tokenizer/a", &two), resource("tokenizer.json", &one)]);
    let bundle = signed(&alice, &nested, about(&[&two, &one]), &by_files);
    let in_folders = vec![(Some("tokenizer.json"), one.clone()), (Some("tokenizer/a"), two.clone())];
    assert_eq!(judged(&in_folders, &bundle, &key).outcome, Outcome::Warned);
    let with_signature = [layers(), vec![(Some("model.sig"), b"evil".to_vec())]].concat();

    let mut blake = resources.clone();
    blake[0]["algorithm"] = json!("blake2b");
    let twice = json!([resource("a", &one), resource("a", &one), resource("b", &two)]);
    let other = |resources: &Value, serialization: &Value| signed(&alice, resources, both, serialization);
    for (files, bundle, reason) in [
        (
            layers(),
            other(&resources, &json!({"method": "shards", "hash_type": "sha256"})),
            "found a serialization of \"shards\"",
        ),
        (
            layers(),
            other(&resources, &json!({"method": "files", "hash_type": "blake2b"})),
            "by \"blake2b\", wanted files by sha256",
        ),
        (layers(), other(&blake, &by_files), "found the file \"a\" without a digest by sha256"),
        (layers(), other(&twice, &by_files), "found the file \"a\" signed twice"),
        (layers(), signed(&alice, &resources, Digest::of(b"other"), &by_files), "found a signature about"),
        (layers(), signed(&Signer::new(2), &resources, both, &by_files), "does not verify with the key"),
        (vec![(Some("a"), one.clone()), (None, two.clone())], good.clone(), "without a name"),
        (vec![(Some("a"), one.clone()), (Some("a"), two.clone())], good.clone(), "found two files \"a\""),
        (with_signature, good.clone(), "found the file \"model.sig\", which the signature does not name"),
        (vec![(Some("b"), one.clone()), (Some("a"), two.clone())], good.clone(), "as was signed"),
    ] {
        let verdict = judged(&files, &bundle, &key);
        assert_eq!(verdict.outcome, Outcome::Refused, "{reason}: {verdict:#?}");
        assert!(verdict.reasons.iter().any(|found| found.contains(reason)), "{reason}: {verdict:#?}");
    }
}
