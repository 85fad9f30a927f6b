//! JSON as Airgap reads and writes it: strict in, canonical out.
//!
//! Written documents follow RFC 8785 (JCS): no whitespace, keys in order, shortest escapes. The types
//! get there by declaring their fields in alphabetical order, so nothing is sorted at run time. Numbers
//! are integers below 2^53, and keys are ASCII, where the orders of RFC 8785 and of Rust agree.

use std::collections::HashSet;
use std::fmt;
use std::io::{self, Write as _};
use std::str::FromStr;

use serde::de::{DeserializeOwned, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::digest::{Digest, Hasher};
use crate::limits;
use crate::shape::Part;

/// Why bytes are not the JSON document that was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JsonError(String);

/// Reads one document, which is an object: duplicate keys at any depth, nesting beyond [`limits::JSON_DEPTH`]
/// and trailing bytes are errors. Unknown fields are the type's own matter (`deny_unknown_fields` in our
/// documents, ignored in upstream's).
///
/// # Errors
/// What was found, and where.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, JsonError> {
    read_strictly(bytes, Keys::default())
}

/// Which keys may stand in a document.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keys {
    /// Whether all keys are the format's own, so that those which differ in case only are duplicates too.
    pub(crate) is_closed: bool,
    /// What has to be here; anything where no shape says.
    pub(crate) part: Option<Part>,
}

/// Reads one document, as [`parse`] does, and holds it to its keys.
pub(crate) fn read_strictly<T: DeserializeOwned>(bytes: &[u8], keys: Keys) -> Result<T, JsonError> {
    // serde would take a list of its fields' values for a struct.
    if !bytes.trim_ascii_start().starts_with(b"{") {
        return Err(JsonError("found no JSON object, wanted one".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Strict { depth: 0, keys }
        .deserialize(&mut deserializer)
        .and_then(|()| deserializer.end())
        .and_then(|()| serde_json::from_slice(bytes))
        .map_err(|error| JsonError(error.to_string()))
}

/// The first of `known` that other readers, Go's among them, take `key` for, where it is spelled otherwise: `layers`
/// for `Layers`.
fn misspelled<'a>(key: &str, known: &[&'a str]) -> Option<&'a str> {
    let folded_key = folded(key);
    known.iter().find(|known| folded(known) == folded_key).filter(|known| **known != key).copied()
}

/// A key as such readers take it. The two letters are the only ones beyond ASCII that any case mapping brings to ASCII
/// alone, and all known keys are ASCII, so the rest stays as it is: two readers with different tables of Unicode must see
/// the same.
fn folded(key: &str) -> String {
    let fold = |letter| match letter {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    key.chars().map(fold).collect()
}

/// Whether a document says that it is of this kind, whatever else is wrong with it.
pub(crate) fn is_kind(bytes: &[u8], kind: &str) -> bool {
    #[derive(Deserialize)]
    struct Head {
        kind: String,
    }
    parse::<Head>(bytes).is_ok_and(|head| head.kind == kind)
}

/// Reads one document that must be written exactly as [`encode`] writes it, so that a document has one
/// spelling and one digest.
///
/// # Errors
/// As [`parse`]; and when the bytes are another spelling of the same value.
pub fn parse_canonical<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Result<T, JsonError> {
    let value: T = parse(bytes)?;
    let mut rest = Compare(bytes);
    let same = serde_json::to_writer(&mut rest, &value).is_ok() && rest.0.is_empty();
    if same { Ok(value) } else { Err(JsonError("found JSON in another form than the canonical one".into())) }
}

/// The canonical bytes of a document.
///
/// # Panics
/// Never for the types of this crate: they have string keys and integer numbers only.
#[must_use]
#[expect(clippy::expect_used, reason = "serialising string-keyed data into memory cannot fail")]
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec(value).expect("documents have string keys only")
}

/// Writes what [`encode`] gives, without holding it.
///
/// # Errors
/// When `to` does not take it.
pub fn write<T: Serialize>(value: &T, to: impl io::Write) -> io::Result<()> {
    // The serializer writes a few bytes at a time.
    let mut writer = io::BufWriter::new(to);
    serde_json::to_writer(&mut writer, value)?;
    writer.flush()
}

/// The digest of what [`encode`] gives, without holding it.
///
/// # Panics
/// As [`encode`].
#[must_use]
#[expect(clippy::expect_used, reason = "a hash takes every byte")]
pub fn digest<T: Serialize>(value: &T) -> Digest {
    let mut hasher = Hasher::default();
    write(value, &mut hasher).expect("documents have string keys only");
    hasher.finish()
}

/// A writer that compares with what is expected, without a second copy in memory.
struct Compare<'a>(&'a [u8]);

