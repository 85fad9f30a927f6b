//! Into a folder that somebody prepared: what is in it leads elsewhere, or keeps whoever opens it waiting.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Brought, Site, small_image, text};

/// A site, an archive with one image, and a folder that it is not about with a file in it.
fn prepared() -> (Site, String, PathBuf) {
    let site = Site::new();
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]);
    let elsewhere = site.path("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("precious"), "text").unwrap();
    (site, text(&archive), elsewhere)
}

fn assert_untouched(elsewhere: &Path, why: &str) {
    let names: Vec<_> = fs::read_dir(elsewhere).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["precious"], "{why}");
    assert_eq!(fs::read_to_string(elsewhere.join("precious")).unwrap(), "text", "{why}");
}

fn blob(to: &Path, at: usize) -> PathBuf {
    let image = small_image("base", "web");
    to.join("oci/blobs/sha256").join(image.blobs()[at].digest().hex())
}

/// Puts a FIFO in the place of a file.
fn make_pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

/// Puts a socket in the place of a file.
fn make_socket(path: &Path) {
    let _ = fs::remove_file(path);
    UnixListener::bind(path).unwrap();
}

/// Puts a device in the place of a file, where this may be done: one that is read without an end, and swallows what is
/// written.
fn make_device(path: &Path) {
    let _ = fs::remove_file(path);
    if !Command::new("mknod").arg(path).args(["c", "1", "5"]).output().unwrap().status.success() {
        make_pipe(path);
    }
}

/// What is no file, each with how it is called.
const KINDS: [fn(&Path); 3] = [make_pipe, make_socket, make_device];

/// Loads, and gives the status and what was said. A load that would wait for ever is ended.
fn load_in_time(site: &Site, archive: &str, to: &Path) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_airgap-import"), "load", archive, "--to"]).arg(to);
    let output = command.env("AIRGAP_STATE", site.path("state")).output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_link_in_the_folder_is_refused_and_what_it_leads_to_stays_as_it_is() {
    let (site, archive, elsewhere) = prepared();
    let file = elsewhere.join("precious");
    for (at, (link, target)) in [
        ("oci", &elsewhere),
        ("oci/.partial", &elsewhere),
        ("oci/blobs", &elsewhere),
        ("oci/blobs/sha256", &elsewhere),
        ("oci/.partial.lock", &file),
        ("oci/.index.json.lock", &file),
        ("oci/index.json", &file),
        ("oci/oci-layout", &file),
        ("oci/.partial.lock", &elsewhere.join("new")),
        ("oci/.index.json.lock", &elsewhere.join("new")),
    ]
    .into_iter()
    .enumerate()
    {
        let to = site.path(&format!("content-{at}"));
        let link = to.join(link);
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, &link).unwrap();
        for command in ["plan", "load"] {
            let said = site.fail(3, &[command, &archive, "--to", &text(&to)]);
            let wanted = format!("{}: found a link, wanted a", link.display());
            assert!(said.contains(&wanted), "{command}: {said}");
            assert_untouched(&elsewhere, &wanted);
        }
        assert!(link.is_symlink());
        let names = fs::read_dir(link.parent().unwrap()).unwrap().count();
        assert_eq!(names, 1, "{}: something was written beside it", link.display());
    }
}

#[test]
fn a_link_that_came_while_names_were_held_is_refused_as_well() {
    let (site, archive, elsewhere) = prepared();
    let to = site.path("content");
    let load = ["load", &archive, "--to", &text(&to), "--hold"];
    for (number, link) in [(1, ".index.json.lock"), (3, "index.json")] {
        site.succeed(&load);
        let link = to.join("oci").join(link);
        symlink(elsewhere.join("precious"), &link).unwrap();
        let said = site.fail(3, &["publish", &number.to_string(), "--to", &text(&to)]);
        assert_eq!(site.last_receipt()["state"], "refused", "what was refused leaves a receipt");
        assert!(said.contains(&format!("{}: found a link, wanted a file", link.display())), "{said}");
        assert_untouched(&elsewhere, "publish");
        fs::remove_file(link).unwrap();
    }
    site.succeed(&load);
    site.succeed(&["publish", "5", "--to", &text(&to)]);
}

#[test]
fn what_is_in_the_place_of_a_folder_or_file_is_named() {
    let (site, archive, _) = prepared();
    let to = site.path("content");
    fs::create_dir_all(to.join("oci/index.json")).unwrap();
    let said = site.fail(3, &["load", &archive, "--to", &text(&to)]);
    assert!(said.contains("oci/index.json: found a folder, wanted a file"), "{said}");
    fs::remove_dir(to.join("oci/index.json")).unwrap();
    make_pipe(&to.join("oci/oci-layout"));
    let said = site.fail(3, &["load", &archive, "--to", &text(&to)]);
    assert!(said.contains("oci/oci-layout: found a pipe, wanted a file"), "{said}");
    fs::remove_file(to.join("oci/oci-layout")).unwrap();
    fs::write(to.join("oci/blobs"), "").unwrap();
    let said = site.fail(3, &["load", &archive, "--to", &text(&to)]);
    assert!(said.contains("oci/blobs: found a file, wanted a folder"), "{said}");
}

