//! An archive as `policy test` and `report` judge it: signed by somebody who is trusted where that was asked for, and
//! else as what it says it is.

use std::fs::File;
use std::path::Path;

use console::Failures;
use console::input::{self, PolicyFile};
use console::judging::{self, Knowledge};
use gates::malware::Searches;
use gates::vulnerability::Submissions;
use gates::{Before, Clock, Content, Grounds, Judgement, Unreadable};
use manifests::inventory::Inventory;
use manifests::slot::ArchiveSignature;
use manifests::trust::{Signer, Trust};
use manifests::{Descriptor, Digest, Timestamp, limits};
use transfer::archive::{ArchiveError, Signed, Unverified, Verified, open};

use crate::{archive_failure, trusted};

/// An archive that can be judged.
pub(crate) struct Examined {
    /// What it says.
    pub(crate) inventory: Inventory,
    /// Its identity.
    pub(crate) identity: Digest,
    /// What the signer says.
    pub(crate) signature: ArchiveSignature,
    /// The signing key.
    pub(crate) key: Digest,
    /// Who that is; nothing where nobody checked.
    pub(crate) signer: Option<Signer>,
    /// Its size, by its layout.
    pub(crate) bytes: u64,
    /// Its small content.
    pub(crate) content: Box<dyn Content>,
}

/// Small content of an archive.
pub(crate) struct Small<F>(pub(crate) F);

impl<F: Fn(&Descriptor) -> Result<Vec<u8>, ArchiveError>> Content for Small<F> {
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable> {
        // Where nobody checked the tables, a size is anybody's word.
        if wanted.size > limits::EVIDENCE_BYTES {
            let (found, max) = (wanted.size, limits::EVIDENCE_BYTES);
            return Err(Unreadable(format!("found {found} bytes, wanted at most {max}")));
        }
        (self.0)(wanted).map_err(|error| Unreadable(error.to_string()))
    }
}

macro_rules! of {
    ($($name:ident: $state:ident)*) => { $(
        fn $name(archive: $state<File>) -> Examined {
            Examined {
                inventory: archive.inventory().clone(),
                identity: archive.identity(),
                signature: archive.signature().clone(),
                key: archive.signed_by(),
                signer: None,
                bytes: archive.layout().size(),
                content: Box::new(Small(move |wanted: &Descriptor| archive.metadata(wanted))),
            }
        }
    )* };
}

of! { of_unverified: Unverified of_signed: Signed of_verified: Verified }

/// How much of an archive is read before it is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Its signature, and of its content what is judged.
    Evidence,
    /// Every byte.
    Whole {
        /// Whether to show progress.
        quiet: bool,
    },
}

/// Opens the archive at `path`; without a trust file, as what it says it is.
///
/// # Errors
/// When it is no archive, or not what somebody signed who may prepare it.
pub(crate) fn open(
    path: &Path,
    trust: Option<&Trust>,
    reading: Reading,
    now: Timestamp,
) -> Result<Examined, Failures> {
    let failed = |error: ArchiveError| archive_failure::failure(path, &error);
    let Some(trust) = trust else {
        return Ok(of_unverified(open::unverified(input::archive(path)?).map_err(failed)?));
    };
    let key = |id| trust.key(id).cloned();
    let mut examined = match reading {
        Reading::Evidence => of_signed(open::signed(input::archive(path)?, key).map_err(failed)?),
        Reading::Whole { quiet } => {
            of_verified(crate::commands::verify::from_file(path, trust, quiet)?.map_err(failed)?)
        }
    };
    let Examined { inventory, signature, key, .. } = &examined;
    examined.signer = Some(trusted::check(path, trust, inventory, signature, *key, now)?);
    Ok(examined)
}

impl Examined {
    /// What the gates of a policy say.
    ///
    /// # Errors
    /// Each gate that the policy names and that this version lacks; a trusted root that is none.
    pub(crate) fn judge(
        &self,
        file: &PolicyFile,
        knowledge: &Knowledge,
        now: Timestamp,
    ) -> Result<Judgement, Failures> {
        judging::check_gates(file)?;
        let content = self.content.as_ref();
        let roots = judging::roots(file, &judging::carried_roots(file, &self.inventory, content))?;
        let (kev, vex) = (knowledge.kev.as_ref(), knowledge.vex.as_slice());
        // What is inside and what was approved, only a site knows.
        let (before, submitted) = (&Before::default(), &Submissions::new());
        let searches = &Searches::of(self.identity);
        let grounds =
            Grounds { content, roots: &roots, clock: Clock::at(now), kev, vex, before, submitted, searches };
        Ok(gates::judge(&self.inventory.items, &file.policy, &grounds))
    }
}
