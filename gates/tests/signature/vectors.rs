//! Every vector in `fixtures/data/sigstore` but the models gets its verdict, refusals with a reason that names what is wrong.

use std::collections::BTreeMap;
use std::fs;

use gates::signature::{Candidate, Purpose, Roots, verify};
use gates::{Outcome, Verdict};
use manifests::Digest;
use manifests::inventory::{Evidence, ItemKind};
use manifests::oci::Manifest;
use manifests::policy::TrustedRootName;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::support::{self, Store, data};

/// What the reasons of each refusal say.
const REASONS: [(&str, &str); 31] = [
    ("bundle-attestation-asked-as-signature", "an attestation is none"),
    ("bundle-attestation-no-log", "found no log entry"),
    ("bundle-attestation-payload-changed", "invalid signature"),
    ("bundle-attestation-proof-broken", "root hash"),
    ("bundle-github-provenance-artifact-changed", "found a signature about"),
    ("bundle-github-provenance-caller", "found the identity"),
    ("keyed-legacy-asked-keyless", "without a certificate"),
    ("keyed-legacy-wrong-key", "invalid signature"),
    ("keyless-legacy-blob-corrupt", "found bytes of"),
    ("keyless-legacy-identity-prefix", "found the identity"),
    ("keyless-legacy-no-log", "found no log entry"),
    ("keyless-legacy-other-digest", "found a signature about"),
    ("keyless-legacy-payload-swapped", "invalid signature"),
    ("keyless-legacy-set-flipped", "invalid inclusion promise"),
    ("keyless-legacy-signature-flipped", "invalid signature"),
    ("keyless-legacy-time-moved", "invalid inclusion promise"),
    ("keyless-legacy-wrong-issuer", "found the issuer"),
    ("own-attestation-not-pae", "does not verify with the key"),
    ("own-attestation-other-predicate", "found an attestation of type"),
    ("own-attestation-other-subject", "found a signature about"),
    ("own-attestation-payload-changed", "does not verify with the key"),
    ("own-keyed-duplicate-key", "\"image\" twice"),
    ("own-keyed-empty-signature", "found an empty signature"),
    ("own-keyed-log-required", "found no log entry"),
    ("own-keyed-no-signature", "found a payload without a signature"),
    ("own-keyed-other-type", "found critical.type"),
    ("own-keyed-payload-other-image", "found a signature about"),
    ("own-referrer-annotation-lies", "an attestation is none"),
    ("own-referrer-attestation-as-signature", "an attestation is none"),
    ("own-referrer-other-subject", "found a signature about"),
    ("unsigned-helm-oci-chart", "found no signature, wanted one by"),
];

#[derive(Deserialize)]
pub(crate) struct Vector {
    kind: String,
    verdict: String,
    #[serde(alias = "artifact")]
    pub(crate) image: Digest,
    identity: Option<String>,
    issuer: Option<String>,
    key: Option<String>,
    log: Option<String>,
    predicate_type: Option<String>,
}

#[test]
fn every_vector_gets_its_verdict() {
    let mut reasons = BTreeMap::from(REASONS);
    let mut seen = 0;
    for name in names() {
        let (vector, verdict) = judged(&name);
        let is_refused = verdict.outcome == Outcome::Refused;
        match vector.verdict.as_str() {
            "pass" => assert!(!is_refused && !verdict.facts.is_empty(), "{name}: {verdict:#?}"),
            "fail" => {
                let wanted =
                    reasons.remove(name.as_str()).unwrap_or_else(|| panic!("{name}: no reason is wanted"));
                let is_named = !verdict.reasons.is_empty()
                    && verdict.reasons.iter().all(|reason| reason.contains(wanted));
                assert!(is_refused && is_named, "{name}: wanted {wanted:?}: {verdict:#?}");
            }
            // An unknown field is ignored.
            "either" => assert!(!is_refused, "{name}: {verdict:#?}"),
            other => panic!("{name}: {other}"),
        }
        seen += 1;
    }
    assert!(reasons.is_empty() && seen == 41, "{seen} vectors, and none of {reasons:?}");
}

