//! `approve`: who may, what is signed, and when nothing is.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use manifests::key::PrivateKey;
use manifests::slot::Verdict;
use manifests::trust::{Role, Trust};
use transfer::archive::{Verified, open};

use crate::archive::{Archive, Draft};
use crate::site::{Setup, Site, USUAL, fail, pem, succeed, text};

const ONE: Setup = Setup { officers: 1, ..USUAL };

/// Writes a person's private key and gives its file.
pub(crate) fn key_file(site: &Site, name: &str, key: &PrivateKey) -> String {
    site.write(name, &key.to_pem().unwrap());
    name.to_owned()
}

/// The command line of an approval by the first officer.
pub(crate) fn approve<'a>(archive: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["approve", archive, "--key", "officer-1.key"], more].concat()
}

/// A site with the first officer's key beside it, and an archive.
pub(crate) fn prepared(setup: Setup, draft: &Draft) -> (Site, Archive, String) {
    let site = Site::with(setup);
    key_file(&site, "officer-1.key", &site.people.officers[0]);
    let archive = site.archive(draft);
    let path = text(&archive.path);
    (site, archive, path)
}

pub(crate) fn annex_of(site: &Site, archive: &Archive, person: &str) -> PathBuf {
    site.path(&format!("core-{}.{person}.tar", archive.serial))
}

/// What is in the folder beside what a site is set up from: nothing may be left after a refusal.
fn annexes(site: &Site) -> Vec<String> {
    let entries = fs::read_dir(site.folder.path()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.contains("officer-1.tar") || name.contains("partial")).collect()
}

fn opened(site: &Site, path: &Path) -> Verified<File> {
    let trust = Trust::parse(&fs::read_to_string(site.path("trust.yaml")).unwrap()).unwrap();
    let signed = open::signed(File::open(path).unwrap(), |id| trust.key(id).cloned()).unwrap();
    signed.verify(&|_| ()).unwrap()
}

#[test]
fn an_approval_is_what_a_load_was_waiting_for() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    let said = site.refuse(&archive, &[]);
    assert!(said.contains("found 0 of 1"), "{said}");
    let said = site.succeed(&approve(&path, &["--change", "CHG-4711"]));
    for wanted in ["build-1 as preparer", "approved       by officer-1 as security-officer", "CHG-4711"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert!(said.contains(&archive.identity.to_string()), "the identity to compare: {said}");
    site.load(&archive);
    let receipt = site.json(&["receipt", "show"]);
    assert_eq!(receipt["signers"][1]["person"], "officer-1");
}

#[test]
fn an_approval_says_by_what_it_was_judged() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    let json = site.json(&approve(&path, &["--change", "CHG-4711"]));
    assert_eq!((&json["verdict"], &json["missing"]), (&"approved".into(), &serde_json::json!([])));
    let annex = opened(&site, &annex_of(&site, &archive, "officer-1"));
    assert_eq!(annex.inventory().annex_of, Some(archive.identity));
    let signature = annex.signature();
    assert_eq!((signature.role, signature.verdict), (Role::SecurityOfficer, Some(Verdict::Approved)));
    assert_eq!(signature.change.as_deref(), Some("CHG-4711"));
    let digest = |name: &str| manifests::Digest::of(&fs::read(site.path(name)).unwrap());
    assert_eq!(signature.policy_digest, Some(digest("policy.yaml")));
    assert_eq!(signature.trust_digest, Some(digest("trust.yaml")));
}

#[test]
fn one_of_two_approvals_says_what_is_missing() {
    let (site, archive, path) = prepared(Setup { officers: 2, ..USUAL }, &Draft::on(3));
    let said = site.succeed(&approve(&path, &[]));
    assert!(said.contains("missing        found 1 of 2 signatures"), "{said}");
    let said = site.refuse(&archive, &[]);
    assert!(said.contains("found 1 of 2"), "k-1: {said}");
    key_file(&site, "officer-2.key", &site.people.officers[1]);
    let said = site.succeed(&["approve", &path, "--key", "officer-2.key"]);
    assert!(!said.contains("missing"), "{said}");
    site.load(&archive);
}

