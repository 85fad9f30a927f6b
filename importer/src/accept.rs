//! Accept: a verified archive, judged by this side's own trust, policy, ledger and clock.

use std::fs::File;

use manifests::Digest;
use manifests::trust::Signer;
use transfer::archive::Verified;

/// An archive that may be loaded. Only [`accept`] makes one.
#[derive(Debug)]
pub(crate) struct Accepted {
    archive: Verified<File>,
    signers: Vec<Signer>,
    annexes: Vec<Digest>,
    trust: Digest,
    policy: Digest,
}

impl Accepted {
    /// The archive, every byte of which is what was signed.
    #[must_use]
    pub(crate) const fn archive(&self) -> &Verified<File> {
        &self.archive
    }

    /// Who signed it and its annexes, by the site's trust file.
    #[must_use]
    pub(crate) fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The identities of the annexes that were counted.
    #[must_use]
    pub(crate) fn annexes(&self) -> &[Digest] {
        &self.annexes
    }

    /// The digest of the trust file that the signers stand in: the site's, where there is one.
    #[must_use]
    pub(crate) const fn trust(&self) -> Digest {
        self.trust
    }

    /// The digest of the policy that it was accepted by: the site's, where there is one.
    #[must_use]
    pub(crate) const fn policy(&self) -> Digest {
        self.policy
    }
}
