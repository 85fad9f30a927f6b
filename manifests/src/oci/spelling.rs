//! Keys of manifests have one spelling, and what has keys is an object.
//!
//! Go's `encoding/json` takes `Subject` for `subject`, so a manifest with another spelling would be one thing here and
//! another to a registry or a runtime: a referrer of something else, or an index beside the layers. serde takes a list
//! of values for an object, which nobody else does. Keys that are not known here are nobody's business, and annotations
//! have whatever keys they like.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::json::{self, JsonError};

/// Every key that is read of a manifest, of the descriptors in it and of their platforms.
const KNOWN: [&str; 14] = [
    "annotations",
    "architecture",
    "artifactType",
    "config",
    "digest",
    "layers",
    "manifests",
    "mediaType",
    "os",
    "platform",
    "schemaVersion",
    "size",
    "subject",
    "variant",
];

/// Refuses a manifest that has a known key in another case, or a list where an object belongs. [`json::parse`] has read
/// it before: it ends somewhere.
pub(super) fn check(bytes: &[u8]) -> Result<(), JsonError> {
    json::read_with(Place::Manifest, bytes)
}

/// Where keys are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Manifest,
    Descriptor,
    Descriptors,
    Platform,
}

impl Place {
    /// The place under a key of this one, where keys are read there too.
    fn below(self, key: &str) -> Option<Self> {
        match (self, key) {
            (Self::Manifest, "config" | "subject") => Some(Self::Descriptor),
            (Self::Manifest, "layers" | "manifests") => Some(Self::Descriptors),
            (Self::Descriptor, "platform") => Some(Self::Platform),
            _ => None,
        }
    }
}

impl<'de> DeserializeSeed<'de> for Place {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Place {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a manifest")
    }

    /// `null` counts as absent.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        if self != Self::Descriptors {
            return Err(A::Error::custom("found a list, wanted an object"));
        }
        while items.next_element_seed(Self::Descriptor)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            let folded = json::folded(&key);
            let known = KNOWN.into_iter().find(|known| json::folded(known) == folded);
            if let Some(known) = known.filter(|known| *known != key) {
                return Err(A::Error::custom(format_args!(
                    "found the key {:?}, wanted {known}",
                    json::shortened(&key)
                )));
            }
            match self.below(&key) {
                Some(place) => entries.next_value_seed(place)?,
                None => entries.next_value::<IgnoredAny>().map(|_| ())?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_no_object() {
        let (read, list) = (|text: &str| check(text.as_bytes()), r#"["sha256:0","x",1]"#);
        assert!(read(&format!(r#"{{"other":{list},"layers":[{{"data":{list}}}]}}"#)).is_ok());
        for text in [
            format!("[2,null,null,{list},[]]"),
            format!(r#"{{"config":{list}}}"#),
            format!(r#"{{"layers":[{{}},{list}]}}"#),
            format!(r#"{{"manifests":[{{"platform":["amd64","linux"]}}],"subject":{list}}}"#),
        ] {
            assert!(read(&text).unwrap_err().to_string().contains("wanted an object"), "{text}");
        }
    }

    #[test]
    fn a_known_key_in_another_case_is_refused_where_it_would_be_read() {
        for (text, is_right) in [
            (r#"{"config":{},"layers":[{"annotations":{"Size":"1","OS":"2"}}],"Other":{"Digest":1}}"#, true),
            (r#"{"manifests":[{"platform":{"os":"linux","os.version":"1"}}],"annotations":null}"#, true),
            (r#"{"platform":{"OS":""},"layers":[{"config":{"Digest":1}}],"subject":null}"#, true),
            (r#"{"config":{},"layers":[],"Manifests":[]}"#, false),
            (r#"{"config":{},"layers":[],"\u017fubject":{}}"#, false),
            (r#"{"config":{"Digest":""}}"#, false),
            (r#"{"layers":[{},{"MediaType":""}]}"#, false),
            (r#"{"manifests":[{"platform":{"OS":"linux"}}]}"#, false),
        ] {
            assert_eq!(check(text.as_bytes()).is_ok(), is_right, "{text}");
        }
    }
}
