//! Serve: a read-only registry, straight from an archive or from a folder that was loaded into.
//!
//! ```text
//! archive | folder -> catalog (names, manifests, referrers) -> registry (routes) -> connection (limits, TLS)
//! ```
//!
//! Images are under their upstream names below the upstream host (`/v2/ghcr.io/a/b/...`), and under the plain
//! name with `?ns=ghcr.io`, as containerd asks its mirrors.

mod answer;
mod catalog;
mod connection;
mod registry;
mod route;
mod tls;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::serve::Listener as _;
use console::escape::escape;
use console::{Class, Failure, Failures};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use transfer::archive::{Unverified, Verified};

use crate::blobs::{Blobs, Folder};
use crate::folder_index::FolderIndex;
use catalog::Catalog;
use connection::Connections;

/// What is served.
pub(crate) enum Content {
    /// An archive that was verified; what is sent is hashed again.
    Verified(Box<Verified<std::fs::File>>),
    /// An archive that nobody verified; only on loopback.
    Unverified(Box<Unverified<std::fs::File>>),
    /// A folder that was loaded into: what its index names; only on loopback.
    Directory(PathBuf),
}

/// The certificate and key of a server.
pub(crate) struct Tls<'a> {
    /// PEM, the server's own certificate first.
    pub(crate) certificate: &'a Path,
    /// PEM.
    pub(crate) key: &'a Path,
}

/// How many entries of a folder that are not served are named.
const NAMED: usize = 10;

/// Serves until the process is told to end (SIGINT, SIGTERM). Prints the address once it listens, and says what is not
/// served through `notice`.
///
/// # Errors
/// When the address cannot be listened on, or the certificate cannot be used.
pub(crate) async fn serve(
    content: Content,
    listen: SocketAddr,
    tls: Option<Tls<'_>>,
    notice: impl Fn(&[String]),
) -> Result<(), Failures> {
    let served = open(content, notice)?;
    let tls = tls.map(|tls| tls::acceptor(&tls)).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let failed = |error: std::io::Error| Failure::new(Class::Failed, listen, error);
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let listener = Connections::new(listener, tls);
    let address = listener.local_addr().map_err(failed)?;
    let end = end().map_err(failed)?;
    println!("serving {} on {scheme}://{address}", escape(&served.catalog.summary()));
    eprint!("{}", hint(&format!("{scheme}://{address}")));
    let router = Router::new().fallback(registry::answer).with_state(Arc::new(served));
    axum::serve(listener, router).with_graceful_shutdown(end).await.map_err(failed)?;
    Ok(())
}

/// Serves an archive on loopback until what is returned beside the address is dropped.
///
/// # Errors
/// When the archive cannot be served, or the address cannot be listened on.
pub(crate) async fn on_loopback(
    archive: Arc<Verified<std::fs::File>>,
    host: std::net::IpAddr,
) -> Result<(SocketAddr, tokio::task::JoinSet<()>), Failure> {
    let catalog = Catalog::of_inventory(archive.inventory(), &archive)
        .map_err(|error| Failure::new(Class::Damaged, "archive", error))?;
    let served = Served { catalog, blobs: Arc::new(archive) };
    let failed = |error: std::io::Error| Failure::new(Class::Failed, host, error);
    let listener = TcpListener::bind((host, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let listener = Connections::new(listener, None);
    let router = Router::new().fallback(registry::answer).with_state(Arc::new(served));
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move {
        // It ends with the process or with the set; a failure shows where it is asked.
        let _ = axum::serve(listener, router).await;
    });
    Ok((address, server))
}

/// What the routes answer from.
pub(crate) struct Served {
    catalog: Catalog,
    blobs: Arc<dyn Blobs>,
}

fn open(content: Content, notice: impl Fn(&[String])) -> Result<Served, Failure> {
    let damaged = |error| Failure::new(Class::Damaged, "archive", error);
    let (catalog, blobs): (_, Arc<dyn Blobs>) = match content {
        Content::Verified(archive) => {
            let archive = Arc::new(Arc::<Verified<_>>::from(archive));
            let catalog = Catalog::of_inventory(archive.inventory(), archive.as_ref());
            (catalog.map_err(damaged)?, archive)
        }
        Content::Unverified(archive) => {
            let archive = Arc::new(Arc::<Unverified<_>>::from(archive));
            let catalog = Catalog::of_inventory(archive.inventory(), archive.as_ref());
            (catalog.map_err(damaged)?, archive)
        }
        Content::Directory(path) => {
            let layout = if path.join("oci/index.json").exists() { path.join("oci") } else { path.clone() };
            if !layout.join("index.json").exists() {
                let message =
                    "found no index.json and no oci/index.json, wanted a folder that was loaded into";
                return Err(Failure::new(Class::Usage, path.display(), message));
            }
            let index = FolderIndex::read(&layout);
            let index = index.map_err(|error| Failure::new(Class::Damaged, layout.display(), error))?;
            let folder = Arc::new(Folder::new(&layout));
            let (catalog, left_out) = Catalog::of_folder(&index, folder.as_ref());
            if let (true, Some(first)) = (catalog.is_empty(), left_out.first()) {
                let message = format!("found nothing that can be served: {first}");
                return Err(Failure::new(Class::Damaged, layout.display(), message).advise("load it again"));
            }
            notice(&not_served(&layout, &left_out));
            (catalog, folder)
        }
    };
    Ok(Served { catalog, blobs })
}

/// What is said about entries of a folder that are not served.
fn not_served(layout: &Path, left_out: &[String]) -> Vec<String> {
    let layout = layout.display();
    let named = left_out.iter().take(NAMED).map(|entry| format!("{layout}: not served: {entry}"));
    let more = left_out.len().saturating_sub(NAMED);
    let rest = (more > 0).then(|| format!("{layout}: not served: {more} more entries"));
    named.chain(rest).collect()
}

/// Ends with the first signal to end; a second one ends the process at once, in the middle of an answer.
fn end() -> std::io::Result<impl Future<Output = ()>> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        tokio::spawn(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            std::process::exit(1);
        });
    })
}

/// How containerd is told to ask here, for any registry.
fn hint(url: &str) -> String {
    format!(
        "containerd asks here for every registry with /etc/containerd/certs.d/_default/hosts.toml:\n  \
         [host.\"{url}\"]\n    capabilities = [\"pull\", \"resolve\"]\n"
    )
}
