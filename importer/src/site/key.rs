//! The site's own key: in a file of its state directory, or in a token whose URI stands in that file.

use std::sync::Arc;

use console::token::{self, TokenUri};
use console::{Class, Failure, input, key_file};
use manifests::key::PrivateKey;
use manifests::limits;

use super::vouched::Vouched;
use super::{KEY, Site, SiteError, VOUCHED};

impl Site {
    /// The key that signs receipts. Opened before a long work begins: it may ask for a password, and a token is logged
    /// in to.
    ///
    /// # Errors
    /// When it cannot be read, or is another key than the one that was pinned.
    pub(crate) fn key(&self) -> Result<PrivateKey, Failure> {
        let path = self.directory.join(KEY);
        let usage = |error: String| Failure::new(Class::Usage, path.display(), error);
        let text = String::from_utf8(input::read(&path, limits::DOCUMENT_BYTES)?).unwrap_or_default();
        let key = if TokenUri::is_meant(&text) {
            token::open(&text.trim_end().parse().map_err(|error: token::UriError| usage(error.to_string()))?)?
        } else {
            key_file::read(&path)?
        };
        let id = key.public().map_err(|error| usage(error.to_string()))?.id();
        if id != self.public_key.id() {
            let wanted = self.public_key.id();
            return Err(SiteError::Changed { path, found: id, wanted }.into());
        }
        Ok(key)
    }

    /// The site's key for what goes to registries, where a second load must say the same: a key that does not
    /// repeat itself is made to, by what it signed before.
    ///
    /// # Errors
    /// When what it signed cannot be read.
    pub(crate) fn vouching_key(&self, key: &Arc<PrivateKey>) -> Result<Arc<PrivateKey>, Failure> {
        if key.repeats() {
            return Ok(Arc::clone(key));
        }
        let path = self.directory.join(VOUCHED);
        let vouched = Vouched::open(&path, Arc::clone(key), self.public_key.clone())
            .map_err(|error| SiteError::Io(path.clone(), error))?;
        let key = PrivateKey::elsewhere(self.public_key.clone(), Box::new(vouched));
        Ok(Arc::new(key.map_err(|error| SiteError::Signing(path, error))?))
    }
}
