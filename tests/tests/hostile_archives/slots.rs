//! Signatures: of another key, of something else, and the same one spelled otherwise.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifests::Digest;
use manifests::key::PrivateKey;
use manifests::slot::{self, ArchiveSignature};
use manifests::trust::Role;

use super::{DAMAGED, Gate, REFUSED};
use crate::members::Archive;

/// The order of P-256.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc,
    0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// The archive with this in the place of the bundle, and the usual spaces behind it.
fn with_bundle(archive: &Archive, bundle: &str) -> Vec<u8> {
    let mut slot = bundle.as_bytes().to_vec();
    slot.resize(archive.members[0].content.len(), b' ');
    archive.with(archive.members[0].content.clone(), &slot)
}

/// The text of the bundle in an archive's slot.
fn bundle(archive: &Archive) -> String {
    let slot = &archive.bytes[archive.members[0].content.clone()];
    String::from_utf8(slot.to_vec()).unwrap().trim_end().to_owned()
}

/// The text of a field.
pub(crate) fn field<'a>(bundle: &'a str, name: &str) -> &'a str {
    let (_, rest) = bundle.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split('"').next().unwrap()
}

/// A slot that says whatever is said, by this key.
pub(crate) fn sealed(archive: &Archive, identity: Digest, role: Role, key: &PrivateKey) -> Vec<u8> {
    let inventory = &archive.bytes[archive.member("airgap/inventory.json").content.clone()];
    let created = field(std::str::from_utf8(inventory).unwrap(), "created");
    let signature = ArchiveSignature {
        change: None,
        inventory_size: inventory.len() as u64,
        policy_digest: None,
        role,
        signed_at: created.parse().unwrap(),
        trust_digest: None,
        verdict: None,
    };
    let slot = slot::seal(identity, signature, key).unwrap();
    archive.with(archive.members[0].content.clone(), &slot)
}

#[test]
fn a_signature_has_one_spelling() {
    let gate = Gate::new();
    let archive = gate.archive();
    let signed = bundle(&archive);
    let place = archive.members[0].content.clone();
    let padded = |padding: u8| {
        let mut slot = signed.clone().into_bytes();
        slot.resize(place.len(), padding);
        archive.with(place.clone(), &slot)
    };
    let replaced = |from: &str, to: &str| {
        assert!(signed.contains(from), "found no {from} in the bundle");
        with_bundle(&archive, &signed.replacen(from, to, 1))
    };
    let signature = field(&signed, "sig");
    let der = STANDARD.decode(signature).unwrap();
    let with_signature = |der: &[u8]| replaced(signature, &STANDARD.encode(der));
    let url_safe = signature.replace('+', "-").replace('/', "_");
    for (what, bytes) in [
        ("tabs for spaces", padded(b'\t')),
        ("newlines for spaces", padded(b'\n')),
        ("zeros for spaces", padded(0)),
        ("a space before", with_bundle(&archive, &format!(" {signed}"))),
        ("a newline behind", with_bundle(&archive, &format!("{signed}\n"))),
        ("the bundle twice", with_bundle(&archive, &signed.repeat(2))),
        ("spaces inside", replaced("\":{\"", "\": {\"")),
        ("another order", replaced("\"payloadType\":\"application/vnd.in-toto+json\",", "")),
        (
            "one field more",
            replaced("\"verificationMaterial\":{", "\"verificationMaterial\":{\"tlogEntries\":[],"),
        ),
        ("a second signature", replaced("}]}", &format!("}},{{\"sig\":\"{signature}\"}}]}}"))),
        ("no signature", replaced(&format!("{{\"sig\":\"{signature}\"}}"), "")),
        ("an empty signature", replaced(signature, "")),
        ("an escape", replaced("mediaType", "media\\u0054ype")),
        ("another version", replaced("bundle.v0.3", "bundle.v0.2")),
        ("the mirrored signature", with_signature(&mirrored(&der))),
        ("a signature with a byte more", with_signature(&[&der[..], &[0]].concat())),
        ("a signature with a longer length", with_signature(&[&[der[0], 0x81], &der[1..]].concat())),
        (
            "a signature in another alphabet",
            if url_safe == signature {
                // No such letter in it: the padding is left out in place of that.
                replaced(signature, signature.trim_end_matches('=').strip_suffix('A').unwrap_or("x"))
            } else {
                replaced(signature, &url_safe)
            },
        ),
        ("nothing but spaces", with_bundle(&archive, "")),
        ("an empty object", with_bundle(&archive, "{}")),
        ("deep nesting", with_bundle(&archive, &"[".repeat(16_000))),
    ] {
        gate.keeps_out(what, &bytes, &[DAMAGED, REFUSED]);
    }
    gate.lets_the_real_one_in(20);
}

