//! Load: content by digest, to every target; nothing that a reader could follow yet.

use std::fmt::Write as _;

use console::Failures;
use console::escape::escape;
use console::progress::{Progress, count};
use serde::Serialize;

use crate::destinations::{Amount, Delivery};
use crate::plan::{Plan, amount};

/// Content that is at its targets, and the names that will point to it.
pub(crate) struct Loaded {
    /// What was planned.
    pub(crate) plan: Plan,
    /// What became of it at each target.
    pub(crate) deliveries: Vec<Delivery>,
    summary: LoadSummary,
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
    let (mut deliveries, mut targets, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let planned = plan.destinations.targets().iter().zip(&plan.shipments).zip(&plan.surveys);
    for ((target, shipment), survey) in planned {
        match target.load(shipment, survey, &progress).await {
            Ok(delivery) => {
                targets.push(TargetSummary {
                    target: target.name().to_owned(),
                    sent: delivery.sent,
                    mounted: delivery.mounted,
                    manifests: delivery.manifests,
                    fallback_indexes: delivery.fallback_indexes,
                });
                deliveries.push(delivery);
            }
            Err(reasons) => failures.extend(reasons),
        }
    }
    progress.finish();
    Failures::unless_empty(failures, ())?;
    Ok(Loaded { plan, deliveries, summary: LoadSummary { targets } })
}
