//! `verify`: the signature first, then every byte.

use std::fs::File;
use std::io::stdin;
use std::path::Path;

use console::inspect::NotCarried;
use console::progress::Progress;
use console::{Class, Failure, Failures, clock, input, spool};
use gates::NOTHING;
use manifests::trust::{Signer, Trust};
use manifests::{ChannelName, Digest, Timestamp};
use serde::Serialize;
use transfer::archive::stream::{self, Keep};
use transfer::archive::{ArchiveError, Verified, open};

use crate::cli::VerifyArguments;
use crate::{archive_failure, trusted};

/// What `verify` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    identity: Digest,
    name: ChannelName,
    serial: u64,
    size: u64,
    items: usize,
    blobs: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_carried: Option<NotCarried>,
    signed_by: ChannelName,
    key: Digest,
    signed_at: Timestamp,
}

pub(crate) fn run(arguments: &VerifyArguments, quiet: bool) -> Result<Checked, Failures> {
    let path = &arguments.archive;
    let Some(trust) = trusted::read(&arguments.trust)? else {
        let failure = Failure::new(Class::Usage, path.display(), "found no --trust and no --key, wanted one")
            .advise("`inspect` shows an archive without");
        return Err(failure.into());
    };
    let verified =
        if path == Path::new("-") { piped(&trust, quiet)? } else { from_file(path, &trust, quiet)? };
    let archive = verified.map_err(|error| match &error {
        ArchiveError::Io(full) if spool::is_full(full) => spool::failure(None, full),
        _ => archive_failure::failure(path, &error),
    })?;
    let (inventory, signature, key) = (archive.inventory(), archive.signature(), archive.signed_by());
    let Signer { person, .. } = trusted::check(path, &trust, inventory, signature, key, clock::now())?;
    Ok(Checked {
        identity: archive.identity(),
        name: inventory.name.clone(),
        serial: inventory.serial,
        size: archive.layout().size(),
        items: inventory.items.len(),
        blobs: inventory.carried().count(),
        not_carried: NotCarried::of(inventory),
        signed_by: person,
        key,
        signed_at: signature.signed_at,
    })
}

pub(crate) type Outcome = Result<Verified<File>, ArchiveError>;

/// Opens an archive and reads it whole.
pub(crate) fn from_file(path: &Path, trust: &Trust, quiet: bool) -> Result<Outcome, Failure> {
    let file = input::archive(path)?;
    Ok(open::signed(file, |id| trust.key(id).cloned()).and_then(|signed| {
        let total = signed.inventory().carried().map(|blob| blob.size).sum();
        let progress = Progress::new("verify", total, quiet);
        let verified = signed.verify(&|bytes| progress.add(bytes));
        progress.finish();
        verified
    }))
}

/// A pipe is read once; only the small part in front, which the tables are checked by, is kept.
fn piped(trust: &Trust, quiet: bool) -> Result<Outcome, Failure> {
    let spool = spool::file(None)?;
    // How much will come is known only to the stream.
    let progress = Progress::new("verify", 0, quiet);
    let trusted = |id| trust.key(id).cloned();
    let verified =
        stream::verify(stdin().lock(), trusted, spool, Keep::Evidence, &|bytes| progress.add(bytes));
    progress.finish();
    Ok(verified)
}

impl Checked {
    pub(crate) fn render(&self) -> String {
        let Self { identity, name, serial, size, items, blobs, not_carried, signed_by, key, signed_at } =
            self;
        let not_carried = not_carried.map(|it| format!("not carried    {it}\n")).unwrap_or_default();
        format!(
            "verified       every one of {size} bytes is what was signed\n\
             identity       {identity}\n\
             name           {name}, serial {serial}\n\
             content        {items} items in {blobs} blobs\n{not_carried}\
             signed by      {signed_by} at {signed_at}, key {key}\n\
             gates          {NOTHING}\n"
        )
    }
}
