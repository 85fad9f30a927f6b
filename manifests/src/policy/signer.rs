//! Who must have signed, as a policy names them: an identity of a certificate, a key, or a certificate of OpenPGP.

use std::fmt;

use p256::pkcs8::der::Document;
use p256::pkcs8::spki::{ObjectIdentifier, SubjectPublicKeyInfoRef};
use regex::Regex;
use serde::Deserialize;

use crate::digest::Digest;
use crate::json;
use crate::openpgp::OpenPgpCertificate;
use crate::yaml::YamlError;

/// Longest issuer or identity, in bytes: both are URLs or mail addresses.
const TEXT_BYTES: usize = 2048;

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// A signer that a policy asks for.
#[derive(Debug, Clone)]
pub enum Signer {
    /// By a certificate that Sigstore gave to an identity.
    Keyless(Keyless),
    /// By a key.
    Key(Key),
    /// By a key of OpenPGP, in the provenance file of a chart.
    OpenPgp(Box<OpenPgpCertificate>),
}

/// An identity that signs with certificates of some minutes.
#[derive(Debug, Clone)]
pub struct Keyless {
    /// Who vouched for the identity: the OpenID issuer in the certificate, compared whole.
    pub issuer: String,
    /// The identity in the certificate.
    pub identity: Identity,
    /// The one trusted root that counts; none means any that the policy names.
    pub trusted_root: Option<Digest>,
    /// Whether a signature must be in a transparency log. Where it need not, a timestamp authority of the trusted root
    /// has to say when it was made.
    pub log: LogRule,
    /// Whether a certificate must have been submitted to a log of certificate transparency, which a signed certificate
    /// timestamp in it shows.
    pub sct: LogRule,
}

/// An identity, or a regular expression of identities.
#[derive(Debug, Clone)]
pub struct Identity {
    text: String,
    pattern: Option<Regex>,
}

/// A public key, and whether its signatures must be in a transparency log.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    der: Vec<u8>,
    algorithm: KeyAlgorithm,
    log: LogRule,
}

/// The kinds of keys that signatures of upstream are made with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyAlgorithm {
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// Ed25519.
    Ed25519,
    /// RSA, of 2048 to 8192 bits.
    Rsa,
}

/// Whether something must be in a log that anybody can watch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogRule {
    /// In a log of a trusted root that the policy names.
    #[default]
    Required,
    /// It may be in none: a signer without a network, or a Sigstore of one's own.
    NotRequired,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct KeylessSpec {
    issuer: String,
    identity: String,
    #[serde(default)]
    trusted_root: Option<Digest>,
    #[serde(default)]
    log: LogRule,
    #[serde(default)]
    sct: LogRule,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySpec {
    pem: String,
    log: LogRule,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OpenPgpSpec {
    certificate: String,
}

impl Signer {
    /// The signer of a place that has one of them.
    pub(super) fn read(
        keyless: Option<KeylessSpec>,
        key: Option<KeySpec>,
        openpgp: Option<OpenPgpSpec>,
    ) -> Result<Self, YamlError> {
        match (keyless, key, openpgp) {
            (Some(spec), None, None) => Keyless::read(spec).map(Self::Keyless),
            (None, Some(spec), None) => Key::read(&spec).map(Self::Key),
            (None, None, Some(spec)) => OpenPgpCertificate::parse(&spec.certificate)
                .map(|certificate| Self::OpenPgp(Box::new(certificate)))
                .map_err(|error| YamlError::Rule(format!("openpgp: {error}"))),
            _ => Err(YamlError::Rule(
                "found several or none, wanted one of keyless and key, or for charts openpgp".to_owned(),
            )),
        }
    }

    /// Whether it can only be found good with a trusted root.
    #[must_use]
    pub fn needs_root(&self) -> bool {
        match self {
            Self::Keyless(_) => true,
            Self::Key(key) => key.log == LogRule::Required,
            Self::OpenPgp(_) => false,
        }
    }
}

impl fmt::Display for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyless(keyless) => write!(formatter, "{} ({})", keyless.identity, keyless.issuer),
            Self::Key(key) => write!(formatter, "the key {}", key.id()),
            Self::OpenPgp(certificate) => {
                write!(formatter, "the OpenPGP key {}", certificate.fingerprint())
            }
        }
    }
}

impl Keyless {
    fn read(spec: KeylessSpec) -> Result<Self, YamlError> {
        check_text("an issuer", &spec.issuer)?;
        let identity = Identity::parse(&spec.identity)?;
        let KeylessSpec { issuer, trusted_root, log, sct, .. } = spec;
        if trusted_root.is_none() && [log, sct].contains(&LogRule::NotRequired) {
            // Without a name the public Sigstore would be held to less as well.
            let message = "found log or sct notRequired without a trustedRoot, wanted the root of the Sigstore that keeps no such log";
            return Err(YamlError::Rule(message.to_owned()));
        }
        Ok(Self { issuer, identity, trusted_root, log, sct })
    }
}

