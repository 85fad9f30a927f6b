//! Who may name whom.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;
use tests::command::succeed;

use crate::assert_none;
use crate::source::{code, paths, root, rust_files};

/// What each crate may import of the workspace. The two sides are absent on the right: nobody imports them.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("manifests", &[]),
    ("gates", &["manifests"]),
    ("clients", &["manifests"]),
    ("console", &["manifests", "gates"]),
    ("transfer", &["manifests"]),
    ("fixtures", &["manifests"]),
    ("bundler", &["manifests", "gates", "clients", "console", "transfer"]),
    ("importer", &["manifests", "gates", "clients", "console", "transfer"]),
    ("tests", &["manifests", "gates", "clients", "console", "transfer", "fixtures"]),
];

/// A folder of plug-ins, and the stages beside it that no plug-in may import.
const PLUG_INS: [(&str, &str, &[&str]); 2] = [
    (
        "bundler/src",
        "sources",
        &["resolve", "collect", "lock", "judge", "write", "build", "split", "send", "commands"],
    ),
    (
        "importer/src",
        "destinations",
        &[
            "receive",
            "join",
            "open",
            "verify",
            "judgement",
            "approval",
            "exclusion",
            "accept",
            "plan",
            "vouch",
            "load",
            "held",
            "publish",
            "serve",
            "commands",
        ],
    ),
];

/// What a crate without file system, network, clock or async does not name.
const IMPURE: [&str; 11] = [
    "std::fs",
    "std::net::TcpStream",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::os",
    "std::process",
    "std::env",
    "std::time::SystemTime",
    "std::time::Instant",
    "tokio",
    "reqwest",
];

#[test]
fn crates_import_only_what_the_table_allows() {
    let allowed = BTreeMap::from(ALLOWED);
    let mut violations = Vec::new();
    for (package, dependency, kind) in dependencies() {
        let Some(may) = allowed.get(package.as_str()) else {
            violations.push(format!("{package}: found no line for it, wanted one in ALLOWED"));
            continue;
        };
        let for_tests = kind == "dev" && dependency == "fixtures" && package != "fixtures";
        if allowed.contains_key(dependency.as_str()) && !may.contains(&dependency.as_str()) && !for_tests {
            violations.push(format!("{package} imports {dependency}, wanted one of {may:?}"));
        }
    }
    assert_none(&violations);
}

#[test]
fn pure_crates_name_no_file_system_network_clock_or_async() {
    let mut violations = Vec::new();
    for (package, dependency, kind) in dependencies() {
        let pure = ["manifests", "gates"].contains(&package.as_str()) && kind == "normal";
        if pure && ["tokio", "reqwest", "rustix", "tempfile"].contains(&dependency.as_str()) {
            violations.push(format!("{package} depends on {dependency}"));
        }
    }
    for file in ["manifests/src", "gates/src"].into_iter().flat_map(rust_files) {
        let code = code(&file.text);
        for path in paths(&code) {
            if IMPURE.iter().any(|impure| starts_with(&path, impure)) || path.ends_with("::now_utc") {
                violations.push(format!("{} names {path}", file.path));
            }
        }
        if is_async(&code) {
            violations.push(format!("{} is async", file.path));
        }
    }
    assert_none(&violations);
}

#[test]
fn archives_are_read_and_written_without_async() {
    let mut violations = Vec::new();
    for (package, dependency, kind) in dependencies() {
        if package == "transfer" && kind == "normal" && ["tokio", "reqwest"].contains(&dependency.as_str()) {
            violations.push(format!("{package} depends on {dependency}"));
        }
    }
    let files = rust_files("transfer/src");
    assert!(!files.is_empty());
    let is_wrong = files.iter().filter(|file| is_async(&code(&file.text)));
    violations.extend(is_wrong.map(|file| format!("{} is async", file.path)));
    assert_none(&violations);
}

fn is_async(code: &str) -> bool {
    ["async fn", "async move", ".await"].iter().any(|mark| code.contains(mark))
}

