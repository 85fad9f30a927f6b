//! The servers of `tests/run` and the stock tools work together: what this proves is the ground that the
//! other tests stand on.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;
use tests::command::{finish, succeed};
use tests::servers::{self, Registry};

#[test]
fn an_image_comes_back_from_every_registry_as_it_was_pushed() {
    let folder = TempDir::new().unwrap();
    let image = image(folder.path());
    for registry in servers::open_registries() {
        let name = registry.repository(&servers::fresh_repository("library/hello"));

        succeed(Command::new("crane").args(["push", image.tarball.as_str()]).arg(format!("{name}:crane")));
        let digest = succeed(Command::new("crane").arg("digest").arg(format!("{name}:crane")));

        let skopeo = |args: &[&str]| succeed(Command::new("skopeo").args(args));
        let source = format!("docker://{name}:crane");
        let target = format!("docker://{name}:skopeo");
        skopeo(&["copy", "--src-tls-verify=false", "--dest-tls-verify=false", &source, &target]);
        let inspected = skopeo(&["inspect", "--tls-verify=false", "--format", "{{.Digest}}", &target]);
        assert_eq!(inspected, digest, "{}", registry.name);

        let oras = |args: &[&str]| succeed(Command::new("oras").args(args));
        let manifest: Value = serde_json::from_str(&oras(&[
            "manifest",
            "fetch",
            "--plain-http",
            &format!("{name}@{}", digest.trim()),
        ]))
        .unwrap();
        let layer = manifest["layers"][0]["digest"].as_str().unwrap();
        let fetched = folder.path().join("layer");
        oras(&[
            "blob",
            "fetch",
            "--plain-http",
            "--output",
            fetched.to_str().unwrap(),
            &format!("{name}@{layer}"),
        ]);
        let listed = succeed(Command::new("bsdtar").arg("-tf").arg(&fetched));
        assert_eq!(listed, "hello\n", "{}", registry.name);
    }
}

#[test]
fn a_chart_comes_back_from_every_registry_as_it_was_pushed() {
    let folder = TempDir::new().unwrap();
    let helm = |args: &[&str]| succeed(Command::new("helm").current_dir(folder.path()).args(args));
    helm(&["create", "hello"]);
    helm(&["package", "hello"]);
    let packed = fs::read(folder.path().join("hello-0.1.0.tgz")).unwrap();
    fs::create_dir(folder.path().join("pulled")).unwrap();
    for registry in servers::open_registries() {
        let name = registry.repository(&servers::fresh_repository("charts"));
        helm(&["push", "hello-0.1.0.tgz", &format!("oci://{name}"), "--plain-http"]);
        helm(&["pull", &format!("oci://{name}/hello"), "--version=0.1.0", "--plain-http", "-d", "pulled"]);
        let pulled = fs::read(folder.path().join("pulled/hello-0.1.0.tgz")).unwrap();
        assert!(pulled == packed, "{}: the chart changed on its way", registry.name);
        fs::remove_file(folder.path().join("pulled/hello-0.1.0.tgz")).unwrap();
    }
}

#[test]
fn the_registry_with_authentication_refuses_strangers_and_wrong_passwords() {
    let registry = servers::registry2_auth();
    let (user, password) = registry.credentials.clone().unwrap();
    let list = |credentials: &str| {
        let mut command = Command::new("skopeo");
        command.args(["list-tags", "--tls-verify=false", credentials]);
        command.arg(format!("docker://{}", registry.repository("absent")));
        command
    };
    for (credentials, found) in [
        ("--no-creds".to_owned(), "authentication required"),
        (format!("--creds={user}:not-{password}"), "authentication required"),
        // Let in, it finds that nothing is there.
        (format!("--creds={user}:{password}"), "404 (Not Found)"),
    ] {
        let (_, error) = finish(&mut list(&credentials), 1);
        assert!(error.contains(found), "found {error}, wanted {found} with {credentials}");
    }
}

#[test]
fn a_signature_is_found_by_the_referrers_api_or_by_its_fallback_tag() {
    let folder = TempDir::new().unwrap();
    let image = image(folder.path());
    let cosign = |args: &[&str]| {
        succeed(
            Command::new("cosign")
                .current_dir(folder.path())
                .env("COSIGN_PASSWORD", "only-for-tests")
                .args(args),
        )
    };
    cosign(&["generate-key-pair"]);
    cosign(&[
        "signing-config",
        "create",
        "--no-default-fulcio",
        "--no-default-oidc",
        "--no-default-rekor",
        "--no-default-tsa",
        "--out=offline.json",
    ]);
    for registry in servers::open_registries() {
        let digest = push(&registry, &image);
        cosign(&[
            "sign",
            "--key=cosign.key",
            "--signing-config=offline.json",
            "--allow-http-registry",
            "-y",
            &digest,
        ]);
        cosign(&["verify", "--key=cosign.pub", "--insecure-ignore-tlog", "--allow-http-registry", &digest]);

        let found =
            succeed(Command::new("oras").args(["discover", "--plain-http", "--format=json", &digest]));
        let found: Value = serde_json::from_str(&found).unwrap();
        assert_eq!(found["referrers"].as_array().map(Vec::len), Some(1), "{}: {found}", registry.name);
    }
}

struct Image {
    tarball: String,
}

/// An image of one layer with one file, as the tarball that `docker save` would write.
fn image(folder: &Path) -> Image {
    let file = folder.join("hello");
    fs::write(&file, "hello from a test\n").unwrap();
    let layer = folder.join("layer.tar");
    succeed(Command::new("bsdtar").current_dir(folder).args(["-cf", "layer.tar", "--format=ustar", "hello"]));
    let tarball = folder.join("image.tar").to_str().unwrap().to_owned();
    succeed(
        Command::new("crane")
            .args(["append", "--new_layer", layer.to_str().unwrap(), "--output", &tarball])
            .args(["--new_tag", "hello:latest", "--oci-empty-base"]),
    );
    Image { tarball }
}

/// Pushes the image, and gives its name by digest.
fn push(registry: &Registry, image: &Image) -> String {
    let name = registry.repository(&servers::fresh_repository("library/signed"));
    succeed(Command::new("crane").args(["push", &image.tarball, &format!("{name}:latest")])).trim().to_owned()
}
