//! The command line.

mod changes;

use std::net::SocketAddr;
use std::path::PathBuf;

pub(crate) use changes::{PolicyCommand, TrustCommand};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use console::key_source::KeySource;
use manifests::trust::Role;
use manifests::{ChannelName, Digest, Timestamp};

/// Opens archives, judges them by the site's own rules, loads them and leaves a signed receipt.
#[derive(Parser)]
#[command(name = "airgap-import", version, max_term_width = 110, after_help = STATUS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const STATUS: &str = "\
Exit status: 0 done; 1 failed, worth another try (network, disk, target); 2 wrong use; 3 refused by trust or \
policy; 4 damaged: the archive is not what was signed. Credentials come from the Docker configuration and its \
helpers, the password of a key or the PIN of a token from AIRGAP_KEY_PASSWORD or COSIGN_PASSWORD, or it is \
asked for.

Examples:
  airgap-import init --state /var/lib/airgap --trust trust.yaml --policy policy.yaml --name sovereign-a
  export AIRGAP_STATE=/var/lib/airgap
  airgap-import verify /media/usb/sovereign-core-20261123213000.tar
  airgap-import approve /media/usb/sovereign-core-20261123213000.tar --key officer-1.key --change CHG-4711
  airgap-import plan /media/usb/sovereign-core-20261123213000.tar --to destinations.yaml
  airgap-import load /media/usb/sovereign-core-20261123213000.tar --to destinations.yaml
  airgap-import receipt show
  airgap-import why sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

/// What every command takes.
#[derive(Args, Clone)]
pub(crate) struct Global {
    /// Print the result as one JSON document on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress and no notices, only the result and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
    /// The site's state directory.
    #[arg(long, global = true, value_name = "DIR", env = "AIRGAP_STATE")]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set a site up, once: its name, trust, policy, channels, ledger and receipt key.
    Init(InitArguments),
    /// Check an archive: its signature, every byte, then trust and policy. Writes nothing.
    Verify(VerifyArguments),
    /// Countersign an archive, or reject it: writes an annex beside it.
    Approve(ApproveArguments),
    /// Write one HTML file about an archive: items, signers, findings, exceptions, approvals, what is against it.
    Report(ReportArguments),
    /// Show what a load would send where, and which names it would set. Writes nothing.
    Plan(PlanArguments),
    /// Load an archive and leave a receipt.
    Load(LoadArguments),
    /// Set the names of a load that was held.
    Publish(PublishArguments),
    /// Serve an archive, or a folder that was loaded into, as a read-only registry.
    Serve(ServeArguments),
    /// Show, check and copy out the receipts of a site.
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Tell by which archives a digest came in, and who and what allowed it.
    Why(WhyArguments),
    /// Sign a new trust file, put it in force, show the one in force.
    #[command(subcommand)]
    Trust(TrustCommand),
    /// Sign a new policy, put it in force, show the one in force.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Show what an archive says it is.
    Inspect(InspectArguments),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Args)]
#[command(after_help = "\
Compare the printed digests and key ids by voice with whoever made the files: everything else rests on them. \
The receipt key is made here unless one is given; it is encrypted when AIRGAP_KEY_PASSWORD is set. A key in a token has \
a URI (RFC 7512); its module comes from ?module-path=PATH or AIRGAP_PKCS11_MODULE, its PIN from &pin-source=file:PATH.

Examples:
  airgap-import init --state /var/lib/airgap --trust trust.yaml --policy policy.yaml --name sovereign-a
  airgap-import init --state site --trust build-1.pub --policy policy.yaml --name lab --channel core
  airgap-import init --state site --trust trust.yaml --policy policy.yaml --receipt-key 'pkcs11:token=site'")]
pub(crate) struct InitArguments {
    /// The trust file, or the preparer's public key in its place.
    #[arg(long, value_name = "TRUST")]
    pub(crate) trust: PathBuf,
    /// The policy that archives are held to.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    /// The site's name, which archives name as their audience; by default the last part of the state
    /// directory's path.
    #[arg(long, value_name = "SITE")]
    pub(crate) name: Option<ChannelName>,
    /// Accept only this channel. May be given several times; by default any channel is accepted.
    #[arg(long = "channel", value_name = "NAME")]
    pub(crate) channels: Vec<ChannelName>,
    /// The private key that signs receipts, in place of a new one: a file, which is copied, or the URI of one in a
    /// token, which is kept without a PIN.
    #[arg(long, value_name = "KEY")]
    pub(crate) receipt_key: Option<KeySource>,
}

