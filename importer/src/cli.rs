//! The command line.

use clap::Parser;

/// Opens archives, judges them by the site's own rules and loads them.
#[derive(Parser)]
#[command(name = "airgap-import", version)]
pub(crate) struct Cli {}
