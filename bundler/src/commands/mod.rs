//! One file a verb: reads what it needs, runs the stages, says what came of it.

mod build;
mod completions;
mod init;
mod inspect;
mod keygen;
mod lock;
mod policy;
mod report;
pub(crate) mod verify;

use std::process::ExitCode;

use console::report::{finish, finish_judged};
use console::written_report::WrittenReport;

use crate::cli::{Cli, Command, PolicyCommand};

/// Runs the command and returns the status to exit with.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let output = cli.output;
    let json = output.json;
    match cli.command {
        Command::Init(arguments) => finish(init::run(&arguments), json, init::Written::render),
        Command::Keygen(arguments) => finish(keygen::run(&arguments), json, keygen::Made::render),
        Command::Lock(arguments) => finish(lock::run(&arguments, output.quiet), json, lock::Locked::render),
        Command::Build(arguments) => build::run(&arguments, output),
        Command::Inspect(arguments) => finish(inspect::run(&arguments), json, inspect::Inspected::render),
        Command::Verify(arguments) => {
            finish(verify::run(&arguments, output.quiet), json, verify::Checked::render)
        }
        Command::Policy(PolicyCommand::Init(arguments)) => {
            finish(policy::init::run(&arguments), json, policy::init::Drafted::render)
        }
        Command::Policy(PolicyCommand::Test(arguments)) => {
            finish_judged(policy::test::run(&arguments), json, policy::test::Tested::render)
        }
        Command::Report(arguments) => {
            finish_judged(report::run(&arguments, output.quiet, json), json, WrittenReport::render)
        }
        Command::Completions { shell } => completions::run(shell),
    }
}
