//! Which names move, when, and which stay.

use fixtures::image;
use fixtures::registry::{Options, Registry};
use serde_json::Value;

use crate::support::{Brought, Site, small_image, text, writes};

fn web(content: &str) -> Vec<Brought> {
    vec![Brought::new("ghcr.io/demo/web:1", &small_image("base", content))]
}

fn plan(site: &Site, archive: &str, to: &str) -> Value {
    serde_json::from_str(&site.succeed(&["plan", archive, "--to", to, "--json"])).unwrap()
}

#[test]
fn an_older_archive_adds_content_and_leaves_newer_names_alone() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let (old, new) = (text(&site.archive(3, web("old"))), text(&site.archive(4, web("new"))));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    site.succeed(&["load", &new, "--to", &to]);
    let planned = plan(&site, &old, &to);
    assert_eq!(planned["plan"]["targets"][0]["names"][0]["outcome"], "leftNewer", "{planned}");
    site.succeed(&["load", &old, "--to", &to]);
    let store = registry.store();
    assert_eq!(store.manifest("ghcr.io/demo/web", "1").unwrap().digest, small_image("base", "new").digest());
    let added = small_image("base", "old").digest().to_string();
    assert!(store.manifest("ghcr.io/demo/web", &added).is_some(), "its content is there");

    let folder = text(&site.path("content"));
    site.succeed(&["load", &new, "--to", &folder]);
    site.succeed(&["load", &old, "--to", &folder]);
    let index = std::fs::read_to_string(site.path("content/oci/index.json")).unwrap();
    assert!(index.contains(&format!("ghcr.io/demo/web@{added}")), "{index}");
}

#[test]
fn one_name_of_two_contents_is_refused_before_anything_is_written() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let other = small_image("base", "other");
    let mut items = web("one");
    items.push(Brought::new(&format!("ghcr.io/demo/web:1@{}", other.digest()), &other));
    let archive = text(&site.archive(3, items));
    let folder = text(&site.path("content"));
    for to in [text(&site.registry(&registry.url(), "type: oci")), folder] {
        let errors = site.fail(2, &["load", &archive, "--to", &to]);
        assert!(errors.contains("under one tag"), "{errors}");
        site.succeed(&["load", &archive, "--to", &to, "--only", "ghcr.io/demo/web:1"]);
    }
    let index = std::fs::read_to_string(site.path("content/oci/index.json")).unwrap();
    assert!(!index.contains(&other.digest().to_string()), "{index}");
}

#[test]
fn a_name_that_is_a_tag_of_evidence_is_refused_before_anything_is_written() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let (image, other) = (small_image("base", "one"), small_image("base", "other"));
    let folder = text(&site.path("content"));
    for kind in ["sig", "att", "sbom", ""] {
        let tag = image::legacy_tag(image.digest(), kind);
        let name = format!("ghcr.io/demo/web:{tag}");
        let mut items = web("one");
        items.push(Brought::new(&name, &other));
        let archive = text(&site.archive(3, items));
        for to in [text(&site.registry(&registry.url(), "type: oci")), folder.clone()] {
            for verb in ["plan", "load"] {
                let errors = site.fail(3, &[verb, &archive, "--to", &to]);
                let lines = errors.lines().filter(|line| line.starts_with("refused: "));
                let [line] = lines.collect::<Vec<_>>()[..] else { panic!("{errors}") };
                for part in [name.as_str(), &image.digest().to_string(), "--only"] {
                    assert!(line.contains(part), "{part}: {line}");
                }
            }
        }
        assert_eq!(registry.requests().len(), 0);
        assert!(!site.path("content").exists());
    }
    let archive = text(&site.path("core-20241103213000.tar"));
    site.succeed(&["load", &archive, "--to", &folder, "--only", "ghcr.io/demo/web:1"]);
}

