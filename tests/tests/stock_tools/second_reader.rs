//! The reader that was written from docs/format.md alone, on an archive of real content and on its evidence pack.

use std::path::Path;

use serde_json::Value;
use tests::desk::Desk;

use crate::with_archive;

fn read(desk: &Desk, archive: &str) -> String {
    let reader = Path::new(env!("CARGO_MANIFEST_DIR")).join("second_reader/airgap_reader.py");
    desk.run(&format!("python3 -B {} {archive} --key build-1.pub", reader.display()))
}

#[test]
fn the_second_reader_and_the_programs_read_the_same() {
    let desk = with_archive();
    let told = read(&desk, "core.tar");
    let shown = desk.json("airgap-bundle verify core.tar --key build-1.pub --json");
    assert_eq!(
        told.lines().next(),
        Some(format!("identity {}", shown["identity"].as_str().unwrap()).as_str())
    );

    let inventory: Value = serde_json::from_str(&desk.run("tar xOf core.tar airgap/inventory.json")).unwrap();
    for item in inventory["items"].as_array().unwrap() {
        let text = |key: &str| item[key].as_str().unwrap().to_owned();
        let evidence = item["evidence"].as_array().map_or(0, Vec::len);
        let published = item["published"]["digest"].as_str().unwrap();
        let line = format!("item {} {} {published} evidence {evidence}", text("kind"), text("name"));
        assert!(told.lines().any(|told| told == line), "wanted {line} in\n{told}");
    }
    assert!(told.contains("evidence 1"), "the signature\n{told}");
}

#[test]
fn the_evidence_pack_that_a_site_keeps_is_the_beginning_of_the_archive() {
    let desk = with_archive();
    desk.site("sovereign");
    desk.run("airgap-import load core.tar --state sovereign --to registry");
    let identity = desk.json("airgap-bundle verify core.tar --key build-1.pub --json")["identity"].clone();
    let kept =
        format!("sovereign/evidence/{}/evidence.tar", identity.as_str().unwrap().replace("sha256:", ""));
    let (pack, archive) = (desk.read(&kept), desk.read("core.tar"));
    assert!(pack.len() < archive.len() && archive.starts_with(&pack));

    let told = read(&desk, &format!("{kept} --evidence-pack"));
    assert_eq!(told, read(&desk, "core.tar"));
    let shown = desk.json(&format!("airgap-bundle inspect {kept} --key build-1.pub --json"));
    assert_eq!(shown["identity"], identity, "{shown:#}");

    // The first blob that it does not have would stand right there.
    let inventory: Value = serde_json::from_str(&desk.run("tar xOf core.tar airgap/inventory.json")).unwrap();
    let next = inventory["content"][0]["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/");
    assert!(archive[pack.len()..].starts_with(next.as_bytes()));
}
