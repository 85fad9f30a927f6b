//! The record of an import: what came in, by whom and by which rules it was allowed, where each thing is now; or
//! why nothing of it came in.
//!
//! A receipt is canonical JSON, signed with the site's own key, and holds the digest of the receipt before
//! it. So the receipts of a site are a chain that nobody can shorten or change without it being seen.

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::dsse::Predicate;
use crate::inventory::{Inventory, ItemKind};
use crate::json::{self, JsonError};
use crate::name::ChannelName;
use crate::timestamp::Timestamp;
use crate::trust::{Role, Signer};

/// A receipt. The fields stand in the order in which they are written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Receipt {
    /// The identities of the annexes that were counted; in a refusal, of all that are kept about the archive.
    pub annexes: Vec<Digest>,
    /// [`crate::API_VERSION`].
    pub api_version: String,
    /// The archive; none where trust or policy were to change, and in a refusal of something that nobody who is trusted
    /// signed, or that is not what was signed: then it is not known what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveRecord>,
    /// The trust file or policy that was refused; none otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRecord>,
    /// What its approvers left out, in the inventory's order; it was neither judged nor loaded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excluded: Vec<ExclusionRecord>,
    /// The gates that judged; none means that nothing was judged, or in a refusal that the reasons say what did.
    pub gates: Vec<String>,
    /// When it was issued, by the importer's clock.
    pub issued: Timestamp,
    /// What became of each item, in the inventory's order; none in a refusal.
    pub items: Vec<ItemRecord>,
    /// The digests of the judgements that are kept with the archive's evidence, one for each policy and in the order
    /// of these.
    pub judgements: Vec<Digest>,
    /// Always `Receipt`.
    pub kind: String,
    /// The digest of the ledger's last line, so that a shortened ledger is noticed.
    pub ledger_head: Digest,
    /// Every policy that it was accepted by, the site's first.
    pub policy_digests: Vec<Digest>,
    /// The receipt before this one; none for a site's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// The receipt of the same channel before this one; none for a channel's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_of_channel: Option<Digest>,
    /// Why it was refused; none otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Who signed the archive and its annexes; none in a refusal.
    pub signers: Vec<SignerRecord>,
    /// The site.
    pub site: ChannelName,
    /// How far it went.
    pub state: State,
    /// The digest of the verification summary of the archive; none where it is not known which one it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<Digest>,
    /// Every trust file that the signers stand in, the site's first.
    pub trust_digests: Vec<Digest>,
}

/// The archive of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArchiveRecord {
    /// The SHA-256 of its inventory.
    pub identity: Digest,
    /// Its channel.
    pub name: ChannelName,
    /// Its serial.
    pub serial: u64,
}

impl ArchiveRecord {
    /// The archive with this inventory, whose digest is its identity.
    #[must_use]
    pub fn new(identity: Digest, inventory: &Inventory) -> Self {
        Self { identity, name: inventory.name.clone(), serial: inventory.serial }
    }
}

/// A trust file or a policy that was to be put in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeRecord {
    /// The SHA-256 of the file.
    pub digest: Digest,
    /// Which of the two it is.
    pub kind: ChangeKind,
}

/// What a site is held to and can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Who may do what.
    Trust,
    /// What may come in.
    Policy,
}

/// How far an import went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// The content is at the targets; no name points to it yet.
    Held,
    /// The names point to it.
    Published,
    /// It was refused. What that run had brought by then is at the targets, under no name that it set.
    Refused,
    /// Another trust file or policy was put in force; nothing was imported.
    Changed,
}

/// A person whose signature counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignerRecord {
    /// The key.
    pub key: Digest,
    /// The person.
    pub person: ChannelName,
    /// The role.
    pub role: Role,
}

impl From<&Signer> for SignerRecord {
    fn from(signer: &Signer) -> Self {
        Self { key: signer.key, person: signer.person.clone(), role: signer.role }
    }
}

/// An item that an approver left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExclusionRecord {
    /// Who left it out.
    pub by: ChannelName,
    /// What its name would have pointed to.
    pub digest: Digest,
    /// Its name upstream.
    pub name: String,
    /// Why, by the approver's word.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The item that it cannot do without and that is left out, where it was not named itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
}

