//! What keeps the tree readable and the same on every machine.

use std::fs;

use crate::assert_none;
use crate::source::{files, root, rust_files};

/// A file that passes this has more than one reason to change.
const LONGEST_FILE: usize = 450;

#[test]
fn no_source_file_is_too_long_to_read_at_once() {
    let mut violations = Vec::new();
    for file in files("") {
        let source = [".rs", ".go", ".py", ".sh"].iter().any(|ending| file.path.ends_with(ending));
        let lines = file.text.lines().count();
        if source && lines > LONGEST_FILE {
            violations.push(format!("{} has {lines} lines, wanted at most {LONGEST_FILE}", file.path));
        }
    }
    assert_none(&violations);
}

#[test]
fn no_test_is_ignored() {
    let attributes = [concat!("#[", "ignore"), concat!("cfg_attr(", "ignore"), concat!(", ", "ignore)]")];
    let mut violations = Vec::new();
    for file in rust_files("") {
        if attributes.iter().any(|attribute| file.text.contains(attribute)) {
            violations.push(format!("{} has a test that does not run", file.path));
        }
    }
    assert_none(&violations);
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let folders = [concat!("/", "root/"), concat!("/", "work/"), concat!("/", "home/")];
    let mut violations = Vec::new();
    for file in files("") {
        for (number, line) in file.text.lines().enumerate() {
            if let Some(folder) = folders.iter().find(|folder| names(line, folder)) {
                violations.push(format!("{}:{} names {folder}", file.path, number + 1));
            }
        }
    }
    assert_none(&violations);
}

/// Whether a line names something in a folder. After a letter the folder is part of a longer path or of an
/// address, and before these names it is an example's.
fn names(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let inside = line[at + folder.len()..].split(|c: char| !c.is_alphanumeric()).next();
        !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c))
            && !matches!(inside, Some("a" | "user"))
    })
}

#[test]
fn examples_and_parts_of_longer_paths_are_no_folder_of_a_machine() {
    for (line, named) in [
        ("cd /srv/me/x", true),
        ("\"/srv/user/.docker\"", false),
        ("/srv/a", false),
        ("https://example.com/srv/me", false),
        ("~/srv/me", false),
    ] {
        assert_eq!(names(line, "/srv/"), named, "{line}");
    }
}

/// Tests are renamed more often than the page is read.
#[test]
fn every_test_that_the_threat_model_names_is_there() {
    let model = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let rows = model.lines().filter_map(|line| line.strip_suffix(" |")?.rsplit_once(" | "));
    let mut violations = Vec::new();
    for (_, cell) in rows {
        // A file or folder, and then the functions in it.
        let mut source = String::new();
        for name in cell.split('`').skip(1).step_by(2) {
            let path = root().join(name);
            let is_there = if name.contains('/') {
                source = fs::read_to_string(&path).unwrap_or_default();
                path.exists()
            } else {
                source.contains(&format!("fn {name}()"))
            };
            if !is_there {
                violations
                    .push(format!("docs/threat-model.md names {name}, wanted a test that is there: {cell}"));
            }
        }
    }
    assert_none(&violations);
}