#[test]
fn what_was_established_is_said() {
    for (name, fact) in [
        (
            "keyless-legacy",
            "sha256:57a654ace69ec02ba8973093b6a786faa15640575fbf0dbb603db55aca2ccec8: signature by https://github.com/stefanprodan/podinfo/.github/workflows/release.yml@refs/tags/6.4.0 (https://token.actions.githubusercontent.com) at 2023-06-26T10:00:22Z by the log (legacy signature sha256:3e84ea487b4c52a3299cf2996f70e7e1721236a0998da33a0e30107108486b3e)",
        ),
        ("keyed-legacy", " at 2025-03-13T19:21:29Z by the log (legacy signature "),
        ("own-keyed", ", without a log (legacy signature "),
        ("own-attestation-spdx", ": attestation of type https://spdx.dev/Document by the key "),
        ("bundle-attestation", "cody@soyland.com (https://github.com/login/oauth) at 2025-02-28T19:18:1"),
        ("own-referrer", ", without a log (bundle "),
    ] {
        let (_, verdict) = judged(name);
        assert!(verdict.facts.len() == 1 && verdict.facts[0].contains(fact), "{name}: {:#?}", verdict.facts);
    }
}

/// Bytes are changed throughout: some changes are in what nothing depends on, none may end the program.
#[test]
fn a_damaged_bundle_never_ends_the_program() {
    let vector = vector("bundle-attestation");
    let rules = support::policy(&rule(&vector, ""));
    let roots = support::roots(&rules);
    let (_, rule) = rules.rule_for(support::NAME, ItemKind::Image).unwrap();
    let wanted = &rule.attestations[0];
    let purpose = Purpose::Attestation(wanted.predicate_type.clone());
    let is_good = |bytes: &[u8]| {
        verify(&Candidate::from_bundle(bytes), &purpose, vector.image, &wanted.signer, &roots).is_ok()
    };
    let bytes = fs::read(data("sigstore/bundle-attestation/bundle.json")).unwrap();
    assert!(is_good(&bytes));
    let (mut tried, mut refused) = (0, 0);
    for at in (0..bytes.len()).step_by(29) {
        for changed in [vec![], vec![b'"'], vec![bytes[at] ^ 1], vec![bytes[at] ^ 0x80]] {
            let damaged = [&bytes[..at], &changed, &bytes[at + 1..]].concat();
            tried += 1;
            refused += usize::from(!is_good(&damaged));
        }
        assert!(!is_good(&bytes[..at]), "cut at {at}");
    }
    assert!(refused * 10 > tried * 9, "{refused} of {tried} changes were noticed");
}

