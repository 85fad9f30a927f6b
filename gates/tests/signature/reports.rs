//! Reports of vulnerabilities that upstream attests, through both gates as they judge an archive.

use gates::vulnerability::VULNERABILITY_PREDICATE;
use gates::{Outcome, Verdict};
use manifests::inventory::Item;
use manifests::media_type::{OCI_CONFIG, OCI_MANIFEST};
use manifests::{Descriptor, Digest};
use serde_json::{Value, json};

use crate::signers::{Signer, bundle_of};
use crate::support::{self, Store};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image, and Trivy's report of it with this finding.
fn image(store: &mut Store, severity: &str) -> (Descriptor, Value) {
    let layer = Digest::of(b"layer");
    let config =
        json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]}});
    let config = store.put(OCI_CONFIG, config.to_string().as_bytes());
    let layers = [json!({"digest": layer, "mediaType": LAYER, "size": 5})];
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
    let manifest = store.put(OCI_MANIFEST, manifest.to_string().as_bytes());
    let report = json!({
        "SchemaVersion": 2,
        "Trivy": {"Version": "0.72.0"},
        "CreatedAt": "2026-11-23T22:00:00Z",
        "ArtifactName": "web",
        "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}, "ImageID": config.digest, "DiffIDs": [layer]},
        "Results": [{"Target": "web", "Class": "os-pkgs", "Type": "debian", "Packages": [], "Vulnerabilities": [{
            "VulnerabilityID": "CVE-2026-1", "PkgName": "zlib1g", "InstalledVersion": "1", "FixedVersion": "2",
            "Severity": severity,
        }]}],
    });
    (manifest, report)
}

/// The bundle that `cosign attest --type vuln` makes.
fn attestation(signer: &Signer, about: Digest, report: &Value) -> Vec<u8> {
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": VULNERABILITY_PREDICATE,
        "subject": [{"name": "web", "digest": {"sha256": about.hex()}}],
        "predicate": {"scanner": {
            "version": "0.72.0", "db": {"lastUpdate": "2026-11-23T18:00:00Z"}, "result": report,
        }},
    });
    bundle_of(&signer.envelope("application/vnd.in-toto+json", &statement.to_string()))
}

/// What the gate of vulnerabilities says of an item whose rule asks alice for reports.
fn verdict(item: &Item, store: &Store, alice: &Signer) -> Verdict {
    let policy = format!(
        "apiVersion: airgap/v1\nkind: Policy\nspec:\n  vulnerabilities: {{reports: attested, unknownArguments: allow}}\n  \
         signatures:\n    - {{match: \"**\", accept: attested, attestations: [{{predicateType: vuln, {}}}]}}\n",
        alice.key("notRequired")
    );
    support::judged(item, store, &policy, "2026-11-24T00:00:00Z").pop().unwrap()
}

#[test]
fn an_attested_report_decides_and_somebody_else_s_is_none() {
    let [alice, bob] = [1, 2].map(Signer::new);
    for (signer, severity, outcome, said) in [
        (Some(&alice), "LOW", Outcome::Passed, "attested by the key sha256:"),
        (Some(&alice), "CRITICAL", Outcome::Refused, "found CVE-2026-1 in debian/zlib1g"),
        (Some(&bob), "LOW", Outcome::Refused, "found no report on it"),
        (None, "LOW", Outcome::Refused, "found no report on it"),
    ] {
        let mut store = Store::default();
        let (image, report) = image(&mut store, severity);
        let bundle = signer.map(|signer| attestation(signer, image.digest, &report));
        let evidence = bundle.map(|bundle| store.bundle(&bundle, image.digest));
        let item = support::item(&image, evidence.into_iter().collect());
        let verdict = verdict(&item, &store, &alice);
        assert_eq!((verdict.gate, verdict.outcome), ("vulnerabilities", outcome), "{verdict:#?}");
        let lines = [verdict.reasons.clone(), verdict.facts.clone()].concat();
        assert!(lines.iter().any(|line| line.contains(said)), "{said}: {verdict:#?}");
    }
}

#[test]
fn a_worse_report_hides_behind_no_flood_of_others() {
    let alice = Signer::new(1);
    let mut store = Store::default();
    let (image, report) = image(&mut store, "CRITICAL");
    let (_, clean) = self::image(&mut store, "LOW");
    let mut evidence = vec![
        store.bundle(&attestation(&alice, image.digest, &clean), image.digest),
        store.bundle(&attestation(&alice, image.digest, &report), image.digest),
    ];
    // One more than is judged of one digest, so that the attested reports cannot be read whole.
    let more = evidence[0].clone();
    evidence.resize(1_001, more);
    let verdict = verdict(&support::item(&image, evidence), &store, &alice);
    assert_eq!(verdict.outcome, Outcome::Refused);
    let said = "the attested reports: found more than 1000 signatures and attestations";
    assert!(verdict.reasons.iter().any(|reason| reason.contains(said)), "{verdict:#?}");
}
