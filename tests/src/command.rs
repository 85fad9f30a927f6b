//! Running programs, and saying all that they printed when they did not do what was wanted.

use std::fmt;
use std::process::{Command, Output};

/// Runs a command that must succeed, and gives what it printed on standard output.
pub fn succeed(command: &mut Command) -> String {
    finish(command, 0).0
}

/// Runs a command that must end with this exit status, and gives what it printed on standard output and
/// standard error.
pub fn finish(command: &mut Command, status: i32) -> (String, String) {
    let output = command.output().unwrap_or_else(|error| panic!("found no way to run {command:?}: {error}"));
    assert!(
        output.status.code() == Some(status),
        "found {} of {command:?}, wanted {status}\n{}",
        output.status,
        Printed(&output),
    );
    (text(&output.stdout), text(&output.stderr))
}

struct Printed<'a>(&'a Output);

impl fmt::Display for Printed<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Output { stdout, stderr, .. } = self.0;
        write!(formatter, "--- stdout\n{}\n--- stderr\n{}", text(stdout), text(stderr))
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
