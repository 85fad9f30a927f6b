//! A load that is killed at each moment at which it has written something: what is there afterwards holds, and the same
//! command again completes it.
//!
//! `strace` kills the program right before its Nth call that makes a file last or gives it its name: between two of them
//! nothing else becomes visible that a crash of the machine could keep.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt as _;

use fixtures::image::{self, Format, Layer};
use serde_json::Value;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

/// More calls than one thread of a load makes.
const MOST: usize = 200;

/// What the ledger of a site says, one word a line.
fn events(desk: &Desk, site: &str) -> Vec<String> {
    let ledger = String::from_utf8(desk.read(&format!("{site}/ledger.jsonl"))).unwrap();
    // A line that a crash tore is no line.
    let lines = ledger.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.map(|line| line["event"].as_str().unwrap().to_owned()).collect()
}

/// Loads into a site and a folder of their own, and is killed before this call; whether it was.
fn killed(desk: &Desk, site: &str, call: usize) -> bool {
    let calls = "fsync,fdatasync,rename,renameat,renameat2";
    let mut load = desk.command(&format!(
        "strace -f -qq -o /dev/null -e trace={calls} -e inject={calls}:signal=KILL:when={call} \
         airgap-import load core.tar --state {site} --to {site}-content --quiet"
    ));
    // So that most calls are those of one thread, which strace counts by themselves.
    let output = load.env("TOKIO_WORKER_THREADS", "1").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    let was_killed = output.status.signal() == Some(9) || output.status.code() == Some(137);
    assert!(was_killed || output.status.success(), "{}: {said}", output.status);
    was_killed
}

#[test]
fn a_load_that_is_killed_before_any_of_its_writes_is_completed_by_the_same_command() {
    let desk = Desk::new();
    let name = servers::referrers().repository(&fresh_repository("crash"));
    let image = image::image("linux/amd64", &[Layer::with_files("crash", 1000)], Format::Oci);
    upstream::push(&desk, &image, &format!("{name}:1"));
    desk.define("core", &format!("images: [{{ref: \"{name}:1\"}}]"));
    desk.archive("core");
    desk.site("sovereign");

    let (mut states, mut receipts, mut kills) = (BTreeSet::new(), BTreeSet::new(), 0);
    for call in 1..=MOST {
        let site = format!("site-{call}");
        desk.run(&format!("cp -r sovereign {site}"));
        let was_killed = killed(&desk, &site, call);
        let found = events(&desk, &site).join(" ");
        // Nothing that was announced is missing, and what is there is what was signed.
        desk.run(&format!("airgap-import receipt verify --state {site}"));
        receipts.insert((
            found.clone(),
            std::fs::read_dir(desk.path(&format!("{site}/receipts"))).unwrap().count(),
        ));
        states.insert(found);
        if !was_killed {
            break;
        }
        kills += 1;
        desk.run(&format!("airgap-import load core.tar --state {site} --to {site}-content --quiet"));
        desk.run(&format!("airgap-import receipt judge --state {site}"));
        let receipt = desk.json(&format!("airgap-import receipt show --state {site} --json"));
        assert_eq!(receipt["state"], "published", "call {call}");
        let index = String::from_utf8(desk.read(&format!("{site}-content/oci/index.json"))).unwrap();
        assert!(index.contains(&image.digest().to_string()), "call {call}: {index}");
    }
    let wanted = [
        "genesis",
        "genesis accepted",
        "genesis accepted intended",
        "genesis accepted intended named",
        "genesis accepted intended named receipt",
    ];
    let states: Vec<&str> = states.iter().map(String::as_str).collect();
    assert_eq!(states, wanted, "{kills} kills");
    // A receipt is its summaries, its signature and itself, in this order, each under a draft's name first.
    let before_the_last_line = receipts.iter().filter(|(found, _)| *found == wanted[3]);
    let files: Vec<usize> = before_the_last_line.map(|(_, files)| *files).collect();
    assert_eq!(files, [1, 2, 3], "{receipts:?}");
    assert!((20..MOST).contains(&kills), "{kills} kills");
}
