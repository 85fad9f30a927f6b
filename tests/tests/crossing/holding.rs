//! Content now, names in the change window: at several registries at once.

use serde_json::Value;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

use crate::{inside, web};

#[test]
fn a_load_that_is_held_brings_the_content_everywhere_and_publish_the_names() {
    let (desk, source) = (Desk::new(), servers::referrers());
    let below = source.repository(&fresh_repository("held"));
    upstream::make_signer(&desk);
    upstream::push(&desk, &web(), &format!("{below}/web:2"));
    upstream::sign(&desk, &format!("{below}/web@{}", web().digest()));
    desk.define("core", &format!("images: [{{ref: \"{below}/web:2\"}}]"));
    desk.archive("core");
    desk.site("sovereign");
    let prefix = fresh_repository("inside");
    let targets = [servers::registry2_target(), servers::registry3(), servers::referrers()];
    let registries = targets.iter().enumerate().map(|(at, target)| {
        format!("{{name: target-{at}, url: \"http://{}\", type: oci}}", target.repository(&prefix))
    });
    desk.destinations("all", &format!("registries: [{}]", registries.collect::<Vec<_>>().join(", ")));

    desk.run("airgap-import load core.tar --state sovereign --to all.yaml --hold");
    for target in &targets {
        let there = inside(target, &prefix, &below);
        desk.run(&format!("crane validate --remote {there}/web@{}", web().digest()));
        upstream::verify(&desk, &format!("{there}/web@{}", web().digest()));
        let (_, error) = desk.ends(&format!("crane digest {there}/web:2"), 1);
        assert!(error.contains("404") || error.contains("MANIFEST_UNKNOWN"), "{}: {error}", target.name);
    }
    desk.run("airgap-import publish 1 --state sovereign --to all.yaml");
    for target in &targets {
        let there = inside(target, &prefix, &below);
        assert_eq!(desk.run(&format!("crane digest {there}/web:2")).trim(), web().digest().to_string());
    }

    desk.run("airgap-import receipt verify --state sovereign");
    let receipt = desk.json("airgap-import receipt show --state sovereign --json");
    let places = receipt["items"][0]["places"].as_array().unwrap();
    let targets: Vec<&Value> = places.iter().map(|place| &place["target"]).collect();
    assert_eq!(targets, ["target-0", "target-1", "target-2"], "{receipt:#}");
    assert!(places.iter().all(|place| place["name"]["outcome"] == "set"), "{receipt:#}");
    // It was sent and read back by the load; `publish` asked for it, and found it.
    assert!(places.iter().all(|place| place["confirmation"] == "present"), "{receipt:#}");
}
