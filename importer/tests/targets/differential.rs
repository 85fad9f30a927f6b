//! Archives that leave content to their base.

use std::fs;
use std::path::{Path, PathBuf};

use axum::http::{Method, StatusCode};
use fixtures::faults::{Fault, Rule};
use fixtures::image::Artifact;
use fixtures::registry::{Options, Registry};
use manifests::Digest;

use crate::harbor::Inside;
use crate::support::{Brought, Site, small_image, text, writes};

/// A site, the archive of `ghcr.io/demo/web:1` and one that leaves the layer which both share to it.
struct Pair {
    site: Site,
    base: PathBuf,
    identity: Digest,
    next: PathBuf,
    image: Artifact,
}

impl Pair {
    /// The differential archive brings `name`.
    fn new(name: &str) -> Self {
        let site = Site::new();
        Self::of(site, name)
    }

    fn of(site: Site, name: &str) -> Self {
        let (web, image) = (small_image("base", "web"), small_image("base", "next"));
        let base = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &web)]);
        let identity = site.identity(&base);
        let shared = image.blobs()[1].digest();
        assert_eq!(shared, web.blobs()[1].digest());
        let next = site.differential(4, vec![Brought::new(name, &image)], identity, &[shared]);
        Self { site, base, identity, next, image }
    }

    fn shared(&self) -> Digest {
        self.image.blobs()[1].digest()
    }

    /// What is said where the shared layer is nowhere.
    fn refusal(&self, name: &str, found: &str) -> String {
        format!(
            "failed: {name}: found {found} here, and none in the archive, wanted what its base {} has",
            self.identity
        )
    }

    fn fails(&self, command: &str, to: &Path, wanted: &str) {
        let said = self.site.fail(1, &[command, &text(&self.next), "--to", &text(to)]);
        assert!(said.contains(wanted), "{command}: {said}");
    }
}

/// A pair, and destinations with a registry of this type.
fn at_a_registry(name: &str, kind: &str) -> (Pair, Registry, PathBuf) {
    let (pair, registry) = (Pair::new(name), Registry::start(Options::default()).unwrap());
    let to = pair.site.registry(&registry.url(), kind);
    (pair, registry, to)
}

fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else { return vec![] };
    let mut all = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            all.extend(files(&path));
        } else {
            all.push((path.clone(), fs::read(&path).unwrap()));
        }
    }
    all.sort();
    all
}

fn blob(to: &Path, digest: Digest) -> PathBuf {
    to.join("oci/blobs/sha256").join(digest.hex())
}

#[test]
fn verify_and_plan_say_what_is_not_carried_and_which_base_has_it() {
    let pair = Pair::new("ghcr.io/demo/web:2");
    let (site, next, to) = (&pair.site, text(&pair.next), text(&pair.site.path("content")));
    let size = pair.image.blobs()[1].size();
    site.load(&pair.base, Path::new(&to));
    for arguments in [vec!["verify", &next], vec!["plan", &next, "--to", &to]] {
        let said = site.succeed(&arguments);
        let line = said.lines().find(|line| line.starts_with("not carried")).unwrap();
        assert!(line.contains("1 blob, ") && line.contains(&pair.identity.to_string()), "{line}");
    }
    let said: serde_json::Value = serde_json::from_str(&site.succeed(&["verify", &next, "--json"])).unwrap();
    let wanted = serde_json::json!({"base": pair.identity, "blobs": 1, "bytes": size});
    assert_eq!(said["notCarried"], wanted);
    let full: serde_json::Value =
        serde_json::from_str(&site.succeed(&["verify", &text(&pair.base), "--json"])).unwrap();
    assert!(full.get("notCarried").is_none(), "{full}");
}

