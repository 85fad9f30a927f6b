//! Setting a site up, once.

use std::fs;
use std::path::{Path, PathBuf};

use console::input::PolicyFile;
use console::key_source::KeySource;
use console::{Class, Failure, Failures, input, judging, key_file};
use manifests::key::{PrivateKey, PublicKey};
use manifests::trust::Trust;
use manifests::{API_VERSION, ChannelName, Digest, Timestamp};

use super::description::Description;
use super::ledger::Ledger;
use super::{
    DESCRIPTION, EVIDENCE, KEY, LEDGER, LOCK, POLICY, PUBLIC_KEY, RECEIPTS, ROOTS, SiteError, TRUST, files,
    root_name,
};

/// What a site is set up with.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    /// Where; nothing may be there, but for an empty folder.
    pub(crate) directory: &'a Path,
    /// The trust file.
    pub(crate) trust: &'a Path,
    /// The policy.
    pub(crate) policy: &'a Path,
    /// The site's name.
    pub(crate) name: ChannelName,
    /// The channels that it accepts; none means any.
    pub(crate) channels: Vec<ChannelName>,
    /// The private key that signs receipts; none: one is made.
    pub(crate) receipt_key: Option<&'a KeySource>,
    /// Now.
    pub(crate) now: Timestamp,
}

/// What was set up.
#[derive(Debug)]
pub(crate) struct NewSite {
    /// What is pinned.
    pub(crate) description: Description,
    /// The trust file.
    pub(crate) trust: Trust,
    /// The policy.
    pub(crate) policy: PolicyFile,
    /// Whether the receipt key stands there without a password.
    pub(crate) is_key_plain: bool,
}

/// Sets a site up: written whole into a folder beside it, synced, and renamed.
///
/// # Errors
/// When the place is taken, a document is not one, or the disk fails.
pub(crate) fn init(setup: Setup<'_>) -> Result<NewSite, Failures> {
    let directory = setup.directory;
    // An empty folder may have been made for the site; the rename below replaces it.
    let is_empty = fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none());
    if fs::symlink_metadata(directory).is_ok() && !is_empty {
        return Err(SiteError::Exists(directory.to_owned()).into());
    }
    let trust_text = input::document(setup.trust)?;
    let trust = Trust::parse(&trust_text).map_err(|error| usage(setup.trust, error))?;
    let policy = input::policy(setup.policy)?;
    // A trusted root that is not what the policy says would be missed on the day of the first archive.
    judging::roots(&policy, &[])?;
    let Key { text, public, is_plain } = receipt_key(setup.receipt_key)?;
    let public_pem = public.to_pem().map_err(|error| usage(directory, error))?;
    let mut channels = setup.channels;
    channels.sort();
    channels.dedup();
    let description = Description {
        api_version: API_VERSION.to_owned(),
        channels,
        created: setup.now,
        kind: "Site".to_owned(),
        name: setup.name,
        policy_digest: policy.policy.digest(),
        receipt_key: public.id(),
        trust_digest: trust.digest(),
    };
    let written: [(&str, &[u8], u32); 6] = [
        (DESCRIPTION, &description.encode(), files::PUBLIC),
        (TRUST, trust_text.as_bytes(), files::PUBLIC),
        (POLICY, policy.text.as_bytes(), files::PUBLIC),
        (KEY, text.as_bytes(), files::PRIVATE),
        (PUBLIC_KEY, public_pem.as_bytes(), files::PUBLIC),
        (LOCK, b"", files::PUBLIC),
    ];
    write(directory, &written, &policy.roots, &description)?;
    Ok(NewSite { description, trust, policy, is_key_plain: is_plain })
}

fn usage(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Class::Usage, path.display(), error)
}

fn write(
    directory: &Path,
    written: &[(&str, &[u8], u32)],
    roots: &[(Digest, Vec<u8>)],
    description: &Description,
) -> Result<(), SiteError> {
    let parent = match directory.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    let failed = |path: &Path, error| SiteError::Io(path.to_owned(), error);
    fs::create_dir_all(&parent).map_err(|error| failed(&parent, error))?;
    let draft = tempfile::Builder::new()
        .prefix(".airgap-init-")
        .tempdir_in(&parent)
        .map_err(|error| failed(&parent, error))?;
    for (name, bytes, mode) in written {
        let path = draft.path().join(name);
        files::create(&path, bytes, *mode).map_err(|error| failed(&directory.join(name), error))?;
    }
    let roots_folder = draft.path().join(ROOTS);
    fs::create_dir(&roots_folder).map_err(|error| failed(&directory.join(ROOTS), error))?;
    for (digest, bytes) in roots {
        let path = roots_folder.join(root_name(*digest));
        files::create(&path, bytes, files::PUBLIC).map_err(|error| failed(&path, error))?;
    }
    let ledger = draft.path().join(LEDGER);
    let site = Digest::of(&description.encode());
    Ledger::create(&ledger, site, description.created)
        .map_err(|error| SiteError::Ledger(directory.join(LEDGER), error))?;
    let finish = || {
        fs::create_dir(draft.path().join(RECEIPTS))?;
        fs::create_dir(draft.path().join(EVIDENCE))?;
        files::sync_folder(draft.path())?;
        fs::rename(draft.path(), directory)?;
        files::sync_folder(&parent)
    };
    finish().map_err(|error| failed(directory, error))
}

struct Key {
    /// The key in PEM, or the URI of one in a token. A PIN is in neither.
    text: String,
    public: PublicKey,
    is_plain: bool,
}

fn receipt_key(given: Option<&KeySource>) -> Result<Key, Failure> {
    let failed = |error: manifests::key::KeyError| Failure::new(Class::Failed, "the receipt key", error);
    if let Some(source) = given {
        let public = source.open()?.public().map_err(failed)?;
        let text = match source {
            KeySource::File(path) => input::document(path)?,
            KeySource::Token(uri) => format!("{uri}\n"),
        };
        let is_plain = text.trim_start().starts_with("-----BEGIN PRIVATE KEY-----");
        return Ok(Key { text, public, is_plain });
    }
    let key = PrivateKey::generate().map_err(failed)?;
    let password = key_file::from_environment().map(|(_, password)| password);
    if password.as_deref() == Some("") {
        let message = "found an empty password in the environment, wanted one, or no such variable";
        return Err(Failure::new(Class::Usage, "the receipt key", message));
    }
    let pem = match &password {
        Some(password) => key.to_encrypted_pem(password),
        None => key.to_pem(),
    };
    Ok(Key {
        text: pem.map_err(failed)?,
        public: key.public().map_err(failed)?,
        is_plain: password.is_none(),
    })
}
