//! A site: what one importer is set up with and what it remembers, in its state directory.
//!
//! ```text
//! site.json     name, channels, and the digests of trust, policy and receipt key
//! trust.yaml    policy.yaml    receipt.key (0600)    receipt.pub
//! ledger.jsonl  what was accepted, which names were set; its first line pins site.json
//! receipts/     NUMBER-CHANNEL-SERIAL.json and .sigstore.json, in a chain
//! evidence/     by identity: the evidence pack, annexes, policy and trust of each archive that was accepted
//! lock          held by the one writer
//! ```

pub(crate) mod ledger;
mod ledger_lines;
pub(crate) mod names;

use ledger::Ledger;

/// An opened site.
pub(crate) struct Site {
    /// What was accepted, which names were set.
    pub(crate) ledger: Ledger,
}
