//! New trust files and policies: who may put one in the place of the one in force.
//!
//! `site.json` pins what a site was set up with; what followed is a line of the ledger each, with the digest of the
//! file, which lies in `changes/` under that digest, beside its signatures. The line is what puts it in force, and
//! the signatures are held to the trust of its time again whenever the site is opened: a line that somebody added
//! puts nothing in force.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use console::input::PolicyFile;
use console::{Class, Failure, Failures};
use manifests::dsse::{Envelope, Predicate, Statement};
use manifests::key::PublicKey;
use manifests::policy::Policy;
use manifests::trust::{ChangeError, PolicySignature, SignedChange, Signer, Trust, TrustSignature};
use manifests::{Digest, Timestamp};

use super::ledger::Followed;
use super::{LEDGER, POLICY, ROOTS, Site, SiteError, TRUST, files, form, pinned, read_at_most, root_name};

/// The folder of what followed.
const CHANGES: &str = "changes";

/// Largest file of signatures: some dozens of people sign.
const BUNDLES_BYTES: u64 = 1024 * 1024;

/// The name that a statement gives to a trust file; the file's own name changes when it is copied.
pub(crate) const TRUST_SUBJECT: &str = TRUST;

/// The name that a statement gives to a policy.
pub(crate) const POLICY_SUBJECT: &str = POLICY;

/// Signatures by the files that they were read from.
pub(crate) type Bundles = BTreeMap<PathBuf, Vec<u8>>;

/// What a site is held to.
pub(super) struct InForce {
    pub(super) trust: Trust,
    pub(super) trust_text: String,
    /// When the trust file came into force.
    pub(super) since: Timestamp,
    /// The trust files before it, the first one first.
    pub(super) earlier: Vec<Trust>,
    pub(super) policy: Policy,
    pub(super) policy_text: String,
    /// Who decided about the last change.
    pub(super) decided: Vec<Signer>,
}

/// The trust file and policy in force: those that the site was set up with, and each that the ledger says followed.
pub(super) fn in_force(
    directory: &Path,
    (trust, policy): (Digest, Digest),
    created: Timestamp,
    changes: &[Followed],
) -> Result<InForce, SiteError> {
    let (trust, trust_text) = parsed(&directory.join(TRUST), trust, Trust::parse)?;
    let (policy, policy_text) = parsed(&directory.join(POLICY), policy, Policy::parse)?;
    let (earlier, decided) = (vec![], vec![]);
    let mut now = InForce { trust, trust_text, since: created, earlier, policy, policy_text, decided };
    for Followed { is_policy, digest, at } in changes {
        let file = path(directory, *digest);
        let bundles = read_at_most(&signatures(directory, *digest), BUNDLES_BYTES)?;
        let bundles = bundles.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let followed = if *is_policy {
            let (next, text) = parsed(&file, *digest, Policy::parse)?;
            let signed =
                bundles.map(|bundle| verified::<PolicySignature>(bundle, &now.trust, None, next.digest()));
            let signed = signed.collect::<Result<Vec<_>, _>>().map_err(|reason| form(&file, reason))?;
            let allowed =
                now.trust.allows_policy(now.policy.version, next.version, &signed, (now.since, *at));
            (now.policy, now.policy_text) = (next, text);
            allowed
        } else {
            let (next, text) = parsed(&file, *digest, Trust::parse)?;
            let signed = bundles
                .map(|bundle| verified::<TrustSignature>(bundle, &now.trust, Some(&next), next.digest()));
            let signed = signed.collect::<Result<Vec<_>, _>>().map_err(|reason| form(&file, reason))?;
            let followed = now.trust.followed_by(&next, &signed, now.since, *at);
            now.earlier.push(std::mem::replace(&mut now.trust, next));
            (now.trust_text, now.since) = (text, *at);
            followed
        };
        now.decided = followed.map_err(|reasons| {
            let reasons: Vec<String> = reasons.iter().map(ToString::to_string).collect();
            form(&file, reasons.join("; "))
        })?;
    }
    Ok(now)
}

