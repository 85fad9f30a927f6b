//! Judged -> archive: every blob straight to its final place, hashed once as it comes; the signature last,
//! the name last of all.
//!
//! ```text
//! layout (every offset) -> draft (space taken) -> local: small blobs from beside the lock
//!                                              -> fetch: layers, in parallel, noted in the journal
//!                                              -> seal: signature, sync, rename
//! ```

mod fetch;
mod journal;
mod left;
mod local;
mod pieces;
mod stream;

use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use clients::Http;
use console::escape::escape;
use console::progress::Progress;
use console::{Class, Failure, Failures, clock};
use gates::Judgement;
use indicatif::HumanBytes;
use manifests::inventory::Inventory;
use manifests::key::{PrivateKey, PublicKey};
use manifests::slot::{self, ArchiveSignature};
use manifests::trust::Role;
use manifests::{Digest, Timestamp, json};
use transfer::archive::write::Draft;
use transfer::archive::{ArchiveError, Unverified, Window, open};

use crate::archive_failure;
use crate::beside::Beside;
use crate::judge::Judged;
use crate::malware::Malware;
use fetch::Complete;
use journal::Journal;
use left::Left;

pub(crate) use fetch::CONNECTIONS;
pub(crate) use stream::to_stream;

/// The program that an inventory names, with its version. What is made here, and with it the identity of an
/// archive, may differ between versions.
pub(crate) const GENERATOR: &str = concat!("airgap-bundle ", env!("CARGO_PKG_VERSION"));

/// What writing needs.
pub(crate) struct Writer<'a> {
    pub(crate) judged: &'a Judged,
    pub(crate) beside: &'a Beside,
    pub(crate) http: &'a Http,
    pub(crate) key: &'a PrivateKey,
    /// What has to be looked for in the content before it is signed.
    pub(crate) malware: Option<&'a Malware<'a>>,
    pub(crate) quiet: bool,
}

/// What was written, or was there already.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) identity: Digest,
    pub(crate) size: u64,
    /// Downloaded by this run, in bytes.
    pub(crate) fetched: u64,
    /// Taken over from an interrupted run, in bytes.
    pub(crate) resumed: u64,
    /// Whether the archive was there already.
    pub(crate) was_there: bool,
    /// What the gates said once malware was looked for, where it was.
    pub(crate) judgement: Option<Judgement>,
}

/// The inventory of a full archive of what was judged.
pub(crate) fn inventory(judged: &Judged) -> Inventory {
    judged.lock().inventory(GENERATOR)
}

/// Writes the archive to `path`, or goes on with one that was interrupted.
///
/// # Errors
/// Every blob that cannot be had; or the first thing that makes going on pointless.
pub(crate) fn to_file(writer: &Writer<'_>, path: &Path) -> Result<Written, Failures> {
    let inventory = inventory(writer.judged);
    let identity = json::digest(&inventory);
    let key = writer.key.public().map_err(|error| Failure::new(Class::Usage, "the key", error))?;
    let journal = beside(path, ".journal");
    if let Some(found) = existing(path, identity, &key)? {
        // A build that was killed after the archive had its name left it. Whoever holds it now removes it.
        if journal.exists() {
            let _ = Journal::open(&journal, identity).map(Journal::remove);
        }
        return again(writer, path, &found, &key);
    }
    let failed = |error: io::Error| Failure::new(Class::Failed, path.display(), error);
    let journal = Journal::open(&journal, identity)?;
    // Another build may have finished it while this one waited to look.
    if let Some(found) = existing(path, identity, &key)? {
        journal.remove().map_err(failed)?;
        return again(writer, path, &found, &key);
    }
    let slot = sign(&inventory, identity, writer.key)?;
    let partial = beside(path, ".partial");
    if !writer.quiet {
        left::drafts(path, &inventory.name).iter().for_each(notice);
    }
    let draft =
        Draft::create(&partial, &inventory).map_err(|error| archive_failure::failure(&partial, &error))?;
    if !draft.is_reserved() && !writer.quiet {
        eprintln!("notice: this file system sets no space aside: it was found free, and may not stay so");
    }
    let size = draft.layout().size();
    let plan = local::plan(writer.judged.lock(), writer.beside)?;
    let progress = Progress::new("build", plan.bytes(), writer.quiet);
    let claims = journal.claims();
    let started = pieces::check(&draft, &plan.remote, &claims, &progress).map_err(failed)?;
    let resumed = started.bytes();
    local::copy(&draft, &plan, writer.beside, &progress)?;
    let Complete { draft, journal, fetched } =
        fetch::all(writer.http, draft, journal, plan.remote, started, &progress)?;
    progress.finish();
    let judgement = search(writer, identity, &|digest| draft.blob(digest))?;
    draft.seal(&slot, path).map_err(|error| archive_failure::failure(path, &error))?;
    journal.remove().map_err(failed)?;
    Ok(Written { identity, size, fetched, resumed, was_there: false, judgement })
}

