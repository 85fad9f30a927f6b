//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;
use console::key_source::KeySource;
use manifests::Timestamp;

/// Pins, collects and writes what a Sovereign runs on into one signed archive.
#[derive(Parser)]
#[command(name = "airgap-bundle", version, max_term_width = 110, after_help = STATUS)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const STATUS: &str = "\
Exit status: 0 done; 1 failed, worth another try (network, disk); 2 wrong use; 3 refused \
by trust or policy; 4 damaged. Credentials come from the Docker configuration and its \
helpers (`docker login`), the password of a key or the PIN of a token from \
AIRGAP_KEY_PASSWORD or COSIGN_PASSWORD, or it is asked for.

Examples:
  airgap-bundle init .
  airgap-bundle keygen --out build-1
  airgap-bundle lock sovereign-core.yaml
  airgap-bundle build sovereign-core.yaml --key build-1.key
  airgap-bundle verify sovereign-core-20261123213000.tar --key build-1.pub";

/// How a command reports.
#[derive(Args, Clone, Copy)]
pub(crate) struct Output {
    /// Print the result as one JSON document on standard output.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print no progress and no notices, only the result and errors.
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a commented definition and policy to start from.
    Init(InitArguments),
    /// Make a key pair for signing archives.
    Keygen(KeygenArguments),
    /// Pin everything that a definition names, and fetch its evidence.
    Lock(LockArguments),
    /// Write the archive that a lock describes.
    Build(BuildArguments),
    /// Show what an archive says it is.
    Inspect(InspectArguments),
    /// Check an archive: its signature, then every byte.
    Verify(VerifyArguments),
    /// Draft a policy, and try one on an archive.
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Write one HTML file about an archive: items, signers, findings, exceptions, what is against it.
    Report(ReportArguments),
    /// Print the completions of a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
}

#[derive(Args)]
#[command(after_help = "\
Nothing that exists is overwritten.

Example:
  airgap-bundle init my-sovereign")]
pub(crate) struct InitArguments {
    /// The folder to write into; it is made where it does not exist.
    #[arg(default_value = ".")]
    pub(crate) folder: PathBuf,
}

#[derive(Args)]
#[command(after_help = "\
PREFIX.key is readable by you alone; its password comes from AIRGAP_KEY_PASSWORD or \
COSIGN_PASSWORD, or is asked for. PREFIX.pub goes to whoever checks the archives: compare \
the printed id by voice. A key pair of `cosign generate-key-pair` works as well.

A token makes its keys with its own tools (pkcs11-tool --keypairgen --key-type EC:prime256v1); \
--public-of then writes PREFIX.pub alone.

Examples:
  airgap-bundle keygen --out build-1
  airgap-bundle keygen --out ci --unencrypted
  airgap-bundle keygen --public-of 'pkcs11:token=build;object=build-1' --out build-1")]
pub(crate) struct KeygenArguments {
    /// Where to write PREFIX.key and PREFIX.pub.
    #[arg(long, value_name = "PREFIX")]
    pub(crate) out: PathBuf,
    /// Do not encrypt the private key.
    #[arg(long)]
    pub(crate) unencrypted: bool,
    /// Make no key: write the public half of this one, a file or one in a token, and print its id.
    #[arg(long, value_name = "KEY", conflicts_with = "unencrypted")]
    pub(crate) public_of: Option<KeySource>,
}

