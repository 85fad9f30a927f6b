//! Which digests of an item a rule asks about.

use std::collections::BTreeSet;

use manifests::oci::Manifest;
use manifests::policy::PlatformRule;
use manifests::{Descriptor, Digest, limits};

use super::reason::Reason;
use crate::Subject;

/// The digest that the name pointed to upstream; and with [`PlatformRule::Each`] every manifest below what is
/// published, in the order of the index.
pub(super) fn asked(subject: Subject<'_>, rule: PlatformRule) -> Result<Vec<Digest>, Reason> {
    let mut digests = vec![subject.item.source.digest];
    if rule == PlatformRule::Each {
        let mut seen = BTreeSet::from([subject.item.source.digest]);
        walk(subject, &subject.item.published, 0, &mut seen, &mut digests)?;
    }
    Ok(digests)
}

fn walk(
    subject: Subject<'_>,
    at: &Descriptor,
    depth: usize,
    seen: &mut BTreeSet<Digest>,
    digests: &mut Vec<Digest>,
) -> Result<(), Reason> {
    if depth > limits::INDEX_DEPTH {
        return Err(Reason::TooDeep);
    }
    let bytes = subject.content.read(at).map_err(|error| Reason::Unreadable(error.to_string()))?;
    match Manifest::parse(&bytes, &at.media_type).map_err(|error| Reason::malformed("a manifest", error))? {
        Manifest::Image(_) => {
            if seen.insert(at.digest) {
                digests.push(at.digest);
            }
        }
        Manifest::Index(index) => {
            // BuildKit lists its attestations beside the platforms, under one that no machine has. Whatever has any other
            // platform, or none, is asked about: a machine could run it.
            for entry in index.manifests.iter().filter(|entry| !entry.is_for_none()) {
                walk(subject, &entry.descriptor(), depth + 1, seen, digests)?;
            }
        }
    }
    Ok(())
}
