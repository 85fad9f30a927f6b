//! Nothing that was not judged crosses: real cosign signs, real Trivy scans, both sides judge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod malware;
mod private_sigstore;
mod signatures;
mod sigstore;
mod vouched;
mod vulnerabilities;

use tests::desk::Desk;

/// Writes a policy with this `spec:`.
fn policy(desk: &Desk, name: &str, spec: &str) {
    desk.write(name, format!("apiVersion: airgap/v1\nkind: Policy\nspec:\n{spec}"));
}

/// A public key as a policy holds it.
fn pem(desk: &Desk, file: &str) -> String {
    serde_json::to_string(std::str::from_utf8(&desk.read(file)).unwrap()).unwrap()
}

const LOCK: &str = "airgap-bundle lock core.yaml --quiet";
const BUILD: &str = "airgap-bundle build core.yaml --key build-1.key -o core.tar --quiet";
const LOAD: &str = "airgap-import load core.tar --state sovereign --to content --quiet";

/// What was loaded passes again, by what the site kept of it alone.
fn judged_again(desk: &Desk) {
    let said = desk.run_alone("airgap-import receipt judge --state sovereign");
    assert!(said.contains("  as then      to the byte\n"), "{said}");
}
