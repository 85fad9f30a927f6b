//! Approvals and rejections: small archives beside the big one.

use std::fs;
use std::os::unix::fs::symlink;
use std::process::Command;

use manifests::slot::Verdict;
use manifests::trust::Role;

use crate::archive::{Draft, at};
use crate::site::{Setup, Site, USUAL, text};

const TWO: Setup = Setup { officers: 2, ..USUAL };

#[test]
fn thresholds_count_distinct_people() {
    let site = Site::with(TWO);
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    let [first, second, _] = &site.people.officers;

    site.annex(&archive, "officer-1", &approval, first);
    site.refuse_for(&archive, &["found 1 of 2"]);

    let later = Draft { signed_at: at("2024-11-30T09:00:00Z"), ..approval.clone() };
    site.annex(&archive, "officer-1-again", &later, first);
    let said = site.refuse(&archive, &[]);
    assert!(said.contains("found 1 of 2"), "one person twice: {said}");

    site.annex(&archive, "officer-2", &approval, second);
    site.load(&archive);
    let receipt = site.json(&["receipt", "show"]);
    let people: Vec<&str> =
        receipt["signers"].as_array().unwrap().iter().map(|it| it["person"].as_str().unwrap()).collect();
    assert_eq!(people, ["build-1", "officer-1", "officer-2"], "each by the last word");

    let evidence = site.path("state/evidence").join(archive.identity.hex());
    let kept: Vec<String> = fs::read_dir(evidence)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    for person in ["officer-1", "officer-2"] {
        assert!(kept.iter().any(|name| name.starts_with(person)), "{person}: {kept:?}");
    }
}

#[test]
fn who_prepared_cannot_approve() {
    let site = Site::with(TWO);
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    site.annex(&archive, "build-1", &approval, &site.people.build);
    let said = site.refuse(&archive, &[]);
    assert!(said.contains("found build-1 as preparer and as security-officer"), "{said}");
    assert!(said.contains("found 1 of 2"), "{said}");
}

#[test]
fn one_rejection_outweighs_all_approvals() {
    let site = Site::with(TWO);
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    let [first, second, third] = &site.people.officers;
    site.annex(&archive, "officer-1", &approval, first);
    site.annex(&archive, "officer-2", &approval, second);
    site.annex(&archive, "officer-3", &Draft::annex(&archive, Verdict::Rejected), third);
    site.fail(3, &["verify", &text(&archive.path)]);
    let kept = site.path("state/evidence").join(archive.identity.hex());
    assert!(!kept.exists(), "who only reads keeps nothing");
    let said = site.refuse(&archive, &[]);
    let rejected = "rejected by officer-3 at 2024-11-30T08:00:00Z (change: CHG-4711)";
    assert!(said.contains(rejected), "{said}");
    // Taken off the medium it is not forgotten.
    fs::remove_file(site.path(&format!("core-{}.officer-3.tar", archive.serial))).unwrap();
    let said = site.refuse(&archive, &[]);
    assert!(said.contains(rejected), "{said}");
}

