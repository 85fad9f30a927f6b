//! What upstream says about content, and what is carried of it.

use axum::http::StatusCode;
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Artifact, Blob, Format, Layer, Signer};
use fixtures::registry::{Options, Registry};
use fixtures::upstream::put_referrers;
use serde_json::Value;

use crate::project::{Project, Ran, item};

const REPOSITORY: &str = "demo/app";

fn signed(referrers: bool) -> (Registry, Artifact) {
    let registry = Registry::start(Options { referrers, ..Options::default() }).unwrap();
    let image = image::image("linux/amd64", &[Layer::with_files("app", 5_000)], Format::Oci);
    image.put(registry.store(), REPOSITORY, Some("1")).unwrap();
    (registry, image)
}

/// A referrer of `subject` that says `text`.
fn says(subject: &Artifact, text: &str) -> Artifact {
    let annotations = image::Annotations::new();
    image::referrer(&subject.descriptor(), "application/vnd.example", Blob::new(text.to_owned()), annotations)
}

fn run(registry: &Registry) -> (Project, Ran) {
    let project = Project::new(&format!("images: [{{ref: \"{}/{REPOSITORY}:1\"}}]", registry.host()));
    let ran = project.run(&["lock", "core.yaml", "--json"]);
    (project, ran)
}

fn evidence(registry: &Registry) -> Vec<Value> {
    let (project, ran) = run(registry);
    ran.succeeds();
    let name = format!("{}/{REPOSITORY}:1", registry.host());
    let evidence = item(&project.locked(), &name).get("evidence").cloned().unwrap_or(Value::Array(vec![]));
    project.build();
    project.verify("core.tar");
    evidence.as_array().unwrap().clone()
}

#[test]
fn evidence_about_evidence_is_carried_to_the_fourth_level_and_no_further() {
    let (registry, image) = signed(true);
    let mut about = image;
    for level in 1..=4 {
        let next = says(&about, &format!("level {level}"));
        put_referrers(&registry, REPOSITORY, about.digest(), std::slice::from_ref(&next)).unwrap();
        about = next;
    }
    assert_eq!(evidence(&registry).len(), 4);
    let fifth = says(&about, "level 5");
    put_referrers(&registry, REPOSITORY, about.digest(), &[fifth]).unwrap();
    let (_, ran) = run(&registry);
    ran.fails(1, &["demo/app:1", "more than 4 levels", &about.digest().to_string()]);
}

#[test]
fn evidence_under_the_older_tags_may_be_signed_too() {
    let (registry, image) = signed(true);
    let sbom = says(&image, "an SBOM");
    sbom.put(registry.store(), REPOSITORY, Some(&image::legacy_tag(image.digest(), "sbom"))).unwrap();
    let signature = image::legacy_signature(sbom.digest(), REPOSITORY, &[Signer::named("a")]);
    signature.put(registry.store(), REPOSITORY, Some(&image::legacy_tag(sbom.digest(), "sig"))).unwrap();
    let found = evidence(&registry);
    // The SBOM states its subject, so it is found as a referrer as well.
    assert_eq!(found.len(), 3, "{found:#?}");
    assert!(found.iter().any(|one| one["subject"] == sbom.digest().to_string() && one["tag"].is_string()));
}

#[test]
fn what_a_registry_kept_from_before_it_had_the_api_is_found() {
    let (registry, image) = signed(true);
    let tag = image::legacy_tag(image.digest(), "");
    let old = says(&image, "old");
    image::fallback_index(std::slice::from_ref(&old)).put(registry.store(), REPOSITORY, Some(&tag)).unwrap();
    // An API that knows nothing of what came before it: it lists what refers to something else.
    let nothing = format!("{}/v2/{REPOSITORY}/referrers/{}", registry.url(), old.digest());
    registry.fault(Rule::new(&format!("/referrers/{}", image.digest()), Fault::Redirect(nothing)));
    assert_eq!(evidence(&registry).len(), 1);
}

#[test]
fn evidence_that_is_too_large_is_left_out_and_listed() {
    let (registry, image) = signed(true);
    let blob = Blob::random(7, 32 * 1024 * 1024 + 1);
    let large =
        image::referrer(&image.descriptor(), "application/vnd.example", blob, image::Annotations::new());
    put_referrers(&registry, REPOSITORY, image.digest(), &[large.clone(), says(&image, "small")]).unwrap();
    let (project, ran) = run(&registry);
    let printed = ran.json();
    let skipped = &project.locked()["skipped"];
    assert_eq!(printed["skipped"], *skipped);
    assert!(skipped[0]["name"].as_str().unwrap().contains(&large.digest().to_string()), "{skipped}");
    assert!(skipped[0]["reason"].as_str().unwrap().contains("33554432"), "{skipped}");
    assert_eq!(printed["evidence"], 1);
}

