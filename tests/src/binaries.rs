//! The two programs under test, as processes.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::command::succeed;

/// A command that runs `airgap-bundle`, built with the profile of the tests.
pub fn airgap_bundle() -> Command {
    Command::new(programs().join("airgap-bundle"))
}

/// A command that runs `airgap-import`, built with the profile of the tests.
pub fn airgap_import() -> Command {
    Command::new(programs().join("airgap-import"))
}

/// The folder of the programs, built once a test process.
///
/// Cargo names a program's path only to tests of its own package. All of the workspace is built, so that
/// cargo unites the dependencies' features as it did for the tests, and compiles nothing a second time.
pub fn programs() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        // TARGET/PROFILE/deps/this-test, or TARGET/PROFILE/benchmark
        let program = env::current_exe().expect("the path of the running program");
        let above = program.parent().expect("the folder of the running program");
        let folder = if above.ends_with("deps") { above.parent().expect("a folder above") } else { above };
        let profile = match folder.file_name().and_then(|name| name.to_str()) {
            Some("debug") | None => "dev",
            Some(profile) => profile,
        };
        let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        succeed(
            Command::new(cargo)
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .args(["build", "--quiet", "--locked", "--workspace", "--bins", "--profile", profile])
                .arg("--target-dir")
                .args(folder.parent()),
        );
        folder.to_owned()
    })
}
