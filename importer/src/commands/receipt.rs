//! `receipt`: show, check and copy out.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use console::escape::escape;
use console::progress::count;
use console::report::finish;
use console::{Class, Failure, Failures, input};
use gates::NOTHING;
use manifests::key::PublicKey;
use manifests::receipt::{
    ArchiveRecord, ChangeKind, ChangeRecord, ItemRecord, MinimalReceipt, NameOutcome, Outcome, Receipt,
    State, VerdictRecord,
};
use manifests::trust::Role;
use manifests::{ChannelName, Digest};
use serde::Serialize;

use super::state;
use super::trust::BY_RECOVERY;
use crate::cli::{Global, ReceiptCommand};
use crate::rejudgement::{self, Rejudged};
use crate::site::{Access, Site, SiteError, chain, receipts, summaries};

pub(crate) fn run(command: &ReceiptCommand, global: &Global) -> ExitCode {
    let as_json = global.json;
    match command {
        ReceiptCommand::Show { number } => finish(show(*number, global), as_json, render),
        ReceiptCommand::Verify { receipt, key } => {
            finish(verify(receipt.as_deref(), key.as_deref(), global), as_json, Checked::render)
        }
        ReceiptCommand::Judge { number } => finish(judge(*number, global), as_json, JudgedAgain::render),
        ReceiptCommand::Export { number, output, minimal: true } => {
            finish(export_minimal(*number, output, global), as_json, Exported::render)
        }
        ReceiptCommand::Export { number, output, minimal: false } => {
            finish(export(*number, output, global), as_json, Exported::render)
        }
    }
}

fn show(number: Option<u64>, global: &Global) -> Result<Receipt, Failures> {
    let site = Site::open(state(global)?, Access::Read)?;
    let path = find(&site, number)?;
    Ok(receipts::read(&path, site.public_key())?.receipt)
}

fn find(site: &Site, number: Option<u64>) -> Result<PathBuf, Failure> {
    let listed = receipts::list(&site.receipts())?;
    let found = match number {
        Some(number) => listed.iter().find(|receipt| receipt.number == number),
        None => listed.last(),
    };
    found.map(|receipt| receipt.path.clone()).ok_or_else(|| {
        let wanted = number.map_or_else(|| "one".to_owned(), |number| format!("number {number}"));
        let message = format!("found {} receipts, wanted {wanted}", listed.len());
        Failure::new(Class::Usage, site.receipts().display(), message)
    })
}

/// What `receipt verify` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Checked {
    receipts: u64,
    last: Option<Digest>,
    key: Digest,
    is_chain: bool,
    /// What one that was handed over says of itself.
    #[serde(flatten)]
    says: Option<Says>,
}

/// What a receipt says of itself.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Says {
    site: ChannelName,
    state: State,
    archive: Option<ArchiveRecord>,
    is_minimal: bool,
}

/// What may be wrong with a receipt that was handed over: no state directory is in doubt.
const HANDED_OVER: &str = "it was changed, or another site signed it: compare this key with that of the site that it is said to be of";

fn verify(receipt: Option<&Path>, key: Option<&Path>, global: &Global) -> Result<Checked, Failures> {
    let Some(path) = receipt.filter(|path| *path != Path::new("chain")) else {
        let site = Site::open(state(global)?, Access::Read)?;
        let chain::Chain { receipts, last } = chain::verify(&site)?;
        return Ok(Checked { receipts, last, key: site.public_key().id(), is_chain: true, says: None });
    };
    let (key, own) = match key {
        Some(path) => {
            let key = PublicKey::from_pem(&input::document(path)?);
            (key.map_err(|error| Failure::new(Class::Usage, path.display(), error))?, None)
        }
        None => {
            let site = Site::open(state(global)?, Access::Read)?;
            (site.public_key().clone(), Some(site.receipts()))
        }
    };
    if !path.exists() {
        return Err(Failure::new(Class::Usage, path.display(), "found no such file").into());
    }
    let (says, digest) = read(path, &key).map_err(|error| match error {
        SiteError::Receipt(..) | SiteError::Form(..)
            if !own.as_ref().is_some_and(|folder| is_in(path, folder)) =>
        {
            Failure::from(error).advise(HANDED_OVER)
        }
        error => error.into(),
    })?;
    Ok(Checked { receipts: 1, last: Some(digest), key: key.id(), is_chain: false, says: Some(says) })
}

/// Reads a receipt or a minimal one: the signature first.
fn read(path: &Path, key: &PublicKey) -> Result<(Says, Digest), SiteError> {
    if receipts::is_minimal(path) {
        let (MinimalReceipt { site, state, archive, .. }, digest) = receipts::read_minimal(path, key)?;
        return Ok((Says { site, state, archive, is_minimal: true }, digest));
    }
    let receipts::Signed { receipt, digest, .. } = receipts::read(path, key)?;
    summaries::check(path, &receipt, key)?;
    let Receipt { site, state, archive, .. } = receipt;
    Ok((Says { site, state, archive, is_minimal: false }, digest))
}

