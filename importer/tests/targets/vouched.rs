//! What the site says at a registry about all that it brought, as an admission controller inside reads it.

use std::fs;

use axum::http::{Method, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Artifact, Format, Layer, Signer};
use fixtures::registry::{Options, Registry};
use manifests::dsse::Envelope;
use manifests::key::PublicKey;
use manifests::summary::VerificationSummary;
use manifests::{Digest, evidence_tag};
use serde_json::{Value, json};

use crate::harbor::Inside;
use crate::support::{Brought, Site, http, small_image, text, writes};

const REPOSITORY: &str = "ghcr.io/demo/web";
const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

fn started() -> Registry {
    Registry::start(Options { referrers: true, ..Options::default() }).unwrap()
}

fn blob(registry: &Registry, descriptor: &Value) -> Vec<u8> {
    let url = format!("{}/v2/{REPOSITORY}/blobs/{}", registry.url(), descriptor["digest"].as_str().unwrap());
    let (status, body) = http("GET", &url, None, "");
    assert_eq!(status, 200, "{url}");
    body.into_bytes()
}

fn statement(envelope: &Value) -> Value {
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

/// What the summaries say that refer to `subject`, each signed by the site.
fn summaries(site: &Site, registry: &Registry, subject: Digest) -> Vec<Value> {
    let key = PublicKey::from_pem(&fs::read_to_string(site.path("state/receipt.pub")).unwrap()).unwrap();
    let stored = registry.store().manifests(REPOSITORY).into_iter();
    let stored = stored.map(|stored| serde_json::from_slice::<Value>(&stored.bytes).unwrap());
    let is_one = |manifest: &Value| {
        manifest["subject"]["digest"] == subject.to_string()
            && manifest["annotations"]["dev.sigstore.bundle.predicateType"] == SUMMARY
    };
    let said = |manifest: Value| {
        let bundle = blob(registry, &manifest["layers"][0]);
        Envelope::parse(&bundle).unwrap().verify::<VerificationSummary>(&key).unwrap();
        statement(&serde_json::from_slice::<Value>(&bundle).unwrap()["dsseEnvelope"])
    };
    stored.filter(is_one).map(said).collect()
}

/// When the site accepted the first archive, by its ledger.
fn accepted_at(site: &Site) -> Value {
    let ledger = fs::read_to_string(site.path("state/ledger.jsonl")).unwrap();
    let mut lines = ledger.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.find(|line| line["event"] == "accepted").unwrap()["time"].clone()
}

/// What a site with this policy has to say about `subject`, which upstream signed by these.
fn wanted(site: &Site, policy: &str, subject: Digest, signatures: &[&Artifact]) -> Value {
    let policy = Digest::of(&fs::read(site.path(policy)).unwrap());
    let inputs: Vec<Value> = signatures
        .iter()
        .map(|signature| {
            let digest = signature.digest();
            json!({"digest": {"sha256": digest.hex()}, "uri": format!("oci://{REPOSITORY}@{digest}")})
        })
        .collect();
    json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": REPOSITORY, "digest": {"sha256": subject.hex()}}],
        "predicateType": SUMMARY,
        "predicate": {
            "inputAttestations": inputs,
            "policy": {
                "digest": {"sha256": policy.hex()},
                "uri": "https://airgap.openova.io/site/sovereign-a/policy",
            },
            "resourceUri": format!("oci://{REPOSITORY}:1"),
            "slsaVersion": "1.1",
            "timeVerified": accepted_at(site),
            "verificationResult": "PASSED",
            "verifiedLevels": ["SLSA_BUILD_LEVEL_UNEVALUATED"],
            "verifier": {
                "id": "https://airgap.openova.io/site/sovereign-a",
                "version": {"airgap-import": env!("CARGO_PKG_VERSION")},
            },
        },
    })
}

#[test]
fn an_index_and_each_of_its_platforms_have_one_summary_that_says_who_judged_by_what() {
    let (site, registry) = (Site::new(), started());
    let platforms = ["linux/amd64", "linux/arm64"]
        .map(|platform| (platform, image::image(platform, &[Layer::with_files(platform, 100)], Format::Oci)));
    let index = image::index(&platforms, Format::Oci);
    let signature = image::bundle_referrer(&index.descriptor(), &Signer::named("upstream"));
    let brought = Brought::new(&format!("{REPOSITORY}:1"), &index).with_referrer(&signature, index.digest());
    site.load(&site.archive(3, vec![brought]), &site.registry(&registry.url(), "type: oci"));
    let said = summaries(&site, &registry, index.digest());
    assert_eq!(said, [wanted(&site, "policy.yaml", index.digest(), &[&signature])]);
    for (platform, image) in &platforms {
        let said = summaries(&site, &registry, image.digest());
        assert_eq!(said, [wanted(&site, "policy.yaml", image.digest(), &[])], "{platform}");
    }
}

