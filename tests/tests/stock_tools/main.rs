//! A finished archive in the hands of people who have only stock tools.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod images;
mod keys;
mod large;
mod members;
mod second_reader;
mod signatures;

use fixtures::image::{self, Artifact, Format, Layer};
use serde_json::Value;
use tests::desk::Desk;
use tests::servers::{self, fresh_repository};
use tests::upstream;

/// An index of two platforms with build attestations.
fn app() -> Artifact {
    fixtures::upstream::app()
}

/// An image of one platform with Docker's media types.
fn web() -> Artifact {
    image::image("linux/amd64", &[Layer::with_files("web", 30_000)], Format::Docker)
}

/// A desk with `core.tar` of a real registry: an index with a signature, an image, a chart.
fn with_archive() -> Desk {
    let desk = Desk::new();
    let below = servers::registry3().repository(&fresh_repository("stock"));
    upstream::make_signer(&desk);
    upstream::push(&desk, &app(), &format!("{below}/app:1.4.2"));
    upstream::push(&desk, &web(), &format!("{below}/web:2"));
    upstream::sign(&desk, &format!("{below}/app@{}", app().digest()));
    upstream::push_chart(&desk, "agent", "1.2.3", &format!("{below}/charts"));
    desk.define(
        "core",
        &format!(
            "images: [{{ref: \"{below}/app:1.4.2\"}}, {{ref: \"{below}/web:2\"}}], \
             charts: [{{ref: \"oci://{below}/charts/agent\", version: ^1}}]"
        ),
    );
    desk.archive("core");
    desk
}

/// The name by which layouts list the item whose name ends like this.
fn listed(desk: &Desk, end: &str) -> String {
    let index: Value = serde_json::from_str(&desk.run("tar xOf core.tar index.json")).unwrap();
    let names = index["manifests"].as_array().unwrap().iter().map(|entry| &entry["annotations"]);
    let found = names
        .clone()
        .find(|names| names["io.containerd.image.name"].as_str().is_some_and(|name| name.ends_with(end)));
    let found = found.unwrap_or_else(|| panic!("found no {end} in {index:#}"));
    found["org.opencontainers.image.ref.name"].as_str().unwrap().to_owned()
}

/// Extracts `core.tar` into the folder `extracted`.
fn extract(desk: &Desk) {
    std::fs::create_dir(desk.path("extracted")).unwrap();
    let (_, said) = desk.ends("tar xf core.tar -C extracted", 0);
    assert_eq!(said, "", "tar has nothing to warn of");
}
