//! Into a folder.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use fixtures::image::{self, Format, Layer, Signer};

use crate::support::{Brought, Site, small_image, text};

#[test]
fn a_folder_is_a_layout_that_two_archives_share() {
    let site = Site::new();
    let (web, app) = (small_image("base", "web"), small_image("base", "app"));
    let signature = image::legacy_signature(web.digest(), "ghcr.io/demo/web", &[Signer::named("a")]);
    let first = Brought::new("ghcr.io/demo/web:1", &web).with_legacy("sig", &signature);
    let first = site.archive(3, vec![first]);
    let second = site.archive_of("edge", 3, vec![Brought::new("ghcr.io/demo/app:1", &app)]);
    let to = site.path("content");
    site.load(&first, &to);
    let loaded = site.load(&second, &to);
    assert_eq!(loaded["load"]["targets"][0]["sent"]["count"], 2, "the shared layer was there");

    let index = fs::read_to_string(to.join("oci/index.json")).unwrap();
    for name in ["ghcr.io/demo/web:1", "ghcr.io/demo/app:1", &image::legacy_tag(web.digest(), "sig")] {
        assert!(index.contains(name), "{name}: {index}");
    }
    for blob in web.blobs().iter().chain(app.blobs()).chain(signature.blobs()) {
        let bytes = fs::read(to.join("oci/blobs/sha256").join(blob.digest().hex())).unwrap();
        assert_eq!(manifests::Digest::of(&bytes), blob.digest());
    }
    assert_eq!(fs::read_dir(to.join("oci/.partial")).unwrap().count(), 0);

    let before = fs::metadata(to.join("oci/index.json")).unwrap().modified().unwrap();
    let again = site.succeed(&["load", &text(&second), "--to", &text(&to)]);
    assert!(again.contains("nothing was sent"), "{again}");
    assert_eq!(fs::metadata(to.join("oci/index.json")).unwrap().modified().unwrap(), before);
}

#[test]
fn a_file_that_was_changed_in_the_folder_is_written_again() {
    let site = Site::new();
    let web = small_image("base", "web");
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &web)]);
    let to = site.path("content");
    site.load(&archive, &to);
    let path = to.join("oci/blobs/sha256").join(web.blobs()[1].digest().hex());
    let mut bytes = fs::read(&path).unwrap();
    bytes[7] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let loaded = site.load(&archive, &to);
    assert_eq!(loaded["load"]["targets"][0]["sent"]["count"], 1);
    assert_eq!(manifests::Digest::of(&fs::read(&path).unwrap()), web.blobs()[1].digest());
}

#[test]
fn an_archive_that_changes_between_verification_and_writing_is_not_kept() {
    use std::os::unix::fs::FileExt as _;

    let site = Site::new();
    // The large layers in front take long enough for the change to come in between.
    let large = (0..8).map(|at| Layer::with_files(&format!("large {at}"), 2 << 20));
    let layers: Vec<Layer> = large.chain([Layer::with_files("small", 2000)]).collect();
    let image = image::image("linux/amd64", &layers, Format::Oci);
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]);
    let layer = image.blobs()[9].clone();
    let mut content = Vec::new();
    layer.write(&mut content).unwrap();
    let bytes = fs::read(&archive).unwrap();
    let at = bytes.windows(content.len()).rposition(|window| window == content).unwrap() + 5;
    let to = site.path("content");
    // Kept once every byte was read, and before a target sees anything.
    let kept = site.path("state/evidence").join(site.identity(&archive).hex()).join("evidence.tar");
    let said = std::thread::scope(|scope| {
        let load = scope.spawn(|| site.fail(4, &["load", &text(&archive), "--to", &text(&to)]));
        while !kept.exists() && !load.is_finished() {
            std::thread::yield_now();
        }
        let file = fs::File::options().write(true).open(&archive).unwrap();
        file.write_all_at(&[bytes[at] ^ 1], at as u64).unwrap();
        load.join().unwrap()
    });
    let digest = layer.digest();
    assert!(said.contains("damaged: ghcr.io/demo/web:1: ") && said.contains(&digest.to_string()), "{said}");
    assert!(!to.join("oci/blobs/sha256").join(digest.hex()).exists());
    assert_eq!(fs::read_dir(to.join("oci/.partial")).unwrap().count(), 0);
    assert!(!to.join("oci/index.json").exists(), "a name was set");
    let receipt = site.last_receipt();
    assert_eq!(receipt["state"], "refused");
    assert!(receipt["reasons"][0].as_str().unwrap().contains(&digest.to_string()), "{receipt}");
}

