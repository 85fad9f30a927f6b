//! Open: an archive and whom to believe become a [`Verified`] archive: the signature first, then every byte.

use std::fs::File;
use std::io::stdin;
use std::path::Path;

use console::progress::Progress;
use console::{Failure, input, spool};
use manifests::Digest;
use manifests::key::PublicKey;
use manifests::trust::Trust;
use transfer::archive::stream::{self, Keep};
use transfer::archive::{ArchiveError, Verified, open};

use crate::archive_failure;

/// Opens the archive at `path`; `-` is standard input, of which `keep` says how much stays readable.
///
/// Slow media are read once: with `spool`, the archive is copied into that folder while it is verified, and
/// everything else is read from the copy. The copy has no name and goes with the process.
///
/// # Errors
/// When the signature is not by a key that every trust file knows, or a byte is not what was signed.
pub(crate) fn verified(
    path: &Path,
    trusts: &[&Trust],
    keep: Keep,
    spool: Option<&Path>,
    quiet: bool,
) -> Result<Verified<File>, Failure> {
    let key = |id| trusted_key(trusts, id);
    let result = match (path == Path::new("-"), spool) {
        (true, spool) => piped(stdin().lock(), 0, key, keep, spool::file(spool)?, quiet),
        (false, Some(folder)) => {
            let file = input::archive(path)?;
            let size = file.metadata().map_or(0, |data| data.len());
            piped(file, size, key, Keep::Whole, spool::file(Some(folder))?, quiet)
        }
        (false, None) => from_file(input::archive(path)?, key, quiet),
    };
    result.map_err(|error| match &error {
        ArchiveError::Io(full) if spool::is_full(full) => spool::failure(spool, full),
        _ => archive_failure::failure(path, &error),
    })
}

/// The key with this id, if every trust file has it: a flag beside a site can only be stricter.
pub(crate) fn trusted_key(trusts: &[&Trust], id: Digest) -> Option<PublicKey> {
    let mut keys = trusts.iter().map(|trust| trust.key(id));
    let first = keys.next().flatten()?;
    keys.all(|key| key.is_some()).then(|| first.clone())
}

fn from_file(
    file: File,
    key: impl FnOnce(Digest) -> Option<PublicKey>,
    quiet: bool,
) -> Result<Verified<File>, ArchiveError> {
    let signed = open::signed(file, key)?;
    let progress = Progress::new("verify", signed.inventory().carried().map(|blob| blob.size).sum(), quiet);
    let verified = signed.verify(&|bytes| progress.add(bytes));
    progress.finish();
    verified
}

fn piped(
    stream: impl std::io::Read,
    size: u64,
    key: impl FnOnce(Digest) -> Option<PublicKey>,
    keep: Keep,
    copy: File,
    quiet: bool,
) -> Result<Verified<File>, ArchiveError> {
    let progress = Progress::new("verify", size, quiet);
    let verified = stream::verify(stream, key, copy, keep, &|bytes| progress.add(bytes));
    progress.finish();
    verified
}
