//! From every kind of registry into every kind of registry: what the stock tools find at the target is what they
//! put in at the source.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod charts;
mod credentials;
mod holding;
mod platforms;

use std::collections::BTreeSet;

use fixtures::image::{self, Artifact, Blob, Format, Layer};
use manifests::Digest;
use serde_json::Value;
use tests::desk::Desk;
use tests::servers::{self, Registry, fresh_repository};
use tests::upstream;

/// What is put into a source: below one path of it, so that all of it is found again below another.
struct Content {
    /// `HOST/PATH` of the source.
    below: String,
    app: Artifact,
    web: Artifact,
    chart: Vec<u8>,
    database: Vec<u8>,
}

const PLATFORMS: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/s390x"];

/// An index of three platforms with build attestations. All have a layer in common with [`web`].
fn app() -> Artifact {
    let images = PLATFORMS.map(|platform| {
        let layers = [base(), Layer::with_files(&format!("app {platform}"), 40_000)];
        (platform, image::image(platform, &layers, Format::Oci))
    });
    image::index_with_attestations(&images)
}

/// An image of one platform with Docker's media types.
fn web() -> Artifact {
    image::image("linux/amd64", &[base(), Layer::with_files("web", 30_000)], Format::Docker)
}

fn base() -> Layer {
    Layer::with_files("base of the crossing", 90_000)
}

/// Puts everything into a source, with the tools that people use for it, signs it in both ways, and attaches a
/// bill of materials.
fn fill(desk: &Desk, source: &Registry) -> Content {
    let below = source.repository(&fresh_repository("upstream"));
    let (app, web) = (app(), web());
    upstream::make_signer(desk);
    upstream::push(desk, &app, &format!("{below}/app:1.4.2"));
    upstream::push(desk, &web, &format!("{below}/web:2"));
    desk.write("db.tar.gz", Layer::with_files("database", 50_000).diff_id.to_string().repeat(500));
    upstream::push_database(desk, "db.tar.gz", &format!("{below}/trivy-db:2"));
    let chart = upstream::push_chart(desk, "agent", "1.2.3", &format!("{below}/charts"));

    upstream::sign(desk, &format!("{below}/app@{}", app.digest()));
    upstream::sign_legacy(desk, &format!("{below}/web@{}", web.digest()));
    desk.write("predicate.json", "{\"builder\": \"a test\"}");
    let attested = format!("{below}/web@{}", web.digest());
    upstream::attest_legacy(desk, &attested, "https://example.com/built", "predicate.json");
    let agent = desk.run(&format!("crane digest {below}/charts/agent:1.2.3"));
    upstream::sign(desk, &format!("{below}/charts/agent@{}", agent.trim()));
    desk.write("bom.json", "{\"bomFormat\": \"CycloneDX\"}");
    desk.run(&format!(
        "oras attach --plain-http --artifact-type application/vnd.cyclonedx+json {below}/app:1.4.2 bom.json"
    ));
    Content { below, app, web, chart, database: desk.read("db.tar.gz") }
}

fn define(desk: &Desk, below: &str) {
    desk.define(
        "core",
        &format!(
            "images: [{{ref: \"{below}/app:1.4.2\"}}, {{ref: \"{below}/web:2\"}}, {{ref: \"{below}/trivy-db:2\"}}], \
             charts: [{{ref: \"oci://{below}/charts/agent\", version: ^1}}]"
        ),
    );
}

/// Where `HOST:PORT/PATH` of a source is found below a path of a target.
fn inside(target: &Registry, prefix: &str, source: &str) -> String {
    let (host, path) = source.split_once('/').unwrap();
    target.repository(&format!("{prefix}/{}/{path}", host.replace(':', "_")))
}

/// The digests of everything that refers to a subject, at any depth.
fn referrers(desk: &Desk, subject: &str) -> BTreeSet<String> {
    fn collect(tree: &Value, digests: &mut BTreeSet<String>) {
        for referrer in tree["referrers"].as_array().into_iter().flatten() {
            digests.insert(referrer["digest"].as_str().unwrap().to_owned());
            collect(referrer, digests);
        }
    }
    let mut digests = BTreeSet::new();
    collect(&desk.json(&format!("oras discover --plain-http --format json {subject}")), &mut digests);
    digests
}

/// Every tag of the repositories with the digest that it points to.
fn names(desk: &Desk, below: &str) -> Vec<String> {
    let repositories = ["app", "web", "trivy-db", "charts/agent"];
    let mut names = Vec::new();
    for repository in repositories {
        for tag in desk.run(&format!("crane ls {below}/{repository}")).lines() {
            let digest = desk.run(&format!("crane digest {below}/{repository}:{tag}"));
            names.push(format!("{repository}:{tag} {digest}"));
        }
    }
    names.sort();
    names
}