/// What was written before, perhaps by another policy. It is read again: whoever asks for an archive and is told that
/// it is there takes it across.
fn again(
    writer: &Writer<'_>,
    path: &Path,
    found: &Unverified<File>,
    key: &PublicKey,
) -> Result<Written, Failures> {
    let total = found.inventory().carried().map(|blob| blob.size).sum();
    let progress = Progress::new("verify", total, writer.quiet);
    let verified = open::signed(found.reader(), |_| Some(key.clone()))
        .and_then(|signed| signed.verify(&|bytes| progress.add(bytes)))
        .map_err(|error| {
            archive_failure::failure(path, &error).advise("remove it, and run this again to build it anew")
        })?;
    progress.finish();
    let identity = verified.identity();
    let judgement = search(writer, identity, &|digest| found.blob(digest))?;
    let size = found.layout().size();
    Ok(Written { identity, size, fetched: 0, resumed: 0, was_there: true, judgement })
}

/// Looks for malware where the policy says so. What is refused keeps its temporary name.
fn search<'a>(
    writer: &Writer<'_>,
    identity: Digest,
    blob: &'a dyn Fn(&Digest) -> Result<Window<&'a File>, ArchiveError>,
) -> Result<Option<Judgement>, Failures> {
    let Some(malware) = writer.malware else { return Ok(None) };
    malware.judge(writer, identity, blob).map(Some)
}

/// The archive at `path`, when it is the one that is to be written; nothing, when there is
/// nothing.
///
/// # Errors
/// When something else is there.
fn existing(path: &Path, identity: Digest, key: &PublicKey) -> Result<Option<Unverified<File>>, Failure> {
    let metadata = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(Class::Failed, path.display(), error)),
        Ok(metadata) => metadata,
    };
    let opened = File::open(path).ok().and_then(|file| open::unverified(file).ok());
    // The same content under another signature is not what this build would leave.
    let is_ours = |archive: &Unverified<File>| {
        archive.signed_by() == key.id() && open::signed(archive.reader(), |_| Some(key.clone())).is_ok()
    };
    if let Some(archive) =
        opened.as_ref().filter(|archive| archive.identity() == identity && !is_ours(archive))
    {
        let message = format!("found it there under another signature, by the key {}", archive.signed_by());
        return Err(Failure::new(Class::Usage, path.display(), message).advise("choose another name with -o"));
    }
    match opened {
        Some(archive) if archive.identity() == identity && archive.layout().size() == metadata.len() => {
            Ok(Some(archive))
        }
        Some(archive) => {
            let found = archive.identity();
            let message = format!(
                "found another archive there, {found}, wanted {identity}, and nothing is overwritten"
            );
            Err(Failure::new(Class::Usage, path.display(), message).advise("choose another name with -o"))
        }
        None => {
            let message = "found a file there that is no archive, and nothing is overwritten";
            Err(Failure::new(Class::Usage, path.display(), message).advise("choose another name with -o"))
        }
    }
}

/// The preparer's signature over the inventory.
fn sign(inventory: &Inventory, identity: Digest, key: &PrivateKey) -> Result<Vec<u8>, Failure> {
    let signed_at: Timestamp = clock::now();
    if signed_at < inventory.created {
        let message = format!(
            "found the time {signed_at}, wanted one after {}, when the lock was made",
            inventory.created
        );
        return Err(Failure::new(Class::Failed, "", message).advise("set the clock of this machine right"));
    }
    let signature = ArchiveSignature {
        change: None,
        inventory_size: inventory.encode().len() as u64,
        policy_digest: None,
        role: Role::Preparer,
        signed_at,
        trust_digest: None,
        verdict: None,
    };
    slot::seal(identity, signature, key).map_err(|error| Failure::new(Class::Failed, "the key", error))
}

/// Before the space is taken, which may then not be there.
fn notice(left: &Left) {
    let (path, size) = (escape(&left.path.display().to_string()), HumanBytes(left.size));
    eprintln!(
        "notice: {path} ({size}) is left from an interrupted build of another lock; remove it, with its journal, if \
         that one is not wanted"
    );
}

/// `path` with another ending behind it.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}
