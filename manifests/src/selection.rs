//! Selecting platforms of an index, by a rule that both sides apply.
//!
//! Registries refuse an index with missing children, and a changed index is not what upstream signed. So
//! what is published is the original index (all platforms), one of its manifests (one platform), or a new
//! index that is made from the original's entries (several); and the reader makes it again and compares.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::digest::Digest;
use crate::inventory::Item;
use crate::oci::{Descriptor, Entry, Manifest, ManifestError};
use crate::platform::Platform;
use crate::{json, media_type};

/// BuildKit's mark on a manifest that describes another one of the same index.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";

/// What is published of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// The index as it is: every platform that it lists was asked for.
    Whole,
    /// One of its manifests.
    One(Descriptor),
    /// A new index with its bytes.
    Made(Descriptor, Vec<u8>),
}

/// Why platforms cannot be selected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectionError {
    /// A platform is missing.
    #[error("found no {wanted} in the index, which offers {offered}")]
    Missing {
        /// The platform that was asked for.
        wanted: Platform,
        /// What there is.
        offered: String,
    },
    /// The published manifest is not what the rule makes of the source.
    #[error("found {found} published, wanted {wanted}, which the source and the platforms make")]
    Other {
        /// What the item says.
        found: Digest,
        /// What the rule makes.
        wanted: Digest,
    },
    /// The source is not an index.
    #[error("the source index: {0}")]
    Source(#[from] ManifestError),
}

/// The entries as upstream wrote them, to the byte.
#[derive(Deserialize)]
struct Written<'a> {
    #[serde(borrow)]
    manifests: Vec<&'a RawValue>,
}

/// Selects `platforms` of the index `bytes`, offered as `media_type`.
///
/// # Errors
/// When it is no index, or a platform is missing.
pub fn select(bytes: &[u8], media_type: &str, platforms: &[Platform]) -> Result<Selection, SelectionError> {
    let Manifest::Index(index) = Manifest::parse(bytes, media_type)? else {
        return Err(ManifestError::Shape("a manifest").into());
    };
    let entries = &index.manifests;
    let kept = chosen(entries, platforms)?;
    let is_kept = |entry: &Entry| kept.iter().any(|kept| kept.digest == entry.digest);
    if entries.iter().all(|entry| is_kept(entry) || is_about(entry, is_kept, entries)) {
        return Ok(Selection::Whole);
    }
    if let ([_], [only]) = (platforms, kept.as_slice()) {
        return Ok(Selection::One(only.descriptor()));
    }
    let written: Written<'_> = serde_json::from_slice(bytes)
        .map_err(|_| ManifestError::Shape("an index whose entries cannot be read"))?;
    let kept_text = entries.iter().zip(&written.manifests);
    let kept_text = kept_text.filter(|(entry, _)| is_kept(entry) || is_about(entry, is_kept, entries));
    let kept_text: Vec<&str> = kept_text.map(|(_, text)| text.get()).collect();
    let list = kept_text.join(",");
    let made =
        format!(r#"{{"manifests":[{list}],"mediaType":"{media_type}","schemaVersion":2}}"#).into_bytes();
    let descriptor =
        Descriptor { digest: Digest::of(&made), media_type: media_type.to_owned(), size: made.len() as u64 };
    Ok(Selection::Made(descriptor, made))
}

/// Holds an item with a selection to the rule.
pub(crate) fn check(source: &[u8], item: &Item) -> Result<(), SelectionError> {
    let wanted = match select(source, &item.source.media_type, &item.platforms)? {
        Selection::Whole => item.source.clone(),
        Selection::One(descriptor) | Selection::Made(descriptor, _) => descriptor,
    };
    let (found, wanted_digest) = (item.published.digest, wanted.digest);
    if wanted == item.published {
        Ok(())
    } else {
        Err(SelectionError::Other { found, wanted: wanted_digest })
    }
}

/// The first entry of each platform; a variant that is not named takes the first that fits.
fn chosen<'a>(entries: &'a [Entry], platforms: &[Platform]) -> Result<Vec<&'a Entry>, SelectionError> {
    let mut kept: Vec<&Entry> = Vec::new();
    for wanted in platforms {
        let fits = |entry: &&Entry| {
            media_type::is_manifest(&entry.media_type)
                && entry.platform().is_some_and(|offered| wanted.accepts(&offered))
        };
        let Some(entry) = entries.iter().find(fits) else {
            let offered: Vec<String> =
                entries.iter().filter_map(Entry::platform).map(|platform| platform.to_string()).collect();
            let offered = if offered.is_empty() { "no platform".to_owned() } else { offered.join(", ") };
            return Err(SelectionError::Missing {
                wanted: wanted.clone(),
                offered: json::shortened(&offered),
            });
        };
        if !kept.iter().any(|kept| kept.digest == entry.digest) {
            kept.push(entry);
        }
    }
    Ok(kept)
}

