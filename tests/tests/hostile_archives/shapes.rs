//! Archives that tar reads, with the content that was signed, and a shape that was not.

use super::{DAMAGED, Gate};
use crate::members::{BLOCK, END, made};

#[test]
fn members_are_in_their_places_or_nothing_is_loaded() {
    let gate = Gate::new();
    let archive = gate.archive();
    let (first, last) = (archive.first_blob(), archive.members.len() - 1);
    let (one, two) = (archive.members[first].whole(), archive.members[first + 1].whole());
    let swapped =
        archive.with(one.start..two.end, &[archive.whole(first + 1), archive.whole(first)].concat());
    let twice = [archive.whole(first), archive.whole(first)].concat();
    let layout = archive.member("oci-layout").clone();
    let index = archive.member("index.json").clone();
    let json = &archive.bytes[index.content.clone()];
    let longer = [&json[..json.len() - 1], b",\"annotations\":{}}"].concat();
    let end = archive.bytes.len() - END;
    let before_end = |member: &[u8]| archive.with(end..end, member);
    let before_blobs = |member: &[u8]| archive.with(one.start..one.start, member);
    let pax = b"19 path=blobs/evil\n";

    for (what, bytes) in [
        ("two blobs in each other's place", swapped),
        ("a blob twice", archive.with(one.clone(), &twice)),
        ("a blob that is missing", archive.with(archive.members[last].whole(), &[])),
        ("no blob at all", archive.with(one.start..end, &[])),
        ("the slot at the end", {
            let slot = archive.members[0].whole();
            let rest = archive.with(slot.clone(), &[]);
            let end = end - slot.end;
            [&rest[..end], &archive.bytes[slot], &rest[end..]].concat()
        }),
        ("one blob more", before_end(&made(&format!("blobs/sha256/{}", "ab".repeat(32)), b'0', b"x"))),
        ("a path out of the folder", before_end(&made("../../../../tmp/evil", b'0', b"x"))),
        ("an absolute path", before_end(&made("/tmp/evil", b'0', b"x"))),
        ("a folder", before_blobs(&made("blobs/sha256/", b'5', b""))),
        ("a symbolic link", before_blobs(&made("blobs/sha256/link", b'2', b""))),
        ("a hard link", before_blobs(&made("blobs/sha256/link", b'1', b""))),
        ("a device", before_blobs(&made("blobs/sha256/null", b'3', b""))),
        ("a PAX header", before_blobs(&made("pax", b'x', pax))),
        ("a global PAX header", before_blobs(&made("pax", b'g', pax))),
        ("a long name of GNU's", before_blobs(&made("././@LongLink", b'L', b"blobs/sha256/evil\0"))),
        ("a hole of GNU's", before_blobs(&made("blobs/sha256/hole", b'S', b""))),
        ("another layout", archive.with(layout.content, b"{\"imageLayoutVersion\":\"1.0.1\"}")),
        ("a longer index", archive.with(index.whole(), &made("index.json", b'0', &longer))),
        ("an empty index", archive.with(index.whole(), &made("index.json", b'0', b"{}"))),
        ("an end of one block", archive.bytes[..end + BLOCK].to_vec()),
        ("an end in the middle", archive.with(one.start..one.start, &[0; END])),
    ] {
        gate.keeps_out(what, &bytes, &[DAMAGED]);
    }
    gate.lets_the_real_one_in(20);
}

#[test]
fn headers_have_one_spelling() {
    let gate = Gate::new();
    let archive = gate.archive();
    let blob = archive.first_blob();
    let size = archive.members[blob].content.len();
    let base256 = {
        let mut field = [0; 12];
        field[0] = 0x80;
        field[4..].copy_from_slice(&(size as u64).to_be_bytes());
        field
    };
    for (what, at, offset, bytes) in [
        ("a size in base-256 that has room in octal", blob, 124, &base256[..]),
        ("a size with spaces", blob, 124, format!("{size:>11o}\0").as_bytes()),
        ("a size without its zero byte", blob, 124, format!("{size:012o}").as_bytes()),
        ("a size of everything", blob, 124, b"77777777777\0"),
        ("another name", blob, 13, b"00000000"),
        ("a path of another spelling", blob, 0, b"blobs//sha25"),
        ("another mode", blob, 100, b"0000755\0"),
        ("an owner", blob, 108, b"0001750\0"),
        ("a name of the owner", blob, 265, b"root\0"),
        ("another time", 3, 136, b"14700000000\0"),
        ("GNU's own header", 2, 257, b"ustar  \0"),
        ("an old header", 1, 257, b"\0\0\0\0\0\0\0\0"),
        ("a prefix", blob, 345, b"elsewhere\0"),
        ("the type of old tar", blob, 156, b"\0"),
        ("a contiguous file", blob, 156, b"7"),
        ("a bigger slot", 0, 124, b"00000041000\0"),
        ("a bigger inventory", 1, 124, b"00777777777\0"),
    ] {
        gate.keeps_out(what, &archive.with_header(at, offset, bytes), &[DAMAGED]);
    }
    gate.lets_the_real_one_in(15);
}

#[test]
fn what_is_no_archive_is_not_taken_for_one() {
    let gate = Gate::new();
    let gzip = gate.desk.command("gzip -c core.tar").output().unwrap().stdout;
    let layout =
        gate.desk.command("tar c --format=ustar core.lock.d core.lock.json").output().unwrap().stdout;
    for (what, bytes) in [
        ("nothing", Vec::new()),
        ("a page that asks to log in", b"<!DOCTYPE html><title>Log in</title>".repeat(1000)),
        ("zeros", vec![0; 40_000]),
        ("a compressed archive", gzip),
        ("another tar", layout),
        ("a lock", gate.desk.read("core.lock.json")),
    ] {
        gate.keeps_out(what, &bytes, &[DAMAGED]);
    }
    gate.lets_the_real_one_in(6);
}
