//! The report on an archive, for whoever decides about it: what is in it, who signed, what was found, what is against
//! it, who answers for what. As one HTML file, and with the same content as JSON.
//!
//! The file needs nothing beside it: no script, no font, no image, and a content security policy that would let none
//! in. It is read years later, and printed.

mod exceptions;
mod findings;
mod page;
mod sections;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use gates::{Content, JudgedItem, Judgement};
use manifests::inventory::{Inventory, Item, ItemKind};
use manifests::receipt::ExclusionRecord;
use manifests::slot::{ArchiveSignature, Verdict};
use manifests::trust::Role;
use manifests::{ChannelName, Digest, Platform, Timestamp};
use serde::Serialize;

use crate::input::PolicyFile;
use crate::{Failure, inspect};
pub use exceptions::{Exception, Standing as ExceptionStanding};

/// Everything that the report says.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ArchiveReport {
    /// The moment that was judged by.
    pub at: Timestamp,
    /// Whether somebody named that moment, in place of the clock.
    pub at_given: bool,
    /// The program that wrote it.
    pub written_by: String,
    /// How far the archive is to be believed.
    pub standing: Standing,
    /// What follows.
    pub conclusion: Conclusion,
    /// What the archive says it is.
    pub archive: Archive,
    /// Who prepared it.
    pub preparer: Preparer,
    /// The site, where there is one.
    pub site: Option<ChannelName>,
    /// The trust files that the signers stand in.
    pub trust_digests: Vec<Digest>,
    /// What each role has to give before it may be loaded.
    pub approvals_wanted: BTreeMap<Role, usize>,
    /// How many people of each role gave it so far: each counts once, and who prepared it does not count.
    pub approvals_found: BTreeMap<Role, usize>,
    /// What was said about it so far.
    pub approvals: Vec<Approval>,
    /// The items that approvers left out: they are neither judged nor loaded.
    pub excluded: Vec<ExclusionRecord>,
    /// The archive of the same name that is inside already, where that is known.
    pub previous: Option<Previous>,
    /// What each policy says about it, the site's first.
    pub policies: Vec<PolicyReport>,
    /// Everything that is against it.
    pub refusals: Vec<Failure>,
    /// What a person should know.
    pub notices: Vec<String>,
}

/// How far an archive is to be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// Every byte is what somebody signed whom the trust file names.
    Verified,
    /// Nobody checked the signature.
    Unverified,
}

/// What follows from all that was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Conclusion {
    /// Every gate was asked, and nothing is against it.
    Passed,
    /// Something is against it.
    Refused,
    /// Nothing is against it, and no gate was asked.
    NothingJudged,
}

/// What an archive says it is.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Archive {
    /// Its identity.
    pub identity: Digest,
    /// Its channel.
    pub name: ChannelName,
    /// Its number in the channel.
    pub serial: u64,
    /// When its lock was made.
    pub created: Timestamp,
    /// The moment from which on it is not accepted for the first time.
    pub import_before: Option<Timestamp>,
    /// The sites that it is meant for; none means any.
    pub audience: Vec<ChannelName>,
    /// The program that made it.
    pub generator: String,
    /// Its size.
    pub bytes: u64,
    /// The archive that it is an annex of.
    pub annex_of: Option<Digest>,
    /// The archive that it is a difference from.
    pub base: Option<Digest>,
    /// What it brings.
    pub items: Vec<Entry>,
}

/// An item.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What it is.
    pub kind: ItemKind,
    /// Its name upstream.
    pub name: String,
    /// What its name pointed to upstream.
    pub source: Digest,
    /// What its name points to inside.
    pub published: Digest,
    /// The platforms that were selected; none means all.
    pub platforms: Vec<Platform>,
    /// How many manifests say something about it.
    pub evidence: usize,
    /// Whether it is a chart with a provenance file, which stands in a layer and not among them.
    pub has_provenance: bool,
}

/// Who prepared an archive.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preparer {
    /// Who, by the trust file; nothing where none was asked.
    pub person: Option<ChannelName>,
    /// The role that the signature claims.
    pub role: Role,
    /// The id of the key.
    pub key: Digest,
    /// When, by the signer's own word.
    pub signed_at: Timestamp,
}