#[test]
fn another_channel_may_not_take_a_name_and_a_stranger_s_tag_is_replaced_and_shown() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let stranger = small_image("base", "stranger");
    stranger.put(registry.store(), "ghcr.io/demo/web", Some("1")).unwrap();
    let core = text(&site.archive(3, web("core")));
    let name = plan(&site, &core, &to)["plan"]["targets"][0]["names"][0].clone();
    assert_eq!(name["outcome"], "replace");
    assert_eq!(name["previous"], stranger.digest().to_string());
    site.succeed(&["load", &core, "--to", &to]);

    // Somebody moves the name that this site set: that is as strange.
    stranger.put(registry.store(), "ghcr.io/demo/web", Some("1")).unwrap();
    let name = plan(&site, &core, &to)["plan"]["targets"][0]["names"][0].clone();
    assert_eq!(name["outcome"], "replace");
    assert_eq!(name["previous"], stranger.digest().to_string());
    site.succeed(&["load", &core, "--to", &to]);

    let edge = text(&site.archive_of("edge", 5, web("edge")));
    registry.forget_requests();
    let errors = site.fail(3, &["load", &edge, "--to", &to]);
    assert!(errors.contains("channel core") && errors.contains("ghcr.io/demo/web:1"), "{errors}");
    assert_eq!(writes(&registry.requests()), [""; 0]);
}

#[test]
fn a_load_that_is_held_sets_no_name_until_it_is_published() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let archive = text(&site.archive(3, web("a")));
    site.succeed(&["load", &archive, "--to", &to, "--hold"]);
    let store = registry.store();
    assert_eq!(store.tags("ghcr.io/demo/web"), Some(vec![]));
    registry.forget_requests();
    site.succeed(&["publish", "1", "--to", &to]);
    assert_eq!(store.manifest("ghcr.io/demo/web", "1").unwrap().digest, small_image("base", "a").digest());
    let written = writes(&registry.requests());
    let is_name = |line: &&String| line.contains("/manifests/1 ");
    assert!(is_name(&written.last().unwrap()), "the name comes last: {written:?}");
    assert_eq!(written.iter().filter(is_name).count(), 1);

    let folder = text(&site.path("content"));
    site.succeed(&["load", &archive, "--to", &folder, "--hold"]);
    assert!(!site.path("content/oci/index.json").exists());
    site.succeed(&["publish", "3", "--to", &folder]);
    assert!(site.path("content/oci/index.json").exists());
}

#[test]
fn all_targets_have_the_content_before_a_name_moves_at_any() {
    let (site, first) = (Site::new(), Registry::start(Options::default()).unwrap());
    let second = Registry::start(Options::default()).unwrap();
    let archive = text(&site.archive(3, web("a")));
    let to = two(&site, &first, &second);
    let denied = fixtures::faults::Fault::Status(axum::http::StatusCode::FORBIDDEN);
    second.fault(fixtures::faults::Rule::new("/blobs/uploads/", denied));
    let errors = site.fail(1, &["load", &archive, "--to", &to]);
    assert!(errors.contains("denied (403)"), "{errors}");
    assert_eq!(first.store().tags("ghcr.io/demo/web"), Some(vec![]), "the content is there, no name");
    second.clear_faults();
    site.succeed(&["load", &archive, "--to", &to]);
    for registry in [&first, &second] {
        assert_eq!(registry.store().tags("ghcr.io/demo/web"), Some(vec!["1".to_owned()]));
    }
}

/// A file with two destinations.
fn two(site: &Site, one: &Registry, other: &Registry) -> String {
    let path = site.path("two.yaml");
    let registry = |name: &str, url: &str| format!("{{name: {name}, url: \"{url}\", type: oci}}");
    let registries = [registry("one", &one.url()), registry("two", &other.url())].join(", ");
    let document =
        format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {{registries: [{registries}]}}\n");
    std::fs::write(&path, document).unwrap();
    text(&path)
}

