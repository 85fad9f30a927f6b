//! `airgap-bundle` as people run it: the real binary against registries of the fixtures, on loopback.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod charts;
mod crossing;
mod evidence;
mod faults;
mod inputs;
mod keys;
mod malware;
mod policies;
mod project;
mod reproducible;
mod resume;
mod selection;
mod space;
mod stream;
mod updating;
