//! What is not a key that may sign: each is said, with what to do, before anything is written.

use tests::command::finish;

use crate::hsm::{Hsm, MODULE, PIN};

/// What the programs say when they are to open this key.
fn said(hsm: &Hsm, uri: &str) -> String {
    let (_, said) = hsm.ends(&format!("airgap-bundle keygen --public-of {uri} --out refused"), 2);
    assert!(!hsm.desk.path("refused.pub").exists(), "{uri}");
    said
}

fn says(hsm: &Hsm, uri: &str, wanted: &[&str]) {
    let said = said(hsm, uri);
    for wanted in wanted {
        assert!(said.contains(wanted), "{uri}: wanted {wanted:?} in {said}");
    }
}

#[test]
fn exactly_one_key_of_the_right_kind_must_match() {
    let hsm = Hsm::new();
    says(&hsm, &hsm.uri(""), &["found no private key in the token build", "there are: none"]);
    hsm.make_key("twin", "01", "EC:prime256v1");
    hsm.make_key("twin", "02", "EC:prime256v1");
    hsm.make_key("rsa", "03", "rsa:2048");
    hsm.make_key("big", "04", "EC:secp384r1");
    says(
        &hsm,
        &hsm.uri("object=other"),
        &["found no private key", "object=twin id=%02", "object=rsa id=%03"],
    );
    says(&hsm, &hsm.uri("object=twin"), &["found several", "object=twin id=%01", "id=%02", "or id=ID"]);
    says(&hsm, &hsm.uri("object=rsa"), &["object=rsa id=%03: found a key of another kind", "ECDSA P-256"]);
    says(&hsm, &hsm.uri("object=big"), &["object=big id=%04: found a key of another kind", "prime256v1"]);
    hsm.run(&format!("airgap-bundle keygen --public-of {} --out second", hsm.uri("object=twin;id=%02")));
}

#[test]
fn both_halves_must_be_there_and_belong_together() {
    let hsm = Hsm::new();
    hsm.make_key("one", "01", "EC:prime256v1");
    hsm.make_key("two", "02", "EC:prime256v1");
    hsm.tool("--read-object --type pubkey --id 02 --output-file two.der");
    hsm.tool("--delete-object --type pubkey --id 01");
    says(&hsm, &hsm.uri("object=one"), &["found no single public key", "--write-object"]);
    hsm.tool("--write-object two.der --type pubkey --id 01 --label one");
    says(&hsm, &hsm.uri("object=one"), &["the two halves of one pair", "the right one"]);
}

#[test]
fn the_token_and_its_module_must_be_there() {
    let hsm = Hsm::new();
    hsm.make_key("build-1", "01", "EC:prime256v1");
    says(
        &hsm,
        &hsm.uri("object=build-1").replace("token=build;", "token=site;"),
        &["no token that matches", "token=build serial="],
    );
    says(
        &hsm,
        "pkcs11:token=build",
        &["found no PKCS#11 module", "AIRGAP_PKCS11_MODULE", "module-path=PATH"],
    );
    says(&hsm, "pkcs11:?module-path=/nowhere/module.so", &["/nowhere/module.so: found no such file"]);
    says(
        &hsm,
        &format!("pkcs11:?module-path={}", hsm.desk.path("pin").display()),
        &["no PKCS#11 module there"],
    );
    hsm.make_token("build");
    says(
        &hsm,
        &hsm.uri("object=build-1"),
        &["several tokens that match", "add token=LABEL or serial=NUMBER"],
    );
}

#[test]
fn a_pin_is_tried_once_and_never_taken_from_the_command_line() {
    let hsm = Hsm::new();
    hsm.make_key("build-1", "01", "EC:prime256v1");
    let uri = format!("pkcs11:token=build?module-path={MODULE}");
    says(&hsm, &uri, &["found no PIN", "pin-source=file:PATH", "AIRGAP_KEY_PASSWORD"]);
    says(&hsm, &format!("{uri}&colour=red"), &["--public-of", "the unknown attribute colour"]);
    let refused = said(&hsm, &format!("{uri}&pin-value={PIN}"));
    assert!(refused.contains("pin-source=file:PATH") && !refused.contains(PIN), "{refused}");

    hsm.locked();
    let build = format!("airgap-bundle build core.yaml --key {uri} -o core.tar");
    let (_, refused) = finish(hsm.command(&build).env("AIRGAP_KEY_PASSWORD", "1618033988"), 2);
    for wanted in ["from AIRGAP_KEY_PASSWORD is not that of the token build", "tried once", "locks"] {
        assert!(refused.contains(wanted), "{wanted}: {refused}");
    }
    let left: Vec<_> = hsm.desk.files("").into_iter().map(|(path, _)| path).collect();
    assert!(!left.iter().any(|path| path.to_string_lossy().contains("core.tar")), "{left:?}");
    finish(hsm.command(&build).env("AIRGAP_KEY_PASSWORD", PIN), 0);
}

#[test]
fn a_label_cannot_steer_the_terminal() {
    let hsm = Hsm::new();
    hsm.make_key("\u{1b}[2Jgreen", "01", "EC:prime256v1");
    let said = said(&hsm, &hsm.uri("object=other"));
    assert!(said.contains("\\u{1b}[2Jgreen") && !said.contains('\u{1b}'), "{said}");
}
