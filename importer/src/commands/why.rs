//! `why`: what the state directory tells about a digest.

use std::fmt::Write as _;

use console::Failures;
use console::escape::escape;
use manifests::receipt::{ExclusionRecord, Place, SignerRecord, State};

use super::receipt::state_of;
use super::state;
use crate::cli::{Global, WhyArguments};
use crate::site::{Access, Site};
use crate::why::{self, Import, Judged, Origin, Part, Role, Said, Signer, Why};

pub(crate) fn run(arguments: &WhyArguments, global: &Global) -> Result<Why, Failures> {
    let site = Site::open(state(global)?, Access::Read)?;
    why::why(&site, arguments.digest)
}

/// For people, with a newline at the end.
pub(crate) fn render(why: &Why) -> String {
    let mut text = format!("{}\n", why.digest);
    why.archives.iter().for_each(|origin| render_origin(&mut text, origin));
    text
}

fn render_origin(text: &mut String, origin: &Origin) {
    let Origin { archive, parts, receipts, is_accepted } = origin;
    let _ = writeln!(text, "\narchive        {}, serial {}", archive.name, archive.serial);
    let _ = writeln!(text, "identity       {}", archive.identity);
    if parts.is_empty() {
        let _ = writeln!(text, "it is          the archive itself");
    }
    parts.iter().for_each(|part| render_part(text, part));
    match (receipts.is_empty(), is_accepted) {
        (true, _) => {
            let _ =
                writeln!(text, "receipt        none: it was accepted, and its load has not come to an end");
        }
        // It was accepted, and then its medium or a target changed while it was brought.
        (false, true) if receipts.iter().all(|import| import.state == State::Refused) => {
            let _ = writeln!(
                text,
                "               accepted, and no load of it came to its end: some of it may be inside"
            );
        }
        _ => {}
    }
    receipts.iter().for_each(|import| render_import(text, import));
}

fn render_part(text: &mut String, part: &Part) {
    let Part { kind, name, published, role } = part;
    let role = match role {
        Role::Manifest => "the manifest of",
        Role::Source => "what upstream named by",
        Role::Content => "a part of",
        Role::Evidence => "evidence about",
    };
    let _ = writeln!(text, "it is          {role} the {kind} {}", escape(name));
    let _ = writeln!(text, "               {published}");
}

/// What was said of one item. `is_alone`: it need not be named again.
fn render_judged(text: &mut String, judged: &Judged, is_alone: bool) {
    let Judged { name, verdicts, excluded } = judged;
    if !is_alone {
        let _ = writeln!(text, "  of           {}", escape(name));
    }
    for Said { policy, verdict } in verdicts {
        let (outcome, rule) = (escape(&verdict.outcome), escape(&verdict.rule));
        let _ = writeln!(text, "  {outcome:<12} {rule}, policy {policy}");
        for (label, lines) in [("note", &verdict.warnings), ("found", &verdict.facts)] {
            for line in lines {
                let _ = writeln!(text, "    {label:<10} {}", escape(line));
            }
        }
    }
    match excluded {
        Some(ExclusionRecord { by, reason, .. }) => {
            let reason = reason.as_ref().map(|reason| format!(": {}", escape(reason))).unwrap_or_default();
            let _ = writeln!(text, "               left out by {by}{reason}");
        }
        None if verdicts.is_empty() => {
            let _ = writeln!(text, "               {}", gates::NOTHING);
        }
        None => {}
    }
}

fn render_import(text: &mut String, import: &Import) {
    let Import { number, state, issued, signers, reasons, gates, items, places } = import;
    let _ = writeln!(text, "receipt        {number} of {issued}, {}", state_of(*state));
    for Signer { who: SignerRecord { key, person, role }, signed_at, change } in signers {
        let at = signed_at.map(|at| format!(" at {at}")).unwrap_or_default();
        let change = change.as_ref().map(|change| format!(", change {}", escape(change))).unwrap_or_default();
        let _ = writeln!(text, "  signed by    {person} as {role}{at}{change}, key {key}");
    }
    for reason in reasons {
        let _ = writeln!(text, "  against      {}", escape(reason));
    }
    // Of the archive itself no item tells what judged it.
    if items.is_empty() && matches!(state, State::Held | State::Published) {
        let gates = gates.join(", ");
        let _ = writeln!(text, "  gates        {}", if gates.is_empty() { gates::NOTHING } else { &gates });
    }
    items.iter().for_each(|judged| render_judged(text, judged, items.len() == 1));
    for Place { repository, target, name, .. } in places {
        let tag = name.as_ref().map_or_else(String::new, |name| format!(":{}", name.tag));
        let _ =
            writeln!(text, "  at           {}: {}", escape(target), escape(&format!("{repository}{tag}")));
    }
}