#[test]
fn who_may_not_approve_is_refused_and_leaves_nothing() {
    let (site, _, path) = prepared(ONE, &Draft::on(3));
    key_file(&site, "build.key", &site.people.build);
    key_file(&site, "stranger.key", &site.people.stranger);
    for (arguments, status, said, why) in [
        (
            &["--key", "build.key"][..],
            3,
            "found build-1 as preparer and as security-officer",
            "the preparer, who has the role as well",
        ),
        (&["--key", "stranger.key"], 3, "nobody in the trust file has as an approver", "a key of nobody"),
        (
            &["--key", "officer-1.key", "--role", "sovereign-admin"],
            3,
            "nobody in the trust file has as sovereign-admin; it is officer-1's as security-officer",
            "another role",
        ),
        (
            &["--key", "officer-1.key", "--role", "preparer"],
            2,
            "wanted security-officer or",
            "no approver's role",
        ),
        (&["--key", "officer-1.key", "--change", "a\nb"], 2, "--change", "a change of two lines"),
        (&["--key", "officer-1.key", "--reason", "x"], 2, "--exclude", "a reason for nothing"),
        (&["--key", "officer-1.key", "--exclude", "x"], 2, "found no --reason", "left out for no reason"),
        (
            &["--key", "officer-1.key", "--exclude", "x", "--reason", " "],
            2,
            "found no --reason",
            "an empty one",
        ),
        (&["--key", "officer-1.key", "--reject", "--exclude", "x"], 2, "--reject", "half a rejection"),
    ] {
        let found = site.fail(status, &[&["approve", &path], arguments].concat());
        assert!(found.contains(said), "{why}: {found}");
    }
    assert!(!site.path("core-20241103213000.build-1.tar").exists() && annexes(&site).is_empty());
}

#[test]
fn a_preparer_alone_has_no_approvers_key() {
    let site = Site::new();
    let path = text(&site.archive(&Draft::on(3)).path);
    key_file(&site, "build.key", &site.people.build);
    let said = site.fail(3, &["approve", &path, "--key", "build.key"]);
    assert!(said.contains("it is build-1's as preparer"), "{said}");
}

#[test]
fn a_rejection_needs_no_good_archive_and_outweighs_an_approval() {
    let setup = Setup { policy: "{signatures: [{match: \"**\", deny: true}]}", ..ONE };
    let (site, archive, path) = prepared(setup, &Draft::on(3));
    let said = site.fail(3, &approve(&path, &[]));
    assert!(said.contains("registry.example/team/app:1"), "{said}");
    assert!(said.contains("identity"), "the summary is shown: {said}");
    assert!(annexes(&site).is_empty(), "nothing was signed that anybody could count");
    let said = site.succeed(&approve(&path, &["--reject", "--change", "CHG-4711"]));
    assert!(said.contains("rejected       by officer-1") && said.contains("against"), "{said}");
    let said = site.refuse(&archive, &[]);
    assert!(said.contains("found it rejected by officer-1") && said.contains("CHG-4711"), "{said}");
    fs::remove_file(annex_of(&site, &archive, "officer-1")).unwrap();
    assert!(site.refuse(&archive, &[]).contains("rejected"), "taken off the medium it is not forgotten");
}

#[test]
fn who_approves_again_is_shown_once_and_takes_back_what_they_said() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    let rejection = Draft::annex(&archive, Verdict::Rejected);
    site.annex(&archive, "officer-1", &rejection, &site.people.officers[0]);
    for output in ["second.tar", "third.tar"] {
        let beside = ["--annex", "second.tar"];
        let more = if output == "third.tar" { &beside[..] } else { &[] };
        let said = site.succeed(&approve(&path, &[&["-o", output], more].concat()));
        assert_eq!(said.matches("officer-1 as security-officer").count(), 2, "signed, approved: {said}");
    }
    site.succeed(&["load", &path, "--to", "content", "--annex", "third.tar"]);
}

#[test]
fn nobody_approves_what_another_rejected() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    site.annex(&archive, "officer-2", &Draft::annex(&archive, Verdict::Rejected), &site.people.officers[1]);
    let said = site.fail(3, &approve(&path, &[]));
    assert!(said.contains("found it rejected by officer-2"), "{said}");
}

#[test]
fn nothing_is_overwritten() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    site.succeed(&approve(&path, &[]));
    let annex = annex_of(&site, &archive, "officer-1");
    let before = fs::read(&annex).unwrap();
    let said = site.fail(2, &approve(&path, &["--reject"]));
    assert!(said.contains("found something there"), "{said}");
    assert_eq!(fs::read(&annex).unwrap(), before);
    site.succeed(&approve(&path, &["-o", "elsewhere.tar"]));
    fs::remove_file(annex).unwrap();
    site.refuse(&archive, &[]);
    site.succeed(&["load", &path, "--to", "content", "--annex", "elsewhere.tar"]);
}

#[test]
fn what_is_no_archive_is_not_approved() {
    let (site, archive, _) = prepared(ONE, &Draft::on(3));
    let annex = site.annex(
        &archive,
        "officer-2",
        &Draft::annex(&archive, Verdict::Approved),
        &site.people.officers[1],
    );
    let said = site.fail(3, &approve(&text(&annex), &["-o", "out.tar"]));
    assert!(said.contains("found an annex of"), "{said}");
    let mut bytes = fs::read(&archive.path).unwrap();
    let last = bytes.len() - 1600;
    bytes[last] ^= 1;
    site.write("damaged.tar", "");
    fs::write(site.path("damaged.tar"), bytes).unwrap();
    for verdict in [&[][..], &["--reject"]] {
        site.fail(4, &approve("damaged.tar", &[&["-o", "out.tar"], verdict].concat()));
    }
    assert!(!site.path("out.tar").exists());
}

