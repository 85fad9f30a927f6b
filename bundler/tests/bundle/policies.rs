//! `policy init`, `policy test` and `report`: what is drafted from the signers that upstream shows, and what a policy
//! then says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fixtures::image::{self, Annotations, Artifact, Blob, Format, Layer, Signer};
use fixtures::registry::{Options, Registry};
use fixtures::upstream::put_referrers;
use manifests::policy::{Policy, Requirement, SignatureRule, Signer as Wanted};
use serde_json::Value;

use crate::project::Project;

const REPOSITORIES: [&str; 6] =
    ["team/keyless", "team/keyless-too", "team/attested", "team/keyed", "other/a", "other/b"];

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// A real bundle of somebody's, whose certificate is borrowed.
const LENDER: &str = include_str!("../../../fixtures/data/sigstore/bundle-attestation/bundle.json");

/// What signs like an identity and is none: the certificate is another's, and the signature nobody's.
fn claims_identity(subject: &Artifact, predicate_type: &str) -> Artifact {
    let lender: Value = serde_json::from_str(LENDER).unwrap();
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"digest": {"sha256": subject.digest().hex()}}],
        "predicateType": predicate_type,
        "predicate": {},
    });
    let bundle = serde_json::json!({
        "mediaType": BUNDLE,
        "verificationMaterial": {"certificate": lender["verificationMaterial"]["certificate"], "tlogEntries": []},
        "dsseEnvelope": {
            "payload": STANDARD.encode(statement.to_string()),
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": STANDARD.encode("nobody's")}],
        },
    });
    image::referrer(&subject.descriptor(), BUNDLE, Blob::new(bundle.to_string()), Annotations::new())
}

/// A registry with `team/keyless` and `team/keyless-too`, which say that an identity signed them, `team/attested`, which
/// says so of an attestation alone, `team/keyed`, which a key signed, and `other/a` and `other/b`, which nobody signed.
fn upstream() -> Registry {
    let registry = Registry::start(Options::default()).unwrap();
    for repository in REPOSITORIES {
        let image = image::image("linux/amd64", &[Layer::with_files(repository, 1_000)], Format::Oci);
        image.put(registry.store(), repository, Some("1")).unwrap();
        let evidence = match repository {
            "team/keyed" => image::bundle_referrer(&image.descriptor(), &Signer::named("upstream")),
            "team/attested" => claims_identity(&image, "https://slsa.dev/provenance/v1"),
            name if name.starts_with("team/keyless") => {
                claims_identity(&image, "https://sigstore.dev/cosign/sign/v1")
            }
            _ => continue,
        };
        put_referrers(&registry, repository, image.digest(), &[evidence]).unwrap();
    }
    registry
}

fn project(registry: &Registry) -> Project {
    let images = REPOSITORIES;
    let images = images.map(|name| format!("{{ref: \"{}/{name}:1\"}}", registry.host()));
    let project = Project::new(&format!("images: [{}]", images.join(", ")));
    project.lock();
    project
}

fn drafted(project: &Project, more: &[&str]) -> String {
    let arguments = [&["policy", "init", "--from", "core.lock.json"], more].concat();
    project.run(&arguments).succeeds();
    String::from_utf8(project.read("core.policy.yaml")).unwrap()
}

#[test]
fn a_draft_is_a_policy_in_which_every_decision_is_marked() {
    let registry = upstream();
    let project = project(&registry);
    let root = include_bytes!("../../../fixtures/data/sigstore/trusted-root/public-good.json");
    project.write("trusted_root.json", root);
    let text = drafted(&project, &["--trusted-root", "trusted_root.json"]);
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.gates, ["signatures", "vulnerabilities"], "{text}");
    let signatures = policy.signatures.unwrap();
    let [attested, keyless, keyless_too, denied] = signatures.rules() else { panic!("{text}") };
    assert!(matches!(attested.requirement, Requirement::Attested), "{attested:?}");
    assert_eq!(attested.attestations[0].predicate_type, "https://slsa.dev/provenance/v1");
    for (rule, repository) in [(keyless, "team/keyless"), (keyless_too, "team/keyless-too")] {
        assert_eq!(rule.pattern.to_string(), format!("{}/{repository}", registry.host()));
        let Requirement::Signed(signers) = &rule.requirement else { panic!("{rule:?}") };
        let [Wanted::Keyless(wanted)] = signers.as_slice() else { panic!("{signers:?}") };
        assert_eq!(wanted.issuer, "https://github.com/login/oauth");
        assert!(wanted.identity.matches("cody@soyland.com") && !wanted.identity.matches("other@soyland.com"));
    }
    assert!(denied.pattern.to_string() == "**" && matches!(denied.requirement, Requirement::Denied));
    assert_eq!(signatures.roots()[0].file.as_deref(), Some("trusted_root.json"));

    // What is commented out is a rule once it is filled in, and every rule has its mark in the lines before it.
    let lines: Vec<&str> = text.lines().collect();
    let rules = lines.iter().enumerate().filter(|(_, line)| line.contains("- match: '"));
    let marked = |at: usize| lines[at - 2..at].iter().any(|line| line.contains("DECIDE"));
    assert_eq!(rules.clone().count(), 5, "{text}");
    assert!(rules.clone().all(|(at, _)| marked(at)), "{text}");
    let unsigned = format!("    # - match: '{}/other/**'", registry.host());
    assert!(text.contains(&unsigned), "{text}");
    let filled = text
        .replace(&unsigned, &unsigned.replace("# ", ""))
        .replace("    #   accept: unsigned", "      accept: unsigned")
        .replace("    #   reason: ", "      reason: upstream does not sign ")
        .replace("    #   owner: ", "      owner: the platform team ")
        .replace("    #   until: ", "      until: 2027-03-01 ");
    let filled = Policy::parse(&filled).unwrap().signatures.unwrap();
    let is_waiver = |rule: &SignatureRule| matches!(rule.requirement, Requirement::Unsigned(_));
    assert!(filled.rules().iter().any(is_waiver) && filled.rules().len() == 5);
}

