//! Signatures that cosign makes, in both of its layouts.

use std::path::Path;

use fixtures::image::{self, Artifact, Format, Layer};
use serde_json::Value;
use tests::alpine::now;
use tests::desk::Desk;
use tests::servers::{self, Registry, fresh_repository};
use tests::upstream;

use crate::{BUILD, LOAD, LOCK, field, pem, policy, refused_on_both_sides, said_on_both_sides};

fn picture(name: &str) -> Artifact {
    image::image("linux/amd64", &[Layer::with_files(name, 2_000)], Format::Oci)
}

/// A signed index and a signed image, in `BELOW/app:1` and `BELOW/web:1`, and one that nobody signed, `BELOW/tool:1`.
fn fill(desk: &Desk, registry: &Registry) -> String {
    upstream::make_signer(desk);
    let below = registry.repository(&fresh_repository("judged"));
    let platforms = ["linux/amd64", "linux/arm64"].map(|platform| {
        (platform, image::image(platform, &[Layer::with_files(platform, 2_000)], Format::Oci))
    });
    let (app, web) = (image::index(&platforms, Format::Oci), picture("web"));
    upstream::push(desk, &app, &format!("{below}/app:1"));
    upstream::push(desk, &web, &format!("{below}/web:1"));
    upstream::push(desk, &picture("tool"), &format!("{below}/tool:1"));
    upstream::sign(desk, &format!("{below}/app@{}", app.digest()));
    upstream::sign_legacy(desk, &format!("{below}/web@{}", web.digest()));
    below
}

fn define(desk: &Desk, below: &str, names: &[&str]) {
    let images: Vec<String> = names.iter().map(|name| format!("{{ref: \"{below}/{name}:1\"}}")).collect();
    desk.define("core", &format!("platforms: [linux/amd64], images: [{}]", images.join(", ")));
}

/// A rule that asks for a signature by this key, without a log.
fn keyed(key: &str) -> String {
    format!("    - {{match: \"**\", key: {{pem: {key}, log: notRequired}}}}\n")
}

#[test]
fn what_the_asked_key_signed_crosses_and_nothing_else() {
    for registry in [servers::registry2(), servers::referrers()] {
        let desk = Desk::new();
        let below = fill(&desk, &registry);
        let key = pem(&desk, "cosign.pub");
        policy(&desk, "policy.yaml", &format!("  signatures:\n{}", keyed(&key)));

        define(&desk, &below, &["app", "web", "tool"]);
        desk.run(LOCK);
        let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
        assert!(said.contains(&format!("{below}/tool:1")), "{said}");
        assert!(!said.contains("/app:1") && !said.contains("/web:1"), "{said}");
        assert!(!desk.path("core.tar").exists(), "nothing is written of what is refused");

        define(&desk, &below, &["app", "web"]);
        desk.run(LOCK);
        let printed = desk.run(&format!("{BUILD} --policy policy.yaml --json"));
        let built: Value = serde_json::from_str(&printed).unwrap();
        let at = built["judgement"]["at"].as_str().unwrap();
        assert_eq!(said_on_both_sides(&desk, at, ""), field(&printed, "judgement"));
        // The source index proves the one platform that was selected.
        for item in built["judgement"]["items"].as_array().unwrap() {
            assert_eq!(item["verdicts"][0]["outcome"], "passed", "{item:#}");
        }
        desk.site("sovereign");
        let loaded = desk.json(&format!("{LOAD} --json"));
        // The same inputs give the same verdicts on both sides of the gap.
        assert_eq!(loaded["archive"]["judgements"][0]["items"], built["judgement"]["items"]);
        let shown = desk.run("airgap-import receipt show --state sovereign");
        assert!(shown.contains("signatures"), "{shown}");
    }
}

#[test]
fn the_importer_asks_for_its_own_signers_and_needs_no_network() {
    let desk = Desk::new();
    let below = fill(&desk, &servers::referrers());
    define(&desk, &below, &["app", "web"]);
    desk.run(LOCK);
    desk.run(BUILD);
    desk.run("airgap-bundle keygen --out other --unencrypted");
    let (ours, others) = (pem(&desk, "cosign.pub"), pem(&desk, "other.pub"));
    policy(&desk, "policy.yaml", &format!("  signatures:\n{}", keyed(&others)));
    policy(&desk, "good.yaml", &format!("  signatures:\n{}", keyed(&ours)));
    desk.site("sovereign");
    let (_, said) = desk.ends(LOAD, 3);
    for name in ["app", "web"] {
        assert!(said.contains(&format!("{below}/{name}:1")), "{said}");
    }
    assert!(!desk.path("content").exists(), "nothing is written to a target");
    refused_on_both_sides(&desk, &now());

    let verify = "airgap-import verify core.tar --trust build-1.pub --policy good.yaml";
    let said = desk.run_alone(verify);
    assert!(said.contains("signatures: 2 passed"), "{said}");
}

