//! What was held is looked at before its names move.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Artifact, Format, Layer, Signer};
use fixtures::registry::{Options, Registry};
use manifests::Digest;

use crate::support::{Brought, Site, small_image, text, writes};

/// A site with an archive of one image, under a tag or by its digest alone.
fn prepared(tag: &str) -> (Site, Artifact, String) {
    let (site, web) = (Site::new(), small_image("base", "web"));
    let name = if tag.is_empty() { format!("@{}", web.digest()) } else { format!(":{tag}") };
    let archive = site.archive(3, vec![Brought::new(&format!("ghcr.io/demo/web{name}"), &web)]);
    (site, web, text(&archive))
}

fn file(to: &Path, digest: Digest) -> PathBuf {
    to.join("oci/blobs/sha256").join(digest.hex())
}

fn change(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[3] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// How it is known that the first item is there, by the last receipt.
fn confirmation(site: &Site) -> String {
    let receipt = site.last_receipt();
    receipt["items"][0]["places"][0]["confirmation"].as_str().unwrap().to_owned()
}

fn receipts(site: &Site) -> usize {
    let names = fs::read_dir(site.path("state/receipts")).unwrap().map(|entry| entry.unwrap().file_name());
    names.filter(|name| name.to_str().unwrap().ends_with(".sigstore.json")).count()
}

#[test]
fn content_that_is_gone_from_a_folder_keeps_the_names_where_they_are() {
    let (site, web, archive) = prepared("1");
    let to = site.path("content");
    let load = ["load", &archive, "--to", &text(&to), "--hold"];
    site.succeed(&load);
    assert_eq!(confirmation(&site), "readBack");
    let blob = web.blobs()[1].digest();
    fs::remove_file(file(&to, blob)).unwrap();
    let said = site.fail(1, &["publish", "1", "--to", &text(&to)]);
    let wanted = format!(
        "ghcr.io/demo/web:1: found no blob {blob} here, wanted what was loaded and held (load it again)"
    );
    assert!(said.contains(&wanted), "{said}");
    assert_eq!(said.lines().filter(|line| line.starts_with("failed:")).count(), 1, "{said}");
    assert!(!to.join("oci/index.json").exists(), "a name has moved");
    assert_eq!(receipts(&site), 1, "worth another try, so there is no receipt");
    site.succeed(&load);
    site.succeed(&["publish", "1", "--to", &text(&to)]);
    assert!(fs::read_to_string(to.join("oci/index.json")).unwrap().contains("ghcr.io/demo/web:1"));
    assert_eq!(confirmation(&site), "present", "it was compared, and not sent");
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn content_that_was_changed_in_a_folder_is_refused_with_a_receipt_that_names_all_of_it() {
    let site = Site::new();
    let layers: Vec<Layer> = (0..12).map(|at| Layer::with_files(&format!("layer {at}"), 100)).collect();
    let image = image::image("linux/amd64", &layers, Format::Oci);
    let archive = text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]));
    let to = site.path("content");
    let load = ["load", &archive, "--to", &text(&to), "--hold"];
    site.succeed(&load);
    for blob in &image.blobs()[1..] {
        change(&file(&to, blob.digest()));
    }
    let said = site.fail(3, &["publish", "1", "--to", &text(&to)]);
    let receipt = site.last_receipt();
    assert_eq!((&receipt["state"], &receipt["archive"]["name"]), (&"refused".into(), &"core".into()));
    let reasons = receipt["reasons"].as_array().unwrap();
    assert_eq!(reasons.len(), 12, "{said}");
    for (blob, reason) in image.blobs()[1..].iter().zip(reasons) {
        let changed = format!("ghcr.io/demo/web:1: found the blob {} changed here", blob.digest());
        assert!(reason.as_str().unwrap().starts_with(&changed), "{reason}");
        assert!(said.contains(&format!("refused: {changed}")), "{said}");
    }
    assert!(!to.join("oci/index.json").exists(), "a name has moved");
    let again = site.fail(3, &["publish", "1", "--to", &text(&to)]);
    assert!(again.contains("found it refused since, in the receipt 2"), "{again}");
    site.succeed(&load);
    site.succeed(&["publish", "1", "--to", &text(&to)]);
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn a_name_that_another_channel_took_meanwhile_is_refused_with_a_receipt() {
    let (site, web, archive) = prepared("1");
    let to = text(&site.path("content"));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    let edge =
        site.archive_of("edge", 4, vec![Brought::new("ghcr.io/demo/web:1", &small_image("a", "edge"))]);
    site.succeed(&["load", &text(&edge), "--to", &to]);
    let said = site.fail(3, &["publish", "1", "--to", &to]);
    assert!(said.contains("ghcr.io/demo/web:1: ") && said.contains("channel edge"), "{said}");
    let receipt = site.last_receipt();
    assert_eq!(receipt["state"], "refused");
    assert!(receipt["reasons"][0].as_str().unwrap().contains("channel edge"), "{receipt}");
    let index = fs::read_to_string(site.path("content/oci/index.json")).unwrap();
    assert!(!index.contains(&web.digest().to_string()), "{index}");
}

