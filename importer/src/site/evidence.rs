//! The evidence that a site keeps of every archive that it accepted: enough to answer, in ten years, who
//! signed what and which reports were known.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use gates::KeptJudgement;
use manifests::receipt::{Receipt, State};
use manifests::trust::Role;
use manifests::{Digest, json, limits};
use transfer::archive::{ArchiveError, ReadAt, Signed, open};

use super::{EVIDENCE, Site, SiteError, files, form};
use crate::accept::Accepted;
use crate::annex::Annex;

/// How much is compared or copied at once, in bytes: what a processor's cache holds twice.
const CHUNK: u64 = 1 << 17;

/// Largest judgement that is read: 20,000 images with some hundred findings each have less.
const JUDGEMENT_BYTES: u64 = 1 << 30;

/// The ending of a further evidence pack. That of annexes is another, whatever the name of a person.
const PACK: &str = "pack";

/// A file that flags added to what an archive was judged by.
#[derive(Debug)]
pub(crate) struct Given {
    /// What it is: `trust`, `policy`, `root`, `kev` or `vex`.
    pub(crate) kind: &'static str,
    /// The ending of its name.
    pub(crate) ending: &'static str,
    /// It.
    pub(crate) bytes: Vec<u8>,
}

impl Site {
    /// The evidence pack of an archive: the archive's own beginning, up to its large content.
    #[must_use]
    pub(crate) fn evidence_pack(&self, identity: Digest) -> PathBuf {
        self.evidence(identity).join("evidence.tar")
    }

    /// The evidence pack that bears the signature of this key. Two people may have prepared the same: whose signature came
    /// later has a pack of its own, since a receipt names who signed.
    fn pack_by(&self, identity: Digest, key: Digest) -> PathBuf {
        let first = self.evidence_pack(identity);
        let signed = |file| open::signed(file, |id| self.key_ever(id)).ok();
        match File::open(&first).ok().and_then(signed) {
            Some(pack) if pack.signed_by() != key => first.with_file_name(file_name("evidence", key, PACK)),
            _ => first,
        }
    }

    pub(super) fn evidence(&self, identity: Digest) -> PathBuf {
        self.directory.join(EVIDENCE).join(identity.hex())
    }

    /// Keeps the evidence of an archive, its annexes, everything that it was judged by, and what the gates said. What
    /// is there already stays: each file has its digest in its name.
    ///
    /// # Errors
    /// When the archive cannot be read any more, or the disk fails.
    pub(crate) fn keep(&self, accepted: &Accepted, given: &[Given]) -> Result<(), SiteError> {
        let archive = accepted.archive();
        let folder = self.evidence(archive.identity());
        files::folder(&folder).map_err(|error| SiteError::Io(folder.clone(), error))?;
        let pack = self.pack_by(archive.identity(), archive.signed_by());
        let kept = |file: &File| open::signed(file, |id| self.key_ever(id))?.verify_evidence(&|_| ());
        let made = |file: &File| archive.verify_evidence_copy(&file, |id| self.key_ever(id));
        copy(archive.reader(), archive.layout().evidence_end(), &pack, (&kept, &made))?;
        self.keep_annexes(archive.identity(), accepted.annexes())?;
        let own = [("trust", &self.trust_text), ("policy", &self.policy.text)];
        let own = own.map(|(kind, text)| (kind, "yaml", text.as_bytes()));
        let roots = self.policy.roots.iter().map(|(_, bytes)| ("root", "json", bytes.as_slice()));
        let given = given.iter().map(|file| (file.kind, file.ending, file.bytes.as_slice()));
        for (kind, ending, bytes) in own.into_iter().chain(roots).chain(given) {
            let path = folder.join(file_name(kind, Digest::of(bytes), ending));
            put(&path, |file| file.write_all(bytes))?;
        }
        for judgement in accepted.judgements() {
            let bytes = json::encode(judgement);
            put(&self.judgement(archive.identity(), Digest::of(&bytes)), |file| file.write_all(&bytes))?;
        }
        Ok(())
    }

    /// Keeps what approvers said about an archive, whatever becomes of it: a rejection that was seen once must not be
    /// undone by taking it off the medium.
    ///
    /// # Errors
    /// When an annex cannot be read any more, or the disk fails.
    pub(crate) fn keep_annexes(&self, about: Digest, annexes: &[Annex]) -> Result<(), SiteError> {
        let folder = self.evidence(about);
        files::folder(&folder).map_err(|error| SiteError::Io(folder.clone(), error))?;
        for annex in annexes {
            let size = annex.archive.layout().size();
            let person = annex.signers.first().map_or("", |signer| signer.person.as_str());
            let path = folder.join(format!("{person}-{}.tar", short(annex.identity)));
            let check = |file: &File| open::signed(file, |id| self.key_ever(id))?.verify(&|_| ()).map(|_| ());
            copy(annex.archive.reader(), size, &path, (&check, &check))?;
        }
        Ok(())
    }

