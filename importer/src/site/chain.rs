//! The chain of receipts, and the ledger that they vouch for.

use std::collections::{HashMap, HashSet};
use std::fs::File;

use manifests::Digest;
use manifests::receipt::State;

use super::ledger::{Event, LedgerError, Line};
use super::receipts::{self, Listed, Signed};
use super::{LEDGER, Site, SiteError, ledger_lines, summaries};

/// A chain that is unbroken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Chain {
    /// How many receipts.
    pub(crate) receipts: u64,
    /// The digest of the last one.
    pub(crate) last: Option<Digest>,
}

/// The receipts that must be of changes, as a ledger tells: the first one behind each.
#[derive(Default)]
struct Changes {
    receipts: HashSet<u64>,
    /// Whether the last change has none yet: a crash may have cut it off.
    is_open: bool,
}

impl Changes {
    fn note(&mut self, line: &Line) -> Result<(), LedgerError> {
        match line.event {
            Event::Trusted | Event::Policy if self.is_open => {
                let reason = "found a change behind one that has no receipt".to_owned();
                return Err(LedgerError::Broken { number: line.number, reason });
            }
            Event::Trusted | Event::Policy => self.is_open = true,
            Event::Receipt | Event::Refused if std::mem::take(&mut self.is_open) => {
                self.receipts.extend(line.serial);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Checks every receipt's signature, that each names the one before it and the one before it of its channel, that
/// its verification summaries and all of the evidence that it names are kept, that the ledger has the
/// line which each names, in their order, that the ledger knows these receipts and no other, and that each change of trust
/// or policy has its own.
///
/// # Errors
/// The first receipt that is not what it should be.
pub(crate) fn verify(site: &Site) -> Result<Chain, SiteError> {
    let path = site.directory.join(LEDGER);
    let failed = |error| SiteError::Ledger(path.clone(), error);
    let file = File::open(&path).map_err(|error| SiteError::Io(path.clone(), error))?;
    let (mut lines, mut noted, mut changes) = (HashMap::new(), HashMap::new(), Changes::default());
    ledger_lines::read(&file, |line, digest| {
        lines.insert(digest, line.number);
        if let (Event::Receipt | Event::Refused, Some(number)) = (line.event, line.serial) {
            noted.insert(number, line.digest);
        }
        changes.note(&line)
    })
    .map_err(failed)?;

    let (mut previous, mut at, mut count, mut of_channels) = (None, 0, 0, HashMap::new());
    for Listed { number, path } in receipts::list(&site.receipts())? {
        let wrong = |reason: String| SiteError::Receipt(path.clone(), reason);
        let Signed { receipt, digest, .. } = receipts::read(&path, site.public_key())?;
        if receipt.previous != previous {
            return Err(wrong("found another receipt before it than the one that it names".to_owned()));
        }
        if let Some(archive) = &receipt.archive
            && receipt.previous_of_channel != of_channels.insert(archive.name.clone(), digest)
        {
            let reason = "found another receipt of its channel before it than the one that it names";
            return Err(wrong(reason.to_owned()));
        }
        if changes.receipts.contains(&number) && receipt.state != State::Changed {
            return Err(wrong("found another receipt, wanted that of the change before it".to_owned()));
        }
        summaries::check(&path, &receipt, site.public_key())?;
        site.check_evidence(&receipt)?;
        if receipt.site != *site.name() {
            return Err(wrong(format!(
                "found a receipt of the site {}, wanted {}",
                receipt.site,
                site.name()
            )));
        }
        let line = lines.get(&receipt.ledger_head).copied().filter(|line| *line >= at);
        at = line.ok_or_else(|| {
            wrong(format!(
                "found no line {} in the ledger, wanted the one that it names",
                receipt.ledger_head
            ))
        })?;
        // The last one may have been written right before a crash, which kept the ledger from noting it.
        if noted.remove(&number).is_some_and(|noted| noted != digest) {
            return Err(wrong(format!("found {digest}, which is not what the ledger noted")));
        }
        (previous, count) = (Some(digest), number);
    }
    if let Some(number) = noted.keys().min() {
        let reason = format!("found no receipt {number}, wanted it as the ledger says");
        return Err(SiteError::Receipt(site.receipts(), reason));
    }
    Ok(Chain { receipts: count, last: previous })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_has_a_receipt_before_the_next_one() {
        let now = "2026-11-29T12:00:00Z".parse().unwrap();
        let noted = |events: &[Event]| {
            let mut changes = Changes::default();
            for (at, event) in (1..).zip(events) {
                let mut line = Line::new(*event, Digest::of(b"x"), at, None, now);
                line.serial = Some(at);
                changes.note(&line)?;
            }
            let mut receipts: Vec<u64> = changes.receipts.into_iter().collect();
            receipts.sort_unstable();
            Ok::<_, LedgerError>(receipts)
        };
        use Event::{Accepted, Genesis, Policy, Receipt, Refused, Trusted};
        for (events, wanted) in [
            (&[Genesis, Accepted, Receipt][..], &[][..]),
            (&[Genesis, Trusted, Receipt, Receipt, Policy, Refused, Receipt], &[3, 6]),
            (&[Genesis, Receipt, Trusted], &[]),
        ] {
            assert_eq!(noted(events).unwrap(), wanted, "{events:?}");
        }
        for events in [[Trusted, Policy], [Policy, Policy], [Trusted, Trusted]] {
            assert!(noted(&events).is_err(), "{events:?}");
        }
    }
}
