//! `airgap-import serve`: stock tools pull from an archive, and from the folder that it was loaded into.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use fixtures::image::{self, Artifact, Format, Layer};
use manifests::Digest;
use tests::desk::Desk;
use tests::served::Served;
use tests::servers::{self, fresh_repository};
use tests::upstream;

fn app() -> Artifact {
    fixtures::upstream::app()
}

fn web() -> Artifact {
    image::image("linux/amd64", &[Layer::with_files("web", 30_000)], Format::Docker)
}

/// A desk with `core.tar`, whose names are those of public registries, and a site that it was loaded at, into
/// the folder `registry`.
fn loaded() -> Desk {
    let desk = Desk::new();
    let prefix = fresh_repository("serve");
    let below = servers::registry3().repository(&prefix);
    let mirror = |host: &str| format!("{host}: {{mirror: \"{below}/{host}\", plainHttp: true}}");
    let hosts = [mirror("registry.example"), mirror("docker.io")].join(", ");
    desk.write(
        ".config/airgap/hosts.yaml",
        format!("apiVersion: airgap/v1\nkind: Hosts\nspec: {{hosts: {{{hosts}}}}}\n"),
    );
    upstream::make_signer(&desk);
    upstream::push(&desk, &app(), &format!("{below}/registry.example/team/app:1.4.2"));
    upstream::sign(&desk, &format!("{below}/registry.example/team/app@{}", app().digest()));
    upstream::push(&desk, &web(), &format!("{below}/docker.io/library/web:2"));
    desk.write("db.tar.gz", "not a database\n".repeat(1000));
    upstream::push_database(&desk, "db.tar.gz", &format!("{below}/registry.example/trivy-db:2"));
    upstream::push_chart(&desk, "agent", "1.2.3", &format!("{below}/registry.example/charts"));
    desk.define(
        "core",
        "images: [{ref: \"registry.example/team/app:1.4.2\"}, {ref: \"web:2\"}, {ref: \"registry.example/trivy-db:2\"}], \
         charts: [{ref: \"oci://registry.example/charts/agent\", version: ^1}]",
    );
    desk.archive("core");
    desk.site("sovereign");
    desk.run("airgap-import load core.tar --state sovereign --to registry");
    desk
}

/// What `serve` is given: the archive, and the folder.
const CONTENTS: [&str; 2] = ["core.tar --trust build-1.pub", "registry"];

#[test]
fn every_stock_tool_pulls_what_was_put_in_upstream() {
    let desk = loaded();
    for content in CONTENTS {
        let served = Served::start(&desk, content);
        let there = served.address();
        let app_there = format!("{there}/registry.example/team/app");
        assert_eq!(desk.run(&format!("crane digest {app_there}:1.4.2")).trim(), app().digest().to_string());
        for child in &app().children()[..2] {
            desk.run(&format!("crane validate --remote {app_there}@{}", child.digest()));
        }
        desk.run(&format!("crane validate --remote {there}/docker.io/library/web:2"));
        assert!(desk.run(&format!("crane ls {app_there}")).lines().any(|tag| tag == "1.4.2"));
        let copy = Digest::of(content.as_bytes());
        desk.run(&format!(
            "skopeo copy --quiet --all --src-tls-verify=false docker://{app_there}:1.4.2 oci:copied-{copy}:app"
        ));
        let shown =
            desk.json(&format!("skopeo inspect --tls-verify=false docker://{there}/docker.io/library/web:2"));
        assert_eq!(shown["Digest"], web().digest().to_string());

        let found = desk.json(&format!("oras discover --plain-http --format json {app_there}:1.4.2"));
        assert_eq!(found["referrers"].as_array().map(Vec::len), Some(1), "{content}: {found}");
        upstream::verify(&desk, &format!("{app_there}:1.4.2"));
        desk.run(&format!("oras pull --plain-http --output pulled {there}/registry.example/trivy-db:2"));
        assert!(desk.read("pulled/db.tar.gz") == desk.read("db.tar.gz"));
        desk.run(&format!(
            "helm pull oci://{there}/registry.example/charts/agent --version 1.2.3 --plain-http -d pulled"
        ));
        assert!(desk.read("pulled/agent-1.2.3.tgz") == desk.read("agent-1.2.3.tgz"));
        std::fs::remove_dir_all(desk.path("pulled")).unwrap();

        let (_, refused) =
            desk.ends(&format!("oras cp --from-oci-layout core.tar:x --to-plain-http {there}/a/b:1"), 1);
        assert!(!refused.is_empty());
    }
}

