//! What happens to an archive on its way, and what somebody might do to it: each is refused by its name.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod support;

use std::io::Write as _;

use manifests::Digest;
use manifests::inventory::Inventory;
use manifests::key::PublicKey;
use support::Source;
use transfer::archive::stream::{self, Keep};
use transfer::archive::{ArchiveError, Kind, ReadAt as _, open};

fn quiet(_: u64) {}

fn read(source: &Source, archive: &[u8]) -> Result<(), ArchiveError> {
    read_with(&source.public_key(), archive)
}

fn read_with(key: &PublicKey, archive: &[u8]) -> Result<(), ArchiveError> {
    let key = key.clone();
    let signed = open::signed(archive, |id| (id == key.id()).then_some(key))?;
    signed.verify(&quiet).map(|_| ())
}

fn read_stream(source: &Source, archive: &[u8], keep: Keep) -> Result<Vec<u8>, ArchiveError> {
    let key = source.public_key();
    let spool = tempfile::tempfile().unwrap();
    let trusted = |id: Digest| (id == key.id()).then(|| key.clone());
    let verified = stream::verify(archive, trusted, spool, keep, &quiet)?;
    let mut kept = vec![0; verified.reader().size().unwrap() as usize];
    verified.reader().read_exact_at(&mut kept, 0).unwrap();
    Ok(kept)
}

#[test]
fn an_archive_reads_as_it_was_written() {
    let source = Source::small();
    let archive = source.write();
    read(&source, &archive).unwrap();
    let key = source.public_key();
    let signed = open::signed(archive.as_slice(), |_| Some(key)).unwrap();
    assert_eq!(signed.identity(), Digest::of(&source.inventory.encode()));
    assert_eq!(signed.inventory(), &source.inventory);
    let verified = signed.verify(&quiet).unwrap();
    for (digest, bytes) in &source.blobs {
        let window = verified.blob(digest).unwrap();
        let mut read = vec![0; window.size().unwrap() as usize];
        window.read_exact_at(&mut read, 0).unwrap();
        assert_eq!(&read, bytes);
        assert!(window.read_exact_at(&mut [0], bytes.len() as u64).is_err(), "a blob ends where it ends");
    }
}

#[test]
fn every_changed_byte_is_refused() {
    let source = Source::tiny();
    let (mut archive, key) = (source.write(), source.public_key());
    for at in 0..archive.len() {
        for flip in [0x01, 0x80] {
            archive[at] ^= flip;
            let error = read_with(&key, &archive).expect_err(&format!("byte {at} ^ {flip:#x} of a file"));
            assert!(matches!(error.kind(), Kind::Damaged | Kind::Refused), "byte {at}: {error}");
            archive[at] ^= flip;
        }
    }
    read(&source, &archive).unwrap();
}

#[test]
fn every_truncation_is_refused() {
    let source = Source::tiny();
    let (archive, key) = (source.write(), source.public_key());
    let evidence = read_stream(&source, &archive, Keep::Evidence).unwrap().len();
    for end in 0..archive.len() {
        let error = read_with(&key, &archive[..end]).expect_err(&format!("cut at {end}"));
        assert_is_cut(&error, end, evidence);
    }
}

/// That an error says how much of an archive is there, and what that means.
fn assert_is_cut(error: &ArchiveError, end: usize, evidence: usize) {
    assert_eq!(error.kind(), Kind::Damaged, "cut at {end}: {error}");
    let said = error.to_string();
    let hint = if end == evidence { "this is the evidence pack only" } else { "the copy is not complete" };
    let is_said = said.starts_with(&format!("found {end} bytes, wanted ")) && said.ends_with(hint);
    assert!(is_said, "cut at {end}: {said}");
}

#[test]
fn every_changed_byte_of_a_stream_is_refused() {
    let source = Source::tiny();
    let mut archive = source.write();
    assert_eq!(read_stream(&source, &archive, Keep::Whole).unwrap(), archive);
    for at in 0..archive.len() {
        for flip in [0x01, 0x80] {
            archive[at] ^= flip;
            let error = read_stream(&source, &archive, Keep::Evidence)
                .expect_err(&format!("byte {at} ^ {flip:#x} of a stream"));
            assert!(matches!(error.kind(), Kind::Damaged | Kind::Refused), "byte {at}: {error}");
            archive[at] ^= flip;
        }
    }
    archive.push(0);
    let error = read_stream(&source, &archive, Keep::Whole).unwrap_err();
    assert_eq!(error.kind(), Kind::Damaged, "{error}");
    let size = archive.len() - 1;
    let wanted = format!("found more than {size} bytes, wanted {size}: something was appended");
    assert_eq!(error.to_string(), wanted);
}

