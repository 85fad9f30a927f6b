//! What registries and the ways to them do wrong.

use axum::http::{Method, StatusCode};
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Artifact, Blob, Format, Layer};
use fixtures::registry::{Options, Registry};

use crate::project::{BUILD, Project, first_byte};

/// Larger than what a connection takes before it is cut.
const SIZE: u64 = 3_000_000;

struct Upstream {
    registry: Registry,
    image: Artifact,
    project: Project,
}

impl Upstream {
    fn new() -> Self {
        let registry = Registry::start(Options::default()).unwrap();
        let layers = [Layer::raw(1, SIZE), Layer::with_files("small", 5_000)];
        let image = image::image("linux/amd64", &layers, Format::Oci);
        image.put(registry.store(), "demo/app", Some("1")).unwrap();
        let project = Project::new(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
        Self { registry, image, project }
    }

    fn locked() -> Self {
        let upstream = Self::new();
        upstream.project.lock();
        upstream.registry.forget_requests();
        upstream
    }

    fn layer(&self) -> &Blob {
        &self.image.blobs()[1]
    }

    fn fault(&self, path: &str, fault: Fault, times: u64) {
        self.registry.fault(Rule::new(path, fault).on(Method::GET).times(times));
    }

    fn requests_of_the_layer(&self) -> usize {
        self.registry.count("GET", &self.layer().digest().to_string())
    }
}

#[test]
fn a_registry_that_is_busy_is_asked_again() {
    let upstream = Upstream::new();
    upstream.fault("/manifests/1", Fault::TooManyRequests(1), 1);
    upstream.fault("/blobs/", Fault::Status(StatusCode::SERVICE_UNAVAILABLE), 1);
    upstream.fault("/referrers/", Fault::Cut(0), 1);
    upstream.project.lock();
    upstream.registry.clear_faults();
    upstream.fault("/blobs/", Fault::Status(StatusCode::BAD_GATEWAY), 2);
    upstream.project.build();
    upstream.project.verify("core.tar");
}

#[test]
fn a_cut_download_goes_on_where_it_was_cut() {
    let upstream = Upstream::locked();
    let digest = upstream.layer().digest().to_string();
    upstream.fault(&digest, Fault::Cut(1_000_000), 1);
    let built = upstream.project.build();
    upstream.project.verify("core.tar");
    let requests = upstream.registry.requests();
    let mut ranges = requests
        .iter()
        .filter(|request| request.path.contains(&digest))
        .map(|request| request.header("range"));
    assert_eq!(ranges.next(), Some(None));
    let from = first_byte(ranges.next().unwrap().unwrap());
    assert!((1..SIZE).contains(&from), "{from}");
    assert_eq!(built["fetchedBytes"], SIZE + upstream.image.blobs()[2].size(), "no byte came twice");
}

#[test]
fn a_wrong_digest_is_tried_once_more_and_then_named() {
    let upstream = Upstream::locked();
    let digest = upstream.layer().digest().to_string();
    upstream.fault(&digest, Fault::ChangedByte(2_500_000), 1);
    upstream.project.build();
    upstream.project.verify("core.tar");
    assert_eq!(upstream.requests_of_the_layer(), 2);

    let upstream = Upstream::locked();
    upstream.fault(&digest, Fault::ChangedByte(0), u64::MAX);
    let place = format!("{}/demo/app@{digest}", upstream.registry.host());
    let ran = upstream.project.run(&BUILD);
    ran.fails(1, &["demo/app:1", &place, "found content with the digest sha256:"]).in_one_line();
    assert_eq!(upstream.requests_of_the_layer(), 2);
    assert!(!upstream.project.path("core.tar").exists());
    // What was right is kept for the next run.
    upstream.registry.clear_faults();
    assert_eq!(upstream.project.build()["fetchedBytes"], SIZE);
    upstream.project.verify("core.tar");
}

#[test]
fn every_blob_that_is_wrong_is_named() {
    let upstream = Upstream::locked();
    let small = upstream.image.blobs()[2].digest().to_string();
    let large = upstream.layer().digest().to_string();
    upstream.fault(&large, Fault::ChangedByte(0), u64::MAX);
    assert!(upstream.registry.store().remove_blob("demo/app", upstream.image.blobs()[2].digest()));
    upstream.project.run(&BUILD).fails(1, &[&small, "404", &large, "found content with the digest"]);
}

#[test]
fn answers_that_are_no_content_are_errors() {
    for (fault, said) in [
        (Fault::Html, "found content of"),
        (Fault::Shorter(1), "wanted 3000000"),
        (Fault::Longer(1), "wanted 3000000"),
        (Fault::Endless, "wanted 3000000"),
        (Fault::Redirect("http://192.0.2.1/x".into()), "redirect"),
        (Fault::Redirect("https://10.0.0.1/x".into()), "redirect"),
        (Fault::Redirect("https://169.254.169.254/latest/meta-data".into()), "redirect"),
        (Fault::Redirect("https://[fd00::1]/x".into()), "redirect"),
        (Fault::Redirect("ftp://127.0.0.1/x".into()), "redirect"),
        (Fault::Status(StatusCode::FORBIDDEN), "403"),
    ] {
        let upstream = Upstream::locked();
        upstream.fault(&upstream.layer().digest().to_string(), fault, u64::MAX);
        upstream.project.run(&BUILD).fails(1, &["demo/app:1", said]).in_one_line();
        assert!(!upstream.project.path("core.tar").exists());
    }
}

#[test]
fn manifests_that_are_not_what_they_are_offered_as_are_refused() {
    for (fault, said) in [
        (Fault::Html, "HTML page"),
        (Fault::ChangedByte(5), "digest"),
        (Fault::Endless, "4194304"),
        (Fault::Header("content-type", manifests::media_type::OCI_INDEX.into()), "media type"),
        (Fault::Header("content-type", "application/json".into()), "media type"),
    ] {
        let upstream = Upstream::new();
        upstream.fault("/manifests/1", fault, u64::MAX);
        upstream.project.run(&["lock", "core.yaml"]).fails(1, &["demo/app:1", said]).in_one_line();
        assert!(!upstream.project.path("core.lock.json").exists());
    }
}

#[test]
fn text_of_a_stranger_cannot_steer_the_terminal() {
    let upstream = Upstream::new();
    upstream.fault("/manifests/1", Fault::Header("content-type", "text/\u{1b}[2J".into()), u64::MAX);
    let media_type = "application/\u{1b}[31mred";
    let text = format!(r#"{{"schemaVersion":2,"mediaType":"{}"}}"#, media_type.replace('\u{1b}', "\\u001b"));
    let odd = Artifact::from_bytes(manifests::media_type::OCI_MANIFEST, text, vec![], vec![]);
    odd.put(upstream.registry.store(), "demo/app", Some("1")).unwrap();
    upstream.registry.clear_faults();
    let ran = upstream.project.run(&["lock", "core.yaml"]).fails(1, &["demo/app:1"]);
    assert!(!ran.stderr().contains('\u{1b}'), "{:?}", ran.stderr());
}
