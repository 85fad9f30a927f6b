//! `build`: judge and write.

use std::io::{IsTerminal as _, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use console::escape::escape;
use console::judging::Knowledge;
use console::report::finish;
use console::{Class, Failure, Failures, input};
use gates::{Judgement, NOTHING};
use indicatif::HumanBytes;
use manifests::lock::Lock;
use manifests::{ChannelName, Digest, Timestamp, limits};
use serde::Serialize;

use crate::beside::Beside;
use crate::cli::{BuildArguments, Output};
use crate::hosts;
use crate::judge;
use crate::malware::Malware;
use crate::project::{self, LOCK_BYTES, Project};
use crate::write::{self, CONNECTIONS, Writer, Written};

/// What `build` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Built {
    archive: PathBuf,
    identity: Digest,
    name: ChannelName,
    serial: u64,
    created: Timestamp,
    size: u64,
    items: usize,
    blobs: usize,
    fetched_bytes: u64,
    resumed_bytes: u64,
    was_there: bool,
    signed_by: Digest,
    /// What the gates said; nothing without a policy.
    judgement: Option<Judgement>,
}

pub(crate) fn run(arguments: &BuildArguments, output: Output) -> ExitCode {
    let to_stream = arguments.output.as_deref() == Some(Path::new("-"));
    let result = build(arguments, to_stream, output.quiet);
    if !to_stream {
        return finish(result, output.json, Built::render);
    }
    // Standard output holds the archive, so the result goes where progress goes.
    match result {
        Ok(built) => {
            let json = serde_json::to_string_pretty(&built).unwrap_or_default();
            eprintln!("{}", if output.json { json } else { built.render() });
            ExitCode::SUCCESS
        }
        Err(failures) => finish::<()>(Err(failures), false, |()| String::new()),
    }
}

fn build(arguments: &BuildArguments, to_stream: bool, quiet: bool) -> Result<Built, Failures> {
    let project = project::read(&arguments.definition)?;
    let lock_path = arguments.lock.clone().unwrap_or_else(|| project::lock_path(&arguments.definition));
    let beside = Beside::of(&lock_path);
    let lock = read_lock(&lock_path, &beside)?;
    check_inputs(&project, &lock)?;
    let policy = arguments.policy.as_deref().map(input::policy).transpose()?;
    let knowledge = Knowledge::read(arguments.kev.as_deref(), &arguments.vex)?;
    let judged = judge::judge(lock, &beside, policy.as_ref(), &knowledge)?;
    let key = arguments.key.open()?;
    let signed_by = key.public().map_err(|error| Failure::new(Class::Usage, &arguments.key, error))?.id();
    let definition = &project.definition;
    let http =
        hosts::clients(&definition.hosts, &project.folder, arguments.hosts.hosts.as_deref(), CONNECTIONS)?;
    let malware = policy.as_ref().and_then(|file| Malware::of(file, &knowledge));
    if to_stream && malware.is_some() {
        let message =
            "found standard output, wanted a file: the policy looks for malware before anything is signed";
        return Err(Failure::new(Class::Usage, "-", message).into());
    }
    let malware = malware.as_ref();
    let writer = Writer { judged: &judged, beside: &beside, http: &http, key: &key, malware, quiet };
    let serial = judged.lock().created.serial();
    let archive = arguments.output.clone();
    let archive = archive.unwrap_or_else(|| PathBuf::from(format!("{}-{serial}.tar", definition.name)));
    let written = if to_stream {
        if stdout().is_terminal() {
            let message = "found a terminal, wanted a pipe or a file for the archive";
            return Err(Failure::new(Class::Usage, "-", message).into());
        }
        write::to_stream(&writer, &mut stdout().lock())?
    } else {
        write::to_file(&writer, &archive)?
    };
    let Written { identity, size, fetched, resumed, was_there, judgement } = written;
    let lock = judged.lock();
    Ok(Built {
        archive,
        identity,
        name: lock.name.clone(),
        serial,
        created: lock.created,
        size,
        items: lock.items.len(),
        blobs: lock.metadata.len() + lock.content.len(),
        fetched_bytes: fetched,
        resumed_bytes: resumed,
        was_there,
        signed_by,
        judgement: judgement.or_else(|| judged.judgement().cloned()),
    })
}

/// The lock at `path`, which was checked against the files beside it.
pub(super) fn read_lock(path: &Path, beside: &Beside) -> Result<Lock, Failure> {
    if path.symlink_metadata().is_err() {
        let failure = Failure::new(Class::Usage, path.display(), "found no lock, wanted one");
        return Err(failure.advise("run `airgap-bundle lock` first"));
    }
    let bytes = input::read(path, LOCK_BYTES)?;
    Lock::read(&bytes, &mut |wanted| beside.load(wanted))
        .map_err(|error| Failure::new(Class::Usage, path.display(), error))
}

/// `build` never locks: what changed since the lock was made is named instead.
fn check_inputs(project: &Project, lock: &Lock) -> Result<(), Failures> {
    let changed = |name: &str, message: &str| {
        Failure::new(Class::Usage, name, message).advise("run `airgap-bundle lock` again")
    };
    let mut failures = Vec::new();
    if !lock.inputs.contains_key(&project.name) {
        failures.push(changed(&project.name, "found a lock that was made from another definition"));
    }
    for (name, digest) in &lock.inputs {
        let found = if *name == project.name {
            Some(project.digest)
        } else {
            let read = input::read_if_there(&project.folder.join(name), limits::EVIDENCE_BYTES)?;
            read.map(|bytes| Digest::of(&bytes))
        };
        match found {
            Some(found) if found == *digest => {}
            Some(_) => failures.push(changed(name, "found it changed since the lock was made")),
            None => failures.push(changed(name, "found it gone since the lock was made")),
        }
    }
    Failures::unless_empty(failures, ())
}

impl Built {
    fn render(&self) -> String {
        let archive = escape(&self.archive.display().to_string());
        let Self { identity, name, serial, items, blobs, signed_by, .. } = self;
        let gates = self.judgement.as_ref().map_or_else(|| NOTHING.to_owned(), Judgement::summary);
        let (size, fetched, resumed) =
            (HumanBytes(self.size), HumanBytes(self.fetched_bytes), HumanBytes(self.resumed_bytes));
        let state = match (self.was_there, self.resumed_bytes) {
            (true, _) => "it was there already, and is what was signed".to_owned(),
            (false, 0) => format!("{fetched} downloaded"),
            (false, _) => format!("{fetched} downloaded, {resumed} taken over from the interrupted build"),
        };
        format!(
            "archive        {archive} ({size}, {state})\n\
             identity       {identity}\n\
             name           {name}, serial {serial}\n\
             content        {items} items in {blobs} blobs\n\
             signed by      key {signed_by}\n\
             gates          {gates}\n\n\
             Check it with: airgap-bundle verify {archive} --key PUBLIC_KEY\n"
        )
    }
}
