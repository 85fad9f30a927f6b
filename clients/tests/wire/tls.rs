//! Servers with certificates that are known, unknown, or not theirs.
//!
//! The certificates were made with `openssl x509` for a hundred years. `server.pem` is for 127.0.0.1,
//! `misnamed.pem` for another name, both by `authority.pem` and with `server.key`, which opens nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use clients::http::{HostSettings, Http, Options};
use clients::registry::{Remote, Selector};
use clients::{Error, Problem};
use manifests::reference::Repository;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::server::{Server, options, status};

const AUTHORITY: &str = include_str!("certificates/authority.pem");
const OTHER_AUTHORITY: &str = include_str!("certificates/other-authority.pem");
const SERVER: &str = include_str!("certificates/server.pem");
const MISNAMED: &str = include_str!("certificates/misnamed.pem");
const KEY: &str = include_str!("certificates/server.key");

/// A registry without anything, over TLS.
async fn start(certificate: &str) -> SocketAddr {
    let key = PrivateKeyDer::from_pem_slice(KEY.as_bytes()).unwrap();
    let certificate = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![certificate], key).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut socket) = acceptor.accept(socket).await else { return };
                let _ = socket.read(&mut [0; 4096]).await;
                let _ = socket.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n").await;
                let _ = socket.shutdown().await;
            });
        }
    });
    address
}

async fn ask(address: SocketAddr, certificates: Option<&str>) -> Error {
    let certificates = certificates.map(|pem| pem.as_bytes().to_vec());
    let settings = HostSettings { certificates, plain_http: Some(false), ..HostSettings::default() };
    let hosts = [(address.to_string(), settings)].into();
    let http = Http::new(Options { hosts, ..options() });
    let repository = Repository::new(&address.to_string(), "team/app").unwrap();
    Remote::new(&http, &repository).unwrap().get_manifest(Selector::Tag("v1")).await.unwrap_err()
}

#[tokio::test]
async fn a_server_is_known_by_the_authorities_that_the_settings_name() {
    let address = start(SERVER).await;
    let answered = ask(address, Some(AUTHORITY)).await;
    assert!(matches!(answered.problem, Problem::NotFound(_)), "{answered}");

    let misnamed = start(MISNAMED).await;
    for (address, certificates, why) in [
        (address, None, "an unknown authority"),
        (address, Some(OTHER_AUTHORITY), "another authority"),
        (misnamed, Some(AUTHORITY), "the certificate of another host"),
    ] {
        let error = ask(address, certificates).await;
        assert!(matches!(error.problem, Problem::Tls(_)), "{why}: {error}");
        assert!(error.to_string().contains("caFile"), "{why}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_told_apart_from_a_network_that_fails() {
    let server = Server::start(|_| status(404)).await;
    let before = Instant::now();
    let error = ask(server.address, None).await;
    assert!(error.to_string().contains("plainHttp"), "{error}");
    assert!(!error.problem.is_transient(), "time does not heal it: {:?}", before.elapsed());
}
