//! oras, skopeo and crane, which take an archive for the OCI layout that it is.

use tests::servers::{self, fresh_repository};

use crate::{app, extract, listed, web, with_archive};

#[test]
fn oras_copies_out_of_the_archive() {
    let desk = with_archive();
    let target = servers::registry2_target();
    for (end, digest) in [("/app:1.4.2", app().digest()), ("/web:2", web().digest())] {
        let to = target.repository(&format!("{}:1", fresh_repository("oras")));
        let from = listed(&desk, end);
        desk.run(&format!("oras copy --from-oci-layout core.tar:{from} --to-plain-http {to}"));
        assert_eq!(desk.run(&format!("crane digest {to}")).trim(), digest.to_string(), "{end}");
    }
    let chart = listed(&desk, "/charts/agent:1.2.3");
    let below = target.repository(&fresh_repository("oras"));
    desk.run(&format!("oras copy --from-oci-layout core.tar:{chart} --to-plain-http {below}/agent:1.2.3"));
    std::fs::create_dir(desk.path("pulled")).unwrap();
    desk.run(&format!("helm pull oci://{below}/agent --version 1.2.3 --plain-http -d pulled"));
    assert!(desk.read("pulled/agent-1.2.3.tgz") == desk.read("agent-1.2.3.tgz"));
}

#[test]
fn skopeo_inspects_and_copies_out_of_the_archive() {
    let desk = with_archive();
    // Skopeo looks for OCI's media types only: an image with Docker's it does not find in any layout.
    let many = listed(&desk, "/app:1.4.2");
    let raw = desk.run(&format!("skopeo inspect --raw oci-archive:core.tar:{many}"));
    assert_eq!(raw.as_bytes(), &app().bytes()[..]);
    let shown = desk.json(&format!("skopeo inspect oci-archive:core.tar:{many}"));
    assert_eq!(shown["Architecture"], "amd64", "{shown}");
    let docker = listed(&desk, "/web:2");
    assert!(
        !desk.command(&format!("skopeo inspect oci-archive:core.tar:{docker}")).status().unwrap().success()
    );

    let target = servers::registry2_target();
    let to = |name: &str| target.repository(&format!("{}:1", fresh_repository(name)));
    let copy = "skopeo copy --quiet --preserve-digests --dest-tls-verify=false";
    let (all, one) = (to("skopeo"), to("skopeo"));
    desk.run(&format!("{copy} --all oci-archive:core.tar:{many} docker://{all}"));
    assert_eq!(desk.run(&format!("crane digest {all}")).trim(), app().digest().to_string());
    let arm64 = copy.replace("copy", "--override-arch arm64 copy");
    desk.run(&format!("{arm64} oci-archive:core.tar:{many} docker://{one}"));
    assert_eq!(desk.run(&format!("crane digest {one}")).trim(), app().children()[1].digest().to_string());
}

#[test]
fn a_folder_that_was_loaded_is_a_layout_to_each_of_them() {
    let desk = with_archive();
    desk.site("sovereign");
    desk.run("airgap-import load core.tar --state sovereign --to content");
    let layout = "content/oci";
    let index: serde_json::Value = serde_json::from_slice(&desk.read("content/oci/index.json")).unwrap();
    let names = index["manifests"].as_array().unwrap().iter();
    let names = names.filter_map(|entry| entry["annotations"]["org.opencontainers.image.ref.name"].as_str());
    let name = names.clone().find(|name| name.contains("app") && name.ends_with("1.4.2"));
    let name = name.unwrap_or_else(|| panic!("found no app in {index:#}"));
    let target = servers::registry2_target();
    let to = |tool: &str| target.repository(&format!("{}:1", fresh_repository(tool)));
    let (oras, skopeo, crane) = (to("oras-folder"), to("skopeo-folder"), to("crane-folder"));
    desk.run(&format!("oras copy --from-oci-layout-path {layout} {name} --to-plain-http {oras}"));
    let copy = "skopeo copy --quiet --preserve-digests --dest-tls-verify=false --all";
    desk.run(&format!("{copy} oci:{layout}:{name} docker://{skopeo}"));
    for copied in [oras, skopeo] {
        assert_eq!(desk.run(&format!("crane digest {copied}")).trim(), app().digest().to_string());
    }
    desk.run(&format!("crane push --index {layout} {crane}"));
    assert_eq!(desk.run(&format!("crane manifest {crane}")).as_bytes(), desk.read("content/oci/index.json"));
}

#[test]
fn crane_pushes_the_extracted_folder() {
    let desk = with_archive();
    extract(&desk);
    let to = servers::registry2_target().repository(&fresh_repository("crane"));
    // crane pushes index.json itself, with everything that it lists.
    desk.run(&format!("crane push --index extracted {to}:all"));
    let index = desk.run(&format!("crane manifest {to}:all"));
    assert_eq!(index.as_bytes(), desk.read("extracted/index.json"));
    for image in [app().children()[0].digest(), app().children()[1].digest(), web().digest()] {
        desk.run(&format!("crane validate --remote {to}@{image}"));
    }
}
