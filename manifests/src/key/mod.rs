//! ECDSA P-256 keys: the preparers', approvers' and sites' own. Cosign key pairs work as well.
//!
//! Private keys stand in PEM: PKCS#8 (`PRIVATE KEY`), or cosign's encrypted form (`ENCRYPTED SIGSTORE
//! PRIVATE KEY`: JSON with scrypt and NaCl secretbox around the PKCS#8 bytes). Or they stand where nobody reads them,
//! in a token say, and somebody else signs: [`Signer`].

mod encrypted;
mod hedged;

use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};

use self::hedged::Hedged;
use crate::digest::Digest;

/// Why something is not a key that Airgap can use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not a PEM document with one of the expected labels.
    #[error("found no key in PEM, wanted {0}")]
    Form(&'static str),
    /// A key, but of another kind.
    #[error("found a key of another kind, wanted ECDSA P-256: make one with `airgap-bundle keygen`")]
    Kind,
    /// The key is encrypted and no password was given.
    #[error("found an encrypted key and no password: set AIRGAP_KEY_PASSWORD or COSIGN_PASSWORD")]
    PasswordMissing,
    /// The password does not open the key.
    #[error("the password does not open the key, or the key file is damaged")]
    PasswordWrong,
    /// Parameters of the key derivation that no real file has; they would cost the reader its memory.
    #[error(
        "found an encrypted key with unknown parameters, wanted scrypt and nacl/secretbox as cosign writes them"
    )]
    Parameters,
    /// No randomness from the operating system.
    #[error("found no randomness: {0}")]
    Random(String),
    /// Whoever holds the private key did not sign.
    #[error("{0}")]
    Signer(String),
    /// What the holder of a private key signed is not by the public key that was given with it.
    #[error("found a signature that the public key does not verify, wanted the two halves of one pair")]
    Pair,
    /// The private key is not here to be written.
    #[error("found a key that does not leave the place where it is, wanted one that can be written")]
    Elsewhere,
}

/// A public key, with its one DER encoding (SubjectPublicKeyInfo).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: Digest,
}

/// A private key. It appears in no output.
pub struct PrivateKey(Held);

enum Held {
    Here(SigningKey, Hedged),
    Elsewhere(PublicKey, Box<dyn Signer>),
}

/// Whoever holds a private key that is not handed out.
pub trait Signer: Send + Sync {
    /// An ECDSA signature over the SHA-256 of `message`, in DER ([`der`] makes it of r and s), with either s.
    ///
    /// # Errors
    /// Why there is none, for whoever asked for it.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String>;
}

/// What a new pair signs to show that it is one. No other message that is signed begins like this.
const TRIAL: &[u8] = b"airgap: do these two keys belong together?";

