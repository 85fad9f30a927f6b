//! `docs/dependencies.md` and the workspace agree.

use std::collections::BTreeMap;
use std::fs;

use crate::assert_none;
use crate::source::root;

#[test]
fn every_dependency_is_explained_with_the_version_that_is_asked_for() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let page = fs::read_to_string(root().join("docs/dependencies.md")).unwrap();
    let (wanted, explained) = (wanted(&manifest), explained(&page));
    assert!(wanted.len() > 10, "found {wanted:?}, wanted the workspace's dependencies");

    let mut violations = Vec::new();
    for (name, version) in &wanted {
        match explained.get(name) {
            None => {
                violations.push(format!("{name}: found no line in docs/dependencies.md, wanted its reason"));
            }
            Some(found) if found != version => {
                violations.push(format!("{name}: found {found} in docs/dependencies.md, wanted {version}"));
            }
            Some(_) => {}
        }
    }
    for name in explained.keys().filter(|name| !wanted.contains_key(*name)) {
        violations.push(format!("{name}: explained in docs/dependencies.md, and nothing depends on it"));
    }
    assert_none(&violations);
}

/// Name and version of what `[workspace.dependencies]` takes from the registry.
fn wanted(manifest: &str) -> BTreeMap<String, String> {
    let lines = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    lines
        .filter(|line| !line.contains("path = "))
        .filter_map(|line| {
            let (name, requirement) = line.split_once(" = ")?;
            Some((name.to_owned(), requirement.split('"').nth(1)?.to_owned()))
        })
        .collect()
}

/// Name and version of the lines of the table: "| `name` | version | ...".
fn explained(page: &str) -> BTreeMap<String, String> {
    page.lines()
        .filter_map(|line| {
            let (name, rest) = line.strip_prefix("| `")?.split_once("` | ")?;
            Some((name.to_owned(), rest.split(" |").next()?.to_owned()))
        })
        .collect()
}
