//! The shape of what others write: which keys are read of a document, and where.
//!
//! Go's `encoding/json` takes `Subject` for `subject`, so a document with another spelling would be one thing here and
//! another to a registry, a runtime or a scanner: a referrer of something else, or an index beside the layers. serde takes
//! a list of values for an object, which nobody else does. Keys that are not read are nobody's business, and labels and
//! annotations have whatever keys they like.

use serde::de::DeserializeOwned;

use crate::json::{self, JsonError, Keys};

/// An object of which keys are read.
#[derive(Debug)]
pub struct Shape {
    /// The keys; the same in another case is refused.
    pub keys: &'static [&'static str],
    /// What stands under those whose values are objects, or lists of them.
    pub below: &'static [(&'static str, Part)],
}

/// What stands under a key.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// An object.
    One(&'static Shape),
    /// A list of objects.
    Many(&'static Shape),
}

/// Reads a document as [`json::parse`] does, and holds it to its shape.
///
/// # Errors
/// As [`json::parse`]; for a key that is read in another case, or a list where an object belongs.
pub fn parse<T: DeserializeOwned>(bytes: &[u8], shape: &'static Shape) -> Result<T, JsonError> {
    json::read_strictly(bytes, Keys { is_closed: false, part: Some(Part::One(shape)) })
}

/// Reads a document as [`parse`] does whose keys are all its format's own, such as an envelope's: keys that differ in
/// case only are duplicates as well, those that nobody here reads too, since Go's readers take them for one. Where
/// people choose keys, as in labels and annotations, both `Maintainer` and `maintainer` may stand.
///
/// # Errors
/// As [`parse`].
pub fn parse_closed<T: DeserializeOwned>(bytes: &[u8], shape: &'static Shape) -> Result<T, JsonError> {
    json::read_strictly(bytes, Keys { is_closed: true, part: Some(Part::One(shape)) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MANIFEST;

    fn check(text: &str) -> Result<serde_json::Value, JsonError> {
        parse(text.as_bytes(), &MANIFEST)
    }

    #[test]
    fn keys_that_differ_in_case_are_duplicates_where_nobody_chooses_keys() {
        static OWN: Shape =
            Shape { keys: &["x"], below: &[("x", Part::One(&Shape { keys: &[], below: &[] }))] };
        let read = |text: &str| parse_closed::<serde_json::Value>(text.as_bytes(), &OWN);
        for text in
            [r#"{"layers":1,"Layer\u017f":2}"#, r#"{"x":{"k":1,"\u212a":2}}"#, r#"{"y":[{"a":1,"A":2}]}"#]
        {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains("twice"), "{error}");
            assert!(parse::<serde_json::Value>(text.as_bytes(), &OWN).is_ok(), "{text}");
        }
        for text in [r#"{"X":{}}"#, r#"{"x":[]}"#, r#"{"x":{},"x":{}}"#] {
            assert!(read(text).is_err(), "{text}");
        }
        // Of letters beyond ASCII each reader would need the same tables.
        assert!(read("{\"ä\":1,\"Ä\":2,\"i\":3,\"İ\":4}").is_ok());
    }

    #[test]
    fn a_list_is_no_object() {
        let (read, list) = (check, r#"["sha256:0","x",1]"#);
        assert!(read(&format!(r#"{{"other":{list},"layers":[{{"data":{list}}}]}}"#)).is_ok());
        for text in [
            format!(r#"{{"config":{list}}}"#),
            format!(r#"{{"layers":[{{}},{list}]}}"#),
            format!(r#"{{"manifests":[{{"platform":["amd64","linux"]}}],"subject":{list}}}"#),
        ] {
            assert!(read(&text).unwrap_err().to_string().contains("wanted an object"), "{text}");
        }
    }

    #[test]
    fn a_single_value_is_neither_an_object_nor_a_list() {
        for (text, wanted) in [
            (r#"{"config":"x"}"#, "wanted an object"),
            (r#"{"config":false}"#, "wanted an object"),
            (r#"{"config":-1}"#, "wanted an object"),
            (r#"{"config":0.5}"#, "wanted an object"),
            (r#"{"layers":[1]}"#, "wanted an object"),
            (r#"{"layers":[-1]}"#, "wanted an object"),
            (r#"{"layers":-1}"#, "wanted a list"),
            (r#"{"layers":0.5}"#, "wanted a list"),
            (r#"{"layers":{}}"#, "wanted a list"),
            (r#"{"layers":true}"#, "wanted a list"),
        ] {
            assert!(check(text).unwrap_err().to_string().contains(wanted), "{text}");
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
            assert_eq!(check(text).is_ok(), is_right, "{text}");
        }
    }
}
