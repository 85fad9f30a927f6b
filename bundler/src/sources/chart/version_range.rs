//! Version ranges as Helm writes them (the Masterminds dialect of semantic versioning).
//!
//! `||` between alternatives; commas or spaces between conditions that all hold; `=`, `!=`, `<`, `<=`, `>`,
//! `>=`, `~`, `^`; `1.2 - 1.4`; parts that are left out or written `x`, `X` or `*` stand for any number. A
//! pre-release fits only a condition that names one itself.

use std::cmp::Ordering;
use std::str::FromStr;

use semver::{Prerelease, Version};

/// Longest range that is read, in bytes. Real ones have some 30.
const RANGE_BYTES: usize = 512;

/// A range of versions.
#[derive(Debug, Clone)]
pub(crate) struct VersionRange {
    alternatives: Vec<Vec<Condition>>,
}

/// The text is not a range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found the version range {0:?}, wanted one as Helm writes them, such as ^1.2, ~1.2.3, 1.x || >=2.0")]
pub(crate) struct RangeError(String);

#[derive(Debug, Clone)]
struct Condition {
    operator: Operator,
    version: Partial,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Tilde,
    Caret,
}

/// Two-letter operators come first: `>=` begins with `>`.
const OPERATORS: [(&str, Operator); 11] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterOrEqual),
    ("=>", Operator::GreaterOrEqual),
    ("<=", Operator::LessOrEqual),
    ("=<", Operator::LessOrEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
];

/// A version whose last parts may be left open.
#[derive(Debug, Clone)]
struct Partial {
    major: Option<u64>,
    minor: Option<u64>,
    patch: Option<u64>,
    pre: Prerelease,
}

impl VersionRange {
    /// Whether a version fits.
    #[must_use]
    pub(crate) fn fits(&self, version: &Version) -> bool {
        self.alternatives.iter().any(|conditions| conditions.iter().all(|condition| condition.fits(version)))
    }
}

impl FromStr for VersionRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let refuse = || RangeError(manifests::json::shortened(text));
        if text.len() > RANGE_BYTES {
            return Err(refuse());
        }
        let alternatives: Option<Vec<_>> = text.split("||").map(conditions).collect();
        Ok(Self { alternatives: alternatives.ok_or_else(refuse)? })
    }
}

/// The conditions of one alternative; no condition at all means any version.
fn conditions(text: &str) -> Option<Vec<Condition>> {
    if text.trim().is_empty() {
        return Some(vec![Condition { operator: Operator::Equal, version: Partial::parse("*")? }]);
    }
    let mut conditions = Vec::new();
    for part in text.split(',') {
        let words = words(part);
        let mut words = words.as_slice();
        if words.is_empty() {
            return None;
        }
        while let Some((first, rest)) = words.split_first() {
            words = match rest {
                ["-", last, rest @ ..] => {
                    let between = [(Operator::GreaterOrEqual, first), (Operator::LessOrEqual, last)];
                    for (operator, text) in between {
                        conditions.push(Condition { operator, version: Partial::parse(text)? });
                    }
                    rest
                }
                rest => {
                    conditions.push(Condition::parse(first)?);
                    rest
                }
            };
        }
    }
    Some(conditions)
}

