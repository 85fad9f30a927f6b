//! The findings of an item: those that weigh in a table, all of them in the counts.

use gates::JudgedItem;
use gates::vulnerability::{Finding, PlatformFindings};
use manifests::policy::vulnerabilities::{Action, Severity};

use super::sections::SEVERITIES;
use crate::html::Html;
use crate::progress;

/// Every finding of an item, on all of its platforms.
pub(super) fn all(item: &JudgedItem) -> impl Iterator<Item = &Finding> {
    let platforms = item.findings.iter().flat_map(|findings| &findings.platforms);
    platforms.flat_map(|platform| &platform.findings)
}

/// How many findings are of a severity; nothing where that gate did not judge.
pub(super) fn count(item: &JudgedItem, severity: Severity) -> Option<usize> {
    item.findings.as_ref()?;
    Some(all(item).filter(|finding| finding.severity == severity).count())
}

/// One table a platform. `is_compared`: the findings of the archive before are known.
pub(super) fn tables(html: &mut Html, item: &JudgedItem, is_compared: bool) {
    for platform in item.findings.iter().flat_map(|findings| &findings.platforms) {
        let counts = SEVERITIES.map(|severity| format!("{} {severity}", platform.count(severity)));
        html.put_isolated("<p>", &platform.platform, ": ").put("", counts.join(", "), "");
        if is_compared {
            let new: Vec<&Finding> = platform.findings.iter().filter(|finding| !finding.known).collect();
            let of = |severity| new.iter().filter(|finding| finding.severity == severity).count();
            let counts = SEVERITIES.map(|severity| format!("{} {severity}", of(severity)));
            html.put("; new since the archive before: ", counts.join(", "), "");
        } else {
            html.markup("; there is no archive before to compare with");
        }
        html.markup(".</p>\n");
        table(html, platform, is_compared);
    }
}

fn table(html: &mut Html, platform: &PlatformFindings, is_compared: bool) {
    let (shown, rest): (Vec<&Finding>, Vec<&Finding>) =
        platform.findings.iter().partition(|finding| weighs(finding));
    if !shown.is_empty() {
        html.markup(concat!(
            "<table><thead><tr><th>Finding</th><th>Severity</th><th>Package</th><th>Installed</th><th>Fixed in</th>",
            "<th>Since the archive before</th><th>Follows</th><th>Why</th></tr></thead><tbody>\n",
        ));
        shown.into_iter().for_each(|finding| row(html, finding, is_compared));
        html.markup("</tbody></table>\n");
    }
    if !rest.is_empty() {
        let more = progress::count(rest.len() as u64, "finding");
        let of = |severity| rest.iter().filter(|finding| finding.severity == severity).count();
        let counts = SEVERITIES.map(|severity| (severity, of(severity))).into_iter();
        let counts = counts.filter(|(_, count)| *count > 0);
        let counts: Vec<String> = counts.map(|(severity, count)| format!("{count} {severity}")).collect();
        html.put("<p>And ", more, " that the policy takes no notice of (").put("", counts.join(", "), "");
        html.markup("); --json has them.</p>\n");
    }
}

/// What a person has to see: what the policy takes notice of, and what is critical or high whatever it says.
fn weighs(finding: &Finding) -> bool {
    finding.action != Action::Allow || finding.kev || finding.severity >= Severity::High
}

fn row(html: &mut Html, finding: &Finding, is_compared: bool) {
    let Finding { action, because, fixed, id, installed, kev, known, package, path, severity, title, .. } =
        finding;
    html.put_isolated("<tr><td><b>", id, "</b>");
    if *kev {
        html.markup(" <b>known to be exploited</b>");
    }
    html.put_isolated("<br>", title, "</td>");
    html.put("<td>", severity, "</td>").put_isolated("<td>", package, "");
    if let Some(path) = path {
        html.put_isolated("<br>at ", path, "");
    }
    html.put("</td><td>", installed, "</td>").put("<td>", fixed.as_deref().unwrap_or("no fix"), "</td>");
    match (is_compared, known) {
        (true, true) => html.markup("<td>as before</td>"),
        (true, false) => html.markup("<td><b>NEW</b></td>"),
        (false, _) => html.markup("<td>-</td>"),
    };
    match action {
        Action::Deny => html.markup("<td class=\"refused\">REFUSED</td>"),
        Action::Warn => html.markup("<td class=\"warned\">warning (!)</td>"),
        Action::Allow => html.markup("<td>nothing</td>"),
    };
    html.put("<td>", because, "</td></tr>\n");
}
