//! The certificate of a server.

use std::sync::Arc;

use console::{Class, Failure, input};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::Tls;

/// Largest file of certificates or a key, in bytes.
const FILE_BYTES: u64 = 1024 * 1024;

/// What speaks TLS with the certificate and key of two files.
///
/// # Errors
/// When one cannot be read, or they do not belong together.
pub(super) fn acceptor(tls: &Tls<'_>) -> Result<TlsAcceptor, Failure> {
    let wrong = |path: &std::path::Path, message: String| Failure::new(Class::Usage, path.display(), message);
    let pem = input::read(tls.certificate, FILE_BYTES)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|error| wrong(tls.certificate, format!("found no certificate in PEM: {error}")))?;
    if chain.is_empty() {
        return Err(wrong(tls.certificate, "found no certificate, wanted PEM".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_slice(&input::read(tls.key, FILE_BYTES)?)
        .map_err(|error| wrong(tls.key, format!("found no private key in PEM: {error}")))?;
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    let mut config =
        config.map_err(|error| wrong(tls.key, format!("cannot use the certificate: {error}")))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsAcceptor::from(Arc::new(config)))
}
