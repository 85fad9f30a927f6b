//! `approve`: the archive is judged as `load` will judge it, and what an approver says of it is signed.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};

use console::escape::escape;
use console::given_reports::{self, GivenReport};
use console::{Class, Failure, Failures, clock};
use gates::Subject;
use gates::vulnerability::Bound;
use manifests::exclusions::Exclusions;
use manifests::key::PrivateKey;
use manifests::malware_report::MalwareReport;
use manifests::scan_report::ScanReport;
use manifests::slot::{ArchiveSignature, Verdict};
use manifests::trust::{Role, Signer};
use manifests::{ChannelName, Descriptor, Digest, Timestamp};
use serde::Serialize;
use transfer::archive::Verified;
use transfer::archive::stream::Keep;

use super::judge::{Judge, needs_policy};
use super::notice;
use super::standing::Standing;
use crate::accept::Assessment;
use crate::approval::{self, Draft};
use crate::cli::{ApproveArguments, Global};
use crate::exclusion;
use crate::judgement::Small;
use crate::site::Access;

/// Longest number of a change, in bytes: the signature has a fixed place.
const CHANGE_BYTES: usize = 256;

/// What `approve` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Approved {
    archive: Standing,
    verdict: Verdict,
    person: ChannelName,
    role: Role,
    key: Digest,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
    /// The reports that the annex brings, with the dates of their databases.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reports: Vec<Brought>,
    /// Approvals that a load still needs.
    missing: Vec<String>,
    /// What is against the archive, where it is rejected.
    against: Vec<Failure>,
    annex: PathBuf,
}

/// A report that an approver stands on.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Brought {
    file: PathBuf,
    /// When the database was made, where the report says so.
    database: Option<Timestamp>,
}

pub(crate) fn run(arguments: &ApproveArguments, global: &Global) -> Result<Approved, Failures> {
    let ApproveArguments { archive: path, judge: held_to, change, .. } = arguments;
    check_usage(arguments)?;
    let judge = Judge::read(held_to, global.state.as_deref(), Access::Read, None)?;
    needs_policy(&judge)?;
    // Before the long work: the key may ask for its password.
    let key = arguments.key.open()?;
    let id = key.public().map_err(|error| Failure::new(Class::Usage, &arguments.key, error))?.id();
    let role = approval::role(&judge.rules()?.trusts(), id, arguments.role)?;
    let reports = given_reports::read(&arguments.report)?;
    let brought: Vec<Brought> = reports.iter().map(Brought::of).collect();
    let archive = judge.open(path, Keep::Evidence, None, global.quiet)?;

    let channel = archive.inventory().name.clone();
    let signer = approval::signers(&judge.rules()?.trusts(), id, role, &channel, clock::now())?;
    let Some(Signer { person, .. }) = signer.into_iter().next() else { return Err(no_signer(id).into()) };
    let output = output(arguments, &archive, &person)?;
    let (annex, verdict) = write(arguments, &judge, &archive, role, reports, &key, &output)?;
    let assessment = match verdict {
        Verdict::Approved => {
            let own = annex.try_clone().map_err(|error| Failure::new(Class::Failed, "the annex", error))?;
            judge.assess(path, held_to, archive, Some(own))?
        }
        Verdict::Rejected => judge.assess(path, held_to, archive, None)?,
    };
    notice(global, assessment.notices());
    let against = assessment.reasons().to_vec();
    if verdict == Verdict::Approved && !against.is_empty() {
        if !global.quiet {
            eprintln!("{}", Standing::of(&assessment).render_whole());
        }
        return Err(Failures::of(against));
    }
    let is_asked = !(arguments.yes || global.json || global.quiet);
    if is_asked && !is_wanted(&assessment, &brought, verdict, (&person, role)) {
        let message = "nothing was written: it was not confirmed";
        return Err(Failure::new(Class::Usage, output.display(), message).into());
    }
    approval::place(annex, &output)?;
    Ok(Approved {
        archive: Standing::of(&assessment),
        verdict,
        person,
        role,
        key: id,
        change: change.clone(),
        reports: brought,
        missing: assessment.missing().to_vec(),
        against,
        annex: output,
    })
}

/// Shows a person what they are about to stand on, and asks; where there is nobody to ask, the command was the answer.
fn is_wanted(
    assessment: &Assessment,
    brought: &[Brought],
    verdict: Verdict,
    (person, role): (&ChannelName, Role),
) -> bool {
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        return true;
    }
    let does = if verdict == Verdict::Approved { "approve" } else { "reject" };
    eprint!(
        "{}{}\nCompare the identity by voice with whoever prepared it. Does {person}, as {role}, {does} it? [y/N] ",
        Standing::of(assessment).render_whole(),
        brought.iter().map(Brought::line).collect::<String>()
    );
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

impl Brought {
    fn of(GivenReport { path, bytes }: &GivenReport) -> Self {
        let scanned = || Some(ScanReport::parse(bytes).ok()?.database?.updated_at);
        let searched = || MalwareReport::parse(bytes).ok()?.database;
        Self { file: path.clone(), database: scanned().or_else(searched) }
    }

    fn line(&self) -> String {
        let database = self.database.map_or_else(|| "an unknown date".to_owned(), |date| date.to_string());
        let file = escape(&self.file.display().to_string());
        format!("{:<14} {file}, by a database of {database}\n", "report")
    }
}