#[test]
fn an_annex_that_is_none_does_not_count_and_is_a_failure_when_it_was_asked_for() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let other = site.archive(&Draft::on(4));
    let approval = Draft::annex(&archive, Verdict::Approved);
    let officer = &site.people.officers[0];
    let ahead = Draft { signed_at: at("2998-01-01T00:00:00Z"), ..approval.clone() };
    let silent_preparer = Draft { role: Role::Preparer, verdict: None, ..approval.clone() };
    for (draft, key, said, why) in [
        (&Draft::annex(&other, Verdict::Approved), officer, "wanted one of", "of another archive"),
        (&Draft { annex_of: None, ..approval.clone() }, officer, "an archive of its own", "no annex"),
        (&Draft { verdict: None, ..approval.clone() }, officer, "found no verdict", "without a verdict"),
        (&silent_preparer, officer, "signed as preparer", "a preparer's"),
        (
            &Draft { role: Role::SovereignAdmin, ..approval.clone() },
            officer,
            "no sovereign-admin",
            "no admin",
        ),
        (&approval, &site.people.stranger, "not trusted here", "by a stranger"),
        (&ahead, officer, "at the latest", "signed in the future"),
    ] {
        let path = site.annex(&archive, "officer-1", draft, key);
        let beside = site.refuse(&archive, &[]);
        assert!(beside.contains("found 0 of 1"), "{why}: {beside}");
        fs::rename(&path, site.path("elsewhere")).unwrap();
        let asked_for = site.refuse(&archive, &["--annex", "elsewhere"]);
        assert!(asked_for.contains(said), "{why}: {asked_for}");
    }
    let path = site.annex(&archive, "officer-1", &approval, officer);
    fs::rename(path, site.path("elsewhere")).unwrap();
    site.succeed(&["load", &text(&archive.path), "--to", "content", "--annex", "elsewhere"]);
}

#[test]
fn an_approvers_word_under_a_preparers_role_is_damage() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let draft = Draft { role: Role::Preparer, ..Draft::annex(&archive, Verdict::Approved) };
    let path = site.annex(&archive, "officer-1", &draft, &site.people.officers[0]);
    let beside = site.refuse(&archive, &[]);
    assert!(beside.contains("found 0 of 1"), "{beside}");
    fs::rename(path, site.path("elsewhere")).unwrap();
    let said = site.fail(4, &["load", &text(&archive.path), "--to", "content", "--annex", "elsewhere"]);
    assert!(said.contains("by another role than an approver's"), "{said}");
    assert!(site.index().is_none(), "{said}");
}

#[test]
fn a_notice_says_why_a_file_beside_the_archive_was_not_counted() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    site.write(&format!("core-{}.officer-1.tar", archive.serial), "not an archive");
    let said = site.notices(&["verify", &text(&archive.path)]);
    assert!(said.contains("notice: not counted:"), "{said}");
}

/// Runs a command that is ended where it waits for ever, and gives its status and what it says.
fn in_time(site: &Site, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.args(["60", env!("CARGO_BIN_EXE_airgap-import")]).args(arguments);
    let output = command.current_dir(site.folder.path()).env("AIRGAP_STATE", "state").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn what_has_the_name_of_an_annex_and_is_no_file_keeps_nobody_waiting() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let officer = &site.people.officers[0];
    let approval = site.annex(&archive, "officer-1", &Draft::annex(&archive, Verdict::Approved), officer);
    fs::rename(&approval, site.path("elsewhere")).unwrap();
    let make_pipe = |name: &str| {
        let status = Command::new("mkfifo").arg(site.path(name)).status().unwrap();
        assert!(status.success());
    };
    let name = |person: &str| format!("core-{}.{person}.tar", archive.serial);
    make_pipe(&name("officer-2"));
    symlink("elsewhere", &approval).unwrap();
    let path = text(&archive.path);
    let load = ["load", &path, "--to", "content"];
    let (status, said) = in_time(&site, &load);
    assert_eq!(status, Some(3), "{said}");
    let (status, said) = in_time(&site, &[&load[..], &["--annex", "elsewhere"]].concat());
    assert_eq!(status, Some(0), "{said}");
    for (person, found) in [("officer-1", "a link"), ("officer-2", "a pipe")] {
        let notice = format!("{}: found {found}, wanted a file", text(&site.path(&name(person))));
        assert!(said.contains(&format!("notice: not counted: {notice}")), "{said}");
    }

    make_pipe("pipe");
    for arguments in [
        &["load", &path, "--to", "content", "--annex", "pipe"][..],
        &["load", "pipe", "--to", "content"],
        &["load", "pipe", "--to", "content", "--spool", "."],
        &["inspect", "pipe"],
        &["serve", "pipe", "--listen", "127.0.0.1:0", "--unverified"],
    ] {
        let (status, said) = in_time(&site, arguments);
        assert_eq!(status, Some(2), "{arguments:?}: {said}");
        assert!(said.contains("pipe: found a pipe, wanted an archive (give it as standard input"), "{said}");
    }
}