/// What became of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemRecord {
    /// The manifest that its name points to.
    pub digest: Digest,
    /// What it is.
    pub kind: ItemKind,
    /// Its name upstream.
    pub name: String,
    /// Where it is, once for each target.
    pub places: Vec<Place>,
    /// The digest of its verification summary.
    pub summary: Digest,
    /// What each gate of each policy decided about it, and by which rule.
    pub verdicts: Vec<VerdictRecord>,
}

/// What a gate decided about an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictRecord {
    /// The gate.
    pub gate: String,
    /// What it decided.
    pub outcome: Outcome,
    /// The policy that it judged by.
    pub policy: Digest,
    /// The rule of that policy that decided: `signatures[2] (ghcr.io/openova-io/**)`.
    pub rule: String,
}

/// What a gate decides about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// Nothing against it.
    Passed,
    /// It may pass, and somebody should look.
    Warned,
    /// It must not pass.
    Refused,
}

/// Where an item is at one target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// How it is known that it is there.
    pub confirmation: Confirmation,
    /// The digests of the evidence that went with it.
    pub evidence: Vec<Digest>,
    /// What became of its name; none where the item has no tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<NameRecord>,
    /// The repository, as one pulls it from there.
    pub repository: String,
    /// The target, as the destinations call it.
    pub target: String,
}

/// How it is known that content is at a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Confirmation {
    /// It was there before, and its digest was read.
    Present,
    /// The target's own answer to the upload named the digest; it does not let us read.
    PutAnswer,
    /// It was read back by digest after it was sent.
    ReadBack,
}

/// What became of a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NameRecord {
    /// What was done.
    pub outcome: NameOutcome,
    /// What it pointed to before; for a way back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Digest>,
    /// The tag.
    pub tag: String,
}

/// What was done with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NameOutcome {
    /// It will be set by `publish`.
    Held,
    /// A newer archive had set it, so it was left alone.
    LeftNewer,
    /// It was set.
    Set,
    /// It pointed there already.
    Unchanged,
}

/// What a site says when it signs a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiptSignature {
    /// When it was signed.
    pub signed_at: Timestamp,
    /// The site.
    pub site: ChannelName,
}

impl Predicate for ReceiptSignature {
    const TYPE: &'static str = "https://airgap.openova.io/receipt/v1";
}

/// What of a receipt may leave the site: which archive arrived when and what became of it. It names no target, no
/// item and no person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MinimalReceipt {
    /// [`crate::API_VERSION`].
    pub api_version: String,
    /// The archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveRecord>,
    /// When the receipt was issued.
    pub issued: Timestamp,
    /// Always `MinimalReceipt`.
    pub kind: String,
    /// The digest of the receipt.
    pub receipt: Digest,
    /// The site.
    pub site: ChannelName,
    /// How far the import went.
    pub state: State,
}

/// What a site says when it signs a minimal receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MinimalSignature {
    /// When the receipt was issued.
    pub signed_at: Timestamp,
    /// The site.
    pub site: ChannelName,
}

impl Predicate for MinimalSignature {
    const TYPE: &'static str = "https://airgap.openova.io/minimal-receipt/v1";
}

impl MinimalReceipt {
    /// What of `receipt`, whose digest is `digest`, may leave the site.
    #[must_use]
    pub fn of(receipt: &Receipt, digest: Digest) -> Self {
        Self {
            api_version: receipt.api_version.clone(),
            archive: receipt.archive.clone(),
            issued: receipt.issued,
            kind: "MinimalReceipt".to_owned(),
            receipt: digest,
            site: receipt.site.clone(),
            state: receipt.state,
        }
    }

    /// Reads a minimal receipt.
    ///
    /// # Errors
    /// When it is not one in the canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        json::parse_canonical(bytes)
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::encode(self)
    }
}

impl Receipt {
    /// Reads a receipt.
    ///
    /// # Errors
    /// When it is not one in the canonical form.
    pub fn parse(bytes: &[u8]) -> Result<Self, JsonError> {
        json::parse_canonical(bytes)
    }

    /// The bytes that are signed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        json::encode(self)
    }
}
