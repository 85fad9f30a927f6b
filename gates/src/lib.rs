//! Judgements, offline and pure, shared by both sides: the same code runs in `build` and in `load`, each with
//! its own policy, trusted roots and clock. One folder a gate.
//!
//! ```text
//! Item + evidence + policy + time -> Verdict
//! ```
//!
//! Evidence is all that is judged by: nothing is asked of a network, a disk or a clock here. Where evidence is
//! missing, ambiguous or cannot be read, the verdict is a refusal that says so.

mod age;
#[cfg(test)]
mod ambiguous;
mod judgement;
mod kept;
pub mod malware;
pub mod signature;
mod verdict;
pub mod vulnerability;

pub use age::Clock;
pub use judgement::{Before, GATES, Grounds, JudgedItem, Judgement, NOTHING, judge, lacking, repository};
pub use kept::{KeptItem, KeptJudgement, KeptVerdict};
use manifests::Descriptor;
use manifests::inventory::Item;
pub use verdict::{Outcome, Verdict};

/// Where manifests, configs and evidence are read: an archive, or the files beside a lock.
pub trait Content {
    /// The bytes of small content, whose digest and size were compared with `wanted`.
    ///
    /// # Errors
    /// When it is not there, or is not what its digest says.
    fn read(&self, wanted: &Descriptor) -> Result<Vec<u8>, Unreadable>;
}

/// Why content could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unreadable(pub String);

/// What is judged: an item, and where its evidence is.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// The item.
    pub item: &'a Item,
    /// Where its manifests and evidence are read.
    pub content: &'a dyn Content,
}
