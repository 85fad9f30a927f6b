//! Charts: ranges in registries, packaged ones on the disk.

use std::path::Path;

use fixtures::registry::Options;
use fixtures::{chart, upstream};
use manifests::media_type;

use crate::project::{Project, item};

fn data(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/charts");
    std::fs::read(folder.join(name)).unwrap()
}

#[test]
fn a_range_takes_the_highest_version_that_fits() {
    let upstream = upstream::start(Options::default()).unwrap();
    let host = upstream.host();
    chart::artifact("agent", "1.2.0+build.3")
        .put(upstream.store(), "charts/built", Some("1.2.0_build.3"))
        .unwrap();
    for tag in ["v1.3.0", "v1.3.0_4"] {
        chart::artifact("agent", tag).put(upstream.store(), "charts/built", Some(tag)).unwrap();
    }
    for (chart, range, tag) in [
        ("agent", "^1", "1.2.0"),
        ("agent", "^1.3.0-0", "1.3.0-rc.1"),
        ("agent", "~1.0", "1.0.0"),
        ("agent", ">=1 <2 || ^2", "2.0.0"),
        ("agent", "*", "2.0.0"),
        ("built", "~1.2.0", "1.2.0_build.3"),
        ("built", "1.2.0+build.3", "1.2.0_build.3"),
        ("built", "v1.3.0", "v1.3.0"),
        ("built", "v1.3.0+4", "v1.3.0_4"),
        ("built", "*", "1.2.0_build.3"),
    ] {
        let project = Project::new(&format!(
            "charts: [{{ref: \"oci://{host}/charts/{chart}\", version: \"{range}\"}}]"
        ));
        project.lock();
        item(&project.locked(), &format!("{host}/charts/{chart}:{tag}"));
    }
}

#[test]
fn a_whole_version_needs_no_list_of_tags() {
    let upstream = upstream::start(Options::default()).unwrap();
    let spec = format!("charts: [{{ref: \"oci://{}/charts/agent\", version: 1.0.0}}]", upstream.host());
    Project::new(&spec).lock();
    assert_eq!(upstream.count("GET", "/tags/list"), 0);
}

#[test]
fn several_versions_of_one_chart_live_side_by_side() {
    let upstream = upstream::start(Options::default()).unwrap();
    let entry =
        |range: &str| format!("{{ref: \"oci://{}/charts/agent\", version: {range}}}", upstream.host());
    let project = Project::new(&format!("charts: [{}, {}]", entry("^1"), entry("^2")));
    assert_eq!(project.lock()["items"], 2);
}

#[test]
fn a_locked_chart_needs_its_registry_no_more() {
    let upstream = upstream::start(Options::default()).unwrap();
    let project =
        Project::new(&format!("charts: [{{ref: \"oci://{}/charts/agent\", version: ^1}}]", upstream.host()));
    project.lock();
    drop(upstream);
    assert_eq!(project.build()["fetchedBytes"], 0);
    project.verify("core.tar");
}

#[test]
fn what_is_no_chart_or_in_no_range_is_said() {
    let upstream = upstream::start(Options::default()).unwrap();
    let host = upstream.host();
    for (entry, status, said) in [
        (
            format!("{{ref: \"oci://{host}/charts/agent\", version: ^3}}"),
            1,
            "found no version in the range, tags in all: 4",
        ),
        (
            format!("{{ref: \"oci://{host}/charts/agent\", version: ^3, optional: true}}"),
            1,
            "tags in all: 4 (correct the range)",
        ),
        (format!("{{ref: \"oci://{host}/charts/agent\", version: v1.0.0}}"), 1, "charts/agent:v1.0.0"),
        (format!("{{ref: \"oci://{host}/charts/gone\", version: ^1}}"), 1, "found nothing of that name"),
        (
            format!("{{ref: \"oci://{host}/charts/agent\", version: \"latest\"}}"),
            2,
            "version range \"latest\"",
        ),
        (format!("{{ref: \"oci://{host}/charts/agent\", version: 9.9.9}}"), 1, "charts/agent:9.9.9"),
    ] {
        let project = Project::new(&format!("charts: [{entry}]"));
        project.run(&["lock", "core.yaml"]).fails(status, &[said]);
    }
    chart::artifact("agent", "v1.9.0").put(upstream.store(), "charts/agent", Some("v1.9.0")).unwrap();
    let project = Project::new(&format!("charts: [{{ref: \"oci://{host}/charts/agent\", version: ~1.9}}]"));
    project.run(&["lock", "core.yaml"]).fails(1, &["tags in all: 5", "(1 of the tags)"]);
    let web = upstream.store().manifest("demo/web", "2.0.1").unwrap();
    upstream.store().put_manifest("charts/agent", &web.media_type, web.bytes.clone());
    upstream.store().tag("charts/agent", "1.9.0", web.digest);
    let project = Project::new(&format!("charts: [{{ref: \"oci://{host}/charts/agent\", version: ^1}}]"));
    project.run(&["lock", "core.yaml"]).fails(2, &["charts/agent:1.9.0", "wanted a Helm chart"]);
}

