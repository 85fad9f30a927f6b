//! The site's memory: what happens when it was changed, cut, or a crash left it half written.

use std::fs;
use std::io::Write as _;

use crate::archive::{Archive, Draft};
use crate::site::{Site, USUAL, policy, text};

/// A site that has loaded two archives, and the next one.
fn used() -> (Site, Archive) {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    site.load(&site.archive(&Draft { content: "second", ..Draft::on(4) }));
    let next = site.archive(&Draft { content: "third", ..Draft::on(5) });
    (site, next)
}

#[test]
fn a_ledger_that_is_not_what_it_was_is_refused() {
    let cut_at = |ledger: &str, lines: usize| -> String {
        ledger.lines().take(lines).map(|line| format!("{line}\n")).collect()
    };
    let count = used().0.ledger().lines().count();
    type Change<'a> = Box<dyn Fn(&str) -> String + 'a>;
    let cases: Vec<(Change<'_>, &str, &str)> = vec![
        (Box::new(|_| String::new()), "lines were cut off", "emptied"),
        (Box::new(|ledger| cut_at(ledger, 1)), "lines were cut off", "all but the genesis cut"),
        (Box::new(|ledger| cut_at(ledger, count - 2)), "lines were cut off", "the last names cut"),
        (
            Box::new(|ledger| ledger.replacen("20241103213000", "20241102213000", 1)),
            "line ",
            "another serial",
        ),
        (Box::new(|ledger| ledger.replacen("\"core\"", "\"edge\"", 1)), "line ", "another channel"),
        (Box::new(|ledger| ledger.replacen("{", "{ ", 1)), "canonical", "other whitespace"),
        (Box::new(|ledger| ledger.replacen('\n', "\n\n", 1)), "line 2", "an empty line"),
        (
            Box::new(|ledger| {
                let mut lines: Vec<&str> = ledger.lines().collect();
                lines.swap(1, 2);
                lines.join("\n") + "\n"
            }),
            "line 2",
            "two lines swapped",
        ),
        (
            Box::new(|ledger| {
                let lines: Vec<&str> = ledger.lines().collect();
                [&lines[..1], &lines[2..]].concat().join("\n") + "\n"
            }),
            "line 2",
            "a line taken out",
        ),
    ];
    for (change, said, why) in cases {
        let (site, next) = used();
        fs::write(site.path("state/ledger.jsonl"), change(&site.ledger())).unwrap();
        let found = site.refuse(&next, &[]);
        assert!(found.contains(said), "{why}: {found}");
        site.fail(3, &["receipt", "verify"]);
    }
}

#[test]
fn a_receipt_of_another_past_of_the_site_does_not_follow_the_last_one() {
    let site = Site::new();
    let archives = [(3, "a"), (4, "b"), (5, "c"), (6, "d"), (7, "e")]
        .map(|(day, content)| site.archive(&Draft { content, ..Draft::on(day) }));
    let load = |archive: &Archive, state: &str| {
        site.succeed(&["load", &text(&archive.path), "--to", &format!("{state}-content"), "--state", state]);
    };
    load(&archives[0], "state");
    let mut copy = std::process::Command::new("cp");
    assert!(copy.args(["-r", "state", "other"]).current_dir(site.path("")).status().unwrap().success());
    load(&archives[1], "state");
    load(&archives[2], "state");
    load(&archives[3], "other");
    // The third receipt of one past behind the second of the other: its number follows, and its predecessor is another.
    for entry in fs::read_dir(site.path("state/receipts")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap();
        if name.to_str().unwrap().starts_with("000003") {
            fs::copy(&path, site.path("other/receipts").join(name)).unwrap();
        }
    }
    let path = text(&archives[4].path);
    let said = site.fail(3, &["load", &path, "--to", "other-content", "--state", "other"]);
    assert!(said.contains("wanted the one that the last receipt names"), "{said}");
}

#[test]
fn a_missing_ledger_is_refused_with_advice() {
    let (site, next) = used();
    fs::remove_file(site.path("state/ledger.jsonl")).unwrap();
    let said = site.fail(3, &["load", &text(&next.path), "--to", "content"]);
    assert!(said.contains("found no ledger") && said.contains("restore"), "{said}");
    assert!(!site.path("state/ledger.jsonl").exists(), "none is started in its place");

    fs::create_dir(site.path("state/ledger.jsonl")).unwrap();
    let said = site.fail(1, &["receipt", "verify"]);
    assert!(!said.contains("found no ledger"), "it is there: {said}");
}

