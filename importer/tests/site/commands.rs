//! What the commands take and say.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::approve::{approve, key_file};
use crate::archive::{Draft, at};
use crate::site::{Setup, Site, USUAL, fail, pem, succeed, text};

#[test]
fn verify_says_who_signed_and_that_nothing_was_judged() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let said = site.succeed(&["verify", &text(&archive.path)]);
    for wanted in ["build-1 as preparer", "0 gates: nothing was judged", &archive.identity.to_string()] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let json = site.json(&["verify", &text(&archive.path)]);
    assert_eq!(
        (&json["identity"], &json["judgements"][0]["gates"]),
        (&archive.identity.to_string().into(), &serde_json::json!([]))
    );
}

#[test]
fn verify_works_without_a_site_and_plan_wants_a_policy_then() {
    let site = Site::prepared(USUAL);
    let archive = site.archive(&Draft { audience: vec!["sovereign-b"], ..Draft::on(3) });
    site.write("build.pub", &pem(&site.people.build));
    let alone = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.env_remove("AIRGAP_STATE");
        command
    };
    let path = text(&archive.path);
    succeed(&mut alone(&["verify", &path, "--trust", "build.pub"]));
    succeed(&mut alone(&["verify", &path, "--trust", "trust.yaml", "--policy", "policy.yaml"]));
    let said = fail(&mut alone(&["verify", &path]), 2);
    assert!(said.contains("found no trust"), "{said}");
    let plan = ["plan", &path, "--to", "content", "--trust", "build.pub"];
    let said = fail(&mut alone(&plan), 2);
    assert!(said.contains("found no policy"), "{said}");
    let said = succeed(&mut alone(&[&plan[..], &["--policy", "policy.yaml"]].concat()));
    assert!(said.contains("registry.example/team/app") && !site.path("content").exists(), "{said}");
    let said = fail(&mut alone(&["load", &path, "--to", "content"]), 2);
    assert!(said.contains("found no site"), "{said}");
}

#[test]
fn a_device_that_is_read_in_one_direction_is_no_archive() {
    let site = Site::new();
    let path = text(&site.archive(&Draft::on(3)).path);
    for arguments in [
        &["verify", "/dev/null"][..],
        &["inspect", "/dev/zero"],
        &["load", "/dev/null", "--to", "content"],
        &["load", &path, "--to", "content", "--annex", "/dev/null"],
    ] {
        let said = fail(&mut site.command(arguments), 2);
        assert!(said.contains(": found a device, wanted an archive"), "{arguments:?}: {said}");
    }
    assert!(!site.path("content").exists());
}

#[test]
fn a_pipe_is_verified_and_loaded_from_its_copy() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let piped = |arguments: &[&str]| {
        let mut command = site.command(arguments);
        command.stdin(fs::File::open(&archive.path).unwrap());
        command
    };
    succeed(&mut piped(&["verify", "-"]));
    succeed(&mut piped(&["plan", "-", "--to", "content"]));
    let said = fail(&mut piped(&["load", "-", "--to", "content"]), 2);
    assert!(said.contains("--spool"), "{said}");
    fs::create_dir(site.path("spool")).unwrap();
    succeed(&mut piped(&["load", "-", "--to", "content", "--spool", "spool"]));
    assert_eq!(fs::read_dir(site.path("spool")).unwrap().count(), 0, "the copy went with the process");
    site.succeed(&["receipt", "verify"]);

    let mut bytes = fs::read(&archive.path).unwrap();
    bytes.push(0);
    fs::write(site.path("longer.tar"), bytes).unwrap();
    let mut command = site.command(&["verify", "-"]);
    let said = fail(command.stdin(fs::File::open(site.path("longer.tar")).unwrap()), 4);
    assert!(said.contains("appended"), "{said}");
}

