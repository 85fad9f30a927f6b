//! PKCS#11 URIs (RFC 7512): which key of which token, by which module.
//!
//! What is not understood is an error: an attribute that is passed over would let another key sign.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// The path attributes that are understood.
const PATH: &str = "token, manufacturer, serial, model, slot-id, object, id, type";

/// The query attributes that are understood.
const QUERY: &str = "module-path, pin-source";

/// Longest URI, in bytes; the attributes of a token have at most 32 each.
const LONGEST: usize = 4096;

/// The name of a key in a token. It holds no PIN, so it may be shown and kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUri {
    text: String,
    pub(super) token: TokenAttributes,
    /// The key's label.
    pub(super) object: Option<String>,
    /// The key's id.
    pub(super) id: Option<Vec<u8>>,
    pub(super) module: Option<PathBuf>,
    /// A file that holds the PIN.
    pub(super) pin_source: Option<PathBuf>,
}

/// What a token must have; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TokenAttributes {
    pub(super) label: Option<String>,
    pub(super) manufacturer: Option<String>,
    pub(super) serial: Option<String>,
    pub(super) model: Option<String>,
    pub(super) slot: Option<u64>,
}

/// Why a text is not the URI of a key. No message repeats a value: it may be a PIN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UriError(String);

impl TokenUri {
    /// Whether a text is meant as such a URI, well-formed or not.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        scheme(text).is_some()
    }
}

impl FromStr for TokenUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let rest = scheme(text).ok_or_else(|| error("found no pkcs11:, wanted a URI that begins with it"))?;
        if text.len() > LONGEST {
            return Err(error(format!("found more than {LONGEST} bytes, wanted at most that")));
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut path, mut query) = (attributes(path, ';')?, attributes(query, '&')?);
        if query.contains_key("pin-value") {
            return Err(error(
                "found pin-value, and arguments are seen by others: give pin-source=file:PATH, set \
                 AIRGAP_KEY_PASSWORD, or be asked on a terminal",
            ));
        }
        let mut text_of = |name: &str| path.remove(name).map(|value| utf8(name, value)).transpose();
        let token = TokenAttributes {
            label: text_of("token")?,
            manufacturer: text_of("manufacturer")?,
            serial: text_of("serial")?,
            model: text_of("model")?,
            slot: text_of("slot-id")?.map(|slot| number(&slot)).transpose()?,
        };
        let object = text_of("object")?;
        if text_of("type")?.is_some_and(|kind| kind != "private") {
            return Err(error("found another type, wanted type=private or none"));
        }
        let id = path.remove("id");
        let module =
            query.remove("module-path").map(|value| module(utf8("module-path", value)?)).transpose()?;
        let pin_source =
            query.remove("pin-source").map(|value| pin_file(&utf8("pin-source", value)?)).transpose()?;
        nothing_else(&path, PATH)?;
        nothing_else(&query, QUERY)?;
        Ok(Self { text: text.to_owned(), token, object, id, module, pin_source })
    }
}

impl fmt::Display for TokenUri {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Display for UriError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for UriError {}

/// An absolute path: a relative one would name another file in another folder, and code is loaded from it.
pub(super) fn module(path: String) -> Result<PathBuf, UriError> {
    let path = PathBuf::from(path);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(error("found a relative path of the module, wanted an absolute one"))
    }
}

fn pin_file(source: &str) -> Result<PathBuf, UriError> {
    let wanted = || {
        error(
            "found another pin-source, wanted file: with an absolute path, such as pin-source=file:/etc/airgap/pin",
        )
    };
    let path = source.strip_prefix("file:").ok_or_else(wanted)?;
    let path = path.strip_prefix("//").unwrap_or(path);
    if Path::new(path).is_absolute() { Ok(path.into()) } else { Err(wanted()) }
}

/// What stands behind the scheme, whose case does not matter (RFC 3986, 3.1).
fn scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("pkcs11").then_some(rest)
}

/// Each attribute once, with its value decoded.
fn attributes(text: &str, separator: char) -> Result<BTreeMap<&str, Vec<u8>>, UriError> {
    let mut found = BTreeMap::new();
    for attribute in text.split(separator).filter(|attribute| !attribute.is_empty()) {
        let (name, value) = attribute.split_once('=').ok_or_else(|| {
            error(format!("found an attribute without =, wanted NAME=VALUE between {separator:?}"))
        })?;
        if found.insert(name, decode(name, value)?).is_some() {
            return Err(error(format!("found the attribute {name} twice, wanted it once")));
        }
    }
    Ok(found)
}

