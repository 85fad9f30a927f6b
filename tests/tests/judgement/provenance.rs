//! Charts that Helm signs with a key that GnuPG made.

use tests::desk::Desk;
use tests::servers::{self, fresh_repository};

use crate::{BUILD, LOCK, judged_again, policy};

/// An OpenPGP key as Helm reads it: `secret.gpg`, `public.gpg`, and `upstream.asc` for people. Gives its fingerprint.
fn make_key(desk: &Desk) -> String {
    // Helm's library is Go's; its keys have no password, since nobody is asked for one here.
    let wanted = "%no-protection\nKey-Type: RSA\nKey-Length: 3072\nKey-Usage: sign\nName-Real: upstream\nExpire-Date: 0\n%commit\n";
    desk.write("key.txt", wanted);
    desk.run("mkdir -m 700 gnupg");
    desk.run("gpg --homedir gnupg --batch --quiet --gen-key key.txt");
    desk.run("gpg --homedir gnupg --batch --quiet --output secret.gpg --export-secret-keys");
    desk.run("gpg --homedir gnupg --batch --quiet --output public.gpg --export");
    desk.run("gpg --homedir gnupg --batch --quiet --output upstream.asc --armor --export");
    let listed = desk.run("gpg --homedir gnupg --batch --with-colons --list-keys");
    desk.run("gpgconf --homedir gnupg --kill all");
    let fingerprint =
        listed.lines().find_map(|line| line.strip_prefix("fpr:")?.split(':').find(|part| !part.is_empty()));
    fingerprint.unwrap().to_owned()
}

fn push_signed(desk: &Desk, version: &str, below: &str) {
    desk.run(&format!("helm package agent --version {version} --sign --key upstream --keyring secret.gpg"));
    desk.run(&format!("helm push agent-{version}.tgz oci://{below} --plain-http"));
}

/// The draft once somebody has put the certificate in and uncommented its rule.
fn filled(draft: &str, certificate: &[u8]) -> String {
    let armored: String =
        String::from_utf8_lossy(certificate).lines().map(|line| format!("          {line}\n")).collect();
    let (before, rule) = draft.split_once("    # - match: ").unwrap();
    let (rule, after) = rule.split_once("    #       -----BEGIN PGP PUBLIC KEY BLOCK-----\n").unwrap();
    let after = after.split_once("    #       -----END PGP PUBLIC KEY BLOCK-----\n").unwrap().1;
    format!("{before}    - match: {}{armored}{after}", rule.replace("\n    # ", "\n    "))
}

#[test]
fn a_chart_crosses_with_the_provenance_that_helm_signed() {
    let desk = Desk::new();
    let fingerprint = make_key(&desk);
    let upstream = servers::referrers();
    let below = upstream.repository(&fresh_repository("signed-charts"));
    desk.run("helm create agent");
    push_signed(&desk, "1.2.3", &below);
    let chart = |version: &str| {
        desk.define("core", &format!("charts: [{{ref: \"oci://{below}/agent\", version: {version}}}]"));
        desk.run(LOCK);
    };
    chart("1.2.3");
    // A draft names the key that the signature names.
    desk.run("airgap-bundle policy init --from core.lock.json");
    let draft = String::from_utf8(desk.read("core.policy.yaml")).unwrap();
    let said = format!("by OpenPGP: 1 item ({below}/agent:1.2.3): fingerprint {fingerprint}.");
    assert!(draft.contains(&said), "{draft}");

    let rule = |certificate: &str| {
        format!(
            "  signatures:\n    - {{match: \"**/agent\", kinds: [chart], openpgp: {{certificate: {certificate}}}}}\n"
        )
    };
    desk.write("policy.yaml", filled(&draft, &desk.read("upstream.asc")));
    desk.run(&format!("{BUILD} --policy policy.yaml"));
    desk.site("sovereign");
    let said = desk.run_alone("airgap-import verify core.tar --state sovereign");
    assert!(said.contains("signatures: 1 passed"), "{said}");
    let inside = servers::referrers();
    let prefix = fresh_repository("inside");
    desk.destination("inside", &inside, &prefix);
    desk.run("airgap-import load core.tar --state sovereign --to inside.yaml --quiet");
    judged_again(&desk);
    let digest = desk.run(&format!("oras resolve --plain-http {below}/agent:1.2.3"));
    let why = desk.run(&format!("airgap-import why {} --state sovereign", digest.trim()));
    assert!(why.contains(&format!("by the OpenPGP key {fingerprint} at ")), "{why}");

    // Helm inside finds it as it was, by the same key.
    let name = below.replace(':', "_");
    let pulled = format!(
        "helm pull oci://{}/agent --version 1.2.3 --plain-http --verify --keyring public.gpg --destination pulled",
        inside.repository(&format!("{prefix}/{name}"))
    );
    desk.run("mkdir pulled");
    let (_, said) = desk.ends(&pulled, 0);
    assert!(desk.path("pulled/agent-1.2.3.tgz.prov").exists(), "{said}");

    // Another signer, and no signature.
    std::fs::remove_file(desk.path("core.tar")).unwrap();
    let other = include_str!("../../../fixtures/data/openpgp/alice.asc");
    policy(&desk, "other.yaml", &rule(&serde_json::to_string(other).unwrap()));
    let (_, said) = desk.ends(&format!("{BUILD} --policy other.yaml"), 3);
    assert!(said.contains("does not verify with the OpenPGP key CA8FE0124FD6F363"), "{said}");
    desk.run("helm package agent --version 1.2.4");
    desk.run(&format!("helm push agent-1.2.4.tgz oci://{below} --plain-http"));
    chart("1.2.4");
    let (_, said) = desk.ends(&format!("{BUILD} --policy policy.yaml"), 3);
    assert!(
        said.contains(&format!("found no signature, wanted one by the OpenPGP key {fingerprint}")),
        "{said}"
    );
}