/// Whether a file is one of the folder's own, and none that was copied out of it.
fn is_in(path: &Path, folder: &Path) -> bool {
    let parent = path.canonicalize().ok().and_then(|path| path.parent().map(Path::to_owned));
    parent.is_some() && parent == folder.canonicalize().ok()
}

impl Checked {
    fn render(&self) -> String {
        let Self { receipts, last, key, is_chain: _, says } = self;
        let last = last.map_or_else(|| "none".to_owned(), |digest| digest.to_string());
        let Some(Says { site, state, archive, is_minimal }) = says else {
            let receipts = count(*receipts, "receipt");
            return format!(
                "verified       {receipts} in one unbroken chain, their verification summaries, and the ledger that they name\nlast           {last}\nkey            {key}\n"
            );
        };
        let what = if *is_minimal { "minimal receipt" } else { "receipt" };
        let archive = archive.as_ref().map_or_else(
            || "it names none".to_owned(),
            |archive| format!("{}, serial {}, {}", archive.name, archive.serial, archive.identity),
        );
        let state = state_of(*state);
        format!(
            "verified       the {what} is what was signed\nsite           {site}\narchive        {archive}\nstate          {state}\ndigest         {last}\nkey            {key}\n"
        )
    }
}

/// What `receipt judge` prints.
#[derive(Serialize)]
struct JudgedAgain {
    judged: Vec<Rejudged>,
}

fn judge(number: Option<u64>, global: &Global) -> Result<JudgedAgain, Failures> {
    let site = Site::open(state(global)?, Access::Read)?;
    Ok(JudgedAgain { judged: rejudgement::rejudge(&site, number)? })
}

impl JudgedAgain {
    fn render(&self) -> String {
        let mut text = String::new();
        self.judged.iter().for_each(|judged| render_judged(&mut text, judged));
        let receipts = count(self.judged.len() as u64, "receipt");
        // What was held has two receipts, and each further load one more.
        let archives: BTreeSet<Digest> = self.judged.iter().map(|judged| judged.archive.identity).collect();
        let archives = count(archives.len() as u64, "archive");
        let _ = writeln!(text, "verified       {receipts} of {archives}, from what was kept alone");
        text
    }
}

fn render_judged(text: &mut String, judged: &Rejudged) {
    let Rejudged { receipt, archive, at, items, gates, trust_digests, policy_digests, is_identical } = judged;
    let ArchiveRecord { name, serial, .. } = archive;
    let _ = writeln!(text, "receipt        {receipt}: {name}, serial {serial}");
    trust_digests.iter().for_each(|digest| _ = writeln!(text, "  trust        {digest}"));
    policy_digests.iter().for_each(|digest| _ = writeln!(text, "  policy       {digest}"));
    if gates.is_empty() {
        let _ = writeln!(text, "  judged       {NOTHING}, as of {at}");
        let _ = writeln!(text, "  as then      who signed and what came in");
        return;
    }
    let _ = writeln!(text, "  judged       {}, as of {at}", count(*items as u64, "item"));
    let same = if *is_identical { "to the byte" } else { "every verdict and rule, in other words" };
    let _ = writeln!(text, "  as then      {same}");
}

/// What `receipt export` prints.
#[derive(Serialize)]
struct Exported {
    receipt: PathBuf,
    bundle: PathBuf,
    /// The verification summaries; a minimal receipt goes without.
    #[serde(skip_serializing_if = "Option::is_none")]
    summaries: Option<PathBuf>,
}

fn export(number: u64, output: &Path, global: &Global) -> Result<Exported, Failures> {
    let site = Site::open(state(global)?, Access::Read)?;
    let path = find(&site, Some(number))?;
    // What leaves the site is what it signed: the very bytes that were checked are written.
    let checked = receipts::read(&path, site.public_key())?;
    let said = summaries::check(&path, &checked.receipt, site.public_key())?;
    let (bundle, summaries) = (receipts::bundle_path(output), summaries::path(output));
    write(output, &checked.receipt.encode())?;
    write(&bundle, &checked.bundle)?;
    write(&summaries, said.bytes())?;
    Ok(Exported { receipt: output.to_owned(), bundle, summaries: Some(summaries) })
}