fn holds_what_was_put_in(desk: &Desk, content: &Content, there: &str) {
    let Content { below, app, web, chart, database } = content;
    for (name, artifact) in [("app:1.4.2", app), ("web:2", web)] {
        let digest = artifact.digest();
        assert_eq!(desk.run(&format!("crane digest {there}/{name}")).trim(), digest.to_string());
        let copy = format!("copied/{digest}");
        std::fs::create_dir_all(desk.path(&copy)).unwrap();
        desk.run(&format!(
            "skopeo copy --quiet --all --src-tls-verify=false docker://{there}/{name} dir:{copy}"
        ));
        let copied: Vec<_> = desk.files(&copy).into_iter().map(|(_, content)| Digest::of(&content)).collect();
        assert!(everything(artifact).is_subset(&copied.into_iter().collect()));
    }
    // crane takes build attestations for images, and finds them to have no layers.
    let images = app.children()[..PLATFORMS.len()].iter().map(|image| format!("app@{}", image.digest()));
    for image in images.chain(["web:2".to_owned()]) {
        desk.run(&format!("crane validate --remote {there}/{image}"));
    }
    let raw = desk.run(&format!("skopeo inspect --raw --tls-verify=false docker://{there}/app:1.4.2"));
    assert_eq!(raw.as_bytes(), &app.bytes()[..]);
    let shown = desk.json(&format!("skopeo inspect --tls-verify=false docker://{there}/web:2"));
    assert_eq!(shown["Layers"].as_array().map(Vec::len), Some(2), "{shown}");

    desk.run(&format!("oras pull --plain-http --output pulled {there}/trivy-db:2"));
    assert!(desk.read("pulled/db.tar.gz") == *database, "the database changed on its way");
    let manifest = desk.json(&format!("oras manifest fetch --plain-http {there}/trivy-db:2"));
    assert_eq!(manifest["artifactType"], "application/vnd.aquasec.trivy.config.v1+json");

    desk.run(&format!("helm pull oci://{there}/charts/agent --version 1.2.3 --plain-http -d pulled"));
    assert!(desk.read("pulled/agent-1.2.3.tgz") == *chart, "the chart changed on its way");
    let rendered = desk.run("helm template release pulled/agent-1.2.3.tgz");
    assert!(rendered.contains("helm.sh/chart: agent-1.2.3"), "{rendered}");

    for subject in ["app:1.4.2", "web:2", "charts/agent:1.2.3", "trivy-db:2"] {
        let (put, found) =
            (referrers(desk, &format!("{below}/{subject}")), referrers(desk, &format!("{there}/{subject}")));
        assert!(found.is_superset(&put), "what refers to {subject}: {found:?}, wanted {put:?}");
        // Beside a signature under a tag, the site's stands there too.
        let more = if subject == "web:2" { 0 } else { 2 };
        assert_eq!(found.len(), put.len() + more, "the site's own words about {subject}");
    }
    assert_eq!(
        referrers(desk, &format!("{there}/app:1.4.2")).len(),
        4,
        "a signature, a bill of materials, the site's signature and summary"
    );
    for signed in ["app:1.4.2", "web:2", "charts/agent:1.2.3"] {
        upstream::verify(desk, &format!("{there}/{signed}"));
    }
    desk.run(&format!(
        "cosign verify-attestation --type https://example.com/built --key cosign.pub --insecure-ignore-tlog --allow-http-registry {there}/web:2"
    ));
    std::fs::remove_dir_all(desk.path("pulled")).unwrap();
}

/// The digest of everything that an artifact consists of.
fn everything(artifact: &Artifact) -> BTreeSet<Digest> {
    let below = artifact.children().iter().flat_map(everything);
    below.chain(artifact.blobs().iter().map(Blob::digest)).chain([artifact.digest()]).collect()
}

/// What a load says that it sent, in whatever way.
fn sent(loaded: &Value) -> u64 {
    let target = &loaded["load"]["targets"][0];
    ["/sent/count", "/mounted/count", "/manifests"]
        .map(|at| target.pointer(at).unwrap().as_u64().unwrap())
        .iter()
        .sum()
}

fn crosses_from(source: &Registry) {
    let desk = Desk::new();
    let content = fill(&desk, source);
    define(&desk, &content.below);
    desk.archive("core");
    desk.site("sovereign");
    for (at, target) in
        [servers::registry2_target(), servers::registry3(), servers::referrers()].iter().enumerate()
    {
        let (name, prefix) = (format!("target-{at}"), fresh_repository("inside"));
        desk.destination(&name, target, &prefix);
        let load = format!("airgap-import load core.tar --state sovereign --to {name}.yaml");
        let loaded = desk.json(&format!("{load} --json"));
        assert!(sent(&loaded) > 0, "{loaded}");
        // The layer that two images share is sent once, where the registry takes it from another repository.
        let mounted = loaded["load"]["targets"][0]["mounted"]["bytes"].as_u64().unwrap();
        assert_eq!(
            mounted >= base().blob.size(),
            *target != servers::referrers(),
            "{}: {loaded:#}",
            target.name
        );
        let there = inside(target, &prefix, &content.below);
        holds_what_was_put_in(&desk, &content, &there);

        let before = names(&desk, &there);
        let again = desk.json(&format!("{load} --json"));
        assert_eq!(sent(&again), 0, "{}: {again:#}", target.name);
        let said = desk.run(&load);
        assert!(said.contains("nothing was sent"), "{}: {said}", target.name);
        assert_eq!(names(&desk, &there), before, "{}", target.name);
    }
    desk.run("airgap-import receipt verify --state sovereign");
}

#[test]
fn content_of_distribution_2_crosses_into_every_registry() {
    crosses_from(&servers::registry2());
}

#[test]
fn content_of_distribution_3_crosses_into_every_registry() {
    crosses_from(&servers::registry3());
}

#[test]
fn content_of_a_registry_with_referrers_crosses_into_every_registry() {
    crosses_from(&servers::referrers());
}
