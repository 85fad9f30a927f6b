//! Whether a candidate was signed by the signer that a policy asks for, and is what it asks for.

use std::fmt;

use ed25519_dalek::{Signature as Ed25519Signature, VerifyingKey};
use manifests::policy::{Key, KeyAlgorithm, Keyless, LogRule, Signer};
use manifests::{Digest, Timestamp, json};
use sha2::{Digest as _, Sha512};
use sigstore_verify::crypto::{SigningScheme, verify_signature};
use sigstore_verify::types::bundle::VerificationMaterialContent;
use sigstore_verify::types::{Artifact, Bundle, DerPublicKey, Sha256Hash, SignatureContent};
use sigstore_verify::{
    Error, Policy, PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult, Verifier,
};

use super::candidate::{Candidate, Material};
use super::reason::Reason;
use super::roots::{Root, Roots};
use super::statement::{self, Purpose};

/// A good signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Who signed: two signatures of one signer count once.
    pub by: SignedBy,
    /// When.
    pub at: SignedAt,
}

/// When something was signed, and who says so beside the signer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedAt {
    /// A transparency log.
    Log(Timestamp),
    /// A timestamp authority.
    TimestampAuthority(Timestamp),
    /// It is in a log that gives no times, as Rekor's second version.
    TimelessLog,
    /// The signer alone.
    Signer(Timestamp),
    /// Nobody.
    Unknown,
}

/// Who signed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SignedBy {
    /// An identity, by its certificate.
    Identity {
        /// The identity.
        identity: String,
        /// Who vouched for it.
        issuer: String,
    },
    /// A key, by its id.
    Key(Digest),
    /// A certificate of OpenPGP, by the fingerprint of its primary key.
    OpenPgp(String),
}

impl fmt::Display for SignedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Identity { identity, issuer } => write!(formatter, "{identity} ({issuer})"),
            Self::Key(id) => write!(formatter, "the key {id}"),
            Self::OpenPgp(fingerprint) => write!(formatter, "the OpenPGP key {fingerprint}"),
        }
    }
}

impl fmt::Display for Signed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            SignedAt::Log(at) => write!(formatter, "{} at {at} by the log", self.by),
            SignedAt::TimestampAuthority(at) => {
                write!(formatter, "{} at {at} by a timestamp authority", self.by)
            }
            SignedAt::TimelessLog => write!(formatter, "{}, in a log that gives no times", self.by),
            SignedAt::Signer(at) => write!(formatter, "{} at {at} by its own word", self.by),
            SignedAt::Unknown => write!(formatter, "{}, without a log", self.by),
        }
    }
}

/// Whether `candidate` is `signer`'s signature or attestation (`purpose`) about `digest`. The signature is
/// verified first, so that only what the signer wrote is then read.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(
    candidate: &Candidate,
    purpose: &Purpose,
    digest: Digest,
    signer: &Signer,
    roots: &Roots,
) -> Result<Signed, Reason> {
    let signed = match signer {
        Signer::Keyless(keyless) => verify_keyless(candidate.material()?, digest, keyless, roots)?,
        Signer::Key(key) => verify_key(candidate.material()?, digest, key, roots)?,
        Signer::OpenPgp(certificate) => {
            return candidate.provenance()?.verify(purpose, certificate);
        }
    };
    statement::check(candidate.material()?, purpose, digest)?;
    Ok(signed)
}

