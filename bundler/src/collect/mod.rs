//! Resolved -> Lock: what is carried of each item, its evidence, and every small blob beside the lock.

mod evidence;
mod item;
pub(crate) mod scan;
mod small;

use std::collections::HashSet;

use console::progress::Progress;
use console::{Class, Failure, Failures};
use futures_util::{StreamExt as _, stream};
use manifests::closure::{self, Closure};
use manifests::inventory::Item;
use manifests::lock::{Lock, LockedItem};
use manifests::{API_VERSION, Descriptor, Digest, media_type};

use crate::beside::{Beside, BesideError};
use crate::collect::scan::Scans;
use crate::resolve::{AT_ONCE, Resolved};
use crate::upstream::Upstream;

/// A lock, with what a person should know about it.
#[derive(Debug)]
pub(crate) struct Collected {
    pub(crate) lock: Lock,
    pub(crate) notices: Vec<String>,
}

/// Collects everything that was resolved. All failures are returned, not only the first: those of steps before stand
/// first among them.
///
/// # Errors
/// `failures`, and everything that cannot be had, or that no archive can carry.
pub(crate) async fn collect(
    resolved: Resolved,
    mut failures: Vec<Failure>,
    upstream: &Upstream,
    scans: &Scans,
    quiet: bool,
) -> Result<Collected, Failures> {
    let Resolved { name, audience, import_before, created, inputs, items, mut skipped, .. } = resolved;
    let mut notices = Vec::new();
    let mut locked = Vec::new();
    let mut collecting = stream::iter(&items).map(|item| item::collect(item, upstream)).buffered(AT_ONCE);
    while let Some(outcome) = collecting.next().await {
        match outcome {
            Ok(part) => {
                notices.extend(part.notices);
                skipped.extend(part.skipped);
                locked.push(part.locked);
            }
            Err(more) => failures.extend(more),
        }
    }
    drop(collecting);
    Failures::unless_empty(failures, ())?;
    if !scans.are_none() {
        let progress = Progress::new("scan", 0, quiet);
        let scanned = scan::all(&mut locked, upstream.beside(), scans, &progress);
        progress.finish();
        notices.extend(scanned.or_else(|failures| Failures::unless_empty(failures, vec![]))?);
    }
    locked.sort_by(|one, other| key(&one.item).cmp(&key(&other.item)));
    skipped.sort_by(|one, other| (&one.name, &one.reason).cmp(&(&other.name, &other.reason)));
    skipped.dedup();
    let Closure { metadata, content } = closed(&locked, upstream.beside())?;
    let lock = Lock {
        api_version: API_VERSION.to_owned(),
        audience,
        content,
        created,
        hosts: upstream.hosts(),
        import_before,
        inputs,
        items: locked,
        kind: "Lock".to_owned(),
        metadata,
        name,
        skipped,
    };
    let usage = |error: &dyn std::fmt::Display| Failure::new(Class::Usage, &lock.name, error);
    lock.inventory("check").check().map_err(|error| usage(&error))?;
    Ok(Collected { lock, notices })
}

/// Items stand in this order in a lock and in an inventory.
fn key(item: &Item) -> (manifests::inventory::ItemKind, &str, Digest) {
    (item.kind, &item.name, item.published.digest)
}

fn closed(locked: &[LockedItem], beside: &Beside) -> Result<Closure, Failure> {
    let items: Vec<Item> = locked.iter().map(|locked| locked.item.clone()).collect();
    closure::walk(&items, &mut |wanted: &Descriptor| beside.load(wanted))
        .map_err(|error: closure::ClosureError<BesideError>| Failure::new(Class::Failed, "", error))
}

/// Every digest that has to lie beside a lock: all metadata, and the layers of charts, so that a chart needs
/// its registry no more once it is locked.
///
/// # Errors
/// When a manifest does not lie there.
pub(crate) fn needed(lock: &Lock, beside: &Beside) -> Result<HashSet<Digest>, Failure> {
    let mut needed: HashSet<Digest> = lock.metadata.iter().map(|blob| blob.digest).collect();
    let charts = lock.items.iter().filter(|locked| locked.item.kind == manifests::inventory::ItemKind::Chart);
    let charts: Vec<LockedItem> = charts.cloned().collect();
    let layers = closed(&charts, beside)?.content;
    needed.extend(layers.iter().filter(|blob| small::is_kept(blob.size)).map(|blob| blob.digest));
    Ok(needed)
}

/// The size of everything that an item consists of, in bytes; 0 when that cannot be found out.
pub(crate) fn size(item: &Item, beside: &Beside) -> u64 {
    let closed = closure::walk(std::slice::from_ref(item), &mut |wanted: &Descriptor| beside.load(wanted));
    let blobs = closed.map(|Closure { metadata, content }| [metadata, content].concat()).unwrap_or_default();
    blobs.iter().map(|blob| blob.size).sum()
}

/// Whether the config of a manifest is a chart's.
fn is_chart(config: &str) -> bool {
    config == media_type::HELM_CONFIG
}