#[test]
fn evidence_that_an_old_index_lists_and_nobody_has_is_left_out_and_listed() {
    let (registry, image) = signed(false);
    let (here, gone) = (says(&image, "here"), says(&image, "gone"));
    put_referrers(&registry, REPOSITORY, image.digest(), &[here, gone.clone()]).unwrap();
    assert!(registry.store().remove_manifest(REPOSITORY, gone.digest()));
    let (project, ran) = run(&registry);
    assert_eq!(ran.json()["evidence"], 1);
    assert!(project.locked()["skipped"][0]["reason"].as_str().unwrap().contains("absent"));
}

#[test]
fn evidence_that_is_about_something_else_is_left_out_and_listed() {
    let (registry, image) = signed(false);
    let other = image::image("linux/arm64", &[], Format::Oci);
    let about_other = says(&other, "about another image");
    put_referrers(&registry, REPOSITORY, image.digest(), &[about_other]).unwrap();
    let (project, ran) = run(&registry);
    assert_eq!(ran.json()["evidence"], 0);
    let reason = project.locked()["skipped"][0]["reason"].clone();
    assert!(reason.as_str().unwrap().contains(&other.digest().to_string()), "{reason}");
}

#[test]
fn only_a_404_means_that_there_is_no_evidence() {
    let (registry, image) = signed(true);
    for path in ["/referrers/", ".sig", ".att", ".sbom"] {
        registry.clear_faults();
        registry.fault(Rule::new(path, Fault::Status(StatusCode::FORBIDDEN)));
        let (_, ran) = run(&registry);
        ran.fails(1, &["demo/app:1", "403"]);
    }
    registry.clear_faults();
    registry.fault(Rule::new(&image::legacy_tag(image.digest(), "sig"), Fault::Html));
    let (_, ran) = run(&registry);
    ran.fails(1, &["HTML page"]);
}

#[test]
fn everything_that_cannot_be_had_of_one_item_s_evidence_is_named_at_once() {
    let (registry, image) = signed(true);
    let signers = [Signer::named("a"), Signer::named("b")];
    let signature = image::legacy_signature(image.digest(), REPOSITORY, &signers);
    signature.put(registry.store(), REPOSITORY, Some(&image::legacy_tag(image.digest(), "sig"))).unwrap();
    let [whole, gone, denied] = ["whole", "gone", "denied"].map(|text| says(&image, text));
    put_referrers(&registry, REPOSITORY, image.digest(), &[whole.clone(), gone.clone(), denied.clone()])
        .unwrap();
    let about_whole = says(&whole, "about evidence");
    put_referrers(&registry, REPOSITORY, whole.digest(), std::slice::from_ref(&about_whole)).unwrap();
    // Two blobs of one piece, one of another, a manifest, a tag, and a blob of the level above.
    let removed = [
        signature.blobs()[0].digest(),
        signature.blobs()[1].digest(),
        gone.blobs()[1].digest(),
        about_whole.blobs()[1].digest(),
    ];
    assert!(removed.iter().all(|blob| registry.store().remove_blob(REPOSITORY, *blob)));
    let forbidden = || Fault::Status(StatusCode::FORBIDDEN);
    let (manifest, tag) = (denied.digest().to_string(), image::legacy_tag(image.digest(), "att"));
    registry.fault(Rule::new(&format!("/manifests/{manifest}"), forbidden()));
    registry.fault(Rule::new(&format!("/manifests/{tag}"), forbidden()));
    let (project, ran) = run(&registry);
    let ran = ran.fails(1, &[&manifest, &tag]);
    let said = ran.stderr();
    let failures: Vec<&str> = said.lines().filter(|line| line.starts_with("failed: ")).collect();
    assert_eq!(failures.len(), 6, "{said}");
    assert!(failures.iter().all(|line| line.contains("demo/app:1")), "{said}");
    for blob in removed {
        assert!(said.contains(&format!("@{blob}: not found (404)")), "{blob}: {said}");
    }
    assert!(!project.path("core.lock.json").exists());
}

