//! Archives into targets, and targets that say no: the real binary against registries of the fixtures.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod differential;
mod evidence_pack;
mod foreign_folder;
mod harbor;
mod held;
mod hostile_folder;
mod load_directory;
mod load_registry;
mod mending;
mod names;
mod serve;
mod support;
mod vouched;
