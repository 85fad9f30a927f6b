//! A token's PIN: from where the URI says, from the environment, or asked for.

use std::fmt;
use std::path::PathBuf;

use super::TokenUri;
use crate::escape::escape;
use crate::{Class, Failure, input, key_file};

/// A PIN has some 4 to 64 characters; a file that is much larger holds something else.
const PIN_BYTES: u64 = 1024;

/// A PIN, and where it was found. It is shown nowhere.
pub(super) struct Pin {
    pub(super) secret: String,
    pub(super) origin: Origin,
}

/// Where a PIN was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    File(PathBuf),
    Variable(&'static str),
    Person,
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "from {}", path.display()),
            Self::Variable(name) => write!(formatter, "from {name}"),
            Self::Person => formatter.write_str("that was typed"),
        }
    }
}

/// The PIN for the token of this label.
///
/// # Errors
/// When there is none, or its file cannot be read.
pub(super) fn find(uri: &TokenUri, token: &str) -> Result<Pin, Failure> {
    if let Some(path) = &uri.pin_source {
        let bytes = input::read(path, PIN_BYTES)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| Failure::new(Class::Usage, path.display(), "found no UTF-8 text, wanted a PIN"))?;
        return Ok(Pin { secret: line(&text).to_owned(), origin: Origin::File(path.clone()) });
    }
    if let Some((name, secret)) = key_file::from_environment() {
        return Ok(Pin { secret, origin: Origin::Variable(name) });
    }
    let asked = key_file::ask(&format!("PIN of the token {}: ", escape(token)));
    let secret = asked.ok_or_else(|| {
        let advice = "give pin-source=file:PATH in the URI, set AIRGAP_KEY_PASSWORD, or run it on a terminal";
        Failure::new(Class::Usage, uri, "found no PIN").advise(advice)
    })?;
    Ok(Pin { secret, origin: Origin::Person })
}

/// A file of one line ends as editors and `echo` end it; that is no part of the PIN.
fn line(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_the_line_is_left_out() {
        for (text, pin) in
            [("1234", "1234"), ("1234\n", "1234"), ("1234\r\n", "1234"), (" 12 \n\n", " 12 \n")]
        {
            assert_eq!(line(text), pin, "{text:?}");
        }
    }
}
