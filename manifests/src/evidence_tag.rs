//! The tags under which a registry keeps what is said about a manifest: cosign's older ones, and that of the
//! distribution specification for registries without a referrers API.
//!
//! What stands there is merged with what others have, never replaced. So no item may be named so.

use crate::digest::Digest;

/// The kinds of evidence that cosign keeps under tags of their own, in the order of their names.
pub const LEGACY_KINDS: [&str; 3] = ["att", "sbom", "sig"];

/// Cosign's tag for evidence of `kind` about `subject`.
#[must_use]
pub fn legacy(subject: Digest, kind: &str) -> String {
    format!("{}.{kind}", fallback(subject))
}

/// The tag under which registries without the API keep the referrers of `subject` (distribution
/// specification 1.1, "Referrers Tag Schema").
#[must_use]
pub fn fallback(subject: Digest) -> String {
    format!("sha256-{}", subject.hex())
}

/// The manifest whose evidence is kept under `tag`; none where a tag is an ordinary one.
#[must_use]
pub fn subject(tag: &str) -> Option<Digest> {
    let rest = tag.strip_prefix("sha256-")?;
    let hex = match rest.split_once('.') {
        Some((hex, kind)) => LEGACY_KINDS.contains(&kind).then_some(hex)?,
        None => rest,
    };
    Digest::from_hex(hex).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_evidence_are_told_from_ordinary_ones() {
        let digest = Digest::of(b"");
        for tag in LEGACY_KINDS.map(|kind| legacy(digest, kind)).into_iter().chain([fallback(digest)]) {
            assert_eq!(subject(&tag), Some(digest), "{tag}");
        }
        let hex = digest.hex();
        for tag in [
            "latest".to_owned(),
            hex.clone(),
            format!("sha512-{hex}"),
            format!("sha256-{}", &hex[1..]),
            format!("sha256-{}.sig", hex.to_uppercase()),
            format!("sha256-{hex}.sig.sig"),
            format!("sha256-{hex}.tar"),
            format!("sha256-{hex}-sig"),
            format!("x-sha256-{hex}.sig"),
        ] {
            assert_eq!(subject(&tag), None, "{tag}");
        }
    }
}
