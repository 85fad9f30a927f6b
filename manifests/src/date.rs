//! Days as people write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::timestamp::Timestamp;

/// A day in UTC, written `2027-03-01`. What holds until a day holds to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(Timestamp);

/// The text is not a day.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, wanted a day such as 2027-03-01")]
pub struct DateError(String);

impl Date {
    /// The moment at which it begins.
    #[must_use]
    pub const fn start(self) -> Timestamp {
        self.0
    }

    /// Whether `moment` is after its last second.
    #[must_use]
    pub fn is_over_at(self, moment: Timestamp) -> bool {
        moment.unix() >= self.0.unix().saturating_add(24 * 3_600)
    }
}

impl FromStr for Date {
    type Err = DateError;

    fn from_str(text: &str) -> Result<Self, DateError> {
        let start = format!("{text}T00:00:00Z").parse();
        start.map(Self).map_err(|_| DateError(crate::json::shortened(text)))
    }
}

impl fmt::Display for Date {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = self.0.to_string();
        formatter.write_str(start.split('T').next().unwrap_or_default())
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_lasts_to_its_last_second() {
        let day: Date = "2027-03-01".parse().unwrap();
        assert_eq!(day.to_string(), "2027-03-01");
        for (moment, is_over) in
            [("2027-02-28T00:00:00Z", false), ("2027-03-01T23:59:59Z", false), ("2027-03-02T00:00:00Z", true)]
        {
            assert_eq!(day.is_over_at(moment.parse().unwrap()), is_over, "{moment}");
        }
    }

    #[test]
    fn other_spellings_are_refused() {
        for text in ["", "2027-3-1", "2027-02-30", "01.03.2027", "2027-03-01T00:00:00Z", "+2027-03-01"] {
            assert!(text.parse::<Date>().is_err(), "{text:?}");
        }
    }
}
