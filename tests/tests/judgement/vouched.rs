//! The site's own signature on what it brought, as an admission controller inside asks for it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::image::{self, Format, Layer};
use manifests::Digest;
use serde_json::{Value, json};
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

const SUMMARY: &str = "https://slsa.dev/verification_summary/v1";

/// What cosign makes of the attestations of the site `sovereign` about a manifest: one, and that it was accepted as
/// `resource` by the site's policy.
fn is_vouched_for(desk: &Desk, repository: &str, digest: Digest, resource: &str) {
    let printed = desk.run(&format!(
        "cosign verify-attestation --type {SUMMARY} --key sovereign/receipt.pub --insecure-ignore-tlog --allow-http-registry {repository}@{digest}"
    ));
    let [line] = printed.lines().collect::<Vec<_>>()[..] else { panic!("wanted one attestation: {printed}") };
    let envelope: Value = serde_json::from_str(line).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let statement: Value = serde_json::from_slice(&payload).unwrap();
    assert_eq!(statement["predicateType"], SUMMARY);
    let [subject] = &statement["subject"].as_array().unwrap()[..] else { panic!("{statement:#}") };
    assert_eq!(subject["digest"], json!({"sha256": digest.hex()}));
    let predicate = &statement["predicate"];
    assert_eq!(predicate["verificationResult"], "PASSED");
    assert_eq!(predicate["policy"]["digest"]["sha256"], Digest::of(&desk.read("policy.yaml")).hex());
    assert_eq!(predicate["resourceUri"], resource);
    assert_eq!(predicate["verifier"]["id"], "https://airgap.openova.io/site/sovereign");
}

#[test]
fn cosign_accepts_a_chart_by_the_site_s_key_as_it_does_an_image() {
    for target in [servers::registry2_target(), servers::registry3(), servers::referrers()] {
        let desk = Desk::new();
        let below = servers::registry2().repository(&fresh_repository("vouched"));
        upstream::push_chart(&desk, "agent", "1.2.3", &below);
        desk.run("helm create local");
        desk.run("helm package local --version 0.3.0");
        desk.define(
            "core",
            &format!("charts: [{{ref: \"oci://{below}/agent\", version: 1.2.3}}, {{path: local-0.3.0.tgz}}]"),
        );
        desk.archive("core");
        desk.site("sovereign");
        let prefix = fresh_repository("inside");
        desk.destination("target", &target, &prefix);
        desk.run("airgap-import load core.tar --state sovereign --to target.yaml --quiet");
        let (host, path) = below.split_once('/').unwrap();
        for (name, inside) in [
            (format!("{below}/agent:1.2.3"), format!("{}/{path}/agent", host.replace(':', "_"))),
            ("charts.local/local:0.3.0".to_owned(), "charts.local/local".to_owned()),
        ] {
            let there = target.repository(&format!("{prefix}/{inside}"));
            let tag = name.rsplit(':').next().unwrap();
            let digest: Digest = desk.run(&format!("crane digest {there}:{tag}")).trim().parse().unwrap();
            desk.run(&format!(
                "cosign verify --key sovereign/receipt.pub --insecure-ignore-tlog --allow-http-registry {there}@{digest}"
            ));
            is_vouched_for(&desk, &there, digest, &format!("oci://{name}"));
        }
    }
}

#[test]
fn cosign_accepts_what_the_site_brought_by_the_site_s_key_alone() {
    for (target, is_legacy) in [
        (servers::registry2_target(), false),
        (servers::registry2_target(), true),
        (servers::registry3(), true),
        (servers::referrers(), false),
        (servers::referrers(), true),
    ] {
        let desk = Desk::new();
        upstream::make_signer(&desk);
        upstream::make_other_signer(&desk, "theirs");
        let below = servers::referrers().repository(&fresh_repository("vouched"));
        let platforms = ["linux/amd64", "linux/arm64"].map(|platform| {
            (platform, image::image(platform, &[Layer::with_files(platform, 2_000)], Format::Oci))
        });
        let app = image::index(&platforms, Format::Oci);
        upstream::push(&desk, &app, &format!("{below}/app:1"));
        let signed = format!("{below}/app@{}", app.digest());
        if is_legacy {
            upstream::sign_legacy(&desk, &signed);
        } else {
            upstream::sign(&desk, &signed);
        }
        desk.define(
            "core",
            &format!("platforms: [linux/amd64, linux/arm64], images: [{{ref: \"{below}/app:1\"}}]"),
        );
        desk.archive("core");
        desk.site("sovereign");
        let prefix = fresh_repository("inside");
        desk.destination("target", &target, &prefix);
        let load = "airgap-import load core.tar --state sovereign --to target.yaml --quiet --json";
        let (host, path) = below.split_once('/').unwrap();
        let there = target.repository(&format!("{prefix}/{}/{path}/app", host.replace(':', "_")));
        // Somebody inside had the same content, and signed it.
        upstream::push(&desk, &app, &format!("{there}:theirs"));
        let signed_inside = format!("{there}@{}", app.digest());
        if is_legacy {
            upstream::sign_legacy_by(&desk, "theirs", &signed_inside);
        } else {
            upstream::sign_by(&desk, "theirs", &signed_inside);
        }
        desk.run(load);

        let verify = |key: &str, digest: Digest, status: i32| {
            desk.ends(
                &format!(
                    "cosign verify --key {key} --insecure-ignore-tlog --allow-http-registry {there}@{digest}"
                ),
                status,
            )
        };
        let children = platforms.iter().map(|(_, image)| image.digest());
        for digest in children.chain([app.digest()]) {
            verify("sovereign/receipt.pub", digest, 0);
            is_vouched_for(&desk, &there, digest, &format!("oci://{below}/app:1"));
        }
        verify("cosign.pub", app.digest(), 0);
        verify("theirs.pub", app.digest(), 0);
        // The key of whoever built the archive vouches for nothing here.
        assert_ne!(
            desk.command(&format!(
                "cosign verify --key build-1.pub --insecure-ignore-tlog --allow-http-registry {there}@{}",
                app.digest()
            ))
            .output()
            .unwrap()
            .status
            .code(),
            Some(0)
        );

        let before = desk.run(&format!("crane ls {there}"));
        let again = desk.json(load);
        assert_eq!(again["load"]["targets"][0]["manifests"], 0, "a second load settles: {again:#}");
        assert_eq!(again["load"]["targets"][0]["sent"]["count"], 0, "{again:#}");
        assert_eq!(desk.run(&format!("crane ls {there}")), before);
        for key in ["sovereign/receipt.pub", "cosign.pub", "theirs.pub"] {
            verify(key, app.digest(), 0);
        }
    }
}