fn no_signer(key: Digest) -> Failure {
    Failure::new(Class::Usage, format!("the key {key}"), "found no trust, wanted --trust TRUST or a site")
}

fn check_usage(arguments: &ApproveArguments) -> Result<(), Failure> {
    let usage = |item: &str, message: &str| Err(Failure::new(Class::Usage, item, message));
    if arguments.archive == Path::new("-") && arguments.output.is_none() {
        return usage("-", "found standard input and no -o, wanted a place for the annex");
    }
    if !arguments.exclude.is_empty()
        && arguments.reason.as_ref().is_none_or(|reason| reason.trim().is_empty())
    {
        return usage(
            "--exclude",
            "found no --reason, wanted why it is left out: the receipt says so for good",
        );
    }
    let is_line = |text: &String| {
        !text.trim().is_empty() && text.len() <= CHANGE_BYTES && !text.chars().any(char::is_control)
    };
    if !arguments.change.as_ref().is_none_or(is_line) {
        return usage("--change", "found no visible text of one line and at most 256 bytes");
    }
    Ok(())
}

/// Where the annex goes; nothing may be there.
fn output(
    arguments: &ApproveArguments,
    archive: &Verified<File>,
    person: &ChannelName,
) -> Result<PathBuf, Failure> {
    let inventory = archive.inventory();
    let beside =
        || arguments.archive.with_file_name(format!("{}-{}.{person}.tar", inventory.name, inventory.serial));
    let path = arguments.output.clone().unwrap_or_else(beside);
    if path.symlink_metadata().is_err() {
        return Ok(path);
    }
    Err(Failure::new(Class::Usage, path.display(), "found something there, wanted a free name for the annex")
        .advise("what was signed before stays: move it away, or name another place with -o"))
}

/// The signed annex, which has no name yet.
fn write(
    arguments: &ApproveArguments,
    judge: &Judge,
    archive: &Verified<File>,
    role: Role,
    reports: Vec<GivenReport>,
    key: &PrivateKey,
    output: &Path,
) -> Result<(File, Verdict), Failures> {
    let verdict = if arguments.reject { Verdict::Rejected } else { Verdict::Approved };
    let rules = judge.rules()?;
    let signature = ArchiveSignature {
        change: arguments.change.clone(),
        inventory_size: 0,
        policy_digest: rules.policies.first().map(|file| file.policy.digest()),
        role,
        signed_at: clock::now(),
        trust_digest: Some(rules.trust.digest()),
        verdict: Some(verdict),
    };
    let excluded = exclusion::named(&archive.inventory().items, &arguments.exclude)?;
    let exclusions = (!excluded.is_empty()).then(|| Exclusions::new(excluded, arguments.reason.clone()));
    let exclusions =
        exclusions.transpose().map_err(|error| Failure::new(Class::Usage, "--exclude", error))?;
    let (searches, reports): (Vec<_>, Vec<_>) =
        reports.into_iter().partition(|report| MalwareReport::is_one(&report.bytes));
    let searches = about(archive, searches);
    let reports = bind(archive, &reports);
    let draft = match (searches, reports) {
        (Ok(searches), Ok(reports)) => Draft { signature, exclusions, reports, searches },
        (searches, reports) => {
            return Err(Failures::of(searches.err().into_iter().chain(reports.err()).flatten().collect()));
        }
    };
    Ok((approval::write(archive, &draft, key, output)?, verdict))
}

/// Searches for malware, each of which has to be about this archive.
fn about(archive: &Verified<File>, searches: Vec<GivenReport>) -> Result<Vec<Vec<u8>>, Failures> {
    let (mut ours, mut failures) = (Vec::new(), Vec::new());
    for GivenReport { path, bytes } in searches {
        let usage = |message: String| Failure::new(Class::Usage, path.display(), message);
        match MalwareReport::parse(&bytes) {
            Ok(report) if report.archive == archive.identity() => ours.push(bytes),
            Ok(report) => failures.push(usage(format!(
                "found a search of the archive {}, wanted one of {}",
                report.archive,
                archive.identity()
            ))),
            Err(error) => failures.push(usage(error.to_string())),
        }
    }
    Failures::unless_empty(failures, ours)
}

/// Scan reports, each with a manifest of the archive that it is about.
fn bind(archive: &Verified<File>, reports: &[GivenReport]) -> Result<Vec<Bound>, Failures> {
    let content = Small(|wanted: &Descriptor| archive.metadata(wanted));
    let items = archive.inventory().items.iter();
    let (bound, failures) =
        given_reports::bind(reports, items.map(|item| Subject { item, content: &content }));
    Failures::unless_empty(failures, bound)
}

impl Approved {
    pub(crate) fn render(&self) -> String {
        let mut text = self.archive.render_whole();
        text.extend(self.reports.iter().map(Brought::line));
        let mut line = |label: &str, value: &str| {
            let _ = writeln!(text, "{label:<14} {}", escape(value));
        };
        for failure in &self.against {
            line("against", &failure.to_string());
        }
        for missing in &self.missing {
            line("missing", missing);
        }
        let Self { person, role, key, .. } = self;
        let verdict = match self.verdict {
            Verdict::Approved => "approved",
            Verdict::Rejected => "rejected",
        };
        let change = self.change.as_ref().map(|change| format!(", change {change}")).unwrap_or_default();
        line(verdict, &format!("by {person} as {role}, key {key}{change}"));
        line("annex", &self.annex.display().to_string());
        text
    }
}