#[test]
fn a_registry_that_stops_answering_is_named_and_not_asked_for_the_rest() {
    let (registry, image) = signed(true);
    let many: Vec<_> = (0..40).map(|number| says(&image, &number.to_string())).collect();
    put_referrers(&registry, REPOSITORY, image.digest(), &many).unwrap();
    // It would wait for longer than a second try may.
    // The first blob is the image's own config.
    registry.fault(Rule::new("/blobs/", Fault::TooManyRequests(100_000)).from(2));
    let before = registry.requests().len();
    let (_, ran) = run(&registry);
    ran.fails(1, &["demo/app:1", "429"]);
    let asked = registry.requests().iter().skip(before).filter(|one| one.path.contains("/blobs/")).count();
    assert!(asked < 20, "found {asked} requests for blobs of 40 pieces");
}

#[test]
fn a_subject_with_more_than_a_thousand_referrers_is_an_error() {
    let (registry, image) = signed(false);
    let many: Vec<_> = (0..=1000).map(|number| says(&image, &number.to_string())).collect();
    put_referrers(&registry, REPOSITORY, image.digest(), &many).unwrap();
    let (_, ran) = run(&registry);
    ran.fails(1, &["demo/app:1", "1000"]);
}

#[test]
fn a_tag_of_evidence_is_no_item() {
    let (registry, image) = signed(true);
    let signature = image::legacy_signature(image.digest(), REPOSITORY, &[Signer::named("a")]);
    for kind in ["sig", "att", "sbom", ""] {
        let tag = image::legacy_tag(image.digest(), kind);
        signature.put(registry.store(), REPOSITORY, Some(&tag)).unwrap();
        let name = format!("{}/{REPOSITORY}:{tag}", registry.host());
        let listed = format!("{}/{REPOSITORY}:1\n{name}\n", registry.host());
        let project = Project::new("images: [{from: list.txt}]");
        project.write("list.txt", &listed);
        let said = [name.as_str(), &image.digest().to_string(), "found by itself"];
        project.run(&["lock", "core.yaml"]).fails(2, &said);
        // A digest beside it makes it no other name.
        project.define(&format!("images: [{{ref: \"{name}@{}\"}}]", signature.digest()));
        project.run(&["lock", "core.yaml"]).fails(2, &said);
    }
    let project = Project::new(&format!(
        "images: [{{ref: \"{}/{REPOSITORY}@{}\"}}]",
        registry.host(),
        signature.digest()
    ));
    project.lock();
}

/// It would count as the word of whoever builds, who answers for the scans that are carried.
#[test]
fn a_scan_report_of_upstream_s_own_is_left_out_and_listed() {
    let (registry, image) = signed(true);
    let kinds = [manifests::media_type::SCAN_REPORT, "application/vnd.example"];
    let reports = kinds.map(|artifact_type| {
        let report = Blob::new("{}");
        let made = image::referrer(
            &image.descriptor(),
            manifests::media_type::SCAN_REPORT,
            report,
            image::Annotations::new(),
        );
        // Whatever it calls itself, its layer is one.
        let text = String::from_utf8(made.bytes().to_vec()).unwrap();
        let artifact = format!("\"artifactType\":\"{}\"", manifests::media_type::SCAN_REPORT);
        assert!(text.contains(&artifact), "{text}");
        let text = text.replace(&artifact, &format!("\"artifactType\":\"{artifact_type}\""));
        Artifact::from_bytes(made.media_type(), text, made.blobs().to_vec(), vec![])
    });
    put_referrers(&registry, REPOSITORY, image.digest(), &reports).unwrap();
    let (project, ran) = run(&registry);
    assert_eq!(ran.json()["evidence"], 0);
    let skipped = project.locked()["skipped"].as_array().unwrap().clone();
    assert_eq!(skipped.len(), 2, "{skipped:?}");
    for one in skipped {
        assert_eq!(one["reason"], "found a scan report of somebody else");
    }
}

#[test]
fn an_image_that_is_listed_as_evidence_is_left_out_and_listed() {
    let (registry, image) = signed(true);
    let other = image::image("linux/amd64", &[Layer::with_files("other", 500)], Format::Oci);
    other.put(registry.store(), REPOSITORY, Some(&image::legacy_tag(image.digest(), "sbom"))).unwrap();
    // What calls itself an image as well, and is text.
    let signature = image::legacy_signature(image.digest(), REPOSITORY, &[Signer::named("a")]);
    signature.put(registry.store(), REPOSITORY, Some(&image::legacy_tag(image.digest(), "sig"))).unwrap();
    let (project, ran) = run(&registry);
    assert_eq!(ran.json()["evidence"], 1);
    let skipped = &project.locked()["skipped"];
    assert!(skipped[0]["name"].as_str().unwrap().contains(".sbom"), "{skipped}");
    assert_eq!(skipped[0]["reason"], "found an image that could run, which is no evidence");
}
