//! What an approver leaves out of an archive. It travels in the approver's annex, whose signature covers it.
//!
//! The annex says which archive it is about; this document names items of that archive, each by name and
//! digest, so that it cannot be taken for another archive's.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::{API_VERSION, json, limits};

/// Longest reason, in bytes: some sentences.
const REASON_BYTES: usize = 2_048;

/// Items that are left out. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exclusions {
    /// [`API_VERSION`].
    pub api_version: String,
    /// The items, by name. What requires one of them is left out as well, whether it is listed or not.
    pub items: Vec<ExcludedItem>,
    /// Always `Exclusions`.
    pub kind: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// An item that is left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExcludedItem {
    /// What its name would have pointed to inside.
    pub digest: Digest,
    /// Its name in the archive's inventory.
    pub name: String,
}

/// Why bytes are no exclusions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionsError {
    /// Larger than [`limits::DOCUMENT_BYTES`].
    #[error("found exclusions of {0} bytes, wanted at most {max}", max = limits::DOCUMENT_BYTES)]
    Size(usize),
    /// Another document or another version.
    #[error("found {0}, wanted apiVersion {API_VERSION} and kind Exclusions")]
    Kind(String),
    /// A rule of the form is broken.
    #[error("the exclusions: found {0}")]
    Rule(&'static str),
    /// Not JSON in the canonical form, or not of the expected fields.
    #[error("the exclusions: {0}")]
    Json(#[from] json::JsonError),
}

impl Exclusions {
    /// Exclusions as this release writes them.
    ///
    /// # Errors
    /// When there are none, or the reason is not one line of at most 2,048 bytes.
    pub fn new(mut items: Vec<ExcludedItem>, reason: Option<String>) -> Result<Self, ExclusionsError> {
        items.sort_by(|one, other| one.name.cmp(&other.name));
        let (api_version, kind) = (API_VERSION.to_owned(), "Exclusions".to_owned());
        let exclusions = Self { api_version, items, kind, reason };
        exclusions.check()?;
        Ok(exclusions)
    }

    /// Reads exclusions.
    ///
    /// # Errors
    /// When they are too large, of another kind or version, not canonical, or break a rule.
    pub fn parse(bytes: &[u8]) -> Result<Self, ExclusionsError> {
        if bytes.len() as u64 > limits::DOCUMENT_BYTES {
            return Err(ExclusionsError::Size(bytes.len()));
        }
        let read: Self = json::parse_canonical(bytes)?;
        if read.api_version != API_VERSION || read.kind != "Exclusions" {
            let [version, kind] = [&read.api_version, &read.kind].map(|text| json::shortened(text));
            return Err(ExclusionsError::Kind(format!("apiVersion {version:?} and kind {kind:?}")));
        }
        read.check()?;
        Ok(read)
    }

    /// Their bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::encode(self)
    }

    fn check(&self) -> Result<(), ExclusionsError> {
        let rule = |holds: bool, found| if holds { Ok(()) } else { Err(ExclusionsError::Rule(found)) };
        rule(!self.items.is_empty(), "no item, wanted at least one")?;
        let names = self.items.iter().map(|item| item.name.as_str());
        rule(names.is_sorted_by(|one, next| one < next), "items that are not in order, or one twice")?;
        let is_line = |text: &String| {
            !text.trim().is_empty() && text.len() <= REASON_BYTES && !text.chars().any(char::is_control)
        };
        rule(
            self.reason.as_ref().is_none_or(is_line),
            "another reason than one line of visible text, of at most 2,048 bytes",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(name: &str) -> ExcludedItem {
        ExcludedItem { digest: Digest::of(name.as_bytes()), name: name.to_owned() }
    }

    #[test]
    fn exclusions_are_read_as_they_were_written() {
        let items = vec![item("ghcr.io/b/b:1"), item("ghcr.io/a/a:1")];
        let written = Exclusions::new(items, Some("a Critical without a fix".to_owned())).unwrap();
        let bytes = written.encode();
        assert_eq!(Exclusions::parse(&bytes), Ok(written));
        let text = String::from_utf8(bytes).unwrap();
        let start = r#"{"apiVersion":"airgap/v1","items":[{"digest":"sha256:"#;
        assert!(text.starts_with(start) && text.find("a/a:1") < text.find("b/b:1"), "{text}");
    }

    #[test]
    fn what_breaks_a_rule_is_refused() {
        let good = Exclusions::new(vec![item("ghcr.io/a/a:1"), item("ghcr.io/b/b:1")], None).unwrap();
        let reversed = Exclusions { items: good.items.iter().rev().cloned().collect(), ..good.clone() };
        let twice = Exclusions { items: vec![item("x/a:1"), item("x/a:1")], ..good.clone() };
        let reason = |text: &str| Exclusions { reason: Some(text.to_owned()), ..good.clone() };
        for (changed, why) in [
            (Exclusions { items: vec![], ..good.clone() }, "no item"),
            (reversed, "another order"),
            (twice, "an item twice"),
            (reason(" "), "an empty reason"),
            (reason("a\nb"), "a reason of two lines"),
            (reason(&"a".repeat(2_049)), "a long reason"),
            (Exclusions { kind: "Receipt".to_owned(), ..good.clone() }, "another kind"),
            (Exclusions { api_version: "airgap/v2".to_owned(), ..good.clone() }, "another version"),
        ] {
            assert!(Exclusions::parse(&changed.encode()).is_err(), "{why}");
        }
        let text = String::from_utf8(good.encode()).unwrap();
        for (changed, why) in [
            (text.replace(':', ": "), "another spelling"),
            (text.replace(r#""kind""#, r#""extra":1,"kind""#), "an unknown field"),
        ] {
            assert!(Exclusions::parse(changed.as_bytes()).is_err(), "{why}");
        }
    }
}