#[test]
fn an_approval_needs_a_policy_and_no_site() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    let alone = |more: &[&str]| {
        let mut command = site.command(&approve(&path, more));
        command.env_remove("AIRGAP_STATE");
        command
    };
    let said = fail(&mut alone(&["--trust", "trust.yaml"]), 2);
    assert!(said.contains("found no policy"), "{said}");
    succeed(&mut alone(&["--trust", "trust.yaml", "--policy", "policy.yaml"]));
    site.load(&archive);
}

#[test]
fn an_annex_waits_beside_its_place_and_in_no_temporary_folder() {
    let (site, archive, path) = prepared(ONE, &Draft::on(3));
    let mut command = site.command(&approve(&path, &[]));
    succeed(command.env("TMPDIR", site.path("missing")));
    site.load(&archive);
}

#[test]
fn a_pipe_is_approved_where_the_annex_has_a_place() {
    let (site, archive, _) = prepared(ONE, &Draft::on(3));
    let piped = |more: &[&str]| {
        let mut command = site.command(&approve("-", more));
        command.stdin(File::open(&archive.path).unwrap());
        command
    };
    let said = fail(&mut piped(&[]), 2);
    assert!(said.contains("found standard input and no -o"), "{said}");
    let annex = text(&annex_of(&site, &archive, "officer-1"));
    succeed(&mut piped(&["-o", &annex]));
    site.load(&archive);
}

/// Each of two approving roles has its threshold; if one had to wait for the other, neither could begin.
#[test]
fn two_approving_roles_sign_in_any_order() {
    for order in [["officer", "admin"], ["admin", "officer"]] {
        let site = Site::prepared(ONE);
        let [officer, admin, _] = &site.people.officers;
        let person = |name: &str, key| {
            let pem = serde_json::to_string(&pem(key)).unwrap();
            format!("{{threshold: 1, people: [{{name: {name}, keys: [{{pem: {pem}}}]}}]}}")
        };
        let (build, one, two) =
            (person("build-1", &site.people.build), person("officer", officer), person("admin", admin));
        site.write(
            "trust.yaml",
            &format!("apiVersion: airgap/v1\nkind: Trust\nspec: {{version: 1, expires: 2999-01-01, roles: {{preparer: {build}, security-officer: {one}, sovereign-admin: {two}}}}}\n"),
        );
        let init = ["init", "--trust", "trust.yaml", "--policy", "policy.yaml", "--name", "sovereign-a"];
        site.succeed(&init);
        key_file(&site, "officer.key", officer);
        key_file(&site, "admin.key", admin);
        let archive = site.archive(&Draft::on(3));
        let path = text(&archive.path);
        let approve = |who: &str| site.succeed(&["approve", &path, "--key", &format!("{who}.key")]);
        let said = approve(order[0]);
        assert!(said.contains("missing"), "{said}");
        site.refuse(&archive, &[]);
        let said = approve(order[1]);
        assert!(!said.contains("missing"), "{said}");
        site.load(&archive);
    }
}

/// `script` gives a command a terminal of its own, and hands it what it reads.
#[test]
fn on_a_terminal_a_person_sees_what_they_sign_before_they_do() {
    let (site, archive, path) = prepared(Setup { officers: 1, ..USUAL }, &Draft::on(3));
    let annex = annex_of(&site, &archive, "officer-1");
    let line = format!("{} {}", env!("CARGO_BIN_EXE_airgap-import"), approve(&path, &[]).join(" "));
    let answer = |line: &str, answer: &str| {
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", line, "/dev/null"]);
        command.current_dir(site.folder.path()).env("AIRGAP_STATE", "state");
        let mut asked = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        asked.stdin.take().unwrap().write_all(answer.as_bytes()).unwrap();
        let output = asked.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for no in ["n\n", "\n"] {
        let (status, said) = answer(&line, no);
        assert!(said.contains(&archive.identity.to_string()), "{said}");
        assert!(said.contains("Does officer-1, as security-officer, approve it? [y/N]"), "{said}");
        assert!(said.contains("nothing was written: it was not confirmed"), "{said}");
        assert_eq!((status, annex.exists()), (Some(2), false), "{said}");
    }
    let (status, said) = answer(&line, "y\n");
    assert_eq!((status, annex.exists()), (Some(0), true), "{said}");
    fs::remove_file(&annex).unwrap();
    let (status, said) = answer(&format!("{line} --yes"), "");
    assert_eq!((status, annex.exists(), said.contains("[y/N]")), (Some(0), true, false), "{said}");
}
