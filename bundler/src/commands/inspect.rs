//! `inspect`: what an archive says it is.

use console::{Failures, clock, input, inspect};
use manifests::inventory::Inventory;
use manifests::{Digest, Timestamp};
use serde::Serialize;
use transfer::archive::open;

use crate::cli::InspectArguments;
use crate::{archive_failure, trusted};

/// What `inspect` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspected {
    standing: String,
    identity: Digest,
    signed_by: Digest,
    signed_at: Timestamp,
    inventory: Inventory,
}

pub(crate) fn run(arguments: &InspectArguments) -> Result<Inspected, Failures> {
    let path = &arguments.archive;
    let trust = trusted::read(&arguments.trust)?;
    let file = input::archive(path)?;
    let failed = |error| archive_failure::failure(path, &error);
    let Some(trust) = trust else {
        let archive = open::unverified(file).map_err(failed)?;
        return Ok(Inspected {
            standing: "UNVERIFIED: nobody checked the signature (--trust or --key does)".to_owned(),
            identity: archive.identity(),
            signed_by: archive.signed_by(),
            signed_at: archive.signature().signed_at,
            inventory: archive.inventory().clone(),
        });
    };
    let archive = open::signed(file, |id| trust.key(id).cloned()).map_err(failed)?;
    let (inventory, signature, key) = (archive.inventory(), archive.signature(), archive.signed_by());
    let signer = trusted::check(path, &trust, inventory, signature, key, clock::now())?;
    Ok(Inspected {
        standing: format!("signed by {} as {}; the content was not read", signer.person, signer.role),
        identity: archive.identity(),
        signed_by: key,
        signed_at: signature.signed_at,
        inventory: inventory.clone(),
    })
}

impl Inspected {
    pub(crate) fn render(&self) -> String {
        let Self { standing, identity, signed_by, signed_at, inventory } = self;
        let signature = format!("{:<14} {signed_by} at {signed_at}\n", "signed by");
        inspect::render(inventory, *identity, standing) + "\n" + &signature
    }
}
