//! The README's commands, run exactly as they are printed.
//!
//! Files stand after `<!-- file: NAME -->`, commands in `sh` blocks. A user's file of host settings points the
//! well-known registries at a real one on loopback, where the test put content under their names.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use fixtures::image::{self, Artifact, Format, Layer};
use fixtures::{chart, layout};
use manifests::destinations::Destinations;
use manifests::policy::Policy;
use tests::binaries::airgap_bundle;
use tests::command::succeed;
use tests::servers::{self, Registry};

const README: &str = include_str!("../../README.md");

/// The text of each fenced block whose fence or the line before it is `mark`.
fn blocks(mark: &str) -> impl Iterator<Item = &str> {
    let pieces = README.split(mark).skip(1);
    pieces.map(|piece| {
        let (_, text) = piece.split_once('\n').unwrap();
        let text = text.strip_prefix("```yaml\n").or_else(|| text.strip_prefix("```text\n")).unwrap_or(text);
        text.split("```").next().unwrap()
    })
}

fn write_files(folder: &Path) -> usize {
    let names: Vec<&str> =
        README.split("<!-- file: ").skip(1).map(|piece| piece.split(" -->").next().unwrap()).collect();
    for (name, text) in names.iter().zip(blocks("<!-- file: ")) {
        fs::write(folder.join(name), text).unwrap();
    }
    names.len()
}

/// Pushes what the README's definition names below the names of its registries.
fn fill(registry: &Registry, folder: &Path) {
    let platforms = ["linux/amd64", "linux/arm64"];
    let images = platforms.map(|platform| {
        let layer = Layer::with_files(&format!("pause {platform}"), 20_000);
        (platform, image::image(platform, &[layer], Format::Docker))
    });
    let pause = image::index(&images, Format::Docker);
    let server = image::image("linux/amd64", &[Layer::with_files("registry", 90_000)], Format::Docker);
    let podinfo = chart::artifact("podinfo", "6.9.1");
    let contents: [(&str, &str, &Artifact); 3] = [
        ("registry.k8s.io/pause", "3.10", &pause),
        ("docker.io/library/registry", "2.8.3", &server),
        ("ghcr.io/stefanprodan/charts/podinfo", "6.9.1", &podinfo),
    ];
    for (at, (name, tag, artifact)) in contents.into_iter().enumerate() {
        let source = folder.join(format!("layout-{at}"));
        layout::write(&source, &[(tag, artifact)]).unwrap();
        let to = registry.repository(&format!("{name}:{tag}"));
        succeed(
            Command::new("oras")
                .args(["cp", "--from-oci-layout", "--to-plain-http"])
                .args([format!("{}:{tag}", source.display()), to]),
        );
    }
}

fn hosts(registry: &Registry) -> String {
    let hosts = ["registry.k8s.io", "docker.io", "ghcr.io"]
        .map(|host| format!("    {host}: {{mirror: {}, plainHttp: true}}\n", registry.repository(host)));
    format!("apiVersion: airgap/v1\nkind: Hosts\nspec:\n  hosts:\n{}", hosts.concat())
}

#[test]
fn the_commands_of_the_readme_run_as_printed() {
    let registry = servers::registry2();
    let folder = tempfile::tempdir().unwrap();
    let (work, config) = (folder.path().join("work"), folder.path().join("config"));
    fs::create_dir_all(&work).unwrap();
    fs::create_dir_all(config.join("airgap")).unwrap();
    fs::write(config.join("airgap/hosts.yaml"), hosts(&registry)).unwrap();
    fill(&registry, folder.path());
    assert_eq!(write_files(&work), 3, "core.yaml, images.txt and policy.yaml");

    let script: Vec<&str> = blocks("```sh").collect();
    assert!(script.len() >= 6, "found {} blocks of commands", script.len());
    let programs = Path::new(airgap_bundle().get_program()).parent().unwrap().to_owned();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let printed = succeed(
        Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script.join("\n")])
            .current_dir(&work)
            .env("PATH", &path)
            .env("XDG_CONFIG_HOME", &config)
            .env("DOCKER_CONFIG", &config)
            .env("AIRGAP_KEY_PASSWORD", "only-for-this-test")
            .env_remove("AIRGAP_STATE"),
    );
    let token = blocks("<!-- token -->").next().unwrap();
    let made =
        succeed(in_token(&work, &path, token).env("XDG_CONFIG_HOME", &config).env("DOCKER_CONFIG", &config));
    assert!(made.contains("verified       every one of") && made.contains("token-1.pub"), "{made}");
    for wanted in ["ghcr.io/aquasecurity/trivy-db:2", "0 gates: nothing was judged", "podinfo:6.9.1"] {
        assert!(printed.contains(wanted), "found no {wanted:?} in\n{printed}");
    }
}

/// The commands about a token, beside SoftHSM's with an empty one.
fn in_token(work: &Path, path: &str, script: &str) -> Command {
    let (tokens, conf) = (work.join("tokens"), work.join("softhsm2.conf"));
    fs::create_dir(&tokens).unwrap();
    fs::write(&conf, format!("directories.tokendir = {}\n", tokens.display())).unwrap();
    let pin = work.join("pin");
    fs::write(&pin, "2718281828\n").unwrap();
    fs::set_permissions(&pin, fs::Permissions::from_mode(0o600)).unwrap();
    let make = ["--init-token", "--free", "--label", "build", "--pin", "2718281828", "--so-pin", "31415926"];
    succeed(Command::new("softhsm2-util").args(make).env("SOFTHSM2_CONF", &conf));
    let mut command = Command::new("bash");
    command.args(["-euo", "pipefail", "-c", script]).current_dir(work);
    command.env("PATH", path).env("SOFTHSM2_CONF", &conf).env_remove("AIRGAP_KEY_PASSWORD");
    command
}

#[test]
fn the_destinations_of_the_readme_are_ones() {
    let text = blocks("<!-- destinations -->").next().unwrap();
    assert_eq!(Destinations::parse(text).unwrap().registries.len(), 2);
}

#[test]
fn the_policies_of_the_pages_are_ones() {
    let readme = Policy::parse(blocks("<!-- policy -->").next().unwrap()).unwrap();
    assert_eq!(readme.gates, ["signatures", "vulnerabilities"]);
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/vulnerabilities.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, after) = page.split_once("```yaml\n").unwrap();
    let (text, _) = after.split_once("```").unwrap();
    assert_eq!(Policy::parse(text).unwrap().vulnerabilities.unwrap().exceptions.len(), 1);
}
