//! `trust` and `policy`: sign a new trust file or policy, put it in force, show the one in force.

use std::fmt::Write as _;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use console::escape::escape;
use console::key_source::KeySource;
use console::report::finish;
use console::{Class, Failure, Failures, clock, input, judging};
use manifests::dsse::{self, Predicate, Statement};
use manifests::key::PrivateKey;
use manifests::receipt::{ChangeKind, ChangeRecord, SignerRecord};
use manifests::trust::{PolicySignature, Role, Signer, TrustSignature};
use manifests::{Digest, Timestamp};
use serde::Serialize;

use super::in_force::InForce;
use super::refuse::refuse_change;
use super::state;
use crate::cli::{Global, PolicyCommand, TrustCommand};
use crate::site::change::{Bundles, POLICY_SUBJECT, TRUST_SUBJECT};
use crate::site::{Access, Site};

/// What it means that the role `recovery` decided.
pub(super) const BY_RECOVERY: &str = "it stood in for the thresholds of all other roles";

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

pub(crate) fn run_policy(command: &PolicyCommand, global: &Global) -> ExitCode {
    let as_json = global.json;
    match command {
        PolicyCommand::Sign { policy, key, output } => {
            finish(sign_policy(policy, key, output.as_deref()), as_json, Signed::render)
        }
        PolicyCommand::Update { policy, signatures } => {
            finish(update_policy(policy, signatures, global), as_json, PolicyInForce::render)
        }
        PolicyCommand::Show => finish(show_policy(global), as_json, PolicyInForce::render),
    }
}

/// What `sign` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Signed {
    signature: PathBuf,
    digest: Digest,
    version: u64,
    key: Digest,
}

fn sign(path: &Path, key: &KeySource, output: Option<&Path>) -> Result<Signed, Failures> {
    let trust = input::trust(path)?;
    let (digest, version) = (trust.digest(), trust.version());
    let predicate = TrustSignature { signed_at: clock::now(), version };
    let statement = Statement { name: TRUST_SUBJECT.to_owned(), subject: digest, predicate };
    let (signature, key) = write(path, key, output, statement)?;
    if trust.key(key).is_none() {
        eprintln!("notice: the key is not in the new trust file: it signs for the one in force only");
    }
    Ok(Signed { signature, digest, version, key })
}

fn sign_policy(path: &Path, key: &KeySource, output: Option<&Path>) -> Result<Signed, Failures> {
    let policy = input::policy(path)?.policy;
    let (digest, version) = (policy.digest(), policy.version);
    let predicate = PolicySignature { signed_at: clock::now(), version };
    let statement = Statement { name: POLICY_SUBJECT.to_owned(), subject: digest, predicate };
    let (signature, key) = write(path, key, output, statement)?;
    Ok(Signed { signature, digest, version, key })
}

/// Signs a statement about the file at `path`, and writes it beside it unless `output` says where.
fn write<P: Predicate>(
    path: &Path,
    key: &KeySource,
    output: Option<&Path>,
    statement: Statement<P>,
) -> Result<(PathBuf, Digest), Failure> {
    let private = key.open()?;
    let failed = |error: manifests::key::KeyError| Failure::new(Class::Failed, key, error);
    let id = private.public().map_err(failed)?.id();
    let ending = format!("{}.{}.sigstore.json", shortened(statement.subject), shortened(id));
    let signature = output.map_or_else(|| path.with_extension(ending), Path::to_owned);
    let bundle = dsse::sign(statement, &private).map_err(failed)?;
    let written = OpenOptions::new().write(true).create_new(true).open(&signature);
    written
        .and_then(|mut file| file.write_all(&bundle).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::new(Class::Usage, signature.display(), error))?;
    Ok((signature, id))
}

fn update(path: &Path, given: &[PathBuf], global: &Global) -> Result<InForce, Failures> {
    let text = input::document(path)?;
    let change = ChangeRecord { digest: Digest::of(text.as_bytes()), kind: ChangeKind::Trust };
    let bundles = bundles(path, given, change.digest)?;
    let (mut site, key, now) = open(global)?;
    if site.trust().digest() == change.digest {
        return Ok(InForce::of(&site, site.decided_on(change.digest)).unchanged());
    }
    let followed = site.follow_trust((path, &text), &bundles, now);
    followed.map_err(|failures| refuse_change(&mut site, change, failures, &key, global))?;
    site.issue(site.changed(now), &key)?;
    Ok(InForce::of(&site, site.decided()))
}

