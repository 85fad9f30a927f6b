//! From a URI to a session: the module is loaded, its token found, and logged in to.

use std::path::{Path, PathBuf};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::{Slot, TokenInfo};
use cryptoki::types::AuthPin;

use super::TokenUri;
use super::pin::{self, Origin, Pin};
use super::uri::{TokenAttributes, module};
use crate::{Class, Failure};

/// Names the module where the URI does not.
const MODULE_VARIABLE: &str = "AIRGAP_PKCS11_MODULE";

/// A session that is logged in. It is closed before its module is told that nothing more comes.
pub(super) struct LoggedIn {
    pub(super) session: Session,
    /// The token's label.
    pub(super) token: String,
    pub(super) module: Module,
}

/// A module that is loaded and at work; dropping it ends that.
pub(super) struct Module(Pkcs11);

impl Drop for Module {
    fn drop(&mut self) {
        // The process goes on without it, whatever it says.
        let _ = self.0.clone().finalize();
    }
}

/// Opens a session with the one token that matches, and logs in.
///
/// # Errors
/// When the module cannot be loaded, not exactly one token matches, or the PIN is missing or wrong.
pub(super) fn log_in(uri: &TokenUri) -> Result<LoggedIn, Failure> {
    let module = load(uri)?;
    let (slot, info) = token(uri, &module)?;
    let session = module.0.open_ro_session(slot).map_err(|error| failure(uri, &error))?;
    if info.login_required() {
        let pin = pin::find(uri, info.label())?;
        check_tries(uri, &info, &pin.origin)?;
        present(uri, &info, &session, pin)?;
    }
    Ok(LoggedIn { session, token: info.label().to_owned(), module })
}

fn load(uri: &TokenUri) -> Result<Module, Failure> {
    let path = module_path(uri)?;
    let failed = |error: &Error| {
        let message = format!("found no PKCS#11 module there: {}", told(error));
        Failure::new(Class::Usage, path.display(), message)
            .advise("module-path is the shared object of the token's maker")
    };
    let context = Pkcs11::new(&path).map_err(|error| failed(&error))?;
    context
        .initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))
        .map_err(|error| failed(&error))?;
    Ok(Module(context))
}

fn module_path(uri: &TokenUri) -> Result<PathBuf, Failure> {
    let from_environment = || std::env::var(MODULE_VARIABLE).ok().map(module).transpose();
    let given = uri.module.clone().map_or_else(from_environment, |path| Ok(Some(path)));
    let usage = |message: &str| Failure::new(Class::Usage, uri, message);
    let path = given.map_err(|error| Failure::new(Class::Usage, MODULE_VARIABLE, error))?;
    let path = path.ok_or_else(|| {
        usage("found no PKCS#11 module").advise(format!(
            "add ?module-path=PATH to the URI or set {MODULE_VARIABLE}, such as /usr/lib/softhsm/libsofthsm2.so"
        ))
    })?;
    // What the loader says of a file that is not there differs from system to system.
    if Path::new(&path).exists() {
        Ok(path)
    } else {
        Err(Failure::new(Class::Usage, path.display(), "found no such file, wanted a PKCS#11 module"))
    }
}

/// The one token that matches.
fn token(uri: &TokenUri, module: &Module) -> Result<(Slot, TokenInfo), Failure> {
    let failed = |error: Error| failure(uri, &error);
    let mut tokens = Vec::new();
    for slot in module.0.get_slots_with_initialized_token().map_err(failed)? {
        tokens.push((slot, module.0.get_token_info(slot).map_err(failed)?));
    }
    let all = described(&tokens);
    let mut matching: Vec<_> =
        tokens.into_iter().filter(|(slot, info)| matches(&uri.token, *slot, info)).collect();
    match (matching.pop(), matching.is_empty()) {
        (Some(one), true) => Ok(one),
        (None, _) => {
            let message = format!("found no token that matches, wanted one; there are: {all}");
            Err(Failure::new(Class::Usage, uri, message))
        }
        (Some(last), false) => {
            matching.push(last);
            let message = format!("found several tokens that match: {}", described(&matching));
            Err(Failure::new(Class::Usage, uri, message)
                .advise("add token=LABEL or serial=NUMBER to the URI"))
        }
    }
}

fn matches(wanted: &TokenAttributes, slot: Slot, info: &TokenInfo) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_ref().is_none_or(|wanted| wanted == found);
    is(&wanted.label, info.label())
        && is(&wanted.manufacturer, info.manufacturer_id())
        && is(&wanted.serial, info.serial_number())
        && is(&wanted.model, info.model())
        && wanted.slot.is_none_or(|wanted| wanted == slot.id())
}

fn described(tokens: &[(Slot, TokenInfo)]) -> String {
    let one = |(slot, info): &(Slot, TokenInfo)| {
        format!("token={} serial={} slot-id={}", info.label(), info.serial_number(), slot.id())
    };
    let all: Vec<String> = tokens.iter().map(one).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

/// The last try before a token locks is a person's: a variable may be left over from another key.
fn check_tries(uri: &TokenUri, info: &TokenInfo, origin: &Origin) -> Result<(), Failure> {
    let usage = |message: String| Err(Failure::new(Class::Usage, uri, message));
    if info.user_pin_locked() {
        return usage(format!(
            "found the PIN of the token {} locked after too many wrong tries",
            info.label()
        ));
    }
    match origin {
        Origin::Variable(name) if info.user_pin_final_try() => {
            let message =
                format!("found one last try before the token locks, and a PIN from {name}: it was not tried");
            Err(Failure::new(Class::Usage, uri, message)
                .advise("unset it and type the PIN, or give pin-source"))
        }
        _ => Ok(()),
    }
}

/// Tries a PIN, once.
fn present(
    uri: &TokenUri,
    info: &TokenInfo,
    session: &Session,
    Pin { secret, origin }: Pin,
) -> Result<(), Failure> {
    let answer = session.login(UserType::User, Some(&AuthPin::new(secret.into())));
    let usage = |message: String| Failure::new(Class::Usage, uri, message);
    let label = info.label();
    answer.map_err(|error| match error {
        Error::Pkcs11(RvError::PinIncorrect | RvError::PinInvalid | RvError::PinLenRange, _) => {
            usage(format!("the PIN {origin} is not that of the token {label}; it was tried once"))
                .advise("each wrong try counts, and in the end the token locks")
        }
        Error::Pkcs11(RvError::PinLocked, _) => {
            usage(format!("found the PIN of the token {label} locked after too many wrong tries"))
        }
        error => failure(uri, &error),
    })
}

/// What a module answered, as a failure that may be gone at the next try.
pub(super) fn failure(uri: &TokenUri, error: &Error) -> Failure {
    Failure::new(Class::Failed, uri, told(error))
}

/// An answer by its short name in the standard; the sentences there are long.
pub(super) fn told(error: &Error) -> String {
    match error {
        Error::Pkcs11(answer, function) => {
            format!("found the answer {answer:?} to C_{function:?}, wanted Ok")
        }
        error => error.to_string(),
    }
}
