//! What is gone from a registry below a manifest that is still there: a load finds it and brings it again.

use axum::http::StatusCode;
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Artifact, Format, Layer, Signer};
use fixtures::registry::{Options, Registry};
use manifests::{Digest, evidence_tag};

use crate::support::{Brought, Site, small_image, text, writes};

const REPOSITORY: &str = "ghcr.io/demo/web";

fn started() -> Registry {
    Registry::start(Options { referrers: true, ..Options::default() }).unwrap()
}

fn archive_of(site: &Site, artifact: &Artifact) -> String {
    text(&site.archive(3, vec![Brought::new(&format!("{REPOSITORY}:1"), artifact)]))
}

/// An index of two platforms, and its second image.
fn two_platforms() -> (Artifact, Artifact) {
    let images = ["linux/amd64", "linux/arm64"]
        .map(|platform| (platform, image::image(platform, &[Layer::with_files(platform, 100)], Format::Oci)));
    let [_, (_, arm64)] = images.clone();
    (image::index(&images, Format::Oci), arm64)
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
    let (index, arm64) = two_platforms();
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
fn a_platform_that_a_policy_hides_is_not_sent_again() {
    let (site, registry) = (Site::new(), started());
    let (index, arm64) = two_platforms();
    let (archive, to) = (archive_of(&site, &index), site.registry(&registry.url(), "type: oci, sign: false"));
    let load = ["load", &archive, "--to", &text(&to)];
    site.succeed(&load);
    let path = format!("/manifests/{}", arm64.digest());
    registry.fault(Rule::new(&path, Fault::Status(StatusCode::PRECONDITION_FAILED)));
    registry.forget_requests();
    assert!(site.succeed(&load).contains("nothing was sent"));
    assert_eq!(writes(&registry.requests()), [""; 0]);
}

#[test]
fn what_a_registry_refuses_once_it_is_not_asked_to_take_again_and_again() {
    let (site, registry) = (Site::new(), started());
    let layers: Vec<Layer> = (0..40).map(|at| Layer::with_files(&format!("layer {at}"), 100)).collect();
    let archive = archive_of(&site, &image::image("linux/amd64", &layers, Format::Oci));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    registry.fault(Rule::new("/blobs/uploads/", Fault::Status(StatusCode::FORBIDDEN)));
    site.fail(1, &["load", &archive, "--to", &to]);
    let tried = writes(&registry.requests()).len();
    assert!(tried <= 16, "found {tried} requests for 41 blobs, four at a time");
}

#[test]
fn evidence_that_is_gone_comes_again_where_tags_list_it() {
    let site = Site::new();
    let registry = Registry::start(Options { referrers: false, ..Options::default() }).unwrap();
    let (web, app) = (small_image("base", "web"), small_image("base", "app"));
    let signer = Signer::named("mending");
    let [of_web, of_app] = [&web, &app].map(|image| image::bundle_referrer(&image.descriptor(), &signer));
    let archive = text(&site.archive(
        3,
        vec![
            Brought::new(&format!("{REPOSITORY}:1"), &web).with_referrer(&of_web, web.digest()),
            Brought::new(&format!("{REPOSITORY}:2"), &web).with_referrer(&of_web, web.digest()),
            Brought::new(&format!("{REPOSITORY}:3"), &app).with_referrer(&of_app, app.digest()),
        ],
    ));
    let to = text(&site.registry(&registry.url(), "type: oci, sign: false"));
    let load = ["load", &archive, "--to", &to];
    site.succeed(&load);
    let list = evidence_tag::fallback(web.digest());
    let listed = || registry.store().manifest(REPOSITORY, &list).unwrap().bytes;
    let before = listed();
    assert!(registry.store().remove_manifest(REPOSITORY, of_web.digest()));
    assert!(registry.store().untag(REPOSITORY, &list));
    site.succeed(&load);
    assert!(registry.store().manifest(REPOSITORY, &of_web.digest().to_string()).is_some());
    assert_eq!(listed(), before);
    assert!(site.succeed(&load).contains("nothing was sent"));
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
