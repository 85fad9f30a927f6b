//! Reports that an approver stands on: a newer database overrules an older report.

use manifests::Digest;
use manifests::scan_report::ScanReport;
use serde_json::{Value, json};

use crate::approve::{approve, key_file, prepared};
use crate::archive::Draft;
use crate::scan_report;
use crate::site::{Setup, Site, USUAL, policy, text};

/// A site that judges by what an approver stands on.
pub(crate) const JUDGED: Setup =
    Setup { officers: 1, policy: "{vulnerabilities: {reports: attested}}", ..USUAL };

/// A report on the image of a draft, with a database of so many hours ago.
pub(crate) fn report(content: &str, database: i64, findings: &Value) -> Vec<u8> {
    let layer = Digest::of(content.repeat(100).as_bytes());
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer]},
    });
    scan_report::of(Digest::of(config.to_string().as_bytes()), layer, database, findings)
}

fn critical() -> Value {
    json!([{
        "VulnerabilityID": "CVE-2026-1", "PkgName": "openssl", "InstalledVersion": "3.0.11-1", "Severity": "CRITICAL",
        "PkgIdentifier": {"PURL": "pkg:deb/debian/openssl@3.0.11-1?distro=debian-12.5"}, "FixedVersion": "3.0.12-1",
    }])
}

fn put(site: &Site, name: &str, bytes: &[u8]) {
    std::fs::write(site.path(name), bytes).unwrap();
}

#[test]
fn an_image_without_a_report_is_approved_by_one_from_the_approver() {
    let (site, archive, path) = prepared(JUDGED, &Draft::on(3));
    let said = site.fail(3, &approve(&path, &[]));
    assert!(said.contains("found no report on it"), "{said}");
    put(&site, "clean.json", &report("content", 4, &json!([])));
    let said = site.succeed(&approve(&path, &["--report", "clean.json", "--report", "clean.json"]));
    assert!(said.contains("report         clean.json, by a database of 2026-"), "{said}");
    let loaded = site.load(&archive);
    let facts = loaded["archive"]["judgements"][0]["items"][0]["verdicts"][0]["facts"].to_string();
    assert!(facts.contains("submitted by officer-1"), "{facts}");
}

#[test]
fn what_trivy_wrote_is_stood_on_where_its_database_need_not_be_known() {
    let setup = Setup { policy: "{vulnerabilities: {reports: attested, unknownDatabase: warn}}", ..JUDGED };
    for (setup, is_refused) in [(JUDGED, true), (setup, false)] {
        let (site, archive, path) = prepared(setup, &Draft::on(3));
        let scan = ScanReport::parse(&report("content", 4, &json!([]))).unwrap();
        put(&site, "trivy.json", &scan.report);
        let arguments = approve(&path, &["--report", "trivy.json"]);
        if is_refused {
            let said = site.fail(3, &arguments);
            assert!(said.contains("does not say how old its database was"), "{said}");
            continue;
        }
        site.succeed(&arguments);
        let loaded = site.load(&archive);
        let verdict = &loaded["archive"]["judgements"][0]["items"][0]["verdicts"][0];
        assert_eq!(verdict["outcome"], "warned", "{verdict:#}");
        assert!(verdict["facts"].to_string().contains("submitted by officer-1"), "{verdict:#}");
    }
}

#[test]
fn a_newer_database_overrules_an_older_report_in_either_way() {
    for (first, second, is_refused) in [
        ((4, json!([])), (3, critical()), true),
        ((3, json!([])), (4, critical()), false),
        ((4, critical()), (3, json!([])), false),
    ] {
        let setup = Setup { officers: 2, ..JUDGED };
        let (site, archive, path) = prepared(setup, &Draft::on(3));
        key_file(&site, "officer-2.key", &site.people.officers[1]);
        put(&site, "first.json", &report("content", first.0, &first.1));
        put(&site, "second.json", &report("content", second.0, &second.1));
        // In the DMZ, where the policy only warns, so that both come to the site.
        site.write("lax.yaml", &policy("{vulnerabilities: {critical: warn}}"));
        for (officer, report) in [("officer-1.key", "first.json"), ("officer-2.key", "second.json")] {
            let mut command = site.command(&["approve", &path, "--key", officer, "--report", report]);
            command.args(["--trust", "trust.yaml", "--policy", "lax.yaml"]).env_remove("AIRGAP_STATE");
            crate::site::succeed(&mut command);
        }
        if is_refused {
            let said = site.refuse(&archive, &[]);
            assert!(said.contains("CVE-2026-1"), "{said}");
        } else {
            site.load(&archive);
        }
    }
}

#[test]
fn a_critical_in_the_approvers_own_report_is_not_approved() {
    let (site, archive, path) = prepared(JUDGED, &Draft::on(3));
    put(&site, "bad.json", &report("content", 4, &critical()));
    let said = site.fail(3, &approve(&path, &["--report", "bad.json"]));
    assert!(said.contains("CVE-2026-1"), "{said}");
    site.succeed(&approve(&path, &["--report", "bad.json", "--reject"]));
    assert!(site.refuse(&archive, &[]).contains("rejected by officer-1"));
}

#[test]
fn what_is_no_report_on_the_archive_is_wrong_use() {
    let (site, _, path) = prepared(JUDGED, &Draft::on(3));
    put(&site, "other.json", &report("another image", 4, &json!([])));
    put(&site, "none.json", b"{}");
    for (file, said) in
        [("other.json", "found a report on the image"), ("none.json", "found no report of Trivy")]
    {
        let found = site.fail(2, &approve(&path, &["--report", file]));
        assert!(found.contains(said), "{found}");
    }
    let missing = site.fail(2, &approve(&path, &["--report", &text(&site.path("missing.json"))]));
    assert!(missing.contains("missing.json"), "{missing}");
}

#[test]
fn a_rescan_of_no_image_needs_no_scanner() {
    let site = Site::with(Setup { policy: "{vulnerabilities: {}}", ..USUAL });
    for (content, status) in [("", 0), ("content", 1)] {
        let draft = Draft { content, artifacts: vec![("x/y", b"{}".to_vec())], ..Draft::on(3) };
        let path = text(&site.archive(&draft).path);
        let mut command = site.command(&["verify", &path, "--rescan"]);
        let output = command.env("PATH", "").output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{said}");
        assert_eq!(said.contains("cannot run trivy"), status == 1, "{said}");
    }
}
