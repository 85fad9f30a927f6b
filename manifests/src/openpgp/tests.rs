//! Certificates and signatures that GnuPG made, on the days that the names of the cases give.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const ALICE: &str = include_str!("../../../fixtures/data/openpgp/alice.asc");
const BOB: &str = include_str!("../../../fixtures/data/openpgp/bob.asc");
const BOB_ENDED: &str = include_str!("../../../fixtures/data/openpgp/bob-ended.asc");
const BOB_REVOKED: &str = include_str!("../../../fixtures/data/openpgp/bob-revoked.asc");

const BOB_USER_WEAKLY_REVOKED: &str =
    include_str!("../../../fixtures/data/openpgp/bob-user-weakly-revoked.asc");
const BOB_CERTIFIED: &str = include_str!("../../../fixtures/data/openpgp/bob-certified.asc");
const BOB_WEAKLY_REVOKED: &str = include_str!("../../../fixtures/data/openpgp/bob-weakly-revoked.asc");

const BY_ALICE: &str = include_str!("../../../fixtures/data/openpgp/alice.txt");
const BY_BOB: &str = include_str!("../../../fixtures/data/openpgp/bob.txt");
const BY_BOB_EARLY: &str = include_str!("../../../fixtures/data/openpgp/bob-early.txt");
const BY_BOB_LATE: &str = include_str!("../../../fixtures/data/openpgp/bob-late.txt");
const BEFORE: &str = include_str!("../../../fixtures/data/openpgp/before.txt");
const CRITICAL: &str = include_str!("../../../fixtures/data/openpgp/critical.txt");
const ENDS: &str = include_str!("../../../fixtures/data/openpgp/ends.txt");
const OVER_SHA1: &str = include_str!("../../../fixtures/data/openpgp/sha1.txt");

fn verify(certificate: &str, text: &str) -> Result<(String, Timestamp), OpenPgpError> {
    OpenPgpCertificate::parse(certificate).unwrap().verify(&SignedText::parse(text.as_bytes())?)
}

#[test]
fn what_a_certificate_s_key_signed_is_read_as_it_was_signed() {
    let (text, at) = verify(ALICE, BY_ALICE).unwrap();
    assert_eq!(
        text, "signed by alice\r\n- with a dash",
        "the line break before the signature is none of the text's"
    );
    assert_eq!(at.to_string(), "2026-03-01T00:00:00Z");
    let certificate = OpenPgpCertificate::parse(ALICE).unwrap();
    assert_eq!(certificate.fingerprint(), "CA8FE0124FD6F363F7FE4B603DD34D83C4BA820A");
    assert!(format!("{certificate:?}").contains(certificate.fingerprint()));
    let claimed = SignedText::parse(BY_BOB.as_bytes()).unwrap().claimed_key();
    assert_eq!(claimed.as_deref(), Some("AA918651768B3C65E7CF3562447EA66659F1C948"));
}

#[test]
fn a_key_counts_while_it_was_good_for_signing() {
    for (certificate, text, said, why) in [
        (BOB, BY_BOB, "", "while it was good"),
        (BOB_ENDED, BY_BOB, "", "it ended on 2026-04-01, after the signature"),
        (
            BOB_ENDED,
            BY_BOB_EARLY,
            "",
            "before its end was set, of which its older self-signature says nothing any more",
        ),
        (BOB_ENDED, BY_BOB_LATE, "while that could not sign", "after it ended"),
        (BOB, BY_BOB_LATE, "", "the same without an end"),
        (BOB_REVOKED, BY_BOB, "while that could not sign", "whoever has a revoked key can state any day"),
        (BOB_CERTIFIED, BY_BOB, "", "what others say of the key is nobody's business"),
        (BOB, BEFORE, "while that could not sign", "before the key was made"),
        (BOB_ENDED, BEFORE, "while that could not sign", "and before its self-signature was renewed"),
        (BOB, CRITICAL, "found a signature of kind", "what its signer calls critical and nobody here knows"),
        (
            BOB,
            ENDS,
            "found a signature of 2026-03-01T00:00:00Z with an end",
            "it would have ended when it is judged again",
        ),
        (ALICE, BY_BOB, "does not verify with the OpenPGP key CA8F", "another signer"),
        (BOB, OVER_SHA1, "Sha1", "two texts may have one SHA-1"),
    ] {
        match verify(certificate, text) {
            Ok(_) => assert_eq!(said, "", "{why}"),
            Err(error) => {
                assert!(!said.is_empty() && error.to_string().contains(said), "{why}: {error}");
            }
        }
    }
}

#[test]
fn a_changed_text_is_not_what_was_signed() {
    for (from, to) in [("signed by alice", "signed by nobody"), ("- - with", "with")] {
        let changed = BY_ALICE.replace(from, to);
        assert_ne!(changed, BY_ALICE);
        assert!(matches!(verify(ALICE, &changed), Err(OpenPgpError::OtherKey(_))), "{changed}");
    }
}

#[test]
fn what_is_no_text_with_signatures_around_nothing_else_is_refused() {
    let many = {
        let (text, signature) = BY_ALICE.split_once("-----BEGIN PGP SIGNATURE-----").unwrap();
        format!(
            "{text}-----BEGIN PGP SIGNATURE-----{signature}{}",
            "-----BEGIN PGP SIGNATURE-----".to_owned() + signature
        )
    };
    for (text, why) in [
        ("", "nothing"),
        ("signed by alice", "no armor"),
        (&format!("before\n{BY_ALICE}"), "a text before it that nobody signed"),
        (&format!("{BY_ALICE}\nbehind"), "a text behind it that nobody signed"),
        (&many, "another signature's armor behind it"),
        (ALICE, "a certificate"),
    ] {
        assert!(SignedText::parse(text.as_bytes()).is_err(), "{why}");
    }
    assert!(SignedText::parse(b"\xff").is_err());
}

