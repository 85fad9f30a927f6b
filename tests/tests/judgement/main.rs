//! Nothing that was not judged crosses: real cosign signs, real Trivy scans, both sides judge.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod malware;
mod private_sigstore;
mod provenance;
mod scanner;
mod signatures;
mod sigstore;
mod vouched;
mod vulnerabilities;

use std::collections::HashMap;

use serde_json::value::RawValue;
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

/// Holds both sides of the gap to the same bytes about `core.tar` as of this moment, with what else is known by these
/// flags: the whole judgement, as `policy test` outside and `verify` inside print it. Gives them.
fn said_on_both_sides(desk: &Desk, at: &str, more: &str) -> String {
    let outside = desk.run(&format!(
        "airgap-bundle policy test policy.yaml core.tar --key build-1.pub --at {at} --json {more}"
    ));
    let inside = desk.run(&format!(
        "airgap-import verify core.tar --trust build-1.pub --policy policy.yaml --at {at} --json {more}"
    ));
    let inside: Vec<Box<RawValue>> = serde_json::from_str(&field(&inside, "judgements")).unwrap();
    let [inside] = &inside[..] else { panic!("one policy, and {} judgements", inside.len()) };
    let outside = field(&outside, "judgement");
    assert_eq!(outside, inside.get());
    outside
}

/// The same of an archive that is refused, as the report on both sides has it.
fn refused_on_both_sides(desk: &Desk, at: &str) {
    let by = format!("core.tar --policy policy.yaml --at {at} --json");
    let outside = desk.ends(&format!("airgap-bundle report {by} --key build-1.pub"), 3).0;
    let inside = desk.ends(&format!("airgap-import report {by} --trust build-1.pub"), 3).0;
    let said = field(&outside, "policies");
    assert_eq!(said, field(&inside, "policies"));
    assert!(said.contains("\"refused\""), "{said}");
}

/// A field of printed JSON, byte for byte but for the indentation, which says only how deep it stands.
fn field(printed: &str, name: &str) -> String {
    let flat: Vec<&str> = printed.lines().map(str::trim_start).collect();
    let fields: HashMap<String, Box<RawValue>> = serde_json::from_str(&flat.join("\n")).unwrap();
    fields[name].get().to_owned()
}