#[test]
fn a_torn_last_line_is_cut_and_the_work_goes_on() {
    for torn in ["{", "{\"channel\":\"core\",\"digest\":\"sha2", "\0\0\0\0"] {
        let (site, next) = used();
        let whole = site.ledger();
        let path = site.path("state/ledger.jsonl");
        fs::OpenOptions::new().append(true).open(&path).unwrap().write_all(torn.as_bytes()).unwrap();
        site.succeed(&["receipt", "verify"]);
        assert_eq!(site.ledger(), format!("{whole}{torn}"), "who only reads changes nothing");
        site.load(&next);
        let ledger = site.ledger();
        let added = ledger.strip_prefix(&whole).unwrap();
        let is_whole = |line: &str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert!(added.lines().all(is_whole), "{added}");
        site.succeed(&["receipt", "verify"]);
    }
}

#[test]
fn a_last_line_without_its_newline_stays() {
    let (site, next) = used();
    let whole = site.ledger();
    fs::write(site.path("state/ledger.jsonl"), whole.trim_end()).unwrap();
    site.load(&next);
    assert!(site.ledger().starts_with(&whole));
    site.succeed(&["receipt", "verify"]);
}

/// Makes of a new site one that was set up while the clock was ahead.
fn turn_back(site: &Site) {
    let genesis = site.ledger();
    let (start, _) = genesis.split_once("\"time\":\"").unwrap();
    site.write("state/ledger.jsonl", &format!("{start}\"time\":\"2999-01-01T00:00:00Z\"}}\n"));
}

#[test]
fn a_clock_that_was_turned_back_is_refused() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    turn_back(&site);
    for verb in [&["verify"][..], &["plan", "--to", "content"], &["load", "--to", "content"]] {
        let said = site.fail(3, &[verb, &[&text(&archive.path)]].concat());
        assert!(said.contains("wanted a time from 2999-01-01T00:00:00Z on"), "{said}");
    }
    assert!(!site.path("content").exists());
}

#[test]
fn nothing_is_put_in_force_by_a_clock_that_was_turned_back() {
    let site = Site::new();
    turn_back(&site);
    site.write("trust-2.yaml", &site.trust(USUAL).replace("version: 1", "version: 2"));
    site.write("policy-2.yaml", &policy("{version: 2}"));
    site.write("build.key", &site.people.build.to_pem().unwrap());
    for what in ["trust", "policy"] {
        let file = format!("{what}-2.yaml");
        site.succeed(&[what, "sign", &file, "--key", "build.key"]);
        let said = site.fail(3, &[what, "update", &file]);
        assert!(said.contains("wanted a time from 2999-01-01T00:00:00Z on"), "{what}: {said}");
    }
    assert!(!site.path("state/changes").exists() && site.receipts().is_empty());
}

#[test]
fn files_that_were_pinned_cannot_be_changed() {
    for (name, why) in [
        ("trust.yaml", "whom the site trusts"),
        ("policy.yaml", "what the site accepts"),
        ("site.json", "who the site is"),
        ("receipt.pub", "whose receipts are the site's"),
    ] {
        let (site, next) = used();
        let path = site.path("state").join(name);
        let text = fs::read_to_string(&path).unwrap();
        let other = match name {
            "receipt.pub" => crate::site::pem(&site.people.stranger),
            "site.json" => text.replace("sovereign-a", "sovereign-b"),
            _ => format!("{text}\n"),
        };
        fs::write(&path, other).unwrap();
        let said = site.refuse(&next, &[]);
        assert!(said.contains(name), "{why}: {said}");
    }
}

#[test]
fn a_site_has_one_writer() {
    let site = Site::new();
    let archive = site.archive(&Draft::on(3));
    let lock = fs::File::options().write(true).open(site.path("state/lock")).unwrap();
    lock.lock().unwrap();
    let said = site.fail(1, &["load", &text(&archive.path), "--to", "content"]);
    assert!(said.contains("found another command at work"), "{said}");
    site.succeed(&["verify", &text(&archive.path)]);
    // Closed alone it would stay with what another test is about to start, between fork and exec.
    lock.unlock().unwrap();
    site.load(&archive);
}

#[test]
fn names_are_in_the_ledger_before_they_are_set() {
    let site = Site::new();
    site.load(&site.archive(&Draft::on(3)));
    let events: Vec<String> = site
        .ledger()
        .lines()
        .map(|line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(events, ["genesis", "accepted", "intended", "named", "receipt"]);
}
