use std::collections::HashMap;

use fixtures::image::{archive, gzip};
use manifests::oci::Manifest;

use super::*;

fn chart(files: &[(&str, &str)]) -> Vec<u8> {
    let files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes())).collect();
    gzip(&archive(&files))
}

fn yaml(text: &str) -> Vec<u8> {
    chart(&[("agent/Chart.yaml", text)])
}

const FILE: &str = "agent-1.2.0+build.3.tgz";
const PLAIN: &str = "apiVersion: v2\nname: agent\nversion: 1.2.0+build.3\nappVersion: 1.40\n";

#[test]
fn a_packaged_chart_gets_the_manifest_that_helm_would_push() {
    let packaged = read(FILE, yaml(PLAIN), None, None).unwrap();
    assert_eq!(packaged.reference.to_string(), "charts.local/agent:1.2.0_build.3");
    let blobs: HashMap<Digest, &Vec<u8>> =
        packaged.blobs.iter().map(|bytes| (Digest::of(bytes), bytes)).collect();
    let manifest = blobs[&packaged.manifest.digest];
    let Manifest::Image(image) = Manifest::parse(manifest, &packaged.manifest.media_type).unwrap() else {
        panic!("an index")
    };
    let types: Vec<&str> = image.layers.iter().map(|layer| layer.media_type.as_str()).collect();
    assert_eq!(types, [media_type::HELM_CHART]);
    assert_eq!(image.config.media_type, media_type::HELM_CONFIG);
    assert_eq!(
        blobs[&image.config.digest].as_slice(),
        br#"{"name":"agent","version":"1.2.0+build.3","apiVersion":"v2","appVersion":"1.4"}"#
    );
    assert_eq!(image.annotations["org.opencontainers.image.version"], "1.2.0+build.3");
    assert!(!image.annotations.contains_key("org.opencontainers.image.created"), "no time of this machine");
}

#[test]
fn a_provenance_comes_along_where_it_is_about_the_file() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/data/charts");
    let file = "signtest-0.1.0.tgz";
    for (below, name, said) in [
        (".", file, ""),
        // Who signed what it says is for a policy to ask.
        ("must-fail/text", file, ""),
        ("must-fail/digest", file, "found a provenance of \"signtest-0.1.0.tgz\" as sha256:"),
        ("must-fail/name", "other-0.1.0.tgz", "wanted one of \"other-0.1.0.tgz\""),
    ] {
        let data = |name: String| std::fs::read(format!("{folder}/{below}/{name}")).unwrap();
        let (chart, provenance) = (data(name.to_owned()), data(format!("{name}.prov")));
        match read(name, chart, Some(provenance.clone()), None) {
            Ok(packaged) => {
                assert_eq!((said, packaged.blobs.last()), ("", Some(&provenance)), "{below}");
                let manifest = String::from_utf8(packaged.blobs[0].clone()).unwrap();
                assert!(manifest.contains(media_type::HELM_PROVENANCE), "{manifest}");
            }
            Err(error) => {
                assert!(!said.is_empty() && error.to_string().contains(said), "{below}: {error}");
            }
        }
    }
    let error = read(FILE, yaml(PLAIN), Some(b"<html>".to_vec()), None).unwrap_err().to_string();
    assert!(error.contains("the .prov beside it: found no text with OpenPGP signatures"), "{error}");
}

#[test]
fn the_name_that_is_asked_for_takes_the_place_of_its_own() {
    let named = "registry.example/charts/other".parse().unwrap();
    let packaged = read(FILE, yaml(PLAIN), None, Some(&named)).unwrap();
    assert_eq!(packaged.reference.to_string(), "registry.example/charts/other:1.2.0_build.3");
}

#[test]
fn a_byte_order_mark_and_a_leading_dot_are_what_real_charts_have() {
    for files in [[("agent/Chart.yaml", format!("\u{feff}{PLAIN}"))], [("./agent/Chart.yaml", PLAIN.into())]]
    {
        let files: Vec<_> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
        assert!(read(FILE, chart(&files), None, None).is_ok(), "{files:?}");
    }
}

#[test]
fn what_is_no_chart_is_refused() {
    let mut link = tar::Header::new_ustar();
    link.set_entry_type(tar::EntryType::Symlink);
    link.set_size(0);
    let mut linked = tar::Builder::new(Vec::new());
    linked.append_link(&mut link, "agent/Chart.yaml", "/etc/passwd").unwrap();
    let linked = gzip(&linked.into_inner().unwrap());

    let mut escaping = archive(&[("agent/xx/x".to_owned(), &b""[..])]);
    escaping[..10].copy_from_slice(b"agent/../x");
    let sum: u32 = 8 * 32
        + escaping[..512]
            .iter()
            .enumerate()
            .filter(|(at, _)| !(148..156).contains(at))
            .map(|(_, byte)| u32::from(*byte))
            .sum::<u32>();
    escaping[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());

    let large = "#".repeat(1024 * 1024 + 1);
    for (bytes, why) in [
        (b"<html>".to_vec(), "not gzip"),
        (gzip(b"<html>"), "not a tar archive"),
        (chart(&[("agent/values.yaml", "")]), "no Chart.yaml"),
        (chart(&[("Chart.yaml", PLAIN)]), "Chart.yaml outside of the chart's folder"),
        (chart(&[("agent/Chart.yaml", PLAIN), ("agent/Chart.yaml", PLAIN)]), "two of them in one folder"),
        (chart(&[("a/Chart.yaml", PLAIN), ("b/Chart.yaml", PLAIN)]), "two charts"),
        (linked, "a link in its place"),
        (gzip(&escaping), "a path out of the chart"),
        (chart(&[("agent/Chart.yaml", &large)]), "a Chart.yaml that is too large"),
        (yaml("name: agent\n"), "no version"),
        (yaml("name: ../agent\nversion: 1.0.0\n"), "a name that is a path"),
        (yaml("name: Agent\nversion: 1.0.0\n"), "a name that no registry takes"),
        (yaml("name: agent\nversion: 1.0.0/..\n"), "a version that is no tag"),
        (yaml("- name\n"), "not a map"),
    ] {
        assert!(read(FILE, bytes, None, None).is_err(), "{why}");
    }
}
