//! The evidence that a site keeps of every archive that it accepted: enough to answer, in ten years, who
//! signed what and which reports were known.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use gates::KeptJudgement;
use manifests::receipt::Receipt;
use manifests::{Digest, json};
use transfer::archive::{ArchiveError, ReadAt, open};

use super::{EVIDENCE, Site, SiteError, files, form};
use crate::accept::Accepted;
use crate::annex::Annex;

const CHUNK: u64 = 1 << 20;

/// Largest judgement that is read: 20,000 images with some hundred findings each have less.
const JUDGEMENT_BYTES: u64 = 1 << 30;

impl Site {
    /// The evidence pack of an archive: the archive's own beginning, up to its large content.
    #[must_use]
    pub(crate) fn evidence_pack(&self, identity: Digest) -> PathBuf {
        self.evidence(identity).join("evidence.tar")
    }

    fn evidence(&self, identity: Digest) -> PathBuf {
        self.directory.join(EVIDENCE).join(identity.hex())
    }

    /// Keeps the evidence of an archive, its annexes, the trust and policy that it was accepted by, and what the
    /// gates said. What is there already stays.
    ///
    /// # Errors
    /// When the archive cannot be read any more, or the disk fails.
    pub(crate) fn keep(&self, accepted: &Accepted) -> Result<(), SiteError> {
        let archive = accepted.archive();
        let folder = self.evidence(archive.identity());
        files::folder(&folder).map_err(|error| SiteError::Io(folder.clone(), error))?;
        let pack = self.evidence_pack(archive.identity());
        copy(archive.reader(), archive.layout().evidence_end(), &pack, &|file| {
            let signed = open::signed(file, |id| self.key_ever(id))?;
            signed.verify_evidence(&|_| ())
        })?;
        self.keep_annexes(archive.identity(), accepted.annexes())?;
        for (name, text) in [("trust", &self.trust_text), ("policy", &self.policy.text)] {
            let path = folder.join(format!("{name}-{}.yaml", short(Digest::of(text.as_bytes()))));
            put(&path, |file| file.write_all(text.as_bytes()))?;
        }
        for judgement in accepted.judgements() {
            let path = self.judgement(archive.identity(), judgement.policy);
            put(&path, |file| file.write_all(&json::encode(judgement)))?;
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
            copy(annex.archive.reader(), size, &path, &|file| {
                open::signed(file, |id| self.key_ever(id))?.verify(&|_| ()).map(|_| ())
            })?;
        }
        Ok(())
    }

    /// The annexes that were kept about an archive.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub(crate) fn kept_annexes(&self, about: Digest) -> Result<Vec<PathBuf>, SiteError> {
        let (folder, pack) = (self.evidence(about), self.evidence_pack(about));
        if !folder.exists() {
            return Ok(vec![]);
        }
        let failed = |error| SiteError::Io(folder.clone(), error);
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path != pack && path.extension().is_some_and(|kind| kind == "tar") {
                paths.push(path);
            }
        }
        paths.sort();
        Ok(paths)
    }

    fn judgement(&self, identity: Digest, policy: Digest) -> PathBuf {
        self.evidence(identity).join(format!("judgement-{}.json", short(policy)))
    }

    /// The digests of the judgements that are kept of an archive, by these policies.
    ///
    /// # Errors
    /// When one is not there or cannot be read.
    pub(crate) fn judgements(&self, identity: Digest, policies: &[Digest]) -> Result<Vec<Digest>, SiteError> {
        let read = |policy: &Digest| {
            let path = self.judgement(identity, *policy);
            super::read_at_most(&path, JUDGEMENT_BYTES).map(|bytes| Digest::of(&bytes))
        };
        policies.iter().map(read).collect()
    }

    /// Whether the judgements that are kept are those that a receipt names.
    ///
    /// # Errors
    /// The first one that is not.
    pub(crate) fn check_judgements(&self, receipt: &Receipt) -> Result<(), SiteError> {
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
        for (policy, wanted) in receipt.policy_digests.iter().zip(&receipt.judgements) {
            let path = self.judgement(archive.identity, *policy);
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

fn short(digest: Digest) -> String {
    digest.hex().chars().take(12).collect()
}

fn put(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<(), SiteError> {
    if path.exists() {
        return Ok(());
    }
    files::put(path, write).map_err(|error| SiteError::Io(path.to_owned(), error))
}

/// Copies the beginning of a file, and reads the copy before it gets its name: the medium may have changed since it
/// was verified, and this is what answers in ten years. A copy that is there already and is not good is made anew.
fn copy(
    from: &File,
    size: u64,
    path: &Path,
    check: &dyn Fn(&File) -> Result<(), ArchiveError>,
) -> Result<(), SiteError> {
    if File::open(path).is_ok_and(|file| check(&file).is_ok()) {
        return Ok(());
    }
    let copied = files::put(path, |file| {
        let mut buffer = vec![0; usize::try_from(CHUNK.min(size)).unwrap_or_default()];
        let mut done = 0;
        while done < size {
            let length = usize::try_from((size - done).min(CHUNK)).unwrap_or_default();
            let chunk = buffer.get_mut(..length).unwrap_or_default();
            from.read_exact_at(chunk, done)?;
            file.write_all(chunk)?;
            done += length as u64;
        }
        check(file).map_err(io::Error::other)
    });
    copied.map_err(|error| SiteError::Io(path.to_owned(), error))
}
