//! What the gates say about a verified archive, by each policy that it is held to.

use std::collections::HashSet;
use std::fs::File;
use std::path::Path;

use console::input::PolicyFile;
use console::{Class, Failure, Failures};
use gates::signature::{self, Roots};
use gates::{Content, Grounds, Judgement, Subject, Unreadable};
use manifests::inventory::Item;
use manifests::{Descriptor, Digest, Reference, Timestamp, limits};
use transfer::archive::{ArchiveError, Signed, Verified, open};

use crate::site::Site;

/// The small content of an archive, as gates read it.
struct Small<F>(F);

impl<F: Fn(&Descriptor) -> Result<Vec<u8>, ArchiveError>> Content for Small<F> {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        (self.0)(wanted).map_err(|error| Unreadable(error.to_string()))
    }
}

/// Judges an archive by every policy, in their order.
///
/// # Errors
/// Each gate that a policy names and that this version lacks; a trusted root or an earlier archive's evidence
/// that cannot be read.
pub(crate) fn judge(
    archive: &Verified<File>,
    policies: &[&PolicyFile],
    site: Option<&Site>,
    now: Timestamp,
) -> Result<Vec<Judgement>, Failures> {
    let signed_before = signed_before(archive, policies, site)?;
    let was_signed = |item: &Item| signed_before.contains(repository(item));
    let content = Small(|wanted: &Descriptor| archive.metadata(wanted));
    let judged = policies.iter().map(|file| {
        lacking(file)?;
        let roots = roots(file, archive)?;
        let grounds = Grounds { content: &content, roots: &roots, now, was_signed: &was_signed };
        Ok(gates::judge(archive.inventory(), &file.policy, &grounds))
    });
    judged.collect()
}

/// A gate that is passed over would read as passed.
fn lacking(file: &PolicyFile) -> Result<(), Failures> {
    let lacking = gates::lacking(&file.policy).into_iter().map(|gate| {
        let message = format!("found the gate {gate} in the policy, which this version does not have");
        Failure::new(Class::Refused, format!("the policy {}", file.policy.digest()), message)
    });
    Failures::unless_empty(lacking.collect(), ())
}

/// The trusted roots that a policy names: from its own files, or out of the archive. It names them by digest, so
/// that it does not matter where they come from.
fn roots(file: &PolicyFile, archive: &Verified<File>) -> Result<Roots, Failure> {
    let named = file.policy.signatures.as_ref().map_or(&[][..], |signatures| signatures.roots());
    let has = |digest: Digest| file.roots.iter().any(|(found, _)| *found == digest);
    let missing = named.iter().map(|root| root.digest).filter(|digest| !has(*digest));
    let carried: Vec<(Digest, Vec<u8>)> =
        missing.filter_map(|digest| Some((digest, carried(archive, digest)?))).collect();
    let given = file.roots.iter().chain(&carried).map(|(digest, bytes)| (*digest, bytes.as_slice()));
    Roots::new(named, given)
        .map_err(|error| Failure::new(Class::Usage, format!("the policy {}", file.policy.digest()), error))
}

/// A blob of an archive, where it has one of this digest that is small enough for a document.
fn carried(archive: &Verified<File>, digest: Digest) -> Option<Vec<u8>> {
    let inventory = archive.inventory();
    let size = inventory.carried().find(|blob| blob.digest == digest)?.size;
    let wanted = Descriptor { digest, media_type: String::new(), size };
    (size <= limits::DOCUMENT_BYTES).then(|| archive.metadata(&wanted).ok())?
}

/// The repositories whose items were signed in the newest archive of this channel that the site accepted. It is
/// looked at only where a policy accepts something unsigned: an upstream that ceases to sign must not slip
/// through a waiver that was written for another.
fn signed_before(
    archive: &Verified<File>,
    policies: &[&PolicyFile],
    site: Option<&Site>,
) -> Result<HashSet<String>, Failure> {
    let waives = |file: &&&PolicyFile| {
        file.policy.signatures.as_ref().is_some_and(manifests::policy::Signatures::waives)
    };
    let channel = &archive.inventory().name;
    let Some(site) = site.filter(|_| policies.iter().any(|file| waives(&file))) else {
        return Ok(HashSet::new());
    };
    let newest = site.ledger.newest(channel).and_then(|serial| site.ledger.archive(channel, serial));
    let Some(identity) = newest.and_then(|known| known.identities.last().copied()) else {
        return Ok(HashSet::new());
    };
    let path = site.evidence_pack(identity);
    let pack = earlier(&path, site)?;
    let content = Small(|wanted: &Descriptor| pack.metadata(wanted));
    let is_signed = |item: &&Item| {
        let subject = Subject { item, content: &content };
        signature::candidates(subject, item.source.digest).is_ok_and(|found| !found.is_empty())
    };
    let signed = pack.inventory().items.iter().filter(is_signed);
    Ok(signed.map(|item| repository(item).to_owned()).collect())
}

/// The evidence pack of an archive that was accepted earlier.
fn earlier(path: &Path, site: &Site) -> Result<Signed<File>, Failure> {
    let file = File::open(path).map_err(|error| Failure::new(Class::Failed, path.display(), error))?;
    open::signed(file, |id| site.trust().key(id).cloned())
        .map_err(|error| crate::archive_failure::failure(path, &error))
}

/// An item's name without tag and digest.
fn repository(item: &Item) -> &str {
    let length = item.name.parse::<Reference>().map_or(0, |name| name.repository().to_string().len());
    item.name.get(..length).unwrap_or(&item.name)
}
