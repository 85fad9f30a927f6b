//! Annexes: small archives about another one, in which approvers say what they think of it.
//!
//! They lie beside the archive as `NAME-SERIAL.PERSON.tar`, or are named on the command line. Whoever can
//! write to the medium can put a file there or take one away. So a file beside the archive that is not an
//! annex by somebody who is trusted is passed over with a notice; one that was asked for by name is a failure.

mod contents;

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use console::{Class, Failure, Failures, input};
use manifests::inventory::Inventory;
use manifests::slot::{ArchiveSignature, Verdict};
use manifests::trust::{self, Signer, Trust};
use manifests::{ChannelName, Digest, Timestamp};
use transfer::archive::{ArchiveError, Signed, Verified, open};

use crate::archive_failure;
use crate::plain;
pub(crate) use contents::Contents;

/// Most files beside an archive that are looked at. A dozen people sign; beyond this somebody fills a medium.
const MOST: usize = 64;

/// An annex that was read whole, by somebody who may say something about the archive.
#[derive(Debug)]
pub(crate) struct Annex {
    /// Its own identity.
    pub(crate) identity: Digest,
    /// It, for keeping a copy.
    pub(crate) archive: Verified<File>,
    /// Who signed it, by each trust file.
    pub(crate) signers: Vec<Signer>,
    /// What they say.
    pub(crate) verdict: Verdict,
    /// The number of the change that they name.
    pub(crate) change: Option<String>,
    /// What an approval brings along; nothing, where they reject.
    pub(crate) contents: Contents,
}

impl Annex {
    /// Who answers for what it brings.
    #[must_use]
    pub(crate) fn by(&self) -> String {
        self.signers.first().map(|signer| signer.person.to_string()).unwrap_or_default()
    }
}

/// Who approves, by the trust file with this number. An approval that was not given does not count; a rejection refuses
/// whatever the others say.
pub(crate) fn approvers(annexes: &[Annex], trust: usize) -> impl Iterator<Item = Signer> + '_ {
    let approvals = annexes.iter().filter(|annex| annex.verdict == Verdict::Approved);
    approvals.filter_map(move |annex| annex.signers.get(trust).cloned())
}

/// What was found for an archive.
#[derive(Debug, Default)]
pub(crate) struct Annexes {
    /// Those that count.
    pub(crate) counted: Vec<Annex>,
    /// What was passed over, and why.
    pub(crate) notices: Vec<String>,
}

/// Finds and reads the annexes of `archive`, which lies at `path`: those beside it, those `given`, and those that
/// were `kept` when it was judged before.
///
/// # Errors
/// Every given one that is not an annex of this archive by somebody who is trusted.
pub(crate) fn find(
    path: &Path,
    archive: &Signed<File>,
    (given, kept): (&[PathBuf], &[PathBuf]),
    trusts: &[&Trust],
    now: Timestamp,
) -> Result<Annexes, Failures> {
    let (mut annexes, mut failures) = (Annexes::default(), Vec::new());
    for path in given {
        match input::archive(path).and_then(|file| examine(file, path, archive, trusts, now)) {
            Ok(annex) => annexes.counted.push(annex),
            Err(failure) => failures.push(failure),
        }
    }
    let beside = beside(path, archive.inventory(), &mut annexes.notices);
    // One that was given as well is read twice, and counts once.
    for path in beside.iter().chain(kept) {
        match found(path).and_then(|file| examine(file, path, archive, trusts, now)) {
            Ok(annex) => annexes.counted.push(annex),
            Err(failure) => annexes.notices.push(format!("not counted: {failure}")),
        }
    }
    annexes.counted = last_words(annexes.counted);
    Failures::unless_empty(failures, annexes)
}

