//! Key files: where a private key is read, and where its password comes from.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use manifests::key::PrivateKey;

use crate::failure::{Class, Failure};

/// The variables that a password or a PIN is taken from, in this order. Never an argument: those are seen by others.
pub const PASSWORD_VARIABLES: [&str; 2] = ["AIRGAP_KEY_PASSWORD", "COSIGN_PASSWORD"];

/// A key file is a few hundred bytes; anything much larger is another file.
const KEY_BYTES: u64 = 64 * 1024;

/// Reads a private key. An encrypted one takes its password from the environment, or asks on a terminal.
///
/// # Errors
/// When the file cannot be read, or holds no key that this password opens.
pub fn read(path: &Path) -> Result<PrivateKey, Failure> {
    let failed = |class, message: String| Failure::new(class, path.display(), message);
    let file = std::fs::File::open(path).map_err(|error| failed(Class::Usage, error.to_string()))?;
    let mut pem = String::new();
    file.take(KEY_BYTES)
        .read_to_string(&mut pem)
        .map_err(|error| failed(Class::Usage, format!("found no key in PEM: {error}")))?;
    PrivateKey::from_pem(&pem, || password("password of the key: "))
        .map_err(|error| failed(Class::Usage, error.to_string()))
}

/// The password of a key: from the environment, otherwise asked for on a terminal.
#[must_use]
pub fn password(prompt: &str) -> Option<String> {
    from_environment().map(|(_, password)| password).or_else(|| ask(prompt))
}

/// The first of [`PASSWORD_VARIABLES`] that is set, with what it holds.
#[must_use]
pub fn from_environment() -> Option<(&'static str, String)> {
    PASSWORD_VARIABLES.into_iter().find_map(|name| Some((name, std::env::var(name).ok()?)))
}

/// Asks for a password or a PIN, where there is somebody to ask.
#[must_use]
pub fn ask(prompt: &str) -> Option<String> {
    let is_person = std::io::stdin().is_terminal() && std::io::stderr().is_terminal();
    is_person.then(|| rpassword::prompt_password(prompt).ok()).flatten()
}