fn update_policy(path: &Path, given: &[PathBuf], global: &Global) -> Result<PolicyInForce, Failures> {
    let next = input::policy(path)?;
    // A trusted root that is not what the policy says would be missed on the day of the next archive.
    judging::roots(&next, &[])?;
    let bundles = bundles(path, given, next.policy.digest())?;
    let (mut site, key, now) = open(global)?;
    let change = ChangeRecord { digest: next.policy.digest(), kind: ChangeKind::Policy };
    if site.policy().policy.digest() == change.digest {
        let decided = site.decided_on(change.digest);
        return Ok(PolicyInForce { was_in_force: true, ..PolicyInForce::of(&site, decided) });
    }
    let followed = site.follow_policy((path, next), &bundles, now);
    followed.map_err(|failures| refuse_change(&mut site, change, failures, &key, global))?;
    site.issue(site.changed(now), &key)?;
    Ok(PolicyInForce::of(&site, site.decided()))
}

/// The site, and its key: a change leaves a receipt. The one before may have been cut off from its own, and gets it now.
fn open(global: &Global) -> Result<(Site, PrivateKey, Timestamp), Failures> {
    let mut site = Site::open(state(global)?, Access::Write)?;
    let now = clock::now();
    site.check_clock(now)?;
    let key = site.key()?;
    site.settle(now, &key)?;
    Ok((site, key, now))
}

fn bundles(path: &Path, given: &[PathBuf], digest: Digest) -> Result<Bundles, Failure> {
    let paths = if given.is_empty() { beside(path, digest)? } else { given.to_vec() };
    let read = |path: PathBuf| Ok((path.clone(), input::read(&path, BUNDLE_BYTES)?));
    paths.into_iter().map(read).collect()
}

/// What `policy update` and `policy show` print.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyInForce {
    policy_digest: Digest,
    version: u64,
    /// Whether it was in force before: the same command, given again, has nothing more to do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    was_in_force: bool,
    gates: Vec<&'static str>,
    /// Who put it in force, where that is what the command was about.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    decided: Vec<SignerRecord>,
}

fn show_policy(global: &Global) -> Result<PolicyInForce, Failures> {
    Ok(PolicyInForce::of(&Site::open(state(global)?, Access::Read)?, &[]))
}

impl PolicyInForce {
    fn of(site: &Site, decided: &[Signer]) -> Self {
        let policy = &site.policy().policy;
        Self {
            policy_digest: policy.digest(),
            version: policy.version,
            was_in_force: false,
            gates: policy.gates.clone(),
            decided: decided.iter().map(SignerRecord::from).collect(),
        }
    }

    fn render(&self) -> String {
        let Self { policy_digest, version, was_in_force, gates, decided } = self;
        let before = before(*was_in_force);
        let gates = if gates.is_empty() { "none".to_owned() } else { gates.join(", ") };
        let decided = render_decided(decided);
        format!(
            "in force       {policy_digest}, version {version}{before}\n{decided}gates          {gates}\n"
        )
    }
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
    Ok(InForce::of(&Site::open(state(global)?, Access::Read)?, &[]))
}

/// What is said of a file that was put in force before.
pub(super) const fn before(was_in_force: bool) -> &'static str {
    if was_in_force { ": already in force" } else { "" }
}

/// Who decided, for people. That the role `recovery` stood in for all others is what an auditor looks for.
pub(super) fn render_decided(decided: &[SignerRecord]) -> String {
    let mut text = String::new();
    for SignerRecord { key, person, role } in decided {
        let _ = writeln!(text, "  decided by   {person} as {role}, key {key}");
    }
    if decided.iter().any(|signer| signer.role == Role::Recovery) {
        let _ = writeln!(text, "  BY RECOVERY  {BY_RECOVERY}");
    }
    text
}

impl Signed {
    fn render(&self) -> String {
        let Self { signature, digest, version, key } = self;
        let signature = escape(&signature.display().to_string());
        format!(
            "signature      {signature}\nabout          {digest}, version {version}\nkey            {key}\n"
        )
    }
}
