//! Keyless signatures by a Sigstore of one's own: real Fulcio, Rekor, TesseraCT and timestamp authority.

use fixtures::image::{self, Format, Layer};
use manifests::Digest;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

use crate::sigstore::Sigstore;
use crate::{BUILD, LOAD, LOCK, policy};

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
    let digest = Digest::of(&desk.read(root));
    let more = more.replace("ROOT", &digest.to_string());
    policy(
        desk,
        "policy.yaml",
        &format!(
            "  trustedRoots: [{{name: own, sha256: \"{}\", file: {root}}}]\n  signatures: [{{match: \"**\", \
             keyless: {{issuer: \"{issuer}\", identity: {person}{more}}}}}]\n",
            digest.hex()
        ),
    );
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

    let issuer = sigstore.issuer().to_owned();
    for (root, issuer, person, said) in [
        ("logged.root.json", issuer.as_str(), "builder@demo.test.evil", "found the identity"),
        ("logged.root.json", "http://127.0.0.1:1", PERSON, "found the issuer"),
    ] {
        ask(&desk, root, issuer, person, "");
        let (_, printed) = desk.ends(&build, 3);
        assert!(printed.contains(said), "{said}: {printed}");
    }
    // Another Sigstore with an issuer of the same name would have another root.
    let mut other: serde_json::Value = serde_json::from_slice(&desk.read("logged.root.json")).unwrap();
    other["certificateAuthorities"] = serde_json::json!([]);
    desk.write("other.root.json", other.to_string());
    ask(&desk, "other.root.json", &issuer, PERSON, "");
    let (_, printed) = desk.ends(&build, 3);
    assert!(printed.contains("cannot be verified"), "{printed}");
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