#[test]
fn what_a_name_was_before_is_in_the_receipt_of_the_run_that_ends_well() {
    let (site, first) = (Site::new(), Registry::start(Options::default()).unwrap());
    let second = Registry::start(Options::default()).unwrap();
    let stranger = small_image("base", "stranger");
    stranger.put(first.store(), "ghcr.io/demo/web", Some("1")).unwrap();
    let archive = text(&site.archive(3, web("a")));
    let to = two(&site, &first, &second);
    let denied = fixtures::faults::Fault::Status(axum::http::StatusCode::FORBIDDEN);
    second.fault(fixtures::faults::Rule::new("/manifests/1", denied).on(axum::http::Method::PUT));
    site.fail(1, &["load", &archive, "--to", &to]);
    let moved = first.store().manifest("ghcr.io/demo/web", "1").unwrap().digest;
    assert_eq!(moved, small_image("base", "a").digest(), "the first target's name has moved already");

    second.clear_faults();
    let said = site.succeed(&["load", &archive, "--to", &to]);
    assert!(said.contains(&format!("was {}", stranger.digest())), "{said}");
    let receipt: Value = serde_json::from_str(&site.succeed(&["receipt", "show", "--json"])).unwrap();
    let name = &receipt["items"][0]["places"][0]["name"];
    assert_eq!(name["outcome"], "set", "{receipt}");
    assert_eq!(name["previous"], stranger.digest().to_string(), "{receipt}");

    site.succeed(&["load", &archive, "--to", &to]);
    let receipt: Value = serde_json::from_str(&site.succeed(&["receipt", "show", "--json"])).unwrap();
    assert_eq!(receipt["items"][0]["places"][0]["name"]["outcome"], "unchanged", "{receipt}");
}

#[test]
fn two_repositories_that_would_become_one_are_an_error() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let image = small_image("base", "a");
    let items = vec![Brought::new("ghcr.io/demo/web:1", &image), Brought::new("quay.io/demo/web:2", &image)];
    let archive = text(&site.archive(3, items));
    let more = "type: oci, map: [{from: ghcr.io, to: all}, {from: quay.io, to: all}]";
    let errors = site.fail(2, &["load", &archive, "--to", &text(&site.registry(&registry.url(), more))]);
    assert!(errors.contains("all/demo/web") && errors.contains("ghcr.io/demo/web"), "{errors}");
    assert_eq!(registry.requests().len(), 0);
}

#[test]
fn a_host_that_looks_like_another_with_its_port_has_a_place_of_its_own() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let (theirs, other) = (small_image("base", "a"), small_image("base", "b"));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    for (version, name, image) in [(3, "a.test:5000/x:1", &theirs), (4, "a.test-5000/x:1", &other)] {
        let archive = text(&site.archive(version, vec![Brought::new(name, image)]));
        site.succeed(&["load", &archive, "--to", &to]);
    }
    for (place, image) in [("a.test_5000/x", &theirs), ("a.test-5000/x", &other)] {
        assert_eq!(registry.store().manifest(place, "1").unwrap().digest, image.digest(), "{place}");
    }
}

#[test]
fn content_without_a_tag_is_brought_and_its_danger_told() {
    let (site, registry) = (Site::new(), Registry::start(Options::default()).unwrap());
    let image = small_image("base", "a");
    let name = format!("ghcr.io/demo/web@{}", image.digest());
    let archive = text(&site.archive(3, vec![Brought::new(&name, &image)]));
    let to = text(&site.registry(&registry.url(), "type: oci"));
    let planned = site.succeed(&["plan", &archive, "--to", &to]);
    assert!(planned.contains("gets no tag"), "{planned}");
    site.succeed(&["load", &archive, "--to", &to]);
    assert!(registry.store().manifest("ghcr.io/demo/web", &image.digest().to_string()).is_some());
    assert_eq!(registry.store().tags("ghcr.io/demo/web"), Some(vec![]));
}
