//! `policy init`: a policy drafted from the signers that were observed in a lock.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use console::escape::escape;
use console::input::{self, PolicyFile};
use console::judging::{self, Knowledge};
use console::{Class, Failure, Failures, clock};
use manifests::policy::Policy;
use manifests::{Digest, limits};
use serde::Serialize;

use super::super::build::read_lock;
use crate::beside::{Beside, SmallFiles};
use crate::cli::PolicyInitArguments;
use crate::draft::{self, DECIDE, Root, Rule};
use crate::judge;
use crate::write::GENERATOR;

/// What `policy init` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Drafted {
    policy: PathBuf,
    digest: Digest,
    trusted_root: Option<Digest>,
    rules: Vec<Rule>,
    /// How many lines wait for a person.
    to_decide: usize,
    /// What the gates say by it as it is.
    judged: String,
}

pub(crate) fn run(arguments: &PolicyInitArguments) -> Result<Drafted, Failures> {
    let PolicyInitArguments { from, output, trusted_root } = arguments;
    let beside = Beside::of(from);
    let lock = read_lock(from, &beside)?;
    let path = output.clone().unwrap_or_else(|| policy_path(from));
    let root = trusted_root.as_deref().map(|root| read_root(root, &path)).transpose()?;
    let rules = draft::rules(&draft::observe(&lock.inventory(GENERATOR), &SmallFiles(&beside)));
    let text = draft::write(lock.name.as_str(), &rules, root.as_ref().map(|(root, _)| root));
    let policy = Policy::parse(&text).map_err(|error| Failure::new(Class::Failed, path.display(), error))?;
    let roots = root.into_iter().map(|(root, bytes)| (root.digest, bytes)).collect();
    let file = PolicyFile { policy, text, roots };
    check_root(trusted_root.as_deref(), &file)?;
    let judgement = judge::by_policy(&lock, &beside, &file, &Knowledge::default(), clock::now())?;
    write_new(&path, &file.text)?;
    Ok(Drafted {
        policy: path,
        digest: file.policy.digest(),
        trusted_root: file.roots.first().map(|(digest, _)| *digest),
        rules,
        to_decide: file.text.lines().filter(|line| line.contains(DECIDE)).count(),
        judged: judgement.summary(),
    })
}

/// `core.lock.json` has `core.policy.yaml`.
fn policy_path(lock: &Path) -> PathBuf {
    let name = lock.file_name().and_then(|name| name.to_str()).unwrap_or("lock");
    let stem = name.strip_suffix(".lock.json").unwrap_or(name);
    lock.with_file_name(format!("{stem}.policy.yaml"))
}

fn read_root(root: &Path, policy: &Path) -> Result<(Root, Vec<u8>), Failure> {
    let bytes = input::read(root, limits::DOCUMENT_BYTES)?;
    let usage = |message: String| Failure::new(Class::Usage, root.display(), message);
    let folder = policy.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let [file, folder] = [root, folder].map(Path::canonicalize);
    let file = file.map_err(|error| usage(error.to_string()))?;
    // A policy that is carried elsewhere with its root beside it still finds it.
    let named = folder.ok().and_then(|folder| file.strip_prefix(folder).ok().map(Path::to_owned));
    let named = named.unwrap_or(file);
    let named = named.to_str().filter(|name| !name.chars().any(char::is_control));
    let file =
        named.ok_or_else(|| usage("found a path that cannot stand in a policy".to_owned()))?.to_owned();
    Ok((Root { digest: Digest::of(&bytes), file }, bytes))
}

/// Whether the trusted root that was given is one. It goes by its own name, since the policy is not written yet.
fn check_root(root: Option<&Path>, policy: &PolicyFile) -> Result<(), Failure> {
    let Some(root) = root else { return Ok(()) };
    let read = judging::roots(policy, &[]);
    read.map(|_| ()).map_err(|failure| Failure { item: root.display().to_string(), ..failure })
}

/// Nothing that exists is overwritten: somebody may have decided in it.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = File::create_new(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let failure = Failure::new(
                Class::Usage,
                path.display(),
                "found it there already, and nothing is overwritten",
            );
            failure.advise("name another file with -o")
        }
        _ => Failure::new(Class::Failed, path.display(), error),
    })?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        // Half a policy is none.
        let _ = fs::remove_file(path);
        Failure::new(Class::Failed, path.display(), error)
    })
}

impl Drafted {
    pub(crate) fn render(&self) -> String {
        let Self { policy, digest, rules, to_decide, judged, .. } = self;
        let path = escape(&policy.display().to_string());
        let items: usize = rules.iter().map(|rule| rule.items().len()).sum();
        format!(
            "policy         {path}, {digest}\n\
             drafted        {} rules about {items} items; signers were observed, not verified\n\
             to decide      {to_decide} lines, each marked {DECIDE}\n\
             as it is       {judged}\n\n\
             Then: airgap-bundle build DEFINITION --policy {path} --key KEY\n",
            rules.len()
        )
    }
}