impl io::Write for Compare<'_> {
    fn write(&mut self, written: &[u8]) -> io::Result<usize> {
        self.0 = self.0.strip_prefix(written).ok_or(io::ErrorKind::InvalidData)?;
        Ok(written.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Walks a document and keeps nothing of it. serde drops earlier duplicates in maps silently, and two
/// readers that keep different ones see two different documents under one signature.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
    keys: Keys,
}

impl Strict {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        if self.depth == limits::JSON_DEPTH {
            return Err(E::custom(format_args!("found more than {} levels of nesting", limits::JSON_DEPTH)));
        }
        Ok(Self { depth: self.depth + 1, ..self })
    }

    /// A text, a number or a truth value.
    fn scalar<E: serde::de::Error>(self) -> Result<(), E> {
        match self.keys.part {
            Some(Part::One(_)) => Err(E::custom("found a single value, wanted an object")),
            Some(Part::Many(_)) => Err(E::custom("found a single value, wanted a list")),
            None => Ok(()),
        }
    }
}

impl Keys {
    /// Those under `key` of an object.
    fn below(self, key: &str) -> Result<Self, String> {
        let Some(Part::One(shape)) = self.part else { return Ok(self) };
        if let Some(known) = misspelled(key, shape.keys) {
            return Err(format!("found the key {:?}, wanted {known}", shortened(key)));
        }
        let part = shape.below.iter().find(|(name, _)| *name == key).map(|(_, part)| *part);
        Ok(Self { part, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar()
    }

    /// `null` counts as absent where a shape wants something.
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let part = match self.keys.part {
            Some(Part::One(_)) => {
                return Err(serde::de::Error::custom("found a list, wanted an object"));
            }
            Some(Part::Many(shape)) => Some(Part::One(shape)),
            None => None,
        };
        let inner = Self { keys: Keys { part, ..self.keys }, ..self.deeper()? };
        while items.next_element_seed(inner)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        if let Some(Part::Many(_)) = self.keys.part {
            return Err(serde::de::Error::custom("found an object, wanted a list"));
        }
        let inner = self.deeper()?;
        let mut seen = HashSet::new();
        while let Some(key) = entries.next_key::<String>()? {
            let keys = self.keys.below(&key).map_err(serde::de::Error::custom)?;
            let same = if keys.is_closed { folded(&key) } else { key };
            if let Some(same) = seen.replace(same) {
                return Err(serde::de::Error::custom(format_args!("found the key {same:?} twice")));
            }
            entries.next_value_seed(Self { keys, ..inner })?;
        }
        Ok(())
    }
}

/// Deserialises a type from its text form; for the types that serialise as their `Display`.
pub(crate) fn from_text<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: fmt::Display,
{
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

/// The start of a text that came from outside, for an error message.
#[must_use]
pub fn shortened(text: &str) -> String {
    const SHOWN: usize = 120;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn duplicate_keys_are_refused_at_any_depth() {
        for bytes in [r#"{"a":1,"a":2}"#, r#"{"x":[{"a":{"b":1,"b":1}}]}"#, r#"{"a":1,"\u0061":2}"#] {
            let error = parse::<serde_json::Value>(bytes.as_bytes()).unwrap_err();
            assert!(error.to_string().contains("twice"), "{error}");
        }
    }

    #[test]
    fn the_digest_is_that_of_the_encoding() {
        let long: Vec<String> = (0..10_000).map(|at| at.to_string()).collect();
        assert_eq!(digest(&long), Digest::of(&encode(&long)));
    }

    #[test]
    fn trailing_bytes_and_deep_nesting_are_refused() {
        assert!(parse::<serde_json::Value>(b"{} {}").is_err());
        let deep = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels - 1), "]".repeat(levels - 1));
        assert!(parse::<serde_json::Value>(deep(limits::JSON_DEPTH).as_bytes()).is_ok());
        assert!(parse::<serde_json::Value>(deep(limits::JSON_DEPTH + 1).as_bytes()).is_err());
        assert!(parse::<serde_json::Value>(deep(100_000).as_bytes()).is_err());
    }

    #[test]
    fn a_list_of_the_values_is_not_the_document() {
        #[derive(Deserialize)]
        struct Note {
            text: String,
        }
        assert_eq!(parse::<Note>(br#" {"text":"a"}"#).unwrap().text, "a");
        for bytes in [r#"["a"]"#, r#" ["a"]"#, r#""a""#, "null", ""] {
            assert!(parse::<Note>(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }

    #[test]
    fn another_spelling_is_not_canonical() {
        type Map = BTreeMap<String, u64>;
        assert!(parse_canonical::<Map>(br#"{"a":1,"b":2}"#).is_ok());
        for bytes in [
            r#"{"b":2,"a":1}"#,
            r#"{"a": 1,"b":2}"#,
            r#"{"a":1,"b":2} "#,
            "{\"a\":1,\"b\":2}\n",
            r#" {"a":1,"b":2}"#,
            r#"{"a":1,"b":2}"#.replace('a', "\\u0061").as_str(),
        ] {
            assert!(parse_canonical::<Map>(bytes.as_bytes()).is_err(), "{bytes}");
        }
    }
}
