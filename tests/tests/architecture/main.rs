//! The rules of `docs/architecture.md` that a compiler does not hold: who may import whom, what stays
//! pure, and what keeps the tree readable. Nothing here needs a server.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test says that it failed"
)]

mod dependencies;
mod files;
mod imports;
mod source;

/// Fails with every violation, not only the first.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}
