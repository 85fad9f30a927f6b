//! Judging in memory: images with one signature and one report of more than 50 KB each, by both gates.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::time::Duration;

use gates::malware::Searches;
use gates::signature::Roots;
use gates::{Before, Clock, Content, Grounds, Outcome, Unreadable};
use manifests::cosign::{self, ImageSignature, Made};
use manifests::inventory::{Evidence, Item, ItemKind};
use manifests::key::PrivateKey;
use manifests::media_type::{OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST, SCAN_REPORT};
use manifests::policy::Policy;
use manifests::scan_report::{Database, ScanReport, Tool};
use manifests::{Descriptor, Digest, Timestamp};
use serde_json::{Value, json};

const IMAGES: usize = 300;
/// Findings of a report: with these it has more than 50 KB.
const FINDINGS: usize = 150;

#[derive(Default)]
struct Store(HashMap<Digest, Vec<u8>>);

impl Content for Store {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        self.0.get(&wanted.digest).cloned().ok_or_else(|| Unreadable("absent".to_owned()))
    }
}

impl Store {
    fn put(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        self.0.insert(digest, bytes);
        Descriptor { digest, media_type: media_type.to_owned(), size }
    }

    fn json(&mut self, media_type: &str, value: &Value) -> Descriptor {
        self.put(media_type, value.to_string().into_bytes())
    }
}

/// The most that judging may take, in seconds of one processor.
const LIMIT: f64 = 2.0;

/// A real signature of one digest by an identity, with its certificate and its entry in the public log.
const KEYLESS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data/sigstore/keyless-legacy");
const TRUSTED_ROOT: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data/sigstore/trusted-root/public-good.json");

/// Judges, prints how much of a processor's time that took, and fails where it is too much.
pub(crate) fn measure() {
    let key = PrivateKey::generate().unwrap();
    let pem = serde_json::to_string(&key.public().unwrap().to_pem().unwrap()).unwrap();
    let rule = format!("{{match: \"**\", key: {{pem: {pem}, log: notRequired}}}}");
    let mut store = Store::default();
    let items: Vec<Item> = (0..IMAGES).map(|at| item(&mut store, at, &key)).collect();
    judge("a key's signature", &rule, &items, &store);

    let vector: Value = serde_json::from_slice(&fs::read(format!("{KEYLESS}/vector.json")).unwrap()).unwrap();
    let rule = format!(
        "{{match: \"**\", keyless: {{issuer: {}, identity: {}}}}}",
        vector["issuer"], vector["identity"]
    );
    let signed = keyless(&mut store, &vector);
    let items: Vec<Item> = items.into_iter().map(|item| signed_by_identity(item, &signed)).collect();
    judge("an identity's signature with its log entry", &rule, &items, &store);
}

fn judge(what: &str, rule: &str, items: &[Item], store: &Store) {
    let trusted_root = fs::read(TRUSTED_ROOT).unwrap();
    let root = Digest::of(&trusted_root);
    let policy = format!(
        "apiVersion: airgap/v1\nkind: Policy\nspec:\n  trustedRoots: [{{name: public-good, sha256: \"{}\"}}]\n  signatures: [{rule}]\n  vulnerabilities: {{}}\n",
        root.hex()
    );
    let policy = Policy::parse(&policy).unwrap();
    let named = policy.signatures.as_ref().unwrap().roots();
    let (before, submitted) = (Before::default(), HashMap::new());
    let searches = Searches::of(Digest::of(b"an archive"));
    let began = seconds_of_processor();
    // To read the root is a part of it.
    let roots = Roots::new(named, [(root, trusted_root.as_slice())]).unwrap();
    let grounds = Grounds {
        content: store,
        roots: &roots,
        clock: Clock::at("2026-11-24T00:00:00Z".parse().unwrap()),
        kev: None,
        vex: &[],
        before: &before,
        submitted: &submitted,
        searches: &searches,
    };
    let judged = gates::judge(items, &policy, &grounds);
    let seconds = seconds_of_processor() - began;
    let outcomes = judged.items.iter().flat_map(|item| &item.verdicts).map(|verdict| verdict.outcome);
    assert!(outcomes.clone().all(|outcome| outcome != Outcome::Refused), "{}", judged.explain().join("\n"));
    assert_eq!(outcomes.count(), 2 * IMAGES);
    let report = store.0.values().map(Vec::len).max().unwrap_or_default() / 1000;
    println!(
        "| {IMAGES} images, each with {what} and a report of {report} KB | judge | {seconds:.2} | | | | one thread, in memory |"
    );
    assert!(seconds < LIMIT, "found {seconds:.2} s of a processor, wanted less than {LIMIT}");
}

