//! What a site accepts of vulnerabilities: which reports count, and what each finding means.
//!
//! Everything has a strict default, so `vulnerabilities: {}` is the rule of the domain: Critical blocks, High
//! warns. Rules override it for the items that their pattern is about; the first that matches decides.

mod exception;
mod release;
mod spec;
mod versions;

use std::fmt;

pub use exception::{Exception, ExceptionImage, VexAuthor, VexProof};
pub use release::{Release, ReleaseError, is_known};
use serde::{Deserialize, Serialize};
pub use versions::{Versions, VersionsError, is_release};

use super::Pattern;
use crate::duration::Duration;

/// The section `vulnerabilities` of a policy.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "spec::Spec")]
pub struct Vulnerabilities {
    own: Terms,
    rules: Vec<(Pattern, Terms)>,
    /// Findings that somebody answers for.
    pub exceptions: Vec<Exception>,
    /// Whose VEX documents count.
    pub vex: Vec<VexAuthor>,
}

/// What holds for an item.
#[derive(Debug, Clone)]
pub struct Terms {
    /// How old a report may be when it is judged.
    pub report_max_age: Duration,
    /// How old the scanner's database may be when the report is judged.
    pub database_max_age: Duration,
    /// What follows when a report does not say how old its database was.
    pub unknown_database: Action,
    /// What follows when nothing says by which arguments the scanner ran. None means that it depends on who answers
    /// for the report: [`Terms::unknown_arguments`].
    unknown_arguments: Option<Action>,
    /// What follows from a finding of each severity.
    pub severities: Severities,
    /// What follows from a finding that is known to be exploited. Where the policy does not say it, such
    /// findings are refused if a list is at hand; where it does, a list must be.
    pub kev: Option<Action>,
    /// How old that list may be; an older one counts as none.
    pub kev_max_age: Duration,
    /// What follows when the system's maker no longer looks after it.
    pub end_of_support: Action,
    /// What follows when the scanner recognised no system, or nothing at all.
    pub unknown_os: Action,
    /// The most that follows from a finding that what is inside already has too.
    pub unchanged: Action,
    /// How long a finding without a fix only warns, from its publication on.
    pub grace: Option<Duration>,
    /// The systems that the scanner's database has data for; none means those of [`is_known`].
    pub known_releases: Option<Vec<Release>>,
    /// Which reports count.
    pub reports: Reports,
    /// Versions of the scanner whose reports do not count, beside [`Versions::compromised`].
    pub denied_scanners: Vec<Versions>,
}

/// What follows from something. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Nothing.
    Allow,
    /// It is said.
    Warn,
    /// The item is refused.
    Deny,
}

/// What follows from a finding of each severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Severities {
    /// Critical.
    pub critical: ByFix,
    /// High.
    pub high: ByFix,
    /// Medium.
    pub medium: ByFix,
    /// Low.
    pub low: ByFix,
    /// Not rated yet: normal for new findings.
    pub unknown: ByFix,
}

/// What follows from a finding, by whether there is a fix. One word in a policy stands for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByFix {
    /// A version without it exists.
    pub fixed: Action,
    /// None exists.
    pub unfixed: Action,
}

/// How bad a finding is, as its scanner rates it. The order is that of severity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Not rated.
    Unknown,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

/// Which reports count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reports {
    /// Only those that somebody signed whom the policy trusts.
    Attested,
    /// Those too that the archive carries, which its preparer answers for.
    Carried,
}

/// The rule that holds for an item.
#[derive(Debug, Clone)]
pub struct Applied<'a> {
    /// Its name: `vulnerabilities.rules[2] (ghcr.io/demo/**)`.
    pub name: String,
    /// What it says.
    pub terms: &'a Terms,
}

impl Vulnerabilities {
    /// Whether a report that the archive carries counts for some item.
    #[must_use]
    pub fn counts_carried(&self) -> bool {
        let terms = self.rules.iter().map(|(_, terms)| terms).chain([&self.own]);
        terms.into_iter().any(|terms| terms.reports == Reports::Carried)
    }

    /// What holds for the item of this name: the first rule that is about it, or else the section itself.
    #[must_use]
    pub fn for_item(&self, name: &str) -> Applied<'_> {
        let matching = self.rules.iter().enumerate().find(|(_, (pattern, _))| pattern.matches(name));
        match matching {
            Some((at, (pattern, terms))) => {
                Applied { name: format!("vulnerabilities.rules[{at}] ({pattern})"), terms }
            }
            None => Applied { name: "vulnerabilities".to_owned(), terms: &self.own },
        }
    }
}

impl Terms {
    /// What follows from a finding by its severity alone.
    #[must_use]
    pub const fn action(&self, severity: Severity, has_fix: bool) -> Action {
        let by_fix = match severity {
            Severity::Critical => self.severities.critical,
            Severity::High => self.severities.high,
            Severity::Medium => self.severities.medium,
            Severity::Low => self.severities.low,
            Severity::Unknown => self.severities.unknown,
        };
        if has_fix { by_fix.fixed } else { by_fix.unfixed }
    }

    /// What follows when nothing says by which arguments the scanner ran: filters leave no trace in its report. Where the
    /// policy does not say it, whoever signed a report answers for them, and a report that is only carried is refused.
    #[must_use]
    pub const fn unknown_arguments(&self, is_carried: bool) -> Action {
        match self.unknown_arguments {
            Some(action) => action,
            None if is_carried => Action::Deny,
            None => Action::Warn,
        }
    }

    /// The rule by which reports of this version of the scanner do not count.
    #[must_use]
    pub fn denied_scanner(&self, version: &str) -> Option<Versions> {
        let compromised = Versions::compromised();
        self.denied_scanners.iter().copied().chain([compromised]).find(|denied| denied.contain(version))
    }
}

impl Default for Terms {
    fn default() -> Self {
        let both = |action| ByFix { fixed: action, unfixed: action };
        let severities = Severities {
            critical: both(Action::Deny),
            high: both(Action::Warn),
            medium: both(Action::Allow),
            low: both(Action::Allow),
            unknown: both(Action::Warn),
        };
        Self {
            report_max_age: Duration::hours(72),
            database_max_age: Duration::hours(24),
            unknown_database: Action::Deny,
            unknown_arguments: None,
            severities,
            kev: None,
            kev_max_age: Duration::hours(30 * 24),
            end_of_support: Action::Warn,
            unknown_os: Action::Deny,
            unchanged: Action::Warn,
            grace: None,
            known_releases: None,
            reports: Reports::Carried,
            denied_scanners: Vec::new(),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::Deny => "deny",
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Unknown => "unknown",
        })
    }
}

#[cfg(test)]
mod tests;