#[test]
fn a_signature_is_of_this_archive_by_a_key_that_is_known_in_a_role_that_counts() {
    let gate = Gate::new();
    let (archive, other) = (gate.archive(), gate.other());
    let identity = Digest::of(&archive.bytes[archive.member("airgap/inventory.json").content.clone()]);
    let known = gate.preparer();
    let unknown = PrivateKey::generate().unwrap();
    let hint = field(&bundle(&archive), "hint").to_owned();
    let signed_by_unknown = sealed(&archive, identity, Role::Preparer, &unknown);
    let claimed = Archive::read(signed_by_unknown.clone());
    let their_hint = field(&bundle(&claimed), "hint").to_owned();
    let inventory = other.member("airgap/inventory.json").whole();

    for (what, bytes, status) in [
        ("a key that nobody knows", signed_by_unknown, REFUSED),
        (
            "that key, by the name of a known one",
            with_bundle(&claimed, &bundle(&claimed).replace(&their_hint, &hint)),
            DAMAGED,
        ),
        ("a signature as an approver", sealed(&archive, identity, Role::SecurityOfficer, &known), REFUSED),
        (
            "a signature of another inventory",
            sealed(&archive, Digest::of(b"other"), Role::Preparer, &known),
            DAMAGED,
        ),
        (
            "the signature of another archive",
            archive.with(archive.members[0].whole(), &other.whole(0)),
            DAMAGED,
        ),
        (
            "the inventory of another archive",
            archive.with(archive.member("airgap/inventory.json").whole(), &other.bytes[inventory]),
            DAMAGED,
        ),
        (
            "the blobs of another archive",
            {
                let (ours, theirs) =
                    (&archive.members[archive.first_blob()], &other.members[other.first_blob()]);
                [&archive.bytes[..ours.header.start], &other.bytes[theirs.header.start..]].concat()
            },
            DAMAGED,
        ),
    ] {
        gate.keeps_out(what, &bytes, &[status]);
    }
    gate.lets_the_real_one_in(7);
}

/// The signature (r, n - s), which every verifier that does not ask for low S accepts as well.
fn mirrored(der: &[u8]) -> Vec<u8> {
    let (r, rest) = integer(&der[2..]);
    let (s, _) = integer(rest);
    let mut scalar = [0_u8; 32];
    let s = &s[s.len().saturating_sub(32)..];
    scalar[32 - s.len()..].copy_from_slice(s);
    let mut borrow = 0_i16;
    let mut high = [0_u8; 32];
    for at in (0..32).rev() {
        let difference = i16::from(ORDER[at]) - i16::from(scalar[at]) - borrow;
        borrow = i16::from(difference < 0);
        high[at] = u8::try_from(difference + 256 * borrow).unwrap();
    }
    // High S is above half the order: its first bit is set, so DER wants a zero byte before it.
    let mut body = [&[2, u8::try_from(r.len()).unwrap()], r, &[2, 33, 0], &high].concat();
    body.splice(0..0, [0x30, u8::try_from(body.len()).unwrap()]);
    body
}

/// The content of a DER integer, and what follows.
fn integer(der: &[u8]) -> (&[u8], &[u8]) {
    der[2..].split_at(usize::from(der[1]))
}
