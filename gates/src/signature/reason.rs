//! Why something that could be a signature is not the one that was wanted.

use manifests::chart_provenance::ProvenanceError;
use manifests::openpgp::OpenPgpError;
use manifests::{Digest, json, limits};

/// Why a candidate does not count, or why none could be looked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// Its bytes are not there, or not what their digest says.
    #[error("found content that cannot be read: {0}")]
    Unreadable(String),
    /// Not the document that its media type promises.
    #[error("found {what} that is malformed: {error}")]
    Malformed {
        /// Which document.
        what: &'static str,
        /// What is wrong with it.
        error: String,
    },
    /// Evidence about something else.
    #[error("found a referrer of {found:?}, wanted one of {wanted}")]
    OtherReferrer {
        /// What it says that it is about.
        found: Option<Digest>,
        /// What it was listed for.
        wanted: Digest,
    },
    /// A payload, and nobody's signature of it.
    #[error(
        "found a payload without a signature, wanted one in the annotation dev.cosignproject.cosign/signature"
    )]
    Unsigned,
    /// A signature of no bytes.
    #[error("found an empty signature, wanted one")]
    EmptySignature,
    /// More signatures in one envelope than the log entry beside it could be about.
    #[error("found {0} signatures in one envelope, wanted one")]
    SignatureCount(usize),
    /// A bundle over bare content, which says nothing about what it is for.
    #[error(
        "found a bundle without an in-toto statement, wanted one: a signature of bare bytes says nothing of its purpose"
    )]
    NoStatement,
    /// A provenance file where Sigstore or a key is asked for.
    #[error("found a provenance file, which OpenPGP signs")]
    OpenPgp,
    /// Another signature where OpenPGP is asked for.
    #[error("found a signature without OpenPGP, wanted a provenance file")]
    NoOpenPgp,
    /// A provenance file that does not hold.
    #[error("{0}")]
    OtherOpenPgp(#[from] OpenPgpError),
    /// A provenance file of something else.
    #[error("{0}")]
    OtherProvenance(#[from] ProvenanceError),
    /// No log entry where one is required.
    #[error(
        "found no log entry with a proof or a signed promise, wanted one: without it no time of the signature is known"
    )]
    NotLogged,
    /// No log entry, although the trusted root lists a log and whoever carries a signature can take its entry away.
    #[error(
        "found no log entry, wanted one: log: notRequired counts for a trusted root without logs, and this one lists a log"
    )]
    LogListed,
    /// No certificate where an identity is asked for.
    #[error("found a signature by a key without a certificate, wanted one by {0}")]
    NoCertificate(String),
    /// A certificate where a logged key is asked for.
    #[error("found a signature by a certificate, wanted one by {0}")]
    NoKey(String),
    /// The bytes, the key and the signature do not belong together.
    #[error("the signature does not verify with {0}")]
    OtherKey(String),
    /// A certificate, a log entry, a timestamp or a signature does not hold.
    #[error("the signature cannot be verified: {0}")]
    Unverified(String),
    /// Another identity.
    #[error("found the identity {found:?}, wanted {wanted}")]
    OtherIdentity {
        /// The certificate's.
        found: String,
        /// The policy's.
        wanted: String,
    },
    /// Another issuer.
    #[error("found the issuer {found:?}, wanted {wanted:?}")]
    OtherIssuer {
        /// The certificate's.
        found: String,
        /// The policy's.
        wanted: String,
    },
    /// Nothing to judge by.
    #[error("found no trusted root{0}, wanted the one that the policy names: give its file")]
    NoRoot(String),
    /// A good signature of something else.
    #[error("found a signature about {found}, wanted one about {wanted}")]
    OtherSubject {
        /// What it is about.
        found: String,
        /// What was asked about.
        wanted: Digest,
    },
    /// A payload of another type than an image signature.
    #[error("found critical.type {0:?}, wanted \"cosign container image signature\"")]
    OtherType(String),
    /// An attestation where a signature is asked for.
    #[error("found an attestation of type {0:?}, wanted an image signature: an attestation is none")]
    NotASignature(String),
    /// Another attestation, or a signature where an attestation is asked for.
    #[error("found {found}, wanted an attestation of type {wanted}")]
    OtherAttestation {
        /// What it is.
        found: String,
        /// The type that was asked for.
        wanted: String,
    },
    /// A payload that is neither.
    #[error("found a payload of type {0:?}, wanted application/vnd.in-toto+json")]
    OtherPayload(String),
    /// A signature of other files than the item's, or an item that is no model.
    #[error("{0}")]
    OtherFiles(String),
    /// More of them than anybody signs.
    #[error("found more than {max} signatures and attestations, wanted at most that", max = limits::EVIDENCE_PER_SUBJECT)]
    TooMany,
    /// More bytes of them than are judged.
    #[error("found more than {max} bytes of signatures and attestations, wanted at most that", max = limits::EVIDENCE_JUDGED_BYTES)]
    TooMuch,
    /// Indexes in indexes.
    #[error("found indexes nested more than {max} deep, wanted at most that", max = limits::INDEX_DEPTH)]
    TooDeep,
}

impl Reason {
    /// A document that could not be read, with the parser's words.
    pub(crate) fn malformed(what: &'static str, error: impl std::fmt::Display) -> Self {
        Self::Malformed { what, error: json::shortened(&error.to_string()) }
    }
}
