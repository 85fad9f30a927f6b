//! One archive whose every byte is known: what is written today must be read in ten years, and the reverse.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod support;

use std::fs;
use std::path::PathBuf;

use support::Source;
use transfer::archive::open;

fn repository(path: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", path].iter().collect()
}

const GOLDEN: &str = "fixtures/data/archive/core-20261123213000.tar";

#[test]
fn the_golden_archive_is_written_and_read() {
    let golden = fs::read(repository(GOLDEN)).unwrap();
    let source = Source::small();
    assert!(source.write() == golden, "the archive is written as it was when the format was fixed");
    let key = source.public_key();
    let verified = open::signed(golden, |_| Some(key)).unwrap().verify(&|_| ()).unwrap();
    assert_eq!(verified.inventory(), &source.inventory);
}

/// The worked example of the format's page, line by line: `OFFSET  HEX...  |TEXT|`, as `hexdump -C` prints.
#[test]
fn the_worked_example_of_the_page_is_the_golden_archive() {
    let golden = fs::read(repository(GOLDEN)).unwrap();
    let page = fs::read_to_string(repository("docs/format.md")).unwrap();
    let mut lines = 0;
    for line in page.lines().filter(|line| line.ends_with('|') && line.len() > 60) {
        let Some((offset, rest)) = line.trim_start().split_once("  ") else { continue };
        let Ok(offset) = usize::from_str_radix(offset, 16) else { continue };
        let (hex, text) = rest.split_once('|').unwrap();
        let shown: Vec<u8> =
            hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect();
        assert_eq!(shown, golden[offset..offset + shown.len()], "the line at {offset:08x}");
        let printable = |&byte: &u8| if (0x20..0x7f).contains(&byte) { char::from(byte) } else { '.' };
        assert_eq!(
            text.trim_end_matches('|'),
            shown.iter().map(printable).collect::<String>().trim_end_matches('|')
        );
        lines += 1;
    }
    assert!(lines >= 40, "found {lines} lines of the worked example");
}