/// Words between spaces, an operator joined with the version after it.
fn words(part: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = part.trim();
    while !rest.is_empty() {
        let operator = OPERATORS.iter().find(|(text, _)| rest.starts_with(text)).map_or("", |(text, _)| text);
        let after = &rest[operator.len()..];
        let blank = after.len() - after.trim_start().len();
        let start = operator.len() + if operator.is_empty() { 0 } else { blank };
        let end = rest[start..].find(char::is_whitespace).map_or(rest.len(), |end| start + end);
        words.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    words
}

impl Condition {
    fn parse(word: &str) -> Option<Self> {
        let (operator, version) = OPERATORS
            .iter()
            .find_map(|(text, operator)| Some((*operator, word.strip_prefix(text)?)))
            .unwrap_or((Operator::Equal, word));
        Some(Self { operator, version: Partial::parse(version.trim_start())? })
    }

    fn fits(&self, version: &Version) -> bool {
        let Partial { major, minor, patch, pre } = &self.version;
        if !version.pre.is_empty() && pre.is_empty() {
            return false;
        }
        let compared = self.version.compare(version);
        let below = compared == Ordering::Greater;
        let same_major = *major == Some(version.major);
        let same_minor = same_major && *minor == Some(version.minor);
        match self.operator {
            Operator::Equal => self.version.covers(version),
            Operator::NotEqual => !self.version.covers(version),
            Operator::Less => below,
            Operator::GreaterOrEqual => !below,
            // With open parts these compare with the whole series: `<=1.4` holds 1.4.9, `>1.4` does not.
            Operator::LessOrEqual => compared != Ordering::Less || self.version.covers(version),
            Operator::Greater => compared == Ordering::Less && !self.version.covers(version),
            Operator::Tilde => match (major, minor) {
                (None, _) => true,
                (Some(_), None) => same_major && !below,
                (Some(_), Some(_)) => same_minor && !below,
            },
            Operator::Caret => {
                !below
                    && match (major, minor, patch) {
                        (None, ..) => true,
                        (Some(1..), ..) | (Some(0), None, _) => same_major,
                        (Some(0), Some(1..), _) | (Some(0), Some(0), None) => same_minor,
                        (Some(0), Some(0), Some(patch)) => same_minor && *patch == version.patch,
                    }
            }
        }
    }
}

impl Partial {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix('v').unwrap_or(text);
        // Build metadata does not order versions, so it selects none either.
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        if build.is_some_and(|build| semver::BuildMetadata::new(build).is_err() || build.is_empty()) {
            return None;
        }
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(text, pre)| (text, Some(pre)));
        let mut parts = numbers.split('.');
        let mut open = false;
        let mut next = || match parts.next() {
            None | Some("x" | "X" | "*") => {
                open = true;
                Some(None)
            }
            // `1.x.3` says nothing that a reader could agree on.
            Some(_) if open => None,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().map(Some),
            Some(_) => None,
        };
        let (major, minor, patch) = (next()?, next()?, next()?);
        if parts.next().is_some() || numbers.is_empty() {
            return None;
        }
        let pre = match pre {
            Some("") => return None,
            Some(pre) => Prerelease::new(pre).ok()?,
            None => Prerelease::EMPTY,
        };
        Some(Self { major, minor, patch, pre })
    }

    /// Whether a version is this one, or one of the series that open parts leave.
    fn covers(&self, version: &Version) -> bool {
        let same = |wanted: Option<u64>, found: u64| wanted.is_none_or(|wanted| wanted == found);
        same(self.major, version.major)
            && same(self.minor, version.minor)
            && same(self.patch, version.patch)
            && (self.patch.is_none() || self.pre == version.pre)
    }

    /// This version, open parts read as 0, against another; build metadata aside.
    fn compare(&self, version: &Version) -> Ordering {
        let own = (self.major.unwrap_or(0), self.minor.unwrap_or(0), self.patch.unwrap_or(0), &self.pre);
        own.cmp(&(version.major, version.minor, version.patch, &version.pre))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_helm_says_they_hold() {
        for (range, inside, outside) in [
            ("^1", "1.0.0 1.9.9", "0.9.9 2.0.0 1.5.0-rc.1"),
            ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
            ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0 1.0.0"),
            ("^0.0.3", "0.0.3", "0.0.4 0.1.0"),
            ("^0.0", "0.0.1 0.0.9", "0.1.0"),
            ("^0", "0.0.1 0.9.0", "1.0.0"),
            ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
            ("~1", "1.0.0 1.9.0", "2.0.0"),
            ("~> 1.2", "1.2.0 1.2.7", "1.3.0"),
            ("1.2.x", "1.2.0 1.2.9", "1.3.0 1.2.0-rc.1"),
            ("1", "1.0.0 1.9.0", "2.0.0"),
            ("*", "0.0.1 9.9.9", "1.0.0-rc.1"),
            ("", "0.0.1 9.9.9", "1.0.0-rc.1"),
            ("^*", "0.0.1 9.9.9", "1.0.0-rc.1"),
            ("1.2 - 1.4", "1.2.0 1.4.9", "1.1.9 1.5.0"),
            ("1.2.3 - 1.4.5", "1.2.3 1.4.5", "1.2.2 1.4.6"),
            (">= 1.2, < 2", "1.2.0 1.9.9", "1.1.9 2.0.0"),
            (">=1.2 <2 !=1.5.0", "1.2.0 1.5.1", "1.5.0 2.0.0"),
            ("!=1.5", "1.4.0 1.6.0", "1.5.0 1.5.9"),
            (">1.4", "1.5.0 2.0.0", "1.4.0 1.4.9"),
            (">1", "2.0.0", "1.0.0 1.9.9"),
            ("<=1", "1.9.9 0.1.0", "2.0.0"),
            ("=1.2.3", "1.2.3 1.2.3+build.7", "1.2.4 1.2.3-rc.1"),
            ("v1.2.3", "1.2.3", "1.2.4"),
            ("^1 || ^3", "1.1.0 3.1.0", "2.0.0 4.0.0"),
            ("1.x||2.0.0", "1.1.0 2.0.0", "2.0.1"),
            (">=1.2.0-rc.1", "1.2.0-rc.2 1.2.0 1.3.0-alpha", "1.2.0-beta 1.1.9"),
            ("^1.2.0-0", "1.2.0-rc.1 1.9.0-rc.1 1.9.0", "2.0.0 1.1.0"),
            ("1.3.0-rc.1", "1.3.0-rc.1", "1.3.0 1.3.0-rc.2"),
        ] {
            let range: VersionRange = range.parse().unwrap_or_else(|error| panic!("{error}"));
            for (versions, wanted) in [(inside, true), (outside, false)] {
                for version in versions.split(' ') {
                    assert_eq!(range.fits(&version.parse().unwrap()), wanted, "{range:?} {version}");
                }
            }
        }
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in
            ["a", "1.2.3.4", "^", ">=", "1 -", "- 1", "1,,2", "1.x.3", "1.2-", "1.2+", "latest", "1.2 -1.4"]
        {
            assert!(text.parse::<VersionRange>().is_err(), "{text}");
        }
        assert!("1 || ".repeat(200).parse::<VersionRange>().is_err(), "an endless one");
    }
}
