//! The signature gate on real signatures and on made ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod attested;
mod claims;
mod digests;
mod keys;
mod kinds;
mod layers;
mod models;
mod private;
mod provenance;
mod reports;
mod roots;
mod rules;
mod signers;
mod statements;
mod support;
mod vectors;
