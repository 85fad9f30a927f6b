//! Writing an annex: what an approver says about an archive, signed.
//!
//! It has no name until it was judged with the archive, so that no approval of something that policy refuses is
//! left anywhere, however the run ends.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Cursor, Seek as _};
use std::path::Path;

use console::{Class, Failure};
use gates::vulnerability::Bound;
use manifests::exclusions::Exclusions;
use manifests::inventory::{Blob, ContentBlob, Inventory, Item, ItemKind};
use manifests::key::PrivateKey;
use manifests::media_type::{EXCLUSIONS, MALWARE_REPORT, OCI_EMPTY, OCI_MANIFEST, SCAN_REPORT};
use manifests::slot::{self, ArchiveSignature};
use manifests::trust::{Role, Signer, Trust};
use manifests::{API_VERSION, ChannelName, Descriptor, Digest, Timestamp, closure, json};
use serde::Serialize;
use transfer::archive::{ArchiveError, Verified, write};

use crate::site::files;

const GENERATOR: &str = concat!("airgap-import ", env!("CARGO_PKG_VERSION"));

/// Roles whose word on an archive is an approval.
const APPROVERS: [Role; 2] = [Role::SecurityOfficer, Role::SovereignAdmin];

/// An annex that is to be written.
pub(crate) struct Draft {
    /// What the signature says, but for the size, which is computed.
    pub(crate) signature: ArchiveSignature,
    /// What is left out.
    pub(crate) exclusions: Option<Exclusions>,
    /// Reports, each with the manifest that it is about.
    pub(crate) reports: Vec<Bound>,
    /// Searches of the archive for malware.
    pub(crate) searches: Vec<Vec<u8>>,
}

/// The manifest of an artifact as it is written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Artifact<'a> {
    artifact_type: &'a str,
    config: Descriptor,
    layers: [Descriptor; 1],
    media_type: &'a str,
    schema_version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Descriptor>,
}

#[derive(Default)]
struct Blobs(HashMap<Digest, Vec<u8>>);

/// The role in which the owner of a key approves: the one that every trust file gives it, or that of these that was
/// asked for.
///
/// # Errors
/// When there is none, or several and none was asked for.
pub(crate) fn role(trusts: &[&Trust], key: Digest, wanted: Option<Role>) -> Result<Role, Failure> {
    let has = |trust: &Trust, role| trust.keys().any(|(other, _, id)| other == role && id == key);
    let given = |role: &Role| trusts.iter().all(|trust| has(trust, *role));
    let known: Vec<Role> = APPROVERS.into_iter().filter(given).collect();
    if let Some(role) = wanted.filter(|role| !role.approves()) {
        let message = format!("found the role {role}, wanted security-officer or sovereign-admin");
        return Err(Failure::new(Class::Usage, "--role", message));
    }
    match (known.as_slice(), wanted) {
        (_, Some(role)) if known.contains(&role) => Ok(role),
        ([role], None) => Ok(*role),
        ([_, _, ..], None) => {
            let message = "found the key with two roles, wanted one of them named";
            Err(Failure::new(Class::Usage, key, message).advise("give --role ROLE"))
        }
        _ => {
            let wanted = wanted.map_or_else(|| "an approver".to_owned(), |role| role.to_string());
            let message =
                format!("found a key that nobody in the trust file has as {wanted}{}", owner(trusts, key));
            Err(Failure::new(Class::Refused, format!("the key {key}"), message))
        }
    }
}

/// Whose key it is instead.
fn owner(trusts: &[&Trust], key: Digest) -> String {
    let keys = trusts.iter().flat_map(|trust| trust.keys()).filter(|(_, _, id)| *id == key);
    let roles: Vec<String> = keys.map(|(role, person, _)| format!("{person}'s as {role}")).collect();
    roles.first().map(|first| format!("; it is {first}")).unwrap_or_default()
}

/// Who signs, by each trust file.
///
/// # Errors
/// When the key has ended, or its owner may not sign for the channel.
pub(crate) fn signers(
    trusts: &[&Trust],
    key: Digest,
    role: Role,
    channel: &ChannelName,
    now: Timestamp,
) -> Result<Vec<Signer>, Failure> {
    let signers = trusts.iter().map(|trust| trust.signer(key, role, channel, now));
    let refused = |error| Failure::new(Class::Refused, format!("the key {key}"), error);
    signers.collect::<Result<_, _>>().map_err(refused)
}

