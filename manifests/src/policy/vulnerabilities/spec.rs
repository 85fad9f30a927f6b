//! The section as people write it. The section and its rules have one form; what a rule leaves out is the
//! section's, and what the section leaves out is the default.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::exception::{Exception, ExceptionSpec, VexAuthor, VexSpec};
use super::{Action, ByFix, Release, Reports, Severities, Terms, Versions, Vulnerabilities};
use crate::duration::Duration;
use crate::policy::Pattern;

/// The section, or one of its rules.
#[derive(Default, serde::Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct Spec {
    report_max_age: Option<Duration>,
    database_max_age: Option<Duration>,
    unknown_database: Option<Action>,
    unknown_arguments: Option<Action>,
    critical: Option<ByFix>,
    high: Option<ByFix>,
    medium: Option<ByFix>,
    low: Option<ByFix>,
    unknown: Option<ByFix>,
    kev: Option<Action>,
    kev_max_age: Option<Duration>,
    end_of_support: Option<Action>,
    unknown_os: Option<Action>,
    unchanged: Option<Action>,
    grace: Option<Duration>,
    known_releases: Option<Vec<Release>>,
    reports: Option<Reports>,
    scanners: Option<Scanners>,
    #[serde(rename = "match")]
    pattern: Option<Pattern>,
    rules: Vec<Spec>,
    exceptions: Vec<ExceptionSpec>,
    vex: Vec<VexSpec>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Scanners {
    deny: Vec<Versions>,
}

impl TryFrom<Spec> for Vulnerabilities {
    type Error = String;

    fn try_from(spec: Spec) -> Result<Self, String> {
        if spec.pattern.is_some() {
            return Err("vulnerabilities: found match, wanted it in rules only".to_owned());
        }
        let own = terms(&spec, &Terms::default());
        let rules = spec.rules.iter().enumerate().map(|(at, rule)| {
            let read = read_rule(rule, &own);
            read.map_err(|message| format!("vulnerabilities.rules[{at}]: {message}"))
        });
        let rules = rules.collect::<Result<_, _>>()?;
        let exceptions = each(spec.exceptions, "exceptions", Exception::try_from)?;
        let vex = each(spec.vex, "vex", VexAuthor::try_from)?;
        Ok(Self { own, rules, exceptions, vex })
    }
}

/// Reads each entry of a list; an error says which one.
fn each<S, T>(
    specs: Vec<S>,
    list: &str,
    read: impl Fn(S) -> Result<T, &'static str>,
) -> Result<Vec<T>, String> {
    let read = |(at, spec)| read(spec).map_err(|message| format!("vulnerabilities.{list}[{at}]: {message}"));
    specs.into_iter().enumerate().map(read).collect()
}

fn read_rule(rule: &Spec, own: &Terms) -> Result<(Pattern, Terms), &'static str> {
    let pattern = rule.pattern.clone().ok_or("found no match, wanted a pattern of references")?;
    if !rule.rules.is_empty() || !rule.exceptions.is_empty() || !rule.vex.is_empty() {
        return Err("found rules, exceptions or vex, wanted them in the section itself");
    }
    Ok((pattern, terms(rule, own)))
}

fn terms(spec: &Spec, base: &Terms) -> Terms {
    let severities = Severities {
        critical: spec.critical.unwrap_or(base.severities.critical),
        high: spec.high.unwrap_or(base.severities.high),
        medium: spec.medium.unwrap_or(base.severities.medium),
        low: spec.low.unwrap_or(base.severities.low),
        unknown: spec.unknown.unwrap_or(base.severities.unknown),
    };
    let denied = spec.scanners.as_ref().map_or(&base.denied_scanners, |scanners| &scanners.deny);
    Terms {
        report_max_age: spec.report_max_age.unwrap_or(base.report_max_age),
        database_max_age: spec.database_max_age.unwrap_or(base.database_max_age),
        unknown_database: spec.unknown_database.unwrap_or(base.unknown_database),
        unknown_arguments: spec.unknown_arguments.or(base.unknown_arguments),
        severities,
        kev_max_age: spec.kev_max_age.unwrap_or(base.kev_max_age),
        kev: spec.kev.or(base.kev),
        end_of_support: spec.end_of_support.unwrap_or(base.end_of_support),
        unknown_os: spec.unknown_os.unwrap_or(base.unknown_os),
        unchanged: spec.unchanged.unwrap_or(base.unchanged),
        grace: spec.grace.or(base.grace),
        known_releases: spec.known_releases.as_ref().or(base.known_releases.as_ref()).cloned(),
        reports: spec.reports.unwrap_or(base.reports),
        denied_scanners: denied.clone(),
    }
}

/// `deny`, or `{fixed: deny, unfixed: warn}`.
impl<'de> Deserialize<'de> for ByFix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ByFixVisitor)
    }
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ByFixSpec {
    fixed: Action,
    unfixed: Action,
}

struct ByFixVisitor;

impl<'de> Visitor<'de> for ByFixVisitor {
    type Value = ByFix;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("allow, warn, deny, or {fixed: deny, unfixed: warn}")
    }

    fn visit_str<E: serde::de::Error>(self, word: &str) -> Result<ByFix, E> {
        let action = Action::deserialize(StrDeserializer::<E>::new(word))?;
        Ok(ByFix { fixed: action, unfixed: action })
    }

    fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<ByFix, A::Error> {
        let ByFixSpec { fixed, unfixed } = ByFixSpec::deserialize(MapAccessDeserializer::new(entries))?;
        Ok(ByFix { fixed, unfixed })
    }
}
