//! Into a folder that others write into as well: what they left there is theirs, and so is what is wrong with it.

use std::fs;
use std::path::{Path, PathBuf};

use fixtures::image::{self, Artifact, Signer};
use manifests::Digest;
use serde_json::{Value, json};

use crate::support::{Brought, Site, small_image, text};

fn signature(by: &str) -> Artifact {
    image::legacy_signature(small_image("base", "web").digest(), "ghcr.io/demo/web", &[Signer::named(by)])
}

/// The name of the signatures of the one image.
fn tag() -> String {
    format!("ghcr.io/demo/web:{}", image::legacy_tag(small_image("base", "web").digest(), "sig"))
}

/// A site, an archive with one image that is signed under a legacy tag, and a folder that is to have other content there.
fn prepared() -> (Site, String, PathBuf) {
    let site = Site::new();
    let web = Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"));
    let archive = site.archive(3, vec![web.with_legacy("sig", &signature("a"))]);
    let to = site.path("content");
    fs::create_dir_all(to.join("oci/blobs/sha256")).unwrap();
    (site, text(&archive), to)
}

/// Lists `content` under the legacy tag, and gives the path of its blob, which is not there.
fn list(to: &Path, content: &[u8]) -> PathBuf {
    let digest = Digest::of(content);
    let entry = json!({
        "mediaType": manifests::media_type::OCI_MANIFEST, "digest": digest, "size": content.len(),
        "annotations": {"io.containerd.image.name": tag()},
    });
    let index = json!({"schemaVersion": 2, "manifests": [entry]});
    fs::write(to.join("oci/index.json"), index.to_string()).unwrap();
    to.join("oci/blobs/sha256").join(digest.hex())
}

fn receipts(site: &Site) -> usize {
    fs::read_dir(site.path("state/receipts")).map_or(0, Iterator::count)
}

#[test]
fn what_a_legacy_tag_is_merged_with_is_read_before_the_first_write() {
    let (site, archive, to) = prepared();
    let theirs = signature("b").bytes().to_vec();
    let path = list(&to, &theirs);
    let changed: Vec<u8> = theirs.iter().map(|byte| byte ^ 1).collect();
    let other = "found other content than its name says, wanted the manifest of";
    for (content, status, found) in [
        (None, 1, "found no file, wanted the manifest of"),
        (Some(&changed[..]), 3, other),
        (Some(&theirs[1..]), 3, other),
    ] {
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        let before = receipts(&site);
        for command in ["plan", "load"] {
            let said = site.fail(status, &[command, &archive, "--to", &text(&to)]);
            let wanted = format!("{}: {found} {}", path.display(), tag());
            assert!(said.contains(&wanted) && !said.contains("another copy"), "{command}: {said}");
        }
        assert_eq!(receipts(&site) > before, status == 3, "that somebody changed it is on record");
        assert!(!to.join("oci/oci-layout").exists(), "nothing was written");
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), usize::from(content.is_some()));
    }
    fs::write(&path, &theirs).unwrap();
    site.succeed(&["load", &archive, "--to", &text(&to)]);
    let index: Value = serde_json::from_slice(&fs::read(to.join("oci/index.json")).unwrap()).unwrap();
    let merged: Digest = index["manifests"][0]["digest"].as_str().unwrap().parse().unwrap();
    let merged = fs::read(to.join("oci/blobs/sha256").join(merged.hex())).unwrap();
    let merged: Value = serde_json::from_slice(&merged).unwrap();
    assert_eq!(merged["layers"].as_array().unwrap().len(), 2, "the signatures of both");
}

#[test]
fn what_cannot_be_merged_with_or_replaced_is_named_before_the_first_write() {
    let (site, archive, to) = prepared();
    let path = list(&to, b"{}");
    fs::write(&path, "{}").unwrap();
    let said = site.fail(1, &["plan", &archive, "--to", &text(&to)]);
    let wanted = format!("{}: {}: ", path.display(), tag());
    assert!(said.contains(&wanted) && said.contains("cannot merge the signatures"), "{said}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let said = site.fail(3, &["load", &archive, "--to", &text(&to)]);
    assert!(said.contains(&format!("{}: found a folder, wanted a file", path.display())), "{said}");
    assert!(!to.join("oci/oci-layout").exists(), "nothing was written");
}

#[test]
fn what_was_lost_or_changed_while_names_were_held_is_the_folders() {
    let (site, archive, to) = prepared();
    let theirs = signature("b").bytes().to_vec();
    let path = list(&to, &theirs);
    fs::write(&path, &theirs).unwrap();
    site.succeed(&["load", &archive, "--to", &text(&to), "--hold"]);
    let publish = ["publish", "1", "--to", &text(&to)];
    fs::remove_file(&path).unwrap();
    let said = site.fail(1, &publish);
    assert!(said.contains(&format!("{}: found no file", path.display())), "{said}");
    fs::write(&path, &theirs[1..]).unwrap();
    let said = site.fail(3, &publish);
    let wanted = format!("{}: found other content than its name says", path.display());
    assert!(said.contains(&wanted) && !said.contains("another copy"), "{said}");
}

#[test]
fn an_index_of_more_entries_than_an_archive_has_blobs_is_not_read_to_its_end() {
    let (site, archive, to) = prepared();
    let ones = |count: usize| format!(r#"{{"schemaVersion":2,"manifests":[{}1]}}"#, "1,".repeat(count - 1));
    let index = to.join("oci/index.json");
    fs::write(&index, ones(manifests::limits::BLOBS)).unwrap();
    site.succeed(&["plan", &archive, "--to", &text(&to)]);
    fs::write(&index, ones(manifests::limits::BLOBS + 1)).unwrap();
    let said = [
        site.fail(1, &["plan", &archive, "--to", &text(&to)]),
        site.fail(4, &["serve", &text(&to), "--listen", "127.0.0.1:0"]),
    ];
    for said in said {
        assert!(said.contains("oci: the index: found more entries, wanted at most 250000"), "{said}");
    }
}