fn parsed<T, E: std::fmt::Display>(
    path: &Path,
    digest: Digest,
    parse: fn(&str) -> Result<T, E>,
) -> Result<(T, String), SiteError> {
    let text = pinned(path, digest)?;
    Ok((parse(&text).map_err(|error| form(path, error))?, text))
}

/// The file of a document that followed another.
fn path(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(CHANGES).join(format!("{}.yaml", digest.hex()))
}

/// The signatures that put it in force, one a line.
fn signatures(directory: &Path, digest: Digest) -> PathBuf {
    directory.join(CHANGES).join(format!("{}.sigstore.jsonl", digest.hex()))
}

impl Site {
    /// Puts the text of a trust file in force, when enough people of the one in force and of the new one signed it.
    ///
    /// # Errors
    /// Every reason against it; or when the disk fails.
    pub(crate) fn follow_trust(
        &mut self,
        (file, text): (&Path, &str),
        bundles: &Bundles,
        now: Timestamp,
    ) -> Result<(), Failures> {
        let what = what(file, Digest::of(text.as_bytes()));
        let next = Trust::parse(text).map_err(|error| refused(&what, error.to_string()))?;
        let verify =
            |bundle: &[u8]| verified::<TrustSignature>(bundle, &self.trust, Some(&next), next.digest());
        let (signed, failures) = verify_all(&what, bundles, &verify);
        let followed = self.trust.followed_by(&next, &signed, self.trust_since, now);
        self.decided = check(&what, followed, failures)?;
        let change = Followed { is_policy: false, digest: next.digest(), at: now };
        self.put_in_force(text, bundles, change, next.version())?;
        self.earlier.push(std::mem::replace(&mut self.trust, next));
        (self.trust_text, self.trust_since) = (text.to_owned(), now);
        Ok(())
    }

    /// Puts a policy in force, when it is newer and enough people of the trust in force signed it.
    ///
    /// # Errors
    /// Every reason against it; or when the disk fails.
    pub(crate) fn follow_policy(
        &mut self,
        (file, next): (&Path, PolicyFile),
        bundles: &Bundles,
        now: Timestamp,
    ) -> Result<(), Failures> {
        let (digest, version) = (next.policy.digest(), next.policy.version);
        let verify = |bundle: &[u8]| verified::<PolicySignature>(bundle, &self.trust, None, digest);
        let what = what(file, digest);
        let (signed, failures) = verify_all(&what, bundles, &verify);
        let current = self.policy.policy.version;
        let allowed = self.trust.allows_policy(current, version, &signed, (self.trust_since, now));
        self.decided = check(&what, allowed, failures)?;
        for (root, bytes) in &next.roots {
            let path = self.directory.join(ROOTS).join(root_name(*root));
            files::put(&path, |file: &mut File| file.write_all(bytes))
                .map_err(|error| SiteError::Io(path.clone(), error))?;
        }
        self.put_in_force(&next.text, bundles, Followed { is_policy: true, digest, at: now }, version)?;
        self.policy = next;
        Ok(())
    }

    /// Writes a document and its signatures down, and then the line of the ledger that puts it in force.
    fn put_in_force(
        &mut self,
        text: &str,
        bundles: &Bundles,
        change: Followed,
        version: u64,
    ) -> Result<(), SiteError> {
        let folder = self.directory.join(CHANGES);
        files::folder(&folder).map_err(|error| SiteError::Io(folder.clone(), error))?;
        let lines: Vec<u8> =
            bundles.values().flat_map(|bundle| [bundle.trim_ascii_end(), b"\n"].concat()).collect();
        let parts = [
            (signatures(&self.directory, change.digest), lines.as_slice()),
            (path(&self.directory, change.digest), text.as_bytes()),
        ];
        for (path, bytes) in parts {
            files::put(&path, |file: &mut File| file.write_all(bytes))
                .map_err(|error| SiteError::Io(path.clone(), error))?;
        }
        let path = self.directory.join(LEDGER);
        self.ledger.followed(change, version).map_err(|error| SiteError::Ledger(path, error))
    }