/// What each signer said last in each role, once: an approval can be taken back, and a rejection too, by the one
/// whose it is. Two people who say the same write annexes of one identity.
pub(crate) fn last_words(annexes: Vec<Annex>) -> Vec<Annex> {
    let said = |annex: &Annex| {
        let ArchiveSignature { role, signed_at, .. } = *annex.archive.signature();
        ((annex.archive.signed_by(), role), signed_at)
    };
    let mut last = HashMap::new();
    for (who, at) in annexes.iter().map(said) {
        let latest = last.entry(who).or_insert(at);
        *latest = at.max(*latest);
    }
    let mut seen = HashSet::new();
    let mut kept = annexes;
    kept.retain(|annex| {
        let (who, at) = said(annex);
        last.get(&who) == Some(&at) && seen.insert((annex.identity, who))
    });
    kept
}

/// The files beside an archive that have an annex's name, in order.
fn beside(path: &Path, inventory: &Inventory, notices: &mut Vec<String>) -> Vec<PathBuf> {
    let Some(folder) = path.parent().filter(|_| path != Path::new("-")) else { return vec![] };
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let stem = format!("{}-{}.", inventory.name, inventory.serial);
    let is_annex = |name: &str| {
        let person = name.strip_prefix(&stem).and_then(|rest| rest.strip_suffix(".tar"));
        person.is_some_and(|person| person.parse::<ChannelName>().is_ok())
    };
    let entries = match folder.read_dir() {
        Ok(entries) => entries,
        Err(error) => {
            notices.push(format!("annexes were not looked for in {}: {error}", folder.display()));
            return vec![];
        }
    };
    let named =
        entries.filter_map(Result::ok).filter(|entry| entry.file_name().to_str().is_some_and(is_annex));
    let mut found: Vec<PathBuf> = named.map(|entry| entry.path()).take(MOST + 1).collect();
    found.sort();
    if found.len() > MOST {
        found.truncate(MOST);
        notices.push(format!("found more than {MOST} annexes in {}, read {MOST}", folder.display()));
    }
    found
}

/// Opens one that nobody asked for: whoever carried the medium may have put anything there under its name.
fn found(path: &Path) -> Result<File, Failure> {
    plain::open(path).map_err(|error| Failure::new(Class::Failed, path.display(), error))
}

/// Reads the annex in `file`, which goes by `path` in what is said about it.
///
/// # Errors
/// When it is not an annex of this archive by somebody who is trusted, or has something in it that this version
/// does not know.
pub(crate) fn examine(
    file: File,
    path: &Path,
    about: &Signed<File>,
    trusts: &[&Trust],
    now: Timestamp,
) -> Result<Annex, Failure> {
    let refused = |message: String| Failure::new(Class::Refused, path.display(), message);
    let opened: Result<Verified<File>, ArchiveError> =
        open::signed(file, |id| crate::open::trusted_key(trusts, id)).and_then(|it| it.verify(&|_| ()));
    let archive = opened.map_err(|error| archive_failure::failure(path, &error))?;
    let wanted = about.identity();
    match archive.inventory().annex_of {
        Some(found) if found == wanted => {}
        Some(found) => return Err(refused(format!("found an annex of {found}, wanted one of {wanted}"))),
        None => return Err(refused(format!("found an archive of its own, wanted an annex of {wanted}"))),
    }
    let ArchiveSignature { role, verdict, change, .. } = archive.signature().clone();
    if !role.approves() {
        return Err(refused(format!("found it signed as {role}, wanted the role of an approver")));
    }
    let verdict =
        verdict.ok_or_else(|| refused("found no verdict, wanted approved or rejected".to_owned()))?;
    let signing_time = trust::check_signing_time(archive.inventory(), archive.signature(), now);
    signing_time.map_err(|error| refused(error.to_string()))?;
    let channel = &about.inventory().name;
    let key = archive.signed_by();
    let signed_at = archive.signature().signed_at;
    let signers = trusts.iter().map(|trust| trust.signer(key, role, channel, signed_at));
    let signers = signers.collect::<Result<Vec<_>, _>>().map_err(|error| refused(error.to_string()))?;
    // A rejection refuses the archive, whatever else it says.
    let contents = match verdict {
        Verdict::Approved => contents::read(&archive, about.inventory()).map_err(refused)?,
        Verdict::Rejected => Contents::default(),
    };
    Ok(Annex { identity: archive.identity(), archive, signers, verdict, change, contents })
}
