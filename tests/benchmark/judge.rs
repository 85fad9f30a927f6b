//! Judging in memory: images with one signature and one report of some 50 KB each, by both gates.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

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
/// Findings of a report: with these it has some 50 KB.
const FINDINGS: usize = 130;

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

/// Judges, and prints how long it took.
pub(crate) fn measure() {
    let key = PrivateKey::generate().unwrap();
    let mut store = Store::default();
    let items: Vec<Item> = (0..IMAGES).map(|at| item(&mut store, at, &key)).collect();
    let pem = serde_json::to_string(&key.public().unwrap().to_pem().unwrap()).unwrap();
    let policy = format!(
        "apiVersion: airgap/v1\nkind: Policy\nspec:\n  signatures: [{{match: \"**\", key: {{pem: {pem}, log: notRequired}}}}]\n  vulnerabilities: {{}}\n"
    );
    let policy = Policy::parse(&policy).unwrap();
    let (roots, before, submitted) = (Roots::default(), Before::default(), HashMap::new());
    let searches = Searches::of(Digest::of(b"an archive"));
    let now = "2026-11-24T00:00:00Z".parse().unwrap();
    let grounds = Grounds {
        content: &store,
        roots: &roots,
        clock: Clock::at(now),
        kev: None,
        vex: &[],
        before: &before,
        submitted: &submitted,
        searches: &searches,
    };
    let began = Instant::now();
    let judged = gates::judge(&items, &policy, &grounds);
    let seconds = began.elapsed().as_secs_f64();
    let outcomes = judged.items.iter().flat_map(|item| &item.verdicts).map(|verdict| verdict.outcome);
    assert!(outcomes.clone().all(|outcome| outcome != Outcome::Refused), "{}", judged.explain().join("\n"));
    assert_eq!(outcomes.count(), 2 * IMAGES);
    let report = store.0.values().map(Vec::len).max().unwrap_or_default() / 1024;
    println!(
        "| {IMAGES} images, a signature and a report of {report} KiB each | judge | {seconds:.2} | | | | one thread, in memory |"
    );
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
