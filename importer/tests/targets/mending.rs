//! What is gone from a registry below a manifest that is still there: a load finds it and brings it again.

use fixtures::image::{self, Artifact, Format, Layer};
use fixtures::registry::{Options, Registry};
use manifests::Digest;

use crate::support::{Brought, Site, small_image, text, writes};

const REPOSITORY: &str = "ghcr.io/demo/web";

fn started() -> Registry {
    Registry::start(Options { referrers: true, ..Options::default() }).unwrap()
}

fn archive_of(site: &Site, artifact: &Artifact) -> String {
    text(&site.archive(3, vec![Brought::new(&format!("{REPOSITORY}:1"), artifact)]))
}

/// The digests of what a load wrote, beside tags.
fn written(registry: &Registry) -> Vec<String> {
    writes(&registry.requests()).into_iter().filter(|line| line.starts_with("PUT")).collect()
}

#[test]
fn a_blob_that_is_gone_comes_again_and_nothing_else() {
    let (site, registry, web) = (Site::new(), started(), small_image("base", "web"));
    let (archive, to) = (archive_of(&site, &web), site.registry(&registry.url(), "type: oci"));
    let load = ["load", &archive, "--to", &text(&to)];
    site.succeed(&load);
    for blob in web.blobs() {
        assert!(registry.store().remove_blob(REPOSITORY, blob.digest()));
        registry.forget_requests();
        let planned = site.succeed(&["plan", &archive, "--to", &text(&to)]);
        assert!(planned.contains("1 blob, "), "{planned}");
        assert_eq!(writes(&registry.requests()), [""; 0]);
        site.succeed(&load);
        assert!(registry.store().has_blob(REPOSITORY, blob.digest()));
        assert_eq!(written(&registry).len(), 1, "{:?}", written(&registry));
    }
    registry.forget_requests();
    assert!(site.succeed(&load).contains("nothing was sent"));
    assert_eq!(writes(&registry.requests()), [""; 0]);
}

#[test]
fn a_platform_that_is_gone_comes_again() {
    let (site, registry) = (Site::new(), started());
    let of = |platform: &str| image::image(platform, &[Layer::with_files(platform, 100)], Format::Oci);
    let (amd64, arm64) = (of("linux/amd64"), of("linux/arm64"));
    let index = image::index(&[("linux/amd64", amd64), ("linux/arm64", arm64.clone())], Format::Oci);
    let (archive, to) = (archive_of(&site, &index), site.registry(&registry.url(), "type: oci"));
    let load = ["load", &archive, "--to", &text(&to)];
    site.succeed(&load);
    assert!(registry.store().remove_manifest(REPOSITORY, arm64.digest()));
    registry.forget_requests();
    site.succeed(&load);
    assert!(registry.store().manifest(REPOSITORY, &arm64.digest().to_string()).is_some());
    assert_eq!(written(&registry).len(), 1, "{:?}", written(&registry));
}

#[test]
fn what_the_site_signed_comes_again_too() {
    let (site, registry, web) = (Site::new(), started(), small_image("base", "web"));
    let (archive, to) = (archive_of(&site, &web), site.registry(&registry.url(), "type: oci"));
    let load = ["load", &archive, "--to", &text(&to)];
    site.succeed(&load);
    let own: Vec<Digest> =
        registry.store().manifests(REPOSITORY).iter().map(|stored| stored.digest).collect();
    let signature = own.into_iter().find(|digest| *digest != web.digest()).unwrap();
    let stored = registry.store().manifest(REPOSITORY, &signature.to_string()).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
    let bundle: Digest = manifest["layers"][0]["digest"].as_str().unwrap().parse().unwrap();
    assert!(registry.store().remove_blob(REPOSITORY, bundle));
    site.succeed(&load);
    assert!(registry.store().has_blob(REPOSITORY, bundle));
}