#[test]
fn a_temporary_folder_that_is_missing_or_too_small_is_named() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3)).path;
    let told = |command: &mut Command, folder: &str, found: &str| {
        let said = fail(command.stdin(fs::File::open(&archive).unwrap()).env("TMPDIR", folder), 1);
        let named = said.contains(&format!("failed: {folder}: {found}"));
        assert!(named && said.contains("TMPDIR names another folder"), "{said}");
    };
    told(&mut site.command(&["verify", "-"]), "missing", "No such file");
    fs::create_dir(site.path("small")).unwrap();
    let mount = "mount -t tmpfs -o size=4k none small";
    let script = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-rm", "sh", "-c", script]).current_dir(site.path(""));
        command
    };
    // Where nobody may mount a file system, there is none that is too small: `tests/run` does not put up with that.
    let can_mount = script(mount).output().is_ok_and(|output| output.status.success());
    assert!(
        can_mount || std::env::var_os("AIRGAP_TEST_REGISTRY2_AUTH_USER").is_none(),
        "found no way to mount"
    );
    if can_mount {
        let verify =
            format!("{mount} && exec {} verify - --state state", env!("CARGO_BIN_EXE_airgap-import"));
        told(&mut script(&verify), "small", "No space left on device");
    }
}

#[test]
fn an_archive_that_was_cut_is_told_in_one_line_with_how_much_is_there() {
    use std::io::Write as _;
    use std::process::Stdio;

    let site = Site::new();
    let whole = fs::read(site.archive(&Draft::on(3)).path).unwrap();
    let path = site.path("cut.tar");
    for end in [0, 600, 17_000, 18_000, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..end]).unwrap();
        let from_file = fail(&mut site.command(&["verify", "cut.tar"]), 4);
        let mut verify = site.command(&["verify", "-"]);
        verify.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut verify = verify.spawn().unwrap();
        verify.stdin.take().unwrap().write_all(&whole[..end]).unwrap();
        let output = verify.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(4), "cut at {end}");
        for said in [from_file, String::from_utf8(output.stderr).unwrap()] {
            let is_told = said.contains(&format!(": found {end} bytes, wanted "));
            assert!(is_told && said.contains(": the copy is not complete"), "cut at {end}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
    fs::write(&path, &whole[..600]).unwrap();
    fail(&mut site.command(&["load", "cut.tar", "--to", "content"]), 4);
    let reason = site.json(&["receipt", "show"])["reasons"][0].to_string();
    assert!(reason.contains("found 600 bytes, wanted 16896 or more: the copy is not complete"), "{reason}");
}

#[test]
fn a_slow_medium_is_copied_while_it_is_verified() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--spool", "."]);
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn verify_judges_by_another_moment() {
    let site = Site::with(Setup { expires: "2024-12-01", ..USUAL });
    let draft = Draft { import_before: Some(at("2024-11-20T00:00:00Z")), ..Draft::on(3) };
    let archive = text(&site.archive(&draft).path);
    site.fail(3, &["verify", &archive]);
    site.succeed(&["verify", &archive, "--at", "2024-11-19T23:59:59Z"]);
    let said = site.fail(3, &["verify", &archive, "--at", "2024-11-20T00:00:00Z"]);
    assert!(said.contains("first import before") && !said.contains("trust file ended"), "{said}");
    let said = site.fail(3, &["verify", &archive, "--at", "2024-11-01T00:00:00Z"]);
    assert!(said.contains("at the latest"), "before it was signed: {said}");
    site.fail(2, &["verify", &archive, "--at", "yesterday"]);
}

#[test]
fn inspect_needs_no_trust_and_says_so() {
    let site = Site::prepared(USUAL);
    let archive = site.archive(&Draft::on(3));
    let path = text(&archive.path);
    let said = site.succeed(&["inspect", &path]);
    assert!(said.contains("UNVERIFIED") && said.contains("registry.example/team/app:1"), "{said}");
    let said = site.succeed(&["inspect", &path, "--trust", "trust.yaml"]);
    assert!(said.contains("signed by build-1 as preparer"), "{said}");
    site.write("stranger.pub", &pem(&site.people.stranger));
    site.fail(3, &["inspect", &path, "--trust", "stranger.pub"]);
}

#[test]
fn the_evidence_that_is_kept_is_the_archives_own_beginning() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    let kept = site.path("state/evidence").join(archive.identity.hex());
    let (pack, whole) = (fs::read(kept.join("evidence.tar")).unwrap(), fs::read(&archive.path).unwrap());
    assert!(pack.len() < whole.len() && whole.starts_with(&pack));
    let said = site.succeed(&["inspect", &text(&kept.join("evidence.tar")), "--trust", "trust.yaml"]);
    assert!(said.contains("signed by build-1"), "{said}");
    let trust = manifests::Digest::of(&fs::read(site.path("trust.yaml")).unwrap()).hex();
    assert!(kept.join(format!("trust-{}.yaml", &trust[..12])).exists());
}