#[test]
fn a_target_that_fails_is_worth_another_try_and_leaves_no_receipt() {
    let (site, _, archive) = prepared("1");
    let registry = Registry::start(Options::default()).unwrap();
    let to = text(&site.registry(&registry.url(), "type: oci"));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    registry.fault(Rule::new("/v2/", Fault::Status(StatusCode::FORBIDDEN)));
    for command in [vec!["load", &archive, "--to", &to], vec!["publish", "1", "--to", &to]] {
        let said = site.fail(1, &command);
        assert!(said.contains("denied (403)"), "{said}");
        assert_eq!(receipts(&site), 1, "{command:?}");
    }
    registry.clear_faults();
    site.succeed(&["publish", "1", "--to", &to]);
}

#[test]
fn a_manifest_that_is_gone_from_a_folder_comes_again_and_the_receipt_says_so() {
    let (site, web, archive) = prepared("1");
    let to = site.path("content");
    site.succeed(&["load", &archive, "--to", &text(&to), "--hold"]);
    change(&file(&to, web.digest()));
    site.succeed(&["publish", "1", "--to", &text(&to)]);
    assert_eq!(Digest::of(&fs::read(file(&to, web.digest())).unwrap()), web.digest());
    assert_eq!(confirmation(&site), "readBack");
}

#[test]
fn evidence_that_is_gone_from_a_folder_is_missed_as_well() {
    let (site, web) = (Site::new(), small_image("base", "web"));
    let signature = image::legacy_signature(web.digest(), "ghcr.io/demo/web", &[Signer::named("a")]);
    let item = Brought::new("ghcr.io/demo/web:1", &web).with_legacy("sig", &signature);
    let archive = text(&site.archive(3, vec![item]));
    let to = site.path("content");
    site.succeed(&["load", &archive, "--to", &text(&to), "--hold"]);
    fs::remove_file(file(&to, signature.digest())).unwrap();
    site.succeed(&["publish", "1", "--to", &text(&to)]);
    assert!(file(&to, signature.digest()).exists(), "the index names it");
}

#[test]
fn content_that_gets_no_tag_and_no_signature_is_asked_for_at_a_registry() {
    let (site, web, archive) = prepared("");
    let registry = Registry::start(Options::default()).unwrap();
    let to = text(&site.registry(&registry.url(), "type: oci, sign: false"));
    let load = ["load", &archive, "--to", &to, "--hold"];
    site.succeed(&load);
    assert_eq!(confirmation(&site), "readBack");
    registry.forget_requests();
    site.succeed(&["publish", "1", "--to", &to]);
    assert_eq!(confirmation(&site), "present", "it was asked for, and not sent");
    assert_eq!(writes(&registry.requests()), [""; 0]);

    let repository = "ghcr.io/demo/web";
    assert!(registry.store().remove_manifest(repository, web.digest()));
    site.succeed(&["publish", "1", "--to", &to]);
    assert!(registry.store().manifest(repository, &web.digest().to_string()).is_some());
    assert_eq!(confirmation(&site), "readBack");

    let blob = web.blobs()[2].digest();
    assert!(registry.store().remove_manifest(repository, web.digest()));
    assert!(registry.store().remove_blob(repository, blob));
    let before = receipts(&site);
    let said = site.fail(1, &["publish", "1", "--to", &to]);
    let wanted = format!("found no blob {blob} here, wanted what was loaded and held (load it again)");
    assert!(said.contains(&wanted) && said.contains(&format!("{repository}@{}", web.digest())), "{said}");
    assert_eq!(receipts(&site), before);
}

