//! Keys, and archives that are not what somebody signed.

use std::os::unix::fs::PermissionsExt as _;

use fixtures::image::{self, Format, Layer};
use fixtures::registry::{Options, Registry};

use crate::project::{BUILD, Project};

fn built() -> (Registry, Project) {
    let registry = Registry::start(Options::default()).unwrap();
    let image = image::image("linux/amd64", &[Layer::with_files("app", 5_000)], Format::Oci);
    image.put(registry.store(), "demo/app", Some("1")).unwrap();
    let project = Project::new(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
    project.lock();
    project.build();
    (registry, project)
}

#[test]
fn a_new_key_is_private_and_never_overwrites_another() {
    let project = Project::new("");
    let mode = project.path("build-1.key").metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let before = project.read("build-1.key");
    project
        .run(&["keygen", "--out", "build-1", "--unencrypted"])
        .fails(2, &["build-1.key", "not overwritten"]);
    assert_eq!(project.read("build-1.key"), before);

    project.write("half.pub", "");
    project.run(&["keygen", "--out", "half", "--unencrypted"]).fails(2, &["half.pub"]);
    assert!(!project.path("half.key").exists());
}

#[test]
fn an_encrypted_key_wants_its_password() {
    let (_registry, project) = built();
    project.run(&["keygen", "--out", "safe"]).fails(2, &["found no password", "--unencrypted"]);
    let with = |password: &str, arguments: &[&str]| {
        let mut command = project.command(arguments);
        crate::project::Ran(command.env("AIRGAP_KEY_PASSWORD", password).output().unwrap())
    };
    with("", &["keygen", "--out", "safe"]).fails(2, &["empty password"]);
    let made = with("word", &["keygen", "--out", "safe", "--json"]).json();
    assert_eq!(made["encrypted"], true);
    assert!(String::from_utf8(project.read("safe.key")).unwrap().contains("ENCRYPTED SIGSTORE PRIVATE KEY"));
    let build = ["build", "core.yaml", "--key", "safe.key", "-o", "safe.tar", "--json"];
    project.run(&build).fails(2, &["safe.key", "AIRGAP_KEY_PASSWORD"]);
    with("other", &build).fails(2, &["does not open the key"]);
    with("word", &build).succeeds();
    let verified = project.run(&["verify", "safe.tar", "--key", "safe.pub", "--json"]).json();
    assert_eq!(verified["key"], made["id"]);
}

#[test]
fn another_key_is_a_refusal_and_changed_bytes_are_damage() {
    let (_registry, project) = built();
    project.run(&["verify", "core.tar"]).fails(2, &["--trust", "--key"]);
    project.run(&["keygen", "--out", "other", "--unencrypted"]).succeeds();
    for command in ["verify", "inspect"] {
        project.run(&[command, "core.tar", "--key", "other.pub"]).fails(3, &["core.tar", "not trusted here"]);
    }
    let good = project.read("core.tar");
    let size = good.len();
    for (name, bytes, why) in [
        (
            "flipped",
            [&good[..size - 2_000], &[good[size - 2_000] ^ 1], &good[size - 1_999..]].concat(),
            "a flipped byte",
        ),
        ("longer", [&good[..], &[0]].concat(), "one byte more"),
        ("shorter", good[..size - 1].to_vec(), "one byte less"),
        ("slot", [&good[..600], &[good[600] ^ 1], &good[601..]].concat(), "a changed signature"),
    ] {
        project.write(name, bytes);
        let ran = project.run(&["verify", name, "--key", "build-1.pub"]);
        assert_eq!(ran.status(), 4, "{why}: {}", ran.stderr());
    }
    project.run(&["inspect", "flipped", "--key", "build-1.pub"]).succeeds();
}

#[test]
fn who_may_sign_what_stands_in_the_trust_file() {
    let (_registry, project) = built();
    let pem = String::from_utf8(project.read("build-1.pub")).unwrap().replace('\n', "\\n");
    let trust = |expires: &str, until: &str, channels: &str| {
        let text = format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 1, expires: {expires}, roles: {{preparer: {{threshold: 1, \
             people: [{{name: build, keys: [{{pem: \"{pem}\", until: {until}}}], channels: [{channels}]}}]}}}}}}\n"
        );
        project.write("trust.yaml", text);
        project.run(&["verify", "core.tar", "--trust", "trust.yaml"])
    };
    let shown = trust("2999-01-01", "2999-01-01", "core").succeeds().stdout();
    assert!(shown.contains("signed by      build"), "{shown}");
    trust("2999-01-01", "2999-01-01", "other").fails(3, &["may not sign the channel core"]);
    trust("2999-01-01", "2020-01-01", "core").fails(3, &["when that key ended"]);
    trust("2020-01-01", "2999-01-01", "core").fails(3, &["the trust file ended"]);
}

#[test]
fn the_beginning_of_an_archive_is_its_evidence_pack() {
    let (_registry, project) = built();
    let lock = project.locked();
    let content: u64 =
        lock["content"].as_array().unwrap().iter().map(|blob| blob["size"].as_u64().unwrap()).sum();
    let archive = project.read("core.tar");
    let pack = archive.len() - 1024 - usize::try_from(content).unwrap().next_multiple_of(512) - 512;
    project.write("pack.tar", &archive[..pack]);
    project.run(&["inspect", "pack.tar", "--key", "build-1.pub"]).succeeds();
    project.run(&["verify", "pack.tar", "--key", "build-1.pub"]).fails(4, &["evidence pack"]);
}

#[test]
fn what_is_there_under_the_name_is_not_overwritten() {
    let (_registry, project) = built();
    let before = project.read("core.tar");
    project.lock();
    project.run(&BUILD).fails(2, &["core.tar", "another archive", "-o"]);
    assert_eq!(project.read("core.tar"), before);
    project.write("core.tar", "notes");
    project.run(&BUILD).fails(2, &["no archive"]);
    assert_eq!(project.read("core.tar"), b"notes");
}

#[test]
fn a_damaged_archive_under_the_name_is_told_and_left_alone() {
    let (_registry, project) = built();
    let good = project.read("core.tar");
    let mut bytes = good.clone();
    let content = bytes.len() - 1024 - 1;
    let at = bytes[..content].iter().rposition(|byte| *byte != 0).unwrap();
    bytes[at] ^= 1;
    project.write("core.tar", &bytes);
    project.run(&BUILD).fails(4, &["core.tar", "remove it"]);
    assert_eq!(project.read("core.tar"), bytes);
    project.write("core.tar", &good);
    project.run(&BUILD).succeeds();
    assert_eq!(project.read("core.tar"), good);
}

#[test]
fn init_writes_what_can_be_locked_and_overwrites_nothing() {
    let project = Project::new("");
    let made = project.run(&["init", "new", "--json"]).json();
    assert_eq!(made["files"][0], "new/sovereign-core.yaml");
    project.run(&["init", "new"]).fails(2, &["new/sovereign-core.yaml", "new/policy.yaml"]);
    for shell in ["bash", "zsh", "fish"] {
        assert!(project.run(&["completions", shell]).succeeds().stdout().contains("airgap-bundle"));
    }
}
