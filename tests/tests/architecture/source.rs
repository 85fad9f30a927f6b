//! Reading the tree: its text files, and the paths that Rust code names.

use std::fs;
use std::path::{Path, PathBuf};

/// A text file of the tree.
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All text files under a folder of the tree, sorted. Built files and version control are left out, and so
/// is what is not UTF-8.
pub(crate) fn files(folder: &str) -> Vec<File> {
    let mut found = Vec::new();
    walk(&root(), folder, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    assert!(!found.is_empty(), "found no file in {folder}, wanted some to check");
    found
}

/// The Rust files under a folder of the tree.
pub(crate) fn rust_files(folder: &str) -> Vec<File> {
    files(folder).into_iter().filter(|file| file.path.ends_with(".rs")).collect()
}

fn walk(root: &Path, folder: &str, found: &mut Vec<File>) {
    for entry in fs::read_dir(root.join(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type().unwrap();
        // In a further work tree `.git` is a file that names the folder of the repository.
        if name == ".git" {
            continue;
        }
        if kind.is_dir() && path != "target" {
            walk(root, &path, found);
        } else if kind.is_file()
            && let Ok(text) = fs::read_to_string(entry.path())
        {
            found.push(File { path, text });
        }
    }
}

/// The code of a Rust file without line comments and without the tests at its end.
pub(crate) fn code(text: &str) -> String {
    let shipped = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    shipped.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Every path that the code names, with the groups of `use` declarations spelled out:
/// `use std::{fs, io::Read};` gives `std::fs` and `std::io::Read`.
pub(crate) fn paths(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut followed = 0;
    for (start, _) in code.match_indices("::") {
        let head = start
            - code[..start].chars().rev().take_while(|c| is_name(*c)).map(char::len_utf8).sum::<usize>();
        // Not from the middle of a path, or inside a group: that was followed from its beginning.
        if start >= followed && head < start {
            followed = code.len() - expand(&code[head..start], &code[start..], &mut found).len();
        }
    }
    found
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Follows a path from one `::` on, into the braces of a group; gives what is left after it.
fn expand<'a>(head: &str, rest: &'a str, found: &mut Vec<String>) -> &'a str {
    let Some(tail) = rest.strip_prefix("::") else {
        found.push(head.to_owned());
        return rest;
    };
    let Some(mut rest) = tail.strip_prefix('{') else {
        let end = tail.find(|c| !is_name(c)).unwrap_or(tail.len());
        return expand(&format!("{head}::{}", &tail[..end]), &tail[end..], found);
    };
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_whitespace() || c == ',');
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        if end == 0 {
            // A glob, or code that is no declaration: nothing more to follow.
            return rest;
        }
        rest = expand(&format!("{head}::{}", &rest[..end]), &rest[end..], found);
        if let Some(renamed) = rest.trim_start().strip_prefix("as ") {
            let end = renamed.find([',', '}']).unwrap_or(renamed.len());
            rest = &renamed[end..];
        }
    }
}

#[test]
fn groups_are_spelled_out_and_comments_and_tests_left_out() {
    let text = "use std::{fs, io::{self as input, Read}, net};\nlet x = crate::load::run(a::b); // c::d\n\
                #[cfg(test)]\nmod tests { use e::f; }";
    assert_eq!(
        paths(&code(text)),
        ["std::fs", "std::io::self", "std::io::Read", "std::net", "crate::load::run", "a::b"]
    );
}
