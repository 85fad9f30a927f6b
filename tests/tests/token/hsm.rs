//! A desk with tokens.

use std::process::Command;

use fixtures::image::{self, Artifact, Format, Layer};
use serde_json::Value;
use tests::command::finish;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

/// Where Debian puts SoftHSM's module.
pub(crate) const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";

/// The PIN of every token here. Nothing else that is written has these digits.
pub(crate) const PIN: &str = "2718281828";

/// A desk, and tokens that live in it. The PIN is in the file `pin`.
pub(crate) struct Hsm {
    pub(crate) desk: Desk,
}

impl Hsm {
    /// A desk with one token, `build`, which is empty.
    pub(crate) fn new() -> Self {
        let hsm = Self { desk: Desk::new() };
        std::fs::create_dir(hsm.desk.path("tokens")).unwrap();
        let conf = format!("directories.tokendir = {}\n", hsm.desk.path("tokens").display());
        hsm.desk.write("softhsm2.conf", conf);
        hsm.desk.write("pin", format!("{PIN}\n"));
        hsm.make_token("build");
        hsm
    }

    pub(crate) fn make_token(&self, label: &str) {
        self.run(&format!("softhsm2-util --init-token --free --label {label} --pin {PIN} --so-pin 31415926"));
    }

    /// Makes a key pair in the token `build`.
    pub(crate) fn make_key(&self, label: &str, id: &str, kind: &str) {
        self.tool(&format!("--keypairgen --key-type {kind} --label {label} --id {id}"));
    }

    /// OpenSC's tool on the token `build`.
    pub(crate) fn tool(&self, arguments: &str) -> String {
        self.run(&format!(
            "pkcs11-tool --module {MODULE} --token-label build --login --pin {PIN} {arguments}"
        ))
    }

    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = self.desk.command(line);
        command.env("SOFTHSM2_CONF", self.desk.path("softhsm2.conf"));
        command
    }

    pub(crate) fn run(&self, line: &str) -> String {
        self.ends(line, 0).0
    }

    pub(crate) fn ends(&self, line: &str, status: i32) -> (String, String) {
        finish(&mut self.command(line), status)
    }

    pub(crate) fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.run(line)).unwrap()
    }

    /// The URI of a key of the token `build`, with all that is needed to open it.
    pub(crate) fn uri(&self, key: &str) -> String {
        let pin = self.desk.path("pin");
        format!("pkcs11:token=build;{key}?module-path={MODULE}&pin-source=file:{}", pin.display())
    }

    /// Locks `core.yaml`, which names one image of a real registry.
    pub(crate) fn locked(&self) -> Artifact {
        let image = image::image("linux/amd64", &[Layer::with_files("web", 200_000)], Format::Oci);
        let name = servers::registry3().repository(&fresh_repository("token"));
        upstream::push(&self.desk, &image, &format!("{name}:1"));
        self.desk.define("core", &format!("images: [{{ref: \"{name}:1\"}}]"));
        self.run("airgap-bundle lock core.yaml");
        image
    }
}
