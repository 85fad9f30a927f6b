//! Provenance files of charts, as Helm signs them: what each is held to.

use std::fs;

use gates::signature::{
    ClaimedBy, Purpose, Reason, Roots, candidates, claimed, claims_signed, has_provenance, verify,
};
use gates::{Outcome, Subject, Verdict};
use manifests::inventory::{Item, ItemKind};
use manifests::media_type::{HELM_CHART, HELM_CONFIG, HELM_PROVENANCE, OCI_MANIFEST};
use manifests::policy::{Requirement, Signatures};
use manifests::{Descriptor, Digest};
use serde_json::json;

use crate::support::{self, Store, data};

const NAME: &str = "registry.example.test/charts/signtest:0.1.0";
const FILE: &str = "signtest-0.1.0.tgz";
const CONFIG: &str = r#"{"name":"signtest","version":"0.1.0"}"#;

/// What else Helm takes for a chart's archive.
const OLD_ARCHIVE: &str = "application/tar+gzip";

/// A chart as a registry has it. Its archives are described and not there: no gate reads them.
struct Chart {
    name: &'static str,
    config_type: &'static str,
    config: &'static str,
    archives: Vec<(&'static str, Vec<u8>)>,
    provenance: Vec<Vec<u8>>,
}

impl Chart {
    fn of(folder: &str, file: &str) -> Self {
        let read = |name: &str| fs::read(data(folder).join(name)).unwrap();
        Self {
            name: NAME,
            config_type: HELM_CONFIG,
            config: CONFIG,
            archives: vec![(HELM_CHART, read(file))],
            provenance: vec![read(&format!("{file}.prov"))],
        }
    }

    fn good() -> Self {
        Self::of("charts", FILE)
    }

    fn item(&self) -> (Item, Store) {
        let mut store = Store::default();
        let config = store.put(self.config_type, self.config.as_bytes());
        let archives = self.archives.iter().map(|(media_type, bytes)| Descriptor {
            digest: Digest::of(bytes),
            media_type: (*media_type).to_owned(),
            size: bytes.len() as u64,
        });
        let mut layers: Vec<Descriptor> = archives.collect();
        layers.extend(self.provenance.iter().map(|bytes| store.put(HELM_PROVENANCE, bytes)));
        // Helm leaves the media type out.
        let manifest = json!({"schemaVersion": 2, "config": config, "layers": layers});
        let published = store.put(OCI_MANIFEST, manifest.to_string().as_bytes());
        let item =
            Item { kind: ItemKind::Chart, name: self.name.to_owned(), ..support::item(&published, vec![]) };
        (item, store)
    }