#[test]
fn the_new_index_is_not_written_through_what_lies_in_its_place() {
    let (site, archive, elsewhere) = prepared();
    let to = site.path("content");
    fs::create_dir_all(to.join("oci")).unwrap();
    symlink(elsewhere.join("precious"), to.join("oci/.index.json.partial")).unwrap();
    site.succeed(&["load", &archive, "--to", &text(&to)]);
    assert_untouched(&elsewhere, "the index");
    assert!(to.join("oci/index.json").symlink_metadata().unwrap().is_file());
    assert!(to.join("oci/.index.json.partial").symlink_metadata().is_err());
}

#[test]
fn a_blob_that_is_no_file_is_written_anew() {
    let (site, archive, elsewhere) = prepared();
    let to = site.path("content");
    site.succeed(&["load", &archive, "--to", &text(&to)]);
    // What it leads to is what it is to be: it would still be somebody else's to change.
    let whole = elsewhere.join("whole");
    fs::rename(blob(&to, 0), &whole).unwrap();
    symlink(&whole, blob(&to, 0)).unwrap();
    make_pipe(&blob(&to, 1));
    let planned = site.succeed(&["plan", &archive, "--to", &text(&to), "--json"]);
    let planned: Value = serde_json::from_str(&planned).unwrap();
    assert_eq!(planned["plan"]["targets"][0]["send"]["count"], 2, "{planned}");
    let (status, said) = load_in_time(&site, &archive, &to);
    assert_eq!(status, Some(0), "{said}");
    for at in [0, 1] {
        let path = blob(&to, at);
        assert!(path.symlink_metadata().unwrap().is_file());
        let digest = small_image("base", "web").blobs()[at].digest();
        assert_eq!(manifests::Digest::of(&fs::read(path).unwrap()), digest);
    }
}

#[test]
fn a_pipe_a_socket_and_a_device_are_refused_in_every_place_of_the_layout() {
    let (site, archive, _) = prepared();
    let places = ["oci", "oci/blobs", "oci/blobs/sha256", "oci/.partial", "oci/index.json", "oci/oci-layout"];
    for (at, place) in places.into_iter().chain(["oci/.index.json.lock", "oci/.partial.lock"]).enumerate() {
        let to = site.path(&format!("content-{at}"));
        let path = to.join(place);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        for make in KINDS {
            make(&path);
            let kind = path.symlink_metadata().unwrap().file_type();
            let (status, said) = load_in_time(&site, &archive, &to);
            assert_eq!(status, Some(3), "{place}: {said}");
            let found = match () {
                () if kind.is_fifo() => "a pipe",
                () if kind.is_socket() => "a socket",
                () => "a device",
            };
            assert!(said.contains(&format!("{}: found {found}, wanted a f", path.display())), "{said}");
            assert_eq!(path.symlink_metadata().unwrap().file_type(), kind, "{place}: it stays");
            assert_eq!(
                fs::read_dir(path.parent().unwrap()).unwrap().count(),
                1,
                "{place}: nothing is beside it"
            );
        }
    }
}

#[test]
fn a_pipe_a_socket_and_a_device_in_the_places_of_blobs_and_drafts_are_replaced() {
    let (site, archive, _) = prepared();
    let (to, image) = (site.path("content"), small_image("base", "web"));
    let digests: Vec<_> =
        image.blobs().iter().map(fixtures::image::Blob::digest).chain([image.digest()]).collect();
    site.succeed(&["load", &archive, "--to", &text(&to)]);
    for make in KINDS {
        // So that the names are written once more as well.
        fs::remove_file(to.join("oci/index.json")).unwrap();
        make(&to.join("oci/.index.json.partial"));
        make(&to.join("oci/.partial/draft"));
        digests.iter().for_each(|digest| make(&to.join("oci/blobs/sha256").join(digest.hex())));
        let (status, said) = load_in_time(&site, &archive, &to);
        assert_eq!(status, Some(0), "{said}");
        for digest in &digests {
            let path = to.join("oci/blobs/sha256").join(digest.hex());
            assert!(path.symlink_metadata().unwrap().is_file(), "{digest}");
            assert_eq!(manifests::Digest::of(&fs::read(path).unwrap()), *digest);
        }
        assert!(to.join("oci/index.json").symlink_metadata().unwrap().is_file());
        assert_eq!(fs::read_dir(to.join("oci/.partial")).unwrap().count(), 0);
    }
}

#[test]
fn a_folder_in_the_place_of_a_blob_or_a_draft_is_named_before_anything_is_written() {
    let (site, archive, _) = prepared();
    for (at, place) in [blob(Path::new(""), 1), "oci/.index.json.partial".into(), "oci/.partial/draft".into()]
        .into_iter()
        .enumerate()
    {
        let to = site.path(&format!("content-{at}"));
        fs::create_dir_all(to.join(&place)).unwrap();
        for command in ["plan", "load"] {
            let said = site.fail(3, &[command, &archive, "--to", &text(&to)]);
            let wanted = format!("{}: found a folder, wanted a file", to.join(&place).display());
            assert!(said.contains(&wanted), "{command}: {said}");
        }
        let beside = fs::read_dir(to.join(&place).parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "{}: something was written beside it", place.display());
    }
}

#[test]
fn the_folder_that_was_named_may_be_a_link() {
    let (site, archive, elsewhere) = prepared();
    let to = site.path("content");
    symlink(&elsewhere, &to).unwrap();
    site.succeed(&["load", &archive, "--to", &text(&to)]);
    assert!(elsewhere.join("oci/index.json").is_file());
}