fn verify_keyless(
    material: &Material,
    digest: Digest,
    wanted: &Keyless,
    roots: &Roots,
) -> Result<Signed, Reason> {
    if material.bundle.signing_certificate().is_none() {
        return Err(Reason::NoCertificate(Signer::Keyless(wanted.clone()).to_string()));
    }
    // A rule asks less of a root without logs alone. Where the root lists one, a signer used it, and what is missing
    // from a signature was taken out of it.
    let lists = |log: fn(&Root) -> bool| roots.select(wanted.trusted_root).any(log);
    if wanted.log == LogRule::NotRequired && lists(|root| root.has_log) && !is_logged(&material.bundle) {
        return Err(Reason::LogListed);
    }
    // Entries that are there are verified, whatever the rule says: a forged one is worse than none.
    let needs_log = wanted.log == LogRule::Required || is_logged(&material.bundle);
    let needs_sct = wanted.sct == LogRule::Required || lists(|root| root.has_certificate_log);
    let policy = VerificationPolicy::any_identity();
    let policy = if needs_log { policy } else { policy.skip_tlog_unsafe() };
    let policy = if needs_sct { policy } else { policy.skip_sct() };
    let result = with_roots(material, digest, (&policy, needs_log), wanted.trusted_root, roots)?;
    if !result.certificate_verified() || (needs_sct && !result.sct_verified()) {
        return Err(Reason::Unverified("its certificate was not checked".to_owned()));
    }
    let identity = result.identity().map(|identity| identity.as_str().to_owned()).unwrap_or_default();
    let issuer = result.issuer().unwrap_or_default().to_owned();
    if issuer != wanted.issuer {
        return Err(Reason::OtherIssuer { found: json::shortened(&issuer), wanted: wanted.issuer.clone() });
    }
    if !wanted.identity.matches(&identity) {
        let (found, wanted) = (json::shortened(&identity), wanted.identity.to_string());
        return Err(Reason::OtherIdentity { found, wanted });
    }
    Ok(Signed { by: SignedBy::Identity { identity, issuer }, at: time(&result) })
}

fn verify_key(material: &Material, digest: Digest, key: &Key, roots: &Roots) -> Result<Signed, Reason> {
    let by = SignedBy::Key(key.id());
    match key.log() {
        LogRule::NotRequired => verify_bare(material, key).map(|()| Signed { by, at: SignedAt::Unknown }),
        LogRule::Required => {
            let public = DerPublicKey::new(key.der().to_vec());
            if material.bundle.signing_certificate().is_some() {
                return Err(Reason::NoKey(by.to_string()));
            }
            let policy = PublicKeyVerificationPolicy::new(public);
            let result = with_roots(material, digest, (&policy, true), None, roots)?;
            Ok(Signed { by, at: time(&result) })
        }
    }
}

/// The key and the bytes alone.
fn verify_bare(material: &Material, key: &Key) -> Result<(), Reason> {
    let public = DerPublicKey::new(key.der().to_vec());
    let (message, signature) = match (&material.bundle.content, &material.payload) {
        (SignatureContent::DsseEnvelope(envelope), _) => (envelope.pae(), &envelope.signature.sig),
        (SignatureContent::MessageSignature(message), Some(payload)) => (payload.clone(), &message.signature),
        _ => return Err(Reason::NoStatement),
    };
    let verifies = |scheme: &SigningScheme| verify_signature(&public, &message, signature, *scheme).is_ok();
    let is_hashed =
        || key.algorithm() == KeyAlgorithm::Ed25519 && verifies_hashed(key, &message, signature.as_bytes());
    if schemes(key.algorithm()).iter().any(verifies) || is_hashed() {
        return Ok(());
    }
    Err(Reason::OtherKey(SignedBy::Key(key.id()).to_string()))
}

/// Whether an Ed25519 key signed the SHA-512 of a message (RFC 8032, Ed25519ph with an empty context), as cosign 3 does.
fn verifies_hashed(key: &Key, message: &[u8], signature: &[u8]) -> bool {
    // The key is what a SubjectPublicKeyInfo of this algorithm ends with (RFC 8410).
    let public = key.der().last_chunk().and_then(|bytes| VerifyingKey::from_bytes(bytes).ok());
    let signature = Ed25519Signature::from_slice(signature).ok();
    let hash = Sha512::new_with_prefix(message);
    let verified = public.zip(signature);
    verified.is_some_and(|(public, signature)| public.verify_prehashed_strict(hash, None, &signature).is_ok())
}

