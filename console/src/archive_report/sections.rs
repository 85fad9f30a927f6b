//! What a policy says: all items in a table, what it accepts for a while, and each item for itself.

use std::fmt::Display;

use gates::{JudgedItem, NOTHING, Outcome, Verdict};
use manifests::policy::vulnerabilities::Severity;
use manifests::receipt::ExclusionRecord;

use super::{ArchiveReport, Entry, Exception, ExceptionStanding, Judged, PolicyReport, findings, judged};
use crate::Failure;
use crate::html::Html;
use crate::progress::count;

/// The severities, the worst first.
pub(super) const SEVERITIES: [Severity; 5] =
    [Severity::Critical, Severity::High, Severity::Medium, Severity::Low, Severity::Unknown];

/// Each text as a line of a list.
pub(super) fn list(html: &mut Html, lines: &[String]) {
    html.markup("<ul>\n");
    for line in lines {
        html.put("<li>", line, "</li>\n");
    }
    html.markup("</ul>\n");
}

/// Each text, with commas between them.
fn series(html: &mut Html, texts: &[impl Display]) {
    for (at, text) in texts.iter().enumerate() {
        html.put_isolated(if at > 0 { ", " } else { "" }, text, "");
    }
}

pub(super) fn refusals(html: &mut Html, refusals: &[Failure]) {
    if refusals.is_empty() {
        return;
    }
    html.put("<h2>Against it (", refusals.len(), ")</h2>\n<ul>\n");
    for Failure { item, message, advice, .. } in refusals {
        html.put_isolated("<li><b>", item, "</b> ");
        html.put_isolated("<span class=\"refused\">", message, "</span>");
        if !advice.is_empty() {
            html.put_isolated(" (", advice, ")");
        }
        html.markup("</li>\n");
    }
    html.markup("</ul>\n");
}

pub(super) fn left_out(html: &mut Html, excluded: &[ExclusionRecord]) {
    if excluded.is_empty() {
        return;
    }
    html.put("<h2>Left out (", excluded.len(), ")</h2>\n<p>Neither judged nor loaded.</p>\n");
    html.markup(
        "<table><thead><tr><th>Item</th><th>By</th><th>Requires</th><th>Why</th></tr></thead><tbody>\n",
    );
    for ExclusionRecord { by, name, reason, requires, .. } in excluded {
        let or_none = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
        html.put("<tr><td>", name, "</td>").put("<td>", by, "</td>");
        html.put("<td>", or_none(requires), "</td>").put("<td>", or_none(reason), "</td></tr>\n");
    }
    html.markup("</tbody></table>\n");
}

pub(super) fn policy(html: &mut Html, report: &ArchiveReport, policy: &PolicyReport, number: usize) {
    let title = if report.policies.len() > 1 {
        format!("Items, by policy {}", number + 1)
    } else {
        "Items".to_owned()
    };
    html.put("<h2>", title, "</h2>\n");
    let summary = policy.judgement.as_ref().map_or_else(|| NOTHING.to_owned(), gates::Judgement::summary);
    html.put("<p>By the policy <code>", policy.digest, "</code>: ").put("", summary, ".</p>\n");
    let judged = judged(policy.judgement.as_ref());
    overview(html, report, &judged, policy);
    exceptions(html, &policy.exceptions);
    html.markup("<h2>Each item</h2>\n");
    for (at, entry) in report.archive.items.iter().enumerate() {
        item(html, entry, of(&judged, entry), policy, at);
    }
}

fn of<'a>(judged: &Judged<'a>, entry: &Entry) -> Option<&'a JudgedItem> {
    judged.get(&(entry.kind, entry.name.as_str(), entry.published)).copied()
}

fn overview(html: &mut Html, report: &ArchiveReport, judged: &Judged<'_>, policy: &PolicyReport) {
    let gates = policy.judgement.as_ref().map_or(&[][..], |judgement| &judgement.gates);
    html.markup("<table><thead><tr><th>No.</th><th>Item</th><th>Kind</th>");
    for gate in gates {
        html.put("<th>", gate, "</th>");
    }
    // Where nothing was asked, that has a column too.
    if gates.is_empty() {
        html.markup("<th>Gates</th>");
    }
    html.markup(
        "<th>Critical</th><th>High</th><th>Medium</th><th>Low</th><th>Unknown</th><th>New</th></tr></thead><tbody>\n",
    );
    for (at, entry) in report.archive.items.iter().enumerate() {
        let judged = of(judged, entry);
        html.put("<tr><td class=\"number\">", at + 1, "</td>").put("<td>", &entry.name, "</td>");
        html.put("<td>", entry.kind, "</td>");
        for gate in gates {
            let verdict = judged.and_then(|item| item.verdicts.iter().find(|verdict| verdict.gate == *gate));
            match verdict {
                Some(verdict) => outcome(html.markup("<td>"), verdict.outcome).markup("</td>"),
                None => without_verdict(html, report, entry),
            };
        }
        if gates.is_empty() {
            without_verdict(html, report, entry);
        }
        for severity in SEVERITIES {
            let number = judged.and_then(|item| findings::count(item, severity));
            html.put(
                "<td class=\"number\">",
                number.map_or_else(|| "-".to_owned(), |it| it.to_string()),
                "</td>",
            );
        }
        let new = judged.and_then(|item| new(item, policy));
        html.put(
            "<td class=\"number\">",
            new.map_or_else(|| "-".to_owned(), |it| it.to_string()),
            "</td></tr>\n",
        );
    }
    html.markup("</tbody></table>\n<p>New: found now and not in the archive before; - where there is nothing to compare with.</p>\n");
}

