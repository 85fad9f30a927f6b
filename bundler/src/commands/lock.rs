//! `lock`: resolve and collect, then the file.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clients::trivy::{Settings, Trivy};
use console::escape::escape;
use console::progress::count;
use console::{Class, Failure, Failures, clock, given_reports, input, inspect};
use indicatif::HumanBytes;
use manifests::lock::{Lock, Skipped};
use manifests::policy::vulnerabilities::Vulnerabilities;
use manifests::{ChannelName, Timestamp};
use serde::Serialize;

use crate::beside::{self, Beside, BesideError, SmallFiles};
use crate::changes::{self, Changes};
use crate::cli::LockArguments;
use crate::collect::scan::Scans;
use crate::collect::{self, Collected};
use crate::project::{self, LOCK_BYTES, Project};
use crate::resolve::{self, Update};
use crate::sources::{self, Entry};
use crate::upstream::Upstream;

/// How many requests to one host may be under way at once. Nearly all of them are small: 16 take half the
/// time of 4 on a connection of 50 ms.
const CONNECTIONS: u16 = 16;

/// What `lock` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Locked {
    lock: PathBuf,
    name: ChannelName,
    serial: u64,
    import_before: Option<Timestamp>,
    items: usize,
    evidence: usize,
    /// How many charts have a provenance file, which is a layer of theirs.
    provenance_files: usize,
    metadata_bytes: u64,
    content_bytes: u64,
    download_bytes: u64,
    hosts: Vec<String>,
    changes: Changes,
    skipped: Vec<Skipped>,
    notices: Vec<String>,
}

pub(crate) fn run(arguments: &LockArguments, quiet: bool) -> Result<Locked, Failures> {
    let project = project::read(&arguments.definition)?;
    let path = arguments.output.clone().unwrap_or_else(|| project::lock_path(&arguments.definition));
    let policy = arguments.policy.as_deref().map(input::policy).transpose()?;
    let rules = policy.and_then(|file| file.policy.vulnerabilities);
    // Charts alone hold no image to scan.
    let about_images = rules.as_ref().filter(|_| !project.definition.images.is_empty());
    let trivy = scanner(arguments, about_images)?;
    let scans = Scans { trivy, given: given_reports::read(&arguments.report)?, rules };
    let http = crate::hosts::clients(
        &project.definition.hosts,
        &project.folder,
        arguments.hosts.hosts.as_deref(),
        CONNECTIONS,
    )?;
    let beside = Beside::of(&path);
    let _alone = beside.claim().map_err(|error| failed(&error))?;
    let old = read_old(&path, &beside)?;
    let created = created(&path, old.as_ref())?;
    let upstream = Upstream::new(http, beside);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::new(Class::Failed, "tokio", error))?;
    let Collected { lock, notices } = runtime.block_on(make(
        &project,
        created,
        old.as_ref(),
        &arguments.update,
        &upstream,
        (&scans, quiet),
    ))?;
    write(&path, &lock, upstream.beside())?;
    if !quiet {
        notices.iter().for_each(|notice| eprintln!("notice: {}", escape(notice)));
    }
    // Layers of charts are content, but lie beside the lock too.
    let mut away = lock.content.clone();
    away.retain(|blob| !upstream.beside().has(blob.digest, blob.size));
    let items = lock.items.iter().map(|locked| &locked.item);
    let provenance_files = inspect::provenances(items, &SmallFiles(upstream.beside())).len();
    let size = |blobs: &[manifests::inventory::Blob]| blobs.iter().map(|blob| blob.size).sum();
    Ok(Locked {
        changes: changes::between(old.as_ref(), &lock, |item| collect::size(item, upstream.beside())),
        lock: path,
        name: lock.name,
        serial: lock.created.serial(),
        import_before: lock.import_before,
        items: lock.items.len(),
        evidence: lock.items.iter().map(|locked| locked.item.evidence.len()).sum(),
        provenance_files,
        metadata_bytes: size(&lock.metadata),
        content_bytes: size(&lock.content),
        download_bytes: size(&away),
        hosts: lock.hosts,
        skipped: lock.skipped,
        notices,
    })
}

async fn make(
    project: &Project,
    created: Timestamp,
    old: Option<&Lock>,
    update: &[String],
    upstream: &Upstream,
    (scans, quiet): (&Scans, bool),
) -> Result<Collected, Failures> {
    let (entries, mut inputs, mut failures) = sources::entries(&project.definition, &project.folder);
    inputs.insert(project.name.clone(), project.digest);
    if !quiet {
        announce(&entries, upstream);
    }
    let update = match (update.is_empty(), old) {
        (true, _) => None,
        (false, Some(old)) => Some(Update::new(old, update, &entries).map_err(|errors| {
            all(errors.into_iter().map(|error| Failure::new(Class::Usage, "--update", error)).collect())
        })?),
        (false, None) => {
            let failure = Failure::new(Class::Usage, "--update", "found no lock to update")
                .advise("run `airgap-bundle lock` without --update first");
            return Err(failure.into());
        }
    };
    let (resolved, unresolved) =
        resolve::resolve(&project.definition, entries, inputs, created, update.as_ref(), upstream).await;
    failures.extend(unresolved);
    let mut collected = collect::collect(resolved, failures, upstream, scans, quiet).await?;
    collected.lock.hosts = hosts(&collected.lock, old);
    Ok(collected)
}

