//! A scanner's report with what the scanner does not write into it: its database and its arguments.
//!
//! Trivy's JSON says neither how old the database was nor which filters ran, so a report on its own cannot show
//! that findings were looked for. Whoever runs the scan writes these down here, around the report's own bytes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::Digest;
use crate::platform::Platform;
use crate::timestamp::Timestamp;
use crate::{API_VERSION, json, limits};

/// A scan of one platform of an image. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanReport {
    /// [`API_VERSION`].
    pub api_version: String,
    /// The scanner's arguments, without the program itself. It ran without settings from elsewhere: no
    /// environment of its own and an empty working folder. None where only the report was at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arguments: Option<Vec<String>>,
    /// What it compared with; none where only the report was at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database: Option<Database>,
    /// Always `ScanReport`.
    pub kind: String,
    /// The platform that was scanned.
    pub platform: Platform,
    /// The report as the scanner wrote it.
    #[serde(serialize_with = "to_base64", deserialize_with = "from_base64")]
    pub report: Vec<u8>,
    /// The scanner.
    pub tool: Tool,
}

/// A scanner's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Database {
    /// The manifest that it was pulled by, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// When its content was made.
    pub updated_at: Timestamp,
    /// The version of its form.
    pub version: u32,
}

/// A scanner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Its name, such as `trivy`.
    pub name: String,
    /// Its version, as it says itself.
    pub version: String,
}

/// Why bytes are not such a report.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanReportError {
    /// Larger than [`limits::EVIDENCE_BYTES`].
    #[error("found a scan report of {0} bytes, wanted at most {max}", max = limits::EVIDENCE_BYTES)]
    Size(usize),
    /// Another document or another version.
    #[error("found {0}, wanted apiVersion {API_VERSION} and kind ScanReport")]
    Kind(String),
    /// One without the other.
    #[error("found one of arguments and database, wanted both or neither: filters would go by unseen")]
    Half,
    /// Not JSON in the canonical form, or not of the expected fields.
    #[error("the scan report: {0}")]
    Json(#[from] json::JsonError),
}

impl ScanReport {
    /// A report by whoever ran the scanner.
    #[must_use]
    pub fn new(
        tool: Tool,
        database: Database,
        arguments: Vec<String>,
        platform: Platform,
        report: Vec<u8>,
    ) -> Self {
        let (arguments, database) = (Some(arguments), Some(database));
        Self { arguments, database, ..Self::of_unknown_making(tool, platform, report) }
    }

    /// A report of which nobody wrote down how it was made: a file that the scanner left somewhere.
    #[must_use]
    pub fn of_unknown_making(tool: Tool, platform: Platform, report: Vec<u8>) -> Self {
        let (api_version, kind) = (API_VERSION.to_owned(), "ScanReport".to_owned());
        Self { api_version, arguments: None, database: None, kind, platform, report, tool }
    }

    /// Whether bytes say that they are such a report, whatever else is wrong with them.
    #[must_use]
    pub fn is_one(bytes: &[u8]) -> bool {
        json::is_kind(bytes, "ScanReport")
    }

    /// Reads one. What the scanner wrote is not looked at.
    ///
    /// # Errors
    /// When it is too large, of another kind or version, or not canonical.
    pub fn parse(bytes: &[u8]) -> Result<Self, ScanReportError> {
        if bytes.len() as u64 > limits::EVIDENCE_BYTES {
            return Err(ScanReportError::Size(bytes.len()));
        }
        let read: Self = json::parse_canonical(bytes)?;
        if read.api_version != API_VERSION || read.kind != "ScanReport" {
            let [version, kind] = [&read.api_version, &read.kind].map(|text| json::shortened(text));
            return Err(ScanReportError::Kind(format!("apiVersion {version:?} and kind {kind:?}")));
        }
        if read.arguments.is_some() != read.database.is_some() {
            return Err(ScanReportError::Half);
        }
        Ok(read)
    }

    /// Its bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::encode(self)
    }
}

fn to_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&STANDARD.encode(bytes))
}

fn from_base64<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    STANDARD.decode(text.as_bytes()).map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> ScanReport {
        let database =
            Database { digest: None, updated_at: "2026-11-23T06:00:00Z".parse().unwrap(), version: 2 };
        let tool = Tool { name: "trivy".to_owned(), version: "0.72.0".to_owned() };
        let arguments = vec!["image".to_owned()];
        ScanReport::new(tool, database, arguments, "linux/amd64".parse().unwrap(), b"{\"a\": 1}\n".to_vec())
    }

    #[test]
    fn a_report_keeps_the_bytes_of_the_scanner() {
        let bytes = sample().encode();
        assert_eq!(ScanReport::parse(&bytes), Ok(sample()));
        let text = String::from_utf8(bytes).unwrap();
        assert!(
            text.starts_with(r#"{"apiVersion":"airgap/v1","arguments":["image"],"database":{"#),
            "{text}"
        );
    }

    #[test]
    fn how_it_was_made_is_said_or_not() {
        let ScanReport { tool, platform, report, .. } = sample();
        let plain = ScanReport::of_unknown_making(tool, platform, report);
        assert_eq!(ScanReport::parse(&plain.encode()), Ok(plain.clone()));
        for half in [
            ScanReport { arguments: None, ..sample() },
            ScanReport { database: None, ..sample() },
            ScanReport { arguments: Some(vec![]), ..plain },
        ] {
            assert_eq!(ScanReport::parse(&half.encode()), Err(ScanReportError::Half));
        }
        assert!(ScanReport::is_one(&sample().encode()) && !ScanReport::is_one(b"{\"kind\":\"Receipt\"}"));
    }

    #[test]
    fn another_document_or_spelling_is_refused() {
        let text = String::from_utf8(sample().encode()).unwrap();
        for (changed, why) in [
            (text.replace("airgap/v1", "airgap/v2"), "another version"),
            (text.replace("ScanReport", "Receipt"), "another kind"),
            (
                text.replace("eyJhIjogMX0K", "eyJhIjogMX0L"),
                "another report is another document: read, not refused",
            ),
            (text.replace("\"kind\"", "\"kind\": "), "broken JSON"),
            (text.replace(r#""version":2"#, r#""version":2,"version":2"#), "a key twice"),
            (text.replace(r#""version":2"#, r#""version":2,"x":1"#), "an unknown field"),
            (text.replace("eyJhIjogMX0K", "eyJhIjogMX0K\\n"), "base64 with a line break"),
            (text.replace(':', ": "), "another spelling"),
        ] {
            let is_read = ScanReport::parse(changed.as_bytes()).is_ok();
            assert_eq!(is_read, why.contains("read, not refused"), "{why}");
        }
    }
}
