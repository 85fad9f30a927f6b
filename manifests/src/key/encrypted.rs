//! Cosign's encrypted form of a private key: PEM around JSON, with scrypt and NaCl secretbox around the PKCS#8 bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::{Aead as _, KeyInit as _};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use serde::{Deserialize, Serialize};

use super::{KeyError, random};
use crate::json;

const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];

/// The scrypt cost that cosign writes today; reading takes what the file says, within bounds.
const SCRYPT_LOG_N: u8 = 16;

/// Whether a PEM document begins as an encrypted key.
pub(super) fn is_one(pem: &str) -> bool {
    LABELS.iter().any(|label| pem.starts_with(&format!("-----BEGIN {label}-----")))
}

/// The PKCS#8 bytes in an encrypted key.
///
/// # Errors
/// When it is damaged, its parameters are not those that cosign writes, or the password is wrong.
pub(super) fn open(pem: &str, password: &str) -> Result<Vec<u8>, KeyError> {
    decrypt(&pem_body(pem)?, password.as_bytes())
}

/// PKCS#8 bytes as an encrypted key in PEM.
///
/// # Errors
/// When the operating system has no randomness.
pub(super) fn seal(der: &[u8], password: &str) -> Result<String, KeyError> {
    let body = STANDARD.encode(encrypt(der, password.as_bytes())?);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).filter_map(|line| std::str::from_utf8(line).ok()).collect();
    let [label, _] = LABELS;
    Ok(format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n")))
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn what_older_cosign_wrote_is_read_and_no_other_parameters_are() {
        let (salt, nonce) = ([1; 32], [2; 24]);
        let body = |log_n: u8| {
            let ciphertext = secret_box(b"test", &salt, log_n).unwrap();
            let ciphertext = ciphertext.encrypt(Nonce::from_slice(&nonce), b"a key".as_slice()).unwrap();
            json!({
                "kdf": {"name": "scrypt", "params": {"N": 1 << log_n, "r": 8, "p": 1}, "salt": STANDARD.encode(salt)},
                "cipher": {"name": "nacl/secretbox", "nonce": STANDARD.encode(nonce)},
                "ciphertext": STANDARD.encode(ciphertext),
            })
        };
        let open = |body: &Value| decrypt(body.to_string().as_bytes(), b"test");
        for log_n in [15, 16] {
            assert_eq!(open(&body(log_n)), Ok(b"a key".to_vec()), "{log_n}");
        }
        for (place, other, why) in [
            ("/kdf/params/N", json!(1 << 14), "a cost that cosign never wrote"),
            ("/kdf/params/N", json!(1_u64 << 30), "one that takes the reader's memory"),
            ("/kdf/params/r", json!(1), "another block size"),
            ("/kdf/params/p", json!(64), "another parallelism"),
            ("/kdf/name", json!("argon2"), "another derivation"),
            ("/cipher/name", json!("aes"), "another cipher"),
            ("/cipher/nonce", json!(STANDARD.encode([2; 23])), "a short nonce"),
            ("/cipher/nonce", json!("?"), "no base64"),
        ] {
            let mut changed = body(15);
            *changed.pointer_mut(place).unwrap() = other;
            assert_eq!(open(&changed), Err(KeyError::Parameters), "{why}");
        }
    }
}