#[test]
fn beside_a_signature_under_a_tag_the_summary_stands_under_one_too() {
    let (site, registry, web) = (Site::new(), started(), small_image("base", "web"));
    let signature = image::legacy_signature(web.digest(), REPOSITORY, &[Signer::named("upstream")]);
    let brought = Brought::new(&format!("{REPOSITORY}:1"), &web).with_legacy("sig", &signature);
    site.load(&site.archive(3, vec![brought]), &site.registry(&registry.url(), "type: oci"));
    assert_eq!(summaries(&site, &registry, web.digest()), [Value::Null; 0], "a bundle would hide the tag");
    let tag = evidence_tag::legacy(web.digest(), "att");
    let stored = registry.store().manifest(REPOSITORY, &tag).unwrap();
    let manifest: Value = serde_json::from_slice(&stored.bytes).unwrap();
    let [layer] = &manifest["layers"].as_array().unwrap()[..] else { panic!("{manifest}") };
    assert_eq!(layer["annotations"]["predicateType"], SUMMARY);
    let envelope: Value = serde_json::from_slice(&blob(&registry, layer)).unwrap();
    assert_eq!(statement(&envelope), wanted(&site, "policy.yaml", web.digest(), &[&signature]));
}

#[test]
fn under_another_policy_the_next_archive_adds_its_summary_and_nothing_alternates() {
    let (site, registry, web) = (Site::new(), started(), small_image("base", "web"));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let archive = |day| text(&site.archive(day, vec![Brought::new(&format!("{REPOSITORY}:1"), &web)]));
    let (first, second) = (archive(3), archive(4));
    let policies = || -> Vec<Value> {
        let said = summaries(&site, &registry, web.digest());
        let mut policies: Vec<Value> =
            said.iter().map(|said| said["predicate"]["policy"]["digest"]["sha256"].clone()).collect();
        policies.sort_by_key(Value::to_string);
        policies
    };
    let both = |names: &[&str]| -> Vec<Value> {
        let digest = |name: &&str| json!(Digest::of(&fs::read(site.path(name)).unwrap()).hex());
        let mut digests: Vec<Value> = names.iter().map(digest).collect();
        digests.sort_by_key(Value::to_string);
        digests
    };
    let settles = |archive: &str| {
        registry.forget_requests();
        let said = site.succeed(&["load", archive, "--to", &to]);
        assert!(said.contains("nothing was sent"), "{said}");
        assert_eq!(writes(&registry.requests()), [""; 0]);
    };
    site.succeed(&["load", &first, "--to", &to]);
    assert_eq!(policies(), both(&["policy.yaml"]));
    // What is in force at a moment is told by whole seconds.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    site.follow("{version: 2, order: {olderSerial: allow}}");
    // The same archive came in by the first policy, and that is what is said of it.
    settles(&first);
    site.succeed(&["load", &second, "--to", &to]);
    assert_eq!(policies(), both(&["policy.yaml", "next.yaml"]));
    for archive in [&second, &first, &second] {
        settles(archive);
    }
    assert_eq!(policies(), both(&["policy.yaml", "next.yaml"]));
}

#[test]
fn a_load_that_fails_at_one_item_or_at_what_the_site_says_sets_no_name_and_says_nothing_of_it() {
    let refused = |path: &str| Rule::new(path, Fault::Status(StatusCode::FORBIDDEN)).on(Method::PUT);
    for (rule, manifests, why) in [
        (refused("/demo/other/manifests/"), 1, "another item is not taken, so nothing is said of this one"),
        (refused("/demo/web/manifests/").from(2), 1, "nor where the site's own word is not taken"),
        (refused("/demo/web/manifests/").from(3), 2, "nor where the second one is not"),
    ] {
        let (site, registry) = (Site::new(), started());
        let (web, other) = (small_image("base", "web"), small_image("base", "other"));
        let items = vec![
            Brought::new("ghcr.io/demo/other:1", &other),
            Brought::new(&format!("{REPOSITORY}:1"), &web),
        ];
        let (archive, to) = (site.archive(3, items), site.registry(&registry.url(), "type: oci"));
        registry.fault(rule);
        site.fail(1, &["load", &text(&archive), "--to", &text(&to)]);
        assert_eq!(registry.store().manifests(REPOSITORY).len(), manifests, "{why}");
        for name in [REPOSITORY, "ghcr.io/demo/other"] {
            assert!(registry.store().manifest(name, "1").is_none(), "{why}: {name}");
        }
        registry.clear_faults();
        site.load(&archive, &to);
        let said = summaries(&site, &registry, web.digest());
        assert_eq!(said, [wanted(&site, "policy.yaml", web.digest(), &[])], "{why}");
        assert_eq!(registry.store().manifests(REPOSITORY).len(), 3, "{why}");
    }
}

/// Harbor before 2.15 counts a signature under a tag alone, and asks for one of each platform that is pulled.
#[test]
fn in_harbor_an_index_and_each_of_its_platforms_have_a_signature_under_a_tag() {
    let inside = Inside::with_project();
    let (site, to) = inside.site(false);
    let platforms = ["linux/amd64", "linux/arm64"]
        .map(|platform| (platform, image::image(platform, &[Layer::with_files(platform, 100)], Format::Oci)));
    let index = image::index(&platforms, Format::Oci);
    let archive = text(&site.archive(3, vec![Brought::new(&format!("{REPOSITORY}:1"), &index)]));
    site.succeed(&["load", &archive, "--to", &to]);
    for manifest in [&index, &platforms[0].1, &platforms[1].1] {
        let tag = evidence_tag::legacy(manifest.digest(), "sig");
        let stored = inside.behind.store().manifest(REPOSITORY, &tag).unwrap_or_else(|| panic!("no {tag}"));
        let signature: Value = serde_json::from_slice(&stored.bytes).unwrap();
        let said: Value = serde_json::from_slice(&blob(&inside.behind, &signature["layers"][0])).unwrap();
        assert_eq!(said["critical"]["image"]["docker-manifest-digest"], manifest.digest().to_string());
    }
}
