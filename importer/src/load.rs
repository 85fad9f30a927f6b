//! Load: content by digest, to every target; nothing that a reader could follow yet.

use std::fmt::Write as _;
use std::sync::Arc;

use console::Failures;
use console::escape::escape;
use console::progress::{Progress, count};
use manifests::receipt::Confirmation;
use manifests::{Digest, Reference};
use serde::Serialize;

use crate::accept::Accepted;
use crate::destinations::{Amount, Delivery, Destinations, Survey};
use crate::plan::{Asked, Plan, amount};
use crate::shipment::{Cargo, Shipment};

/// Content that is at its targets, and the names that will point to it.
pub(crate) struct Loaded {
    /// Whose content it is.
    pub(crate) accepted: Arc<Accepted>,
    /// Where it is.
    pub(crate) destinations: Destinations,
    /// What is at each target, in the order of the destinations.
    pub(crate) delivered: Vec<Vec<Delivered>>,
    /// When the targets were asked about names.
    pub(crate) asked: Asked,
    summary: LoadSummary,
}

/// An item that is at a target.
pub(crate) struct Delivered {
    /// Its name upstream.
    pub(crate) name: Reference,
    /// How it is known that it is there.
    pub(crate) confirmation: Confirmation,
    /// What is said about it and is there too, each once and in order.
    pub(crate) evidence: Vec<Digest>,
    /// What its name pointed to when the target was asked.
    pub(crate) found: Option<Digest>,
}

/// What a load did, as `load` prints it: what was sent, mounted, present, at each target.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LoadSummary {
    targets: Vec<TargetSummary>,
}

#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
struct TargetSummary {
    target: String,
    sent: Amount,
    mounted: Amount,
    manifests: u64,
    fallback_indexes: u64,
}

impl Loaded {
    /// What was done.
    pub(crate) fn summary(&self) -> &LoadSummary {
        &self.summary
    }
}

impl LoadSummary {
    /// For people, with a newline at the end. When nothing was sent, it says so.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        for TargetSummary { target, sent, mounted, manifests, fallback_indexes } in &self.targets {
            let what = if (sent.count, mounted.count, *manifests) == (0, 0, 0) {
                "nothing was sent: everything was there".to_owned()
            } else {
                format!(
                    "sent {}, mounted {}, {}",
                    amount(*sent),
                    amount(*mounted),
                    count(*manifests, "manifest")
                )
            };
            let _ = writeln!(text, "{:<14} {}: {what}", "loaded", escape(target));
            if *fallback_indexes > 0 {
                let _ = writeln!(
                    text,
                    "{:<14} it has no referrers API: the evidence of {fallback_indexes} manifests is listed under tags sha256-HEX",
                    "  notice"
                );
            }
        }
        text
    }
}

/// Sends what the plan says. Every target is tried, whatever becomes of the others: what is there need not be
/// sent again.
///
/// # Errors
/// Every item that is not at its target.
pub(crate) async fn load(plan: Plan, quiet: bool) -> Result<Loaded, Failures> {
    let total = plan.surveys.iter().map(|survey| survey.send.bytes).sum();
    let progress = Progress::new("load", total, quiet);
    let Plan { accepted, destinations, shipments, surveys, asked } = plan;
    let (mut delivered, mut targets, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    for ((target, shipment), survey) in destinations.targets().iter().zip(shipments).zip(surveys) {
        match target.load(&shipment, &survey, &progress).await {
            Ok(delivery) => {
                targets.push(TargetSummary {
                    target: target.name().to_owned(),
                    sent: delivery.sent,
                    mounted: delivery.mounted,
                    manifests: delivery.manifests,
                    fallback_indexes: delivery.fallback_indexes,
                });
                delivered.push(arrived(shipment, survey, delivery));
            }
            Err(reasons) => failures.extend(reasons),
        }
    }
    progress.finish();
    Failures::unless_empty(failures, ())?;
    Ok(Loaded { accepted, destinations, delivered, asked, summary: LoadSummary { targets } })
}

/// What is left to know of a shipment that arrived.
fn arrived(shipment: Shipment, survey: Survey, delivery: Delivery) -> Vec<Delivered> {
    let items = shipment.items.into_iter().zip(delivery.confirmations).zip(survey.names);
    let one = |((cargo, confirmation), found): ((Cargo, Confirmation), Option<Digest>)| {
        let mut evidence: Vec<Digest> = cargo.evidence.iter().map(|proof| proof.tree.root.digest).collect();
        evidence.sort_unstable();
        evidence.dedup();
        Delivered { name: cargo.name, confirmation, evidence, found }
    };
    items.map(one).collect()
}
