//! OpenPGP certificates, and texts that were signed by them (RFC 9580, the cleartext signature framework).
//!
//! Upstream signs with OpenPGP what is older than Sigstore: the provenance files of charts. The library says which keys
//! of a certificate may sign, when they ended and whether they were revoked; nothing here reads the clock.

use std::fmt;

use pgp::composed::{CleartextSignedMessage, SignedPublicKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::KeyDetails as _;
use rpgpie::certificate::{Certificate, Checked};
use rpgpie::signature::signature_acceptable;

use crate::json;
use crate::timestamp::Timestamp;

/// How an armored certificate begins.
const ARMOR: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Most signatures of one text. More than some people never sign one file.
const SIGNATURES: usize = 16;

/// Longest text with signatures, in bytes, and most lines. Real provenance files have some thousand bytes; the library's time grows
/// with the product of both, and the text may be anybody's.
const TEXT_BYTES: usize = 128 * 1024;
const LINES: usize = 2_000;

/// A certificate: a primary key, whose it is, and the subkeys that it vouches for.
#[derive(Clone)]
pub struct OpenPgpCertificate {
    checked: Checked,
    fingerprint: String,
}

/// A text with signatures, of which nothing is believed yet.
#[derive(Debug, Clone)]
pub struct SignedText {
    message: CleartextSignedMessage,
}

/// Why a certificate or a signed text does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenPgpError {
    /// No certificate, or several.
    #[error("found {0}, wanted one {ARMOR}")]
    Certificate(String),
    /// No text in the cleartext signature framework.
    #[error("found no text with OpenPGP signatures: {0}")]
    Text(String),
    /// A text that is longer than any chart's.
    #[error(
        "found a text of {bytes} bytes in {lines} lines, wanted at most {TEXT_BYTES} bytes in {LINES} lines"
    )]
    Long {
        /// How many bytes.
        bytes: usize,
        /// How many lines.
        lines: usize,
    },
    /// More signatures than anybody makes.
    #[error("found {0} OpenPGP signatures, wanted 1 to {SIGNATURES}")]
    Count(usize),
    /// Other bytes or another signer.
    #[error("the signature does not verify with the OpenPGP key {0}")]
    OtherKey(String),
    /// A good signature that the certificate does not stand for.
    #[error(
        "found a signature of {at} by the OpenPGP key {key} while that could not sign: it was not made yet, had ended, was revoked, or is not for signing"
    )]
    NotValid {
        /// The certificate.
        key: String,
        /// When it was made, by its own word.
        at: String,
    },
    /// A good signature that does not last.
    #[error("found a signature of {at} with an end, wanted one that still counts years later")]
    Ends {
        /// When it was made, by its own word.
        at: String,
    },
    /// A good signature whose bytes others may have chosen.
    #[error(
        "found a signature of kind {0}, wanted one of a text or of bytes over SHA-256, SHA-384 or SHA-512"
    )]
    Weak(String),
}

impl OpenPgpCertificate {
    /// Reads one armored certificate.
    ///
    /// # Errors
    /// When it is none, a private key, or more than one.
    pub fn parse(armored: &str) -> Result<Self, OpenPgpError> {
        let other = |found: String| OpenPgpError::Certificate(found);
        if !armored.trim_start().starts_with(ARMOR) {
            return Err(other("no armored OpenPGP certificate".to_owned()));
        }
        let read = Certificate::load(&mut armored.trim_start().as_bytes());
        let read = read.map_err(|error| other(format!("a certificate that cannot be read ({error})")))?;
        let count = armored.matches(ARMOR).count().max(read.len());
        let (Some(certificate), 1) = (read.into_iter().next(), count) else {
            return Err(other(format!("{count} certificates")));
        };
        let fingerprint = format!("{:X}", certificate.fingerprint());
        let given = revocations(&SignedPublicKey::from(certificate.clone()));
        let checked = Checked::from(certificate);
        // What does not verify, or is over SHA-1, is left out by the library: then the key would count again.
        if revocations(checked.as_signed_public_key()) < given {
            return Err(other(
                "a certificate with a revocation that cannot be verified or is over a weak hash".to_owned(),
            ));
        }
        Ok(Self { checked, fingerprint })
    }

    /// The fingerprint of its primary key, in upper case hexadecimal: what two people compare by voice.
    #[must_use]
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// The text, as it was signed, and the moment of the signature by its own word, where one of the signatures is by a
    /// key that this certificate vouches for, and that could sign at that moment.
    ///
    /// # Errors
    /// When none is.
    pub fn verify(&self, text: &SignedText) -> Result<(String, Timestamp), OpenPgpError> {
        let bytes = text.unverified();
        let mut failure = OpenPgpError::OtherKey(self.fingerprint.clone());
        for signature in text.message.signatures() {
            match self.verify_one(signature, bytes.as_bytes()) {
                Ok(at) => return Ok((bytes, at)),
                Err(OpenPgpError::OtherKey(_)) => {}
                Err(error) => failure = error,
            }
        }
        Err(failure)
    }

