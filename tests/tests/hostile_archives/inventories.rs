//! Inventories that a preparer signed and that nobody may believe: whoever steals a key writes them.

use manifests::Digest;
use manifests::trust::Role;

use super::slots::{field, sealed};
use super::{DAMAGED, Gate};
use crate::members::Archive;

#[test]
fn a_good_signature_does_not_make_a_hostile_inventory_good() {
    let gate = Gate::new();
    let archive = gate.archive();
    let place = archive.member("airgap/inventory.json").content.clone();
    let good = String::from_utf8(archive.bytes[place.clone()].to_vec()).unwrap();
    let known = gate.preparer();
    // All are as long as the good one: the frame around them stays right, and they are read.
    let signed = |text: &str| {
        assert_eq!(text.len(), good.len());
        let changed = Archive::read(archive.with(place.clone(), text.as_bytes()));
        sealed(&changed, Digest::of(text.as_bytes()), Role::Preparer, &known)
    };
    assert_eq!(signed(&good).len(), archive.bytes.len());
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "found no {from} in the inventory");
        good.replacen(from, to, 1)
    };
    let (_, content) = good.split_once("\"content\":").unwrap();
    let (first, rest) = (field(content, "digest"), content.split_once("},{").unwrap().1);
    let second = field(rest, "digest");
    let size = content.split_once("\"size\":").unwrap().1.split('}').next().unwrap();
    let sized =
        |digits: &str| good.replacen(&format!("\"size\":{size}}}"), &format!("\"size\":{digits}}}"), 1);
    let quoted = format!("\"{first}\"");
    let nested = format!("{}0{}", "[".repeat(36), "]".repeat(36));
    assert_eq!(quoted.len(), nested.len());
    for (what, text) in [
        ("an unknown field", replaced("\"apiVersion\"", "\"apiVersioN\"")),
        ("a field twice", replaced("\"content\":", "\"created\":")),
        ("a path-like name", replaced("/library/one:1", "/../../../ne:1")),
        ("a control character", replaced("/library/", "/\\u001b[/")),
        ("a number in another form", sized(&format!("{}e0", &size[..size.len() - 2]))),
        ("a negative size", sized(&format!("-{}", &size[1..]))),
        ("another size", sized(&"9".repeat(size.len()))),
        ("a blob twice", replaced(second, first)),
        ("a blob that nothing names", replaced(first, &Digest::of(b"stray").to_string())),
        ("deep nesting", replaced(&quoted, &nested)),
    ] {
        assert_ne!(text, good, "{what}: the case changes nothing");
        gate.keeps_out(what, &signed(&text), &[DAMAGED]);
    }
    gate.lets_the_real_one_in(10);
}
