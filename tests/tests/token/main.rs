//! Private keys in a PKCS#11 token: SoftHSM's, filled with OpenSC's `pkcs11-tool`, as an operator fills a real one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod hsm;
mod refused;
mod signing;
mod site;
