//! `inspect`: what an archive says it is.

use std::collections::BTreeSet;

use console::{Class, Failure, Failures, input, inspect};
use manifests::inventory::Inventory;
use manifests::trust::TrustError;
use manifests::{Descriptor, Digest, Timestamp};
use serde::Serialize;
use transfer::archive::{ArchiveError, open};

use crate::archive_failure;
use crate::cli::InspectArguments;
use crate::judgement::Small;

/// What `inspect` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Inspected {
    standing: String,
    identity: Digest,
    signed_by: Digest,
    signed_at: Timestamp,
    inventory: Inventory,
    /// The manifests of the charts that have a provenance file.
    provenances: BTreeSet<Digest>,
}

pub(crate) fn run(arguments: &InspectArguments) -> Result<Inspected, Failures> {
    let path = &arguments.archive;
    let trust = arguments.trust.as_deref().map(input::trust).transpose()?;
    let file = input::archive(path)?;
    let failed = |error| archive_failure::failure(path, &error);
    let Some(trust) = trust else {
        let archive = open::unverified(file).map_err(failed)?;
        return Ok(Inspected {
            standing: "UNVERIFIED: nobody checked the signature (--trust does)".to_owned(),
            identity: archive.identity(),
            signed_by: archive.signed_by(),
            signed_at: archive.signature().signed_at,
            provenances: provenances(archive.inventory(), |wanted| archive.metadata(wanted)),
            inventory: archive.inventory().clone(),
        });
    };
    let archive = open::signed(file, |id| trust.key(id).cloned()).map_err(failed)?;
    let (inventory, signature, key) = (archive.inventory(), archive.signature(), archive.signed_by());
    let refused = |error: TrustError| Failure::new(Class::Refused, path.display(), error);
    let signer = trust.signer(key, signature.role, &inventory.name, signature.signed_at).map_err(refused)?;
    Ok(Inspected {
        standing: format!("signed by {} as {}; the content was not read", signer.person, signer.role),
        identity: archive.identity(),
        signed_by: key,
        signed_at: signature.signed_at,
        provenances: provenances(inventory, |wanted| archive.metadata(wanted)),
        inventory: inventory.clone(),
    })
}

fn provenances(
    inventory: &Inventory,
    read: impl Fn(&Descriptor) -> Result<Vec<u8>, ArchiveError>,
) -> BTreeSet<Digest> {
    inspect::provenances(&inventory.items, &Small(read))
}

impl Inspected {
    pub(crate) fn render(&self) -> String {
        let Self { standing, identity, signed_by, signed_at, inventory, provenances } = self;
        let signature = format!("{:<14} {signed_by} at {signed_at}\n", "signed by");
        inspect::render(inventory, *identity, standing, provenances) + "\n" + &signature
    }
}
