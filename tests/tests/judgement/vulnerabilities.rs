//! Scans by the real Trivy against a database of made-up advisories.

use fixtures::image::{self, Artifact, Format};
use manifests::{Digest, Timestamp};
use serde_json::Value;
use tests::alpine::now;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::{alpine, upstream};

use crate::{BUILD, LOAD, field, judged_again, pem, policy, said_on_both_sides};

const LOCK: &str =
    "airgap-bundle lock core.yaml --quiet --policy policy.yaml --trivy-cache cache --trivy-offline";

/// `BELOW/app:1`, an index of two platforms of Alpine `release` with this busybox.
fn fill(desk: &Desk, release: &str, busybox: &str) -> String {
    let below = servers::referrers().repository(&fresh_repository("scanned"));
    let platforms =
        ["linux/amd64", "linux/arm64"].map(|platform| (platform, alpine::image(platform, release, busybox)));
    upstream::push(desk, &image::index(&platforms, Format::Oci), &format!("{below}/app:1"));
    desk.define(
        "core",
        &format!("platforms: [linux/amd64, linux/arm64], images: [{{ref: \"{below}/app:1\"}}]"),
    );
    below
}

#[test]
fn a_critical_with_a_fix_stops_an_image_and_a_clean_one_crosses() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    alpine::database(&desk, "cache", &now());
    fill(&desk, "3.23.0", "1.37.0-r0");
    let locked = desk.json(&format!("{LOCK} --json"));
    assert_eq!(locked["evidence"], 2, "a report a platform: {locked:#}");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    for wanted in ["linux/amd64", "linux/arm64", "CVE-2026-0001", "1.37.0-r1"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }

    fill(&desk, "3.23.0", "1.37.0-r1");
    desk.run(LOCK);
    let printed = desk.run(&format!("{BUILD} --policy policy.yaml --json"));
    let built: Value = serde_json::from_str(&printed).unwrap();
    let at = built["judgement"]["at"].as_str().unwrap();
    assert_eq!(said_on_both_sides(&desk, at, ""), field(&printed, "judgement"));
    let item = &built["judgement"]["items"][0];
    assert_eq!(item["verdicts"][0]["outcome"], "warned", "a High has no veto: {item:#}");
    assert!(item["verdicts"][0].to_string().contains("CVE-2026-0002"), "{item:#}");
    desk.site("sovereign");
    let said = desk.run_alone("airgap-import verify core.tar --state sovereign");
    assert!(said.contains("vulnerabilities: 1 warned"), "reports need no network: {said}");
    let loaded = desk.json(&format!("{LOAD} --json"));
    judged_again(&desk);
    assert_eq!(loaded["archive"]["judgements"][0]["items"], built["judgement"]["items"]);
}

#[test]
fn both_sides_say_the_same_bytes_by_the_same_lists_at_the_same_time() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    alpine::database(&desk, "cache", &now());
    fill(&desk, "3.23.0", "1.37.0-r1");
    desk.run(LOCK);
    desk.run(BUILD);
    let kev = serde_json::json!({
        "catalogVersion": "1", "dateReleased": "2026-11-01T00:00:00Z", "count": 1,
        "vulnerabilities": [{"cveID": "CVE-2026-9999"}],
    });
    desk.write("kev.json", kev.to_string());
    desk.write("vex.json", vex(&alpine::image("linux/amd64", "3.23.0", "1.37.0-r1")).to_string());
    let later = Timestamp::plus_seconds(now().parse().unwrap(), 3600).unwrap().to_string();
    let said = said_on_both_sides(&desk, &later, "--kev kev.json --vex vex.json");
    let said: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said["at"], later);
    assert_eq!(said["policy"], Digest::of(&desk.read("policy.yaml")).to_string());
    assert_eq!(said["gates"], serde_json::json!(["vulnerabilities"]));
    assert_eq!(said["kev"], Digest::of(&desk.read("kev.json")).to_string());
    assert_eq!(said["vex"], serde_json::json!([Digest::of(&desk.read("vex.json"))]));
}

