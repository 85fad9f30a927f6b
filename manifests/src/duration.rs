//! Spans of time as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const HOUR: i64 = 3_600;
const DAY: i64 = 24 * HOUR;

/// A century is longer than any key lives; beyond it a date would not fit.
const LONGEST: i64 = 36_525 * DAY;

/// A span of time: whole days or hours, at least one, written `90d` or `72h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration(i64);

/// The text is not a span of time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, wanted days or hours such as 90d or 12h")]
pub struct DurationError(String);

impl Duration {
    /// So many hours.
    #[must_use]
    pub(crate) const fn hours(count: u16) -> Self {
        Self(count as i64 * HOUR)
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.0
    }
}

impl FromStr for Duration {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, DurationError> {
        let refuse = || DurationError(crate::json::shortened(text));
        let (number, unit) = text.split_at_checked(text.len().saturating_sub(1)).ok_or_else(refuse)?;
        let seconds = match unit {
            "d" => DAY,
            "h" => HOUR,
            _ => return Err(refuse()),
        };
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit());
        let count: i64 = number.parse().ok().filter(|_| is_number).ok_or_else(refuse)?;
        if (1..=LONGEST / seconds).contains(&count) { Ok(Self(count * seconds)) } else { Err(refuse()) }
    }
}

impl fmt::Display for Duration {
    /// Hours up to a week, as ages of reports are spoken of, then days where they are whole.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 > 7 * DAY && self.0 % DAY == 0 {
            write!(formatter, "{}d", self.0 / DAY)
        } else {
            write!(formatter, "{}h", self.0 / HOUR)
        }
    }
}

impl Serialize for Duration {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_hours_are_read_and_shown() {
        for (text, seconds, shown) in [
            ("1h", 3_600, "1h"),
            ("72h", 259_200, "72h"),
            ("3d", 259_200, "72h"),
            ("90d", 7_776_000, "90d"),
            ("169h", 608_400, "169h"),
        ] {
            let read: Duration = text.parse().unwrap();
            assert_eq!((read.seconds(), read.to_string().as_str()), (seconds, shown), "{text}");
        }
    }

    #[test]
    fn what_is_no_span_of_time_is_refused() {
        for text in ["", "d", "90", "-1d", "+1d", "0h", "1.5d", "90 d", "1w", "99999999999999d", "1\u{e9}"] {
            assert!(text.parse::<Duration>().is_err(), "{text:?}");
        }
    }
}
