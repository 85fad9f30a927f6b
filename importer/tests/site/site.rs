//! A folder with people's keys, a trust file, a policy and a site in it, and the binary.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fixtures::registry::{Options, Registry};
use manifests::key::PrivateKey;
use serde_json::Value;

use crate::archive::{Archive, Draft};

/// Everybody who has a key.
pub(crate) struct People {
    pub(crate) build: PrivateKey,
    pub(crate) officers: [PrivateKey; 3],
    pub(crate) stranger: PrivateKey,
}

/// The folder.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) people: People,
}

/// What a site is set up with.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) expires: &'static str,
    pub(crate) build_until: &'static str,
    /// The threshold of security officers; 0: the trust file has none.
    pub(crate) officers: usize,
    /// The `spec` of the policy.
    pub(crate) policy: &'static str,
    pub(crate) channels: &'static [&'static str],
}

pub(crate) const USUAL: Setup =
    Setup { expires: "2999-01-01", build_until: "2999-01-01", officers: 0, policy: "{}", channels: &[] };

impl Site {
    pub(crate) fn new() -> Self {
        Self::with(USUAL)
    }

    /// A site named `sovereign-a`.
    pub(crate) fn with(setup: Setup) -> Self {
        let site = Self::prepared(setup);
        let mut arguments = vec!["init", "--trust", "trust.yaml", "--policy", "policy.yaml"];
        arguments.extend(["--name", "sovereign-a"]);
        arguments.extend(setup.channels.iter().flat_map(|channel| ["--channel", *channel]));
        site.succeed(&arguments);
        site
    }

    /// The files that a site is set up from.
    pub(crate) fn prepared(setup: Setup) -> Self {
        let key = || PrivateKey::generate().unwrap();
        let people = People { build: key(), officers: [key(), key(), key()], stranger: key() };
        let site = Self { folder: tempfile::tempdir().unwrap(), people };
        site.write("trust.yaml", &site.trust(setup));
        site.write("policy.yaml", &policy(setup.policy));
        site
    }

    /// A trust file: one preparer, and three officers where the threshold is not 0. The preparer has an
    /// officer's rights as well, which must not help.
    pub(crate) fn trust(&self, setup: Setup) -> String {
        let Setup { expires, build_until, officers, .. } = setup;
        let person = |name: &str, key: &PrivateKey| {
            let pem = serde_json::to_string(&pem(key)).unwrap();
            format!("{{name: {name}, keys: [{{pem: {pem}, until: {build_until}}}]}}")
        };
        let build = person("build-1", &self.people.build);
        let mut roles = format!("    preparer: {{threshold: 1, people: [{build}]}}\n");
        if officers > 0 {
            let [one, two, three] = &self.people.officers;
            let people =
                [person("officer-1", one), person("officer-2", two), person("officer-3", three), build];
            let people = people.join(", ");
            roles += &format!("    security-officer: {{threshold: {officers}, people: [{people}]}}\n");
        }
        format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: 1\n  expires: {expires}\n  roles:\n{roles}"
        )
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes an archive by the preparer under its usual name.
    pub(crate) fn archive(&self, draft: &Draft) -> Archive {
        self.archive_by(draft, &self.people.build)
    }

    pub(crate) fn archive_by(&self, draft: &Draft, key: &PrivateKey) -> Archive {
        let name = format!("{}-{}.tar", draft.channel, draft.created.serial());
        draft.write(&self.path(&name), key)
    }

    /// Writes an annex beside the archive.
    pub(crate) fn annex(&self, archive: &Archive, person: &str, draft: &Draft, key: &PrivateKey) -> PathBuf {
        let path = self.path(&format!("core-{}.{person}.tar", archive.serial));
        draft.write(&path, key).path
    }