#[test]
fn packaged_charts_are_carried_with_their_provenance_and_without_a_network() {
    let project = Project::new(
        "charts: [{path: signtest-0.1.0.tgz}, {path: charts/frobnitz.tgz, as: registry.example/vendor/frob}, \
         {path: pre-release-chart-0.1.0-alpha.tgz, group: bootstrap}]",
    );
    std::fs::create_dir(project.path("charts")).unwrap();
    project.write("charts/frobnitz.tgz", data("frobnitz-1.2.3.tgz"));
    for name in ["signtest-0.1.0.tgz", "signtest-0.1.0.tgz.prov", "pre-release-chart-0.1.0-alpha.tgz"] {
        project.write(name, data(name));
    }
    assert_eq!(project.lock()["hosts"], serde_json::json!([]));
    let lock = project.locked();
    assert!(lock["inputs"]["signtest-0.1.0.tgz.prov"].is_string());
    item(&lock, "registry.example/vendor/frob:1.2.3");
    item(&lock, "charts.local/pre-release-chart:0.1.0-alpha");
    let signed = item(&lock, "charts.local/signtest:0.1.0");
    let digest = signed["published"]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap();
    let manifest = String::from_utf8(project.read(&format!("core.lock.d/sha256/{digest}"))).unwrap();
    assert!(manifest.contains(media_type::HELM_PROVENANCE), "{manifest}");
    let first = project.build()["identity"].clone();
    project.verify("core.tar");
    project.run(&["policy", "init", "--from", "core.lock.json"]);
    let drafted = String::from_utf8(project.read("core.policy.yaml")).unwrap();
    assert!(drafted.contains(": key id 843BBF981FC18762. Get the key"), "{drafted}");

    let shown = project.run(&["inspect", "core.tar", "--key", "build-1.pub"]).succeeds().stdout();
    let digest = signed["published"]["digest"].as_str().unwrap();
    assert!(shown.contains(&format!("{digest}, 0 evidence and its provenance file\n")), "{shown}");
    assert_eq!(shown.matches("provenance file").count(), 1, "the others have none: {shown}");
    project.write("lax.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {}\n");
    project.run(&["report", "core.tar", "--policy", "lax.yaml", "-o", "core.html"]).succeeds();
    let page = String::from_utf8(project.read("core.html")).unwrap();
    assert_eq!(page.matches("0 evidence manifests and its provenance file.").count(), 1);
    // Nothing in it is to be scanned, and there is no trivy here.
    project.write("scan.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {vulnerabilities: {}}\n");
    let said = project.run(&["lock", "core.yaml", "--policy", "scan.yaml"]).succeeds().stdout();
    assert!(said.contains("3 items, 0 pieces of evidence and 1 provenance file; "), "{said}");

    project.write("signtest-0.1.0.tgz.prov", "changed");
    let ran = project.run(&["build", "core.yaml", "--key", "build-1.key", "-o", "other.tar"]);
    ran.fails(2, &["signtest-0.1.0.tgz.prov", "changed since the lock"]);
    std::fs::remove_file(project.path("signtest-0.1.0.tgz.prov")).unwrap();
    project.lock();
    let ran = project.run(&["build", "core.yaml", "--key", "build-1.key", "-o", "other.tar", "--json"]);
    assert_ne!(ran.json()["identity"], first);
}

#[test]
fn every_packaged_chart_that_is_none_is_named() {
    let project = Project::new("charts: [{path: a.tgz}, {path: b.tgz}, {path: gone.tgz}]");
    project.write("a.tgz", "<html>");
    project.write("b.tgz", fixtures::image::gzip(b"no tar"));
    let ran = project.run(&["lock", "core.yaml"]);
    ran.fails(2, &["a.tgz: found no gzip'd tar archive", "b.tgz: ", "gone.tgz: "]);
}
