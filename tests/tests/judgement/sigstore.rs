//! A Sigstore of one's own on loopback: the real Fulcio, and the real Rekor and TesseraCT where it keeps logs. OpenSSL
//! is its timestamp authority (Sigstore's own opens a port of all addresses), and whoever a test names is vouched for.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::json;
use tests::desk::Desk;

/// Since when everything in a trusted root here is trusted.
const START: &str = "2026-01-01T00:00:00Z";

/// The services, until this is dropped. `NAME.root.json` is the trusted root, and `NAME.signing.json` says where cosign
/// signs.
pub(crate) struct Sigstore {
    name: &'static str,
    issuer: Issuer,
    fulcio: String,
    authority: String,
    services: Vec<Child>,
}

/// What OpenSSL's timestamp authority goes by (RFC 3161).
const AUTHORITY: &str = "
[tsa]
default_tsa = authority
[authority]
serial = tsa.serial
signer_cert = tsa.pem
signer_key = tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ess_cert_id_alg = sha256
";

/// The least that SLSA's provenance has.
const PROVENANCE: &str = r#"{"buildDefinition": {"buildType": "https://demo.test/build", "externalParameters": {}}, "runDetails": {"builder": {"id": "https://demo.test/builder"}}}"#;

impl Drop for Sigstore {
    fn drop(&mut self) {
        for service in &mut self.services {
            let _ = service.kill();
            let _ = service.wait();
        }
    }
}

impl Sigstore {
    /// One with a log of signatures and one of certificates.
    pub(crate) fn with_logs(desk: &Desk) -> Self {
        Self::start(desk, "logged", true)
    }

    /// One that keeps no logs: a timestamp authority alone says when something was signed.
    pub(crate) fn without_logs(desk: &Desk) -> Self {
        Self::start(desk, "unlogged", false)
    }

    fn start(desk: &Desk, name: &'static str, has_logs: bool) -> Self {
        make_keys(desk);
        let [fulcio, rekor, ct] = free_ports();
        let tsa = start_timestamp_authority(desk);
        let mut this = Self {
            name,
            issuer: Issuer::start(),
            fulcio: format!("http://127.0.0.1:{fulcio}"),
            authority: tsa.clone(),
            services: vec![],
        };
        let issuer = &this.issuer.url;
        let settings = format!(
            "oidc-issuers:\n  {issuer}: {{issuer-url: \"{issuer}\", client-id: sigstore, type: email}}\n"
        );
        desk.write("fulcio.yaml", settings);
        let mut log_of_certificates = String::new();
        if has_logs {
            this.run(desk, ct, &format!("tesseract -http_endpoint 127.0.0.1:{ct} -origin ct.test -private_key ct.key -roots_pem_file ca.pem -storage_dir ct-log"));
            log_of_certificates =
                format!("http://127.0.0.1:{ct} --ct-log-origin ct.test --ct-log-public-key-path ct.pub");
            let [grpc, metrics] = free_ports();
            // The host of the log's address is the name that its checkpoints are signed in.
            this.run(desk, rekor, &format!("rekor-server serve --http-address 127.0.0.1 --http-port {rekor} --grpc-address 127.0.0.1 --grpc-port {grpc} --http-metrics-port {metrics} --hostname 127.0.0.1 --storage-dir {}/rekor-log --signer-filepath rekor.key --checkpoint-interval 1s --batch-max-age 100ms", desk.folder().display()));
        }
        let [grpc, metrics] = free_ports();
        this.run(desk, fulcio, &format!("fulcio serve --ca fileca --fileca-cert ca.pem --fileca-key ca.key --fileca-key-passwd test --fileca-watch=false --ct-log-url={log_of_certificates} --config-path fulcio.yaml --host 127.0.0.1 --port {fulcio} --grpc-host 127.0.0.1 --grpc-port {grpc} --metrics-port {metrics} --legacy-unix-domain-socket {}/fulcio.sock", desk.folder().display()));

        let (mut signing, mut trusted) = (String::new(), String::new());
        if has_logs {
            signing = format!(
                "--rekor url=http://127.0.0.1:{rekor},api-version=2,start-time={START},operator=test --rekor-config ANY"
            );
            trusted = format!(
                "--rekor url=http://127.0.0.1:{rekor},public-key=rekor.pub,start-time={START},origin=127.0.0.1 --ctfe url=http://127.0.0.1:{ct},public-key=ct.pub,start-time={START}"
            );
        }
        desk.run(&format!("cosign signing-config create --fulcio url=http://127.0.0.1:{fulcio},api-version=1,start-time={START},operator=test --tsa url={tsa},api-version=1,start-time={START},operator=test --tsa-config ANY {signing} --out {name}.signing.json"));
        desk.run(&format!("cosign trusted-root create --fulcio url=http://127.0.0.1:{fulcio},certificate-chain=ca.pem,start-time={START} --tsa url={tsa},certificate-chain=tsa-chain.pem,start-time={START} {trusted} --out {name}.root.json"));
        this
    }

