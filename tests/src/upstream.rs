//! Content that real tools put into a real registry.

use fixtures::image::Artifact;
use fixtures::layout;

use crate::desk::Desk;

/// Pushes an artifact exactly as it is, as `HOST/REPOSITORY:TAG`.
pub fn push(desk: &Desk, artifact: &Artifact, name: &str) {
    let folder = format!("layouts/{}", artifact.digest().hex());
    layout::write(&desk.path(&folder), &[("pushed", artifact)]).expect("a layout");
    desk.run(&format!("oras cp --from-oci-layout {folder}:pushed --to-plain-http {name}"));
}

/// Pushes a file as the vulnerability database of Trivy is, as `HOST/REPOSITORY:TAG`.
pub fn push_database(desk: &Desk, file: &str, name: &str) {
    desk.run(&format!(
        "oras push --plain-http --artifact-type application/vnd.aquasec.trivy.config.v1+json {name} {file}:application/vnd.aquasec.trivy.db.layer.v1.tar+gzip"
    ));
}

/// Makes a chart with `helm create`, and pushes it below `HOST/REPOSITORY`; gives its package.
pub fn push_chart(desk: &Desk, name: &str, version: &str, below: &str) -> Vec<u8> {
    desk.run(&format!("helm create {name}"));
    desk.run(&format!("helm package {name} --version {version}"));
    desk.run(&format!("helm push {name}-{version}.tgz oci://{below} --plain-http"));
    desk.read(&format!("{name}-{version}.tgz"))
}

/// Makes the key pair `cosign.key` and `cosign.pub`, and the settings of a signer that has no log to write to.
pub fn make_signer(desk: &Desk) {
    desk.run("cosign generate-key-pair");
    desk.run("cosign signing-config create --no-default-fulcio --no-default-oidc --no-default-rekor --no-default-tsa --out offline.json");
}

/// Makes another key pair, `WHO.key` and `WHO.pub`.
pub fn make_other_signer(desk: &Desk, who: &str) {
    desk.run(&format!("cosign generate-key-pair --output-key-prefix {who}"));
}

/// Signs `HOST/REPOSITORY@DIGEST`: a bundle that refers to it.
pub fn sign(desk: &Desk, name: &str) {
    sign_by(desk, "cosign", name);
}

/// The same, by `WHO.key`.
pub fn sign_by(desk: &Desk, who: &str, name: &str) {
    desk.run(&format!(
        "cosign sign --key {who}.key --signing-config offline.json --allow-http-registry -y {name}"
    ));
}

/// Signs the index `HOST/REPOSITORY@DIGEST` and each of its children.
pub fn sign_recursively(desk: &Desk, name: &str) {
    sign(desk, &format!("--recursive {name}"));
}

/// Signs `HOST/REPOSITORY@DIGEST` as cosign 2 did: a manifest under the tag `sha256-HEX.sig`.
pub fn sign_legacy(desk: &Desk, name: &str) {
    sign_legacy_by(desk, "cosign", name);
}

/// The same, by `WHO.key`.
pub fn sign_legacy_by(desk: &Desk, who: &str, name: &str) {
    desk.run(&format!("cosign sign --key {who}.key {LEGACY} --allow-http-registry -y {name}"));
}

/// Attests `HOST/REPOSITORY@DIGEST` as cosign 2 did: a manifest under the tag `sha256-HEX.att`.
pub fn attest_legacy(desk: &Desk, name: &str, kind: &str, predicate: &str) {
    desk.run(&format!(
        "cosign attest --key cosign.key {LEGACY} --type {kind} --predicate {predicate} --allow-http-registry -y {name}"
    ));
}

const LEGACY: &str = "--new-bundle-format=false --use-signing-config=false --tlog-upload=false";

/// Checks the signatures of `HOST/REPOSITORY@DIGEST` or `HOST/REPOSITORY:TAG`; gives what cosign found.
pub fn verify(desk: &Desk, name: &str) -> String {
    desk.run(&format!("cosign verify --key cosign.pub --insecure-ignore-tlog --allow-http-registry {name}"))
}