#[test]
fn evidence_that_was_changed_is_made_anew_by_the_next_load_and_what_is_good_is_left_alone() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.load(&archive);
    let pack = site.path("state/evidence").join(archive.identity.hex()).join("evidence.tar");
    let good = fs::read(&pack).unwrap();
    let mut changed = good.clone();
    let last = good.iter().rposition(|byte| *byte != 0).unwrap();
    changed[last] ^= 1;
    for bad in [&changed, &good[..good.len() - 512].to_vec(), &Vec::new()] {
        fs::write(&pack, bad).unwrap();
        site.load(&archive);
        assert!(fs::read(&pack).unwrap() == good, "{} bytes", bad.len());
    }
    let made = fs::metadata(&pack).unwrap().ino();
    site.load(&archive);
    assert_eq!(fs::metadata(&pack).unwrap().ino(), made);
}

#[test]
fn an_unverified_archive_is_served_only_on_loopback() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let said = site.fail(2, &["serve", &text(&archive.path), "--listen", "0.0.0.0:0", "--unverified"]);
    assert!(said.contains("beyond loopback"), "{said}");
}

#[test]
fn beyond_loopback_only_what_load_would_accept_is_served() {
    let (site, archive) = crate::summaries::signed(1);
    let serve = ["serve", &text(&archive.path), "--listen", "0.0.0.0:0"];
    let said = site.fail(3, &serve);
    assert!(said.contains("0 of 1") && said.contains("security-officer"), "{said}");
}

#[test]
fn what_was_signed_before_its_key_ended_is_served() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let site = Site::with(Setup { build_until: "2024-11-04", ..USUAL });
    let serve =
        |day| site.command(&["serve", &text(&site.archive(&Draft::on(day)).path), "--listen", "127.0.0.1:0"]);
    let mut server = serve(3).stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(line.contains("http://127.0.0.1:"), "{line}");
    let said = fail(&mut serve(5), 3);
    assert!(said.contains("wanted one before 2024-11-04"), "{said}");
}

#[test]
fn completions_and_help_are_there() {
    let site = Site::prepared(USUAL);
    for shell in ["bash", "zsh", "fish"] {
        assert!(site.succeed(&["completions", shell]).contains("airgap-import"));
    }
    for verb in ["init", "verify", "report", "plan", "load", "publish", "serve", "receipt", "inspect"] {
        let help = site.succeed(&[verb, "--help"]);
        assert!(help.contains("Example") || verb == "receipt", "{verb}: {help}");
    }
}

#[test]
fn what_somebody_should_look_at_is_listed_and_bounded() {
    let rule =
        "{match: \"**\", accept: unsigned, reason: \"none\\u202e yet\", owner: ciso, until: 2999-01-01}";
    let site = Site::with(Setup {
        policy: Box::leak(format!("{{signatures: [{rule}]}}").into_boxed_str()),
        officers: 1,
        ..USUAL
    });
    key_file(&site, "officer-1.key", &site.people.officers[0]);
    let names =
        (0..12).map(|at| &*Box::leak(format!("registry.example/team/more-{at:02}:1").into_boxed_str()));
    let more = names.map(|name| (name, &[][..])).collect();
    let archive = site.archive(&Draft { more, ..Draft::on(3) });
    let path = text(&archive.path);
    let warnings = |said: &str| said.matches("\nwarning        registry.example/").count();
    let said = site.succeed(&approve(&path, &[]));
    assert_eq!(warnings(&said), 13, "an approver stands on each of them: {said}");
    assert!(!said.contains("more: see"), "{said}");
    for command in
        [&["verify", &path][..], &["plan", &path, "--to", "content"], &["load", &path, "--to", "content"]]
    {
        let said = site.succeed(command);
        assert!(said.contains("gates          signatures: 13 warned\n"), "{said}");
        assert_eq!(warnings(&said), 10, "{said}");
        assert!(said.contains("\nwarning        and 3 more: see `airgap-import report`\n"), "{said}");
        assert!(said.contains("none\\u{202e} yet") && !said.contains('\u{202e}'), "harmless: {said}");
    }
}