    fn judged(&self, rules: &Signatures) -> Verdict {
        let (item, store) = self.item();
        support::verdict(&item, &store, rules)
    }
}

fn openpgp(certificate: &str) -> String {
    let text = fs::read_to_string(data(certificate)).unwrap();
    format!("openpgp: {{certificate: {}}}", json!(text))
}

fn rule(certificate: &str) -> Signatures {
    support::policy(&format!(r#"{{match: "**", kinds: [chart], {}}}"#, openpgp(certificate)))
}

fn helm() -> Signatures {
    rule("charts/helm-test-key.asc")
}

#[test]
fn a_chart_that_its_signer_s_provenance_names_passes() {
    let verdict = Chart::good().judged(&helm());
    assert_eq!(verdict.outcome, Outcome::Passed, "{verdict:#?}");
    let said =
        "signature by the OpenPGP key 5E615389B53CA37F0EE60BD3843BBF981FC18762 at 2019-04-01T22:05:19Z";
    assert!(verdict.facts.iter().any(|fact| fact.contains(said)), "{verdict:#?}");
}

#[test]
fn every_provenance_of_something_else_is_refused_by_its_name() {
    let other = |change: fn(&mut Chart)| {
        let mut chart = Chart::good();
        change(&mut chart);
        chart
    };
    let name = "other-0.1.0.tgz";
    let web = r#"{"name":"signtest-0.1","version":"0.1.0"}"#;
    for (chart, said) in [
        (
            Chart::of("charts/must-fail/digest", FILE),
            "found a provenance of \"signtest-0.1.0.tgz\" as sha256:e5ef61",
        ),
        (Chart::of("charts/must-fail/text", FILE), "does not verify with the OpenPGP key 5E61"),
        (
            Chart {
                config: r#"{"name":"other","version":"0.1.0"}"#,
                name: "registry.example.test/charts/other:0.1.0",
                ..Chart::of("charts/must-fail/name", name)
            },
            "wanted one of \"other-0.1.0.tgz\"",
        ),
        (
            other(|chart| chart.config = r#"{"name":"signtest","version":"0.2.0"}"#),
            "found the chart \"signtest\" of version \"0.2.0\" under the name registry.example.test/charts/signtest:0.1.0",
        ),
        (
            other(|chart| chart.name = "registry.example.test/charts/signtest:0.2.0"),
            "wanted it under its own name and version",
        ),
        (
            other(|chart| chart.name = "registry.example.test/charts/other:0.1.0"),
            "found the chart \"signtest\"",
        ),
        (Chart { config: web, ..Chart::good() }, "found the chart \"signtest-0.1\""),
        (other(|chart| chart.config = r#"{"name":"signtest"}"#), "found a chart's config that is malformed"),
        (other(|chart| chart.config_type = "application/x"), "wanted that of a chart"),
        (
            other(|chart| chart.archives.push((HELM_CHART, b"another".to_vec()))),
            "found 3 layers, of which 2 are a chart's archive",
        ),
        (
            other(|chart| chart.archives.insert(0, (OLD_ARCHIVE, b"what Helm takes in its place".to_vec()))),
            "found 3 layers, of which 1 are a chart's archive",
        ),
        (
            other(|chart| chart.archives = vec![(OLD_ARCHIVE, b"alone".to_vec())]),
            "found 2 layers, of which 0 are",
        ),
        (other(|chart| chart.archives.clear()), "found 1 layers, of which 0 are a chart's archive"),
        (other(|chart| chart.provenance.insert(0, b"<html>".to_vec())), "found 3 layers"),
        (other(|chart| chart.provenance.clear()), "found no signature, wanted one by the OpenPGP key 5E61"),
        (other(|chart| chart.provenance = vec![b"<html>".to_vec()]), "found no text with OpenPGP signatures"),
        (other(|chart| chart.provenance = vec![vec![b'\n'; 4 * 1024 * 1024]]), "wanted at most 131072 bytes"),
    ] {
        let verdict = chart.judged(&helm());
        assert_eq!(verdict.outcome, Outcome::Refused, "{said}");
        assert!(verdict.reasons.iter().any(|reason| reason.contains(said)), "{said}: {verdict:#?}");
    }
    let verdict = Chart::good().judged(&rule("openpgp/alice.asc"));
    assert!(verdict.reasons.iter().any(|reason| reason.contains("OpenPGP key CA8F")), "{verdict:#?}");
}

#[test]
fn each_kind_of_signer_is_asked_for_its_own_kind_of_signature() {
    let key = "key: {log: notRequired, pem: \"-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE2G2Y+2tabdTV5BcGiBIx0a9fAFwr\\nkBbmLSGtks4L3qX6yYY0zufBnhC8Ur/iy55GhWP/9A/bY2LhC30M9+RYtw==\\n-----END PUBLIC KEY-----\\n\"}";
    let both = format!(
        r#"{{match: "**", kinds: [chart], all: [{{{}}}, {{{key}}}]}}"#,
        openpgp("charts/helm-test-key.asc")
    );
    let verdict = Chart::good().judged(&support::policy(&both));
    let [reason] = verdict.reasons.as_slice() else { panic!("{verdict:#?}") };
    assert!(reason.contains("found a provenance file, which OpenPGP signs"), "{reason}");
    let verdict = Chart::good().judged(&support::policy(&format!(r#"{{match: "**", {key}}}"#)));
    assert_eq!(verdict.outcome, Outcome::Refused, "{verdict:#?}");
}

#[test]
fn a_provenance_is_no_attestation() {
    let (item, content) = Chart::good().item();
    let digest = item.source.digest;
    let found = candidates(Subject { item: &item, content: &content }, digest).unwrap();
    let rules = helm();
    let Requirement::Signed(signers) = &rules.rules()[0].requirement else { panic!("{rules:?}") };
    let judge = |purpose: &Purpose| verify(&found[0], purpose, digest, &signers[0], &Roots::default());
    assert!(judge(&Purpose::Signature).is_ok());
    let purpose = Purpose::Attestation("https://spdx.dev/Document".to_owned());
    assert!(matches!(judge(&purpose), Err(Reason::OtherAttestation { .. })));
}

#[test]
fn only_a_chart_is_asked_for_its_own_provenance() {
    let (item, content) = Chart::good().item();
    let number = |item: &Item, digest| candidates(Subject { item, content: &content }, digest).unwrap().len();
    let (image, other) = (Item { kind: ItemKind::Image, ..item.clone() }, Digest::of(b"evidence"));
    let found = [number(&item, item.source.digest), number(&item, other), number(&image, item.source.digest)];
    assert_eq!(found, [1, 0, 0]);
    // However often one is listed, it is read once.
    let mut repeated = Chart::good();
    repeated.provenance = vec![repeated.provenance[0].clone(); 1_500];
    let (item, content) = repeated.item();
    let found = candidates(Subject { item: &item, content: &content }, item.source.digest).unwrap();
    assert_eq!(found.len(), 1);
}

#[test]
fn a_chart_that_has_one_is_told_from_one_that_has_none() {
    let tells = |chart: &Chart, kind: ItemKind| {
        let (item, content) = chart.item();
        has_provenance(Subject { item: &Item { kind, ..item }, content: &content })
    };
    assert!(tells(&Chart::good(), ItemKind::Chart));
    assert!(!tells(&Chart::good(), ItemKind::Image));
    assert!(!tells(&Chart { provenance: vec![], ..Chart::good() }, ItemKind::Chart));
}

#[test]
fn a_provenance_claims_to_be_a_signature_where_it_is_about_the_chart() {
    let claim = |chart: &Chart| {
        let (item, content) = chart.item();
        let subject = Subject { item: &item, content: &content };
        let found = candidates(subject, item.source.digest).unwrap();
        let claim = claimed(&found[0], item.source.digest);
        assert_eq!(claims_signed(subject, item.source.digest), claim.is_ok());
        claim
    };
    let good = claim(&Chart::good()).unwrap();
    // Go's library gives the id of the key alone.
    assert_eq!(good.by, ClaimedBy::OpenPgp(Some("843BBF981FC18762".to_owned())));
    assert_eq!((good.purpose, good.is_logged), (Purpose::Signature, false));
    claim(&Chart::of("charts/must-fail/text", FILE)).unwrap();
    claim(&Chart::of("charts/must-fail/digest", FILE)).unwrap_err();
}