#[test]
fn a_mirror_of_containerd_is_asked_for_the_host_by_ns() {
    let desk = loaded();
    for content in CONTENTS {
        let served = Served::start(&desk, content);
        let curl = |question: &str| desk.command(&format!("curl -sS --fail {}/v2/{question}", served.url()));
        let get = |question: &str| {
            let output = curl(question).output().unwrap();
            assert!(output.status.success(), "{question}: {}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        assert_eq!(get("team/app/manifests/1.4.2?ns=registry.example"), app().bytes()[..]);
        let layer = web().blobs()[1].clone();
        let blob = get(&format!("library/web/blobs/{}?ns=docker.io", layer.digest()));
        assert_eq!(Digest::of(&blob), layer.digest());
        // containerd goes on with a download that was cut.
        let rest = get(&format!("library/web/blobs/{}?ns=docker.io -r 100-", layer.digest()));
        assert_eq!(rest, blob[100..]);
        for (question, why) in [
            ("team/app/manifests/1.4.2", "no host"),
            ("team/app/manifests/1.4.2?ns=docker.io", "another host"),
            ("team/app/manifests/1.4.3?ns=registry.example", "another tag"),
        ] {
            let output = curl(question).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert!(error.contains("404"), "{why}: {error}");
        }
    }
}

#[test]
fn a_certificate_makes_it_speak_tls_and_nothing_else() {
    let desk = loaded();
    desk.run(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 2 -keyout node.key -out node.pem \
         -subj /CN=node -addext subjectAltName=IP:127.0.0.1",
    );
    std::fs::create_dir(desk.path("certificates")).unwrap();
    std::fs::copy(desk.path("node.pem"), desk.path("certificates/ca.crt")).unwrap();
    let served = Served::start(&desk, "core.tar --trust build-1.pub --tls-cert node.pem --tls-key node.key");
    assert!(served.url().starts_with("https://"));
    let there = served.address();
    let manifest = "registry.example/team/app/manifests/1.4.2";
    let got = desk.run(&format!("curl -sS --fail --cacert node.pem https://{there}/v2/{manifest}"));
    assert_eq!(got.as_bytes(), &app().bytes()[..]);
    desk.run(&format!(
        "skopeo copy --quiet --all --src-cert-dir certificates docker://{there}/registry.example/team/app:1.4.2 oci:copied:app"
    ));
    let strangers = desk.command(&format!("curl -sS https://{there}/v2/")).output().unwrap();
    assert_eq!(strangers.status.code(), Some(60), "an authority that nobody knows");
    let plain = desk.command(&format!("curl -sS --fail http://{there}/v2/")).output().unwrap();
    assert!(!plain.status.success() && plain.stdout.is_empty(), "plain HTTP where TLS is spoken");
}

#[test]
fn what_nobody_vouches_for_is_not_served() {
    let desk = loaded();
    let mut bytes = desk.read("core.tar");
    let last = bytes.len() - 2000;
    bytes[last] ^= 1;
    desk.write("damaged.tar", bytes);
    desk.run("airgap-bundle keygen --out another --unencrypted");
    let serve = "airgap-import serve --listen 127.0.0.1:0";
    for (arguments, status, word, why) in [
        ("damaged.tar --trust build-1.pub", 4, "damaged: ", "a changed byte"),
        ("core.tar --trust another.pub", 3, "refused: ", "an unknown key"),
        ("core.tar", 2, "error: ", "no trust at all"),
    ] {
        let (printed, error) = desk.ends(&format!("{serve} {arguments}"), status);
        assert!(printed.is_empty() && error.starts_with(word), "{why}: {printed}{error}");
    }
    let (_, error) = desk.ends("airgap-import serve core.tar --unverified --listen 0.0.0.0:0", 2);
    assert!(error.contains("--unverified beyond loopback"), "{error}");
    let served = Served::start(&desk, "core.tar --unverified");
    desk.run(&format!("crane digest {}/registry.example/team/app:1.4.2", served.address()));
}
