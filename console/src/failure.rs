//! Failures as both binaries report them: every one, in one line each, with the exit status of the gravest.

use std::fmt;

use serde::Serialize;

use crate::escape::escape;

/// What a failure means for whoever called, and the exit status that says it. The order is by gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// 1: worth another try (network, disk, target).
    Failed,
    /// 2: wrong use; the input or the command line is to be changed.
    Usage,
    /// 3: refused by trust or policy.
    Refused,
    /// 4: the archive is not what was signed.
    Damaged,
}

impl Class {
    /// The exit status of the process.
    #[must_use]
    pub const fn status(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Damaged => 4,
        }
    }
}

/// One failure: what it is about, what was found and wanted, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// What it means.
    pub class: Class,
    /// The item, file or host that it is about; empty when the message names it.
    pub item: String,
    /// What was found and what was wanted.
    pub message: String,
    /// What to do about it; empty when there is nothing but another try.
    pub advice: String,
}

impl Failure {
    /// A failure about `item`.
    pub fn new(class: Class, item: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { class, item: item.to_string(), message: message.to_string(), advice: String::new() }
    }

    /// The same failure with what to do about it.
    #[must_use]
    pub fn advise(mut self, advice: impl fmt::Display) -> Self {
        self.advice = advice.to_string();
        self
    }
}

impl fmt::Display for Failure {
    /// One line, harmless for a terminal.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.item.is_empty() {
            write!(formatter, "{}: ", escape(&self.item))?;
        }
        formatter.write_str(&escape(&self.message))?;
        if self.advice.is_empty() { Ok(()) } else { write!(formatter, " ({})", escape(&self.advice)) }
    }
}

/// All failures of a stage; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// `Ok(value)` when there are no failures.
    ///
    /// # Errors
    /// The failures, when there are any.
    pub fn unless_empty<T>(failures: Vec<Failure>, value: T) -> Result<T, Self> {
        if failures.is_empty() { Ok(value) } else { Err(Self(failures)) }
    }

    /// These failures, of which there is at least one.
    #[must_use]
    pub const fn of(failures: Vec<Failure>) -> Self {
        Self(failures)
    }

    /// Each failure.
    pub fn iter(&self) -> impl Iterator<Item = &Failure> {
        self.0.iter()
    }

    /// The gravest class decides the exit status.
    #[must_use]
    pub fn class(&self) -> Class {
        self.0.iter().map(|failure| failure.class).max().unwrap_or(Class::Failed)
    }
}

impl From<Failure> for Failures {
    fn from(failure: Failure) -> Self {
        Self(vec![failure])
    }
}

impl IntoIterator for Failures {
    type Item = Failure;
    type IntoIter = std::vec::IntoIter<Failure>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_one_harmless_line() {
        let failure = Failure::new(Class::Damaged, "a\nb", "found 1, wanted 2").advise("copy it again");
        assert_eq!(failure.to_string(), "a\\u{a}b: found 1, wanted 2 (copy it again)");
    }

    #[test]
    fn the_gravest_failure_decides_the_status() {
        let of = |class| Failure::new(class, "x", "y");
        let failures = Failures(vec![of(Class::Failed), of(Class::Damaged), of(Class::Refused)]);
        assert_eq!(failures.class().status(), 4);
        assert_eq!(Failures::unless_empty(vec![], 7), Ok(7));
    }
}