/// Writes an annex about an archive into a file without a name, in the folder where it is to have one.
///
/// # Errors
/// When the disk fails, or what is in the annex breaks a rule of the format.
pub(crate) fn write(
    about: &Verified<File>,
    draft: &Draft,
    key: &PrivateKey,
    path: &Path,
) -> Result<File, Failure> {
    let failed = |message: String| {
        Failure::new(Class::Failed, path.display(), message).advise("-o writes the annex to another place")
    };
    let mut blobs = Blobs::default();
    let items = items(draft, &mut blobs);
    let inventory = inventory(about, draft.signature.signed_at, items, &blobs).map_err(failed)?;
    let bytes = inventory.encode();
    let signature = ArchiveSignature { inventory_size: bytes.len() as u64, ..draft.signature.clone() };
    let slot = slot::seal(Digest::of(&bytes), signature, key).map_err(|error| failed(error.to_string()))?;
    let written =
        tempfile::tempfile_in(files::folder_of(path)).map_err(ArchiveError::from).and_then(|mut file| {
            write::stream(&mut file, &inventory, &slot, |digest| Ok(Cursor::new(blobs.get(digest)?)))?;
            file.rewind()?;
            Ok(file)
        });
    written.map_err(|error| failed(error.to_string()))
}

/// Gives an annex its name, where nothing has it.
///
/// # Errors
/// When something has, or the disk fails.
pub(crate) fn place(mut file: File, path: &Path) -> Result<(), Failure> {
    let placed = file.rewind().and_then(|()| files::put_new(path, |to| io::copy(&mut file, to).map(|_| ())));
    placed.map_err(|error| {
        Failure::new(Class::Failed, path.display(), error).advise("-o writes the annex to another place")
    })
}

fn items(draft: &Draft, blobs: &mut Blobs) -> Vec<Item> {
    let mut items = Vec::new();
    if let Some(exclusions) = &draft.exclusions {
        items.push(blobs.artifact("exclusions", EXCLUSIONS, exclusions.encode(), None));
    }
    for Bound { manifest, report } in &draft.reports {
        items.push(blobs.artifact("scan-report", SCAN_REPORT, report.clone(), Some(manifest)));
    }
    for search in &draft.searches {
        items.push(blobs.artifact("malware-report", MALWARE_REPORT, search.clone(), None));
    }
    // A report that was given twice is one.
    items.sort_by(|one, other| one.name.cmp(&other.name));
    items.dedup_by(|one, other| one.name == other.name);
    items
}

fn inventory(
    about: &Verified<File>,
    now: Timestamp,
    items: Vec<Item>,
    blobs: &Blobs,
) -> Result<Inventory, String> {
    let mut load = |wanted: &Descriptor| blobs.get(&wanted.digest).map(<[u8]>::to_vec);
    let closure = closure::walk(&items, &mut load).map_err(|error| error.to_string())?;
    let carried = |Blob { digest, size }: Blob| ContentBlob { carried: true, digest, size };
    Ok(Inventory {
        annex_of: Some(about.identity()),
        annotations: BTreeMap::new(),
        api_version: API_VERSION.to_owned(),
        audience: vec![],
        base: None,
        content: closure.content.into_iter().map(carried).collect(),
        created: now,
        generator: GENERATOR.to_owned(),
        import_before: None,
        items,
        kind: "Inventory".to_owned(),
        metadata: closure.metadata,
        name: about.inventory().name.clone(),
        serial: now.serial(),
    })
}

impl Blobs {
    fn get(&self, digest: &Digest) -> io::Result<&[u8]> {
        self.0.get(digest).map(Vec::as_slice).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn put(&mut self, media_type: &str, bytes: Vec<u8>) -> Descriptor {
        let (digest, size) = (Digest::of(&bytes), bytes.len() as u64);
        self.0.insert(digest, bytes);
        Descriptor { digest, media_type: media_type.to_owned(), size }
    }

    /// An item of one document. Its name has its digest: two reports are two items.
    fn artifact(&mut self, name: &str, kind: &str, bytes: Vec<u8>, subject: Option<&Descriptor>) -> Item {
        let config = self.put(OCI_EMPTY, b"{}".to_vec());
        let layers = [self.put(kind, bytes)];
        let manifest = Artifact {
            artifact_type: kind,
            config,
            layers,
            media_type: OCI_MANIFEST,
            schema_version: 2,
            subject,
        };
        let published = self.put(OCI_MANIFEST, json::encode(&manifest));
        Item {
            annotations: BTreeMap::new(),
            evidence: vec![],
            group: None,
            kind: ItemKind::Artifact,
            name: format!("annex.local/{name}@{}", published.digest),
            platforms: vec![],
            published: published.clone(),
            requires: vec![],
            source: published,
            to: None,
        }
    }
}