#[test]
fn a_waiver_has_an_end_and_is_not_for_whom_it_was_not_written_for() {
    let desk = Desk::new();
    let below = fill(&desk, &servers::referrers());
    let waiver = |until: &str| {
        format!(
            "  signatures:\n    - {{match: \"**\", accept: unsigned, reason: a test, owner: officer-1, until: {until}}}\n"
        )
    };
    policy(&desk, "policy.yaml", &waiver("2999-01-01"));
    policy(&desk, "ended.yaml", &waiver("2026-01-01"));
    define(&desk, &below, &["tool", "web"]);
    desk.run(LOCK);
    let (_, said) = desk.ends(&format!("{BUILD} --policy ended.yaml"), 3);
    assert!(said.contains("ended at 2026-01-01"), "{said}");
    desk.run(&format!("{BUILD} --policy policy.yaml"));
    desk.site("sovereign");
    desk.run(LOAD);
    // A load that was cut is run again: an archive is not held against itself.
    desk.run(LOAD);

    // Upstream moves the tag to an image that nobody signed, while its last one was signed.
    upstream::push(&desk, &picture("web-2"), &format!("{below}/web:1"));
    desk.run(LOCK);
    std::fs::remove_file(desk.path("core.tar")).unwrap();
    desk.run(BUILD);
    let (_, said) = desk.ends(LOAD, 3);
    assert!(said.contains(&format!("{below}/web:1")) && said.contains("signed before"), "{said}");
    assert!(!said.contains("/tool:1"), "{said}");
}

/// Every kind of key that cosign signs with, charts and other artifacts, and both layouts.
#[test]
fn what_keys_of_every_kind_signed_crosses_whatever_it_is() {
    let desk = Desk::new();
    upstream::make_signer(&desk);
    let registry = servers::referrers();
    let below = registry.repository(&fresh_repository("kinds"));
    let mut rules = String::new();
    for (who, made) in [
        ("p256", "-algorithm EC -pkeyopt ec_paramgen_curve:P-256"),
        ("p384", "-algorithm EC -pkeyopt ec_paramgen_curve:P-384"),
        ("rsa", "-algorithm RSA -pkeyopt rsa_keygen_bits:3072"),
        ("ed25519", "-algorithm ED25519"),
    ] {
        desk.run(&format!("openssl genpkey {made} -out {who}.pem"));
        desk.run(&format!("cosign import-key-pair --key {who}.pem --output-key-prefix {who}"));
        desk.run(&format!(
            "oras push --plain-http --artifact-type application/vnd.example {below}/{who}:1 {who}.pub"
        ));
        let digest = desk.run(&format!("oras resolve --plain-http {below}/{who}:1"));
        upstream::sign_by(&desk, who, &format!("{below}/{who}@{}", digest.trim()));
        let key = pem(&desk, &format!("{who}.pub"));
        rules.push_str(&format!(
            "    - {{match: \"**/{who}\", kinds: [artifact], key: {{pem: {key}, log: notRequired}}}}\n"
        ));
    }
    upstream::push_chart(&desk, "agent", "1.2.3", &below);
    let digest = desk.run(&format!("oras resolve --plain-http {below}/agent:1.2.3"));
    upstream::sign_legacy_by(&desk, "p384", &format!("{below}/agent@{}", digest.trim()));
    let key = pem(&desk, "p384.pub");
    rules.push_str(&format!(
        "    - {{match: \"**/agent\", kinds: [chart], key: {{pem: {key}, log: notRequired}}}}\n"
    ));
    policy(&desk, "policy.yaml", &format!("  signatures:\n{rules}"));
    let images: Vec<String> = ["p256", "p384", "rsa", "ed25519"]
        .iter()
        .map(|who| format!("{{ref: \"{below}/{who}:1\"}}"))
        .collect();
    let charts = format!("{{ref: \"oci://{below}/agent\", version: 1.2.3}}");
    desk.define("core", &format!("images: [{}], charts: [{charts}]", images.join(", ")));
    desk.run(LOCK);
    desk.run(&format!("{BUILD} --policy policy.yaml"));
    desk.site("sovereign");
    let said = desk.run_alone("airgap-import verify core.tar --state sovereign");
    assert!(said.contains("signatures: 5 passed"), "{said}");

    // Each by the key of another: nothing of it crosses, and every item says so.
    let rotated = rules.replace("**/p256\"", "**/x\"").replace("**/p384\"", "**/p256\"");
    let rotated = rotated.replace("**/rsa\"", "**/p384\"").replace("**/ed25519\"", "**/rsa\"");
    let rotated = rotated.replace("**/x\"", "**/ed25519\"").replace("**/agent\"", "**/other\"");
    policy(&desk, "policy.yaml", &format!("  signatures:\n{rotated}"));
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert_eq!(said.matches("does not verify with the key").count(), 4, "{said}");
    assert!(said.contains("/agent:1.2.3: signatures (no rule): found no rule about this chart"), "{said}");
}