#[test]
fn what_the_scanner_knows_nothing_about_is_not_taken_for_clean() {
    for (release, busybox, spec, said) in [
        ("3.23.0", "1.37.0-r2", "{}", None),
        ("3.20.3", "1.37.0-r2", "{endOfSupport: deny}", Some("3.20.3")),
        ("3.22.0", "1.37.0-r2", "{knownReleases: [alpine 3.23]}", Some("3.22.0")),
    ] {
        let desk = Desk::new();
        policy(&desk, "policy.yaml", &format!("  vulnerabilities: {spec}\n"));
        alpine::database(&desk, "cache", &now());
        fill(&desk, release, busybox);
        desk.run(LOCK);
        let status = if said.is_some() { 3 } else { 0 };
        let (_, printed) = desk.ends(&format!("{BUILD} --policy policy.yaml"), status);
        assert!(said.is_none_or(|said| printed.contains(said)), "{spec}: {printed}");
    }
}

#[test]
fn what_trivy_wrote_elsewhere_stands_in_for_a_scan() {
    let desk = Desk::new();
    alpine::database(&desk, "cache", &now());
    let below = fill(&desk, "3.23.0", "1.37.0-r0");
    for platform in ["amd64", "arm64"] {
        desk.run(&format!(
            "trivy image --image-src remote --platform linux/{platform} --cache-dir cache --skip-db-update --skip-java-db-update \
             --offline-scan --quiet --format json --output {platform}.json {below}/app:1"
        ));
    }
    let lock = "airgap-bundle lock core.yaml --quiet --report amd64.json --report arm64.json";
    let locked = desk.json(&format!("{lock} --json"));
    assert_eq!(locked["evidence"], 2, "a report a platform, without a policy and a scanner: {locked:#}");
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("does not say how old its database was"), "{said}");
    assert!(said.contains("CVE-2026-0001"), "what it found counts all the same: {said}");
    policy(
        &desk,
        "policy.yaml",
        "  vulnerabilities: {unknownDatabase: warn, unknownArguments: warn, critical: warn}\n",
    );
    let built = desk.json(&format!("{BUILD} --policy policy.yaml --json"));
    let said = built["judgement"]["items"][0].to_string();
    for wanted in ["CVE-2026-0001", "does not say with which arguments it was made"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }

    // One platform is given, and the other is scanned, by a policy that asks for scans.
    let some = desk.json(&format!("{LOCK} --report amd64.json --json"));
    assert_eq!(some["evidence"], 2, "{some:#}");
    assert!(some["notices"].to_string().contains("scanned by trivy"), "{some:#}");
    policy(&desk, "policy.yaml", "  vulnerabilities: {critical: warn}\n");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("linux/amd64: found a report that does not say"), "{said}");
    assert!(!said.contains("linux/arm64: found a report that does not say"), "{said}");

    fill(&desk, "3.23.0", "1.37.0-r1");
    let (_, said) = desk.ends(lock, 2);
    assert!(said.contains("amd64.json") && said.contains("found a report on the image"), "{said}");
}

#[test]
fn a_report_on_one_image_leaves_those_on_others() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    alpine::database(&desk, "cache", &now());
    let one = fill(&desk, "3.23.0", "1.37.0-r1");
    let other = fill(&desk, "3.23.0", "1.37.0-r2");
    let images = format!("images: [{{ref: \"{one}/app:1\"}}, {{ref: \"{other}/app:1\"}}]");
    desk.define("core", &format!("platforms: [linux/amd64, linux/arm64], {images}"));
    assert_eq!(desk.json(&format!("{LOCK} --json"))["evidence"], 4);
    desk.run(&format!(
        "trivy image --image-src remote --platform linux/amd64 --cache-dir cache --skip-db-update --skip-java-db-update \
         --offline-scan --quiet --format json --output amd64.json {one}/app:1"
    ));
    let update =
        format!("airgap-bundle lock core.yaml --quiet --update {one}/app --report amd64.json --json");
    assert_eq!(desk.json(&update)["evidence"], 3, "two that are kept, and what was given");
    // With a policy that does not count it, that is said at once.
    let judged = desk.json(&format!("{update} --policy policy.yaml --trivy-cache cache --trivy-offline"));
    assert_eq!(judged["evidence"], 4, "{judged:#}");
    let notices = judged["notices"].to_string();
    assert!(
        notices.contains("the policy will refuse it: found a report that does not say how old"),
        "{notices}"
    );
}