/// How long this thread had a processor. The first number of that file is in nanoseconds.
fn seconds_of_processor() -> f64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    let nanoseconds: u64 = text.split(' ').next().unwrap().parse().unwrap();
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

/// Puts the real signature into the store.
fn keyless(store: &mut Store, vector: &Value) -> Evidence {
    for blob in fs::read_dir(format!("{KEYLESS}/layout/blobs/sha256")).unwrap() {
        store.put("blob", fs::read(blob.unwrap().path()).unwrap());
    }
    let index = fs::read(format!("{KEYLESS}/layout/index.json")).unwrap();
    let index: Value = serde_json::from_slice(&index).unwrap();
    let manifest: Descriptor = serde_json::from_value(json!({
        "digest": index["manifests"][0]["digest"], "mediaType": OCI_MANIFEST, "size": index["manifests"][0]["size"],
    }))
    .unwrap();
    let subject: Digest = vector["image"].as_str().unwrap().parse().unwrap();
    let Descriptor { digest, media_type, size } = manifest;
    Evidence { digest, media_type, size, subject, tag: Some(format!("sha256-{}.sig", subject.hex())) }
}

/// The image as what that signature is about was reduced to, with its own report.
fn signed_by_identity(mut item: Item, signature: &Evidence) -> Item {
    item.source.digest = signature.subject;
    item.evidence[0] = signature.clone();
    item
}

fn item(store: &mut Store, at: usize, key: &PrivateKey) -> Item {
    let diff_id = Digest::of(format!("unpacked {at}").as_bytes());
    let config = store.json(
        OCI_CONFIG,
        &json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [diff_id]}}),
    );
    let layer = Descriptor {
        digest: Digest::of(format!("layer {at}").as_bytes()),
        media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
        size: 7,
    };
    let manifest =
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
    let published = store.json(OCI_MANIFEST, &manifest);
    let Made { manifest, blobs } =
        cosign::referrer(&published, "ghcr.io/demo/app", ImageSignature {}, key).unwrap();
    for blob in blobs {
        store.put("blob", blob);
    }
    let signature = store.put(OCI_MANIFEST, manifest);
    let report = report(config.digest, diff_id);
    let layer = store.put(SCAN_REPORT, report);
    let empty = store.put(OCI_EMPTY, b"{}".to_vec());
    let manifest = json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "artifactType": SCAN_REPORT, "config": empty, "layers": [layer],
        "subject": published,
    });
    let scan = store.json(OCI_MANIFEST, &manifest);
    let evidence = [signature, scan].map(|Descriptor { digest, media_type, size }| Evidence {
        digest,
        media_type,
        size,
        subject: published.digest,
        tag: None,
    });
    Item {
        annotations: BTreeMap::new(),
        evidence: evidence.to_vec(),
        group: None,
        kind: ItemKind::Image,
        name: format!("ghcr.io/demo/app-{at}:1"),
        platforms: vec![],
        published: published.clone(),
        requires: vec![],
        source: published,
        to: None,
    }
}

/// A scan with findings of which none refuses.
fn report(config: Digest, diff_id: Digest) -> Vec<u8> {
    let findings: Vec<Value> = (0..FINDINGS)
        .map(|at| {
            json!({
                "VulnerabilityID": format!("CVE-2026-{at:04}"), "PkgName": format!("package-{at}"),
                "PkgIdentifier": {"PURL": format!("pkg:deb/debian/package-{at}@1.2.3?arch=amd64")},
                "InstalledVersion": "1.2.3", "FixedVersion": "1.2.4", "Severity": "MEDIUM",
                "Title": "a finding of no weight", "PublishedDate": "2026-11-01T00:00:00Z",
            })
        })
        .collect();
    let trivy = json!({
        "SchemaVersion": 2, "Trivy": {"Version": "0.72.0"}, "CreatedAt": "2026-11-23T22:00:00Z",
        "ArtifactName": "app", "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}, "ImageID": config, "DiffIDs": [diff_id]},
        "Results": [{"Target": "app", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": findings}],
    });
    let updated_at: Timestamp = "2026-11-23T18:00:00Z".parse().unwrap();
    let database = Database { digest: None, updated_at, version: 2 };
    let tool = Tool { name: "trivy".to_owned(), version: "0.72.0".to_owned() };
    let arguments = ["image", "--ignorefile", "/dev/null", "--format", "json", "app"].map(str::to_owned);
    let platform = "linux/amd64".parse().unwrap();
    ScanReport::new(tool, database, arguments.to_vec(), platform, trivy.to_string().into_bytes()).encode()
}