    /// Who put this trust file or policy in force; nobody, where another change came after it or the site was set up
    /// with it.
    #[must_use]
    pub(crate) fn decided_on(&self, digest: Digest) -> &[Signer] {
        let is_last = self.ledger.changes().last().is_some_and(|change| change.digest == digest);
        if is_last { &self.decided } else { &[] }
    }

    /// Whether a trust file or a policy was ever in force here.
    #[must_use]
    pub(crate) fn was_in_force(&self, digest: Digest, is_policy: bool) -> bool {
        let first = if is_policy { self.description.policy_digest } else { self.description.trust_digest };
        let mut changes = self.ledger.changes().iter();
        digest == first || changes.any(|change| change.is_policy == is_policy && change.digest == digest)
    }

    /// The key with this id of the trust file in force, or of one that was: what was accepted by it can still be
    /// read.
    #[must_use]
    pub(crate) fn key_ever(&self, id: Digest) -> Option<PublicKey> {
        std::iter::once(&self.trust).chain(&self.earlier).find_map(|trust| trust.key(id)).cloned()
    }
}

/// A document as a refusal names it: by the name that it was given by, and by its digest, since names do not tell which one
/// it was.
fn what(file: &Path, digest: Digest) -> String {
    format!("{} ({digest})", file.display())
}

fn verify_all(
    what: &str,
    bundles: &Bundles,
    verify: &dyn Fn(&[u8]) -> Result<SignedChange, String>,
) -> (Vec<SignedChange>, Vec<Failure>) {
    let (mut signed, mut failures) = (Vec::new(), Vec::new());
    for (path, bundle) in bundles {
        match verify(bundle) {
            Ok(change) => signed.push(change),
            Err(reason) => {
                failures.push(refused(format!("{}, beside {what}", path.display()), reason));
            }
        }
    }
    (signed, failures)
}

fn check(
    what: &str,
    decided: Result<Vec<Signer>, Vec<ChangeError>>,
    mut failures: Vec<Failure>,
) -> Result<Vec<Signer>, Failures> {
    let signers = decided.unwrap_or_else(|reasons| {
        failures.extend(reasons.into_iter().map(|reason| refused(what, reason.to_string())));
        vec![]
    });
    Failures::unless_empty(failures, signers)
}

/// What people say about documents that are to be in force.
trait Change: Predicate {
    const SUBJECT: &'static str;
    fn signed(self, key: Digest) -> SignedChange;
}

impl Change for TrustSignature {
    const SUBJECT: &'static str = TRUST_SUBJECT;

    fn signed(self, key: Digest) -> SignedChange {
        SignedChange { key, signed_at: self.signed_at, version: self.version }
    }
}

impl Change for PolicySignature {
    const SUBJECT: &'static str = POLICY_SUBJECT;

    fn signed(self, key: Digest) -> SignedChange {
        SignedChange { key, signed_at: self.signed_at, version: self.version }
    }
}

/// A signature about the next document, by a key of the trust file in force or of the next one.
fn verified<C: Change>(
    bundle: &[u8],
    current: &Trust,
    next: Option<&Trust>,
    wanted: Digest,
) -> Result<SignedChange, String> {
    let envelope = Envelope::parse(bundle.trim_ascii_end()).map_err(|error| error.to_string())?;
    let id = envelope.hint();
    let key = current.key(id).or_else(|| next.and_then(|next| next.key(id)));
    let key =
        key.ok_or_else(|| format!("found a signature by the key {id}, which no trust file here has"))?;
    let Statement { name, subject: found, predicate } =
        envelope.verify::<C>(key).map_err(|error| error.to_string())?;
    if found != wanted || name != C::SUBJECT {
        return Err(format!("found a signature about {found}, wanted one about {wanted}"));
    }
    Ok(predicate.signed(id))
}

fn refused(item: impl std::fmt::Display, reason: String) -> Failure {
    Failure::new(Class::Refused, item, reason)
}
