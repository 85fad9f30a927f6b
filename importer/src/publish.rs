//! Publish: the names move.

use console::Failures;
use manifests::receipt::{ItemRecord, Receipt};
use transfer::archive::Signed;

use crate::destinations::Destinations;
use crate::load::Loaded;
use crate::site::ledger::Ledger;

/// Moves the names of what was loaded: the intents are in the ledger before the first one moves.
///
/// # Errors
/// Every name that could not be moved.
pub(crate) async fn publish(_loaded: Loaded, _ledger: &mut Ledger) -> Result<Vec<ItemRecord>, Failures> {
    Ok(vec![])
}

/// What a load that is held leaves for the receipt: every name as `Held`.
pub(crate) fn held(_loaded: Loaded) -> Vec<ItemRecord> {
    vec![]
}

/// Moves the names of a receipt with the state `held`. `evidence` is the site's evidence pack of the archive:
/// it has every manifest.
///
/// # Errors
/// Every name that could not be moved.
pub(crate) async fn publish_held(
    _receipt: &Receipt,
    _evidence: &Signed<std::fs::File>,
    _destinations: Destinations,
    _ledger: &mut Ledger,
) -> Result<Vec<ItemRecord>, Failures> {
    Ok(vec![])
}
