//! What a token signs for a preparer and for approvers, in the hands of our programs and of stock tools.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::hsm::{Hsm, PIN};

const ARCHIVE: &str = "https://airgap.openova.io/archive/v1";

#[test]
fn an_archive_that_a_token_signed_is_one_as_any_other() {
    let hsm = Hsm::new();
    hsm.make_key("build-1", "01", "EC:prime256v1");
    hsm.locked();
    let uri = hsm.uri("object=build-1");
    let written = hsm.json(&format!("airgap-bundle keygen --public-of {uri} --out token --json"));
    let built = hsm.json(&format!("airgap-bundle build core.yaml --key {uri} -o core.tar --json"));
    assert_eq!(built["signedBy"], written["id"]);
    hsm.run("airgap-bundle verify core.tar --key token.pub");
    hsm.ends("airgap-bundle verify core.tar --key build-1.pub", 3);

    hsm.tool("--read-object --type pubkey --label build-1 --output-file token.der");
    let pem = hsm.run("openssl ec -pubin -inform DER -in token.der -pubout");
    assert_eq!(pem.as_bytes(), hsm.desk.read("token.pub"), "as the token's own tool reads it");

    hsm.run("tar xf core.tar airgap");
    hsm.run(&format!(
        "cosign verify-blob-attestation --type {ARCHIVE} --key token.pub --bundle airgap/inventory.sigstore.json \
         --insecure-ignore-tlog airgap/inventory.json"
    ));
    let bundle: Value = serde_json::from_slice(&hsm.desk.read("airgap/inventory.sigstore.json")).unwrap();
    let envelope = &bundle["dsseEnvelope"];
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let (payload, kind) = (bytes(&envelope["payload"]), envelope["payloadType"].as_str().unwrap());
    let mut signed = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    signed.extend(payload);
    hsm.desk.write("signed", signed);
    hsm.desk.write("signature", bytes(&envelope["signatures"][0]["sig"]));
    hsm.run("openssl dgst -sha256 -verify token.pub -signature signature signed");

    // The same build again finds its archive, though a token would sign it otherwise.
    let again = hsm.json(&format!("airgap-bundle build core.yaml --key {uri} -o core.tar --json"));
    assert_eq!(again["wasThere"], true);
}

#[test]
fn every_signature_of_a_token_has_the_one_accepted_form() {
    let hsm = Hsm::new();
    hsm.make_key("build-1", "01", "EC:prime256v1");
    hsm.locked();
    let uri = hsm.uri("id=%01");
    hsm.run(&format!("airgap-bundle keygen --public-of {uri} --out token"));
    // Half of what a token gives has the greater s, which no reader of ours accepts.
    for at in 0..8 {
        hsm.run(&format!("airgap-bundle build core.yaml --key {uri} -o core-{at}.tar"));
        hsm.run(&format!("airgap-bundle verify core-{at}.tar --key token.pub"));
    }
}

#[test]
fn an_officer_s_token_approves_and_signs_trust_and_policy() {
    let hsm = Hsm::new();
    hsm.make_key("officer-1", "02", "EC:prime256v1");
    hsm.locked();
    let uri = hsm.uri("object=officer-1;type=private");
    hsm.run(&format!("airgap-bundle keygen --public-of {uri} --out officer-1"));
    hsm.run("airgap-bundle build core.yaml --key build-1.key -o core.tar");
    let pem = |name: &str| {
        let text = String::from_utf8(hsm.desk.read(name)).unwrap();
        serde_json::to_string(&text).unwrap()
    };
    let trust = |version: u64| {
        format!(
            "apiVersion: airgap/v1\nkind: Trust\nspec:\n  version: {version}\n  expires: 2999-01-01\n  roles:\n    \
             preparer: {{threshold: 1, people: [{{name: build-1, keys: [{{pem: {}}}]}}]}}\n    \
             security-officer: {{threshold: 1, people: [{{name: officer-1, keys: [{{pem: {}}}]}}]}}\n",
            pem("build-1.pub"),
            pem("officer-1.pub"),
        )
    };
    let policy = |version: u64| {
        format!(
            "apiVersion: airgap/v1\nkind: Policy\nspec:\n  version: {version}\n  approvals: {{security-officer: 1}}\n"
        )
    };
    for version in [1, 2] {
        hsm.desk.write(&format!("trust-{version}.yaml"), trust(version));
        hsm.desk.write(&format!("policy-{version}.yaml"), policy(version));
    }
    hsm.run("airgap-import init --state site --trust trust-1.yaml --policy policy-1.yaml --name sovereign");
    let load = "airgap-import load core.tar --state site --to content";
    let (_, refused) = hsm.ends(load, 3);
    assert!(refused.contains("security-officer"), "{refused}");
    let approved = hsm.json(&format!("airgap-import approve core.tar --state site --key {uri} --json"));
    assert_eq!(approved["person"], "officer-1");
    hsm.run(load);

    for (what, file) in [("trust", "trust-2.yaml"), ("policy", "policy-2.yaml")] {
        hsm.run(&format!("airgap-import {what} sign {file} --key {uri}"));
        let shown = hsm.json(&format!("airgap-import {what} update {file} --state site --json"));
        assert_eq!(shown["version"], 2, "{what}");
    }
}

#[test]
fn the_pin_comes_from_the_environment_as_a_password_does() {
    let hsm = Hsm::new();
    hsm.make_key("build-1", "01", "EC:prime256v1");
    let line = "airgap-bundle keygen --public-of pkcs11:token=build --out";
    let mut command = hsm.command(&format!("{line} token"));
    command.env("AIRGAP_KEY_PASSWORD", PIN).env("AIRGAP_PKCS11_MODULE", crate::hsm::MODULE);
    tests::command::succeed(&mut command);

    // A key file's public half comes in the same way.
    hsm.run("airgap-bundle keygen --public-of build-1.key --out again");
    assert_eq!(hsm.desk.read("again.pub"), hsm.desk.read("build-1.pub"));
    let (_, said) = hsm.ends("airgap-bundle keygen --public-of build-1.key --out again", 2);
    assert!(said.contains("not overwritten"), "{said}");
}