#[test]
fn an_approval_by_another_policy_than_the_site_s_is_noticed() {
    let (site, archive, path) = crate::approve::prepared(Setup { officers: 1, ..USUAL }, &Draft::on(3));
    site.write("other.yaml", "apiVersion: airgap/v1\nkind: Policy\nspec: {version: 7}\n");
    let by = |policy: &str| {
        let annex = text(&crate::approve::annex_of(&site, &archive, "officer-1"));
        let _ = fs::remove_file(&annex);
        let more = ["--trust", "trust.yaml", "--policy", policy, "-o", &annex];
        let mut command = site.command(&crate::approve::approve(&path, &more));
        crate::site::succeed(command.env_remove("AIRGAP_STATE"));
        let verified = site.run(&["verify", &path]);
        assert!(verified.status.success(), "{verified:?}");
        String::from_utf8(verified.stderr).unwrap()
    };
    let said = by("policy.yaml");
    assert!(!said.contains("not in force"), "{said}");
    let said = by("other.yaml");
    let digest = manifests::Digest::of(&fs::read(site.path("other.yaml")).unwrap());
    let notice = format!("officer-1 approved it by the policy {digest}, which is not in force here");
    assert!(said.contains(&notice), "{said}");

    let annex = crate::approve::annex_of(&site, &archive, "officer-1");
    Draft::annex(&archive, Verdict::Approved).write(&annex, &site.people.officers[0]);
    let said = String::from_utf8(site.run(&["verify", &path]).stderr).unwrap();
    assert!(said.contains("officer-1 approved it without a policy, which is not in force here"), "{said}");
}

#[test]
fn a_preparer_who_is_none_any_more_is_refused_beside_the_missing_approvals() {
    let site = Site::with(Setup { build_until: "2024-11-01", ..TWO });
    let said = site.refuse(&site.archive(&Draft::on(3)), &[]);
    assert!(said.contains("2024-11-01") && said.contains("found 0 of 2"), "{said}");
}

#[test]
fn what_was_signed_before_its_key_ended_counts_today() {
    for (until, missing) in [("2024-12-01", None), ("2024-11-30", Some("found 0 of 1"))] {
        let site = Site::with(Setup { build_until: until, officers: 1, ..USUAL });
        let archive = site.archive(&Draft::on(3));
        let approval = Draft::annex(&archive, Verdict::Approved);
        site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
        if let Some(missing) = missing {
            let said = site.refuse(&archive, &[]);
            assert!(
                said.contains(missing) && !said.contains("build-1"),
                "the approval alone is late: {said}"
            );
            continue;
        }
        site.succeed(&["verify", &text(&archive.path)]);
        site.load(&archive);
    }
}

#[test]
fn a_second_load_takes_for_annexes_what_was_kept_as_one() {
    let site = Site::with(Setup { officers: 1, ..USUAL });
    let archive = site.archive(&Draft::on(3));
    let approval = Draft::annex(&archive, Verdict::Approved);
    let path = site.annex(&archive, "officer-1", &approval, &site.people.officers[0]);
    let load = ["load", &text(&archive.path), "--to", "content"];
    site.succeed(&load);
    fs::remove_file(path).unwrap();
    let said = site.notices(&load);
    assert!(!said.contains("not counted"), "{said}");
}

#[test]
fn of_a_flood_of_annexes_a_number_is_read_and_that_is_said() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    for (more, is_said) in [(64, false), (65, true)] {
        for at in 1..=more {
            site.write(&format!("core-{}.person-{at}.tar", archive.serial), "not an archive");
        }
        let said = site.notices(&["verify", &text(&archive.path)]);
        assert_eq!(said.matches("not counted:").count(), 64, "{said}");
        assert_eq!(said.contains("found more than 64 annexes"), is_said, "{said}");
    }
}