/// A signature as tokens give it, r and s in 32 bytes each, in DER.
///
/// # Errors
/// When it is not two numbers of the group.
pub fn der(numbers: &[u8]) -> Result<Vec<u8>, KeyError> {
    let signature = Signature::from_slice(numbers).map_err(|_| KeyError::Kind)?;
    Ok(signature.to_der().as_bytes().to_vec())
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`.
    ///
    /// # Errors
    /// When it is not PEM or not a P-256 key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        if !pem.contains("-----BEGIN PUBLIC KEY-----") {
            return Err(KeyError::Form("-----BEGIN PUBLIC KEY-----"));
        }
        let key = VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| KeyError::Kind)?;
        Self::from_key(key)
    }

    /// Reads the point of the curve: 4 and both coordinates (SEC 1, uncompressed).
    ///
    /// # Errors
    /// When it is no point of P-256.
    pub fn from_point(point: &[u8]) -> Result<Self, KeyError> {
        Self::from_key(VerifyingKey::from_sec1_bytes(point).map_err(|_| KeyError::Kind)?)
    }

    fn from_key(key: VerifyingKey) -> Result<Self, KeyError> {
        let der = key.to_public_key_der().map_err(|_| KeyError::Kind)?;
        Ok(Self { key, id: Digest::of(der.as_bytes()) })
    }

    /// The key in PEM, as every tool of the field reads it.
    ///
    /// # Errors
    /// When it cannot be encoded, which no valid key causes.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        self.key.to_public_key_pem(p256::pkcs8::LineEnding::LF).map_err(|_| KeyError::Kind)
    }

    /// The SHA-256 of the key's DER encoding: what two people compare by voice.
    #[must_use]
    pub const fn id(&self) -> Digest {
        self.id
    }

    /// Whether `signature` (DER, low S) is this key's over `message`. One message has one valid encoding
    /// of each signature: the mirrored one (r, n-s) and longer DER are refused.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(parsed) = Signature::from_der(signature) else { return false };
        let is_canonical = parsed.normalize_s() == parsed && parsed.to_der().as_bytes() == signature;
        is_canonical && self.key.verify(message, &parsed).is_ok()
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "PublicKey({})", self.id)
    }
}

impl PrivateKey {
    /// A new key from the operating system's randomness.
    ///
    /// # Errors
    /// When there is none.
    pub fn generate() -> Result<Self, KeyError> {
        loop {
            // A scalar outside the group's order has a chance of 2^-32; then the next one is taken.
            if let Ok(key) = SigningKey::from_slice(&random::<32>()?) {
                return Ok(key.into());
            }
        }
    }

    /// Reads a private key in PEM; `password` is asked for only when the key is encrypted.
    ///
    /// # Errors
    /// When it is not a key, of another kind, or the password is missing or wrong.
    pub fn from_pem(pem: &str, password: impl FnOnce() -> Option<String>) -> Result<Self, KeyError> {
        let pem = pem.trim();
        if encrypted::is_one(pem) {
            let password = password().ok_or(KeyError::PasswordMissing)?;
            let der = encrypted::open(pem, &password)?;
            return SigningKey::from_pkcs8_der(&der).map(Self::from).map_err(|_| KeyError::Kind);
        }
        if !pem.starts_with("-----BEGIN PRIVATE KEY-----") {
            return Err(KeyError::Form("-----BEGIN PRIVATE KEY----- (PKCS#8) or a key of cosign's"));
        }
        SigningKey::from_pkcs8_pem(pem).map(Self::from).map_err(|_| KeyError::Kind)
    }

    /// A key whose private half is held by `signer`. The two are tried on each other.
    ///
    /// # Errors
    /// When it does not sign, or for another public key.
    pub fn elsewhere(public: PublicKey, signer: Box<dyn Signer>) -> Result<Self, KeyError> {
        let key = Self(Held::Elsewhere(public, signer));
        key.sign(TRIAL)?;
        Ok(key)
    }

    /// The key in PEM without encryption.
    ///
    /// # Errors
    /// When it is not here.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = self.here()?.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).map_err(|_| KeyError::Kind)?;
        Ok(pem.to_string())
    }

    /// The key in PEM as cosign encrypts it.
    ///
    /// # Errors
    /// When it is not here, or the operating system has no randomness.
    pub fn to_encrypted_pem(&self, password: &str) -> Result<String, KeyError> {
        let der = self.here()?.to_pkcs8_der().map_err(|_| KeyError::Kind)?;
        encrypted::seal(der.as_bytes(), password)
    }

    fn here(&self) -> Result<&SigningKey, KeyError> {
        match &self.0 {
            Held::Here(key, _) => Ok(key),
            Held::Elsewhere(..) => Err(KeyError::Elsewhere),
        }
    }

    /// The public half.
    ///
    /// # Errors
    /// When it cannot be encoded, which no valid key causes.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        match &self.0 {
            Held::Here(key, _) => PublicKey::from_key(*key.verifying_key()),
            Held::Elsewhere(public, _) => Ok(public.clone()),
        }
    }

    /// Whether a message has the same signature each time (RFC 6979). With a key that is held elsewhere nobody knows.
    #[must_use]
    pub const fn repeats(&self) -> bool {
        matches!(self.0, Held::Here(..))
    }

    /// The signature over `message`: low S, DER. One that was made elsewhere is verified before anybody uses it.
    ///
    /// # Errors
    /// When the key is held elsewhere, and its holder does not sign or signs with another key. A key that is here signs
    /// always.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Held::Here(key, _) => Ok(low(p256::ecdsa::signature::Signer::<Signature>::sign(key, message))),
            Held::Elsewhere(public, signer) => {
                let made = signer.sign(message).map_err(KeyError::Signer)?;
                let signature = low(Signature::from_der(&made).map_err(|_| KeyError::Pair)?);
                if public.verifies(message, &signature) { Ok(signature) } else { Err(KeyError::Pair) }
            }
        }
    }

    /// As [`PrivateKey::sign`], for what nobody signs a second time to compare: it need not [repeat](Self::repeats),
    /// and takes a fifth of the time.
    ///
    /// # Errors
    /// As [`PrivateKey::sign`].
    pub fn sign_once(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match &self.0 {
            Held::Here(key, hedged) => {
                hedged.sign(key, message).map_or_else(|| self.sign(message), |signature| Ok(low(signature)))
            }
            Held::Elsewhere(..) => self.sign(message),
        }
    }
}

/// In DER, with the lower s of the two: one message has one valid encoding of each signature.
fn low(signature: Signature) -> Vec<u8> {
    DerSignature::from(signature.normalize_s()).as_bytes().to_vec()
}

impl From<SigningKey> for PrivateKey {
    fn from(key: SigningKey) -> Self {
        Self(Held::Here(key, Hedged::default()))
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PrivateKey")
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| KeyError::Random(error.to_string()))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_two_files() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let plain = PrivateKey::from_pem(&key.to_pem().unwrap(), || None).unwrap();
        let encrypted = key.to_encrypted_pem("correct horse").unwrap();
        let opened = PrivateKey::from_pem(&encrypted, || Some("correct horse".into())).unwrap();
        for key in [plain, opened] {
            assert!(public.verifies(b"message", &key.sign(b"message").unwrap()));
        }
        let wrong = PrivateKey::from_pem(&encrypted, || Some("battery staple".into()));
        assert_eq!(wrong.unwrap_err(), KeyError::PasswordWrong);
        assert_eq!(PrivateKey::from_pem(&encrypted, || None).unwrap_err(), KeyError::PasswordMissing);
        assert_eq!(PublicKey::from_pem(&public.to_pem().unwrap()).unwrap(), public);
    }

    #[test]
    fn only_the_one_encoding_of_a_signature_is_accepted() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let good = key.sign(b"message").unwrap();
        assert!(public.verifies(b"message", &good));
        assert!(!public.verifies(b"another message", &good), "the message is signed");

        let signature = Signature::from_der(&good).unwrap();
        let (r, s) = signature.split_scalars();
        let mirrored = Signature::from_scalars(r.to_bytes(), (-*s).to_bytes()).unwrap();
        assert!(public.key.verify(b"message", &mirrored).is_ok(), "stock verifiers accept the mirrored one");
        assert!(!public.verifies(b"message", mirrored.to_der().as_bytes()), "the mirrored signature");
        assert!(!public.verifies(b"message", &[good.as_slice(), &[0]].concat()), "a trailing byte");
    }

    #[test]
    fn what_is_signed_once_verifies_and_is_another_signature_each_time() {
        let key = PrivateKey::generate().unwrap();
        let public = key.public().unwrap();
        let made: Vec<Vec<u8>> = (0..32).map(|_| key.sign_once(b"message").unwrap()).collect();
        assert!(made.iter().all(|signature| public.verifies(b"message", signature)), "low s, in DER");
        assert!(!public.verifies(b"another", &made[0]));
        assert_ne!(made[0], made[1], "the nonce is drawn");
        assert_eq!(key.sign(b"message"), key.sign(b"message"));
    }

    #[test]
    fn other_keys_are_refused() {
        assert!(matches!(PublicKey::from_pem("hello"), Err(KeyError::Form(_))));
        let rsa = "-----BEGIN RSA PRIVATE KEY-----\nMII=\n-----END RSA PRIVATE KEY-----";
        assert!(matches!(PrivateKey::from_pem(rsa, || None), Err(KeyError::Form(_))));
    }

    /// Holds a key as a token does: it gives r and s, and s as it comes.
    struct Token {
        key: SigningKey,
        is_high: bool,
    }

    impl Signer for Token {
        fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
            let signature: Signature = p256::ecdsa::signature::Signer::sign(&self.key, message);
            let (r, s) = signature.normalize_s().split_scalars();
            let s = if self.is_high { -*s } else { *s };
            der(&Signature::from_scalars(r.to_bytes(), s.to_bytes()).unwrap().to_bytes())
                .map_err(|e| e.to_string())
        }
    }

    struct Gone;

    impl Signer for Gone {
        fn sign(&self, _: &[u8]) -> Result<Vec<u8>, String> {
            Err("the token was taken out".to_owned())
        }
    }

    fn signing_key() -> SigningKey {
        SigningKey::from_slice(&random::<32>().unwrap()).unwrap()
    }

    #[test]
    fn a_key_that_is_held_elsewhere_signs_in_the_one_form() {
        for is_high in [false, true] {
            let key = signing_key();
            let point = key.verifying_key().to_sec1_point(false);
            let public = PublicKey::from_point(point.as_bytes()).unwrap();
            let key = PrivateKey::elsewhere(public.clone(), Box::new(Token { key, is_high })).unwrap();
            assert!(public.verifies(b"message", &key.sign(b"message").unwrap()), "high s: {is_high}");
            assert_eq!(key.public().unwrap(), public);
            assert!(!key.repeats());
            assert_eq!(key.to_pem().unwrap_err(), KeyError::Elsewhere);
        }
    }

    #[test]
    fn halves_of_two_pairs_are_found_before_anything_is_signed() {
        let other = PrivateKey::generate().unwrap().public().unwrap();
        let token = Box::new(Token { key: signing_key(), is_high: false });
        assert_eq!(PrivateKey::elsewhere(other.clone(), token).unwrap_err(), KeyError::Pair);
        let gone = PrivateKey::elsewhere(other, Box::new(Gone)).unwrap_err();
        assert_eq!(gone, KeyError::Signer("the token was taken out".to_owned()));
        assert_eq!(der(&[0; 64]), Err(KeyError::Kind), "no signature has the number 0");
        assert_eq!(der(&[1; 63]), Err(KeyError::Kind));
        assert_eq!(PublicKey::from_point(&[4; 65]).unwrap_err(), KeyError::Kind, "not on the curve");
    }
}
