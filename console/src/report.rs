//! The end of a command: its result on stdout, its failures on stderr, its exit status.

use std::io::Write as _;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::json;

use crate::failure::{Class, Failure, Failures};

/// Prints what a command came to and returns the status to exit with.
///
/// With `as_json`, stdout gets one JSON document, whether the command succeeded or not; without it, `text`
/// renders the result. A reader that has gone away is not a failure of the command.
pub fn finish<T: Serialize>(
    result: Result<T, Failures>,
    as_json: bool,
    text: impl FnOnce(&T) -> String,
) -> ExitCode {
    match result {
        Ok(value) => {
            let shown = if as_json { pretty(&value) } else { text(&value) };
            print(&shown);
            ExitCode::SUCCESS
        }
        Err(failures) => {
            if as_json {
                let list: Vec<_> = failures.iter().collect();
                print(&pretty(&json!({ "failures": list, "status": failures.class().status() })));
            }
            fail(&failures)
        }
    }
}

/// As [`finish`], for what is shown whether or not something is against it: the result has its place on stdout, and
/// what is against it on stderr and in the status.
pub fn finish_judged<T: Serialize>(
    result: Result<(T, Vec<Failure>), Failures>,
    as_json: bool,
    text: impl FnOnce(&T) -> String,
) -> ExitCode {
    match result {
        Err(failures) => finish::<T>(Err(failures), as_json, text),
        Ok((value, refusals)) => {
            let done = finish(Ok(value), as_json, text);
            Failures::unless_empty(refusals, done).unwrap_or_else(|failures| fail(&failures))
        }
    }
}

fn fail(failures: &Failures) -> ExitCode {
    for failure in failures.iter() {
        eprintln!("{}: {failure}", word(failure.class));
    }
    ExitCode::from(failures.class().status())
}

const fn word(class: Class) -> &'static str {
    match class {
        Class::Failed => "failed",
        Class::Usage => "error",
        Class::Refused => "refused",
        Class::Damaged => "damaged",
    }
}

fn pretty<T: Serialize>(value: &T) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

fn print(text: &str) {
    let newline = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let _ = write!(std::io::stdout(), "{text}{newline}").and_then(|()| std::io::stdout().flush());
}
