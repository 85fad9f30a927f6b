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

use super::ledger::Followed;
use super::{LEDGER, Site, SiteError, files, form, pinned, read_at_most};

/// The folder of what followed.
const CHANGES: &str = "changes";

/// Largest file of signatures: some dozens of people sign.
const BUNDLES_BYTES: u64 = 1024 * 1024;

/// The name that a statement gives to a trust file; the file's own name changes when it is copied.
pub(crate) const TRUST_SUBJECT: &str = "trust.yaml";

/// The file of a document that followed another.
pub(super) fn path(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(CHANGES).join(format!("{}.yaml", digest.hex()))
}

/// The signatures that put it in force, one a line.
fn signatures(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(CHANGES).join(format!("{}.sigstore.jsonl", digest.hex()))
}

/// A trust file with its text, and since when it is in force.
pub(super) struct InForce {
    pub(super) trust: Trust,
    pub(super) text: String,
    pub(super) since: Timestamp,
    /// Those before it, the first one first.
    pub(super) earlier: Vec<Trust>,
}

/// The trust file in force: the one that the site was set up with, and each that the ledger says followed, held to
/// its signatures again. A line that somebody added to the ledger puts nothing in force.
pub(super) fn trust_in_force(
    directory: &Path,
    first: (&str, Digest, Timestamp),
    followed: &[Followed],
) -> Result<InForce, SiteError> {
    let (name, digest, created) = first;
    let mut current = read(&directory.join(name), digest, created)?;
    for Followed { digest, at } in followed {
        let file = path(directory, *digest);
        let mut next = read(&file, *digest, *at)?;
        let bundles = read_at_most(&signatures(directory, *digest), BUNDLES_BYTES)?;
        let bundles: Vec<&[u8]> =
            bundles.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        let signed = bundles.into_iter().map(|bundle| verified(bundle, &current.trust, &next.trust));
        let signed = signed.collect::<Result<Vec<_>, _>>().map_err(|reason| form(&file, reason))?;
        let followed = current.trust.followed_by(&next.trust, &signed, current.since, *at);
        if let Err(reasons) = followed {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            return Err(form(&file, reasons.join("; ")));
        }
        next.earlier = std::mem::take(&mut current.earlier);
        next.earlier.push(current.trust);
        current = next;
    }
    Ok(current)
}

fn read(path: &Path, digest: Digest, since: Timestamp) -> Result<InForce, SiteError> {
    let text = pinned(path, digest)?;
    let trust = Trust::parse(&text).map_err(|error| form(path, error))?;
    Ok(InForce { trust, text, since, earlier: vec![] })
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
        let (mut signed, mut failures) = (Vec::new(), Vec::new());
        for (path, bundle) in bundles {
            match verified(bundle, &self.trust, &next) {
                Ok(change) => signed.push(change),
                Err(reason) => failures.push(refused(path.display(), reason)),
            }
        }
        let followed = self.trust.followed_by(&next, &signed, self.trust_since, now);
        let signers = followed.unwrap_or_else(|reasons| {
            let reason = |reason: ChangeError| refused(TRUST_SUBJECT, reason.to_string());
            failures.extend(reasons.into_iter().map(reason));
            Vec::new()
        });
        Failures::unless_empty(failures, ())?;
        self.put_down(text, bundles)?;
        let path = self.directory.join(LEDGER);
        self.ledger
            .trusted(next.digest(), next.version(), now)
            .map_err(|error| SiteError::Ledger(path, error))?;
        self.earlier.push(std::mem::replace(&mut self.trust, next));
        (self.trust_text, self.trust_since) = (text.to_owned(), now);
        Ok(signers)
    }

    /// Writes a trust file and its signatures down, before the ledger names it.
    fn put_down(&self, text: &str, bundles: &BTreeMap<PathBuf, Vec<u8>>) -> Result<(), SiteError> {
        let digest = Digest::of(text.as_bytes());
        let folder = self.directory.join(CHANGES);
        files::folder(&folder).map_err(|error| SiteError::Io(folder.clone(), error))?;
        let lines: Vec<u8> =
            bundles.values().flat_map(|bundle| [bundle.trim_ascii_end(), b"\n"].concat()).collect();
        let parts = [
            (signatures(&self.directory, digest), lines.as_slice()),
            (path(&self.directory, digest), text.as_bytes()),
        ];
        for (path, bytes) in parts {
            files::put(&path, |file: &mut File| file.write_all(bytes))
                .map_err(|error| SiteError::Io(path.clone(), error))?;
        }
        Ok(())
    }

    /// The key with this id of the trust file in force, or of one that was: what was accepted by it can still be
    /// read.
    #[must_use]
    pub(crate) fn key_ever(&self, id: Digest) -> Option<PublicKey> {
        std::iter::once(&self.trust).chain(&self.earlier).find_map(|trust| trust.key(id)).cloned()
    }
}

/// A signature about the next trust file, by a key of it or of the one in force.
fn verified(bundle: &[u8], current: &Trust, next: &Trust) -> Result<SignedChange, String> {
    let envelope = Envelope::parse(bundle.trim_ascii_end()).map_err(|error| error.to_string())?;
    let id = envelope.hint();
    let key = current.key(id).or_else(|| next.key(id));
    let key =
        key.ok_or_else(|| format!("found a signature by the key {id}, which neither trust file has"))?;
    let Statement { name, subject: found, predicate } =
        envelope.verify::<TrustSignature>(key).map_err(|error| error.to_string())?;
    let wanted = next.digest();
    if found != wanted || name != TRUST_SUBJECT {
        return Err(format!("found a signature about {found}, wanted one about {wanted}"));
    }
    Ok(SignedChange { key: id, signature: predicate })
}

fn refused(item: impl std::fmt::Display, reason: String) -> Failure {
    Failure::new(Class::Refused, item, reason)
}
