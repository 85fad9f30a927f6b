//! Setting a site up.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use manifests::Digest;

use crate::site::{Setup, Site, USUAL, fail, pem, policy, succeed};

const INIT: [&str; 7] = ["init", "--trust", "trust.yaml", "--policy", "policy.yaml", "--name", "sovereign-a"];

/// The names in a folder, in order.
fn names_in(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn everything_that_two_people_compare_is_printed() {
    let site = Site::prepared(Setup { officers: 3, ..USUAL });
    let said = site.run(&INIT);
    let (out, errors) = (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
    let mut wanted = vec![
        Digest::of(&fs::read(site.path("trust.yaml")).unwrap()).to_string(),
        Digest::of(policy("{}").as_bytes()).to_string(),
        site.people.build.public().unwrap().id().to_string(),
    ];
    wanted.extend(site.people.officers.iter().map(|key| key.public().unwrap().id().to_string()));
    let public = fs::read_to_string(site.path("state/receipt.pub")).unwrap();
    wanted.push(manifests::key::PublicKey::from_pem(&public).unwrap().id().to_string());
    for digest in wanted {
        assert!(out.contains(&digest), "{digest}: {out}");
    }
    assert!(out.contains("thresholds         1 preparer, 3 security-officer\n"), "{out}");
    assert!(errors.contains("preparer has no spare person"), "{errors}");
    assert!(!errors.contains("security-officer has no spare person"), "three of four: {errors}");
    assert!(errors.contains("the receipt key is not encrypted"), "{errors}");
}

#[test]
fn the_receipt_key_is_for_its_owner_alone() {
    let site = Site::prepared(USUAL);
    site.succeed(&INIT);
    let mode = fs::metadata(site.path("state/receipt.key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let key = fs::read_to_string(site.path("state/receipt.key")).unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"));
}

#[test]
fn a_password_encrypts_the_receipt_key_and_is_needed_for_a_load() {
    let site = Site::prepared(USUAL);
    succeed(site.command(&INIT).env("AIRGAP_KEY_PASSWORD", "correct horse"));
    let key = fs::read_to_string(site.path("state/receipt.key")).unwrap();
    assert!(key.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    let archive = site.archive(&crate::archive::Draft::on(3));
    let load = ["load", &crate::site::text(&archive.path), "--to", "content"];
    let said = site.fail(2, &load);
    assert!(said.contains("no password"), "{said}");
    assert!(!site.path("content").exists(), "asked for before anything is written");
    let said = fail(site.command(&load).env("AIRGAP_KEY_PASSWORD", "battery staple"), 2);
    assert!(said.contains("does not open the key"), "{said}");
    succeed(site.command(&load).env("AIRGAP_KEY_PASSWORD", "correct horse"));
}

#[test]
fn a_key_that_is_given_signs_the_receipts() {
    let site = Site::prepared(USUAL);
    fs::write(site.path("own.key"), site.people.stranger.to_pem().unwrap()).unwrap();
    site.succeed(&[&INIT[..], &["--receipt-key", "own.key"]].concat());
    assert_eq!(fs::read_to_string(site.path("state/receipt.pub")).unwrap(), pem(&site.people.stranger));
    site.load(&site.archive(&crate::archive::Draft::on(3)));
    site.succeed(&["receipt", "verify"]);
}

#[test]
fn a_site_is_set_up_once_and_whole_or_not_at_all() {
    let site = Site::prepared(USUAL);
    for (trust, said, why) in [
        ("apiVersion: airgap/v1\nkind: Policy\nspec: {}\n", "kind: Trust", "another document"),
        ("nothing", "wrong.yaml", "no document"),
    ] {
        site.write("wrong.yaml", trust);
        let arguments = ["init", "--trust", "wrong.yaml", "--policy", "policy.yaml", "--name", "a"];
        let found = site.fail(2, &arguments);
        assert!(found.contains(said), "{why}: {found}");
        assert!(!site.path("state").exists(), "{why}");
    }
    fs::create_dir(site.path("state")).unwrap();
    site.succeed(&INIT);
    let before = fs::read(site.path("state/site.json")).unwrap();
    let said = site.fail(2, &INIT);
    assert!(said.contains("a site is set up once"), "{said}");
    assert_eq!(fs::read(site.path("state/site.json")).unwrap(), before);
    let left: Vec<String> = fs::read_dir(site.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn the_trusted_roots_of_the_policy_are_kept_each_by_its_digest() {
    let site = Site::prepared(USUAL);
    let (mut digests, mut roots, mut rules) = (Vec::new(), String::new(), String::new());
    for kind in ["logged", "timestamped"] {
        let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data/sigstore-private");
        let root = fs::read_to_string(format!("{data}/{kind}/trusted_root.json")).unwrap();
        let digest = Digest::of(root.as_bytes()).hex();
        site.write(&format!("{kind}.json"), &root);
        roots += &format!("{{name: {kind}, sha256: {digest}, file: {kind}.json}}, ");
        let keyless = format!("{{issuer: a, identity: ^b$, trustedRoot: sha256:{digest}}}");
        rules += &format!("{{match: \"{kind}/**\", keyless: {keyless}}}, ");
        digests.push(digest);
    }
    rules += "{match: \"**\", accept: unsigned, reason: a, owner: b, until: 2999-01-01}";
    site.write("policy.yaml", &policy(&format!("{{trustedRoots: [{roots}], signatures: [{rules}]}}")));
    site.succeed(&INIT);
    let archive = site.archive(&crate::archive::Draft::on(3));
    site.load(&archive);
    for digest in digests {
        assert!(site.path(&format!("state/roots/{digest}.json")).exists());
        let kept = format!("state/evidence/{}/root-{}.json", archive.identity.hex(), &digest[..12]);
        assert!(site.path(&kept).exists(), "{kept}");
    }
}

#[test]
fn the_directory_names_the_site_when_nobody_does() {
    let site = Site::prepared(USUAL);
    let named = ["init", "--trust", "trust.yaml", "--policy", "policy.yaml", "--state"];
    let said = site.succeed(&[&named[..], &["sovereign-z"]].concat());
    assert!(said.contains("sovereign-z"), "{said}");
    let said = site.fail(2, &[&named[..], &["State_1"]].concat());
    assert!(said.contains("--name SITE"), "{said}");
}

#[test]
fn the_folders_above_a_site_are_made_and_nothing_is_left_beside_them() {
    let site = Site::prepared(USUAL);
    let before = names_in(site.folder.path());
    let parent = site.path("var/lib");
    site.succeed(&[&INIT[..], &["--state", "var/lib/state"]].concat());
    assert_eq!(names_in(&parent), ["state"]);
    assert!(site.path("var/lib/state/site.json").exists());
    assert_eq!(names_in(site.folder.path()), [before, vec!["var".to_owned()]].concat());
}

#[test]
fn receipts_are_for_everybody_to_read_whatever_the_umask() {
    let site = Site::new();
    site.load(&site.archive(&crate::archive::Draft::on(3)));
    let receipts = site.receipts();
    assert_eq!(receipts.len(), 1);
    for path in [&receipts[0], &receipts[0].with_extension("sigstore.json")] {
        let mode = fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o644, "{}", path.display());
    }
}
