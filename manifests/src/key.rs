//! ECDSA P-256 keys: the preparers', approvers' and sites' own. Cosign key pairs work as well.
//!
//! Private keys stand in PEM: PKCS#8 (`PRIVATE KEY`), or cosign's encrypted form (`ENCRYPTED SIGSTORE
//! PRIVATE KEY`: JSON with scrypt and NaCl secretbox around the PKCS#8 bytes).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use p256::ecdsa::signature::{Signer as _, Verifier as _};
use p256::ecdsa::{DerSignature, Signature, SigningKey, VerifyingKey};
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, EncodePublicKey as _};
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::json;

const ENCRYPTED_LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// The scrypt cost that cosign writes today; reading takes what the file says, within bounds.
const SCRYPT_LOG_N: u8 = 16;

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
}

/// A public key, with its one DER encoding (SubjectPublicKeyInfo).
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
    id: Digest,
}

/// A private key. It appears in no output.
pub struct PrivateKey(SigningKey);

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
                return Ok(Self(key));
            }
        }
    }

    /// Reads a private key in PEM; `password` is asked for only when the key is encrypted.
    ///
    /// # Errors
    /// When it is not a key, of another kind, or the password is missing or wrong.
    pub fn from_pem(pem: &str, password: impl FnOnce() -> Option<String>) -> Result<Self, KeyError> {
        let pem = pem.trim();
        if ENCRYPTED_LABELS.iter().any(|label| pem.starts_with(&format!("-----BEGIN {label}-----"))) {
            let password = password().ok_or(KeyError::PasswordMissing)?;
            let der = decrypt(&pem_body(pem)?, password.as_bytes())?;
            return SigningKey::from_pkcs8_der(&der).map(Self).map_err(|_| KeyError::Kind);
        }
        if !pem.starts_with("-----BEGIN PRIVATE KEY-----") {
            return Err(KeyError::Form("-----BEGIN PRIVATE KEY----- (PKCS#8) or a key of cosign's"));
        }
        SigningKey::from_pkcs8_pem(pem).map(Self).map_err(|_| KeyError::Kind)
    }

    /// The key in PEM without encryption.
    ///
    /// # Errors
    /// When it cannot be encoded, which no valid key causes.
    pub fn to_pem(&self) -> Result<String, KeyError> {
        let pem = self.0.to_pkcs8_pem(p256::pkcs8::LineEnding::LF).map_err(|_| KeyError::Kind)?;
        Ok(pem.to_string())
    }

    /// The key in PEM as cosign encrypts it.
    ///
    /// # Errors
    /// When the operating system has no randomness.
    pub fn to_encrypted_pem(&self, password: &str) -> Result<String, KeyError> {
        let der = self.0.to_pkcs8_der().map_err(|_| KeyError::Kind)?;
        let body = STANDARD.encode(encrypt(der.as_bytes(), password.as_bytes())?);
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
        let [label, _] = ENCRYPTED_LABELS;
        Ok(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
    }

    /// The public half.
    ///
    /// # Errors
    /// When it cannot be encoded, which no valid key causes.
    pub fn public(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_key(*self.0.verifying_key())
    }

    /// The signature over `message`: deterministic (RFC 6979), low S, DER.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        DerSignature::from(signature.normalize_s()).as_bytes().to_vec()
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("PrivateKey")
    }
}

/// What stands inside cosign's PEM.
#[derive(Serialize, Deserialize)]
struct Encrypted {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
struct Derivation {
    name: String,
    params: Scrypt,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[expect(non_snake_case, reason = "the name of cosign's field")]
struct Scrypt {
    N: u64,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

fn pem_body(pem: &str) -> Result<Vec<u8>, KeyError> {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).map(str::trim).collect();
    STANDARD.decode(body).map_err(|_| KeyError::Form("base64 between the lines of the PEM"))
}

fn secret_box(password: &[u8], salt: &[u8], log_n: u8) -> Result<XSalsa20Poly1305, KeyError> {
    let parameters = scrypt::Params::new(log_n, 8, 1).map_err(|_| KeyError::Parameters)?;
    let mut key = [0; 32];
    scrypt::scrypt(password, salt, &parameters, &mut key).map_err(|_| KeyError::Parameters)?;
    Ok(XSalsa20Poly1305::new(Key::from_slice(&key)))
}

fn decrypt(body: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyError> {
    let file: Encrypted = json::parse(body).map_err(|_| KeyError::Parameters)?;
    let decode = |text: &str| STANDARD.decode(text).map_err(|_| KeyError::Parameters);
    let (salt, nonce, ciphertext) =
        (decode(&file.kdf.salt)?, decode(&file.cipher.nonce)?, decode(&file.ciphertext)?);
    // 2^15 is what older cosign wrote; much more would be an attack on the reader's memory.
    let log_n = match file.kdf.params.N {
        32_768 => 15,
        65_536 => 16,
        _ => return Err(KeyError::Parameters),
    };
    let is_known = file.kdf.name == "scrypt" && file.cipher.name == "nacl/secretbox";
    if !is_known || (file.kdf.params.r, file.kdf.params.p) != (8, 1) || nonce.len() != 24 {
        return Err(KeyError::Parameters);
    }
    let opened = secret_box(password, &salt, log_n)?;
    opened.decrypt(Nonce::from_slice(&nonce), ciphertext.as_slice()).map_err(|_| KeyError::PasswordWrong)
}

fn encrypt(der: &[u8], password: &[u8]) -> Result<Vec<u8>, KeyError> {
    let (salt, nonce) = (random::<32>()?, random::<24>()?);
    let ciphertext = secret_box(password, &salt, SCRYPT_LOG_N)?
        .encrypt(Nonce::from_slice(&nonce), der)
        .map_err(|_| KeyError::Parameters)?;
    let params = Scrypt { N: 1 << SCRYPT_LOG_N, r: 8, p: 1 };
    Ok(json::encode(&Encrypted {
        kdf: Derivation { name: "scrypt".into(), params, salt: STANDARD.encode(salt) },
        cipher: Cipher { name: "nacl/secretbox".into(), nonce: STANDARD.encode(nonce) },
        ciphertext: STANDARD.encode(ciphertext),
    }))
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
            assert!(public.verifies(b"message", &key.sign(b"message")));
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
        let good = key.sign(b"message");
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
    fn other_keys_are_refused() {
        assert!(matches!(PublicKey::from_pem("hello"), Err(KeyError::Form(_))));
        let rsa = "-----BEGIN RSA PRIVATE KEY-----\nMII=\n-----END RSA PRIVATE KEY-----";
        assert!(matches!(PrivateKey::from_pem(rsa, || None), Err(KeyError::Form(_))));
    }
}
