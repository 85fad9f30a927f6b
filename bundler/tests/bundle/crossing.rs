//! From a definition to a verified archive, with everything that the fixtures' upstream offers.

use crate::project::{Project, item};
use fixtures::registry::Options;
use fixtures::{image, upstream};

fn spec(host: &str) -> String {
    format!(
        "platforms: [linux/amd64], importBefore: 90d, audience: [sovereign-b, sovereign-a], images: [\
         {{ref: \"{host}/demo/base:3.20\", platforms: []}}, {{ref: \"{host}/demo/app:1.4.2\"}}, \
         {{ref: \"{host}/demo/web:2.0.1\", group: bootstrap}}, {{ref: \"{host}/demo/worker:2.0.1\"}}, \
         {{ref: \"{host}/demo/trivy-db:2\"}}, {{ref: \"{host}/demo/gone:1\", optional: true}}], \
         charts: [{{ref: \"oci://{host}/charts/agent\", version: ^1}}]"
    )
}

#[test]
fn what_a_definition_names_is_locked_built_and_verified() {
    let upstream = upstream::start(Options::default()).unwrap();
    let host = upstream.host();
    let project = Project::new(&spec(&host));
    let locked = project.lock();
    assert_eq!(locked["items"], 6);
    assert_eq!(locked["hosts"], serde_json::json!([host]));
    assert_eq!(locked["skipped"][0]["name"], format!("{host}/demo/gone:1"));

    let lock = project.locked();
    let name = |path: &str| format!("{host}/{path}");
    let app = item(&lock, &name("demo/app:1.4.2"));
    assert_eq!(app["kind"], "image");
    assert_eq!(app["platforms"], serde_json::json!(["linux/amd64"]));
    assert_eq!(app["source"]["digest"], upstream::app().digest().to_string());
    assert_ne!(app["source"], app["published"]);
    // The signature and the bundle of the index, the attestation of the platform.
    assert_eq!(app["evidence"].as_array().unwrap().len(), 3, "{app:#}");
    assert_eq!(item(&lock, &name("demo/trivy-db:2"))["kind"], "artifact");
    assert_eq!(item(&lock, &name("charts/agent:1.2.0"))["kind"], "chart");
    let base = item(&lock, &name("demo/base:3.20"));
    assert_eq!(base["source"], base["published"]);
    assert_eq!(item(&lock, &name("demo/web:2.0.1"))["group"], "bootstrap");

    upstream.forget_requests();
    let built = project.build();
    assert_eq!(built["size"], project.read("core.tar").len());
    assert!(built["judgement"].is_null(), "{built}");
    assert!(
        upstream.requests().iter().all(|request| request.path.contains("/blobs/")),
        "no name is read again"
    );
    let verified = project.verify("core.tar");
    assert_eq!(verified["identity"], built["identity"]);
    assert_eq!(verified["items"], 6);
    assert!(!project.path("core.tar.partial").exists() && !project.path("core.tar.journal").exists());

    let shown = project.run(&["inspect", "core.tar"]).succeeds().stdout();
    assert!(shown.contains("UNVERIFIED") && shown.contains("sovereign-a, sovereign-b"), "{shown}");
    let again = project.build();
    assert_eq!(again["wasThere"], true);
}

#[test]
fn a_registry_without_the_referrers_api_gives_the_same_evidence() {
    let with = upstream::start(Options::default()).unwrap();
    let without = upstream::start(Options { referrers: false, ..Options::default() }).unwrap();
    let evidence = |host: &str| {
        let project = Project::new(&format!("images: [{{ref: \"{host}/demo/app:1.4.2\"}}]"));
        project.lock();
        item(&project.locked(), &format!("{host}/demo/app:1.4.2"))["evidence"].clone()
    };
    let found = evidence(&with.host());
    assert_eq!(found, evidence(&without.host()));
    let tag = image::legacy_tag(upstream::app().digest(), "sig");
    assert!(found.as_array().unwrap().iter().any(|evidence| evidence["tag"] == tag));
}