#[test]
fn a_folder_that_has_what_is_not_carried_gets_the_rest() {
    let pair = Pair::new("ghcr.io/demo/web:2");
    let to = pair.site.path("content");
    pair.site.load(&pair.base, &to);
    let loaded = pair.site.load(&pair.next, &to);
    let planned = &loaded["plan"]["targets"][0];
    assert_eq!((&planned["present"]["count"], &planned["send"]["count"]), (&1.into(), &2.into()));
    assert_eq!(loaded["load"]["targets"][0]["sent"]["count"], 2, "the config and the layer of its own");
    assert!(fs::read_to_string(to.join("oci/index.json")).unwrap().contains("ghcr.io/demo/web:2"));
    for part in pair.image.blobs() {
        assert_eq!(Digest::of(&fs::read(blob(&to, part.digest())).unwrap()), part.digest());
    }
    let place = &pair.site.last_receipt()["items"][0]["places"][0];
    assert_eq!((&place["confirmation"], &place["name"]["outcome"]), (&"readBack".into(), &"set".into()));
    pair.site.load(&pair.next, &to);
    assert_eq!(pair.site.last_receipt()["items"][0]["places"][0]["confirmation"], "present");
    pair.site.succeed(&["receipt", "verify"]);
    let said = pair.site.succeed(&["receipt", "judge"]);
    assert!(said.contains("0 gates: nothing was judged"), "{said}");
}

#[test]
fn a_folder_that_lacks_what_is_not_carried_is_not_written_to() {
    let pair = Pair::new("ghcr.io/demo/web:2");
    let empty = pair.site.path("empty");
    let missing = pair.refusal("ghcr.io/demo/web:2", &format!("no blob {}", pair.shared()));
    for command in ["plan", "load"] {
        pair.fails(command, &empty, &missing);
        assert!(!empty.exists(), "{command}");
    }
    // Of the same size, and something else.
    let to = pair.site.path("content");
    pair.site.load(&pair.base, &to);
    let path = blob(&to, pair.shared());
    let mut bytes = fs::read(&path).unwrap();
    bytes[5] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let before = files(&to);
    let changed = format!("found the blob {} changed here, and none in the archive", pair.shared());
    for command in ["plan", "load"] {
        pair.fails(command, &to, &changed);
        assert!(files(&to) == before, "{command}");
    }
    pair.site.load(&pair.base, &to);
    pair.site.load(&pair.next, &to);
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let (site, image) = (Site::new(), small_image("base", "web"));
    let base = site.archive(3, vec![Brought::new("ghcr.io/demo/web:1", &image)]);
    let absent = [image.blobs()[1].digest(), image.blobs()[2].digest()];
    let items = vec![Brought::new("ghcr.io/demo/web:2", &image)];
    let next = text(&site.differential(4, items, site.identity(&base), &absent));
    let registry = Registry::start(Options::default()).unwrap();
    let destinations = text(&site.registry(&registry.url(), "type: oci"));
    for to in [text(&site.path("content")), destinations] {
        let said = site.fail(1, &["load", &next, "--to", &to]);
        assert!(absent.iter().all(|digest| said.contains(&digest.to_string())), "{to}: {said}");
    }
    assert_eq!(writes(&registry.requests()), [""; 0]);
}

#[test]
fn a_held_load_of_one_is_published() {
    let pair = Pair::new("ghcr.io/demo/web:2");
    let registry = Registry::start(Options::default()).unwrap();
    let destinations = pair.site.registry(&registry.url(), "type: oci");
    for (number, to) in [(2, pair.site.path("content")), (5, destinations)] {
        pair.site.load(&pair.base, &to);
        let to = text(&to);
        pair.site.succeed(&["load", &text(&pair.next), "--to", &to, "--hold"]);
        pair.site.succeed(&["publish", &number.to_string(), "--to", &to]);
        let receipt = pair.site.last_receipt();
        let place = &receipt["items"][0]["places"][0];
        assert_eq!((&receipt["state"], &place["confirmation"]), (&"published".into(), &"present".into()));
    }
    assert!(registry.store().manifest("ghcr.io/demo/web", "2").is_some());
    pair.site.succeed(&["receipt", "verify"]);
    let said = pair.site.succeed(&["receipt", "judge"]);
    assert!(said.contains("0 gates: nothing was judged"), "{said}");
}

