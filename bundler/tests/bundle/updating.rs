//! A second lock: what it changes, what it leaves alone, what it cleans up.

use fixtures::image::{self, Format, Layer};
use fixtures::registry::{Options, Registry};
use serde_json::{Value, json};

use crate::project::{Project, item};

/// A registry with two images of one layer each, and a definition of them.
struct Upstream {
    registry: Registry,
    project: Project,
}

impl Upstream {
    fn new() -> Self {
        let registry = Registry::start(Options::default()).unwrap();
        let host = registry.host();
        let project = Project::new(&format!("images: [{{ref: \"{host}/a:1\"}}, {{ref: \"{host}/b:1\"}}]"));
        let upstream = Self { registry, project };
        for name in ["a", "b"] {
            upstream.release(name, "one");
        }
        upstream
    }

    /// Moves the tag of an image to new content.
    fn release(&self, repository: &str, content: &str) {
        let layer = Layer::with_files(&format!("{repository}-{content}"), 3_000);
        let image = image::image("linux/amd64", &[layer], Format::Oci);
        image.put(self.registry.store(), repository, Some("1")).unwrap();
    }

    fn name(&self, repository: &str) -> String {
        format!("{}/{repository}:1", self.registry.host())
    }

    fn digest(&self, repository: &str) -> Value {
        item(&self.project.locked(), &self.name(repository))["source"]["digest"].clone()
    }
}

#[test]
fn a_second_lock_shows_what_moved_and_forgets_what_is_not_needed() {
    let upstream = Upstream::new();
    let first = upstream.project.lock();
    assert_eq!(first["changes"]["items"].as_array().unwrap().len(), 2);
    let old = upstream.digest("a");
    upstream.release("a", "two");
    let host = upstream.registry.host();
    upstream.project.define(&format!("images: [{{ref: \"{host}/a:1\"}}]"));
    let second = upstream.project.lock();
    assert!(second["serial"].as_u64() > first["serial"].as_u64());
    assert_eq!(
        second["changes"]["items"],
        json!([
            {"change": "moved", "name": upstream.name("a"), "from": old, "to": upstream.digest("a"), "size": second["changes"]["newBytes"]},
            {"change": "removed", "name": upstream.name("b"), "digest": first["changes"]["items"][1]["digest"]},
        ])
    );
    let files = std::fs::read_dir(upstream.project.path("core.lock.d/sha256")).unwrap().count();
    assert_eq!(files, 2, "the manifest and the config of what is left");
    let shown = upstream.project.run(&["lock", "core.yaml"]).succeeds().stdout();
    assert!(shown.contains("1 unchanged; 0 B that the lock before did not have"), "{shown}");
}

#[test]
fn an_update_pins_one_entry_and_keeps_the_others() {
    let upstream = Upstream::new();
    upstream.project.lock();
    let (a, b) = (upstream.digest("a"), upstream.digest("b"));
    for name in ["a", "b"] {
        upstream.release(name, "two");
    }
    upstream.registry.forget_requests();
    let repository = format!("{}/a", upstream.registry.host());
    let updated = upstream.project.run(&["lock", "core.yaml", "--json", "--update", &repository]).json();
    assert_eq!(updated["changes"]["unchanged"], 1);
    assert_ne!(upstream.digest("a"), a);
    assert_eq!(upstream.digest("b"), b);
    assert_eq!(upstream.registry.count("GET", "/v2/b/"), 0, "nobody asks about what is kept");
    upstream.project.build();
    upstream.project.verify("core.tar");

    let unknown = upstream.project.run(&["lock", "core.yaml", "--update", "ghcr.io/c", "--update", "d"]);
    unknown.fails(2, &["\"ghcr.io/c\"", "\"d\""]);
}

