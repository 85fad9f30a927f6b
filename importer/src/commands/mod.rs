//! One file a verb: arguments in, one stage after the other, a result out.

mod approve;
mod completions;
mod in_force;
mod init;
mod inspect;
mod judge;
mod load;
mod plan;
mod publish;
mod receipt;
mod refuse;
mod report;
mod serve;
mod standing;
mod trust;
mod verify;
mod why;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use console::report::{finish, finish_judged};
use console::written_report::WrittenReport;
use console::{Class, Failure, Failures};

use crate::cli::{Cli, Command, Global};
use crate::site::{Access, Site};

/// Runs what the command line says.
pub(crate) fn run(cli: Cli) -> ExitCode {
    let Cli { global, command } = cli;
    let as_json = global.json;
    match command {
        Command::Init(arguments) => finish(init::run(arguments, &global), as_json, init::Pinned::render),
        Command::Verify(arguments) => {
            finish(verify::run(&arguments, &global), as_json, standing::Standing::render)
        }
        Command::Approve(arguments) => {
            finish(approve::run(&arguments, &global), as_json, approve::Approved::render)
        }
        Command::Report(arguments) => {
            finish_judged(report::run(&arguments, &global), as_json, WrittenReport::render)
        }
        Command::Plan(arguments) => {
            finish(block_on(plan::run(&arguments, &global)), as_json, plan::Planned::render)
        }
        Command::Load(arguments) => {
            finish(block_on(load::run(&arguments, &global)), as_json, load::Done::render)
        }
        Command::Publish(arguments) => {
            finish(block_on(publish::run(&arguments, &global)), as_json, publish::Published::render)
        }
        Command::Serve(arguments) => {
            finish(block_on(serve::run(&arguments, &global)), as_json, serve::Served::render)
        }
        Command::Receipt(command) => receipt::run(&command, &global),
        Command::Why(arguments) => finish(why::run(&arguments, &global), as_json, why::render),
        Command::Trust(command) => trust::run(&command, &global),
        Command::Policy(command) => trust::run_policy(&command, &global),
        Command::Inspect(arguments) => finish(inspect::run(&arguments), as_json, inspect::Inspected::render),
        Command::Completions { shell } => completions::run(shell),
    }
}

/// Two threads: one sends while the other hashes.
fn block_on<T>(work: impl Future<Output = Result<T, Failures>>) -> Result<T, Failures> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Class::Failed, "the runtime", error))?;
    runtime.block_on(work)
}

/// The state directory, which some commands cannot do without.
fn state(global: &Global) -> Result<&PathBuf, Failure> {
    let missing = || {
        Failure::new(Class::Usage, "", "found no site, wanted --state DIR or AIRGAP_STATE")
            .advise("a site is set up once with `airgap-import init`")
    };
    global.state.as_ref().ok_or_else(missing)
}

/// The site of the command line, where one is named.
fn open_site(state: Option<&Path>, access: Access) -> Result<Option<Site>, Failure> {
    state.map(|directory| Site::open(directory, access)).transpose().map_err(Failure::from)
}

/// Prints what a person should know to stderr.
fn notice(global: &Global, notices: &[String]) {
    for line in notices.iter().filter(|_| !global.quiet) {
        eprintln!("notice: {}", console::escape::escape(line));
    }
}