    /// The binary in this folder, with this site.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_airgap-import"));
        command.args(arguments).current_dir(self.folder.path()).stdin(Stdio::null());
        command.env("AIRGAP_STATE", "state");
        command.env_remove("AIRGAP_KEY_PASSWORD").env_remove("COSIGN_PASSWORD");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        succeed(&mut self.command(arguments))
    }

    /// Runs a command that has to succeed, and gives its notices.
    pub(crate) fn notices(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let notices = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {notices}");
        notices
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        serde_json::from_str(&self.succeed(&arguments)).unwrap()
    }

    /// Runs a command that has to fail with this status, and gives what it says.
    pub(crate) fn fail(&self, status: i32, arguments: &[&str]) -> String {
        fail(&mut self.command(arguments), status)
    }

    /// Loads an archive into the folder `content`.
    pub(crate) fn load(&self, archive: &Archive) -> Value {
        self.json(&["load", &text(&archive.path), "--to", "content"])
    }

    /// A load that has to be refused, and to have written nothing to its target, and to the ledger at most that
    /// there is a receipt of the refusal.
    pub(crate) fn refuse(&self, archive: &Archive, more: &[&str]) -> String {
        let before = (self.content(), self.ledger());
        let path = text(&archive.path);
        let arguments = [&["load", &path, "--to", "content"], more].concat();
        let said = self.fail(3, &arguments);
        let (content, ledger) = (self.content(), self.ledger());
        // Not compared by `assert_eq`, which would print every byte.
        assert!(content == before.0, "a refusal wrote something: {said}");
        let added: Vec<&str> = ledger.strip_prefix(&before.1).unwrap().lines().collect();
        assert!(added.len() <= 1, "{added:?}");
        assert!(added.iter().all(|line| line.contains("\"event\":\"refused\"")), "{added:?}");
        said
    }

    /// The same at a folder and at a registry, which hears nothing of it. Each of `reasons` is told in a line of its
    /// own, and nothing beside them but where the receipt is.
    pub(crate) fn refuse_for(&self, archive: &Archive, reasons: &[&str]) {
        let registry = Registry::start(Options::default()).unwrap();
        let target = format!("{{name: inside, url: \"{}\", type: oci}}", registry.url());
        let document =
            format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {{registries: [{target}]}}\n");
        self.write("registry.yaml", &document);
        let load = ["load", &text(&archive.path), "--to", "registry.yaml"];
        for said in [self.refuse(archive, &[]), self.fail(3, &load)] {
            let (refused, rest): (Vec<&str>, Vec<&str>) =
                said.lines().partition(|line| line.starts_with("refused: "));
            assert_eq!(refused.len(), reasons.len(), "{said}");
            for reason in reasons {
                assert_eq!(
                    refused.iter().filter(|line| line.contains(reason)).count(),
                    1,
                    "{reason}: {said}"
                );
            }
            let [receipt] = rest[..] else { panic!("{said}") };
            assert!(receipt.starts_with("notice: the refusal is in the receipt "), "{said}");
        }
        assert_eq!(registry.requests().len(), 0);
    }

    /// Every file in the folder `content`, by its path.
    fn content(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut folders) = (BTreeMap::new(), vec![self.path("content")]);
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(path.clone(), fs::read(path).unwrap());
                }
            }
        }
        files
    }

    /// The names in the folder `content`; nothing when there are none.
    pub(crate) fn index(&self) -> Option<String> {
        fs::read_to_string(self.path("content/oci/index.json")).ok()
    }

    pub(crate) fn ledger(&self) -> String {
        fs::read_to_string(self.path("state/ledger.jsonl")).unwrap()
    }

    /// The files of the receipts, in order.
    pub(crate) fn receipts(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("state/receipts")).unwrap();
        let mut paths: Vec<PathBuf> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| text(path).ends_with(".json") && !text(path).ends_with(".sigstore.json"))
            .collect();
        paths.sort();
        paths
    }
}

pub(crate) fn succeed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn fail(command: &mut Command, status: i32) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(status), "{command:?}: {errors}");
    errors
}

pub(crate) fn policy(spec: &str) -> String {
    format!("apiVersion: airgap/v1\nkind: Policy\nspec: {spec}\n")
}

pub(crate) fn pem(key: &PrivateKey) -> String {
    key.public().unwrap().to_pem().unwrap()
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}
