//! A disk that is too small is found before the first byte is fetched.

use std::process::Command;

use fixtures::image::{self, Format, Layer};
use fixtures::registry::{Options, Registry};

use crate::project::{Project, Ran};

#[test]
fn too_little_space_is_found_before_the_first_byte() {
    let registry = Registry::start(Options::default()).unwrap();
    let image = image::image("linux/amd64", &[Layer::raw(1, 4_000_000)], Format::Oci);
    image.put(registry.store(), "demo/app", Some("1")).unwrap();
    let project = Project::new(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
    project.lock();
    registry.forget_requests();
    let folder = project.path("full");
    std::fs::create_dir(&folder).unwrap();
    let build =
        format!("{} build core.yaml --key build-1.key -o full/core.tar", env!("CARGO_BIN_EXE_airgap-bundle"));
    // A file system of 1 MiB; where nobody may mount one, a limit on the size of files (in blocks of 512).
    let mount = format!("mount -t tmpfs -o size=1m none full && {build}");
    let mut mounted = Command::new("unshare");
    mounted.args(["-rm", "sh", "-c", "mount -t tmpfs -o size=1m none full"]);
    let can_mount = mounted.current_dir(project.folder()).status().is_ok_and(|status| status.success());
    let mut command = if can_mount {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", &mount]);
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' XFSZ; ulimit -f 2000; exec {build}")]);
        command
    };
    let ran = Ran(command.current_dir(project.folder()).output().unwrap());
    let ran = ran.fails(1, &["full/core.tar"]).in_one_line();
    assert!(!can_mount || ran.stderr().contains("bytes free"), "{}", ran.stderr());
    assert_eq!(registry.requests().len(), 0);
    assert!(!folder.join("core.tar").exists());
}
