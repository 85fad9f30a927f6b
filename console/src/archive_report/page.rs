//! The page: its head, and the parts that are about the archive as a whole.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gates::NOTHING;
use manifests::slot::Verdict;
use manifests::trust::Role;
use manifests::{ChannelName, Digest};

use super::{Approval, Archive, ArchiveReport, Conclusion, Preparer, Standing, sections};
use crate::html::Html;
use crate::progress::{count, size};

const STYLE: &str = include_str!("style.css");

/// How many characters of an identity stand together, for reading it aloud.
const TOGETHER: usize = 4;

pub(super) fn write(report: &ArchiveReport) -> String {
    let mut html = Html::default();
    let Archive { name, serial, .. } = &report.archive;
    head(&mut html, &format!("Report on {name}, serial {serial}"));
    banner(&mut html, report);
    identity(&mut html, report.archive.identity);
    facts(&mut html, report);
    sections::refusals(&mut html, &report.refusals);
    approvals(&mut html, report);
    sections::left_out(&mut html, &report.excluded);
    if !report.notices.is_empty() {
        html.markup("<h2>Notices</h2>\n");
        sections::list(&mut html, &report.notices);
    }
    for (number, policy) in report.policies.iter().enumerate() {
        sections::policy(&mut html, report, policy, number);
    }
    html.markup("</main>\n<footer><p>");
    html.text(format_args!("Written by {}. Judged at {}.", report.written_by, report.at));
    html.markup("</p></footer>\n</body>\n</html>\n");
    html.finish()
}

/// Nothing is loaded and nothing runs: the policy allows this one style and nothing else, whatever else got in.
fn head(html: &mut Html, title: &str) {
    html.markup(concat!(
        "<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'; style-src 'sha256-",
    ));
    html.text(STANDARD.encode(Digest::of(STYLE.as_bytes()).as_bytes()));
    html.markup(concat!(
        "'\">\n<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"color-scheme\" content=\"light dark\">\n",
        "<meta name=\"viewport\" content=\"width=device-width\">\n",
    ));
    html.put("<title>", title, "</title>\n<style>")
        .markup(STYLE)
        .markup("</style>\n</head>\n<body>\n<main>\n");
    html.put("<h1>", title, "</h1>\n");
}

fn banner(html: &mut Html, report: &ArchiveReport) {
    if report.standing == Standing::Unverified {
        html.markup("<p class=\"banner refused\">UNVERIFIED: nobody checked the signature. Nothing below is to be believed.</p>\n");
    }
    match report.conclusion {
        Conclusion::Refused => {
            let reasons = count(report.refusals.len() as u64, "reason");
            html.put("<p class=\"banner refused\">REFUSED: ", reasons, " against it")
        }
        Conclusion::Passed => html.markup("<p class=\"banner passed\">PASSED: nothing is against it"),
        Conclusion::NothingJudged => {
            html.put("<p class=\"banner warned\">NOT JUDGED (", NOTHING, "): nothing else is against it")
        }
    }
    .put("", report.as_of(), "</p>\n");
}

/// In groups, which are no text of their own: copied, it is whole.
fn identity(html: &mut Html, identity: Digest) {
    html.markup("<h2>Identity</h2>\n<p>Compare it whole, by a way that the carrier does not control.</p>\n");
    html.markup("<p class=\"identity\"><span>sha256:</span>");
    let hex: Vec<char> = identity.hex().chars().collect();
    for group in hex.chunks(TOGETHER) {
        html.put("<span>", group.iter().collect::<String>(), "</span>");
    }
    html.markup("</p>\n");
}

fn facts(html: &mut Html, report: &ArchiveReport) {
    let Archive {
        name,
        serial,
        created,
        import_before,
        audience,
        generator,
        bytes,
        annex_of,
        base,
        items,
        ..
    } = &report.archive;
    html.markup("<h2>Archive</h2>\n<table><tbody>\n");
    let mut row = |label: &'static str, value: &str| {
        html.put("<tr><th scope=\"row\">", label, "</th>").put("<td>", value, "</td></tr>\n");
    };
    row("Name", name.as_str());
    row("Serial", &serial.to_string());
    row("Created", &created.to_string());
    row("First import before", &import_before.map_or_else(|| "any time".to_owned(), |time| time.to_string()));
    let sites: Vec<&str> = audience.iter().map(ChannelName::as_str).collect();
    row("Meant for", &if sites.is_empty() { "any site".to_owned() } else { sites.join(", ") });
    row("Content", &format!("{}, {}", count(items.len() as u64, "item"), size(*bytes)));
    annex_of.iter().for_each(|archive| row("Annex of", &archive.to_string()));
    base.iter().for_each(|base| row("Difference from", &base.to_string()));
    row("Made by", generator);
    let Preparer { person, role, key, signed_at } = &report.preparer;
    let person = person.as_ref().map_or("somebody (UNVERIFIED)", ChannelName::as_str);
    row("Signed by", &format!("{person} as {role}, at {signed_at}, key {key}"));
    let verified = match report.standing {
        Standing::Verified => "every byte is what was signed",
        Standing::Unverified => "no",
    };
    row("Verified", verified);
    report.site.iter().for_each(|site| row("Site", site.as_str()));
    report.trust_digests.iter().for_each(|digest| row("Trust file", &digest.to_string()));
    report.policies.iter().for_each(|policy| row("Policy", &policy.digest.to_string()));
    let before = report.previous.as_ref();
    let before = before.map(|previous| format!("serial {}, {}", previous.serial, previous.identity));
    row("Inside already", before.as_deref().unwrap_or("no earlier archive is known here"));
    html.markup("</tbody></table>\n");
}

fn approvals(html: &mut Html, report: &ArchiveReport) {
    html.markup("<h2>Approvals</h2>\n");
    let wanted: Vec<(&Role, &usize)> =
        report.approvals_wanted.iter().filter(|(_, count)| **count > 0).collect();
    if wanted.is_empty() {
        html.markup("<p>None are asked for.</p>\n");
    }
    for (role, count) in wanted {
        let found = report.approvals_found.get(role).copied().unwrap_or_default();
        html.put("<p>", format_args!("{role}: {found} of {count}"), "</p>\n");
    }
    if report.approvals.is_empty() {
        return;
    }
    html.markup(concat!(
        "<table><thead><tr><th>Who</th><th>Role</th><th>Verdict</th><th>Change</th><th>When</th><th>Key</th><th>Annex</th></tr></thead>",
        "<tbody>\n",
    ));
    for Approval { person, role, verdict, change, signed_at, key, annex } in &report.approvals {
        let person = person.as_ref().map_or("unknown", ChannelName::as_str);
        html.put("<tr><td>", person, "</td>").put("<td>", role, "</td>");
        match verdict {
            Verdict::Approved => html.markup("<td>approved</td>"),
            Verdict::Rejected => html.markup("<td class=\"refused\">REJECTED</td>"),
        };
        html.put("<td>", change.as_deref().unwrap_or("none"), "</td>").put("<td>", signed_at, "</td>");
        html.put("<td><code>", key, "</code></td>").put("<td><code>", annex, "</code></td></tr>\n");
    }
    html.markup("</tbody></table>\n");
}