    fn judgement(&self, identity: Digest, digest: Digest) -> PathBuf {
        self.evidence(identity).join(file_name("judgement", digest, "json"))
    }

    /// Whether everything is kept that a receipt names: the evidence pack, the annexes, the trust files and policies,
    /// and the judgements. Of what was refused, what its approvers said.
    ///
    /// # Errors
    /// The first thing that is missing or is something else.
    pub(crate) fn check_evidence(&self, receipt: &Receipt) -> Result<(), SiteError> {
        let Some(identity) = receipt.archive.as_ref().map(|archive| archive.identity) else { return Ok(()) };
        self.check_annexes(identity, receipt)?;
        if receipt.state == State::Refused {
            return Ok(());
        }
        let pack = self.pack_of(identity, receipt)?;
        pack.verify_evidence(&|_| ())
            .map_err(|error| form(&self.pack_by(identity, pack.signed_by()), error))?;
        let trusts = receipt.trust_digests.iter().map(|digest| ("trust", digest));
        let policies = receipt.policy_digests.iter().map(|digest| ("policy", digest));
        for (kind, digest) in trusts.chain(policies) {
            self.kept_file(identity, kind, *digest, "yaml")?;
        }
        self.check_judgements(receipt)
    }

    /// The evidence pack of an archive that was accepted. Its preparer's signature is checked; what is read of it is
    /// compared.
    ///
    /// # Errors
    /// When it is not there, or is another's.
    pub(crate) fn pack(&self, identity: Digest) -> Result<Signed<File>, SiteError> {
        self.kept_archive(&self.evidence_pack(identity), identity)
    }

    /// The evidence pack with the signature of whom a receipt names as the preparer.
    ///
    /// # Errors
    /// As [`Site::pack`]; when it bears another's signature.
    pub(crate) fn pack_of(&self, identity: Digest, receipt: &Receipt) -> Result<Signed<File>, SiteError> {
        let preparer = receipt.signers.iter().find(|signer| signer.role == Role::Preparer);
        let Some(wanted) = preparer.map(|signer| signer.key) else {
            return Err(form(&self.evidence(identity), "found no preparer in a receipt, wanted who signed"));
        };
        let path = self.pack_by(identity, wanted);
        let pack = self.kept_archive(&path, identity)?;
        if pack.signed_by() != wanted {
            let reason = format!(
                "found the signature of {}, wanted {wanted}, which a receipt names",
                pack.signed_by()
            );
            return Err(form(&path, reason));
        }
        Ok(pack)
    }

    /// A file that was kept beside an archive's evidence pack, such as a policy.
    ///
    /// # Errors
    /// When it is not there, or is another than its digest says.
    pub(crate) fn kept_file(
        &self,
        about: Digest,
        kind: &str,
        digest: Digest,
        ending: &str,
    ) -> Result<Vec<u8>, SiteError> {
        let path = self.evidence(about).join(file_name(kind, digest, ending));
        let bytes = super::read_at_most(&path, limits::EVIDENCE_BYTES)?;
        let found = Digest::of(&bytes);
        if found == digest {
            return Ok(bytes);
        }
        Err(form(&path, format!("found {found}, wanted {digest}, which was kept when the archive came in")))
    }

    /// An archive that was kept, or its evidence pack: its signature is checked.
    pub(crate) fn kept_archive(&self, path: &Path, wanted: Digest) -> Result<Signed<File>, SiteError> {
        let file = File::open(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => form(path, format!("found no evidence, wanted that of {wanted}")),
            _ => SiteError::Io(path.to_owned(), error),
        })?;
        let kept = open::signed(file, |id| self.key_ever(id)).map_err(|error| form(path, error))?;
        if kept.identity() != wanted {
            return Err(form(
                path,
                format!("found the evidence of {}, wanted that of {wanted}", kept.identity()),
            ));
        }
        Ok(kept)
    }

    /// Whether the judgements that are kept are those that a receipt names.
    ///
    /// # Errors
    /// The first one that is not.
    fn check_judgements(&self, receipt: &Receipt) -> Result<(), SiteError> {
        self.read_judgements(receipt, |_, _| Ok(()))
    }

    /// The judgements that a receipt names, as they were written.
    ///
    /// # Errors
    /// When one is not what the receipt says, or not a judgement.
    pub(crate) fn kept_judgements(&self, receipt: &Receipt) -> Result<Vec<KeptJudgement>, SiteError> {
        let mut kept = Vec::new();
        self.read_judgements(receipt, |path, bytes| {
            kept.push(KeptJudgement::parse(bytes).map_err(|error| form(path, error))?);
            Ok(())
        })?;
        Ok(kept)
    }

    fn read_judgements(
        &self,
        receipt: &Receipt,
        mut each: impl FnMut(&Path, &[u8]) -> Result<(), SiteError>,
    ) -> Result<(), SiteError> {
        let Some(archive) = &receipt.archive else { return Ok(()) };
        for wanted in &receipt.judgements {
            let path = self.judgement(archive.identity, *wanted);
            let bytes = super::read_at_most(&path, JUDGEMENT_BYTES)?;
            let found = Digest::of(&bytes);
            if found != *wanted {
                return Err(form(
                    &path,
                    format!("found the judgement {found}, wanted {wanted}, which a receipt names"),
                ));
            }
            each(&path, &bytes)?;
        }
        Ok(())
    }

    /// The identities of the archives whose evidence is kept, in order.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn kept(&self) -> Result<Vec<Digest>, SiteError> {
        let folder = self.directory.join(EVIDENCE);
        let failed = |error| SiteError::Io(folder.clone(), error);
        let mut kept = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            kept.extend(name.to_str().and_then(|name| Digest::from_hex(name).ok()));
        }
        kept.sort();
        Ok(kept)
    }
}

