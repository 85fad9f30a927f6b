//! Signed statements: an in-toto Statement v1 in a DSSE envelope in a Sigstore bundle v0.3.
//!
//! Stock cosign checks them (`verify-blob-attestation`), but it also accepts a changed hint, a mirrored
//! signature and other whitespace. Here a statement has one encoding: fixed keys in alphabetical order, no
//! whitespace, canonical base64, low S, one subject, no log entry. What differs from it is damaged, and
//! nothing but that fixed frame is read before the signature is verified.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::json;
use crate::key::{KeyError, PrivateKey, PublicKey};
use crate::media_type::IN_TOTO;

const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The bundle around payload, signature and hint, in this order.
const FRAME: [&str; 4] = [
    r#"{"dsseEnvelope":{"payload":""#,
    r#"","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""#,
    r#""}]},"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":""#,
    r#""}}}"#,
];

/// What a predicate says it is. One type each for every kind of document, so that a signature over one can
/// never pass as a signature over another.
pub trait Predicate: Serialize + DeserializeOwned {
    /// The `predicateType` of the statement.
    const TYPE: &'static str;
}

/// A signed statement: `predicate` about the bytes whose digest is `subject`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<P> {
    /// The name of the subject, as stock tools show it.
    pub name: String,
    /// The digest of the subject.
    pub subject: Digest,
    /// What is said about it.
    pub predicate: P,
}

/// A bundle that has the right frame. Nothing in it is to be believed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    payload: Vec<u8>,
    signature: Vec<u8>,
    hint: Digest,
}