fn without_verdict<'a>(html: &'a mut Html, report: &ArchiveReport, entry: &Entry) -> &'a mut Html {
    let is_left_out = report.excluded.iter().any(|record| record.name == entry.name);
    html.markup(if is_left_out { "<td>left out</td>" } else { "<td>not judged</td>" })
}

/// How many findings are new, where the archive before is known.
fn new(item: &JudgedItem, policy: &PolicyReport) -> Option<usize> {
    policy.compared.contains(&item.name).then(|| findings::all(item).filter(|it| !it.known).count())
}

fn outcome(html: &mut Html, outcome: Outcome) -> &mut Html {
    match outcome {
        Outcome::Passed => html.markup("<span class=\"passed\">passed</span>"),
        Outcome::Warned => html.markup("<span class=\"warned\">warned (!)</span>"),
        Outcome::Refused => html.markup("<span class=\"refused\">REFUSED</span>"),
    }
}

fn exceptions(html: &mut Html, exceptions: &[Exception]) {
    html.markup("<h2>Exceptions</h2>\n");
    if exceptions.is_empty() {
        html.markup("<p>The policy has none.</p>\n");
        return;
    }
    html.markup(concat!(
        "<table><thead><tr><th>Accepted</th><th>For</th><th>Owner</th><th>Until</th><th>State</th><th>Why</th><th>Items here</th>",
        "<th>Place</th></tr></thead><tbody>\n",
    ));
    for exception in exceptions {
        let Exception { place, what, scope, owner, statement, until, standing, items } = exception;
        html.put("<tr><td>", what, "</td>").put("<td>", scope, "</td>").put("<td>", owner, "</td>");
        html.put("<td>", until, "</td>");
        match standing {
            ExceptionStanding::Holds => html.markup("<td>holds</td>"),
            ExceptionStanding::DoesNotHold(why) => {
                html.put_isolated("<td class=\"refused\">DOES NOT HOLD: ", why, "</td>")
            }
        };
        html.put("<td>", statement, "</td>").markup("<td>");
        if items.is_empty() {
            html.markup("none");
        }
        series(html, items);
        html.put("</td><td>", place, "</td></tr>\n");
    }
    html.markup("</tbody></table>\n");
}

fn item(html: &mut Html, entry: &Entry, judged: Option<&JudgedItem>, policy: &PolicyReport, at: usize) {
    let Entry { kind, name, source, published, platforms, evidence, has_provenance } = entry;
    html.put("<h3>", format_args!("{}. {kind} ", at + 1), "").put_isolated("", name, "</h3>\n");
    html.put("<p>Upstream <code>", source, "</code>, ").put("inside <code>", published, "</code>");
    if !platforms.is_empty() {
        html.markup(", selected ");
        series(html, platforms);
    }
    html.put("; ", count(*evidence as u64, "evidence manifest"), "");
    html.markup(if *has_provenance { " and its provenance file.</p>\n" } else { ".</p>\n" });
    let Some(judged) = judged else { return };
    for Verdict { gate, outcome: decided, rule, reasons, warnings, facts } in &judged.verdicts {
        outcome(html.put("<p><b>", gate, "</b>: "), *decided);
        html.put_isolated(" by the rule <code>", rule, "</code></p>\n");
        if reasons.len() + warnings.len() + facts.len() == 0 {
            continue;
        }
        html.markup("<ul>\n");
        for reason in reasons {
            html.put_isolated("<li class=\"refused\">Against it: ", reason, "</li>\n");
        }
        for warning in warnings {
            html.put_isolated("<li class=\"warned\">Warning (!): ", warning, "</li>\n");
        }
        for fact in facts {
            html.put("<li>", fact, "</li>\n");
        }
        html.markup("</ul>\n");
    }
    findings::tables(html, judged, policy.compared.contains(&judged.name));
}
