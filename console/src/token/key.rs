//! From a session to a key: one private key and its public half are found, tried on each other, and kept ready.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use cryptoki::error::Error;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use manifests::Digest;
use manifests::key::{self, KeyError, PrivateKey, PublicKey, Signer};

use super::TokenUri;
use super::module::{self, LoggedIn, Module, failure, told};
use crate::{Class, Failure};

/// The object identifier of P-256 (1.2.840.10045.3.1.7) in DER, as CKA_EC_PARAMS has it.
const P256: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// An uncompressed point of P-256, in bytes.
const POINT: usize = 65;

/// Most keys of a token that a message names.
const NAMED: usize = 16;

/// A key in a token that is logged in to. A session serves one caller at a time, so it is taken in turn. It is closed
/// before its module ends: fields are dropped in their order.
struct Token {
    session: Mutex<Session>,
    key: ObjectHandle,
    label: String,
    _module: Module,
}

impl Signer for Token {
    /// The token signs a digest that is made here: a gigabyte would cross its wire slowly, and not every token hashes.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let digest = Digest::of(message);
        let session = self.session.lock().unwrap_or_else(PoisonError::into_inner);
        let numbers = session
            .sign(&Mechanism::Ecdsa, self.key, digest.as_bytes())
            .map_err(|error| format!("the token {}: {}", self.label, told(&error)))?;
        key::der(&numbers)
            .map_err(|_| format!("the token {}: found no signature of P-256 in its answer", self.label))
    }
}

/// Opens the key that a URI names.
///
/// # Errors
/// As [`super::open`].
pub(super) fn open(uri: &TokenUri) -> Result<PrivateKey, Failure> {
    let LoggedIn { session, token, module } = module::log_in(uri)?;
    let found = private(uri, &session, &token)?;
    let public = public(uri, &session, &found)?;
    let signer = Token { session: Mutex::new(session), key: found.handle, label: token, _module: module };
    PrivateKey::elsewhere(public, Box::new(signer)).map_err(|error| match error {
        KeyError::Pair => Failure::new(Class::Usage, uri, format!("{found}: {error}")).advise(
            "the public key beside the private one is another key's: write the right one into the token",
        ),
        error => Failure::new(Class::Failed, uri, error),
    })
}

/// A key of a token, by what tells it from others.
struct Found {
    handle: ObjectHandle,
    label: String,
    id: Vec<u8>,
    kind: Option<KeyType>,
}

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "object={} id=", self.label)?;
        self.id.iter().try_for_each(|byte| write!(formatter, "%{byte:02x}"))
    }
}

/// The one private key that matches, when it is of the right kind.
fn private(uri: &TokenUri, session: &Session, token: &str) -> Result<Found, Failure> {
    let class = Attribute::Class(ObjectClass::PRIVATE_KEY);
    let label = uri.object.as_ref().map(|label| Attribute::Label(label.clone().into_bytes()));
    let id = uri.id.as_ref().map(|id| Attribute::Id(id.clone()));
    let template: Vec<Attribute> = [Some(class.clone()), label, id].into_iter().flatten().collect();
    let keys = |template: &[Attribute]| keys(session, template).map_err(|error| failure(uri, &error));
    let mut matching = keys(&template)?;
    let usage = |message: String| Failure::new(Class::Usage, uri, message);
    match (matching.pop(), matching.is_empty()) {
        (Some(one), true) if one.kind == Some(KeyType::EC) => Ok(one),
        (Some(one), true) => Err(other_kind(uri, &one)),
        (None, _) => {
            let all = keys(&[class])?;
            Err(usage(format!(
                "found no private key in the token {token} that matches, wanted one; there are: {}",
                described(&all)
            )))
        }
        (Some(last), false) => {
            matching.push(last);
            let message = format!("found several private keys that match: {}", described(&matching));
            Err(usage(message).advise("add object=LABEL or id=ID to the URI"))
        }
    }
}

/// The public half, which has the same id, or without one the same label.
fn public(uri: &TokenUri, session: &Session, private: &Found) -> Result<PublicKey, Failure> {
    let same = if private.id.is_empty() {
        Attribute::Label(private.label.clone().into_bytes())
    } else {
        Attribute::Id(private.id.clone())
    };
    let failed = |error: Error| failure(uri, &error);
    let template = [Attribute::Class(ObjectClass::PUBLIC_KEY), same];
    let mut halves = Vec::new();
    for handle in session.find_objects(&template).map_err(failed)? {
        let wanted = [AttributeType::EcParams, AttributeType::EcPoint];
        halves.push(session.get_attributes(handle, &wanted).map_err(failed)?);
    }
    halves.dedup();
    let (Some(half), true) = (halves.pop(), halves.is_empty()) else {
        let message = format!(
            "{private}: found no single public key beside the private one, wanted one with the same id"
        );
        return Err(Failure::new(Class::Usage, uri, message).advise(
            "write it into the token, as with pkcs11-tool --write-object PUB --type pubkey --id ID",
        ));
    };
    point(&half).and_then(|point| PublicKey::from_point(point).ok()).ok_or_else(|| other_kind(uri, private))
}

/// The point of a public key of P-256. The standard wraps it in a DER octet string, and some tokens do not.
fn point(half: &[Attribute]) -> Option<&[u8]> {
    let is_p256 =
        half.iter().any(|attribute| matches!(attribute, Attribute::EcParams(curve) if *curve == P256));
    let point = half.iter().find_map(|attribute| match attribute {
        Attribute::EcPoint(point) => Some(point.as_slice()),
        _ => None,
    })?;
    let inner = point.strip_prefix(&[0x04, 0x41]).filter(|inner| inner.len() == POINT);
    is_p256.then_some(inner.unwrap_or(point))
}

fn keys(session: &Session, template: &[Attribute]) -> Result<Vec<Found>, Error> {
    let wanted = [AttributeType::Label, AttributeType::Id, AttributeType::KeyType];
    let read = |handle| {
        let mut found = Found { handle, label: String::new(), id: Vec::new(), kind: None };
        for attribute in session.get_attributes(handle, &wanted)? {
            match attribute {
                Attribute::Label(label) => found.label = String::from_utf8_lossy(&label).into_owned(),
                Attribute::Id(id) => found.id = id,
                Attribute::KeyType(kind) => found.kind = Some(kind),
                _ => {}
            }
        }
        Ok(found)
    };
    session.find_objects(template)?.into_iter().map(read).collect()
}

fn described(keys: &[Found]) -> String {
    let named: Vec<String> = keys.iter().take(NAMED).map(ToString::to_string).collect();
    match keys.len() {
        0 => "none".to_owned(),
        all if all > NAMED => format!("{} and {} more", named.join(", "), all - NAMED),
        _ => named.join(", "),
    }
}

fn other_kind(uri: &TokenUri, key: &Found) -> Failure {
    let message = format!("{key}: found a key of another kind, wanted ECDSA P-256");
    Failure::new(Class::Usage, uri, message)
        .advise("make one with pkcs11-tool --keypairgen --key-type EC:prime256v1")
}
