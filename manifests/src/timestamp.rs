//! Times in UTC with whole seconds, in one spelling.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::StaticFormatDescription;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use time::{Duration, OffsetDateTime, PrimitiveDateTime, UtcOffset};

const FORM: StaticFormatDescription = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z");

/// A moment in UTC with a resolution of one second, written `2026-11-23T21:30:00Z` (RFC 3339, one form).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(OffsetDateTime);

/// The text is not a time in our form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("found {0:?}, wanted a time in UTC such as 2026-11-23T21:30:00Z")]
pub struct TimestampError(String);

impl Timestamp {
    /// The moment that is `seconds` after 1970-01-01T00:00:00Z; nothing outside the years 1 to 9999.
    #[must_use]
    pub fn from_unix(seconds: i64) -> Option<Self> {
        OffsetDateTime::from_unix_timestamp(seconds).ok().filter(|time| time.year() >= 1).map(Self)
    }

    /// The moment that another program wrote by RFC 3339, in any time zone; fractions of a second are cut off.
    ///
    /// # Errors
    /// When it is no such time.
    pub fn from_rfc3339(text: &str) -> Result<Self, TimestampError> {
        let time = OffsetDateTime::parse(text, &Rfc3339).ok();
        time.and_then(|time| time.checked_to_offset(UtcOffset::UTC))
            .and_then(|time| Self::from_unix(time.unix_timestamp()))
            .ok_or_else(|| TimestampError(crate::json::shortened(text)))
    }

    /// Seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn unix(self) -> i64 {
        self.0.unix_timestamp()
    }

    /// This moment as a number that grows with it and that people can read: `20261123213000`.
    #[must_use]
    pub fn serial(self) -> u64 {
        let time = self.0;
        let parts = [
            u64::from(u8::from(time.month())),
            u64::from(time.day()),
            u64::from(time.hour()),
            u64::from(time.minute()),
            u64::from(time.second()),
        ];
        parts.iter().fold(u64::from(time.year().unsigned_abs()), |serial, part| serial * 100 + part)
    }

    /// This moment and `seconds`; nothing beyond the year 9999.
    #[must_use]
    pub fn plus_seconds(self, seconds: i64) -> Option<Self> {
        self.0.checked_add(Duration::seconds(seconds)).map(Self)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let time = PrimitiveDateTime::parse(text, FORM).ok().map(|time| Self(time.assume_utc()));
        // The parser takes signs and more digits; what is not written back the same is another spelling. A year
        // before the first would give a serial that another moment has too.
        time.filter(|time| time.0.year() >= 1 && time.to_string() == text)
            .ok_or_else(|| TimestampError(crate::json::shortened(text)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.format(FORM).map_err(|_| fmt::Error)?)
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        crate::json::from_text(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_serial_of_a_time_is_its_digits() {
        let time: Timestamp = "2026-11-23T21:30:00Z".parse().unwrap();
        assert_eq!(time.serial(), 20_261_123_213_000);
        assert_eq!(time.to_string(), "2026-11-23T21:30:00Z");
    }

    #[test]
    fn times_of_other_programs_are_cut_to_seconds_in_utc() {
        for (text, wanted) in [
            ("2021-08-25T12:20:30.000000005Z", "2021-08-25T12:20:30Z"),
            ("2023-01-16T19:07:16.853479631-06:00", "2023-01-17T01:07:16Z"),
            ("2026-11-23T21:30:00Z", "2026-11-23T21:30:00Z"),
        ] {
            assert_eq!(Timestamp::from_rfc3339(text).unwrap().to_string(), wanted);
        }
        for text in
            ["", "2024-08-21", "2026-11-23T21:30:00", "9999-12-31T23:59:59-12:00", "0000-01-01T00:00:00Z"]
        {
            assert!(Timestamp::from_rfc3339(text).is_err(), "{text}");
        }
    }

    #[test]
    fn one_moment_has_one_spelling() {
        for text in [
            "2026-11-23T21:30:00+00:00",
            "2026-11-23 21:30:00Z",
            "2026-11-23T21:30:00.0Z",
            "",
            "2026-13-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
            "-0001-01-01T00:00:00Z",
            "+2026-11-23T21:30:00Z",
            "10000-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<Timestamp>().is_err(), "{text}");
        }
        for text in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"] {
            assert_eq!(text.parse::<Timestamp>().unwrap().to_string(), text);
        }
    }
}
