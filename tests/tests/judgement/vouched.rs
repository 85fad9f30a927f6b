//! The site's own signature on what it brought, as an admission controller inside asks for it.

use fixtures::image::{self, Format, Layer};
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

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

        let verify = |key: &str, digest: manifests::Digest, status: i32| {
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
            let (said, _) = desk.ends(
                &format!("cosign verify-attestation --type https://slsa.dev/verification_summary/v1 --key sovereign/receipt.pub --insecure-ignore-tlog --allow-http-registry {there}@{digest}"),
                0,
            );
            assert!(said.contains("payload"), "{said}");
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