#[test]
fn an_old_database_and_a_missing_report_are_refused() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    alpine::database(&desk, "cache", "2026-01-01T00:00:00Z");
    fill(&desk, "3.23.0", "1.37.0-r2");
    desk.run(LOCK);
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("database") && said.contains("2026-01-01"), "{said}");

    desk.run("airgap-bundle lock core.yaml --quiet");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("found no report"), "{said}");
}

#[test]
fn a_scanner_without_a_database_makes_no_lock() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {}\n");
    fill(&desk, "3.23.0", "1.37.0-r2");
    let (_, said) = desk.ends(LOCK, 1);
    assert!(said.contains("found no vulnerability database of trivy"), "{said}");
    assert!(!desk.path("core.lock.json").exists());
}

#[test]
fn a_newer_database_in_the_dmz_overrules_the_report_that_came_along() {
    let desk = Desk::new();
    policy(&desk, "policy.yaml", "  vulnerabilities: {databaseMaxAge: 720h}\n");
    // The connected side's database is a day old, and does not know of the finding yet.
    desk.write("advisories.json", "[{\"bucket\": \"alpine 3.23\", \"package\": \"musl\", \"id\": \"CVE-2026-0009\", \"severity\": \"LOW\"}]");
    let yesterday = Timestamp::plus_seconds(now().parse().unwrap(), -86_400).unwrap();
    desk.run(&format!("trivydb -advisories advisories.json -out cache/db -updated {yesterday}"));
    fill(&desk, "3.23.0", "1.37.0-r0");
    desk.run(LOCK);
    desk.run(&format!("{BUILD} --policy policy.yaml"));
    desk.site("sovereign");
    let verify = "airgap-import verify core.tar --state sovereign --quiet";
    desk.run(verify);

    alpine::database(&desk, "dmz", &now());
    let rescan = format!("{verify} --rescan --trivy-cache dmz --trivy-offline --reports reports");
    let (_, said) = desk.ends(&rescan, 3);
    for wanted in ["linux/amd64", "linux/arm64", "CVE-2026-0001"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    assert_eq!(desk.files("reports").len(), 2, "a report a platform, for an approver");
    desk.run(verify);
}

/// A statement that the Critical does not affect an image.
fn vex(image: &Artifact) -> Value {
    serde_json::json!({
        "@context": "https://openvex.dev/ns/v0.2.0", "@id": "https://demo.test/vex/1", "author": "builder",
        "timestamp": "2026-11-01T00:00:00Z", "version": 1,
        "statements": [{
            "vulnerability": {"name": "CVE-2026-0001"}, "status": "not_affected",
            "justification": "vulnerable_code_not_present",
            "products": [{"@id": "pkg:oci/app", "hashes": {"sha-256": image.digest().hex()}}],
        }],
    })
}

#[test]
fn what_a_signer_attests_as_not_affected_counts_where_the_policy_trusts_that_signer() {
    let desk = Desk::new();
    upstream::make_signer(&desk);
    let below = servers::referrers().repository(&fresh_repository("vexed"));
    let image = alpine::image("linux/amd64", "3.23.0", "1.37.0-r0");
    upstream::push(&desk, &image, &format!("{below}/app:1"));
    desk.define("core", &format!("platforms: [linux/amd64], images: [{{ref: \"{below}/app:1\"}}]"));
    desk.write("vex.json", vex(&image).to_string());
    let there = format!("{below}/app@{}", image.digest());
    upstream::sign(&desk, &there);
    upstream::attest_legacy(&desk, &there, "openvex", "vex.json");

    let key = pem(&desk, "cosign.pub");
    let signer = format!("key: {{pem: {key}, log: notRequired}}");
    desk.run("openssl pkey -pubin -in cosign.pub -outform DER -out cosign.der");
    let id = Digest::of(&desk.read("cosign.der"));
    let spec = |signed_by: &str| {
        format!(
            "  signatures: [{{match: \"**\", {signer}, attestations: [{{predicateType: \"https://openvex.dev/ns\", {signer}}}]}}]\n  vulnerabilities: {{vex: [{{author: builder, signedBy: \"{signed_by}\"}}]}}\n"
        )
    };
    alpine::database(&desk, "cache", &now());
    policy(&desk, "policy.yaml", &spec("the key sha256:0000"));
    desk.run(LOCK);
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("CVE-2026-0001"), "another signer: {said}");
    policy(&desk, "policy.yaml", &spec(&format!("the key {id}")));
    let built = desk.json(&format!("{BUILD} --policy policy.yaml --json"));
    let said = built["judgement"]["items"][0].to_string();
    assert!(said.contains("CVE-2026-0001") && said.contains("vulnerable_code_not_present"), "{said}");
}