/// The verifier takes an entry without proof and promise for logged when another has one.
#[test]
fn every_log_entry_has_to_be_proven() {
    let vector = vector("bundle-attestation");
    let bytes = fs::read(data("sigstore/bundle-attestation/bundle.json")).unwrap();
    let mut bundle: Value = serde_json::from_slice(&bytes).unwrap();
    let entries = bundle["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap();
    let mut unproven = entries[0].clone();
    unproven.as_object_mut().unwrap().retain(|key, _| !key.starts_with("inclusion"));
    entries.push(unproven);
    let mut store = Store::default();
    let evidence = store.bundle(bundle.to_string().as_bytes(), vector.image);
    let item = support::item(&support::source(vector.image), vec![evidence]);
    let verdict = support::verdict(&item, &store, &support::policy(&rule(&vector, "")));
    assert!(
        verdict.reasons.iter().any(|reason| reason.contains("found no log entry with a proof")),
        "{verdict:#?}"
    );
}

/// A trusted root with a certificate authority's root alone, and a bundle that brings the intermediate along.
#[test]
fn intermediates_come_from_the_trusted_root_alone() {
    let vector = vector("bundle-attestation");
    let mut root: Value = serde_json::from_slice(&support::public_good()).unwrap();
    let authority = &mut root["certificateAuthorities"][1]["certChain"]["certificates"];
    let intermediate = authority[0].take();
    *authority = json!([authority[1].take()]);
    let bytes = fs::read(data("sigstore/bundle-attestation/bundle.json")).unwrap();
    let mut bundle: Value = serde_json::from_slice(&bytes).unwrap();
    bundle["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1".into();
    let material = bundle["verificationMaterial"].as_object_mut().unwrap();
    let leaf = material.remove("certificate").unwrap();
    material.insert("x509CertificateChain".into(), json!({"certificates": [leaf, intermediate]}));

    let candidate = Candidate::from_bundle(bundle.to_string().as_bytes());
    let rules = support::policy(&rule(&vector, ""));
    let (_, rule) = rules.rule_for(support::NAME, ItemKind::Image).unwrap();
    let wanted = &rule.attestations[0];
    let purpose = Purpose::Attestation(wanted.predicate_type.clone());
    for (bytes, reason) in
        [(support::public_good(), None), (root.to_string().into_bytes(), Some("certificate chain"))]
    {
        let digest = Digest::of(&bytes);
        let named = [TrustedRootName { name: "root".into(), digest, file: None }];
        let roots = Roots::new(&named, [(digest, bytes.as_slice())]).unwrap();
        let found = verify(&candidate, &purpose, vector.image, &wanted.signer, &roots);
        match reason {
            None => assert!(found.is_ok(), "{found:?}"),
            Some(reason) => assert!(found.unwrap_err().to_string().contains(reason)),
        }
    }
}

fn names() -> Vec<String> {
    let folders = fs::read_dir(data("sigstore")).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.path().join("vector.json").exists());
    // Models are no manifests with signatures: `models` judges them.
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<String> = names.filter(|name| !name.starts_with("model-")).collect();
    names.sort();
    names
}

pub(crate) fn vector(name: &str) -> Vector {
    let text = fs::read(data(&format!("sigstore/{name}/vector.json"))).unwrap();
    serde_json::from_slice(&text).unwrap()
}

fn judged(name: &str) -> (Vector, Verdict) {
    let vector = vector(name);
    let (store, evidence) = material(name, &vector);
    let key =
        vector.key.as_ref().map(|file| fs::read_to_string(data(&format!("sigstore/{name}/{file}"))).unwrap());
    let rules = support::policy(&rule(&vector, &key.unwrap_or_default()));
    let item = support::item(&support::source(vector.image), evidence);
    let verdict = support::verdict(&item, &store, &rules);
    (vector, verdict)
}

/// The rule that asks what the vector asks. Attestations are asked for beside a waiver of signatures.
fn rule(vector: &Vector, pem: &str) -> String {
    let quoted = |text: &Option<String>| Value::from(text.clone().unwrap_or_default());
    let signer = match vector.key {
        Some(_) => {
            let log = if vector.log.as_deref() == Some("not required") { "notRequired" } else { "required" };
            support::key(pem, log)
        }
        None => {
            format!("keyless: {{issuer: {}, identity: {}}}", quoted(&vector.issuer), quoted(&vector.identity))
        }
    };
    match vector.predicate_type.as_deref() {
        None | Some("https://sigstore.dev/cosign/sign/v1") => format!("{{match: \"**\", {signer}}}"),
        Some(kind) => format!(
            "{{match: \"**\", accept: unsigned, reason: r, owner: o, until: 2027-01-01, \
             attestations: [{{predicateType: \"{kind}\", {signer}}}]}}"
        ),
    }
}

/// The content of a vector, and its evidence as a registry would list it for the digest that is asked about.
pub(crate) fn material(name: &str, vector: &Vector) -> (Store, Vec<Evidence>) {
    let folder = data(&format!("sigstore/{name}"));
    if vector.kind == "bundle" {
        let mut store = Store::default();
        let evidence = store.bundle(&fs::read(folder.join("bundle.json")).unwrap(), vector.image);
        return (store, vec![evidence]);
    }
    let store = Store::of_layout(&folder.join("layout"));
    let index = fs::read(folder.join("layout/index.json")).unwrap();
    let mut evidence = Vec::new();
    for entry in entries(&index) {
        let tag = entry.annotation("org.opencontainers.image.ref.name").unwrap_or_default();
        let ending = tag.strip_prefix("sha256-").and_then(|rest| rest.split_once('.')).map(|(_, end)| end);
        if ending.is_some() {
            evidence.push(support::evidence(&entry.descriptor(), vector.image, ending));
        } else if tag.starts_with("sha256-") {
            let fallback = gates::Content::read(&store, &entry.descriptor()).unwrap();
            let referrers = entries(&fallback);
            let referrer =
                |entry: &manifests::oci::Entry| support::evidence(&entry.descriptor(), vector.image, None);
            evidence.extend(referrers.iter().map(referrer));
        }
    }
    (store, evidence)
}

fn entries(index: &[u8]) -> Vec<manifests::oci::Entry> {
    match Manifest::parse(index, manifests::media_type::OCI_INDEX).unwrap() {
        Manifest::Index(index) => index.manifests,
        Manifest::Image(_) => panic!("no index"),
    }
}
