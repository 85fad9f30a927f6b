//! Keys that cosign makes, for our programs, and keys that ours make, for cosign.

use tests::command::{finish, succeed};
use tests::desk::{Desk, PASSWORD};

use crate::with_archive;

#[test]
fn a_key_pair_of_cosign_signs_an_archive() {
    let desk = with_archive();
    let build = "airgap-bundle build core.yaml --key cosign.key -o by-cosign.tar";
    succeed(desk.command(build).env("COSIGN_PASSWORD", PASSWORD));
    desk.run("airgap-bundle verify by-cosign.tar --key cosign.pub");
    desk.run("tar xf by-cosign.tar airgap");
    desk.run(
        "cosign verify-blob-attestation --type https://airgap.openova.io/archive/v1 --key cosign.pub \
         --bundle airgap/inventory.sigstore.json --insecure-ignore-tlog airgap/inventory.json",
    );

    let wrong = build.replace("by-cosign", "wrong");
    let (_, error) = finish(desk.command(&wrong).env("COSIGN_PASSWORD", "another"), 2);
    assert!(error.contains("cosign.key") && error.contains("password"), "{error}");
    assert!(!desk.path("wrong.tar").exists());
}

#[test]
fn an_encrypted_key_of_keygen_signs_for_cosign() {
    let desk = Desk::new();
    let keygen = "airgap-bundle keygen --out officer";
    succeed(desk.command(keygen).env("AIRGAP_KEY_PASSWORD", PASSWORD));
    let printed = desk.run("cosign public-key --key officer.key");
    assert_eq!(printed.trim(), String::from_utf8(desk.read("officer.pub")).unwrap().trim());

    desk.run("cosign signing-config create --no-default-fulcio --no-default-oidc --no-default-rekor --no-default-tsa --out offline.json");
    desk.write("letter", "to whom it may concern\n");
    desk.run("cosign sign-blob --key officer.key --signing-config offline.json --bundle letter.sigstore.json -y letter");
    let verify =
        "cosign verify-blob --key officer.pub --bundle letter.sigstore.json --insecure-ignore-tlog letter";
    desk.run(verify);
    desk.write("letter", "to somebody else\n");
    assert!(!desk.command(verify).output().unwrap().status.success());
}
