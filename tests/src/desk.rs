//! A folder that a person works in, with the two programs and the stock tools, and nothing of whoever runs
//! the tests.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::binaries::programs;
use crate::command::finish;
use crate::servers::Registry;

/// The password of keys that cosign makes.
pub const PASSWORD: &str = "only-for-tests";

/// A policy without gates.
const POLICY: &str = "apiVersion: airgap/v1\nkind: Policy\nspec:\n  order: {olderSerial: deny}\n";

/// A folder, which is also the home of all that runs in it.
///
/// Commands are written as a person would type them; their parts are separated by spaces, without quotes.
#[derive(Debug)]
pub struct Desk {
    folder: TempDir,
}

impl Default for Desk {
    fn default() -> Self {
        Self::new()
    }
}

impl Desk {
    /// An empty folder but for the preparer's key pair, `build-1.key` and `build-1.pub`, and `policy.yaml`.
    pub fn new() -> Self {
        let desk = Self { folder: tempfile::tempdir().expect("a folder") };
        desk.write("policy.yaml", POLICY);
        desk.run("airgap-bundle keygen --out build-1 --unencrypted");
        desk
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(&path, content).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Reads a file.
    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// The command of a line, with nothing in its environment but what the programs need.
    pub fn command(&self, line: &str) -> Command {
        let mut words = line.split_whitespace();
        let program = words.next().expect("the name of a program");
        let mut command = Command::new(program);
        let mut path = OsString::from(programs());
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        command.args(words).current_dir(self.folder()).env_clear().env("PATH", path);
        command.env("HOME", self.folder()).env("DOCKER_CONFIG", self.path(".docker"));
        // Our programs read it as well, and would encrypt the receipt key, which costs each load a fifth of a second.
        if program == "cosign" {
            command.env("COSIGN_PASSWORD", PASSWORD);
        }
        // cosign looks for roots of trust in the internet. Nothing leaves this machine: the way out is a closed port.
        command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("HTTP_PROXY", "http://127.0.0.1:9");
        command.env("NO_PROXY", "127.0.0.1");
        command
    }

    /// Runs a command that must succeed, and gives what it printed on standard output.
    pub fn run(&self, line: &str) -> String {
        self.ends(line, 0).0
    }

    /// Runs a command that must succeed where there is no network: in a namespace of its own, whose one interface, the
    /// loopback, is down.
    pub fn run_alone(&self, line: &str) -> String {
        self.run(&format!("unshare --net --map-root-user {line}"))
    }

    /// Runs a command that must end with this exit status, and gives standard output and standard error.
    pub fn ends(&self, line: &str, status: i32) -> (String, String) {
        finish(&mut self.command(line), status)
    }

    /// Runs a command that must succeed and print one JSON document.
    pub fn json(&self, line: &str) -> Value {
        let printed = self.run(line);
        serde_json::from_str(&printed).unwrap_or_else(|error| panic!("{error} of {line}: {printed}"))
    }

    /// Writes the definition `NAME.yaml` with this `spec:`.
    pub fn define(&self, name: &str, spec: &str) {
        let text = format!(
            "apiVersion: airgap/v1\nkind: Definition\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"
        );
        self.write(&format!("{name}.yaml"), text);
    }

    /// Locks and builds the definition `NAME.yaml` into `NAME.tar`, and verifies that.
    pub fn archive(&self, name: &str) {
        self.run(&format!("airgap-bundle lock {name}.yaml"));
        self.run(&format!("airgap-bundle build {name}.yaml --key build-1.key -o {name}.tar"));
        self.run(&format!("airgap-bundle verify {name}.tar --key build-1.pub"));
    }

    /// Sets the site `NAME` up in the folder of that name.
    pub fn site(&self, name: &str) {
        self.run(&format!(
            "airgap-import init --state {name} --trust build-1.pub --policy policy.yaml --name {name}"
        ));
    }

    /// Sets the site `NAME` up in the folder of that name, by `trust.yaml`: the preparer, and an officer with the key pair
    /// `officer-1.key` and `officer-1.pub`, who has to approve.
    pub fn site_with_officer(&self, name: &str) {
        self.run("airgap-bundle keygen --out officer-1 --unencrypted");
        let [preparer, officer] = ["build-1", "officer-1"].map(|person| {
            let pem = String::from_utf8(self.read(&format!("{person}.pub"))).expect("a PEM key");
            let pem = Value::String(pem);
            format!("{{name: {person}, keys: [{{pem: {pem}, until: 2999-01-01}}], channels: [\"*\"]}}")
        });
        self.write(
            "trust.yaml",
            format!(
                "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: 1\n  expires: 2999-01-01\n  roles:\n    preparer: {{threshold: 1, people: [{preparer}]}}\n    security-officer: {{threshold: 1, people: [{officer}]}}\n"
            ),
        );
        self.run(&format!(
            "airgap-import init --state {name} --trust trust.yaml --policy policy.yaml --name {name}"
        ));
    }

    /// Writes `NAME.yaml`, the destinations with one registry of this name, below this path of it.
    pub fn destination(&self, name: &str, registry: &Registry, prefix: &str) {
        let url = format!("http://{}", registry.repository(prefix));
        self.destinations(name, &format!("registries: [{{name: {name}, url: \"{url}\", type: oci}}]"));
    }

    /// Writes `NAME.yaml`, destinations with this `spec:`.
    pub fn destinations(&self, name: &str, spec: &str) {
        let text = format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {{{spec}}}\n");
        self.write(&format!("{name}.yaml"), text);
    }

    /// Logs in, as `docker login` does.
    pub fn log_in(&self, host: &str, user: &str, password: &str) {
        let login = format!("crane auth login {host} -u {user} -p {password}");
        self.run(&login);
    }

    /// Every file below a folder, with its content, by its path; none where there is no such folder.
    pub fn files(&self, folder: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let mut files = Vec::new();
        collect(&self.path(folder), &mut files);
        files.sort();
        files
    }
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            let content = fs::read(&path).expect("a file");
            files.push((path, content));
        }
    }
}
