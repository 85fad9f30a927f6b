//! What an error of a wire client means for whoever called.

use std::io::ErrorKind;

use clients::{Error, Problem};
use console::{Class, Failure};

/// The failure about `item`.
pub(crate) fn failure(item: &str, error: &Error) -> Failure {
    let (class, advice) = match &error.problem {
        Problem::SourceChanged { .. } => {
            (Class::Damaged, "the archive changed while it was sent; verify it again")
        }
        Problem::Source(cause) if cause.kind() == ErrorKind::UnexpectedEof => {
            (Class::Damaged, "the archive changed while it was sent; verify it again")
        }
        Problem::Settings(_) | Problem::Credentials(_) => (Class::Usage, ""),
        Problem::Unauthorized(_) => (Class::Failed, "log in with an account that may push there"),
        Problem::NoRoom { .. } => {
            (Class::Failed, "make room at the target, then load again: what is there stays")
        }
        _ => (Class::Failed, ""),
    };
    Failure::new(class, item, error).advise(advice)
}

/// Whether the rest is not worth a try: the target does not answer, or the archive cannot be believed.
pub(crate) const fn ends_everything(problem: &Problem) -> bool {
    problem.is_transient() || matches!(problem, Problem::SourceChanged { .. } | Problem::Source(_))
}