#[test]
fn an_update_still_says_what_was_left_out_of_what_it_keeps() {
    let upstream = Upstream::new();
    let store = upstream.registry.store();
    let about = store.manifest("b", "1").unwrap();
    let gone = image::legacy_signature(about.digest, "b", &[]);
    let tag = image::legacy_tag(about.digest, "");
    image::fallback_index(std::slice::from_ref(&gone)).put(store, "b", Some(&tag)).unwrap();
    assert!(store.remove_manifest("b", gone.digest()));
    upstream.project.lock();
    let left_out = upstream.project.locked()["skipped"].clone();
    assert_eq!(left_out.as_array().unwrap().len(), 1);
    upstream.project.run(&["lock", "core.yaml", "--update", &upstream.name("a")]).succeeds();
    assert_eq!(upstream.project.locked()["skipped"], left_out);
}

#[test]
fn an_update_pins_what_is_new_in_the_definition_as_well() {
    let upstream = Upstream::new();
    upstream.project.lock();
    let b = upstream.digest("b");
    for name in ["b", "c"] {
        upstream.release(name, "two");
    }
    let names = ["a", "b", "c"].map(|name| format!("{{ref: \"{}\"}}", upstream.name(name)));
    upstream.project.define(&format!("images: [{}]", names.join(", ")));
    upstream.project.run(&["lock", "core.yaml", "--update", &upstream.name("c")]).succeeds();
    assert_eq!(upstream.digest("b"), b);
    upstream.digest("c");
}

#[test]
fn an_update_keeps_each_version_of_a_chart_for_the_range_that_took_it() {
    let upstream = fixtures::upstream::start(Options::default()).unwrap();
    let host = upstream.host();
    let chart = |range: &str| format!("{{ref: \"oci://{host}/charts/agent\", version: \"{range}\"}}");
    // 1.0.0 and 1.2.0, where the first range holds both and the second one only.
    let project = Project::new(&format!(
        "images: [{{ref: \"{host}/demo/web:2.0.1\"}}], charts: [{}, {}]",
        chart("^1"),
        chart("~1.0")
    ));
    let web = format!("{host}/demo/web");
    project.lock();
    let charts = |project: &Project| {
        let lock = project.locked();
        let mut names: Vec<String> = lock["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["item"]["name"].as_str().unwrap().into())
            .collect();
        names.retain(|name| name.contains("/charts/"));
        names
    };
    let wanted = ["1.0.0", "1.2.0"].map(|version| format!("{host}/charts/agent:{version}"));
    assert_eq!(charts(&project), wanted);
    project.run(&["lock", "core.yaml", "--update", &web]).succeeds();
    assert_eq!(charts(&project), wanted);
}

#[test]
fn an_update_needs_a_lock_and_the_same_platforms() {
    let upstream = Upstream::new();
    let host = upstream.registry.host();
    let command = ["lock", "core.yaml", "--update", &format!("{host}/a")];
    upstream.project.run(&command).fails(2, &["found no lock to update"]);
    let images =
        ["linux/amd64", "linux/arm64"].map(|platform| (platform, image::image(platform, &[], Format::Oci)));
    image::index(&images, Format::Oci).put(upstream.registry.store(), "b", Some("1")).unwrap();
    upstream.project.lock();
    upstream.project.define(&format!(
        "platforms: [linux/amd64], images: [{{ref: \"{host}/a:1\"}}, {{ref: \"{host}/b:1\"}}]"
    ));
    upstream.project.run(&command).fails(2, &[&upstream.name("b"), "other platforms", "without --update"]);
}

#[test]
fn a_clock_that_went_back_issues_no_serial() {
    let upstream = Upstream::new();
    upstream.project.lock();
    let mut lock = upstream.project.locked();
    lock["created"] = json!("2999-01-01T00:00:00Z");
    upstream.project.write("core.lock.json", lock.to_string());
    upstream.project.run(&["lock", "core.yaml"]).fails(1, &["2999-01-01T00:00:00Z", "clock"]);
}

#[test]
fn a_lock_that_is_damaged_is_made_anew() {
    let upstream = Upstream::new();
    upstream.project.write("core.lock.json", "{}");
    let said = upstream.project.run(&["lock", "core.yaml"]).succeeds().stderr();
    assert!(said.contains("notice: core.lock.json"), "{said}");
}