#[test]
fn a_registry_that_has_what_is_not_carried_gets_the_rest() {
    for is_base_known in [true, false] {
        let (pair, registry, to) = at_a_registry("ghcr.io/demo/web:2", "type: oci, sign: false");
        if is_base_known {
            pair.site.load(&pair.base, &to);
        } else {
            small_image("base", "web").put(registry.store(), "ghcr.io/demo/web", Some("1")).unwrap();
        }
        registry.forget_requests();
        let loaded = pair.site.load(&pair.next, &to);
        let planned = &loaded["plan"]["targets"][0];
        assert_eq!((&planned["present"]["count"], &planned["send"]["count"]), (&1.into(), &2.into()));
        let shared = pair.shared().hex();
        let sent = registry.requests().into_iter().filter(|request| request.query.contains(&shared));
        assert_eq!(sent.count(), 0, "it was asked for, and neither sent nor mounted");
        assert!(registry.store().manifest("ghcr.io/demo/web", "2").is_some());
        assert_eq!(pair.site.last_receipt()["items"][0]["places"][0]["confirmation"], "readBack");
    }
}

#[test]
fn what_the_base_brought_to_another_repository_is_mounted_from_there() {
    let (pair, registry, to) = at_a_registry("docker.io/demo/app:2", "type: oci, sign: false");
    pair.site.load(&pair.base, &to);
    let loaded = pair.site.load(&pair.next, &to);
    let (planned, done) = (&loaded["plan"]["targets"][0], &loaded["load"]["targets"][0]);
    assert_eq!((&planned["mount"]["count"], &done["mounted"]["count"]), (&1.into(), &1.into()));
    assert!(registry.store().has_blob("docker.io/demo/app", pair.shared()));
    assert!(registry.store().manifest("docker.io/demo/app", "2").is_some());
}

#[test]
fn what_the_base_brought_is_mounted_into_a_project_that_is_made_for_it() {
    let inside = Inside::new();
    let (site, to) = inside.site(true);
    let pair = Pair::of(site, "docker.io/demo/app:2");
    inside.project("ghcr.io", -1);
    pair.site.load(&pair.base, Path::new(&to));
    let loaded = pair.site.load(&pair.next, Path::new(&to));
    assert_eq!(loaded["plan"]["targets"][0]["create"], serde_json::json!(["docker.io"]));
    assert!(inside.behind.store().has_blob("docker.io/demo/app", pair.shared()));
    assert!(inside.behind.store().manifest("docker.io/demo/app", "2").is_some());
}

#[test]
fn a_registry_that_lacks_what_is_not_carried_is_not_written_to() {
    for name in ["ghcr.io/demo/web:2", "docker.io/demo/app:2"] {
        let (pair, registry, to) = at_a_registry(name, "type: oci");
        let missing = pair.refusal(name, &format!("no blob {}", pair.shared()));
        pair.fails("load", &to, &missing);
        // It was brought, and collected as garbage since.
        pair.site.load(&pair.base, &to);
        assert!(registry.store().remove_blob("ghcr.io/demo/web", pair.shared()));
        registry.forget_requests();
        pair.fails("load", &to, &missing);
        assert_eq!(writes(&registry.requests()), [""; 0]);
    }
}

#[test]
fn a_registry_that_mounts_nothing_is_told_and_no_name_is_set() {
    let (pair, registry, to) = at_a_registry("docker.io/demo/app:2", "type: oci");
    pair.site.load(&pair.base, &to);
    let mount = format!("mount={}", urlencoded(pair.shared()));
    registry.fault(Rule::new(&mount, Fault::Status(StatusCode::FORBIDDEN)).on(Method::POST));
    pair.fails("load", &to, "does not mount it from there, wanted it here: load a full archive");
    assert_eq!(registry.open_uploads(), 0, "the session that came in its place was given up");
    assert!(registry.store().manifest("docker.io/demo/app", "2").is_none());
}

fn urlencoded(digest: Digest) -> String {
    digest.to_string().replace(':', "%3A")
}

#[test]
fn a_registry_that_redirects_to_its_storage_has_what_it_redirects_to() {
    let (pair, registry, to) = at_a_registry("ghcr.io/demo/web:2", "type: oci");
    pair.site.load(&pair.base, &to);
    let elsewhere = Fault::Redirect("http://storage.invalid{path}".to_owned());
    registry.fault(Rule::new(&format!("/blobs/{}", pair.shared()), elsewhere).on(Method::HEAD));
    pair.site.load(&pair.next, &to);
    assert!(registry.store().manifest("ghcr.io/demo/web", "2").is_some());
}
