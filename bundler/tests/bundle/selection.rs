//! Platforms, indexes, lists and references by digest.

use fixtures::image::{self, Artifact, Format, Layer};
use fixtures::registry::{Options, Registry};
use manifests::media_type;
use serde_json::json;

use crate::project::{Project, item};

const THREE: [&str; 3] = ["linux/amd64", "linux/arm64", "linux/s390x"];

fn one(platform: &str, name: &str, format: Format) -> Artifact {
    image::image(platform, &[Layer::with_files(&format!("{name}-{platform}"), 5_000)], format)
}

fn three(format: Format) -> Vec<(&'static str, Artifact)> {
    THREE.iter().map(|platform| (*platform, one(platform, "app", format))).collect()
}

fn registry(artifact: &Artifact) -> Registry {
    let registry = Registry::start(Options::default()).unwrap();
    artifact.put(registry.store(), "demo/app", Some("1")).unwrap();
    registry
}

#[test]
fn several_platforms_make_a_new_index_and_carry_the_old_one_as_proof() {
    let index = image::index_with_attestations(&three(Format::Oci));
    let registry = registry(&index);
    let name = format!("{}/demo/app:1", registry.host());
    let arm64 = index.children()[1].descriptor();
    let about = image::bundle_referrer(&arm64, &image::Signer::named("a"));
    fixtures::upstream::put_referrers(&registry, "demo/app", arm64.digest, &[about]).unwrap();

    let project =
        Project::new(&format!("platforms: [linux/arm64, linux/amd64], images: [{{ref: \"{name}\"}}]"));
    project.lock();
    let lock = project.locked();
    let locked = item(&lock, &name);
    assert_eq!(locked["source"]["digest"], index.digest().to_string());
    assert_ne!(locked["published"]["digest"], locked["source"]["digest"]);
    assert_eq!(locked["platforms"], json!(["linux/arm64", "linux/amd64"]));
    assert_eq!(locked["evidence"][0]["subject"], arm64.digest.to_string());
    // One layer and one attestation of each platform.
    assert_eq!(lock["content"].as_array().unwrap().len(), 4);
    project.build();
    project.verify("core.tar");
}

#[test]
fn one_platform_is_its_manifest_whatever_the_media_types() {
    for format in [Format::Oci, Format::Docker] {
        let images = three(format);
        let registry = registry(&image::index(&images, format));
        let name = format!("{}/demo/app:1", registry.host());
        let project = Project::new(&format!("platforms: [linux/s390x], images: [{{ref: \"{name}\"}}]"));
        project.lock();
        let lock = project.locked();
        assert_eq!(item(&lock, &name)["published"]["digest"], images[2].1.digest().to_string());
        project.build();
        project.verify("core.tar");
    }
}