/// What an archive is held to.
#[derive(Args, Default)]
pub(crate) struct JudgeArguments {
    /// The trust file, or the preparer's public key in its place. Beside a site it must be met as well.
    #[arg(long, value_name = "TRUST")]
    pub(crate) trust: Option<PathBuf>,
    /// The policy. Beside a site it must be met as well.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// An annex, such as an approval. Those beside the archive (NAME-SERIAL.PERSON.tar) are found without.
    #[arg(long = "annex", value_name = "FILE")]
    pub(crate) annexes: Vec<PathBuf>,
    /// CISA's catalogue of known exploited vulnerabilities (JSON).
    #[arg(long, value_name = "FILE")]
    pub(crate) kev: Option<PathBuf>,
    /// An OpenVEX document about findings. It counts where the policy trusts its author.
    #[arg(long, value_name = "FILE")]
    pub(crate) vex: Vec<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Without a site, --trust is needed; --policy may be left out, and then no policy is applied.

Examples:
  airgap-import verify sovereign-core-20261123213000.tar
  airgap-import verify sovereign-core-20261123213000.tar --trust build-1.pub
  airgap-import verify sovereign-core-20261123213000.tar --rescan --trivy-offline --reports reports
  ssh dmz cat core.tar | airgap-import verify - --trust trust.yaml --json")]
pub(crate) struct VerifyArguments {
    /// The archive, or - for standard input.
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
    /// Judge by this moment in place of now, such as 2026-11-23T21:30:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    /// Scan every image with trivy, search all content by the malware command of the policy, and judge by what they
    /// find too. Each runs where a policy asks for it; where none does, trivy.
    #[arg(long)]
    pub(crate) rescan: bool,
    /// Keep the reports of --rescan in this folder, for `approve --report`.
    #[arg(long, value_name = "DIR", requires = "rescan")]
    pub(crate) reports: Option<PathBuf>,
    /// The folder of trivy's databases; by default its own.
    #[arg(long, value_name = "DIR", requires = "rescan")]
    pub(crate) trivy_cache: Option<PathBuf>,
    /// Scan with trivy's databases as they are, and download none.
    #[arg(long, requires = "rescan")]
    pub(crate) trivy_offline: bool,
}

#[derive(Args)]
#[command(after_help = "\
Judges the archive as `load` will, with this approval counted, shows what was judged, and writes a signed annex that \
`load` finds beside the archive. On a terminal it asks before it does. What policy refuses is not approved: leave it out, bring a newer report, or \
reject the archive. Compare the identity by voice with whoever prepared it. Nobody approves what they prepared.

Without a site, --trust and --policy are needed.

Examples:
  airgap-import approve sovereign-core-20261123213000.tar --key officer-1.key --change CHG-4711
  airgap-import approve core.tar --key officer-1.key --exclude ghcr.io/demo/web:1 --reason \"no fix yet\"
  airgap-import approve core.tar --key officer-1.key --report web.scan.json --report db.scan.json
  airgap-import approve core.tar --key officer-1.key --reject --change CHG-4711 -o core.officer-1.tar
  airgap-import approve core.tar --key 'pkcs11:token=officer-1;object=approve'")]
pub(crate) struct ApproveArguments {
    /// The archive, or - for standard input; then -o is needed.
    pub(crate) archive: PathBuf,
    /// The approver's private key: a file, or the URI of one in a token. Its password or PIN is taken as for every key.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: KeySource,
    /// The role to sign in, where the key's owner has several.
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// Reject the archive: no load accepts it while this annex is beside it, whoever approves.
    #[arg(long)]
    pub(crate) reject: bool,
    /// The number of the change that this belongs to.
    #[arg(long, value_name = "ID")]
    pub(crate) change: Option<String>,
    /// Leave this item out, with everything that requires it; --reason says why. May be given several times.
    #[arg(long, value_name = "ITEM", conflicts_with = "reject")]
    pub(crate) exclude: Vec<String>,
    /// Why the items are left out. It stands in the receipt.
    #[arg(long, value_name = "TEXT", requires = "exclude")]
    pub(crate) reason: Option<String>,
    /// A report to stand on: of a scan or a search for malware by `verify --rescan`, or what `trivy image --format
    /// json` wrote. It goes into the annex; a scan overrules those of an older database and, where the policy takes it,
    /// those that are too old. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
    /// Where to write the annex; by default beside the archive, as NAME-SERIAL.PERSON.tar. Nothing is overwritten.
    #[arg(long, short, value_name = "ANNEX")]
    pub(crate) output: Option<PathBuf>,
    /// Do not ask on a terminal.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
}

#[derive(Args)]
#[command(after_help = "\
The file needs nothing beside it and runs nothing. With --json the same goes to standard output, and a file is \
written only where -o names one. Ends with 3 when the archive is refused; the report is written all the same. \
Without a site, --trust and --policy are needed.

Examples:
  airgap-import report sovereign-core-20261123213000.tar
  airgap-import report core.tar --trust trust.yaml --policy policy.yaml -o core.html")]
pub(crate) struct ReportArguments {
    /// The archive, or - for standard input.
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
    /// Where to write the report; by default NAME-SERIAL.html.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Judge by this moment in place of now, such as 2026-11-23T21:30:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
}

#[derive(Args)]
#[command(after_help = "\
Asks the targets what is there already and whether the rest may be brought. Without a site, --trust and \
--policy are needed.

Examples:
  airgap-import plan sovereign-core-20261123213000.tar --to destinations.yaml
  airgap-import plan core.tar --to /srv/registry --trust build-1.pub --policy policy.yaml --json")]
pub(crate) struct PlanArguments {
    /// The archive, or - for standard input.
    pub(crate) archive: PathBuf,
    /// The destinations, or a folder in their place.
    #[arg(long, value_name = "DESTINATIONS|DIR")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
    /// Only this group or item, and what it requires. May be given several times.
    #[arg(long, value_name = "GROUP|ITEM")]
    pub(crate) only: Vec<String>,
}

#[derive(Args)]
#[command(after_help = "\
Needs a site. Nothing is written to a target before every byte is verified and the archive is accepted; names \
move only when all content is at all targets. A load that was interrupted is given again: what is there \
already is not sent twice.

Examples:
  airgap-import load sovereign-core-20261123213000.tar --to destinations.yaml
  airgap-import load sovereign-core-20261123213000.tar --to destinations.yaml --hold
  ssh dmz cat core.tar | airgap-import load - --spool /var/tmp --to /srv/registry")]
pub(crate) struct LoadArguments {
    /// The archive, or - for standard input.
    pub(crate) archive: PathBuf,
    /// The destinations, or a folder in their place.
    #[arg(long, value_name = "DESTINATIONS|DIR")]
    pub(crate) to: PathBuf,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
    /// Only this group or item, and what it requires. May be given several times.
    #[arg(long, value_name = "GROUP|ITEM")]
    pub(crate) only: Vec<String>,
    /// Bring the content and set no name; `publish` sets them later.
    #[arg(long)]
    pub(crate) hold: bool,
    /// Copy the archive into this folder while it is verified, to read a slow medium once. Standard input
    /// needs it.
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Example:
  airgap-import publish 7 --to destinations.yaml")]
pub(crate) struct PublishArguments {
    /// The receipt of the load that was held: its number, or its file.
    pub(crate) receipt: String,
    /// The destinations, or the folder, that it was loaded to.
    #[arg(long, value_name = "DESTINATIONS|DIR")]
    pub(crate) to: PathBuf,
    /// An annex that came since, such as a rejection.
    #[arg(long = "annex", value_name = "FILE")]
    pub(crate) annexes: Vec<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Repositories go by their names upstream: HOST:PORT/ghcr.io/openova-io/bp-cilium, and as a mirror of \
containerd's by ?ns=. Everything is hashed again while it is sent. On loopback an archive needs its preparer's \
signature; beyond, it must be accepted as by load. A folder is served on loopback only, as nothing in it says who \
accepted what is there.

Examples:
  airgap-import serve sovereign-core-20261123213000.tar --listen 127.0.0.1:5000
  airgap-import serve core.tar --listen 0.0.0.0:443 --tls-cert node.pem --tls-key node.key
  airgap-import serve /srv/registry --listen 127.0.0.1:5000")]
pub(crate) struct ServeArguments {
    /// The archive, or a folder that was loaded into.
    #[arg(value_name = "ARCHIVE|DIR")]
    pub(crate) content: PathBuf,
    /// The address to listen on.
    #[arg(long, value_name = "ADDR")]
    pub(crate) listen: SocketAddr,
    /// The server's certificate, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its private key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) judge: JudgeArguments,
    /// Serve an archive whose signature nobody checked; only on loopback.
    #[arg(long, conflicts_with = "trust")]
    pub(crate) unverified: bool,
}

#[derive(Subcommand)]
pub(crate) enum ReceiptCommand {
    /// Show a receipt, once its signature is checked; by default the last one.
    Show {
        /// Its number.
        number: Option<u64>,
    },
    /// Check one receipt, or the whole chain of a site and its ledger.
    #[command(after_help = "\
Examples:
  airgap-import receipt verify
  airgap-import receipt verify 000007-core-20261123213000.json --key receipt.pub
  cosign verify-blob-attestation --type https://airgap.openova.io/receipt/v1 --key receipt.pub \\
    --bundle R.sigstore.json --insecure-ignore-tlog R.json")]
    Verify {
        /// The receipt, minimal or not; its bundle stands beside it as NAME.sigstore.json, its verification
        /// summaries as NAME.vsa.jsonl. By default, or with the word chain: all receipts of the site.
        #[arg(value_name = "FILE|chain")]
        receipt: Option<PathBuf>,
        /// The public key of the site that issued it; by default that of the site at hand.
        #[arg(long, value_name = "PUB", requires = "receipt")]
        key: Option<PathBuf>,
    },
    /// Judge what came in once more, from what was kept of it alone, and compare with what was found then.
    #[command(after_help = "\
The chain of receipts is checked first. Then each archive's evidence pack and annexes are judged by the trust files, \
policies, trusted roots and documents that it was let in by, as of that moment, without a network. What is not as it \
was kept is named, and the exit status is 3.

Examples:
  airgap-import receipt judge
  airgap-import receipt judge 7 --json")]
    Judge {
        /// The number of the receipt; by default every one that let something in.
        number: Option<u64>,
    },
    /// Copy a receipt, its signature bundle and its verification summaries out.
    #[command(after_help = "\
A minimal receipt says which archive arrived, when, and what became of it: what the connected side may know. It \
names no target, no item and no person, and is signed again with the site's key.

Examples:
  airgap-import receipt export 7 -o receipt.json
  airgap-import receipt export 7 -o arrived.json --minimal
  cosign verify-blob-attestation --type https://airgap.openova.io/minimal-receipt/v1 --key receipt.pub \\
    --bundle arrived.sigstore.json --insecure-ignore-tlog arrived.json")]
    Export {
        /// Its number.
        number: u64,
        /// Where to write the receipt; its bundle goes beside it as NAME.sigstore.json, its verification summaries
        /// as NAME.vsa.jsonl.
        #[arg(long, short, value_name = "FILE")]
        output: PathBuf,
        /// Write only what may leave the site.
        #[arg(long)]
        minimal: bool,
    },
}

#[derive(Args)]
#[command(after_help = "\
Answers from the state directory alone: the chain of receipts is checked first, then the evidence that was kept \
of each archive is searched. The digest may be an archive's identity, or that of an item, of a manifest, config \
or layer of one, or of a signature or report.

Examples:
  airgap-import why sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
  airgap-import why $(crane digest harbor.mgt.example/ghcr.io/openova-io/bp-cilium:1.2.0) --json")]
pub(crate) struct WhyArguments {
    /// The digest.
    pub(crate) digest: Digest,
}

#[derive(Args)]
#[command(after_help = "\
Without --trust nothing of it is to be believed, and the output says so. The content is not read: `verify` \
does that.

Examples:
  airgap-import inspect sovereign-core-20261123213000.tar
  airgap-import inspect sovereign-core-20261123213000.tar --trust build-1.pub --json")]
pub(crate) struct InspectArguments {
    /// The archive, or its evidence pack.
    pub(crate) archive: PathBuf,
    /// The trust file, or the preparer's public key in its place.
    #[arg(long, value_name = "TRUST")]
    pub(crate) trust: Option<PathBuf>,
}