/// The name of a file that is kept: what it is, and the beginning of its digest.
fn file_name(kind: &str, digest: Digest, ending: &str) -> String {
    format!("{kind}-{}.{ending}", short(digest))
}

pub(super) fn short(digest: Digest) -> String {
    digest.hex().chars().take(12).collect()
}

fn put(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), SiteError> {
    if path.exists() {
        return Ok(());
    }
    files::put(path, write).map_err(|error| SiteError::Io(path.to_owned(), error))
}

/// How a copy is read.
type Check<'a> = &'a dyn Fn(&File) -> Result<(), ArchiveError>;

/// Copies the beginning of a file, and reads the copy before it gets its name: the medium may have changed since it
/// was verified, and this is what answers in ten years. A copy that is there already and is not good is made anew; one
/// that was good when it was made, and still is what was verified in this run byte for byte, need not be read a second
/// time.
fn copy(from: &File, size: u64, path: &Path, (kept, made): (Check<'_>, Check<'_>)) -> Result<(), SiteError> {
    let is_good = |file: File| is_same(from, size, &file).unwrap_or(false) || kept(&file).is_ok();
    if File::open(path).is_ok_and(is_good) {
        return Ok(());
    }
    let copied = files::put(path, |file| {
        chunks(from, size, |chunk, _| {
            file.write_all(chunk)?;
            Ok(true)
        })?;
        made(file).map_err(io::Error::other)
    });
    copied.map_err(|error| SiteError::Io(path.to_owned(), error))
}

/// Whether a file is the beginning of another one.
fn is_same(from: &File, size: u64, kept: &File) -> io::Result<bool> {
    if kept.metadata()?.len() != size {
        return Ok(false);
    }
    let mut beside = Vec::new();
    chunks(from, size, |chunk, at| {
        beside.resize(chunk.len(), 0);
        kept.read_exact_at(&mut beside, at)?;
        Ok(beside == chunk)
    })
}

/// Reads the beginning of a file piece by piece, for as long as `each` asks for more; whether it did up to the end.
fn chunks(from: &File, size: u64, mut each: impl FnMut(&[u8], u64) -> io::Result<bool>) -> io::Result<bool> {
    let mut buffer = vec![0; usize::try_from(CHUNK.min(size)).unwrap_or_default()];
    let mut done = 0;
    while done < size {
        let length = usize::try_from((size - done).min(CHUNK)).unwrap_or_default();
        let chunk = buffer.get_mut(..length).unwrap_or_default();
        from.read_exact_at(chunk, done)?;
        if !each(chunk, done)? {
            return Ok(false);
        }
        done += length as u64;
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    #[test]
    fn the_beginning_of_a_file_is_read_to_its_end_and_no_further() {
        let file = tempfile::tempfile().unwrap();
        let bytes: Vec<u8> = (0..3 * CHUNK).map(|at| u8::try_from(at % 251).unwrap()).collect();
        file.write_all_at(&bytes, 0).unwrap();
        for size in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 7] {
            let mut read = Vec::new();
            let is_whole = chunks(&file, size, |chunk, at| {
                assert_eq!(at, read.len() as u64);
                read.extend_from_slice(chunk);
                Ok(read.len() as u64 <= size)
            });
            assert!(is_whole.unwrap() && read == bytes[..usize::try_from(size).unwrap()], "{size}");
        }
    }

    #[test]
    fn a_copy_is_the_same_when_all_of_it_is() {
        let (from, kept) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        from.write_all_at(b"the evidence, and large content", 0).unwrap();
        kept.write_all_at(b"the evidence", 0).unwrap();
        assert!(is_same(&from, 12, &kept).unwrap());
        assert!(!is_same(&from, 13, &kept).unwrap(), "one is longer");
        kept.write_all_at(b"E", 4).unwrap();
        assert!(!is_same(&from, 12, &kept).unwrap(), "one byte is another");
    }
}
