//! What both binaries show: failures with their exit status, progress, JSON results, escaped text.
//!
//! Results go to stdout, everything else to stderr. Text that came from outside is escaped before a
//! terminal sees it.

pub mod archive_report;
pub mod clock;
pub mod failure;
pub mod given_reports;
pub mod html;
pub mod input;
pub mod inspect;
pub mod judging;
pub mod key_file;
pub mod key_source;
pub mod progress;
pub mod report;
pub mod spool;
pub mod token;
pub mod written_report;

pub use failure::{Class, Failure, Failures};
pub use manifests::escape;
