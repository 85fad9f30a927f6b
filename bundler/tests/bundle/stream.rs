//! `build -o -`: the archive into a pipe.

use std::process::Stdio;

use axum::http::Method;
use fixtures::faults::{Fault, Rule};
use fixtures::image::{self, Format, Layer};
use fixtures::registry::{Options, Registry};

use crate::project::{Project, Ran};

fn project() -> (Registry, Project, String) {
    let registry = Registry::start(Options::default()).unwrap();
    let layers = [Layer::raw(1, 2_000_000), Layer::with_files("app", 5_000)];
    let image = image::image("linux/amd64", &layers, Format::Oci);
    image.put(registry.store(), "demo/app", Some("1")).unwrap();
    let project = Project::new(&format!("images: [{{ref: \"{}/demo/app:1\"}}]", registry.host()));
    project.lock();
    (registry, project, layers[0].blob.digest().to_string())
}

const STREAM: [&str; 6] = ["build", "core.yaml", "--key", "build-1.key", "-o", "-"];

#[test]
fn a_stream_is_the_archive_that_a_file_would_be() {
    let (registry, project, large) = project();
    registry.fault(Rule::new(&large, Fault::Cut(700_000)).on(Method::GET).times(1));
    let streamed = project.run(&STREAM).succeeds();
    assert!(streamed.stderr().contains("identity"));
    project.write("streamed.tar", &streamed.0.stdout);
    assert!(
        registry.requests().iter().any(|request| request.header("range").is_some()),
        "resumed where it was cut"
    );
    let identity = project.verify("streamed.tar")["identity"].clone();
    assert_eq!(project.build()["identity"], identity);

    let mut verify = project.command(&["verify", "-", "--key", "build-1.pub", "--json"]);
    let mut verify =
        verify.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut verify.stdin.take().unwrap(), &project.read("core.tar")).unwrap();
    assert_eq!(Ran(verify.wait_with_output().unwrap()).json()["identity"], identity);
}

#[test]
fn a_stream_with_a_wrong_blob_ends_as_no_archive() {
    let (registry, project, large) = project();
    registry.fault(Rule::new(&large, Fault::ChangedByte(1_999_999)).on(Method::GET));
    let ran = project.run(&STREAM).fails(1, &["demo/app:1", &large, "no archive"]);
    project.write("broken.tar", &ran.0.stdout);
    project.run(&["verify", "broken.tar", "--key", "build-1.pub"]).ends(4);
}
