//! Why a site cannot be used.

use std::io;
use std::path::{Path, PathBuf};

use console::{Class, Failure};
use manifests::Digest;
use manifests::key::KeyError;

use super::ledger::LedgerError;

/// Why a site cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SiteError {
    /// There is no site.
    #[error("found no site, wanted a state directory")]
    Missing(PathBuf),
    /// There is something in the place of a new site.
    #[error("found something there already, wanted a path that is free")]
    Exists(PathBuf),
    /// Another command writes.
    #[error("found another command at work on this site, wanted to be the only writer")]
    Locked(PathBuf),
    /// The disk failed.
    #[error("{1}")]
    Io(PathBuf, #[source] io::Error),
    /// A file is not what was pinned when the site was set up.
    #[error("found {found}, wanted {wanted}, which was pinned when the site was set up")]
    Changed {
        /// The file.
        path: PathBuf,
        /// What it is now.
        found: Digest,
        /// What it was.
        wanted: Digest,
    },
    /// A file of the site is not of its form.
    #[error("{1}")]
    Form(PathBuf, String),
    /// The ledger is gone.
    #[error("found no ledger, wanted the one that knows what was accepted and which names were set")]
    LedgerMissing(PathBuf),
    /// The ledger is there and cannot be used.
    #[error("the ledger: {1}")]
    Ledger(PathBuf, #[source] LedgerError),
    /// The site's key did not sign.
    #[error("the receipt key: {1}")]
    Signing(PathBuf, #[source] KeyError),
    /// A receipt is missing, changed or not the site's.
    #[error("{1}")]
    Receipt(PathBuf, String),
}

const RESTORE: &str = "restore the state directory from a backup; a ledger cannot be made anew from the receipts by this version";

impl SiteError {
    fn path(&self) -> &Path {
        match self {
            Self::Missing(path)
            | Self::Exists(path)
            | Self::Locked(path)
            | Self::Io(path, _)
            | Self::Changed { path, .. }
            | Self::Form(path, _)
            | Self::LedgerMissing(path)
            | Self::Ledger(path, _)
            | Self::Signing(path, _)
            | Self::Receipt(path, _) => path,
        }
    }

    const fn class(&self) -> Class {
        match self {
            Self::Missing(_) | Self::Exists(_) => Class::Usage,
            Self::Locked(_)
            | Self::Io(..)
            | Self::Signing(..)
            | Self::Ledger(_, LedgerError::Io(_) | LedgerError::Interrupted) => Class::Failed,
            // What the site remembers is what it trusts by: a changed memory is not to be trusted.
            Self::Changed { .. }
            | Self::Form(..)
            | Self::LedgerMissing(_)
            | Self::Ledger(..)
            | Self::Receipt(..) => Class::Refused,
        }
    }

    const fn advice(&self) -> &'static str {
        match self {
            Self::Missing(_) => "set one up with `airgap-import init --state DIR`",
            Self::Exists(_) => {
                "a site is set up once; choose another directory, or use the one that is there"
            }
            Self::Locked(_) => "wait until it has ended",
            Self::Io(..) => "",
            Self::Signing(..) => {
                "when its token is back, give the command again: what is done is not done twice"
            }
            Self::Ledger(_, LedgerError::Io(_) | LedgerError::Interrupted) => "",
            _ => RESTORE,
        }
    }
}

impl From<SiteError> for Failure {
    fn from(error: SiteError) -> Self {
        Self::new(error.class(), error.path().display(), &error).advise(error.advice())
    }
}

impl From<SiteError> for console::Failures {
    fn from(error: SiteError) -> Self {
        Failure::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_failure_says_what_to_do_where_something_can_be_done() {
        let path = || PathBuf::from("state");
        let io = || io::Error::other("broken");
        for (error, class, advice) in [
            (SiteError::Missing(path()), Class::Usage, "airgap-import init"),
            (SiteError::Exists(path()), Class::Usage, "choose another directory"),
            (SiteError::Locked(path()), Class::Failed, "wait until it has ended"),
            (SiteError::Signing(path(), KeyError::Kind), Class::Failed, "when its token is back"),
            (SiteError::Io(path(), io()), Class::Failed, ""),
            (SiteError::Ledger(path(), LedgerError::Io(io())), Class::Failed, ""),
            (SiteError::Ledger(path(), LedgerError::Interrupted), Class::Failed, ""),
            (SiteError::LedgerMissing(path()), Class::Refused, "restore the state directory"),
            (SiteError::Receipt(path(), "changed".to_owned()), Class::Refused, "restore the state directory"),
        ] {
            assert_eq!(error.class(), class, "{error}");
            let said = error.advice();
            assert!(said.contains(advice) && said.is_empty() == advice.is_empty(), "{error}: {said}");
        }
    }
}