#[test]
fn no_target_gets_a_signature_while_another_one_lacks_content() {
    let (site, web, archive) = prepared("1");
    let (first, second) =
        (Registry::start(Options::default()).unwrap(), Registry::start(Options::default()).unwrap());
    let more = format!("type: oci}}, {{name: two, url: \"{}\", type: oci", second.url());
    let to = text(&site.registry(&first.url(), &more));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    assert!(second.store().remove_manifest("ghcr.io/demo/web", web.digest()));
    assert!(second.store().remove_blob("ghcr.io/demo/web", web.blobs()[2].digest()));
    first.forget_requests();
    let said = site.fail(1, &["publish", "1", "--to", &to]);
    assert!(said.contains("load it again"), "{said}");
    assert_eq!(writes(&first.requests()), [""; 0]);
}

#[test]
fn a_blob_that_is_gone_below_its_manifest_keeps_every_name_where_it_is() {
    let (site, web, archive) = prepared("1");
    let registry = Registry::start(Options::default()).unwrap();
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let load = ["load", &archive, "--to", &to, "--hold"];
    site.succeed(&load);
    let blob = web.blobs()[2].digest();
    assert!(registry.store().remove_blob("ghcr.io/demo/web", blob));
    registry.forget_requests();
    let said = site.fail(1, &["publish", "1", "--to", &to]);
    assert!(said.contains(&format!("found no blob {blob} here")) && said.contains("load it again"), "{said}");
    assert_eq!(writes(&registry.requests()), [""; 0]);
    site.succeed(&load);
    site.succeed(&["publish", "1", "--to", &to]);
    assert!(registry.store().has_blob("ghcr.io/demo/web", blob));
}

#[test]
fn content_whose_name_is_refused_gets_no_signature_of_the_site() {
    let (site, _, archive) = prepared("1");
    let registry = Registry::start(Options::default()).unwrap();
    let to = text(&site.registry(&registry.url(), "type: oci"));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    let edge =
        site.archive_of("edge", 4, vec![Brought::new("ghcr.io/demo/web:1", &small_image("a", "edge"))]);
    site.succeed(&["load", &text(&edge), "--to", &to]);
    registry.forget_requests();
    let said = site.fail(3, &["publish", "1", "--to", &to]);
    assert!(said.contains("channel edge"), "{said}");
    assert_eq!(writes(&registry.requests()), [""; 0]);
}

#[test]
fn a_target_that_is_elsewhere_or_missing_now_gets_no_signature_of_the_site() {
    let (site, _, archive) = prepared("1");
    let (first, second) =
        (Registry::start(Options::default()).unwrap(), Registry::start(Options::default()).unwrap());
    let more = format!("type: oci}}, {{name: two, url: \"{}\", type: oci", second.url());
    let to = text(&site.registry(&first.url(), &more));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    let moved = format!("{more}, map: [{{from: ghcr.io, to: moved}}]");
    for (more, reason) in [("type: oci", "two: found no such target"), (&moved, "found it held in ")] {
        let to = text(&site.registry(&first.url(), more));
        first.forget_requests();
        let said = site.fail(2, &["publish", "1", "--to", &to]);
        assert!(said.contains(reason), "{said}");
        assert_eq!(writes(&first.requests()), [""; 0]);
    }
}
