//! Where a private key is: in a file, or in a token that does not give it away.

use std::ffi::OsStr;
use std::fmt;
use std::path::PathBuf;

use clap::builder::{TypedValueParser, ValueParserFactory};
use clap::error::ErrorKind;
use manifests::key::PrivateKey;

use crate::token::{self, TokenUri, UriError};
use crate::{Failure, key_file};

/// Where a private key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// In a file: PKCS#8, or as cosign encrypts it.
    File(PathBuf),
    /// In a PKCS#11 token.
    Token(Box<TokenUri>),
}

impl KeySource {
    /// Opens the key: its password or PIN comes from the environment, or is asked for on a terminal. A token stays
    /// logged in for as long as the key is there.
    ///
    /// # Errors
    /// When there is no such key, it is of another kind, or the password or PIN does not open it.
    pub fn open(&self) -> Result<PrivateKey, Failure> {
        match self {
            Self::File(path) => key_file::read(path),
            Self::Token(uri) => token::open(uri),
        }
    }
}

impl fmt::Display for KeySource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(formatter),
            Self::Token(uri) => uri.fmt(formatter),
        }
    }
}

impl ValueParserFactory for KeySource {
    type Parser = Parser;

    fn value_parser() -> Parser {
        Parser
    }
}

/// Reads a key's place from the command line.
#[derive(Debug, Clone, Copy)]
pub struct Parser;

impl TypedValueParser for Parser {
    type Value = KeySource;

    /// Clap's own message would repeat the value, which may hold a PIN.
    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &OsStr,
    ) -> Result<KeySource, clap::Error> {
        let Some(text) = value.to_str().filter(|text| TokenUri::is_meant(text)) else {
            return Ok(KeySource::File(value.into()));
        };
        text.parse().map(|uri| KeySource::Token(Box::new(uri))).map_err(|error: UriError| {
            let argument = argument.map(ToString::to_string).unwrap_or_default();
            let message = format!("{argument}: {error}\n");
            clap::Error::raw(ErrorKind::ValueValidation, message).with_cmd(command)
        })
    }
}
