//! Sites, trust, ledger and receipts: the real binary on archives that are made here.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot be set up has failed")]

mod annexes;
mod approve;
mod archive;
mod chain;
mod changes;
mod commands;
mod exclusions;
mod forge;
mod init;
mod inside;
mod ledger;
mod malware;
mod page;
mod receipts;
mod refusals;
mod refused;
mod rejudgement;
mod report;
mod reports;
mod scan_report;
mod site;
mod summaries;
mod trust;
mod why;
