//! Why something is inside: by which archives a digest came, who signed it, which rules let it pass, who prepared
//! and approved, and where it went.
//!
//! All of it is read from the state directory. Who prepared an archive and what was in it is proved by the
//! preparer's signature on the evidence pack; what the gates found, by the digests in the receipts.

use std::collections::BTreeMap;
use std::fs::File;

use console::{Class, Failure, Failures};
use gates::{KeptJudgement, KeptVerdict};
use manifests::inventory::{Item, ItemKind};
use manifests::receipt::{ArchiveRecord, ExclusionRecord, Place, Receipt, SignerRecord, State};
use manifests::slot::ArchiveSignature;
use manifests::{Descriptor, Digest, Timestamp};
use serde::Serialize;
use transfer::archive::Signed;

use crate::site::{Site, chain, receipts};
use crate::tree::{self, TreeError};

/// Everything that is known about a digest.
#[derive(Debug, Serialize)]
pub(crate) struct Why {
    /// The digest.
    pub(crate) digest: Digest,
    /// Every archive that has it, by the first receipt of each.
    pub(crate) archives: Vec<Origin>,
}

/// An archive that a digest came by.
#[derive(Debug, Serialize)]
pub(crate) struct Origin {
    /// The archive.
    pub(crate) archive: ArchiveRecord,
    /// What the digest is in it; nothing where it is the archive itself.
    pub(crate) parts: Vec<Part>,
    /// Every receipt of it. None: its load has not come to an end.
    pub(crate) receipts: Vec<Import>,
    /// Whether the site ever accepted it. Of what was accepted something may be at the targets, even where each of its
    /// loads was cut or refused halfway.
    #[serde(rename = "isAccepted")]
    pub(crate) is_accepted: bool,
}

/// What a digest is to an item.
#[derive(Debug, Serialize)]
pub(crate) struct Part {
    /// The item's kind.
    pub(crate) kind: ItemKind,
    /// Its name upstream.
    pub(crate) name: String,
    /// Its manifest.
    pub(crate) published: Digest,
    /// What the digest is to it.
    pub(crate) role: Role,
}

/// What a digest is to an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Role {
    /// What its name points to inside.
    Manifest,
    /// What its name pointed to upstream.
    Source,
    /// A manifest, config or layer of it.
    Content,
    /// A signature, an attestation or a report about it, or a part of one.
    Evidence,
}

/// What a gate said.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Said {
    /// The policy that it judged by.
    pub(crate) policy: Digest,
    /// The verdict.
    #[serde(flatten)]
    pub(crate) verdict: KeptVerdict,
}

/// What one receipt let an item in by.
#[derive(Debug, Serialize)]
pub(crate) struct Judged {
    /// Its name upstream.
    pub(crate) name: String,
    /// What each gate said about it, by each policy; nothing where no policy had a gate.
    pub(crate) verdicts: Vec<Said>,
    /// Who left it out, where an approver did: then it was neither judged nor loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) excluded: Option<ExclusionRecord>,
}

/// A receipt of an archive.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Import {
    /// Its number.
    pub(crate) number: u64,
    /// How far it went.
    pub(crate) state: State,
    /// When it was issued.
    pub(crate) issued: Timestamp,
    /// Who prepared and who approved.
    pub(crate) signers: Vec<Signer>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) reasons: Vec<String>,
    /// The gates that judged; none, where nothing was judged or nothing came in.
    pub(crate) gates: Vec<String>,
    /// What was said about the items that have the digest.
    pub(crate) items: Vec<Judged>,
    /// Where the items are that have the digest.
    pub(crate) places: Vec<Place>,
}

/// Somebody whose signature counted, and when they signed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Signer {
    /// Who.
    #[serde(flatten)]
    pub(crate) who: SignerRecord,
    /// When.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) signed_at: Option<Timestamp>,
    /// The number of the change that they named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) change: Option<String>,
}

/// A receipt with its number.
type Numbered = (u64, Receipt);

/// Tells why a digest is inside.
///
/// # Errors
/// When the chain of receipts is broken, evidence that was kept is missing or changed, or nobody knows the digest.
pub(crate) fn why(site: &Site, digest: Digest) -> Result<Why, Failures> {
    chain::verify(site)?;
    let mut by_archive: BTreeMap<Digest, Vec<Numbered>> = BTreeMap::new();
    for listed in receipts::list(&site.receipts())? {
        let receipt = receipts::read(&listed.path, site.public_key())?.receipt;
        if let Some(archive) = &receipt.archive {
            by_archive.entry(archive.identity).or_default().push((listed.number, receipt));
        }
    }
    // A load that was cut has no receipt. What the ledger does not know was kept right before a crash, or put there.
    for identity in site.kept()?.into_iter().filter(|identity| site.ledger.archives().has(*identity)) {
        by_archive.entry(identity).or_default();
    }
    let searched = by_archive.len();
    let mut archives = Vec::new();
    for (identity, receipts) in by_archive {
        archives.extend(origin(site, identity, &receipts, digest)?);
    }
    archives.sort_by_key(|origin| origin.receipts.first().map_or(u64::MAX, |receipt| receipt.number));
    if archives.is_empty() {
        let message = format!("found it in none of {searched} archives that this site has seen");
        let failure = Failure::new(Class::Usage, digest, message);
        return Err(failure.advise("wanted an archive's identity, or the digest of something in one").into());
    }
    Ok(Why { digest, archives })
}

