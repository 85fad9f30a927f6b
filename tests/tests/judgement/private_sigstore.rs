//! Keyless signatures by a Sigstore of one's own: real Fulcio, Rekor, TesseraCT and timestamp authority.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::image::{self, Format, Layer};
use manifests::Digest;
use serde_json::{Value, json};
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

use crate::sigstore::{self, Sigstore};
use crate::{BUILD, LOAD, LOCK, judged_again, policy};

const PERSON: &str = "builder@demo.test";

/// An image that `PERSON` signed, as `HOST/REPOSITORY:1`, and a definition of it.
fn signed(desk: &Desk, sigstore: &Sigstore) -> String {
    let name = servers::referrers().repository(&fresh_repository("keyless"));
    let layer = Layer::with_files("signed", 1000);
    let image = image::image("linux/amd64", &[layer], Format::Oci);
    upstream::push(desk, &image, &format!("{name}:1"));
    sigstore.sign(desk, PERSON, &format!("{name}@{}", image.digest()));
    desk.define("core", &format!("images: [{{ref: \"{name}:1\"}}]"));
    desk.run(LOCK);
    format!("{name}:1")
}

/// A policy with this trusted root that asks for this signer; `more` is in the rule, with ROOT for the root's digest.
fn ask(desk: &Desk, root: &str, issuer: &str, person: &str, more: &str) {
    ask_for(desk, root, &keyless(issuer, person, more));
}

fn keyless(issuer: &str, person: &str, more: &str) -> String {
    format!("keyless: {{issuer: \"{issuer}\", identity: {person}{more}}}")
}

/// A policy with this trusted root and what its rule asks, with ROOT for the root's digest.
fn ask_for(desk: &Desk, root: &str, asked: &str) {
    let digest = Digest::of(&desk.read(root));
    let asked = asked.replace("ROOT", &digest.to_string());
    let roots = format!("[{{name: own, sha256: \"{}\", file: {root}}}]", digest.hex());
    let text = format!("  trustedRoots: {roots}\n  signatures: [{{match: \"**\", {asked}}}]\n");
    policy(desk, "policy.yaml", &text);
}

#[test]
fn a_signature_counts_by_the_root_of_the_sigstore_that_it_was_made_at() {
    let desk = Desk::new();
    let sigstore = Sigstore::with_logs(&desk);
    let image = signed(&desk, &sigstore);
    desk.run(&format!("cosign verify {} --allow-http-registry {image}", sigstore.verified_by(PERSON)));

    ask(&desk, "logged.root.json", sigstore.issuer(), PERSON, "");
    let build = format!("{BUILD} --policy policy.yaml");
    let built = desk.json(&format!("{build} --json"));
    let facts = built["judgement"]["items"][0]["verdicts"][0]["facts"].to_string();
    assert!(facts.contains(PERSON) && facts.contains("by a timestamp authority"), "{facts}");
    desk.site("sovereign");
    let said = desk.run_alone("airgap-import verify core.tar --state sovereign");
    assert!(said.contains("signatures: 1 passed"), "certificate, logs and times need no network: {said}");
    let loaded = desk.json(&format!("{LOAD} --json"));
    assert_eq!(loaded["archive"]["judgements"][0]["items"], built["judgement"]["items"]);
    judged_again(&desk);

    let issuer = sigstore.issuer().to_owned();
    for (root, issuer, person, said) in [
        ("logged.root.json", issuer.as_str(), "builder@demo.test.evil", "found the identity"),
        ("logged.root.json", "http://127.0.0.1:1", PERSON, "found the issuer"),
    ] {
        ask(&desk, root, issuer, person, "");
        let (_, printed) = desk.ends(&build, 3);
        assert!(printed.contains(said), "{said}: {printed}");
    }
    // Another Sigstore, whose authority and issuer go by the same names.
    sigstore::make_authority(&desk, "other");
    desk.run("openssl x509 -in other.pem -outform der -out other.der");
    let certificate = json!({"rawBytes": STANDARD.encode(desk.read("other.der"))});
    let mut other: Value = serde_json::from_slice(&desk.read("logged.root.json")).unwrap();
    other["certificateAuthorities"][0]["certChain"]["certificates"] = json!([certificate]);
    desk.write("other.root.json", other.to_string());
    ask(&desk, "other.root.json", &issuer, PERSON, "");
    let (_, printed) = desk.ends(&build, 3);
    assert!(printed.contains("certificate chain"), "{printed}");
}

