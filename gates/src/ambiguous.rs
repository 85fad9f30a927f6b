//! JSON that two readers take for two documents: what serde alone would accept, made from a good document.

use serde_json::{Value, json};

/// An object of a document, by its pointer, with the keys that are read in the order of their fields.
pub(crate) type Object = (&'static str, &'static [&'static str]);

/// Holds `read` to refusing `document` when one of these objects is a list of its values, or has a key twice or once
/// more in another case; and to reading it as it is, and with keys that nobody knows.
#[track_caller]
pub(crate) fn assert_refused(
    document: &Value,
    objects: &[Object],
    read: impl Fn(&str) -> Result<(), String>,
) {
    assert_eq!(read(&document.to_string()), Ok(()));
    for (at, keys) in objects {
        let object = document.pointer(at).unwrap();
        let with = |key: &str, value: &Value| format!("{{{key:?}:{value},{}", &object.to_string()[1..]);
        let refused = |other: &str, wanted: &str| {
            let text = with_other(document, at, other);
            let error = read(&text).expect_err(&format!("{at}: wanted {wanted:?}"));
            assert!(error.contains(wanted), "{at}: wanted {wanted:?}: {error}");
        };
        assert_eq!(read(&with_other(document, at, &with("unknown", &json!("a")))), Ok(()), "{at}");
        let list: Vec<&Value> = keys.iter().map(|key| &object[key]).collect();
        let is_root = at.is_empty();
        refused(&json!(list).to_string(), if is_root { "found no JSON object" } else { "wanted an object" });
        for key in *keys {
            refused(&with(key, &object[key]), "twice");
            let shouted = key.to_ascii_uppercase();
            refused(&with(&shouted, &object[key]), &format!("found the key {shouted:?}, wanted {key}"));
        }
    }
}

/// The text of a document with something else at a place.
fn with_other(document: &Value, at: &str, other: &str) -> String {
    let mut document = document.clone();
    *document.pointer_mut(at).unwrap() = json!("other");
    document.to_string().replacen("\"other\"", other, 1)
}