/// The user's own settings of hosts.
#[derive(Args)]
pub(crate) struct HostsArguments {
    /// Settings of hosts (mirror, CA, proxy) that override the definition's, host by host. They also come
    /// from $XDG_CONFIG_HOME/airgap/hosts.yaml (~/.config), which this file overrides.
    #[arg(long, value_name = "FILE")]
    pub(crate) hosts: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Everything is pinned anew, and what changed is shown. --update pins only the named entries \
anew (an emergency fix, say) and keeps all others as the lock has them. A name is written \
as in the definition, or in full, with or without its tag.

With a policy that judges vulnerabilities and counts reports that the archive carries \
(reports: carried), every platform of every image is scanned by trivy, and the reports are \
pinned with the rest. A platform that a --report is about is not scanned. What `trivy image \
--format json` wrote says neither how old its database was nor which filters ran: the policy \
has to accept that (unknownDatabase: warn, unknownArguments: warn).

Examples:
  airgap-bundle lock sovereign-core.yaml
  airgap-bundle lock sovereign-core.yaml --policy policy.yaml
  airgap-bundle lock sovereign-core.yaml --policy policy.yaml --report web.trivy.json
  airgap-bundle lock sovereign-core.yaml --update ghcr.io/openova-io/bp-cilium")]
pub(crate) struct LockArguments {
    /// The definition.
    pub(crate) definition: PathBuf,
    /// Where to write the lock; by default DEFINITION with .lock.json in place of .yaml.
    #[arg(long, short, value_name = "LOCK")]
    pub(crate) output: Option<PathBuf>,
    /// Pin only this entry anew. May be given several times.
    #[arg(long, value_name = "NAME")]
    pub(crate) update: Vec<String>,
    /// The policy, which says whether images are scanned.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// A report on an image: what `trivy image --format json` wrote, or a ScanReport. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(crate) report: Vec<PathBuf>,
    /// The folder of trivy's databases; by default its own.
    #[arg(long, value_name = "DIR", requires = "policy")]
    pub(crate) trivy_cache: Option<PathBuf>,
    /// Scan with trivy's databases as they are, and download none.
    #[arg(long, requires = "policy")]
    pub(crate) trivy_offline: bool,
    #[command(flatten)]
    pub(crate) hosts: HostsArguments,
}

#[derive(Args)]
#[command(after_help = "\
An interrupted build goes on where it was when the same command is given again. With \
`-o -` the archive goes to standard output, in order and without resuming.

A key in a token has a URI (RFC 7512). Its module comes from ?module-path=PATH, or from AIRGAP_PKCS11_MODULE.

Examples:
  airgap-bundle build sovereign-core.yaml --key build-1.key
  airgap-bundle build sovereign-core.yaml --key build-1.key -o - | ssh store 'cat > core.tar'
  airgap-bundle build core.yaml --key 'pkcs11:token=build;object=build-1?pin-source=file:/etc/airgap/pin'")]
pub(crate) struct BuildArguments {
    /// The definition.
    pub(crate) definition: PathBuf,
    /// The lock; by default DEFINITION with .lock.json in place of .yaml.
    #[arg(long, value_name = "LOCK")]
    pub(crate) lock: Option<PathBuf>,
    /// The policy to judge by.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: Option<PathBuf>,
    /// CISA's catalogue of known exploited vulnerabilities (JSON).
    #[arg(long, value_name = "FILE")]
    pub(crate) kev: Option<PathBuf>,
    /// An OpenVEX document about findings. It counts where the policy trusts its author.
    #[arg(long, value_name = "FILE")]
    pub(crate) vex: Vec<PathBuf>,
    /// The private key of the preparer: a file, or the URI of one in a token.
    #[arg(long, value_name = "KEY")]
    pub(crate) key: KeySource,
    /// The archive to write, or - for standard output; by default NAME-SERIAL.tar.
    #[arg(long, short, value_name = "ARCHIVE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) hosts: HostsArguments,
}

/// Whom to believe.
#[derive(Args)]
#[group(multiple = false)]
pub(crate) struct TrustArguments {
    /// The trust file.
    #[arg(long, value_name = "TRUST")]
    pub(crate) trust: Option<PathBuf>,
    /// The preparer's public key, in place of a trust file.
    #[arg(long, value_name = "PUB")]
    pub(crate) key: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Without --trust or --key nothing of it is to be believed, and the output says so. The \
content is not read: `airgap-bundle verify` does that.

Examples:
  airgap-bundle inspect sovereign-core-20261123213000.tar
  airgap-bundle inspect sovereign-core-20261123213000.tar --key build-1.pub --json")]
pub(crate) struct InspectArguments {
    /// The archive, or its evidence pack.
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

#[derive(Args)]
#[command(after_help = "\
Examples:
  airgap-bundle verify sovereign-core-20261123213000.tar --key build-1.pub
  ssh store cat core.tar | airgap-bundle verify - --trust trust.yaml")]
pub(crate) struct VerifyArguments {
    /// The archive, or - for standard input.
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
}

/// What is known of vulnerabilities beside the reports.
#[derive(Args)]
pub(crate) struct KnowledgeArguments {
    /// CISA's catalogue of known exploited vulnerabilities (JSON).
    #[arg(long, value_name = "FILE")]
    pub(crate) kev: Option<PathBuf>,
    /// An OpenVEX document about findings. It counts where the policy trusts its author.
    #[arg(long, value_name = "FILE")]
    pub(crate) vex: Vec<PathBuf>,
}

#[derive(Subcommand)]
pub(crate) enum PolicyCommand {
    /// Draft a policy from the signers that were observed in the evidence of a lock.
    Init(PolicyInitArguments),
    /// Explain item by item which rule of a policy decides about an archive, and why.
    Test(PolicyTestArguments),
}

#[derive(Args)]
#[command(after_help = "\
The signers are read from the evidence and not verified: anybody can write a name into a certificate of their \
own. Every line that you have to decide about is marked DECIDE. Nothing that exists is overwritten.

Examples:
  airgap-bundle policy init --from sovereign-core.lock.json --trusted-root trusted_root.json
  airgap-bundle policy init --from sovereign-core.lock.json -o policy.yaml")]
pub(crate) struct PolicyInitArguments {
    /// The lock; the files beside it are read too.
    #[arg(long, value_name = "LOCK")]
    pub(crate) from: PathBuf,
    /// Where to write the policy; by default LOCK with .policy.yaml in place of .lock.json.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The trusted root of Sigstore (trusted_root.json) that identities are judged by.
    #[arg(long, value_name = "FILE")]
    pub(crate) trusted_root: Option<PathBuf>,
}

#[derive(Args)]
#[command(after_help = "\
Ends with 3 when something is refused, after all reasons. Without --trust or --key nothing of the archive is to \
be believed, and the output says so. Of its content only the evidence is read.

Examples:
  airgap-bundle policy test policy.yaml sovereign-core-20261123213000.tar --key build-1.pub
  airgap-bundle policy test policy.yaml core.tar --at 2026-11-24T08:00:00Z --kev kev.json --json")]
pub(crate) struct PolicyTestArguments {
    /// The policy.
    pub(crate) policy: PathBuf,
    /// The archive, or its evidence pack.
    pub(crate) archive: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Judge by this moment in place of now, such as 2026-11-23T21:30:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) knowledge: KnowledgeArguments,
}

#[derive(Args)]
#[command(after_help = "\
The file needs nothing beside it and runs nothing. With --json the same goes to standard output, and a file is \
written only where -o names one. Ends with 3 when something is refused; the report is written all the same. \
Without --trust or --key nothing of the archive is to be believed, and the report says so.

Examples:
  airgap-bundle report sovereign-core-20261123213000.tar --policy policy.yaml --key build-1.pub
  airgap-bundle report core.tar --policy policy.yaml --trust trust.yaml -o core.html")]
pub(crate) struct ReportArguments {
    /// The archive.
    pub(crate) archive: PathBuf,
    /// The policy to judge by.
    #[arg(long, value_name = "POLICY")]
    pub(crate) policy: PathBuf,
    #[command(flatten)]
    pub(crate) trust: TrustArguments,
    /// Where to write the report; by default NAME-SERIAL.html.
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Judge by this moment in place of now, such as 2026-11-23T21:30:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) at: Option<Timestamp>,
    #[command(flatten)]
    pub(crate) knowledge: KnowledgeArguments,
}
