//! `airgap-bundle`, the connected side: what a definition names is pinned, collected, judged and written
//! into one signed archive.
//!
//! ```text
//! Definition -> Resolved -> Lock -> Judged -> [archive]
//!        resolve     collect   judge     write
//! ```
//!
//! Each stage takes what the one before it made, and nothing else can make that: the constructors are
//! private. What differs by content type stands in `sources/`, one folder a type.

mod archive_failure;
mod beside;
mod changes;
mod cli;
mod collect;
mod commands;
mod draft;
mod examine;
mod hosts;
mod judge;
mod malware;
mod project;
mod resolve;
mod sources;
mod trusted;
mod upstream;
mod write;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    commands::run(cli)
}