impl Identity {
    /// An identity as policies write it: the exact text, or a regular expression when it begins with `^`. The
    /// expression is always compared with the whole, as `^(?:...)$`: one without its `$` would else accept
    /// every identity that begins alike.
    ///
    /// # Errors
    /// When it is empty, too long or no regular expression.
    pub fn parse(text: &str) -> Result<Self, YamlError> {
        check_text("an identity", text)?;
        let pattern = text.starts_with('^').then(|| anchored(text)).transpose()?;
        Ok(Self { text: text.to_owned(), pattern })
    }

    /// Whether a certificate's identity is this one.
    #[must_use]
    pub fn matches(&self, found: &str) -> bool {
        self.pattern.as_ref().map_or(self.text == found, |pattern| pattern.is_match(found))
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// Read alone first: `^a)|(?:b$` is no expression, but would be one inside the anchors, and outside of them.
fn anchored(text: &str) -> Result<Regex, YamlError> {
    Regex::new(text).and_then(|_| Regex::new(&format!("^(?:{text})$"))).map_err(|_| {
        let text = json::shortened(text);
        YamlError::Rule(format!("found the identity {text:?}, wanted a regular expression after its ^"))
    })
}

fn check_text(what: &str, text: &str) -> Result<(), YamlError> {
    let is_good = !text.is_empty()
        && text.len() <= TEXT_BYTES
        && !text.chars().any(char::is_control)
        && text.trim() == text;
    if is_good {
        return Ok(());
    }
    let text = json::shortened(text);
    Err(YamlError::Rule(format!("found {what} {text:?}, wanted visible text of at most {TEXT_BYTES} bytes")))
}

impl Key {
    fn read(spec: &KeySpec) -> Result<Self, YamlError> {
        let wanted = "wanted -----BEGIN PUBLIC KEY----- of ECDSA P-256 or P-384, Ed25519 or RSA";
        let other = |found: &str| YamlError::Rule(format!("found {found}, {wanted}"));
        let (label, document) = Document::from_pem(spec.pem.trim()).map_err(|_| other("no key in PEM"))?;
        if label != "PUBLIC KEY" {
            return Err(other(&format!("a PEM document {:?}", json::shortened(label))));
        }
        let algorithm = algorithm(document.as_bytes()).ok_or_else(|| other("a key of another kind"))?;
        Ok(Self { der: document.as_bytes().to_vec(), algorithm, log: spec.log })
    }

    /// The key's DER encoding (SubjectPublicKeyInfo).
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The SHA-256 of the DER encoding: what two people compare by voice.
    #[must_use]
    pub fn id(&self) -> Digest {
        Digest::of(&self.der)
    }

    /// What kind of key it is.
    #[must_use]
    pub const fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// Whether its signatures must be in a log.
    #[must_use]
    pub const fn log(&self) -> LogRule {
        self.log
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({}, {:?}, {:?})", self.id(), self.algorithm, self.log)
    }
}

fn algorithm(der: &[u8]) -> Option<KeyAlgorithm> {
    let info = SubjectPublicKeyInfoRef::try_from(der).ok()?;
    match info.algorithm.oid {
        ED25519 => Some(KeyAlgorithm::Ed25519),
        RSA => Some(KeyAlgorithm::Rsa),
        EC => match info.algorithm.parameters_oid().ok()? {
            P256 => Some(KeyAlgorithm::EcdsaP256),
            P384 => Some(KeyAlgorithm::EcdsaP384),
            _ => None,
        },
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(identity: &str, found: &str) -> bool {
        Identity::parse(identity).unwrap().matches(found)
    }

    #[test]
    fn an_identity_is_compared_whole() {
        let release = "https://github.com/demo/web/.github/workflows/release.yml@refs/tags/1.0";
        for (identity, is_it, why) in [
            (release, true, "the exact text"),
            ("https://github.com/demo/web", false, "a beginning of it"),
            ("https://github.com/demo/web/.*", false, "an expression that does not begin with ^"),
            (r"^https://github\.com/demo/web/.*$", true, "an expression"),
            (r"^https://github\.com/demo/web/.*", true, "one without its $"),
            ("^https://github.com/demo/web/", false, "an expression is anchored at its end too"),
            ("^https://github.com/demo/web/|x", false, "so is each of its branches"),
            ("^x|https://github.com/demo/web/", false, "so is each of its branches"),
            ("^HTTPS://GITHUB.COM/demo/.*$", false, "upper case"),
        ] {
            assert_eq!(matches(identity, release), is_it, "{why}: {identity}");
        }
        assert!(!matches("^a$", "a\n"), "an end of a line is no end of the text");
    }

    #[test]
    fn what_is_no_identity_is_refused() {
        let long = "a".repeat(TEXT_BYTES + 1);
        for (text, why) in [
            ("", "empty"),
            ("a\nb", "two lines"),
            (" a", "space around it"),
            ("^a)|(?:b$", "would close the anchor's group"),
            ("^(?x) a # comment", "would hide the anchor in a comment"),
            ("^[", "no expression"),
            (long.as_str(), "too long"),
        ] {
            assert!(Identity::parse(text).is_err(), "{why}: {text:?}");
        }
    }
}