/// Whether an entry is a build attestation of one that is kept.
fn is_about(entry: &Entry, is_kept: impl Fn(&Entry) -> bool, entries: &[Entry]) -> bool {
    let Some(about) = entry.annotation(REFERENCE_DIGEST) else { return false };
    entry.annotation(REFERENCE_TYPE).is_some()
        && entries.iter().any(|kept| is_kept(kept) && kept.digest.to_string() == about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::OCI_INDEX;

    fn entry(content: &str, platform: &str, about: Option<&str>) -> String {
        let (os, architecture) = platform.split_once('/').unwrap();
        let digest = Digest::of(content.as_bytes());
        let annotations = about.map_or(String::new(), |about| {
            let about = Digest::of(about.as_bytes());
            format!(r#","annotations":{{"{REFERENCE_TYPE}":"attestation-manifest","{REFERENCE_DIGEST}":"{about}"}}"#)
        });
        format!(
            r#"{{ "mediaType":"{}","digest":"{digest}","size":1,"platform":{{"architecture":"{architecture}","os":"{os}"}}{annotations}}}"#,
            media_type::OCI_MANIFEST
        )
    }

    fn index(entries: &[String]) -> String {
        format!(r#"{{"schemaVersion":2,"annotations":{{"a":"b"}},"manifests":[{}]}}"#, entries.join(", "))
    }

    fn platforms(list: &[&str]) -> Vec<Platform> {
        list.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn one_platform_is_its_manifest_and_all_are_the_index() {
        let bytes = index(&[entry("a", "linux/amd64", None), entry("b", "linux/arm64", None)]);
        let select = |list: &[&str]| select(bytes.as_bytes(), OCI_INDEX, &platforms(list));
        assert!(
            matches!(select(&["linux/arm64"]), Ok(Selection::One(one)) if one.digest == Digest::of(b"b"))
        );
        assert_eq!(select(&["linux/arm64", "linux/amd64"]), Ok(Selection::Whole));
        let error = select(&["linux/s390x"]).unwrap_err().to_string();
        assert_eq!(error, "found no linux/s390x in the index, which offers linux/amd64, linux/arm64");
    }

    #[test]
    fn two_parts_of_a_platform_in_one_are_none() {
        // The architecture of the first is `arm/v7`.
        let bytes = index(&[entry("a", "linux/arm/v7", None), entry("b", "linux/amd64", None)]);
        let selected = select(bytes.as_bytes(), OCI_INDEX, &platforms(&["linux/arm/v7"]));
        assert!(matches!(selected, Err(SelectionError::Missing { .. })), "{selected:?}");
    }

    #[test]
    fn several_platforms_keep_their_entries_and_attestations_to_the_byte() {
        let (amd, arm) = (entry("a", "linux/amd64", None), entry("b", "linux/arm64", None));
        let s390x = entry("c", "linux/s390x", None);
        let about = |subject| entry(&format!("about {subject}"), "unknown/unknown", Some(subject));
        let bytes = index(&[amd.clone(), s390x, arm.clone(), about("a"), about("c")]);
        let made = select(bytes.as_bytes(), OCI_INDEX, &platforms(&["linux/arm64", "linux/amd64"])).unwrap();
        let Selection::Made(descriptor, made) = made else { panic!("{made:?}") };
        let wanted = format!(
            r#"{{"manifests":[{amd},{arm},{}],"mediaType":"{OCI_INDEX}","schemaVersion":2}}"#,
            about("a")
        );
        assert_eq!(String::from_utf8(made).unwrap(), wanted);
        assert_eq!(descriptor.digest, Digest::of(wanted.as_bytes()));
    }

    #[test]
    fn one_platform_with_its_attestations_only_is_the_whole_index() {
        let bytes = index(&[entry("a", "linux/amd64", None), entry("x", "unknown/unknown", Some("a"))]);
        assert_eq!(select(bytes.as_bytes(), OCI_INDEX, &platforms(&["linux/amd64"])), Ok(Selection::Whole));
    }
}
