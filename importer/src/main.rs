//! `airgap-import`, the Sovereign's side: an archive is opened without trusting the path it took, judged by
//! the site's own trust and policy, and loaded.
//!
//! ```text
//! [archive] -> Verified -> Accepted -> Plan -> Loaded -> Receipt
//!        open     accept     plan    load    publish
//! ```
//!
//! Each stage takes what the one before it made, and nothing else can make that: the constructors are
//! private. What differs by target stands in `destinations/`, one file a kind; what a site remembers (trust,
//! policy, ledger, receipts, evidence) in `site/`.

mod accept;
mod annex;
mod approval;
mod archive_failure;
mod base;
mod blobs;
mod cli;
mod client_failure;
mod commands;
mod destinations;
mod exclusion;
mod folder_index;
mod held;
mod hosts;
mod judgement;
mod load;
mod made;
mod malware;
mod open;
mod plain;
mod plan;
mod publish;
mod rejudgement;
mod report;
mod rescan;
mod serve;
mod shipment;
mod site;
mod tree;
mod vouch;
mod why;

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    commands::run(cli::Cli::parse())
}
