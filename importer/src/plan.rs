//! Plan: what each target needs of an accepted archive, asked before the first byte is sent.

use std::sync::Arc;

use console::Failures;

use crate::accept::Accepted;
use crate::destinations::Destinations;
use crate::site::names::Names;

/// What will be sent where, and which names will be set. A document that can be printed.
pub(crate) struct Plan {}

/// Asks every target. `names` is what the ledger knows; empty without a site. `only` names groups or items;
/// none means everything.
///
/// # Errors
/// Every reason why the archive could not be loaded.
pub(crate) async fn plan(
    _accepted: Arc<Accepted>,
    _names: &Names,
    _destinations: Destinations,
    _only: &[String],
) -> Result<Plan, Failures> {
    Ok(Plan {})
}
