//! What is published when not all platforms cross.

use std::collections::BTreeSet;

use serde_json::Value;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

use crate::{PLATFORMS, app, inside};

#[test]
fn one_platform_crosses_as_its_image_several_as_an_index_all_as_they_are() {
    let (desk, source) = (Desk::new(), servers::registry3());
    let below = source.repository(&fresh_repository("platforms"));
    let app = app();
    let child = |at: usize| app.children()[at].digest();
    upstream::make_signer(&desk);
    for name in ["one", "several", "all"] {
        upstream::push(&desk, &app, &format!("{below}/{name}:1"));
    }
    upstream::sign(&desk, &format!("{below}/one@{}", child(0)));
    upstream::sign_recursively(&desk, &format!("{below}/several@{}", app.digest()));
    upstream::sign(&desk, &format!("{below}/all@{}", app.digest()));
    desk.define(
        "core",
        &format!(
            "images: [{{ref: \"{below}/one:1\", platforms: [{}]}}, \
             {{ref: \"{below}/several:1\", platforms: [{}, {}]}}, {{ref: \"{below}/all:1\"}}]",
            PLATFORMS[0], PLATFORMS[0], PLATFORMS[1]
        ),
    );
    desk.archive("core");
    desk.site("sovereign");

    for (at, target) in
        [servers::registry2_target(), servers::registry3(), servers::referrers()].iter().enumerate()
    {
        let (name, prefix) = (format!("target-{at}"), fresh_repository("inside"));
        desk.destination(&name, target, &prefix);
        desk.run(&format!("airgap-import load core.tar --state sovereign --to {name}.yaml"));
        let there = inside(target, &prefix, &below);
        let digest = |of: &str| desk.run(&format!("crane digest {of}")).trim().to_owned();

        assert_eq!(digest(&format!("{there}/one:1")), child(0).to_string());
        desk.run(&format!("crane validate --remote {there}/one:1"));
        upstream::verify(&desk, &format!("{there}/one:1"));
        refuses(&desk, &format!("crane manifest {there}/one@{}", child(1)), "MANIFEST_UNKNOWN");

        let made = desk.json(&format!("crane manifest {there}/several:1"));
        assert_eq!(entries(&made), [0, 1, 3, 4].map(|kept| child(kept).to_string()).into());
        for (at, platform) in PLATFORMS[..2].iter().enumerate() {
            assert_eq!(digest(&format!("{there}/several:1 --platform {platform}")), child(at).to_string());
            desk.run(&format!("crane validate --remote {there}/several:1 --platform {platform}"));
            upstream::verify(&desk, &format!("{there}/several@{}", child(at)));
        }
        desk.run(&format!(
            "skopeo copy --quiet --all --src-tls-verify=false docker://{there}/several:1 oci:several:{at}"
        ));
        refuses(&desk, &format!("crane manifest {there}/several@{}", child(2)), "MANIFEST_UNKNOWN");
        // Nobody upstream signed the index that was made here, and nothing pretends so: what is there is the site's.
        refuses(
            &desk,
            &format!("cosign verify --key cosign.pub --insecure-ignore-tlog {there}/several:1"),
            "no matching attestations",
        );

        assert_eq!(digest(&format!("{there}/all:1")), app.digest().to_string());
        upstream::verify(&desk, &format!("{there}/all:1"));
    }
}

/// The digests of an index's entries.
fn entries(index: &Value) -> BTreeSet<String> {
    let entries = index["manifests"].as_array().unwrap().iter();
    entries.map(|entry| entry["digest"].as_str().unwrap().to_owned()).collect()
}

/// The command fails and says this.
fn refuses(desk: &Desk, line: &str, said: &str) {
    let output = desk.command(line).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains(said), "{line}: wanted {said} in {error}");
}