#[test]
fn a_trusted_root_comes_in_with_the_archive_and_the_policy_inside_names_it_by_digest() {
    let desk = Desk::new();
    let sigstore = Sigstore::with_logs(&desk);
    let image = signed(&desk, &sigstore);
    ask(&desk, "logged.root.json", sigstore.issuer(), PERSON, "");
    let build = format!("{BUILD} --policy policy.yaml");
    desk.run(&build);
    let text = String::from_utf8(desk.read("policy.yaml")).unwrap();
    desk.write("policy.yaml", text.replace(", file: logged.root.json", ""));
    desk.site("sovereign");
    let (_, printed) = desk.ends("airgap-import verify core.tar --state sovereign", 3);
    assert!(printed.contains("trusted root"), "nobody inside has it: {printed}");

    desk.write("policy.yaml", text);
    for (file, carried) in [("other.json", false), ("logged.root.json", true)] {
        desk.write("other.json", "{}");
        let kind = "application/vnd.dev.sigstore.trustedroot+json";
        desk.run(&format!("oras attach --plain-http --artifact-type {kind} {image} {file}:{kind}"));
        desk.run(LOCK);
        desk.run(&build.replace("core.tar", &format!("{carried}.tar")));
        let verify = format!("airgap-import verify {carried}.tar --state sovereign");
        if carried {
            let said = desk.run_alone(&verify);
            assert!(said.contains("signatures: 1 passed"), "{said}");
            desk.run(&LOAD.replace("core.tar", "true.tar"));
            judged_again(&desk);
        } else {
            desk.ends(&verify, 3);
        }
    }
}

#[test]
fn what_is_in_no_log_counts_where_the_rule_says_so_for_its_root() {
    let desk = Desk::new();
    let sigstore = Sigstore::without_logs(&desk);
    let image = signed(&desk, &sigstore);
    desk.run(&format!(
        "cosign verify {} --insecure-ignore-tlog --insecure-ignore-sct --allow-http-registry {image}",
        sigstore.verified_by(PERSON)
    ));
    let build = format!("{BUILD} --policy policy.yaml");
    for (more, status, said) in [
        ("", 3, "found no log entry"),
        (", trustedRoot: \"ROOT\", log: notRequired", 3, "SCT"),
        (", trustedRoot: \"ROOT\", sct: notRequired", 3, "found no log entry"),
        (", log: notRequired, sct: notRequired", 2, "without a trustedRoot"),
        (", trustedRoot: \"ROOT\", log: notRequired, sct: notRequired", 0, ""),
    ] {
        ask(&desk, "unlogged.root.json", sigstore.issuer(), PERSON, more);
        let (_, printed) = desk.ends(&build, status);
        assert!(printed.contains(said), "{more}: {printed}");
    }
    desk.site("sovereign");
    let loaded = desk.json(&format!("{LOAD} --json"));
    let facts = loaded["archive"]["judgements"][0]["items"][0]["verdicts"][0]["facts"].to_string();
    assert!(facts.contains(PERSON) && facts.contains("by a timestamp authority"), "{facts}");
}

#[test]
fn attestations_and_the_older_layout_count_without_logs_as_well() {
    let desk = Desk::new();
    let sigstore = Sigstore::without_logs(&desk);
    let name = servers::referrers().repository(&fresh_repository("keyless"));
    let image = image::image("linux/amd64", &[Layer::with_files("signed", 1000)], Format::Oci);
    upstream::push(&desk, &image, &format!("{name}:1"));
    let subject = format!("{name}@{}", image.digest());
    sigstore.sign_in_older_layout(&desk, PERSON, &subject);
    desk.define("core", &format!("images: [{{ref: \"{name}:1\"}}]"));
    desk.run(LOCK);
    let build = format!("{BUILD} --policy policy.yaml");
    let alone = ", trustedRoot: \"ROOT\", log: notRequired, sct: notRequired";
    ask(&desk, "unlogged.root.json", sigstore.issuer(), PERSON, alone);
    let built = desk.json(&format!("{build} --json"));
    let facts = built["judgement"]["items"][0]["verdicts"][0]["facts"].to_string();
    assert!(facts.contains("by a timestamp authority"), "{facts}");

    let signer = keyless(sigstore.issuer(), PERSON, alone);
    let attested = format!("{signer}, attestations: [{{predicateType: slsaprovenance1, {signer}}}]");
    ask_for(&desk, "unlogged.root.json", &attested);
    let (_, printed) = desk.ends(&build, 3);
    assert!(printed.contains("attestation"), "{printed}");
    sigstore.attest(&desk, PERSON, &subject);
    desk.run(LOCK);
    let built = desk.json(&format!("{} --json", build.replace("core.tar", "attested.tar")));
    let facts = built["judgement"]["items"][0]["verdicts"][0]["facts"].to_string();
    assert!(facts.contains("https://slsa.dev/provenance/v1"), "{facts}");
}