#[test]
fn every_truncation_of_a_stream_is_refused_with_how_far_it_went() {
    let source = Source::tiny();
    let archive = source.write();
    let evidence = read_stream(&source, &archive, Keep::Evidence).unwrap().len();
    for end in 0..archive.len() {
        let error =
            read_stream(&source, &archive[..end], Keep::Evidence).expect_err(&format!("cut at {end}"));
        assert_is_cut(&error, end, evidence);
    }
}

#[test]
fn an_archive_that_is_cut_before_its_content_is_its_evidence_pack() {
    let source = Source::small();
    let archive = source.write();
    let pack = read_stream(&source, &archive, Keep::Evidence).unwrap();
    assert_eq!(pack, archive[..pack.len()]);
    let key = source.public_key();
    let signed = open::signed(pack.as_slice(), |_| Some(key.clone())).unwrap();
    signed.verify_evidence(&quiet).unwrap();
    let error = signed.verify(&quiet).unwrap_err();
    assert!(error.to_string().contains("evidence pack only"), "{error}");
    for at in (0..pack.len()).step_by(101) {
        let mut changed = pack.clone();
        changed[at] ^= 1;
        let result =
            open::signed(changed, |_| Some(key.clone())).and_then(|signed| signed.verify_evidence(&quiet));
        assert!(result.is_err(), "byte {at}");
    }
}

#[test]
fn a_pack_of_a_stream_ends_where_content_or_the_end_of_the_tar_begins() {
    let (whole, mut differential, mut empty) = (Source::small(), Source::small(), Source::small());
    let not_carried = &mut differential.inventory;
    not_carried.base = Some(Digest::of(b"the base"));
    not_carried.content.iter_mut().for_each(|blob| blob.carried = false);
    empty.inventory.items.clear();
    empty.tabulate();
    for (source, has_content) in [(whole, true), (differential, false), (empty, false)] {
        let archive = source.write();
        let end = if has_content {
            let first = format!("blobs/sha256/{}", source.inventory.content[0].digest.hex());
            archive.windows(first.len()).position(|window| window == first.as_bytes()).unwrap()
        } else {
            archive.len() - 1024
        };
        let pack = read_stream(&source, &archive, Keep::Evidence).unwrap();
        assert!(pack == archive[..end], "found {} bytes, wanted {end}", pack.len());
        assert_eq!(read_stream(&source, &archive, Keep::Whole).unwrap(), archive);
        let key = source.public_key();
        let signed = open::signed(pack.as_slice(), |_| Some(key.clone())).unwrap();
        signed.verify_evidence(&quiet).unwrap();
        assert!(signed.verify(&quiet).unwrap_err().to_string().contains("evidence pack only"));
    }
}

#[test]
fn a_copy_of_the_evidence_pack_is_that_of_the_archive_or_is_refused() {
    let source = Source::tiny();
    let archive = source.write();
    let mut copy = read_stream(&source, &archive, Keep::Evidence).unwrap();
    let key = source.public_key();
    let verified = open::signed(archive.as_slice(), |_| Some(key.clone())).unwrap().verify(&quiet).unwrap();
    let check = |copy: &[u8]| verified.verify_evidence_copy(&copy, |_| Some(key.clone()));
    check(&copy).unwrap();
    assert!(verified.verify_evidence_copy(&copy.as_slice(), |_| None).is_err(), "a key that is not trusted");
    for at in (0..copy.len()).step_by(7) {
        copy[at] ^= 1;
        assert!(check(&copy).is_err(), "byte {at}");
        copy[at] ^= 1;
    }
    assert!(check(&copy[..copy.len() - 1]).is_err(), "cut");
    copy.push(0);
    assert!(check(&copy).is_err(), "something appended");
    let other = Source::small();
    assert!(verified.verify_evidence_copy(&other.write().as_slice(), |_| Some(other.public_key())).is_err());
}

/// What stands between the header and the padding of a member.
fn members(archive: &[u8]) -> Vec<(String, std::ops::Range<usize>)> {
    let mut found = Vec::new();
    let mut reader = tar::Archive::new(archive);
    for entry in reader.entries().unwrap() {
        let entry = entry.unwrap();
        let start = entry.raw_header_position() as usize;
        let end = entry.raw_file_position() as usize + (entry.size() as usize).next_multiple_of(512);
        found.push((entry.path().unwrap().display().to_string(), start..end));
    }
    found
}