/// As a publisher's pipeline does it: Trivy's report as a predicate, under cosign's signature, in both of its layouts.
#[test]
fn what_a_signer_attests_as_a_report_is_judged_and_nobody_else_s_counts() {
    let desk = Desk::new();
    upstream::make_signer(&desk);
    alpine::database(&desk, "cache", &now());
    let below = servers::referrers().repository(&fresh_repository("attested"));
    let attested = |tag: &str, busybox: &str, is_legacy: bool| {
        let image = alpine::image("linux/amd64", "3.23.0", busybox);
        upstream::push(&desk, &image, &format!("{below}/app:{tag}"));
        let there = format!("{below}/app@{}", image.digest());
        desk.run(&format!(
            "trivy image --image-src remote --cache-dir cache --skip-db-update --skip-java-db-update --offline-scan --quiet \
             --format cosign-vuln --output vuln.json {there}"
        ));
        if is_legacy {
            upstream::attest_legacy(&desk, &there, "vuln", "vuln.json");
        } else {
            desk.run(&format!(
                "cosign attest --key cosign.key --signing-config offline.json --type vuln --predicate vuln.json --allow-http-registry -y {there}"
            ));
        }
        format!("{{ref: \"{below}/app:{tag}\"}}")
    };
    let clean = [attested("1", "1.37.0-r2", false), attested("2", "1.37.0-r1", true)];
    let critical = attested("3", "1.37.0-r0", false);
    let spec = |key: &str| {
        let asked = format!("{{predicateType: vuln, key: {{pem: {key}, log: notRequired}}}}");
        format!(
            "  signatures: [{{match: \"**\", accept: attested, attestations: [{asked}]}}]\n  \
             vulnerabilities: {{reports: attested, unknownDatabase: warn, unknownArguments: warn}}\n"
        )
    };
    policy(&desk, "policy.yaml", &spec(&pem(&desk, "cosign.pub")));
    let lock = "airgap-bundle lock core.yaml --quiet";
    desk.define("core", &format!("platforms: [linux/amd64], images: [{}]", clean.join(", ")));
    desk.run(lock);
    let built = desk.json(&format!("{BUILD} --policy policy.yaml --json"));
    for item in built["judgement"]["items"].as_array().unwrap() {
        assert_eq!(item["verdicts"][0]["outcome"], "passed", "{item:#}");
        assert!(item["verdicts"][1].to_string().contains("attested by the key sha256:"), "{item:#}");
    }
    desk.site("sovereign");
    desk.run(LOAD);
    judged_again(&desk);

    desk.run("airgap-bundle keygen --out other --unencrypted");
    policy(&desk, "other.yaml", &spec(&pem(&desk, "other.pub")));
    std::fs::remove_file(desk.path("core.tar")).unwrap();
    let (_, said) = desk.ends(&format!("{BUILD} --policy other.yaml"), 3);
    assert_eq!(said.matches("found no report on it").count(), 2, "{said}");
    desk.define("core", &format!("platforms: [linux/amd64], images: [{critical}]"));
    desk.run(lock);
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(said.contains("CVE-2026-0001"), "{said}");
}
