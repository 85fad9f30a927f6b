//! Keys of manifests have one spelling.
//!
//! Go's `encoding/json` takes `Subject` for `subject`, so a manifest with another spelling would be one thing here and
//! another to a registry or a runtime: a referrer of something else, or an index beside the layers. Keys that are not
//! known here are nobody's business, and annotations have whatever keys they like.

use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::json::{self, JsonError};

/// Every key that is read of a manifest and of the descriptors in it.
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

/// Those whose values have such keys themselves.
const DEEPER: [&str; 5] = ["config", "layers", "manifests", "platform", "subject"];

/// Refuses a manifest that has a known key in another case. [`json::parse`] has read it before: it ends somewhere.
pub(super) fn check(bytes: &[u8]) -> Result<(), JsonError> {
    json::read::<Spelled>(bytes).map(|Spelled| ())
}

/// A manifest, or a part of it, whose keys are as they should be.
struct Spelled;

impl<'de> Deserialize<'de> for Spelled {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> Visitor<'de> for Spelled {
    type Value = Self;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(Self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(Self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self, A::Error> {
        while let Some(key) = entries.next_key::<String>()? {
            if DEEPER.contains(&key.as_str()) {
                entries.next_value::<Self>()?;
                continue;
            }
            entries.next_value::<IgnoredAny>()?;
            let folded = json::folded(&key);
            let known = KNOWN.into_iter().find(|known| json::folded(known) == folded);
            if let Some(known) = known.filter(|known| *known != key) {
                return Err(A::Error::custom(format_args!(
                    "found the key {:?}, wanted {known}",
                    json::shortened(&key)
                )));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_key_in_another_case_is_refused_where_it_would_be_read() {
        for (text, is_right) in [
            (r#"{"config":{},"layers":[{"annotations":{"Size":"1","OS":"2"}}],"Other":{"Digest":1}}"#, true),
            (r#"{"manifests":[{"platform":{"os":"linux","os.version":"1"}}],"annotations":null}"#, true),
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