    /// Starts a service and waits until it answers on this port.
    fn run(&mut self, desk: &Desk, port: u16, line: &str) {
        let log = desk.path(&format!("{}.log", line.split(' ').next().expect("a name")));
        let output = std::fs::File::create(&log).expect("a log");
        let both = output.try_clone().expect("a log");
        let mut command = desk.command(line);
        command.env_remove("HTTP_PROXY").env_remove("HTTPS_PROXY");
        let child = command.stdin(Stdio::null()).stdout(output).stderr(both).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{line}: {error}"));
        let mut tries = 0..300;
        while tries.next().is_some() && is_running(&mut child) {
            // Where the port went to somebody else meanwhile, it is not this service that answers.
            if TcpStream::connect(("127.0.0.1", port)).is_ok() && is_running(&mut child) {
                self.services.push(child);
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        let _ = child.kill();
        panic!("found no answer of {line}: {}", std::fs::read_to_string(log).unwrap_or_default());
    }

    /// Who vouches for identities.
    pub(crate) fn issuer(&self) -> &str {
        &self.issuer.url
    }

    /// Has this person sign `HOST/REPOSITORY@DIGEST`.
    pub(crate) fn sign(&self, desk: &Desk, person: &str, image: &str) {
        desk.write("token", self.issuer.token(person));
        let name = self.name;
        desk.run(&format!("cosign sign --yes --signing-config {name}.signing.json --trusted-root {name}.root.json --identity-token token --allow-http-registry {image}"));
    }

    /// Has this person sign `HOST/REPOSITORY@DIGEST` as cosign did before bundles, with a timestamp and without a log.
    pub(crate) fn sign_in_older_layout(&self, desk: &Desk, person: &str, image: &str) {
        desk.write("token", self.issuer.token(person));
        let Self { fulcio, authority, .. } = self;
        desk.run(&format!("cosign sign --yes --new-bundle-format=false --use-signing-config=false --tlog-upload=false --fulcio-url {fulcio} --insecure-skip-verify --timestamp-server-url {authority} --identity-token token --allow-http-registry {image}"));
    }

    /// Has this person attest how `HOST/REPOSITORY@DIGEST` was built.
    pub(crate) fn attest(&self, desk: &Desk, person: &str, image: &str) {
        desk.write("token", self.issuer.token(person));
        desk.write("predicate.json", PROVENANCE);
        let name = self.name;
        desk.run(&format!("cosign attest --yes --type slsaprovenance1 --predicate predicate.json --signing-config {name}.signing.json --trusted-root {name}.root.json --identity-token token --allow-http-registry {image}"));
    }

    /// What cosign needs to be told to verify with this trusted root.
    pub(crate) fn verified_by(&self, person: &str) -> String {
        format!(
            "--trusted-root {}.root.json --use-signed-timestamps --certificate-identity {person} --certificate-oidc-issuer {}",
            self.name, self.issuer.url
        )
    }
}

fn is_running(child: &mut Child) -> bool {
    child.try_wait().is_ok_and(|ended| ended.is_none())
}

/// The keys of the logs and of the certificate authority. They are made for this run.
fn make_keys(desk: &Desk) {
    // TesseraCT reads the older form of such keys alone.
    desk.run("openssl ecparam -name prime256v1 -genkey -noout -out ct.key");
    desk.run("openssl pkey -in ct.key -pubout -out ct.pub");
    desk.run("openssl genpkey -algorithm ed25519 -out rekor.key");
    desk.run("openssl pkey -in rekor.key -pubout -out rekor.pub");
    make_authority(desk, "ca");
}

/// A certificate authority in `NAME.key` and `NAME.pem`. All of them go by one name.
pub(crate) fn make_authority(desk: &Desk, name: &str) {
    desk.run(&format!("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -aes-256-cbc -pass pass:test -out {name}.key"));
    desk.run(&format!("openssl req -x509 -new -key {name}.key -passin pass:test -days 3650 -subj /CN=private -addext basicConstraints=critical,CA:TRUE,pathlen:1 -addext keyUsage=critical,keyCertSign,cRLSign -out {name}.pem"));
}

/// Answers queries, each by OpenSSL; gives the address.
fn start_timestamp_authority(desk: &Desk) -> String {
    desk.run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out tsa-ca.key");
    desk.run("openssl req -x509 -new -key tsa-ca.key -days 3650 -subj /CN=times -addext keyUsage=critical,keyCertSign -out tsa-ca.pem");
    desk.run("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out tsa.key");
    desk.run("openssl req -x509 -new -key tsa.key -CA tsa-ca.pem -CAkey tsa-ca.key -days 3650 -subj /CN=time -addext basicConstraints=critical,CA:FALSE -addext keyUsage=critical,digitalSignature -addext extendedKeyUsage=critical,timeStamping -out tsa.pem");
    desk.write("tsa-chain.pem", [desk.read("tsa.pem"), desk.read("tsa-ca.pem")].concat());
    desk.write("tsa.conf", AUTHORITY);
    let (listener, address) = listen();
    let folder = desk.folder().to_owned();
    serve(listener, "application/timestamp-reply", move |query| {
        std::fs::write(folder.join("query.tsq"), query.body).expect("a query");
        let mut openssl = Command::new("openssl");
        openssl.current_dir(&folder).args(["ts", "-reply", "-config", "tsa.conf"]);
        let reply = openssl.args(["-queryfile", "query.tsq"]).output().expect("openssl");
        assert!(reply.status.success(), "{}", String::from_utf8_lossy(&reply.stderr));
        reply.stdout
    });
    address
}

/// Ports that are free at this moment. These servers do not say which one the kernel gave them.
fn free_ports<const N: usize>() -> [u16; N] {
    let listeners: [TcpListener; N] =
        std::array::from_fn(|_| TcpListener::bind(("127.0.0.1", 0)).expect("a port"));
    listeners.map(|listener| listener.local_addr().expect("an address").port())
}

/// An OpenID provider: two documents, and tokens.
struct Issuer {
    url: String,
    key: SigningKey,
}

impl Issuer {
    fn start() -> Self {
        let (listener, url) = listen();
        let key = SigningKey::from_slice(&[7; 32]).expect("a key");
        let point = key.verifying_key().to_sec1_point(false);
        let coordinate = |at: usize| URL_SAFE_NO_PAD.encode(&point.as_bytes()[at..at + 32]);
        let keys = json!({"keys": [{
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "1", "x": coordinate(1), "y": coordinate(33),
        }]});
        let provider = json!({
            "issuer": url, "jwks_uri": format!("{url}/keys"), "authorization_endpoint": format!("{url}/none"),
            "token_endpoint": format!("{url}/none"), "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        });
        serve(listener, "application/json", move |asked| {
            let body = if asked.line.contains("/keys") { &keys } else { &provider };
            body.to_string().into_bytes()
        });
        Self { url, key }
    }

    fn token(&self, person: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_secs();
        let claims = json!({
            "iss": self.url, "aud": "sigstore", "sub": person, "email": person, "email_verified": true,
            "iat": now, "exp": now + 600,
        });
        let header = json!({"alg": "ES256", "kid": "1", "typ": "JWT"});
        let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part.to_string())).join(".");
        let signature: Signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }
}

/// A port, and its address.
fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    (listener, address)
}

/// Answers every request in this media type, one after the other, as long as the tests run.
fn serve(
    listener: TcpListener,
    media_type: &'static str,
    answer: impl Fn(Request) -> Vec<u8> + Send + 'static,
) {
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let patience = Some(Duration::from_secs(10));
            connection.set_read_timeout(patience).expect("a socket with a timeout");
            let body = answer(Request::read(&connection));
            respond(connection, media_type, &body);
        }
    });
}

/// A request, as far as anybody here looks at it.
struct Request {
    line: String,
    body: Vec<u8>,
}

impl Request {
    fn read(connection: &TcpStream) -> Self {
        let mut reader = BufReader::new(connection);
        let (mut line, mut length) = (String::new(), 0);
        let _ = reader.read_line(&mut line);
        loop {
            let mut header = String::new();
            if reader.read_line(&mut header).is_err() || header.trim().is_empty() {
                break;
            }
            let header = header.to_ascii_lowercase();
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        Self { line, body }
    }
}

fn respond(mut connection: TcpStream, media_type: &str, body: &[u8]) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {media_type}\r\nConnection: close");
    let _ = write!(connection, "{head}\r\nContent-Length: {}\r\n\r\n", body.len());
    let _ = connection.write_all(body);
}