#[test]
fn what_is_drafted_from_a_name_that_anybody_can_write_refuses_until_it_is_verified() {
    let registry = upstream();
    let project = project(&registry);
    let text = drafted(&project, &[]);
    assert!(text.contains(&"0".repeat(64)), "without a root, one that nothing is: {text}");
    let ran = project.run(&["build", "core.yaml", "--key", "build-1.key", "--policy", "core.policy.yaml"]);
    ran.fails(
        3,
        &[
            "team/keyless:1",
            "found no signature by cody@soyland.com",
            "team/keyed:1",
            "other/a:1",
            "the rule denies",
        ],
    );
    // A second draft must not undo what somebody decided in the first.
    let again = ["policy", "init", "--from", "core.lock.json"];
    project.run(&again).fails(2, &["nothing is overwritten"]);
    let elsewhere = project.run(&[&again[..], &["-o", "other.yaml", "--json"]].concat()).json();
    assert_eq!(elsewhere["policy"], "other.yaml");
    assert_eq!(elsewhere["rules"].as_array().unwrap().len(), 5, "{elsewhere:#}");
    project.write("none.json", "{}");
    project
        .run(&[&again[..], &["-o", "x.yaml", "--trusted-root", "none.json"]].concat())
        .fails(2, &["error: none.json: ", "trusted root"]);
    assert!(!project.path("x.yaml").exists());
}

#[test]
fn a_policy_is_tried_on_an_archive() {
    let registry = upstream();
    let project = project(&registry);
    project.build();
    drafted(&project, &[]);
    let test = ["policy", "test", "core.policy.yaml", "core.tar"];
    let ran = project.run(&test).fails(3, &["refused: ", "other/a:1", "other/b:1", "team/keyed:1"]);
    let said = ran.stdout();
    for wanted in ["UNVERIFIED", "refused  signatures[3] (**)", "against ", "vulnerabilities"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    let ran = project.run(&[&test[..], &["--key", "build-1.pub", "--json"]].concat()).ends(3);
    let json: Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert!(json["standing"].as_str().unwrap().contains("signed by"), "{json:#}");
    assert_eq!(json["judgement"]["items"].as_array().unwrap().len(), REPOSITORIES.len());
    assert!(!json["refusals"].as_array().unwrap().is_empty());

    let unsigned = "apiVersion: airgap/v1\nkind: Policy\nspec:\n  signatures:\n    - {match: \"**\", accept: unsigned, \
                    reason: r, owner: o, until: 2030-01-01}\n";
    project.write("lenient.yaml", unsigned);
    let lenient = ["policy", "test", "lenient.yaml", "core.tar"];
    let at = |time| [&lenient[..], &["--at", time]].concat();
    let said = project.run(&at("2029-12-31T23:59:59Z")).succeeds().stdout();
    assert!(said.contains("accepted unsigned until 2030-01-01") && said.contains("6 warned"), "{said}");
    project.run(&at("2030-01-01T00:00:00Z")).fails(3, &["ended at 2030-01-01"]);
    project.run(&["keygen", "--out", "stranger", "--unencrypted"]).succeeds();
    project.run(&[&lenient[..], &["--key", "stranger.pub"]].concat()).ends(3);
}

#[test]
fn a_report_is_written_whatever_it_says() {
    let registry = upstream();
    let project = project(&registry);
    let built = project.build();
    drafted(&project, &[]);
    let report = ["report", "core.tar", "--policy", "core.policy.yaml", "--key", "build-1.pub"];
    project.run(&report).fails(3, &["other/a:1"]);
    let name = format!("core-{}.html", built["serial"]);
    let html = String::from_utf8(project.read(&name)).unwrap();
    for wanted in ["REFUSED", "other/a:1", "Content-Security-Policy", "default-src 'none'", "<footer>"] {
        assert!(html.contains(wanted), "{wanted}: {html}");
    }
    assert!(!html.contains("UNVERIFIED") && !html.contains("<script"), "{html}");
    std::fs::remove_file(project.path(&name)).unwrap();

    let ran = project.run(&[&report[..], &["--json"]].concat()).ends(3);
    let json: Value = serde_json::from_str(&ran.stdout()).unwrap();
    assert_eq!((&json["conclusion"], &json["file"]), (&"refused".into(), &Value::Null));
    assert_eq!(json["archive"]["identity"], built["identity"]);
    assert!(!project.path(&name).exists(), "JSON alone writes no file");

    let unverified = ["report", "core.tar", "--policy", "core.policy.yaml", "-o", "core.html"];
    project.run(&unverified).ends(3);
    assert!(String::from_utf8(project.read("core.html")).unwrap().contains("UNVERIFIED"));
    let mut bytes = project.read("core.tar");
    let last = bytes.len() - 2_000;
    bytes[last] ^= 1;
    project.write("core.tar", bytes);
    std::fs::remove_file(project.path("core.html")).unwrap();
    project.run(&[&report[..], &["-o", "core.html"]].concat()).ends(4);
    assert!(!project.path("core.html").exists(), "no report on what is damaged");
}
