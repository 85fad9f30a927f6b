//! The trusted roots of Sigstore that a policy names and its caller has read.

use manifests::policy::TrustedRootName;
use manifests::{Digest, shape};
use serde::de::IgnoredAny;
use sigstore_verify::Verifier;
use sigstore_verify::trust_root::TrustedRoot;

use super::shapes::TRUSTED_ROOT;

/// Trusted roots, ready to verify with.
#[derive(Default)]
pub struct Roots(Vec<Root>);

/// A trusted root, and which logs it lists.
pub(super) struct Root {
    digest: Digest,
    pub(super) verifier: Verifier,
    /// Whether it has a transparency log for signatures.
    pub(super) has_log: bool,
    /// Whether it has a log of certificate transparency.
    pub(super) has_certificate_log: bool,
}

/// Why a trusted root that the policy names cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RootError {
    /// Other bytes than the policy names.
    #[error("the trusted root {name}: found bytes of {found}, wanted {wanted}")]
    Digest {
        /// Its name in the policy.
        name: String,
        /// The digest of the bytes.
        found: Digest,
        /// The digest that they were given for.
        wanted: Digest,
    },
    /// Not a trusted root.
    #[error("the trusted root {name}: found no trusted root of Sigstore: {error}")]
    Form {
        /// Its name in the policy.
        name: String,
        /// What is wrong.
        error: String,
    },
}

impl Roots {
    /// The given roots, as far as the policy names them: bytes that it does not name are not even parsed. One
    /// that it names and that is not given is missed when a rule needs it.
    ///
    /// # Errors
    /// When a named root's bytes are others than their digest says, or no trusted root.
    pub fn new<'a>(
        named: &[TrustedRootName],
        given: impl IntoIterator<Item = (Digest, &'a [u8])>,
    ) -> Result<Self, RootError> {
        let mut roots: Vec<Root> = Vec::new();
        for (wanted, bytes) in given {
            let Some(TrustedRootName { name, .. }) = named.iter().find(|root| root.digest == wanted) else {
                continue;
            };
            let found = Digest::of(bytes);
            if found != wanted {
                return Err(RootError::Digest { name: name.clone(), found, wanted });
            }
            if !roots.iter().any(|root| root.digest == wanted) {
                roots.push(
                    read(wanted, bytes).map_err(|error| RootError::Form { name: name.clone(), error })?,
                );
            }
        }
        Ok(Self(roots))
    }

    /// The roots that count: the one, or all.
    pub(super) fn select(&self, only: Option<Digest>) -> impl Iterator<Item = &Root> {
        self.0.iter().filter(move |root| only.is_none_or(|only| only == root.digest))
    }
}

fn read(digest: Digest, bytes: &[u8]) -> Result<Root, String> {
    shape::parse_closed::<IgnoredAny>(bytes, &TRUSTED_ROOT).map_err(|error| error.to_string())?;
    let text = std::str::from_utf8(bytes).map_err(|error| error.to_string())?;
    let root = TrustedRoot::from_json(text).map_err(|error| error.to_string())?;
    let verifier = Verifier::new(&root).map_err(|error| error.to_string())?;
    let (has_log, has_certificate_log) = (!root.tlogs.is_empty(), !root.ctlogs.is_empty());
    Ok(Root { digest, verifier, has_log, has_certificate_log })
}