#[test]
fn a_place_without_room_is_told_before_the_first_byte() {
    let site = Site::new();
    let archive =
        text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]));
    let errors = site.fail(1, &["load", &archive, "--to", "/proc/content"]);
    assert!(errors.contains("found 0 bytes free"), "{errors}");
}

/// Runs a script on a file system of its own at `to`, which `options` limit, with the command to load in `$LOAD`;
/// nothing where nobody may mount one, which `tests/run` does not put up with.
fn in_small_place(site: &Site, archive: &Path, to: &Path, options: &str, script: &str) -> Option<Output> {
    fs::create_dir(to).unwrap();
    let mount = format!("mount -t tmpfs -o {options} none {}", to.display());
    let run = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script]).env("AIRGAP_STATE", site.path("state")).current_dir(to);
        let load = [env!("CARGO_BIN_EXE_airgap-import"), "load", &text(archive), "--to", &text(to)].join(" ");
        command.env("LOAD", load).output()
    };
    let can_mount = run(&mount).is_ok_and(|output| output.status.success());
    assert!(
        can_mount || std::env::var_os("AIRGAP_TEST_REGISTRY2_AUTH_USER").is_none(),
        "found no way to mount"
    );
    can_mount.then(|| run(&format!("{mount} && cd {} && {script}", to.display())).unwrap())
}

#[test]
fn a_disk_that_is_too_small_is_told_before_the_first_byte() {
    let site = Site::new();
    let image = image::image("linux/amd64", &[Layer::raw(1, 4_000_000)], Format::Oci);
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]);
    let script = "$LOAD; status=$?; ls -A; exit $status";
    let ran = in_small_place(&site, &archive, &site.path("full"), "size=1m", script);
    let Some(output) = ran else { return };
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    let said = "/full: found 1048576 bytes free, wanted 400";
    assert!(errors.contains(said) && errors.contains(" for what is to be loaded"), "{errors}");
    assert_eq!(output.stdout, b"", "something was written");
}

#[test]
fn a_disk_that_gets_full_is_told_with_the_item_and_a_load_with_more_room_goes_on() {
    let site = Site::new();
    let layers: Vec<Layer> = (0..12).map(|at| Layer::with_files(&format!("layer {at}"), 100)).collect();
    let image = image::image("linux/amd64", &layers, Format::Oci);
    let archive = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]);
    // There are bytes enough, and too few files may be made: how many there may be is not known everywhere.
    let script =
        "if $LOAD; then exit 9; fi; ls -A oci oci/.partial; mount -o remount,nr_inodes=100 . && $LOAD";
    let ran = in_small_place(&site, &archive, &site.path("full"), "size=1m,nr_inodes=14", script);
    let Some(output) = ran else { return };
    let (printed, errors) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{printed}{errors}");
    let said = "failed: ghcr.io/demo/web:1: ";
    assert!(errors.contains(said) && errors.contains("/full/oci: No space left on device"), "{errors}");
    let before = "oci:\n.partial\n.partial.lock\nblobs\noci-layout\n\noci/.partial:\narchive ";
    assert!(printed.starts_with(before) && printed.contains("names          1 set\n"), "{printed}");
}

#[test]
fn a_place_that_is_read_only_is_told_before_anything_is_written() {
    let site = Site::new();
    let archive =
        text(&site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", "web"))]));
    let to = site.path("there");
    fs::create_dir(&to).unwrap();
    let mount = format!("mount -t tmpfs -o ro none {}", to.display());
    let (program, state) = (env!("CARGO_BIN_EXE_airgap-import"), text(&site.path("state")));
    // Root may write whatever the permissions say; whoever is not may not mount, and meets the permissions.
    let can_mount = Command::new("unshare").args(["-rm", "sh", "-c", &mount]).status();
    let can_mount = can_mount.is_ok_and(|status| status.success());
    fs::set_permissions(&to, Permissions::from_mode(0o555)).unwrap();
    for command in ["plan", "load"] {
        let run = format!("{program} {command} {archive} --state {state} --to {}", to.display());
        let output = if can_mount {
            Command::new("unshare").args(["-rm", "sh", "-c", &format!("{mount} && exec {run}")]).output()
        } else {
            Command::new("sh").args(["-c", &run]).output()
        };
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {errors}");
        assert!(errors.contains("failed: ") && errors.contains("/there: "), "{command}: {errors}");
    }
    assert_eq!(fs::read_dir(&to).unwrap().count(), 0);
}