/// What the connected side may know: that the archive arrived, when, and what became of it.
fn export_minimal(number: u64, output: &Path, global: &Global) -> Result<Exported, Failures> {
    let site = Site::open(state(global)?, Access::Read)?;
    let path = find(&site, Some(number))?;
    let checked = receipts::read(&path, site.public_key())?;
    let signed = receipts::minimal(&checked, &site.key()?);
    let (bytes, signature) = signed.map_err(|error| Failure::new(Class::Failed, "the receipt key", error))?;
    let bundle = receipts::bundle_path(output);
    write(output, &bytes)?;
    write(&bundle, &signature)?;
    Ok(Exported { receipt: output.to_owned(), bundle, summaries: None })
}

/// Nothing that exists is overwritten.
fn write(to: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = fs::OpenOptions::new().write(true).create_new(true).open(to);
    written
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(|error| Failure::new(Class::Usage, to.display(), error))
}

impl Exported {
    fn render(&self) -> String {
        let shown = |path: &Path| escape(&path.display().to_string());
        let mut text =
            format!("receipt        {}\nbundle         {}\n", shown(&self.receipt), shown(&self.bundle));
        if let Some(summaries) = &self.summaries {
            let _ = writeln!(text, "summaries      {}", shown(summaries));
        }
        text
    }
}

fn render(receipt: &Receipt) -> String {
    let mut text = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(text, "{label:<14} {}", escape(value));
    };
    line("site", receipt.site.as_str());
    match &receipt.archive {
        Some(archive) => {
            line("archive", &format!("{}, serial {}", archive.name, archive.serial));
            line("identity", &archive.identity.to_string());
        }
        None if receipt.state == State::Changed || receipt.change.is_some() => {}
        None => line("archive", "not known: its signature or its bytes were not good"),
    }
    if let Some(ChangeRecord { digest, kind }) = receipt.change {
        let kind = if kind == ChangeKind::Trust { "a trust file" } else { "a policy" };
        line("about", &format!("{kind}, {digest}, which was not put in force"));
    }
    line("issued", &receipt.issued.to_string());
    line("state", state_of(receipt.state));
    receipt.reasons.iter().for_each(|reason| line("  against", reason));
    for signer in &receipt.signers {
        line("signed by", &format!("{} as {}, key {}", signer.person, signer.role, signer.key));
    }
    if receipt.state == State::Changed && receipt.signers.iter().any(|signer| signer.role == Role::Recovery) {
        line("BY RECOVERY", BY_RECOVERY);
    }
    for annex in &receipt.annexes {
        line("annex", &annex.to_string());
    }
    receipt.trust_digests.iter().for_each(|digest| line("trust", &digest.to_string()));
    receipt.policy_digests.iter().for_each(|digest| line("policy", &digest.to_string()));
    let gates = receipt.gates.join(", ");
    if matches!(receipt.state, State::Held | State::Published) {
        line("gates", if gates.is_empty() { NOTHING } else { &gates });
    }
    let previous =
        receipt.previous.map_or_else(|| "none: it is the first".to_owned(), |digest| digest.to_string());
    line("previous", &previous);
    if let Some(digest) = receipt.previous_of_channel {
        line("  of channel", &digest.to_string());
    }
    line("ledger head", &receipt.ledger_head.to_string());
    text + "\n" + &render_items(&receipt.items)
}

/// A state, for people.
pub(super) const fn state_of(state: State) -> &'static str {
    match state {
        State::Held => "held: no name points to it yet",
        State::Published => "published",
        State::Refused => "refused, for what is against it",
        State::Changed => "changed: this trust file and this policy are in force from now on",
    }
}

/// Items with their verdicts and places, for people.
pub(super) fn render_items(items: &[ItemRecord]) -> String {
    let mut text = format!("{} items\n", items.len());
    for item in items {
        let _ = writeln!(text, "  {:<8} {}", item.kind.to_string(), escape(&item.name));
        let _ = writeln!(text, "           {}", item.digest);
        for VerdictRecord { outcome, rule, .. } in &item.verdicts {
            let outcome = match outcome {
                Outcome::Passed => "passed",
                Outcome::Warned => "warned",
                Outcome::Refused => "refused",
            };
            let _ = writeln!(text, "           {outcome} by {}", escape(rule));
        }
        for place in &item.places {
            let name = place.name.as_ref().map_or_else(String::new, |name| {
                let outcome = match name.outcome {
                    NameOutcome::Held => "held",
                    NameOutcome::LeftNewer => "left alone: a newer archive had set it",
                    NameOutcome::Set => "set",
                    NameOutcome::Unchanged => "unchanged",
                };
                let previous = name.previous.map_or_else(String::new, |digest| format!(", was {digest}"));
                format!(":{} {outcome}{previous}", name.tag)
            });
            let _ = writeln!(
                text,
                "           {}: {}{}",
                escape(&place.target),
                escape(&place.repository),
                escape(&name)
            );
        }
    }
    text
}