/// What one archive has of the digest.
fn origin(
    site: &Site,
    identity: Digest,
    receipts: &[Numbered],
    digest: Digest,
) -> Result<Option<Origin>, Failure> {
    let is_accepted = site.ledger.archives().has(identity);
    // Of what was never accepted, no evidence is kept.
    if let (false, Some(archive)) =
        (is_accepted, receipts.first().and_then(|(_, receipt)| receipt.archive.clone()))
    {
        let imports = |_| imports(site, receipts, None, &[]);
        let known = (identity == digest).then_some(()).map(imports).transpose()?;
        return Ok(known.map(|receipts| Origin { archive, receipts, parts: vec![], is_accepted }));
    }
    let pack = site.pack(identity)?;
    let found = find(&pack, digest)?;
    if found.is_empty() && identity != digest {
        return Ok(None);
    }
    let imports = imports(site, receipts, Some(&pack), &found)?;
    let parts = found.into_iter().map(|(item, role)| Part {
        kind: item.kind,
        name: item.name.clone(),
        published: item.published.digest,
        role,
    });
    let parts = parts.collect();
    let archive = ArchiveRecord::new(identity, pack.inventory());
    Ok(Some(Origin { archive, parts, receipts: imports, is_accepted }))
}

/// The items that have the digest, with what it is to each.
fn find(pack: &Signed<File>, digest: Digest) -> Result<Vec<(&Item, Role)>, Failure> {
    let inventory = pack.inventory();
    let content = inventory.content.iter().map(|blob| blob.digest);
    if !inventory.metadata.iter().map(|blob| blob.digest).chain(content).any(|blob| blob == digest) {
        return Ok(vec![]);
    }
    let mut found = Vec::new();
    for item in &inventory.items {
        let role = role(pack, item, digest);
        let role = role.map_err(|error| Failure::new(Class::Damaged, &item.name, error))?;
        found.extend(role.map(|role| (item, role)));
    }
    Ok(found)
}

fn role(pack: &Signed<File>, item: &Item, digest: Digest) -> Result<Option<Role>, TreeError> {
    if item.published.digest == digest {
        return Ok(Some(Role::Manifest));
    }
    if item.source.digest == digest {
        return Ok(Some(Role::Source));
    }
    let has = |root: &Descriptor| {
        let tree = tree::walk(pack, root)?;
        Ok::<_, TreeError>(tree.parts().any(|part| part.digest == digest))
    };
    if has(&item.published)? {
        return Ok(Some(Role::Content));
    }
    for evidence in &item.evidence {
        if has(&evidence.descriptor())? {
            return Ok(Some(Role::Evidence));
        }
    }
    Ok(None)
}

/// What a receipt says of the items that have the digest: nothing, where it let none in.
fn judged(site: &Site, receipt: &Receipt, found: &[(&Item, Role)]) -> Result<Vec<Judged>, Failure> {
    if found.is_empty() {
        return Ok(vec![]);
    }
    let kept = site.kept_judgements(receipt)?;
    let said = |judgement: &KeptJudgement, name: &str| {
        let policy = judgement.policy;
        let verdicts = judgement.verdicts(name).cloned();
        verdicts.map(|verdict| Said { policy, verdict }).collect::<Vec<_>>()
    };
    // A load of a part says nothing of the rest.
    let is_named = |item: &Item| {
        let excluded = receipt.excluded.iter().map(|record| &record.name);
        receipt.items.iter().map(|record| &record.name).chain(excluded).any(|name| *name == item.name)
    };
    let found = found.iter().filter(|(item, _)| is_named(item));
    let judged = found.map(|(item, _)| Judged {
        name: item.name.clone(),
        verdicts: kept.iter().flat_map(|judgement| said(judgement, &item.name)).collect(),
        excluded: receipt.excluded.iter().find(|record| record.name == item.name).cloned(),
    });
    Ok(judged.collect())
}

fn imports(
    site: &Site,
    receipts: &[Numbered],
    pack: Option<&Signed<File>>,
    found: &[(&Item, Role)],
) -> Result<Vec<Import>, Failure> {
    let import = |(number, receipt): &Numbered| {
        let has = |name: &str| found.iter().any(|(item, _)| item.name == name);
        let items = receipt.items.iter().filter(|item| has(&item.name));
        Ok(Import {
            number: *number,
            state: receipt.state,
            issued: receipt.issued,
            signers: signers(site, receipt, pack)?,
            reasons: receipt.reasons.clone(),
            gates: receipt.gates.clone(),
            items: judged(site, receipt, found)?,
            places: items.flat_map(|item| item.places.iter().cloned()).collect(),
        })
    };
    receipts.iter().map(import).collect()
}

/// Who signed, with what the signatures themselves say: the archive's own, and those of the annexes that were kept.
fn signers(site: &Site, receipt: &Receipt, pack: Option<&Signed<File>>) -> Result<Vec<Signer>, Failure> {
    let mut words: Vec<(Digest, ArchiveSignature)> = Vec::new();
    if let Some(pack) = pack.filter(|_| !receipt.signers.is_empty()) {
        let pack = site.pack_of(pack.identity(), receipt)?;
        words.push((pack.signed_by(), pack.signature().clone()));
    }
    for (archive, annex) in receipt
        .archive
        .iter()
        .flat_map(|archive| receipt.annexes.iter().map(move |annex| (archive.identity, *annex)))
    {
        for path in site.annexes(archive, annex)? {
            let annex = site.kept_archive(&path, annex)?;
            words.push((annex.signed_by(), annex.signature().clone()));
        }
    }
    let signer = |who: &SignerRecord| {
        let word = words.iter().find(|(key, word)| *key == who.key && word.role == who.role);
        let word = word.map(|(_, word)| word);
        Signer {
            who: who.clone(),
            signed_at: word.map(|word| word.signed_at),
            change: word.and_then(|word| word.change.clone()),
        }
    };
    Ok(receipt.signers.iter().map(signer).collect())
}