/// Says which registries will be asked before the first one is: where a firewall keeps one away, this is what its
/// administrator needs to be told, mirrors by their own names. Token servers and storage are known once they were met.
fn announce(entries: &[Entry], upstream: &Upstream) {
    let away = entries.iter().map(|entry| &entry.wanted).filter(|wanted| !wanted.is_local());
    let hosts: BTreeSet<String> = away.map(|wanted| upstream.server(wanted.repository().host())).collect();
    if !hosts.is_empty() {
        let hosts: Vec<String> = hosts.iter().map(|host| escape(host)).collect();
        eprintln!("will ask       {}", hosts.join(", "));
    }
}

/// The scanner, where the policy counts reports that the archive carries: those are made now, while the images can
/// be had.
fn scanner(arguments: &LockArguments, rules: Option<&Vulnerabilities>) -> Result<Option<Trivy>, Failure> {
    let wanted = rules.filter(|rules| rules.counts_carried());
    let settings = Settings { cache: arguments.trivy_cache.clone(), is_offline: arguments.trivy_offline };
    let found = wanted.map(|_| Trivy::find(settings)).transpose();
    found.map_err(|error| {
        let class = if error.is_refusal() { Class::Refused } else { Class::Failed };
        Failure::new(class, "trivy", error)
    })
}

/// The hosts that a build will contact: those of this run, and those that the lock
/// before contacted for the same registries. What lies beside the lock already was not asked for again, so this run
/// may not have met the servers that a build is redirected to.
fn hosts(lock: &Lock, old: Option<&Lock>) -> Vec<String> {
    let origins = |lock: &Lock| -> BTreeSet<String> {
        let origins = lock.items.iter().filter_map(|locked| locked.origin.as_ref());
        origins.map(|origin| origin.host().to_owned()).collect()
    };
    let now = origins(lock);
    let before = old.filter(|old| origins(old).is_subset(&now)).map(|old| old.hosts.clone());
    let mut hosts: BTreeSet<String> = lock.hosts.iter().cloned().collect();
    hosts.extend(before.into_iter().flatten());

    hosts.into_iter().collect()
}

fn all(failures: Vec<Failure>) -> Failures {
    let nothing = || Failure::new(Class::Failed, "", "nothing was done");
    Failures::unless_empty::<()>(failures, ()).err().unwrap_or_else(|| nothing().into())
}

/// The lock that is there, as far as this version understands it: what is damaged is made anew.
fn read_old(path: &Path, beside: &Beside) -> Result<Option<Lock>, Failure> {
    let Some(bytes) = input::read_if_there(path, LOCK_BYTES)? else { return Ok(None) };
    match Lock::read(&bytes, &mut |wanted| beside.load(wanted)) {
        Ok(lock) => Ok(Some(lock)),
        Err(error) => {
            eprintln!("notice: {}: {}", escape(&path.display().to_string()), escape(&error.to_string()));
            Ok(None)
        }
    }
}

/// The time of the lock, from which the serial follows: later than that of the lock before.
fn created(path: &Path, old: Option<&Lock>) -> Result<Timestamp, Failure> {
    let mut now = clock::now();
    let Some(before) = old.map(|lock| lock.created) else { return Ok(now) };
    // Two locks within one second would have one serial.
    while now == before {
        std::thread::sleep(Duration::from_millis(50));
        now = clock::now();
    }
    if now > before {
        return Ok(now);
    }
    let message = format!("found the time {now}, wanted one after {before}, when the lock before was made");
    Err(Failure::new(Class::Failed, path.display(), message).advise("set the clock of this machine right"))
}

/// The small files first, for good; then the lock that names them; then away with what it does not.
fn write(path: &Path, lock: &Lock, beside: &Beside) -> Result<(), Failure> {
    let needed = collect::needed(lock, beside)?;
    beside
        .sync()
        .and_then(|()| beside::replace(path, &lock.encode()))
        .and_then(|()| beside.remove_others(&needed))
        .map_err(|error| failed(&error))
}

fn failed(error: &BesideError) -> Failure {
    Failure::new(Class::Failed, "", error)
}

impl Locked {
    pub(crate) fn render(&self) -> String {
        let mut text = self.changes.render();
        for skipped in &self.skipped {
            text.push_str(&format!("skipped {}: {}\n", escape(&skipped.name), escape(&skipped.reason)));
        }
        let path = escape(&self.lock.display().to_string());
        let kept = self.metadata_bytes + self.content_bytes - self.download_bytes;
        let (kept, away) = (HumanBytes(kept), HumanBytes(self.download_bytes));
        let hosts = if self.hosts.is_empty() { "none".to_owned() } else { self.hosts.join(", ") };
        let provenances = match self.provenance_files {
            0 => String::new(),
            files => format!(" and {}", count(files as u64, "provenance file")),
        };
        let before = self.import_before.map_or_else(|| "any time".to_owned(), |time| time.to_string());
        text + &format!(
            "\nlock           {path}\n\
             name           {}, serial {}\n\
             import before  {before}\n\
             content        {} items, {} pieces of evidence{provenances}; {kept} beside the lock, {away} to download\n\
             hosts          {}\n",
            self.name,
            self.serial,
            self.items,
            self.evidence,
            escape(&hosts),
        )
    }
}