    fn verify_one(&self, signature: &Signature, bytes: &[u8]) -> Result<Timestamp, OpenPgpError> {
        let other = || OpenPgpError::OtherKey(self.fingerprint.clone());
        let at = signature.created().ok_or_else(other)?;
        // The library takes a self-signature that was renewed since for good from the key's making on.
        let able = self.checked.valid_signing_capable_component_keys_at(at);
        let is_good = able.iter().any(|key| signature.verify(key.as_componentkey(), bytes).is_ok());
        let moment = Timestamp::from_unix(at.as_secs().into()).ok_or_else(other)?;
        if !is_good {
            let was_ever = self.signs(signature, bytes);
            let (key, at) = (self.fingerprint.clone(), moment.to_string());
            return Err(if was_ever { OpenPgpError::NotValid { key, at } } else { other() });
        }
        if signature.signature_expiration_time().is_some_and(|duration| duration.as_secs() != 0) {
            return Err(OpenPgpError::Ends { at: moment.to_string() });
        }
        if !is_strong(signature) {
            let kind = format!("{:?} over {:?}", signature.typ(), signature.hash_alg());
            return Err(OpenPgpError::Weak(kind));
        }
        Ok(moment)
    }

    /// Whether any key of the certificate made a signature, able to or not.
    fn signs(&self, signature: &Signature, bytes: &[u8]) -> bool {
        let keys = self.checked.as_signed_public_key();
        signature.verify(&keys.primary_key, bytes).is_ok()
            || keys.public_subkeys.iter().any(|key| signature.verify(&key.key, bytes).is_ok())
    }
}

/// How many signatures of a certificate revoke it, or a key or user of it.
fn revocations(certificate: &SignedPublicKey) -> usize {
    let details = &certificate.details;
    let users = details.users.iter().flat_map(|user| &user.signatures);
    let subkeys = certificate.public_subkeys.iter().flat_map(|key| &key.signatures);
    let all = details.revocation_signatures.iter().chain(&details.direct_signatures);
    // What others take back is what they said of it, unless they take the key itself back: it may have named them for that.
    let (fingerprint, id) = (certificate.fingerprint(), certificate.legacy_key_id());
    let is_own = |signature: &Signature| {
        signature.issuer_fingerprint().iter().all(|found| **found == fingerprint)
            && signature.issuer_key_id().iter().all(|found| **found == id)
    };
    let counts = |signature: &&Signature| {
        revokes(signature) && (signature.typ() == Some(SignatureType::KeyRevocation) || is_own(signature))
    };
    all.chain(users).chain(subkeys).filter(counts).count()
}

fn revokes(signature: &Signature) -> bool {
    let kinds =
        [SignatureType::KeyRevocation, SignatureType::CertRevocation, SignatureType::SubkeyRevocation];
    signature.typ().is_some_and(|kind| kinds.contains(&kind))
}

/// Two signatures over SHA-1 may be made of texts that differ; and a signature of a key or a user is none of a text.
fn is_strong(signature: &Signature) -> bool {
    let hashes = [HashAlgorithm::Sha256, HashAlgorithm::Sha384, HashAlgorithm::Sha512];
    let kinds = [SignatureType::Binary, SignatureType::Text];
    signature.hash_alg().is_some_and(|found| hashes.contains(&found))
        && signature.typ().is_some_and(|found| kinds.contains(&found))
        && signature_acceptable(signature)
}

impl SignedText {
    /// Reads a text that stands between its armor lines, with its signatures behind it, and nothing around them.
    ///
    /// # Errors
    /// When it is none, or has too many signatures.
    pub fn parse(bytes: &[u8]) -> Result<Self, OpenPgpError> {
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
        if bytes.len() > TEXT_BYTES || lines > LINES {
            return Err(OpenPgpError::Long { bytes: bytes.len(), lines });
        }
        let malformed = |error: String| OpenPgpError::Text(json::shortened(&error));
        let text = std::str::from_utf8(bytes).map_err(|error| malformed(error.to_string()))?;
        let read = CleartextSignedMessage::from_string(text);
        let (message, _) = read.map_err(|error| malformed(error.to_string()))?;
        match message.signatures().len() {
            1..=SIGNATURES => Ok(Self { message }),
            found => Err(OpenPgpError::Count(found)),
        }
    }

    /// The text as it would be signed: its lines end with a carriage return and a line feed, without spaces before them.
    #[must_use]
    pub fn unverified(&self) -> String {
        self.message.signed_text()
    }

    /// Who signed first, by the signature's own word: a fingerprint, or the shorter id of a key, in upper case hexadecimal.
    #[must_use]
    pub fn claimed_key(&self) -> Option<String> {
        let signature = self.message.signatures().first()?;
        let fingerprint = signature.issuer_fingerprint().first().map(|found| format!("{found:X}"));
        fingerprint.or_else(|| signature.issuer_key_id().first().map(|id| id.to_string().to_uppercase()))
    }
}

impl fmt::Debug for OpenPgpCertificate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "OpenPgpCertificate({})", self.fingerprint)
    }
}

#[cfg(test)]
mod tests;