#[test]
fn plug_ins_import_no_stage_and_are_named_only_by_their_table() {
    let mut violations = Vec::new();
    for (side, folder, stages) in PLUG_INS {
        let files = rust_files(side);
        let plug_ins: Vec<String> =
            files.iter().filter_map(|file| plug_in(&file.path, side, folder)).collect();
        for file in &files {
            let own = plug_in(&file.path, side, folder);
            if file.path == format!("{side}/{folder}/mod.rs") {
                continue;
            }
            for path in paths(&code(&file.text)) {
                let path = absolute(&path, &file.path, side);
                let stage = stages.iter().any(|stage| starts_with(&path, &format!("crate::{stage}")));
                if stage && own.is_some() {
                    violations.push(format!("{} is a plug-in and names the stage {path}", file.path));
                }
                let other =
                    plug_ins.iter().find(|name| starts_with(&path, &format!("crate::{folder}::{name}")));
                if other.is_some() && other != own.as_ref() {
                    violations.push(format!("{} names the plug-in {path}", file.path));
                }
            }
        }
    }
    assert_none(&violations);
}

#[test]
fn gates_do_not_import_each_other() {
    let mut violations = Vec::new();
    let files = rust_files("gates/src");
    let gates = ["signature", "vulnerability", "malware", "model", "package"];
    for file in &files {
        let Some(own) = gates.iter().find(|gate| is_module(&file.path, "gates/src", gate)) else { continue };
        for path in paths(&code(&file.text)) {
            let path = absolute(&path, &file.path, "gates/src");
            if gates.iter().any(|gate| gate != own && starts_with(&path, &format!("crate::{gate}"))) {
                violations.push(format!("{} names {path}", file.path));
            }
        }
    }
    assert_none(&violations);
}

/// Crate, dependency and kind (`normal`, `dev`, `build`) of every dependency in the workspace. The crates of
/// the workspace go by their folders' names, which are those in the table whatever the package is called.
fn dependencies() -> Vec<(String, String, String)> {
    let metadata = succeed(Command::new(env!("CARGO")).current_dir(root()).args([
        "metadata",
        "--no-deps",
        "--format-version=1",
    ]));
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let text = |value: &Value| value.as_str().unwrap_or("normal").to_owned();
    let folder = |path: &str| path.trim_end_matches("/Cargo.toml").rsplit('/').next().unwrap().to_owned();
    let mut found = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = folder(package["manifest_path"].as_str().unwrap());
        for dependency in package["dependencies"].as_array().unwrap() {
            let other = dependency["path"].as_str().map_or_else(|| text(&dependency["name"]), folder);
            found.push((name.clone(), other, text(&dependency["kind"])));
        }
    }
    found
}

/// The name of the plug-in that a file is, or is part of.
fn plug_in(path: &str, side: &str, folder: &str) -> Option<String> {
    let inside = path.strip_prefix(side)?.strip_prefix('/')?.strip_prefix(folder)?.strip_prefix('/')?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    (name != "mod").then(|| name.to_owned())
}

/// Whether a file is the module of this name, or in its folder.
fn is_module(path: &str, side: &str, name: &str) -> bool {
    path == format!("{side}/{name}.rs") || path.starts_with(&format!("{side}/{name}/"))
}

/// A path with `super` and `self` replaced by what they stand for in this file.
fn absolute(path: &str, file: &str, side: &str) -> String {
    let inside = file.trim_start_matches(side).trim_start_matches('/').trim_end_matches(".rs");
    let mut module: Vec<&str> =
        inside.split('/').filter(|name| !["mod", "main", "lib"].contains(name)).collect();
    let mut rest = path;
    if !starts_with(rest, "super") && !starts_with(rest, "self") {
        return path.to_owned();
    }
    while let Some((first, after)) = rest.split_once("::")
        && (first == "super" || first == "self")
    {
        if first == "super" {
            module.pop();
        }
        rest = after;
    }
    module.insert(0, "crate");
    module.push(rest);
    module.join("::")
}

/// Whether a path is the prefix or something inside it.
fn starts_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

#[test]
fn paths_from_a_parent_are_followed_to_where_they_lead() {
    for (path, file, leads) in [
        ("super::chart::read", "bundler/src/sources/image.rs", "crate::sources::chart::read"),
        ("super::super::judge::run", "bundler/src/sources/image/layers.rs", "crate::sources::judge::run"),
        ("super::Source", "bundler/src/sources/image.rs", "crate::sources::Source"),
        ("self::image::A", "bundler/src/sources/mod.rs", "crate::sources::image::A"),
        ("crate::judge", "bundler/src/sources/image.rs", "crate::judge"),
    ] {
        assert_eq!(absolute(path, file, "bundler/src"), leads);
    }
}
