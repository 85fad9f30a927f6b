//! Held: what a load brought without its names is looked at once more before they move.
//!
//! Days lie between, in which content without a name may be collected as garbage, and a folder may be carried about.
//! A receipt says that content is at its targets, so each is asked, whatever it makes of signatures.

use std::collections::HashMap;
use std::fs::File;
use std::sync::Arc;

use console::progress::Progress;
use console::{Failure, Failures};
use manifests::Digest;
use manifests::receipt::{Confirmation, Receipt};
use transfer::archive::Signed;

use crate::destinations::{Destinations, Survey, Target};
use crate::exclusion::Excluded;
use crate::shipment::{self, Cargo, For, Shipment};
use crate::vouch::{Voucher, vouch};

/// What is at a target of an item that was held.
pub(crate) struct Found {
    /// How it is known that it is there.
    pub(crate) confirmation: Confirmation,
    /// The site's signatures and summaries of it, which were brought now.
    pub(crate) vouched: Vec<Digest>,
}

/// What was found, by the target and the item.
pub(crate) type There = HashMap<(String, String), Found>;

/// What is to be at a target, and what it said that it has.
type Asked<'a> = (&'a Target, Shipment, Survey);

/// Looks at everything that a receipt with the state `held` names, as a load does: a folder's content is compared, a
/// registry is asked by digest. Manifests that are gone are brought again out of `evidence`, the site's evidence pack of
/// the archive. So are the site's own signatures and summaries: while it was held it bore none, so that no cluster
/// would run it by its digest.
///
/// # Errors
/// What is no longer at a target, or could not be brought.
pub(crate) async fn look(
    receipt: &Receipt,
    evidence: &Arc<Signed<File>>,
    destinations: &Destinations,
    voucher: &Voucher<'_>,
) -> Result<There, Failures> {
    let (mut asked, mut failures) = (Vec::new(), Vec::new());
    for target in destinations.targets() {
        match ask(target, receipt, evidence, voucher).await {
            Ok(answer) => asked.extend(answer),
            Err(reasons) => failures.extend(reasons),
        }
    }
    // No target gets a signature while another one lacks content.
    Failures::unless_empty(std::mem::take(&mut failures), ())?;
    let mut there = There::new();
    for one in asked {
        match bring(one).await {
            Ok(found) => there.extend(found),
            Err(reasons) => failures.extend(reasons),
        }
    }
    Failures::unless_empty(failures, there)
}

async fn ask<'a>(
    target: &'a Target,
    receipt: &Receipt,
    evidence: &Arc<Signed<File>>,
    voucher: &Voucher<'_>,
) -> Result<Option<Asked<'a>>, Vec<Failure>> {
    let is_there =
        receipt.items.iter().filter(|item| item.places.iter().any(|at| at.target == target.name()));
    let names: Vec<String> = is_there.map(|item| item.name.clone()).collect();
    // For packing, no name means all.
    if names.is_empty() {
        return Ok(None);
    }
    let blobs = Arc::new(Arc::clone(evidence));
    let packed = shipment::pack(evidence.inventory(), &Excluded::default(), blobs, false, &names)
        .map_err(|failures| failures.into_iter().collect::<Vec<_>>())?;
    let packed = Shipment { is_held: true, ..packed };
    let wanted = target.signatures().await?;
    let shipment = vouch(packed, voucher, wanted).map_err(|failure| vec![failure])?;
    let survey = target.survey(&shipment).await?;
    Ok(Some((target, shipment, survey)))
}

async fn bring((target, shipment, survey): Asked<'_>) -> Result<There, Vec<Failure>> {
    let progress = Progress::new("publish", survey.send.bytes, true);
    let delivery = target.load(&shipment, &survey, &progress).await?;
    let found = |(cargo, confirmation): (&Cargo, Confirmation)| {
        let proofs = cargo.evidence.iter().filter(|proof| proof.whom != For::All);
        let vouched = proofs.map(|proof| proof.tree.root.digest).collect();
        ((target.name().to_owned(), cargo.name.to_string()), Found { confirmation, vouched })
    };
    Ok(shipment.items.iter().zip(delivery.confirmations).map(found).collect())
}
