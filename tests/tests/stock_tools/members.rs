//! Tar, in three implementations, and `sha256sum`.

use serde_json::Value;

use crate::{extract, with_archive};

const PYTHON: &str = "import sys, tarfile\nfor member in tarfile.open('core.tar'):\n    assert member.isreg(), member\n    print(member.name)\n";

#[test]
fn tar_bsdtar_and_python_list_what_the_inventory_says() {
    let desk = with_archive();
    let inventory: Value = serde_json::from_str(&desk.run("tar xOf core.tar airgap/inventory.json")).unwrap();
    let blobs = ["metadata", "content"].into_iter().flat_map(|list| inventory[list].as_array().unwrap());
    let blobs = blobs.map(|blob| blob["digest"].as_str().unwrap().replace("sha256:", "blobs/sha256/"));
    let first = ["airgap/inventory.sigstore.json", "airgap/inventory.json", "oci-layout", "index.json"];
    let wanted: Vec<String> = first.into_iter().map(str::to_owned).chain(blobs).collect();

    desk.write("list.py", PYTHON);
    for lists in ["tar tf core.tar", "bsdtar tf core.tar", "python3 -B list.py"] {
        let (printed, said) = desk.ends(lists, 0);
        assert_eq!(said, "", "{lists}: nothing to warn of");
        assert_eq!(printed.lines().collect::<Vec<_>>(), wanted, "{lists}");
    }
}

#[test]
fn sha256sum_finds_every_blob_under_its_digest_extracted_and_loaded() {
    let desk = with_archive();
    extract(&desk);
    desk.site("sovereign");
    desk.run("airgap-import load core.tar --state sovereign --to content");
    for folder in ["extracted/blobs/sha256", "content/oci/blobs/sha256"] {
        let blobs = desk.files(folder);
        let name = |path: &std::path::Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let sums = blobs.iter().map(|(path, _)| format!("{0}  {folder}/{0}\n", name(path)));
        desk.write("sums", sums.collect::<String>());
        let printed = desk.run("sha256sum --check sums");
        assert_eq!(printed.lines().filter(|line| line.ends_with(": OK")).count(), blobs.len());
        assert!(blobs.len() > 15, "found {} blobs in {folder}", blobs.len());
    }
}