/// Pushes these files as a model with the signature `model.sig`, and locks a definition of it alone.
fn lock_model(desk: &Desk, name: &str, files: &str) {
    let kind = "application/vnd.dev.sigstore.bundle.v0.3+json";
    desk.run(&format!("oras push --plain-http --artifact-type application/vnd.example.model {name} {files}"));
    desk.run(&format!("oras attach --plain-http --artifact-type {kind} {name} model.sig:{kind}"));
    desk.define("core", &format!("images: [{{ref: \"{name}\"}}]"));
    desk.run(LOCK);
}

/// A real signature of a model, by the key of its fixture.
#[test]
fn a_model_crosses_with_a_signature_of_all_its_files() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/sigstore/model-keyed");
    let desk = Desk::new();
    for name in ["model/signme-1", "model/signme-2", "model.sig", "key.pub"] {
        let file = name.rsplit('/').next().unwrap();
        desk.write(file, std::fs::read(fixture.join(name)).unwrap());
    }
    let model = servers::referrers().repository(&fresh_repository("model"));
    let push = |tag: &str, files: &str| lock_model(&desk, &format!("{model}:{tag}"), files);
    let key = pem(&desk, "key.pub");
    let asked = format!(
        "predicateType: \"https://model_signing/signature/v1.0\", key: {{pem: {key}, log: notRequired}}"
    );
    let rule = "match: \"**\", accept: attested";
    policy(&desk, "policy.yaml", &format!("  signatures:\n    - {{{rule}, attestations: [{{{asked}}}]}}\n"));
    push("1", "signme-1 signme-2");
    desk.run(&format!("{BUILD} --policy policy.yaml"));
    desk.site("sovereign");
    let said = desk.run_alone("airgap-import verify core.tar --state sovereign");
    assert!(said.contains("signatures: 1 passed"), "{said}");
    desk.run(LOAD);
    crate::judged_again(&desk);

    desk.write("extra", "nobody signed this");
    push("2", "signme-1 signme-2 extra");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("found the file \"extra\", which the signature does not name"), "{said}");
    desk.write("signme-2", "changed");
    push("3", "signme-1 signme-2");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("found the file \"signme-2\" as ") && said.contains("as was signed"), "{said}");
}

/// An identity of the public Sigstore, a certificate of minutes that ended years ago, and a root that came as a file: the log's
/// time is all that speaks for it, and nothing is asked of a network.
#[test]
fn what_an_identity_of_the_public_sigstore_signed_crosses_by_a_root_that_is_a_file() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures/data/sigstore");
    let desk = Desk::new();
    for name in ["model/signme-1", "model/signme-2", "model.sig"] {
        let file = name.rsplit('/').next().unwrap();
        desk.write(file, std::fs::read(fixture.join("model-keyless").join(name)).unwrap());
    }
    let root = std::fs::read(fixture.join("trusted-root/public-good.json")).unwrap();
    desk.write("trusted_root.json", &root);
    let model = servers::referrers().repository(&fresh_repository("public"));
    lock_model(&desk, &format!("{model}:1"), "signme-1 signme-2");
    let spec = |identity: &str| {
        let asked = format!(
            "predicateType: \"https://model_signing/signature/v1.0\", \
             keyless: {{issuer: \"https://sigstore.verify.ibm.com/oauth2\", identity: {identity}}}"
        );
        format!(
            "  trustedRoots: [{{name: public-good, sha256: \"{}\", file: trusted_root.json}}]\n  \
             signatures:\n    - {{match: \"**\", accept: attested, attestations: [{{{asked}}}]}}\n",
            manifests::Digest::of(&root).hex()
        )
    };
    policy(&desk, "other.yaml", &spec("stefanb@us.ibm.co"));
    let (_, said) = desk.ends(&format!("{BUILD} --policy other.yaml"), 3);
    assert!(said.contains("found the identity \"stefanb@us.ibm.com\", wanted stefanb@us.ibm.co"), "{said}");
    policy(&desk, "policy.yaml", &spec("stefanb@us.ibm.com"));
    desk.run(&format!("{BUILD} --policy policy.yaml"));
    desk.site("sovereign");
    let said = desk.run_alone("airgap-import verify core.tar --state sovereign");
    assert!(said.contains("signatures: 1 passed"), "{said}");
    desk.run(LOAD);
    crate::judged_again(&desk);
}
