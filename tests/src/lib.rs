//! What the tests that run whole programs share.
//!
//! Tests that need no server are plain targets under `tests/`. Those that do are targets with
//! `required-features = ["servers"]`; `tests/run` installs and starts what they speak to, and a missing
//! server is then a failure, never a reason to skip.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

pub mod alpine;
pub mod binaries;
pub mod command;
pub mod desk;
pub mod served;
pub mod servers;
pub mod upstream;