#[test]
fn another_way_to_write_the_same_tar_is_refused() {
    let source = Source::small();
    let archive = source.write();
    let parts = members(&archive);
    let part = |at: usize| archive[parts[at].1.clone()].to_vec();
    let end = archive[parts.last().unwrap().1.end..].to_vec();
    let join = |order: &[Vec<u8>]| [order.concat(), end.clone()].concat();
    let all: Vec<Vec<u8>> = (0..parts.len()).map(part).collect();
    assert_eq!(join(&all), archive, "the parts are the archive");

    let with = |change: &dyn Fn(&mut Vec<Vec<u8>>)| {
        let mut parts = all.clone();
        change(&mut parts);
        join(&parts)
    };
    let header = |path: &str, size: u64, kind: tar::EntryType| {
        let mut header = tar::Header::new_ustar();
        header.set_path(path).unwrap();
        header.set_size(size);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_mtime(315_532_800);
        header.set_cksum();
        header.as_bytes().to_vec()
    };
    let index = |parts: &Vec<Vec<u8>>| parts[3].clone();
    for (why, changed) in [
        ("two blobs swapped", with(&|parts| parts.swap(5, 6))),
        ("signature and inventory swapped", with(&|parts| parts.swap(0, 1))),
        ("a blob twice", with(&|parts| parts.insert(5, parts[5].clone()))),
        ("a blob left out", with(&|parts| drop(parts.remove(6)))),
        (
            "a blob under another name",
            with(&|parts| {
                parts[5][13] = if parts[5][13] == b'0' { b'1' } else { b'0' };
            }),
        ),
        (
            "a folder before the blobs",
            with(&|parts| {
                parts.insert(4, header("blobs/", 0, tar::EntryType::Directory));
            }),
        ),
        ("a link", with(&|parts| parts.insert(4, header("blobs/x", 0, tar::EntryType::Symlink)))),
        (
            "a PAX header",
            with(&|parts| {
                let mut pax = header("pax", 11, tar::EntryType::XHeader);
                pax.extend(b"11 path=ab\n");
                pax.resize(1024, 0);
                parts.insert(4, pax);
            }),
        ),
        (
            "a GNU long name",
            with(&|parts| {
                let mut long = header("././@LongLink", 4, tar::EntryType::GNULongName);
                long.extend(b"abc\0");
                long.resize(1024, 0);
                parts.insert(4, long);
            }),
        ),
        (
            "a size in base-256 where octal is due",
            with(&|parts| {
                let mut sizes = tar::Header::from_byte_slice(&parts[5][..512]).clone();
                let size = sizes.entry_size().unwrap();
                sizes.as_mut_bytes()[124..136].fill(0);
                sizes.as_mut_bytes()[124] = 0x80;
                sizes.as_mut_bytes()[128..136].copy_from_slice(&size.to_be_bytes());
                sizes.set_cksum();
                parts[5][..512].copy_from_slice(sizes.as_bytes());
            }),
        ),
        (
            "another index.json of the same size",
            with(&|parts| {
                let text = String::from_utf8(index(parts)).unwrap().replace("example-app-1", "example-bpp-1");
                parts[3] = text.into_bytes();
            }),
        ),
        ("bytes appended", [archive.clone(), vec![0; 512]].concat()),
        ("another archive appended", [archive.clone(), archive.clone()].concat()),
        ("an archive in front", [header("x", 0, tar::EntryType::Regular), archive.clone()].concat()),
    ] {
        assert_ne!(changed, archive, "{why}: the case changes nothing");
        let error = read(&source, &changed).expect_err(why);
        assert_eq!(error.kind(), Kind::Damaged, "{why}: {error}");
        assert!(read_stream(&source, &changed, Keep::Evidence).is_err(), "{why}, as a stream");
    }
}

