//! New trust files and policies on the command line.

use std::path::PathBuf;

use clap::Subcommand;
use console::key_source::KeySource;

/// What is done with trust files.
#[derive(Subcommand)]
#[command(after_help = "\
Version N+1 needs the thresholds of everybody who approves, by the file in force and by the new one; where keys \
were lost, the role recovery of the file in force stands in for its other people. Keys that were stolen stand in \
the new file with `revoked: DATE`.

Examples:
  airgap-import trust sign trust-2.yaml --key officer-1.key
  airgap-import trust update trust-2.yaml --state /var/lib/airgap
  airgap-import trust show --state /var/lib/airgap")]
pub(crate) enum TrustCommand {
    /// Sign a new trust file: one file beside it for each person.
    Sign {
        /// The new trust file.
        trust: PathBuf,
        /// The private key of who signs: a file, or the URI of one in a token (pkcs11:token=T;object=O).
        #[arg(long, value_name = "KEY")]
        key: KeySource,
        /// Where to write the signature; by default TRUST.DIGEST.KEY-ID.sigstore.json beside it.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Put a trust file in force at this site.
    Update {
        /// The new trust file.
        trust: PathBuf,
        /// A signature; by default all that lie beside the file. May be given several times.
        #[arg(long = "signature", value_name = "FILE")]
        signatures: Vec<PathBuf>,
    },
    /// Show who is trusted in which role.
    Show,
}

/// What is done with policies.
#[derive(Subcommand)]
#[command(after_help = "\
A new policy has a greater `version:` than the one in force, and needs the thresholds of everybody who approves, by \
the trust in force. `airgap-bundle policy test` tries one on an archive before.

Examples:
  airgap-import policy sign policy-2.yaml --key officer-1.key
  airgap-import policy update policy-2.yaml --state /var/lib/airgap
  airgap-import policy show --state /var/lib/airgap")]
pub(crate) enum PolicyCommand {
    /// Sign a new policy: one file beside it for each person.
    Sign {
        /// The new policy.
        policy: PathBuf,
        /// The private key of who signs: a file, or the URI of one in a token (pkcs11:token=T;object=O).
        #[arg(long, value_name = "KEY")]
        key: KeySource,
        /// Where to write the signature; by default POLICY.DIGEST.KEY-ID.sigstore.json beside it.
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Put a policy in force at this site.
    Update {
        /// The new policy.
        policy: PathBuf,
        /// A signature; by default all that lie beside the file. May be given several times.
        #[arg(long = "signature", value_name = "FILE")]
        signatures: Vec<PathBuf>,
    },
    /// Show which policy is in force.
    Show,
}
