//! A member of 8 GiB, whose size does not fit into octal digits. It is a hole in a file, and nothing here reads it: to
//! verify the archive in full takes each reader half a minute where the disk's cache has no room, so headers and offsets
//! are compared, and the member that stands behind it is read.

use std::fs::File;
use std::path::Path;

use manifests::Digest;
use manifests::key::PublicKey;
use tests::desk::Desk;
use transfer::archive::{ReadAt as _, open};

const LARGE: u64 = 8 << 30;

const PYTHON: &str = "import tarfile\nfor member in tarfile.open('large.tar'):\n    print(member.name, member.offset, member.size)\n";

/// A desk with `large.tar` as the second reader writes it, and path, offset and size of each member.
fn with_large_archive() -> (Desk, Vec<(String, u64, u64)>) {
    let desk = Desk::new();
    let writer = Path::new(env!("CARGO_MANIFEST_DIR")).join("second_reader/write_large.py");
    let printed = desk.run(&format!("python3 -B {} .", writer.display()));
    let members = printed.lines().map(|line| {
        let [path, offset, size] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        (path.to_owned(), offset.parse().unwrap(), size.parse().unwrap())
    });
    let members: Vec<(String, u64, u64)> = members.collect();
    let [.., (_, _, large), (_, behind, _)] = members.as_slice() else { panic!("{printed}") };
    assert!(*large == LARGE && *behind > LARGE, "{printed}");
    (desk, members)
}

#[test]
fn stock_tools_list_a_member_of_8_gib_and_read_the_one_behind_it() {
    let (desk, members) = with_large_archive();
    desk.write("list.py", PYTHON);
    // Size and path, by position among the words of a line.
    for (lists, size, path) in
        [("tar tvf large.tar", 2, 5), ("bsdtar tvf large.tar", 4, 8), ("python3 -B list.py", 2, 0)]
    {
        let (printed, said) = desk.ends(lists, 0);
        assert_eq!(said, "", "{lists}: nothing to warn of");
        let words = printed.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let found: Vec<(&str, u64)> =
            words.map(|words| (words[path], words[size].parse().unwrap())).collect();
        let wanted: Vec<(&str, u64)> = members.iter().map(|(path, _, size)| (path.as_str(), *size)).collect();
        assert_eq!(found, wanted, "{lists}");
    }
    let (behind, ..) = members.last().unwrap();
    for reads in ["tar xOf", "bsdtar xOf"] {
        assert_eq!(desk.run(&format!("{reads} large.tar {behind}")), "behind", "{reads}");
    }
}

#[test]
fn a_member_of_8_gib_stands_where_both_readers_say() {
    let (desk, members) = with_large_archive();
    let key = PublicKey::from_pem(&String::from_utf8(desk.read("preparer.pub")).unwrap()).unwrap();
    let file = File::open(desk.path("large.tar")).unwrap();
    let archive = open::signed(file, |_| Some(key)).unwrap();

    let found: Vec<(String, u64, u64)> =
        archive.layout().members().map(|member| (member.path, member.offset, member.size)).collect();
    assert_eq!(found, members);
    assert_eq!(archive.layout().size(), archive.reader().size().unwrap());
    for member in archive.layout().members() {
        let mut header = [0; 512];
        archive.reader().read_exact_at(&mut header, member.offset).unwrap();
        assert_eq!(header, member.header(), "{}", member.path);
    }
    let mut behind = [0; 6];
    archive.blob(&Digest::of(b"behind")).unwrap().read_exact_at(&mut behind, 0).unwrap();
    assert_eq!(&behind, b"behind");

    let shown = desk.run("airgap-bundle inspect large.tar --key preparer.pub");
    assert!(shown.contains("8.00 GiB in 4 blobs"), "{shown}");
}
