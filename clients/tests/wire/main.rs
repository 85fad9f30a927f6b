//! The clients against servers that behave, misbehave and lie. Each test starts its own on loopback.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod auth;
mod faults;
mod listing;
mod pushing;
mod reading;
mod redirects;
mod server;
mod settings;
mod tls;
