//! Which rules are read, which are refused, and which one decides.

use super::*;
use crate::policy::{KeyAlgorithm, LogRule, Policy};

const ROOT: &str = "1111111111111111111111111111111111111111111111111111111111111111";
const P256: &str = "-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\\nkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\\n-----END PUBLIC KEY-----\\n";
const ED25519: &str = "-----BEGIN PUBLIC KEY-----\\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\\n-----END PUBLIC KEY-----\\n";

fn rules(list: &str) -> Result<Signatures, YamlError> {
    let text = format!(
        "apiVersion: airgap/v1\nkind: Policy\nspec:\n  trustedRoots: [{{name: public-good, sha256: \"{ROOT}\"}}]\n  \
         signatures:\n{}",
        list.lines().map(|line| format!("    - {line}\n")).collect::<String>()
    );
    Policy::parse(&text).map(|policy| policy.signatures.unwrap())
}

fn one(rule: &str) -> Result<SignatureRule, YamlError> {
    rules(rule).map(|read| read.rules.into_iter().next().unwrap())
}

#[test]
fn the_first_rule_about_an_item_decides() {
    let rules = rules(
        r#"{match: "ghcr.io/demo/**", kinds: [chart], deny: true}
{match: "ghcr.io/demo/**", keyless: {issuer: "https://i.test", identity: a@i.test}}
{match: "ghcr.io/demo/web", deny: true}
{match: "docker.io/**", accept: unsigned, reason: r, owner: o, until: 2027-03-01}"#,
    )
    .unwrap();
    for (name, kind, decides) in [
        ("ghcr.io/demo/web:1", ItemKind::Chart, Some(0)),
        ("ghcr.io/demo/web:1", ItemKind::Image, Some(1)),
        ("docker.io/library/web:1", ItemKind::Artifact, Some(3)),
        ("quay.io/demo/web:1", ItemKind::Image, None),
    ] {
        let found = rules.rule_for(name, kind).map(|(number, _)| number);
        assert_eq!(found, decides, "{name} {kind}");
    }
}

#[test]
fn what_a_rule_asks_is_read_in_full() {
    let rule = one(&format!(
        r#"{{match: "**", all: [{{key: {{pem: "{P256}", log: notRequired}}}}, {{keyless: {{issuer: "https://i.test", identity: "^a@.*$", trustedRoot: "sha256:{ROOT}"}}}}], platforms: each, attestations: [{{predicateType: spdx, key: {{pem: "{ED25519}", log: required}}}}]}}"#
    ))
    .unwrap();
    let Requirement::Signed(signers) = &rule.requirement else { panic!("{rule:?}") };
    let [Signer::Key(key), Signer::Keyless(keyless)] = signers.as_slice() else { panic!("{signers:?}") };
    assert_eq!((key.algorithm(), key.log()), (KeyAlgorithm::EcdsaP256, LogRule::NotRequired));
    assert_eq!(key.id().hex(), "c0d23d6ad406973f9559f3ba2d1ca01f84147d8ffc5b8445c224f98b9591801d");
    assert!(keyless.identity.matches("a@b") && keyless.trusted_root.is_some());
    assert_eq!(rule.platforms, PlatformRule::Each);
    let [attestation] = rule.attestations.as_slice() else { panic!("{rule:?}") };
    assert_eq!(attestation.predicate_type, "https://spdx.dev/Document");
    let Signer::Key(key) = &attestation.signer else { panic!("{attestation:?}") };
    assert_eq!((key.algorithm(), key.log()), (KeyAlgorithm::Ed25519, LogRule::Required));
}