/// Why a bundle is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the one encoding of a bundle of ours.
    #[error("found no signature bundle in its canonical form")]
    Form,
    /// The signature is not the key's, or over something else.
    #[error("the signature does not verify with the key {0}")]
    Signature(Digest),
    /// Signed, but not a statement of this kind.
    #[error("found another signed statement, wanted one of type {0}")]
    Statement(&'static str),
    /// Said by somebody who is no approver.
    #[error("found {0} by another role than an approver's, wanted it by approvers only")]
    Approver(&'static str),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<P> {
    _type: String,
    predicate: P,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    subject: [Subject; 1],
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Subject {
    digest: DigestSet,
    name: String,
}

/// A digest as in-toto writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DigestSet {
    sha256: String,
}

impl From<Digest> for DigestSet {
    fn from(digest: Digest) -> Self {
        Self { sha256: digest.hex() }
    }
}

/// Signs a statement and returns its bundle.
///
/// # Errors
/// When the key does not sign.
pub fn sign<P: Predicate>(statement: Statement<P>, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    seal(statement, key, PrivateKey::sign)
}

/// As [`sign`], with another signature each time ([`PrivateKey::sign_once`]).
///
/// # Errors
/// When the key does not sign.
pub fn sign_once<P: Predicate>(statement: Statement<P>, key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    seal(statement, key, PrivateKey::sign_once)
}

fn seal<P: Predicate>(
    statement: Statement<P>,
    key: &PrivateKey,
    sign: fn(&PrivateKey, &[u8]) -> Result<Vec<u8>, KeyError>,
) -> Result<Vec<u8>, KeyError> {
    let payload = json::encode(&Wire {
        _type: STATEMENT_TYPE.to_owned(),
        predicate: statement.predicate,
        predicate_type: P::TYPE.to_owned(),
        subject: [Subject { digest: statement.subject.into(), name: statement.name }],
    });
    let signature = sign(key, &pre_authentication_encoding(&payload))?;
    Ok(Envelope { payload, signature, hint: key.public()?.id() }.encode())
}

impl Envelope {
    /// Reads a bundle's frame, and nothing else of it.
    ///
    /// # Errors
    /// When `bytes` are not exactly what [`sign`] writes.
    pub fn parse(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        let read = || {
            let [start, between, before_hint, end] = FRAME;
            let rest = std::str::from_utf8(bytes).ok()?.strip_prefix(start)?;
            let (payload, rest) = rest.split_once('"')?;
            let (signature, rest) = rest.strip_prefix(&between[1..])?.split_once('"')?;
            let (hint, rest) = rest.strip_prefix(&before_hint[1..])?.split_once('"')?;
            (rest == &end[1..]).then_some(())?;
            let hint: [u8; 32] = STANDARD.decode(hint).ok()?.try_into().ok()?;
            let envelope = Self {
                payload: STANDARD.decode(payload).ok()?,
                signature: STANDARD.decode(signature).ok()?,
                hint: Digest::from_bytes(hint),
            };
            (envelope.encode() == bytes).then_some(envelope)
        };
        read().ok_or(EnvelopeError::Form)
    }

    /// The id of the key that is said to have signed: where to look, not a proof.
    #[must_use]
    pub const fn hint(&self) -> Digest {
        self.hint
    }

    /// The statement, once the signature is verified with `key`.
    ///
    /// # Errors
    /// When `key` is not the one of the hint, the signature is not its, or the statement is of another kind.
    pub fn verify<P: Predicate>(&self, key: &PublicKey) -> Result<Statement<P>, EnvelopeError> {
        let message = pre_authentication_encoding(&self.payload);
        if key.id() != self.hint || !key.verifies(&message, &self.signature) {
            return Err(EnvelopeError::Signature(key.id()));
        }
        self.statement()
    }

    /// The statement without a check of the signature. Only for showing it, marked as unverified.
    ///
    /// # Errors
    /// When it is of another kind.
    pub fn unverified<P: Predicate>(&self) -> Result<Statement<P>, EnvelopeError> {
        self.statement()
    }

    fn statement<P: Predicate>(&self) -> Result<Statement<P>, EnvelopeError> {
        let other = || EnvelopeError::Statement(P::TYPE);
        let wire: Wire<P> = json::parse_canonical(&self.payload).map_err(|_| other())?;
        let [Subject { digest, name }] = wire.subject;
        if wire._type != STATEMENT_TYPE || wire.predicate_type != P::TYPE {
            return Err(other());
        }
        let subject = Digest::from_hex(&digest.sha256).map_err(|_| other())?;
        Ok(Statement { name, subject, predicate: wire.predicate })
    }

    fn encode(&self) -> Vec<u8> {
        let [start, between, before_hint, end] = FRAME;
        let (payload, signature) = (STANDARD.encode(&self.payload), STANDARD.encode(&self.signature));
        let hint = STANDARD.encode(self.hint.as_bytes());
        [start, &payload, between, &signature, before_hint, &hint, end].concat().into_bytes()
    }
}

/// What is signed: DSSE's pre-authentication encoding, version 1.
fn pre_authentication_encoding(payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {IN_TOTO} {} ", IN_TOTO.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Note {
        text: String,
    }

    impl Predicate for Note {
        const TYPE: &'static str = "https://example.test/note";
    }

    #[derive(Debug, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct OtherNote {
        text: String,
    }

    impl Predicate for OtherNote {
        const TYPE: &'static str = "https://example.test/other-note";
    }

    fn signed() -> (Vec<u8>, PublicKey, Statement<Note>) {
        let key = PrivateKey::generate().unwrap();
        let predicate = Note { text: "hello".into() };
        let statement = Statement { name: "a".into(), subject: Digest::of(b"a"), predicate };
        (sign(statement.clone(), &key).unwrap(), key.public().unwrap(), statement)
    }

    #[test]
    fn a_statement_reads_as_it_was_signed() {
        let (bytes, key, statement) = signed();
        let envelope = Envelope::parse(&bytes).unwrap();
        assert_eq!(envelope.verify::<Note>(&key).unwrap(), statement);
    }

    #[test]
    fn a_statement_of_another_kind_is_refused() {
        let (bytes, key, _) = signed();
        let error = Envelope::parse(&bytes).unwrap().verify::<OtherNote>(&key).unwrap_err();
        assert_eq!(error, EnvelopeError::Statement(OtherNote::TYPE));
    }

    #[test]
    fn every_changed_byte_is_refused() {
        let (bytes, key, _) = signed();
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                let accepted = Envelope::parse(&changed).and_then(|envelope| envelope.verify::<Note>(&key));
                assert!(accepted.is_err(), "byte {at} ^ {flip:#x}");
            }
        }
    }

    #[test]
    fn another_spelling_is_refused() {
        let (bytes, _, _) = signed();
        let text = String::from_utf8(bytes).unwrap();
        for (changed, why) in [
            (text.replace(":{", ": {"), "whitespace"),
            (format!("{text} "), "a trailing space"),
            (text.replace(r#"{"sig":"#, r#"{"keyid":"","sig":"#), "a key id"),
            (text.replace("}]}", "},{}]}"), "a second signature"),
        ] {
            assert_ne!(changed, text, "{why}");
            assert_eq!(Envelope::parse(changed.as_bytes()), Err(EnvelopeError::Form), "{why}");
        }
    }
}
