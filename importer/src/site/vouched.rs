//! `vouched.jsonl`: what a key that does not repeat itself signed for registries, by the digest of what was signed.
//!
//! A token puts chance into each signature. Signed anew, every load would leave one more signature at every manifest
//! inside; so what was signed once is said again. The file proves nothing: a line counts when the site's public
//! key verifies it, and without it there is one signature more.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use manifests::key::{PrivateKey, PublicKey, Signer};
use manifests::{Digest, json};
use serde::{Deserialize, Serialize};

/// A key, with what it signed before.
pub(super) struct Vouched {
    key: Arc<PrivateKey>,
    public: PublicKey,
    kept: Mutex<Kept>,
}

struct Kept {
    known: HashMap<Digest, Vec<u8>>,
    file: File,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    message: Digest,
    signature: String,
}

impl Vouched {
    /// Reads what was signed before, where anything was.
    ///
    /// # Errors
    /// When the disk fails.
    pub(super) fn open(path: &Path, key: Arc<PrivateKey>, public: PublicKey) -> io::Result<Self> {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read?,
        };
        let known = bytes.split(|byte| *byte == b'\n').filter_map(parse).collect();
        let mut file = File::options().create(true).append(true).open(path)?;
        // A crash may have torn the last line; what comes next is one of its own.
        if bytes.last().is_some_and(|byte| *byte != b'\n') {
            file.write_all(b"\n")?;
        }
        Ok(Self { key, public, kept: Mutex::new(Kept { known, file }) })
    }
}

fn parse(line: &[u8]) -> Option<(Digest, Vec<u8>)> {
    let Line { message, signature } = json::parse(line).ok()?;
    Some((message, STANDARD.decode(signature).ok()?))
}

impl Signer for Vouched {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let digest = Digest::of(message);
        // Held while it signs: two that ask for the same at once get the same.
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(signature) = kept.known.get(&digest).filter(|known| self.public.verifies(message, known))
        {
            return Ok(signature.clone());
        }
        let signature = self.key.sign(message).map_err(|error| error.to_string())?;
        let mut line = json::encode(&Line { message: digest, signature: STANDARD.encode(&signature) });
        line.push(b'\n');
        let written = kept.file.write_all(&line);
        written.map_err(|error| format!("found no way to keep what was signed: {error}"))?;
        kept.known.insert(digest, signature.clone());
        Ok(signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Signs something else each time, as one that puts chance into its signatures.
    fn signed(path: &Path, key: &Arc<PrivateKey>, public: &PublicKey, message: &[u8]) -> Vec<u8> {
        Vouched::open(path, Arc::clone(key), public.clone()).unwrap().sign(message).unwrap()
    }

    #[test]
    fn what_was_signed_once_is_said_again_and_only_that() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vouched.jsonl");
        let key = Arc::new(PrivateKey::generate().unwrap());
        let public = key.public().unwrap();
        let first = signed(&path, &key, &public, b"message");
        let kept = fs::read(&path).unwrap();
        assert_eq!(signed(&path, &key, &public, b"message"), first);
        assert_eq!(fs::read(&path).unwrap(), kept, "nothing was signed again");
        let vouched = Vouched::open(&path, Arc::clone(&key), public.clone()).unwrap();
        assert_eq!(vouched.sign(b"other").unwrap(), vouched.sign(b"other").unwrap(), "two tags of one image");
        drop(vouched);
        fs::write(&path, &kept).unwrap();

        // Signed by another key, torn by a crash, and no line at all: each costs one more signature.
        let stranger = Arc::new(PrivateKey::generate().unwrap());
        let theirs = folder.path().join("theirs.jsonl");
        signed(&theirs, &stranger, &stranger.public().unwrap(), b"message");
        let foreign = fs::read(&theirs).unwrap();
        for damaged in [foreign.as_slice(), &kept[..kept.len() - 9], b"\xff\n{}\n"] {
            fs::write(&path, damaged).unwrap();
            assert!(public.verifies(b"message", &signed(&path, &key, &public, b"message")));
            assert!(fs::read(&path).unwrap().ends_with(&kept), "the line is there, on its own");
        }
    }
}