/// What an approver says.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Approval {
    /// Who.
    pub person: Option<ChannelName>,
    /// In which role.
    pub role: Role,
    /// What.
    pub verdict: Verdict,
    /// The number of the change.
    pub change: Option<String>,
    /// When, by the signer's own word.
    pub signed_at: Timestamp,
    /// With which key.
    pub key: Digest,
    /// The annex that says so.
    pub annex: Digest,
}

/// The archive that is inside already.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// Its identity.
    pub identity: Digest,
    /// Its number.
    pub serial: u64,
}

/// What a policy says about an archive.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyReport {
    /// The policy.
    pub digest: Digest,
    /// What its gates say; nothing where they could not be asked.
    pub judgement: Option<Judgement>,
    /// The items whose findings were compared with those of the archive before, by their names.
    pub compared: BTreeSet<String>,
    /// What the policy accepts for a while, whether this archive needs it or not.
    pub exceptions: Vec<Exception>,
}

/// What the gates say about each item that they judged: not every item of an archive has to be among them.
type Judged<'a> = HashMap<(ItemKind, &'a str, Digest), &'a JudgedItem>;

fn judged(judgement: Option<&Judgement>) -> Judged<'_> {
    let items = judgement.into_iter().flat_map(|judgement| &judgement.items);
    items.map(|item| ((item.kind, item.name.as_str(), item.digest), item)).collect()
}

impl Archive {
    /// What `inventory` says, of an archive of so many bytes with this content.
    #[must_use]
    pub fn new(inventory: &Inventory, identity: Digest, bytes: u64, content: &dyn Content) -> Self {
        let provenances = inspect::provenances(&inventory.items, content);
        let entry = |item: &Item| Entry {
            kind: item.kind,
            name: item.name.clone(),
            source: item.source.digest,
            published: item.published.digest,
            platforms: item.platforms.clone(),
            evidence: item.evidence.len(),
            has_provenance: provenances.contains(&item.published.digest),
        };
        Self {
            identity,
            name: inventory.name.clone(),
            serial: inventory.serial,
            created: inventory.created,
            import_before: inventory.import_before,
            audience: inventory.audience.clone(),
            generator: inventory.generator.clone(),
            bytes,
            annex_of: inventory.annex_of,
            base: inventory.base,
            items: inventory.items.iter().map(entry).collect(),
        }
    }
}

impl Preparer {
    /// Who made `signature` with `key`.
    #[must_use]
    pub const fn new(person: Option<ChannelName>, key: Digest, signature: &ArchiveSignature) -> Self {
        Self { person, role: signature.role, key, signed_at: signature.signed_at }
    }
}

impl PolicyReport {
    /// What `file` says about `inventory`. `compared` are the items of which something is known from before.
    #[must_use]
    pub fn new(
        file: &PolicyFile,
        judgement: Option<&Judgement>,
        inventory: &Inventory,
        compared: BTreeSet<String>,
        now: Timestamp,
    ) -> Self {
        Self {
            digest: file.policy.digest(),
            exceptions: exceptions::of(&file.policy, inventory, judgement, now),
            judgement: judgement.cloned(),
            compared,
        }
    }
}

impl ArchiveReport {
    /// The conclusion that follows from the reasons against an archive, and from what the policies had judged.
    #[must_use]
    pub fn conclude(refusals: &[Failure], policies: &[PolicyReport]) -> Conclusion {
        let mut judgements = policies.iter().filter_map(|policy| policy.judgement.as_ref());
        if !refusals.is_empty() {
            Conclusion::Refused
        } else if judgements.any(|judgement| !judgement.gates.is_empty()) {
            Conclusion::Passed
        } else {
            Conclusion::NothingJudged
        }
    }

    /// What stands behind a conclusion that is of a named moment: it may be another one today.
    pub(crate) fn as_of(&self) -> String {
        if self.at_given {
            format!(", as of {}, which --at named in place of the clock", self.at)
        } else {
            String::new()
        }
    }

    /// The report as one HTML file.
    #[must_use]
    pub fn html(&self) -> String {
        page::write(self)
    }
}
