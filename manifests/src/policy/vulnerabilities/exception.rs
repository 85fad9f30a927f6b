//! Findings that somebody answers for, and whose word about findings counts.

use serde::Deserialize;

use crate::date::Date;
use crate::digest::Digest;
use crate::policy::{PackagePattern, Pattern};
use crate::timestamp::Timestamp;

/// How far ahead an exception may reach. A finding that is accepted for longer has been forgotten.
const LONGEST_DAYS: i64 = 90;

/// Longest owner, statement, author or signer, in bytes: a line that a report can show.
const LONGEST_TEXT: usize = 1_024;

/// A finding that the site accepts for a while.
#[derive(Debug, Clone)]
pub struct Exception {
    /// The finding, such as `CVE-2024-6119`.
    pub id: String,
    /// The packages, by their package URL without its version (`pkg:deb/debian/openssl`) or with it.
    pub package: PackagePattern,
    /// The images.
    pub image: ExceptionImage,
    /// Who answers for it.
    pub owner: String,
    /// Why it is acceptable.
    pub statement: String,
    /// The last day on which it holds.
    pub until: Date,
}

/// The images that an exception is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExceptionImage {
    /// The one with this digest: an index, or the manifest of a platform.
    Digest(Digest),
    /// All whose reference the pattern is about.
    Match(Pattern),
}

/// Somebody whose VEX documents count. A name in a document proves nothing, so the document must be signed
/// by the one who is named here, or be the very one whose digest is.
#[derive(Debug, Clone)]
pub struct VexAuthor {
    /// The author, as the documents say it.
    pub author: String,
    /// How their documents are known.
    pub proof: VexProof,
    /// The images that their word counts for; none means all.
    pub images: Option<Pattern>,
}

/// How a VEX document is known to be its author's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VexProof {
    /// It is signed by this identity or key, as the signature gate names them.
    SignedBy(String),
    /// It has this digest.
    Digest(Digest),
}

/// An exception as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExceptionSpec {
    id: String,
    package: PackagePattern,
    image: Option<Digest>,
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
    owner: String,
    statement: String,
    until: Date,
}

/// An author as people write it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VexSpec {
    author: String,
    signed_by: Option<String>,
    digest: Option<Digest>,
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
}

impl Exception {
    /// Why it does not hold at this moment.
    #[must_use]
    pub fn invalid_at(&self, now: Timestamp) -> Option<String> {
        if self.until.is_over_at(now) {
            return Some(format!("ended on {}", self.until));
        }
        let latest = now.unix().saturating_add(LONGEST_DAYS * 24 * 3_600);
        (self.until.start().unix() > latest)
            .then(|| format!("reaches to {}, more than {LONGEST_DAYS} days ahead", self.until))
    }

    /// Whether it is about an image: an item by its name, one of whose manifests has one of these digests.
    #[must_use]
    pub fn is_about(&self, name: &str, digests: &[Digest]) -> bool {
        match &self.image {
            ExceptionImage::Digest(digest) => digests.contains(digest),
            ExceptionImage::Match(pattern) => pattern.matches(name),
        }
    }
}

impl TryFrom<ExceptionSpec> for Exception {
    type Error = &'static str;

    fn try_from(spec: ExceptionSpec) -> Result<Self, &'static str> {
        let is_id = |id: &str| (1..=128).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic());
        if !is_id(&spec.id) || spec.id.contains('*') {
            return Err("found an id that names no one finding, wanted one such as CVE-2024-6119");
        }
        if !is_said(&spec.owner) || !is_said(&spec.statement) {
            return Err("found no owner or statement, wanted who answers for it and why, on one line each");
        }
        let image = match (spec.image, spec.pattern) {
            (Some(digest), None) => ExceptionImage::Digest(digest),
            (None, Some(pattern)) => ExceptionImage::Match(pattern),
            _ => return Err("found neither or both of image and match, wanted one"),
        };
        let (id, package, until) = (spec.id, spec.package, spec.until);
        Ok(Self { id, package, image, owner: spec.owner, statement: spec.statement, until })
    }
}

impl TryFrom<VexSpec> for VexAuthor {
    type Error = &'static str;

    fn try_from(spec: VexSpec) -> Result<Self, &'static str> {
        if !is_said(&spec.author) {
            return Err("found no author, wanted the name as the documents say it");
        }
        let proof = match (spec.signed_by, spec.digest) {
            (Some(signer), None) if is_said(&signer) => VexProof::SignedBy(signer),
            (None, Some(digest)) => VexProof::Digest(digest),
            _ => {
                return Err(
                    "found neither or both of signedBy and digest, wanted one: anybody can write a name",
                );
            }
        };
        Ok(Self { author: spec.author, proof, images: spec.pattern })
    }
}

/// Whether something is written there, on one line that can be shown.
fn is_said(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= LONGEST_TEXT && !text.chars().any(char::is_control)
}
