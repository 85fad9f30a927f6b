//! A folder with a definition, the real binary, and what both need of upstream.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

/// A folder that a person works in.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// A folder with a key pair and the definition `core.yaml`, whose `spec:` is given.
    pub(crate) fn new(spec: &str) -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.define(spec);
        project.run(&["keygen", "--out", "build-1", "--unencrypted"]).succeeds();
        project
    }

    /// Writes the definition anew.
    pub(crate) fn define(&self, spec: &str) {
        let text =
            format!("apiVersion: airgap/v1\nkind: Definition\nmetadata: {{name: core}}\nspec: {{{spec}}}\n");
        self.write("core.yaml", text);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The binary, to be run in the folder, without anything of the person who runs the tests.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airgap-bundle"));
        command.args(arguments).current_dir(self.folder.path()).env_clear();
        command.env("HOME", self.folder.path()).env("DOCKER_CONFIG", self.folder.path());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran(self.command(arguments).output().unwrap())
    }

    /// Runs `lock --json`, which must succeed, and gives what it printed.
    pub(crate) fn lock(&self) -> Value {
        self.run(&["lock", "core.yaml", "--json"]).json()
    }

    /// The lock file.
    pub(crate) fn locked(&self) -> Value {
        serde_json::from_slice(&self.read("core.lock.json")).unwrap()
    }

    /// Runs `build --json` into `core.tar`, which must succeed, and gives what it printed.
    pub(crate) fn build(&self) -> Value {
        self.run(&BUILD).json()
    }

    pub(crate) fn verify(&self, archive: &str) -> Value {
        self.run(&["verify", archive, "--key", "build-1.pub", "--json"]).json()
    }
}

pub(crate) const BUILD: [&str; 7] =
    ["build", "core.yaml", "--key", "build-1.key", "-o", "core.tar", "--json"];

/// A command that has ended.
pub(crate) struct Ran(pub(crate) Output);

impl Ran {
    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }

    pub(crate) fn status(&self) -> i32 {
        self.0.status.code().unwrap_or(-1)
    }

    pub(crate) fn succeeds(self) -> Self {
        self.ends(0)
    }

    /// The command ended with this status.
    pub(crate) fn ends(self, status: i32) -> Self {
        assert_eq!(self.status(), status, "\n{}\n{}", self.stdout(), self.stderr());
        self
    }

    /// The command failed with this status and said each of these.
    pub(crate) fn fails(self, status: i32, said: &[&str]) -> Self {
        let ran = self.ends(status);
        for wanted in said {
            assert!(ran.stderr().contains(wanted), "wanted {wanted:?} in\n{}", ran.stderr());
        }
        ran
    }

    /// The command said what is wrong in one line.
    pub(crate) fn in_one_line(self) -> Self {
        let stderr = self.stderr();
        let is_failure = |line: &&str| !line.starts_with("will ask ") && !line.starts_with("notice: ");
        assert_eq!(stderr.lines().filter(is_failure).count(), 1, "{stderr}");
        self
    }

    pub(crate) fn json(self) -> Value {
        let ran = self.succeeds();
        serde_json::from_str(&ran.stdout()).unwrap_or_else(|error| panic!("{error}: {}", ran.stdout()))
    }
}

/// The items of a lock by their names.
pub(crate) fn item<'a>(lock: &'a Value, name: &str) -> &'a Value {
    let items = lock["items"].as_array().unwrap();
    let found = items.iter().find(|locked| locked["item"]["name"] == name);
    &found.unwrap_or_else(|| panic!("no {name} in {items:#?}"))["item"]
}

/// Where the header `Range: bytes=FIRST-LAST` begins.
pub(crate) fn first_byte(range: &str) -> u64 {
    let first = range.strip_prefix("bytes=").and_then(|range| range.split('-').next());
    first.and_then(|first| first.parse().ok()).unwrap_or_else(|| panic!("found the range {range:?}"))
}
