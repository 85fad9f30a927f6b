//! New trust files and policies: who may put one in the place of the one in force.
//!
//! `site.json` pins what a site was set up with; what followed is a line of the ledger each, with the digest of the
//! file, which lies in `changes/` under that digest. The line is what puts it in force.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use console::{Class, Failure, Failures};
use manifests::dsse::{Envelope, Statement};
use manifests::key::PublicKey;
use manifests::trust::{ChangeError, SignedChange, Signer, Trust, TrustSignature};
use manifests::{Digest, Timestamp};

use super::{LEDGER, Site, SiteError, files, pinned};

/// The folder of what followed.
const CHANGES: &str = "changes";

/// The name that a statement gives to a trust file; the file's own name changes when it is copied.
pub(crate) const TRUST_SUBJECT: &str = "trust.yaml";

/// The file of a document that followed another.
pub(super) fn path(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(CHANGES).join(format!("{}.yaml", digest.hex()))
}

/// The text of a document that is in force: what the site was set up with, or what followed.
pub(super) fn in_force(
    directory: &Path,
    first: (&str, Digest),
    followed: Option<Digest>,
) -> Result<String, SiteError> {
    match followed {
        Some(digest) => pinned(&path(directory, digest), digest),
        None => pinned(&directory.join(first.0), first.1),
    }
}

impl Site {
    /// Puts a trust file in force, when enough people of the one in force and of the new one signed it.
    ///
    /// # Errors
    /// Every reason against it; or when the disk fails.
    pub(crate) fn follow_trust(
        &mut self,
        text: &str,
        bundles: &BTreeMap<PathBuf, Vec<u8>>,
        now: Timestamp,
    ) -> Result<Vec<Signer>, Failures> {
        let next = Trust::parse(text).map_err(|error| refused(TRUST_SUBJECT, error.to_string()))?;
        if next.digest() == self.trust.digest() {
            return Err(refused(TRUST_SUBJECT, "found the trust file that is in force".to_owned()).into());
        }
        let key = |id| self.trust.key(id).or_else(|| next.key(id)).cloned();
        let mut signed = Vec::new();
        let mut failures = Vec::new();
        for (path, bundle) in bundles {
            match verified(bundle, next.digest(), &key) {
                Ok(change) => signed.push(change),
                Err(reason) => failures.push(refused(path.display(), reason)),
            }
        }
        let followed = self.trust.followed_by(&next, &signed, now);
        let signers = followed.unwrap_or_else(|reasons| {
            let reason = |reason: ChangeError| refused(TRUST_SUBJECT, reason.to_string());
            failures.extend(reasons.into_iter().map(reason));
            Vec::new()
        });
        Failures::unless_empty(failures, ())?;
        self.put_in_force(text)?;
        let path = self.directory.join(LEDGER);
        self.ledger
            .trusted(next.digest(), next.version(), now)
            .map_err(|error| SiteError::Ledger(path, error))?;
        self.trust = next;
        text.clone_into(&mut self.trust_text);
        Ok(signers)
    }

    /// Writes a document down before the ledger names it.
    fn put_in_force(&self, text: &str) -> Result<(), SiteError> {
        let path = path(&self.directory, Digest::of(text.as_bytes()));
        let failed = |error| SiteError::Io(path.clone(), error);
        files::folder(&self.directory.join(CHANGES)).map_err(failed)?;
        files::put(&path, |file: &mut File| file.write_all(text.as_bytes())).map_err(failed)
    }

    /// The key with this id of the trust file in force, or of one that was: what was accepted by it can still be
    /// read.
    ///
    /// # Errors
    /// When an earlier trust file is not what it was.
    pub(crate) fn key_ever(&self, id: Digest) -> Result<Option<PublicKey>, SiteError> {
        if let Some(key) = self.trust.key(id) {
            return Ok(Some(key.clone()));
        }
        let first = (super::TRUST, self.description.trust_digest);
        let earlier = std::iter::once(None).chain(self.ledger.trusts().iter().copied().map(Some));
        for followed in earlier {
            let text = in_force(&self.directory, first, followed)?;
            let trust = Trust::parse(&text)
                .map_err(|error| SiteError::Form(super::TRUST.into(), error.to_string()))?;
            if let Some(key) = trust.key(id) {
                return Ok(Some(key.clone()));
            }
        }
        Ok(None)
    }
}

/// A signature about this very file, by a key that is known.
fn verified(
    bundle: &[u8],
    subject: Digest,
    key: &dyn Fn(Digest) -> Option<PublicKey>,
) -> Result<SignedChange, String> {
    let envelope = Envelope::parse(bundle.trim_ascii_end()).map_err(|error| error.to_string())?;
    let id = envelope.hint();
    let key =
        key(id).ok_or_else(|| format!("found a signature by the key {id}, which neither trust file has"))?;
    let Statement { name, subject: found, predicate } =
        envelope.verify::<TrustSignature>(&key).map_err(|error| error.to_string())?;
    if found != subject || name != TRUST_SUBJECT {
        return Err(format!("found a signature about {found}, wanted one about {subject}"));
    }
    Ok(SignedChange { key: id, signature: predicate })
}

fn refused(item: impl std::fmt::Display, reason: String) -> Failure {
    Failure::new(Class::Refused, item, reason)
}
