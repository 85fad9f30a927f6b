//! Archives that are not what was signed, given to the real program: it says so in one line, and neither the
//! target nor the site is any different afterwards.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod bytes;
mod inventories;
mod members;
mod shapes;
mod slots;

use std::cell::Cell;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use fixtures::image::{self, Format, Layer};
use fixtures::registry::{Options, Registry};
use manifests::key::PrivateKey;
use members::Archive;
use tests::desk::Desk;

/// Exit status: refused by trust or policy.
const REFUSED: i32 = 3;
/// Exit status: the archive is not what was signed.
const DAMAGED: i32 = 4;

/// A site with two targets that have nothing yet, in front of which hostile archives stand.
struct Gate {
    desk: Desk,
    target: Registry,
    state: Vec<(PathBuf, Vec<u8>)>,
    cases: Cell<usize>,
}

impl Gate {
    fn new() -> Self {
        let desk = Desk::new();
        let upstream = Registry::start(Options::default()).unwrap();
        let layer = |name| Layer::with_files(name, 700);
        let images = [("one", vec![layer("a"), layer("b")]), ("two", vec![layer("b"), layer("c")])];
        for (name, layers) in &images {
            let image = image::image("linux/amd64", layers, Format::Oci);
            image.put(upstream.store(), &format!("library/{name}"), Some("1")).unwrap();
        }
        let host = upstream.host();
        for (name, images) in [("core", vec!["one", "two"]), ("other", vec!["one"])] {
            let images = images.iter().map(|image| format!("{{ref: \"{host}/library/{image}:1\"}}"));
            desk.define(name, &format!("images: [{}]", images.collect::<Vec<_>>().join(", ")));
            desk.archive(name);
        }
        desk.site("sovereign");
        let target = Registry::start(Options::default()).unwrap();
        let url = target.url();
        desk.destinations("target", &format!("registries: [{{name: target, url: \"{url}\", type: oci}}]"));
        let state = desk.files("sovereign");
        Self { desk, target, state, cases: Cell::new(0) }
    }

    /// The archive that everything is made from, which the site would accept.
    fn archive(&self) -> Archive {
        Archive::read(self.desk.read("core.tar"))
    }

    /// Another one that it would accept as well.
    fn other(&self) -> Archive {
        Archive::read(self.desk.read("other.tar"))
    }

    /// The key that the site knows as a preparer's.
    fn preparer(&self) -> PrivateKey {
        PrivateKey::from_pem(&String::from_utf8(self.desk.read("build-1.key")).unwrap(), || None).unwrap()
    }

    /// The archive is not loaded, with one of these statuses: every other time into a folder, else into a registry.
    fn keeps_out(&self, why: &str, archive: &[u8], statuses: &[i32]) {
        self.cases.set(self.cases.get() + 1);
        let to = if self.cases.get().is_multiple_of(2) { "folder" } else { "target.yaml" };
        self.desk.write("hostile.tar", archive);
        let load = format!("airgap-import load hostile.tar --state sovereign --to {to} --quiet");
        let output = self.desk.command(&load).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);

        let status = output.status.code().unwrap_or_default();
        assert!(statuses.contains(&status), "{why}: found {status}, wanted one of {statuses:?}: {error}");
        let word = if status == REFUSED { "refused: " } else { "damaged: " };
        // The file until its signature holds, from then on what it is.
        let item = ["hostile.tar: ", "core-"].iter().any(|item| error[word.len()..].starts_with(item));
        assert!(error.starts_with(word) && item, "{why}: {error}");
        assert_eq!(error.lines().count(), 1, "{why}: {error}");
        assert!(
            error.chars().all(|character| !character.is_control() || character == '\n'),
            "{why}: {error}"
        );
        assert!(output.stdout.is_empty(), "{why}: found a result");

        assert!(!self.desk.path("folder").exists(), "{why}: a folder was made");
        assert!(self.target.requests().is_empty(), "{why}: the registry was asked");
        self.left_but_a_receipt(why);
    }

    /// A refusal leaves a receipt and its line in the ledger, and touches nothing else of the site.
    fn left_but_a_receipt(&self, why: &str) {
        let now: HashMap<PathBuf, Vec<u8>> = self.desk.files("sovereign").into_iter().collect();
        for (path, before) in &self.state {
            let found = &now[path];
            let is_ledger = path.ends_with("ledger.jsonl");
            assert!(found == before || (is_ledger && found.starts_with(before)), "{why}: {path:?} changed");
        }
        let known: HashSet<&PathBuf> = self.state.iter().map(|(path, _)| path).collect();
        let mut new = now.keys().filter(|path| !known.contains(path));
        assert!(new.all(|path| path.starts_with(self.desk.path("sovereign/receipts"))), "{why}");
        let refusals = self.desk.run("airgap-import receipt show --state sovereign");
        assert!(refusals.contains("refused"), "{why}: {refusals}");
    }

    /// At least this many were tried, and what they were made from would have been let in.
    fn lets_the_real_one_in(&self, cases: usize) {
        assert!(self.cases.get() >= cases, "found {} cases, wanted {cases} or more", self.cases.get());
        for to in ["folder", "target.yaml"] {
            self.desk.run(&format!("airgap-import load core.tar --state sovereign --to {to}"));
        }
    }
}