/// What a key of a kind signs with. Cosign's older layout hashes with SHA-256 whatever the curve.
const fn schemes(algorithm: KeyAlgorithm) -> &'static [SigningScheme] {
    match algorithm {
        KeyAlgorithm::EcdsaP256 => &[SigningScheme::EcdsaP256Sha256],
        KeyAlgorithm::EcdsaP384 => &[SigningScheme::EcdsaP384Sha384, SigningScheme::EcdsaP384Sha256],
        KeyAlgorithm::Ed25519 => &[SigningScheme::Ed25519],
        KeyAlgorithm::Rsa => &[SigningScheme::RsaPkcs1Sha256],
    }
}

/// Verifies signature, log entry where one is needed and, where there is one, certificate with the roots that count;
/// one is enough. What is in no log has a time by a timestamp authority.
fn with_roots(
    material: &Material,
    digest: Digest,
    (policy, needs_log): (&dyn Policy, bool),
    only: Option<Digest>,
    roots: &Roots,
) -> Result<VerificationResult, Reason> {
    if needs_log {
        check_logged(&material.bundle)?;
    }
    let bundle = without_chain(&material.bundle);
    let mut failure = None;
    for root in roots.select(only) {
        match with_root(&root.verifier, &bundle, material.payload.as_deref(), digest, policy) {
            Ok(result) if is_witnessed(&result, needs_log) => return Ok(result),
            Ok(_) => failure = failure.or(Some(Reason::NotLogged)),
            Err(error) => failure = failure.or_else(|| Some(explain(material, digest, &error))),
        }
    }
    let missing = only.map(|digest| format!(" {digest}")).unwrap_or_default();
    Err(failure.unwrap_or(Reason::NoRoot(missing)))
}

fn with_root(
    root: &Verifier,
    bundle: &Bundle,
    payload: Option<&[u8]>,
    digest: Digest,
    policy: &dyn Policy,
) -> Result<VerificationResult, Error> {
    let artifact =
        payload.map_or_else(|| Artifact::from(Sha256Hash::new(*digest.as_bytes())), Artifact::from);
    root.verify(artifact, bundle, policy)
}

/// Whether somebody other than the signer said when it was made.
fn is_witnessed(result: &VerificationResult, needs_log: bool) -> bool {
    if needs_log { result.tlog_verified() } else { !result.verified_timestamps().is_empty() }
}

fn is_logged(bundle: &Bundle) -> bool {
    !bundle.verification_material.tlog_entries.is_empty()
}

/// The library takes an entry that has neither proof nor promise for logged when another entry has one.
fn check_logged(bundle: &Bundle) -> Result<(), Reason> {
    let mut entries = bundle.verification_material.tlog_entries.iter();
    let is_proven = entries.all(|entry| entry.inclusion_proof.is_some() || entry.inclusion_promise.is_some());
    if is_logged(bundle) && is_proven { Ok(()) } else { Err(Reason::NotLogged) }
}

/// The bundle with the signer's certificate alone: intermediates come from the trusted root.
fn without_chain(bundle: &Bundle) -> Bundle {
    let mut bundle = bundle.clone();
    let content = &mut bundle.verification_material.content;
    if let VerificationMaterialContent::X509CertificateChain { certificates } = content {
        certificates.truncate(1);
    }
    bundle
}

/// A statement about something else is said as such; its signature was verified before.
fn explain(material: &Material, digest: Digest, error: &Error) -> Reason {
    if matches!(error, Error::ArtifactMismatch(_))
        && let Err(reason @ Reason::OtherSubject { .. }) = statement::check_subject(material, digest)
    {
        return reason;
    }
    Reason::Unverified(json::shortened(&error.to_string()))
}

/// The earliest time that a log or a timestamp authority gave.
fn time(result: &VerificationResult) -> SignedAt {
    let logged = result.integrated_time();
    let earliest = result.verified_timestamps().iter().copied().chain(logged).min();
    let at = earliest.and_then(|at| Timestamp::from_unix(at.as_second()));
    match at {
        Some(at) if logged == earliest => SignedAt::Log(at),
        Some(at) => SignedAt::TimestampAuthority(at),
        // What is in no log has a time, or it would not have been found good.
        None => SignedAt::TimelessLog,
    }
}
