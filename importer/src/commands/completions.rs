//! `completions`: what a shell needs to complete this command line.

use std::io::stdout;
use std::process::ExitCode;

use clap::CommandFactory as _;
use clap_complete::{Shell, generate};

use crate::cli::Cli;

pub(crate) fn run(shell: Shell) -> ExitCode {
    generate(shell, &mut Cli::command(), "airgap-import", &mut stdout());
    ExitCode::SUCCESS
}