#[test]
fn one_certificate_and_nothing_else_is_asked_about() {
    for (text, said) in [
        (String::new(), "no armored OpenPGP certificate"),
        (BY_ALICE.to_owned(), "no armored OpenPGP certificate"),
        (format!("{ALICE}{BOB}"), "found 2 certificates"),
        (ALICE.replace('m', ""), "cannot be read"),
        // The library leaves such a revocation out, and the key would sign as before.
        (BOB_USER_WEAKLY_REVOKED.to_owned(), "a revocation that cannot be verified or is over a weak hash"),
        (BOB_WEAKLY_REVOKED.to_owned(), "a revocation that cannot be verified or is over a weak hash"),
    ] {
        let error = OpenPgpCertificate::parse(&text).unwrap_err().to_string();
        assert!(error.contains(said), "{error}");
    }
}

#[test]
fn a_text_that_would_take_hours_to_read_is_refused_at_once() {
    let (head, rest) = BY_ALICE.split_once("signed by alice").unwrap();
    let lines = BY_ALICE.matches('\n').count();
    for (filler, is_read) in [
        ("\n".repeat(LINES - lines), true),
        ("\n".repeat(LINES - lines + 1), false),
        ("x".repeat(TEXT_BYTES - BY_ALICE.len()), true),
        ("x".repeat(TEXT_BYTES - BY_ALICE.len() + 1), false),
    ] {
        let text = format!("{head}{filler}signed by alice{rest}");
        let read = SignedText::parse(text.as_bytes());
        match &read {
            Ok(read) => assert!(is_read && read.unverified().contains("signed by alice")),
            Err(error) => assert!(!is_read && matches!(error, OpenPgpError::Long { .. }), "{error}"),
        }
    }
}

/// The message again, with its signatures as `change` has them.
fn with_signatures(text: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> String {
    let (head, armor) = text.split_once("-----BEGIN PGP SIGNATURE-----").unwrap();
    let body = armor.split_once("\n\n").unwrap().1;
    let body: String =
        body.lines().take_while(|line| !line.starts_with('=') && !line.starts_with('-')).collect();
    let packets = STANDARD.encode(change(STANDARD.decode(body).unwrap()));
    format!("{head}-----BEGIN PGP SIGNATURE-----\n\n{packets}\n-----END PGP SIGNATURE-----\n")
}

#[test]
fn more_signatures_than_anybody_makes_are_not_looked_at() {
    for (count, said) in
        [(0, "found 0 OpenPGP signatures"), (1, ""), (16, ""), (17, "found 17 OpenPGP signatures")]
    {
        let text = with_signatures(BY_BOB, |packets| packets.repeat(count));
        match verify(BOB, &text) {
            Ok(_) => assert_eq!(said, "", "{count}"),
            Err(error) => {
                assert!(!said.is_empty() && error.to_string().contains(said), "{count}: {error}");
            }
        }
    }
}

/// Of these the library takes one byte of the text, so that any other text would pass that begins alike.
#[test]
fn a_signature_of_nothing_or_of_a_moment_is_none_of_a_text() {
    use pgp::composed::{Deserializable as _, SignedSecretKey};
    use pgp::crypto::public_key::PublicKeyAlgorithm;
    use pgp::packet::{PacketTrait as _, SignatureConfig, Subpacket, SubpacketData};
    use pgp::types::{KeyDetails as _, Password, SigningKey as _, Timestamp};
    let private = include_str!("../../../fixtures/data/openpgp/carol-private.asc");
    let carol = include_str!("../../../fixtures/data/openpgp/carol.asc");
    let (key, _) = SignedSecretKey::from_string(private).unwrap();
    for (kind, is_good) in
        [(SignatureType::Text, true), (SignatureType::Standalone, false), (SignatureType::Timestamp, false)]
    {
        let mut config = SignatureConfig::v4(kind, PublicKeyAlgorithm::RSA, HashAlgorithm::Sha256);
        config.hashed_subpackets = vec![
            Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(1_772_323_200)))
                .unwrap(),
            Subpacket::regular(SubpacketData::IssuerFingerprint(key.primary_key.fingerprint())).unwrap(),
        ];
        let signed = "signed by alice\r\n- with a dash";
        // As the library checks it; it makes none of the other kinds itself.
        let hashed = if is_good { signed.as_bytes() } else { &signed.as_bytes()[..1] };
        let mut hasher = config.hash_alg.new_hasher().unwrap();
        hasher.update(hashed);
        let length = config.hash_signature_data(&mut hasher).unwrap();
        hasher.update(&config.trailer(length).unwrap());
        let hash = hasher.finalize();
        let signed = key.primary_key.sign(&Password::empty(), config.hash_alg, &hash).unwrap();
        let signature = Signature::from_config(config, [hash[0], hash[1]], signed).unwrap();
        let mut packet = Vec::new();
        signature.to_writer_with_header(&mut packet).unwrap();
        let text = with_signatures(BY_ALICE, |_| packet.clone());
        match verify(carol, &text) {
            Ok(_) => assert!(is_good, "{kind:?}"),
            Err(error) => {
                assert!(!is_good && error.to_string().contains(&format!("{kind:?}")), "{kind:?}: {error}");
            }
        }
    }
}
