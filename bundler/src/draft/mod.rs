//! A policy drafted from what was observed in a lock's evidence, for a person to decide about.
//!
//! ```text
//! Lock + evidence -> Observed (signers) -> Rule (patterns) -> text
//! ```
//!
//! What a signature says of itself is not verified here: anybody can write it. So every rule is marked with
//! [`DECIDE`], and what no rule is about stays refused.

mod patterns;
mod signers;
mod text;

pub(crate) use patterns::{Rule, rules};
pub(crate) use signers::observe;
pub(crate) use text::{DECIDE, Root, write};