/// An archive whose preparer signs whatever `inventory` says.
fn signed_by_a_hostile_preparer(source: &Source, inventory: &[u8]) -> Result<Inventory, ArchiveError> {
    let mut archive = source.write();
    let slot = source.slot(inventory);
    archive[512..512 + slot.len()].copy_from_slice(&slot);
    archive.truncate(512 + slot.len());
    let mut header = tar::Header::from_byte_slice(&source.write()[16_896..17_408]).clone();
    header.set_size(inventory.len() as u64);
    header.set_cksum();
    // GNU's library writes the checksum with other padding than ours: the header is made by hand.
    let sum: u32 = header
        .as_bytes()
        .iter()
        .enumerate()
        .map(|(at, &byte)| u32::from(if (148..156).contains(&at) { b' ' } else { byte }))
        .sum();
    header.as_mut_bytes()[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.write_all(header.as_bytes()).unwrap();
    archive.write_all(inventory).unwrap();
    let key = source.public_key();
    open::signed(archive, |_| Some(key)).map(|signed| signed.inventory().clone())
}

#[test]
fn a_good_signature_does_not_make_a_hostile_inventory_good() {
    let source = Source::small();
    let good = String::from_utf8(source.inventory.encode()).unwrap();
    signed_by_a_hostile_preparer(&source, good.as_bytes()).expect("the frame of the cases is right");

    let blob = source.inventory.content[0].digest.to_string();
    let layer = format!(r#"{{"digest":"{blob}","size":"#);
    let many: String = (0..250_001)
        .map(|n: u32| format!(r#"{{"digest":"{}","size":1}},"#, Digest::of(&n.to_be_bytes())))
        .collect();
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from} is in the inventory");
        good.replacen(from, to, 1)
    };
    for (why, text) in [
        ("a duplicate key", replaced(r#""kind":"Inventory""#, r#""kind":"Inventory","kind":"Inventory""#)),
        ("an unknown field", replaced(r#""apiVersion""#, r#""anything":1,"apiVersion""#)),
        ("whitespace", replaced(r#""kind":"#, r#""kind": "#)),
        (
            "keys in another order",
            replaced(r#""kind":"Inventory","#, "").replacen('{', r#"{"kind":"Inventory","#, 1),
        ),
        (
            "deep nesting",
            replaced(
                r#""audience":["sovereign-a"]"#,
                &format!(r#""audience":{}{}"#, "[".repeat(5000), "]".repeat(5000)),
            ),
        ),
        ("a path-like item", replaced("registry.example/app:1", "registry.example/../app:1")),
        ("a path-like channel", replaced(r#""name":"core""#, r#""name":"../core""#)),
        ("control characters", replaced("registry.example/app:1", "registry.example/a\\u001bpp:1")),
        (
            "a blob with an overflowing size",
            replaced(&layer, &layer.replace(r#""size":"#, r#""size":900719925474099"#)),
        ),
        ("a negative size", replaced(&layer, &layer.replace(r#""size":"#, r#""size":-"#))),
        (
            "a blob twice with two sizes",
            replaced(&format!("{layer}10}}"), &format!("{layer}10}},{layer}11}}")),
        ),
        ("250,001 blobs", replaced(r#""content":["#, &format!(r#""content":[{many}"#))),
        (
            "a serial that is not its time",
            replaced(r#""serial":20261123213000"#, r#""serial":20261123213001"#),
        ),
        ("content that nobody has", replaced(&layer, &layer.replace('{', r#"{"carried":false,"#))),
        ("a default that is written out", replaced(&layer, &layer.replace('{', r#"{"carried":true,"#))),
        ("a number in another form", replaced(r#""serial":20261123213000"#, r#""serial":20261123213000.0"#)),
    ] {
        assert_ne!(text, good, "{why}: the case changes nothing");
        let error = signed_by_a_hostile_preparer(&source, text.as_bytes()).expect_err(why);
        assert_eq!(error.kind(), Kind::Damaged, "{why}: {error}");
    }
    let newer = replaced(r#""airgap/v1""#, r#""airgap/v2""#);
    let error = signed_by_a_hostile_preparer(&source, newer.as_bytes()).unwrap_err();
    assert_eq!(error.kind(), Kind::Newer, "{error}");
}

#[test]
fn sizes_that_fit_one_by_one_and_not_together_are_refused() {
    let source = Source::small();
    let mut inventory = source.inventory.clone();
    assert!(inventory.content.len() >= 2);
    for blob in inventory.content.iter_mut().take(2) {
        blob.size = manifests::limits::SIZE / 2;
    }
    let error = signed_by_a_hostile_preparer(&source, &inventory.encode()).unwrap_err();
    assert!(error.to_string().contains("sum up to 2^53"), "{error}");
}

#[test]
fn a_table_that_does_not_follow_from_the_items_is_refused() {
    type Change = fn(&mut Source);
    let cases: [(&str, Change); 5] = [
        ("a blob that no item uses", |source| {
            let stray = b"stray";
            source.blobs.insert(Digest::of(stray), stray.to_vec());
            let digest = Digest::of(stray);
            source.inventory.content.push(manifests::inventory::ContentBlob {
                carried: true,
                digest,
                size: 5,
            });
        }),
        ("a layer in another order", |source| source.inventory.content.swap(0, 1)),
        ("metadata in another order", |source| source.inventory.metadata.swap(1, 2)),
        ("a layer that is missing", |source| {
            source.inventory.content.remove(0);
        }),
        ("a layer that is listed as metadata", |source| {
            let layer = source.inventory.content.remove(0);
            let blob = manifests::inventory::Blob { digest: layer.digest, size: layer.size };
            source.inventory.metadata.push(blob);
        }),
    ];
    for (why, change) in cases {
        let mut source = Source::small();
        change(&mut source);
        let error = read(&source, &source.write()).expect_err(why);
        assert!(matches!(error, ArchiveError::Closure(_)), "{why}: {error}");
        assert_eq!(error.kind(), Kind::Damaged, "{why}");
    }
}

#[test]
fn an_unknown_key_is_refused_and_named() {
    let source = Source::small();
    let error = open::signed(source.write(), |_| None).unwrap_err();
    assert_eq!(error.kind(), Kind::Refused);
    assert!(error.to_string().contains(&source.public_key().id().to_string()), "{error}");
}
