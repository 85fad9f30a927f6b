//! `trust`: sign a new trust file, put it in force, show the one in force.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use console::escape::escape;
use console::report::finish;
use console::{Class, Failure, Failures, clock, input, key_file};
use manifests::dsse::{self, Statement};
use manifests::trust::{Role, Trust, TrustSignature};
use manifests::{ChannelName, Digest};
use serde::Serialize;

use super::state;
use crate::cli::{Global, TrustCommand};
use crate::site::change::TRUST_SUBJECT;
use crate::site::{Access, Site};

/// Largest signature. Ours have a few hundred bytes.
const BUNDLE_BYTES: u64 = 16 * 1024;

/// Most signatures beside a trust file that are looked at.
const MOST: usize = 64;

pub(crate) fn run(command: &TrustCommand, global: &Global) -> ExitCode {
    let as_json = global.json;
    match command {
        TrustCommand::Sign { trust, key, output } => {
            finish(sign(trust, key, output.as_deref()), as_json, Signed::render)
        }
        TrustCommand::Update { trust, signatures } => {
            finish(update(trust, signatures, global), as_json, InForce::render)
        }
        TrustCommand::Show => finish(show(global), as_json, InForce::render),
    }
}

/// What `trust sign` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    signature: PathBuf,
    trust_digest: Digest,
    version: u64,
    key: Digest,
}

fn sign(path: &Path, key: &Path, output: Option<&Path>) -> Result<Signed, Failures> {
    let trust = input::trust(path)?;
    let private = key_file::read(key)?;
    let failed = |error: manifests::key::KeyError| Failure::new(Class::Usage, key.display(), error);
    let id = private.public().map_err(failed)?.id();
    if trust.key(id).is_none() {
        let notice = "notice: the key is not in the new trust file: it signs for the one in force only";
        eprintln!("{notice}");
    }
    let predicate = TrustSignature { signed_at: clock::now(), version: trust.version() };
    let statement = Statement { name: TRUST_SUBJECT.to_owned(), subject: trust.digest(), predicate };
    let bundle = dsse::sign(statement, &private).map_err(failed)?;
    let beside = || {
        let short = shortened(id);
        path.with_extension(format!("{}.{short}.sigstore.json", shortened(trust.digest())))
    };
    let signature = output.map_or_else(beside, Path::to_owned);
    let written = OpenOptions::new().write(true).create_new(true).open(&signature);
    written
        .and_then(|mut file| file.write_all(&bundle).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::new(Class::Usage, signature.display(), error))?;
    Ok(Signed { signature, trust_digest: trust.digest(), version: trust.version(), key: id })
}

/// What `trust update` and `trust show` print.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InForce {
    trust_digest: Digest,
    version: u64,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    role: Role,
    person: ChannelName,
    key: Digest,
}

fn update(path: &Path, signatures: &[PathBuf], global: &Global) -> Result<InForce, Failures> {
    let mut site = Site::open(state(global)?, Access::Write)?;
    let now = clock::now();
    site.check_clock(now)?;
    let text = input::document(path)?;
    let given =
        if signatures.is_empty() { beside(path, Digest::of(text.as_bytes()))? } else { signatures.to_vec() };
    let mut bundles = BTreeMap::new();
    for path in given {
        let bundle = input::read(&path, BUNDLE_BYTES)?;
        bundles.insert(path, bundle);
    }
    site.follow_trust(&text, &bundles, now)?;
    Ok(InForce::of(site.trust()))
}

/// The signatures that lie beside a trust file: `trust.yaml` has
/// `trust.DIGEST.KEY.sigstore.json`, so that those of another version are left alone.
fn beside(path: &Path, digest: Digest) -> Result<Vec<PathBuf>, Failure> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let stem = format!("{stem}.{}.", shortened(digest));
    let entries =
        fs::read_dir(folder).map_err(|error| Failure::new(Class::Usage, folder.display(), error))?;
    let is_ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(&stem) && name.ends_with(".sigstore.json")
    };
    let found = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_ours);
    Ok(found.take(MOST).collect())
}

fn shortened(digest: Digest) -> String {
    digest.hex().chars().take(12).collect()
}

fn show(global: &Global) -> Result<InForce, Failures> {
    Ok(InForce::of(Site::open(state(global)?, Access::Read)?.trust()))
}

impl Signed {
    fn render(&self) -> String {
        let Self { signature, trust_digest, version, key } = self;
        let signature = escape(&signature.display().to_string());
        format!(
            "signature      {signature}\ntrust          {trust_digest}, version {version}\nkey            {key}\n"
        )
    }
}

impl InForce {
    fn of(trust: &Trust) -> Self {
        let keys = trust.keys().map(|(role, person, key)| Key { role, person: person.clone(), key });
        Self { trust_digest: trust.digest(), version: trust.version(), keys: keys.collect() }
    }

    fn render(&self) -> String {
        let mut text = format!("in force       {}, version {}\n", self.trust_digest, self.version);
        for Key { role, person, key } in &self.keys {
            let _ = writeln!(text, "  {:<20} {key}", format!("{person} as {role}"));
        }
        text
    }
}
