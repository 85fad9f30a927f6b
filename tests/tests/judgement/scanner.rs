//! What surrounds the real Trivy: nothing of it hides a finding, and not every Trivy is run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use fixtures::image::Format;
use tests::alpine::now;
use tests::command::finish;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::{alpine, upstream};

use crate::{BUILD, policy};

const LOCK: &str =
    "airgap-bundle lock core.yaml --quiet --policy policy.yaml --trivy-cache cache --trivy-offline";

/// `BELOW/app:1`, an image of Alpine `release` with a busybox that no advisory has a fix for but 1.37.0-r1.
fn fill(desk: &Desk, release: &str) {
    let below = servers::referrers().repository(&fresh_repository("surrounded"));
    let image = alpine::image("linux/amd64", release, "1.37.0-r0");
    let image = fixtures::image::index(&[("linux/amd64", image)], Format::Oci);
    upstream::push(desk, &image, &format!("{below}/app:1"));
    desk.define("core", &format!("images: [{{ref: \"{below}/app:1\"}}]"));
}

#[test]
fn what_lies_around_and_what_is_set_hides_no_finding() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    alpine::database(&desk, "cache", &now());
    fill(&desk, "3.23.0");
    for ignore in [".trivyignore", ".trivyignore.yaml", ".config/trivy/.trivyignore"] {
        desk.write(ignore, "CVE-2026-0001\n");
    }
    for settings in ["trivy.yaml", ".trivy.yaml", ".config/trivy/trivy.yaml"] {
        desk.write(
            settings,
            "severity: [LOW]\nignorefile: .trivyignore\nvulnerability: {ignore-unfixed: true}\n",
        );
    }
    let mut lock = desk.command(LOCK);
    for (name, value) in [
        ("TRIVY_SEVERITY", "LOW"),
        ("TRIVY_IGNOREFILE", ".trivyignore"),
        ("TRIVY_IGNORE_UNFIXED", "true"),
        ("TRIVY_IGNORE_STATUS", "fixed,affected"),
        ("TRIVY_CONFIG", "trivy.yaml"),
        ("TRIVY_SKIP_FILES", "lib/apk/db/installed"),
        ("TRIVY_PKG_TYPES", "library"),
        ("TRIVY_VEX", "repo"),
        ("XDG_CONFIG_HOME", ".config"),
    ] {
        lock.env(name, value);
    }
    finish(&mut lock, 0);
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("found CVE-2026-0001"), "{said}");
}

#[test]
fn a_scanner_of_a_compromised_release_makes_no_report() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    alpine::database(&desk, "cache", &now());
    fill(&desk, "3.23.0");
    let said = "{\"Version\": \"0.69.5\", \"VulnerabilityDB\": {\"Version\": 2, \"UpdatedAt\": \"2026-11-29T00:00:00Z\"}}";
    desk.write(
        "bin/trivy",
        format!("#!/bin/sh\ncase $1 in *version*) echo '{said}';; *) touch scanned;; esac\n"),
    );
    fs::set_permissions(desk.path("bin/trivy"), fs::Permissions::from_mode(0o755)).unwrap();
    let mut lock = desk.command(LOCK);
    let path =
        lock.get_envs().find(|(name, _)| *name == "PATH").and_then(|(_, path)| path.map(ToOwned::to_owned));
    let mut first = desk.path("bin").into_os_string();
    first.push(":");
    first.push(path.unwrap());
    let (_, said) = finish(lock.env("PATH", first), 3);
    assert!(said.contains("0.69.5"), "{said}");
    assert!(!desk.path("scanned").exists() && !desk.path("core.lock.json").exists(), "{said}");
}

#[test]
fn a_critical_without_a_fix_is_judged_as_such_and_a_release_without_data_is_not_clean() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    desk.write(
        "advisories.json",
        r#"[{"bucket": "alpine 3.23", "package": "busybox", "id": "CVE-2026-0003", "severity": "CRITICAL"}]"#,
    );
    desk.run(&format!("trivydb -advisories advisories.json -out cache/db -updated {}", now()));
    fill(&desk, "3.23.0");
    desk.run(LOCK);
    let build = format!("{BUILD} --policy policy.yaml");
    let (_, said) = desk.ends(&build, 3);
    assert!(said.contains("found CVE-2026-0003") && said.contains("without a fix"), "{said}");
    policy(&desk, "policy.yaml", "  vulnerabilities: {critical: {fixed: deny, unfixed: warn}}\n");
    assert!(desk.run(&build).contains("vulnerabilities: 1 warned"));

    // The same package in a release that nobody made: no advisory is about it, and Trivy finds nothing.
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    fill(&desk, "3.99.0");
    desk.run(LOCK);
    let (_, said) = desk.ends(&build, 3);
    assert!(said.contains("found alpine 3.99.0, wanted a release that the database has data for"), "{said}");
    assert!(!said.contains("CVE-"), "{said}");
}
