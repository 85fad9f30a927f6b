//! The reader that was written from docs/format.md alone, in another language: where it and the programs part
//! ways, the page is wrong or a program is.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tests::binaries::airgap_bundle;
use tests::command::{finish, succeed};

#[test]
fn the_second_reader_does_what_the_page_says() {
    succeed(python().args(["-m", "unittest", "discover", "--start-directory"]).arg(reader()));
}

#[test]
fn the_second_reader_verifies_the_golden_archive() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/archive");
    let printed = succeed(
        python()
            .arg(reader().join("airgap_reader.py"))
            .arg(golden.join("core-20261123213000.tar"))
            .arg("--key")
            .arg(golden.join("preparer.pub")),
    );
    let identity = "sha256:5e7b53ce2cf7dcec7ed2c047012402ab3ba6f02ac8907c9b5b05cdb628f0b423";
    assert_eq!(printed.lines().next(), Some(format!("identity {identity}").as_str()), "{printed}");
}

/// What the second reader wrote and judged: sound archives, and ones that break one rule under a good signature.
#[test]
fn both_readers_judge_every_case_alike() {
    let folder = tempfile::tempdir().unwrap();
    let mut judge = python();
    judge.arg(reader().join("judge_cases.py")).arg(folder.path()).stdout(Stdio::piped());
    let mut judge = judge.spawn().unwrap();
    let mut cases = 0;
    for line in BufReader::new(judge.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let [status, file, name] = line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        println!("{name}");
        let status: i32 = status.parse().unwrap();
        let mut verify = airgap_bundle();
        verify.current_dir(folder.path()).args(["verify", file, "--key", "preparer.pub", "--quiet"]);
        let (_, said) = finish(&mut verify, status);
        let word = match status {
            0 => "",
            2 => "error: ",
            3 => "refused: ",
            _ => "damaged: ",
        };
        let one_line = said.lines().count() == usize::from(status != 0);
        assert!(one_line && said.starts_with(word), "{name}: {said}");
        let is_shown = |character: char| !character.is_control() || character == '\n';
        assert!(said.chars().all(is_shown), "{name}: {said:?}");
        cases += 1;
    }
    assert!(judge.wait().unwrap().success(), "the second reader says above what it judged otherwise");
    assert!(cases > 450, "found {cases} cases");
}

/// Python that leaves no compiled files in the tree.
fn python() -> Command {
    let mut command = Command::new("python3");
    command.arg("-B");
    command
}

fn reader() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("second_reader")
}
