//! Signatures of what is signed once, several times as fast: the nonce is drawn, and hedged with the key and the
//! message, where RFC 6979 derives it.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use p256::ecdsa::{Signature, SigningKey};

/// A key for aws-lc, made when it is first asked for.
#[derive(Default)]
pub(super) struct Hedged(OnceLock<Option<EcdsaKeyPair>>);

impl Hedged {
    /// The signature over the SHA-256 of `message`, with either s; nothing where aws-lc does not take the key.
    pub(super) fn sign(&self, key: &SigningKey, message: &[u8]) -> Option<Signature> {
        let pair = self.0.get_or_init(|| pair(key)).as_ref()?;
        let signature = pair.sign(&SystemRandom::new(), message).ok()?;
        Signature::from_der(signature.as_ref()).ok()
    }
}

fn pair(key: &SigningKey) -> Option<EcdsaKeyPair> {
    let public = key.verifying_key().to_sec1_point(false);
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    EcdsaKeyPair::from_private_key_and_public_key(algorithm, &key.to_bytes(), public.as_bytes()).ok()
}
