//! What keeps the tree readable and the same on every machine.

use crate::assert_none;
use crate::source::{files, rust_files};

/// A file that passes this has more than one reason to change.
const LONGEST_FILE: usize = 500;

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
            for folder in folders {
                // After a letter it is part of a longer path or of an address.
                let named = line.match_indices(folder).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "._-~}".contains(c))
                });
                if named {
                    violations.push(format!("{}:{} names {folder}", file.path, number + 1));
                }
            }
        }
    }
    assert_none(&violations);
}
