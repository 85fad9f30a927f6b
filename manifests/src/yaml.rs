//! YAML as people write it: strict, bounded, and with a suggestion where a name is misspelt.

use serde::de::DeserializeOwned;

use crate::{API_VERSION, limits};

/// Why a document that a person wrote is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum YamlError {
    /// Larger than [`limits::DOCUMENT_BYTES`].
    #[error("found a document of {0} bytes, wanted at most {max}", max = limits::DOCUMENT_BYTES)]
    Size(usize),
    /// Not YAML, or not of the expected fields.
    #[error("{0}")]
    Form(String),
    /// Another document than the expected one.
    #[error("found {found}, wanted apiVersion: {API_VERSION} and kind: {wanted}")]
    Kind {
        /// What it says it is.
        found: String,
        /// What was expected here.
        wanted: &'static str,
    },
    /// A rule that the fields do not express.
    #[error("{0}")]
    Rule(String),
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

/// The envelope that every document for people has.
#[derive(serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document<M, S> {
    #[serde(rename = "apiVersion")]
    _api_version: String,
    #[serde(rename = "kind")]
    _kind: String,
    metadata: Option<M>,
    spec: S,
}

/// Reads `apiVersion`, `kind` and `spec` of a document without metadata.
///
/// # Errors
/// When it is too large, of another kind, or its fields are not the expected ones.
pub fn parse<S: DeserializeOwned>(text: &str, kind: &'static str) -> Result<S, YamlError> {
    match parse_named::<Absent, S>(text, kind)? {
        (None, spec) => Ok(spec),
        (Some(_), _) => Err(YamlError::Rule(format!("found metadata, which a {kind} does not have"))),
    }
}

/// Reads a document that has metadata as well.
///
/// # Errors
/// As [`parse`].
pub fn parse_named<M: DeserializeOwned, S: DeserializeOwned>(
    text: &str,
    kind: &'static str,
) -> Result<(Option<M>, S), YamlError> {
    if text.len() as u64 > limits::DOCUMENT_BYTES {
        return Err(YamlError::Size(text.len()));
    }
    // The kind is compared first: the fields of another kind would each look misspelt.
    let head: Head = serde_norway::from_str(text).map_err(|error| form(&error))?;
    if head.api_version != API_VERSION || head.kind != kind {
        let found = format!(
            "apiVersion: {} and kind: {}",
            crate::json::shortened(&head.api_version),
            crate::json::shortened(&head.kind)
        );
        return Err(YamlError::Kind { found, wanted: kind });
    }
    let document: Document<M, S> = serde_norway::from_str(text).map_err(|error| form(&error))?;
    Ok((document.metadata, document.spec))
}

/// Metadata of a document that has none.
#[derive(serde::Deserialize)]
struct Absent {}

fn form(error: &serde_norway::Error) -> YamlError {
    let message = error.to_string();
    match suggestion(&message) {
        Some(name) => YamlError::Form(format!("{message}; did you mean `{name}`?")),
        None => YamlError::Form(message),
    }
}

/// The known name that is nearest to the unknown one in serde's message.
fn suggestion(message: &str) -> Option<&str> {
    let mut quoted = message.split("unknown field ").nth(1)?.split('`').skip(1).step_by(2);
    let unknown = quoted.next()?;
    let distance = |name: &&str| strsim::osa_distance(unknown, name);
    quoted.min_by_key(distance).filter(|name| distance(name) <= 3)
}

/// A map whose keys stand once: serde keeps the last of two silently.
pub(crate) mod unique_map {
    use std::collections::BTreeMap;
    use std::fmt;
    use std::marker::PhantomData;

    use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};

    struct Unique<V>(PhantomData<V>);

    impl<'de, V: Deserialize<'de>> Visitor<'de> for Unique<V> {
        type Value = BTreeMap<String, V>;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = entries.next_entry::<String, V>()? {
                if map.contains_key(&key) {
                    return Err(A::Error::custom(format_args!("found the key {key:?} twice")));
                }
                map.insert(key, value);
            }
            Ok(map)
        }
    }

    /// For `#[serde(deserialize_with)]`.
    pub(crate) fn deserialize<'de, D, V>(deserializer: D) -> Result<BTreeMap<String, V>, D::Error>
    where
        D: Deserializer<'de>,
        V: Deserialize<'de>,
    {
        deserializer.deserialize_map(Unique(PhantomData))
    }
}

/// For `#[serde(default, deserialize_with)]` of a section that means something by being there: a name with
/// nothing behind it is a section with its defaults. serde would read it as if the section were absent.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: serde::Deserialize<'de>,
{
    T::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Spec {
        #[serde(rename = "audience")]
        _audience: Vec<String>,
    }

    #[test]
    fn a_misspelt_name_is_answered_with_the_nearest() {
        let text = "apiVersion: airgap/v1\nkind: Test\nspec: {audiance: [a]}\n";
        let error = parse::<Spec>(text, "Test").unwrap_err().to_string();
        assert!(error.contains("did you mean `audience`?"), "{error}");
    }

    #[test]
    fn another_kind_is_named_before_its_fields() {
        let text = "apiVersion: airgap/v1\nkind: Policy\nspec: {order: {}}\n";
        let error = parse::<Spec>(text, "Test").unwrap_err();
        assert!(matches!(error, YamlError::Kind { .. }), "{error}");
        let text = "apiVersion: airgap/v2\nkind: Test\nspec: {audience: []}\n";
        assert!(matches!(parse::<Spec>(text, "Test"), Err(YamlError::Kind { .. })));
    }

    #[test]
    fn one_key_twice_is_an_error() {
        let text = "apiVersion: airgap/v1\nkind: Test\nspec: {audience: [], audience: [a]}\n";
        assert!(parse::<Spec>(text, "Test").is_err());
    }
}