#[test]
fn a_key_is_of_one_of_the_kinds_that_upstream_signs_with() {
    for (pem, wanted) in [
        (include_str!("../../../../fixtures/data/signature-keys/p256.pub"), KeyAlgorithm::EcdsaP256),
        (include_str!("../../../../fixtures/data/signature-keys/p384.pub"), KeyAlgorithm::EcdsaP384),
        (include_str!("../../../../fixtures/data/signature-keys/ed.pub"), KeyAlgorithm::Ed25519),
        (include_str!("../../../../fixtures/data/signature-keys/rsa.pub"), KeyAlgorithm::Rsa),
    ] {
        let pem = pem.replace('\n', "\\n");
        for (log, needs_root) in [("required", true), ("notRequired", false)] {
            let rule = one(&format!(r#"{{match: "**", key: {{pem: "{pem}", log: {log}}}}}"#)).unwrap();
            let Requirement::Signed(signers) = &rule.requirement else { panic!("{rule:?}") };
            let [signer @ Signer::Key(key)] = signers.as_slice() else { panic!("{signers:?}") };
            assert_eq!((key.algorithm(), signer.needs_root()), (wanted, needs_root));
            assert_eq!(Digest::of(key.der()), key.id());
            assert_eq!(signer.to_string(), format!("the key {}", key.id()));
        }
    }
}

#[test]
fn short_names_of_predicates_are_cosigns() {
    for (name, full) in [
        ("cyclonedx", "https://cyclonedx.org/bom"),
        ("slsaprovenance", "https://slsa.dev/provenance/v0.2"),
        ("slsaprovenance1", "https://slsa.dev/provenance/v1"),
        ("vuln", "https://cosign.sigstore.dev/attestation/vuln/v1"),
        ("https://spdx.dev/Document/v2.3", "https://spdx.dev/Document/v2.3"),
    ] {
        let signer = format!(r#"key: {{pem: "{P256}", log: notRequired}}"#);
        let rule =
            format!(r#"{{match: "**", {signer}, attestations: [{{predicateType: "{name}", {signer}}}]}}"#);
        assert_eq!(one(&rule).unwrap().attestations[0].predicate_type, full, "{name}");
    }
}

#[test]
fn rules_that_say_too_little_or_too_much_are_refused() {
    let keyless = r#"keyless: {issuer: "https://i.test", identity: a}"#;
    let key = format!(r#"key: {{pem: "{P256}", log: notRequired}}"#);
    let waiver = "accept: unsigned, reason: r, owner: o, until: 2027-03-01";
    let cases = [
        (String::new(), "exactly one", "nothing is asked"),
        (format!("{keyless}, deny: true"), "exactly one", "two things are asked"),
        (format!("{keyless}, {waiver}"), "exactly one", "signed and unsigned"),
        ("deny: false".into(), "deny: false", "no decision"),
        ("deny: true, platforms: each".into(), "beside deny", "what denial cannot use"),
        ("accept: unsigned".into(), "all three", "nobody decided"),
        (waiver.replace("owner: o", "owner: ' '"), "all three", "an empty owner"),
        (waiver.replace("2027-03-01", "soon"), "wanted 2027-11-01", "no date"),
        (waiver.replace("unsigned", "anything"), "unknown variant", "something else is accepted"),
        (format!("{keyless}, owner: o"), "belong to", "an owner of nothing"),
        (format!("{keyless}, kinds: []"), "no kind", "about nothing"),
        (format!("{keyless}, kinds: [model]"), "unknown variant", "an unknown kind"),
        (format!("all: [{{{key}}}]"), "2 to 16", "several are one"),
        (format!("all: [{{{key}}}, {{{key}}}]"), "twice", "the same key twice"),
        (format!("all: [{{{key}}}, {{}}]"), "one of keyless and key", "nobody"),
        (
            keyless.replace(
                "}",
                ", trustedRoot: 'sha256:2222222222222222222222222222222222222222222222222222222222222222'}",
            ),
            "add it there",
            "a root that the policy does not name",
        ),
        (keyless.replace("identity: a", "identity: '^['"), "regular expression", "no expression"),
        (keyless.replace("identity: a", "identity: a, subject: b"), "unknown field", "an unknown field"),
        (key.replace(", log: notRequired", ""), "missing field `log`", "the log is left open"),
        (key.replace("PUBLIC", "PRIVATE"), "BEGIN PUBLIC KEY", "a private key"),
        (key.replace("MFkwEwYHKoZIzj0C", "MFkwEwYHKoZIzj0D"), "another kind", "another kind of key"),
        (
            format!("{keyless}, attestations: [{{predicateType: sbom, {key}}}]"),
            "wanted a URI",
            "an unknown name",
        ),
        (
            format!("{keyless}, attestations: [{{predicateType: spdx}}]"),
            "one of keyless and key",
            "signed by nobody",
        ),
    ];
    for (rule, reason, why) in cases {
        let separator = if rule.is_empty() { "" } else { ", " };
        let error = one(&format!(r#"{{match: "**"{separator}{rule}}}"#)).unwrap_err().to_string();
        assert!(error.contains(reason), "{why}: {error}");
    }
}

#[test]
fn trusted_roots_are_named_once_and_where_they_are_needed() {
    let policy =
        |spec: &str| Policy::parse(&format!("apiVersion: airgap/v1\nkind: Policy\nspec: {{{spec}}}\n"));
    let keyless = r#"signatures: [{match: "**", keyless: {issuer: i, identity: a}}]"#;
    let logged = format!(r#"signatures: [{{match: "**", key: {{pem: "{P256}", log: required}}}}]"#);
    let root = format!(r#"{{name: a, sha256: "{ROOT}", file: root.json}}"#);
    for (spec, reason, why) in [
        (keyless.to_owned(), "name one in trustedRoots", "a certificate and no root"),
        (logged, "name one in trustedRoots", "a log and no root"),
        (format!("{keyless}, trustedRoots: [{root}, {root}]"), "one digest twice", "one root twice"),
        (format!("{keyless}, trustedRoots: [{{name: a, sha256: '11'}}]"), "sha256", "no digest"),
        (format!("{keyless}, trustedRoots: [{{name: '', sha256: '{ROOT}'}}]"), "no name", "no name"),
    ] {
        let error = policy(&spec).unwrap_err().to_string();
        assert!(error.contains(reason), "{why}: {error}");
    }
    let read = policy(&format!("{keyless}, trustedRoots: [{root}]")).unwrap().signatures.unwrap();
    assert_eq!(read.roots()[0].file.as_deref(), Some("root.json"));
}

#[test]
fn a_chart_s_provenance_is_asked_for_by_one_certificate() {
    let armored = include_str!("../../../../fixtures/data/openpgp/alice.asc").replace('\n', "\\n");
    let openpgp = format!("openpgp: {{certificate: \"{armored}\"}}");
    let rule = one(&format!(r#"{{match: "**", kinds: [chart], {openpgp}}}"#)).unwrap();
    let Requirement::Signed(signers) = &rule.requirement else { panic!("{rule:?}") };
    let [signer @ Signer::OpenPgp(_)] = signers.as_slice() else { panic!("{signers:?}") };
    assert_eq!(
        (signer.to_string().as_str(), signer.needs_root()),
        ("the OpenPGP key CA8FE0124FD6F363F7FE4B603DD34D83C4BA820A", false)
    );
    let key = format!(r#"key: {{pem: "{P256}", log: notRequired}}"#);
    one(&format!(r#"{{match: "**", kinds: [chart], all: [{{{openpgp}}}, {{{key}}}]}}"#)).unwrap();
    for (rule, said) in [
        (format!(r#"{{match: "**", {openpgp}}}"#), "wanted kinds: [chart]"),
        (format!(r#"{{match: "**", kinds: [chart, image], {openpgp}}}"#), "wanted kinds: [chart]"),
        (format!(r#"{{match: "**", all: [{{{openpgp}}}, {{{key}}}]}}"#), "wanted kinds: [chart]"),
        (format!(r#"{{match: "**", kinds: [chart], {openpgp}, {key}}}"#), "found several or none"),
        (format!(r#"{{match: "**", kinds: [chart], {openpgp}, deny: true}}"#), "wanted exactly one of"),
        (
            format!(r#"{{match: "**", kinds: [chart], all: [{{{openpgp}}}, {{{openpgp}}}]}}"#),
            "found the OpenPGP key CA8FE0124FD6F363F7FE4B603DD34D83C4BA820A twice",
        ),
        (
            r#"{match: "**", kinds: [chart], openpgp: {certificate: "x"}}"#.to_owned(),
            "openpgp: found no armored",
        ),
        (
            format!(r#"{{match: "**", deny: true, attestations: [{{predicateType: spdx, {openpgp}}}]}}"#),
            "openpgp",
        ),
    ] {
        let error = one(&rule).unwrap_err().to_string();
        assert!(error.contains(said), "{rule}: {error}");
    }
}

#[test]
fn attestations_may_stand_for_a_signature_where_a_rule_says_so() {
    let attestation = format!(r#"{{predicateType: spdx, key: {{pem: "{P256}", log: notRequired}}}}"#);
    let rule = one(&format!(r#"{{match: "**", accept: attested, attestations: [{attestation}]}}"#)).unwrap();
    assert!(matches!(rule.requirement, Requirement::Attested), "{rule:?}");
    assert_eq!(rule.attestations.len(), 1);
    for (rule, said) in [
        (r#"{match: "**", accept: attested}"#.to_owned(), "without attestations"),
        (r#"{match: "**", accept: attested, attestations: []}"#.to_owned(), "without attestations"),
        (
            format!(r#"{{match: "**", accept: attested, owner: o, attestations: [{attestation}]}}"#),
            "without accept: unsigned",
        ),
        (
            format!(r#"{{match: "**", accept: attested, deny: true, attestations: [{attestation}]}}"#),
            "wanted exactly one of",
        ),
        (format!(r#"{{match: "**", attestations: [{attestation}]}}"#), "wanted exactly one of"),
        (r#"{match: "**", accept: anything}"#.to_owned(), "attested"),
    ] {
        let error = one(&rule).unwrap_err().to_string();
        assert!(error.contains(said), "{rule}: {error}");
    }
}
