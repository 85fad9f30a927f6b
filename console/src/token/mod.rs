//! Keys in PKCS#11 tokens: a URI names one, it is opened before the long work, and signs when that is done.
//!
//! ```text
//! URI -> module -> token -> session, logged in -> private key + public key, tried on each other -> PrivateKey
//! ```
//!
//! The module is a shared object of the token's maker, loaded into this process. A build without the feature
//! `pkcs11` (a static one, which can load nothing) reads URIs and says that it cannot open them.

#[cfg(feature = "pkcs11")]
mod key;
#[cfg(feature = "pkcs11")]
mod module;
#[cfg(feature = "pkcs11")]
mod pin;
mod uri;

use manifests::key::PrivateKey;

pub use uri::{TokenUri, UriError};

#[cfg(not(feature = "pkcs11"))]
use crate::Class;
use crate::Failure;

/// Opens the key that a URI names, and logs in to its token.
///
/// # Errors
/// When the module cannot be loaded, not exactly one token and one key match, the PIN is wrong (it is tried once, as
/// tokens lock), or the key is not ECDSA P-256 with its public half beside it.
#[cfg(feature = "pkcs11")]
pub fn open(uri: &TokenUri) -> Result<PrivateKey, Failure> {
    key::open(uri)
}

/// As with the feature `pkcs11`, which this build lacks.
///
/// # Errors
/// Always.
#[cfg(not(feature = "pkcs11"))]
pub fn open(uri: &TokenUri) -> Result<PrivateKey, Failure> {
    let message = "found the URI of a token, and this build was made without the feature pkcs11";
    Err(Failure::new(Class::Usage, uri, message)
        .advise("give a key file, or use a build that links libc dynamically and has the feature"))
}