fn nothing_else(left: &BTreeMap<&str, Vec<u8>>, known: &str) -> Result<(), UriError> {
    match left.keys().next() {
        None => Ok(()),
        Some(name) => Err(error(format!("found the unknown attribute {name}, wanted one of {known}"))),
    }
}

/// A value without its percent-encoding (RFC 3986, 2.1).
fn decode(name: &str, value: &str) -> Result<Vec<u8>, UriError> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        let both = digit(bytes.next()).zip(digit(bytes.next()));
        let both = both.and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
        decoded.push(both.ok_or_else(|| error(format!("found % without two hexadecimal digits in {name}")))?);
    }
    Ok(decoded)
}

fn utf8(name: &str, value: Vec<u8>) -> Result<String, UriError> {
    String::from_utf8(value).map_err(|_| error(format!("found no UTF-8 text in {name}")))
}

fn number(slot: &str) -> Result<u64, UriError> {
    let is_digits = slot.bytes().all(|byte| byte.is_ascii_digit());
    slot.parse().ok().filter(|_| is_digits).ok_or_else(|| error("found no decimal number in slot-id"))
}

fn error(message: impl Into<String>) -> UriError {
    UriError(message.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_is_read() {
        let text = "pkcs11:token=Build%20desk;manufacturer=SoftHSM%20project;serial=0d;model=v2;slot-id=7;\
                    object=build-1;id=%01%fF%61;type=private?module-path=/usr/lib/m.so&pin-source=file:/etc/pin";
        let uri: TokenUri = text.parse().unwrap();
        let token = TokenAttributes {
            label: Some("Build desk".into()),
            manufacturer: Some("SoftHSM project".into()),
            serial: Some("0d".into()),
            model: Some("v2".into()),
            slot: Some(7),
        };
        assert_eq!(uri.token, token);
        assert_eq!(uri.object.as_deref(), Some("build-1"));
        assert_eq!(uri.id, Some(vec![1, 0xff, b'a']));
        assert_eq!(uri.module, Some("/usr/lib/m.so".into()));
        assert_eq!(uri.pin_source, Some("/etc/pin".into()));
        assert_eq!(uri.to_string(), text);
    }

    #[test]
    fn what_is_left_out_does_not_matter() {
        for text in ["pkcs11:", "PKCS11:", "pkcs11:type=private", "pkcs11:;"] {
            let uri: TokenUri = text.parse().unwrap();
            assert_eq!((uri.token, uri.object, uri.id), (TokenAttributes::default(), None, None), "{text}");
        }
        let uri: TokenUri = "pkcs11:?pin-source=file:///etc/pin%3F".parse().unwrap();
        assert_eq!(uri.pin_source, Some("/etc/pin?".into()));
    }

    #[test]
    fn what_is_not_understood_is_named() {
        for (text, wanted) in [
            ("build-1.key", "begins with it"),
            ("pkcs11:token=a;colour=red", "the unknown attribute colour, wanted one of token"),
            ("pkcs11:module-path=/m.so", "the unknown attribute module-path"),
            ("pkcs11:token=a?object=b", "the unknown attribute object, wanted one of module-path"),
            ("pkcs11:token=a;token=b", "the attribute token twice"),
            ("pkcs11:token", "without ="),
            ("pkcs11:token=%4", "hexadecimal digits in token"),
            ("pkcs11:token=%zz", "hexadecimal digits in token"),
            ("pkcs11:token=%ff", "no UTF-8 text in token"),
            ("pkcs11:slot-id=+1", "no decimal number in slot-id"),
            ("pkcs11:slot-id=", "no decimal number in slot-id"),
            ("pkcs11:slot-id=99999999999999999999", "no decimal number in slot-id"),
            ("pkcs11:type=public", "type=private"),
            ("pkcs11:?module-path=m.so", "a relative path of the module"),
            ("pkcs11:?pin-source=|ask", "another pin-source"),
            ("pkcs11:?pin-source=file:pin", "another pin-source"),
            ("pkcs11:?pin-source=file://host/pin", "another pin-source"),
        ] {
            let error = text.parse::<TokenUri>().unwrap_err().to_string();
            assert!(error.contains(wanted), "{text}: {error}");
        }
        assert!(format!("pkcs11:token={}", "a".repeat(LONGEST)).parse::<TokenUri>().is_err());
    }

    #[test]
    fn a_pin_on_the_command_line_is_refused_and_not_repeated() {
        let error = "pkcs11:token=a?pin-value=1234".parse::<TokenUri>().unwrap_err().to_string();
        assert!(error.contains("pin-source") && error.contains("AIRGAP_KEY_PASSWORD"), "{error}");
        assert!(!error.contains("1234"), "{error}");
    }
}