#[test]
fn without_platforms_everything_is_carried_of_nested_indexes_too() {
    let inner = image::index(&three(Format::Oci), Format::Oci);
    let outer = Artifact::index(media_type::OCI_INDEX, vec![inner.descriptor().into()], vec![inner]);
    let registry = registry(&outer);
    let project = Project::new(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
    project.lock();
    assert_eq!(project.locked()["content"].as_array().unwrap().len(), 3);
    project.build();
    project.verify("core.tar");
}

#[test]
fn an_index_without_platforms_is_carried_whole_and_that_is_said() {
    let parts = ["a", "b"].map(|name| {
        let layer = image::Blob::new(name);
        image::artifact("application/vnd.example", &[("application/octet-stream", "x", layer)])
    });
    let entries = parts.iter().map(|part| part.descriptor().into()).collect();
    let registry = registry(&Artifact::index(media_type::OCI_INDEX, entries, parts.to_vec()));
    let name = format!("{}/demo/app:1", registry.host());
    let project = Project::new(&format!("platforms: [linux/amd64], images: [{{ref: \"{name}\"}}]"));
    let said = project.run(&["lock", "core.yaml"]).succeeds().stderr();
    assert!(said.contains("names no platforms"), "{said}");
    assert_eq!(item(&project.locked(), &name)["kind"], "artifact");
}

#[test]
fn a_digest_of_an_index_carries_every_platform_with_a_notice_or_is_an_error() {
    let index = image::index(&three(Format::Oci), Format::Oci);
    let registry = registry(&index);
    let repository = format!("{}/demo/app", registry.host());
    let by_digest = format!("{repository}@{}", index.digest());
    let project = Project::new(&format!("platforms: [linux/amd64], images: [{{ref: \"{by_digest}\"}}]"));
    let said = project.run(&["lock", "core.yaml"]).succeeds().stderr();
    assert!(said.contains("every platform of it is carried") && said.contains("gets no tag"), "{said}");
    let lock = project.locked();
    let locked = item(&lock, &by_digest);
    assert_eq!(locked["source"], locked["published"]);
    project.build();

    let with_tag = format!("{repository}:stable@{}", index.digest());
    project.define(&format!("images: [{{ref: \"{with_tag}\", platforms: [linux/amd64]}}]"));
    project.run(&["lock", "core.yaml"]).fails(2, &[&format!("{repository}:stable"), "platforms of its own"]);
    project.define(&format!("images: [{{ref: \"{with_tag}\"}}]"));
    project.lock();
    // The digest says what, the tag under which name; upstream need not have that tag at all.
    item(&project.locked(), &format!("{repository}:stable"));
}

#[test]
fn a_platform_that_is_not_there_is_named_with_those_that_are() {
    let registry = registry(&image::index(&three(Format::Oci), Format::Oci));
    let spec = |options: &str| format!("images: [{{ref: \"{}/demo/app:1\"{options}}}]", registry.host());
    let project = Project::new(&spec(", platforms: [linux/amd64, linux/riscv64]"));
    let ran = project.run(&["lock", "core.yaml"]);
    ran.fails(2, &["demo/app:1", "linux/riscv64", "linux/amd64, linux/arm64, linux/s390x"]);

    let single = one("linux/amd64", "single", Format::Docker);
    single.put(registry.store(), "demo/app", Some("1")).unwrap();
    project.run(&["lock", "core.yaml"]).succeeds();
    project.define(&spec(", platforms: [linux/arm64]"));
    project.run(&["lock", "core.yaml"]).fails(2, &["linux/amd64", "wanted linux/arm64"]);
    project.define(&format!("platforms: [linux/arm64], {}", spec("")));
    let said = project.run(&["lock", "core.yaml"]).succeeds().stderr();
    assert!(said.contains("for linux/amd64 only"), "{said}");
}

#[test]
fn the_platform_of_a_config_is_read_whatever_its_labels_are() {
    let labels = r#"{"Labels":{"Maintainer":"a","maintainer":"b"}}"#;
    for (config, wanted) in [
        (
            format!(r#"{{"architecture":"amd64","config":{labels},"os":"linux"}}"#),
            "found an image for linux/amd64, wanted linux/arm64",
        ),
        (
            r#"{"Architecture":"amd64","architecture":"arm64","os":"linux"}"#.to_owned(),
            "found the key \"Architecture\"",
        ),
        ("no JSON".to_owned(), "found a config that cannot be read"),
    ] {
        let config = image::Blob::new(config);
        let fields = image::ManifestFields::oci(config.descriptor(media_type::OCI_CONFIG), vec![]);
        let registry = registry(&Artifact::manifest(media_type::OCI_MANIFEST, &fields, vec![config]));
        let item = format!("{{ref: \"{}/demo/app:1\", platforms: [linux/arm64]}}", registry.host());
        Project::new(&format!("images: [{item}]"))
            .run(&["lock", "core.yaml"])
            .fails(2, &["demo/app:1", wanted]);
    }
}

#[test]
fn content_by_sha512_is_refused_when_it_is_locked() {
    let config = image::Blob::new("{}");
    let sha512 = "0".repeat(128);
    let text = format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"{}","digest":"{}","size":2}},"layers":[{{"mediaType":"x/y","digest":"sha512:{sha512}","size":1}}]}}"#,
        media_type::OCI_CONFIG,
        config.digest()
    );
    let registry = registry(&Artifact::from_bytes(media_type::OCI_MANIFEST, text, vec![config], vec![]));
    let project = Project::new(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
    project.run(&["lock", "core.yaml"]).fails(1, &["demo/app:1", "only sha256 content can be carried"]);
}

#[test]
fn a_list_gives_one_item_a_reference() {
    let registry = registry(&one("linux/amd64", "app", Format::Oci));
    one("linux/amd64", "tool", Format::Oci).put(registry.store(), "demo/tool", Some("2")).unwrap();
    let host = registry.host();
    let spec = format!(
        "images: [{{from: list.txt, group: bootstrap}}, {{ref: \"{host}/demo/app:1\", group: bootstrap}}]"
    );
    let project = Project::new(&spec);
    project.write(
        "list.txt",
        format!("# ours\n{host}/demo/app:1\n\n{host}/demo/tool:2 # new\n{host}/demo/app:1\n"),
    );
    assert_eq!(project.lock()["items"], 2);
    let lock = project.locked();
    assert_eq!(item(&lock, &format!("{host}/demo/tool:2"))["group"], "bootstrap");
    assert!(lock["inputs"]["list.txt"].is_string());

    project.define(&spec.replace("group: bootstrap}]", "group: other}]"));
    project.run(&["lock", "core.yaml"]).fails(2, &["demo/app:1", "different groups"]);
    project.write("list.txt", "UPPER/case:1\nhttps://registry.example/a\n");
    project.run(&["lock", "core.yaml"]).fails(2, &["line 1", "line 2"]);
    project.run(&["lock", "core.yaml", "--json"]).fails(2, &["list.txt"]);
}

#[test]
fn every_failure_is_reported_at_once() {
    let registry = registry(&one("linux/amd64", "app", Format::Oci));
    let host = registry.host();
    // One that is found, but whose config is not there.
    let torn = one("linux/arm64", "torn", Format::Oci);
    torn.put(registry.store(), "demo/torn", Some("1")).unwrap();
    assert!(registry.store().remove_blob("demo/torn", torn.blobs()[0].digest()));
    let project = Project::new(&format!(
        "images: [{{from: gone.txt}}, {{ref: \"{host}/demo/app:2\"}}, {{ref: \"{host}/demo/torn:1\"}}, \
         {{ref: \"{host}/demo/app:1\"}}, {{ref: \"{host}/gone:1\"}}], \
         charts: [{{path: gone.tgz}}, {{ref: \"oci://{host}/demo/app\", version: ^1}}]"
    ));
    let ran = project.run(&["lock", "core.yaml"]);
    let said =
        ["gone.txt", "gone.tgz", "demo/app:2", "gone:1", "demo/app ^1", "tags in all: 1", "optional: true"];
    ran.fails(2, &said).fails(2, &["demo/torn:1"]);
    assert!(!project.path("core.lock.json").exists());
}
