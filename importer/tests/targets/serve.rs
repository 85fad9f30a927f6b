//! What is served.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use fixtures::image::{self, Format, Signer};
use serde_json::Value;

use crate::support::{Brought, Site, http, small_image};

/// A server that is told to end when it goes out of scope.
struct Server {
    child: Child,
    url: String,
}

impl Server {
    fn start(site: &Site, content: &Path, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_airgap-import"))
            .args(["serve", "--listen", "127.0.0.1:0"])
            .arg(content)
            .args(more)
            .env("AIRGAP_STATE", site.path("state"))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(url.starts_with("http"), "{line}");
        Self { child, url }
    }

    fn get(&self, path: &str) -> (u16, String) {
        http("GET", &format!("{}{path}", self.url), None, "")
    }

    /// Ends it as a person would, and gives its status.
    fn end(mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &id]).status().unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn items() -> Vec<Brought> {
    let (amd, arm) = (small_image("base", "amd"), image::image("linux/arm64", &[], Format::Oci));
    let index = image::index(&[("linux/amd64", amd), ("linux/arm64", arm)], Format::Oci);
    let signer = Signer::named("a");
    let bundle = image::bundle_referrer(&index.descriptor(), &signer);
    let signature = image::legacy_signature(index.digest(), "docker.io/library/web", &[signer]);
    let web = Brought::new("docker.io/library/web:1", &index);
    let web = web.with_referrer(&bundle, index.digest()).with_legacy("sig", &signature);
    vec![web, Brought::new("ghcr.io/demo/app:2", &small_image("base", "app"))]
}

/// The content of the layer that is one item's own, and where it is served.
fn layer(server: &Server) -> (Vec<u8>, String) {
    let layer = small_image("base", "app").blobs()[2].clone();
    let mut content = Vec::new();
    layer.write(&mut content).unwrap();
    (content, format!("{}/v2/ghcr.io/demo/app/blobs/{}", server.url, layer.digest()))
}

#[test]
fn an_archive_and_the_folder_that_it_was_loaded_into_serve_the_same() {
    let site = Site::new();
    let archive = site.archive(3, items());
    let folder = site.path("content");
    site.load(&archive, &folder);
    let app = small_image("base", "app");
    for content in [&archive, &folder] {
        let server = Server::start(&site, content, &[]);
        let (status, index) = server.get("/v2/docker.io/library/web/manifests/1");
        assert_eq!(status, 200);
        let digest = manifests::Digest::of(index.as_bytes());
        for (path, wanted) in [
            ("/v2/".to_owned(), 200),
            (format!("/v2/docker.io/library/web/manifests/{digest}"), 200),
            ("/v2/library/web/manifests/1?ns=docker.io".to_owned(), 200),
            ("/v2/library/web/manifests/1".to_owned(), 404),
            ("/v2/library/web/manifests/1?ns=ghcr.io".to_owned(), 404),
            ("/v2/docker.io/library/web/manifests/2".to_owned(), 404),
            (format!("/v2/docker.io/library/web/manifests/{}", image::legacy_tag(digest, "sig")), 200),
            (format!("/v2/ghcr.io/demo/app/blobs/{}", app.blobs()[1].digest()), 200),
            (format!("/v2/ghcr.io/demo/app/blobs/{}", manifests::Digest::of(b"x")), 404),
        ] {
            assert_eq!(server.get(&path).0, wanted, "{path}");
        }
        let (_, tags) = server.get("/v2/ghcr.io/demo/app/tags/list");
        assert_eq!(serde_json::from_str::<Value>(&tags).unwrap()["tags"], serde_json::json!(["2"]));
        let (_, referrers) = server.get(&format!("/v2/docker.io/library/web/referrers/{digest}"));
        let referrers: Value = serde_json::from_str(&referrers).unwrap();
        assert_eq!(referrers["manifests"].as_array().unwrap().len(), 1);
        assert_eq!(referrers["manifests"][0]["artifactType"], manifests::media_type::SIGSTORE_BUNDLE);
        assert_eq!(http("PUT", &format!("{}/v2/a/b/manifests/1", server.url), None, "{}").0, 405);
        assert_eq!(server.end(), Some(0));
    }
}

#[test]
fn a_host_with_a_colon_is_served_by_a_name_that_no_other_host_has() {
    let site = Site::new();
    let names = ["a.test:5000/x:1", "a.test-5000/x:2", "[::1]:5000/x:3"];
    let brought = |name: &str| Brought::new(name, &small_image("base", name));
    let archive = site.archive(3, names.map(brought).into());
    let server = Server::start(&site, &archive, &[]);
    for (name, tag) in [("a.test_5000/x", "1"), ("a.test-5000/x", "2"), ("0_0_0_0_0_0_0_1_5000/x", "3")] {
        let (_, tags) = server.get(&format!("/v2/{name}/tags/list"));
        assert_eq!(serde_json::from_str::<Value>(&tags).unwrap()["tags"], serde_json::json!([tag]), "{name}");
    }
}

#[test]
fn what_changed_since_it_was_verified_is_not_sent_whole() {
    let site = Site::new();
    let archive = site.archive(3, items());
    let server = Server::start(&site, &archive, &[]);
    let (content, url) = layer(&server);
    let mut bytes = std::fs::read(&archive).unwrap();
    let at = bytes.windows(content.len()).position(|window| window == content).unwrap();
    bytes[at + 3] ^= 1;
    std::fs::write(&archive, bytes).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let outcome = runtime.block_on(async {
        // A small answer may be cut before its head has left the server; then there is no answer at all.
        let answer = reqwest::Client::builder().no_proxy().build().unwrap().get(&url).send().await?;
        assert_eq!(answer.content_length(), Some(content.len() as u64));
        answer.bytes().await
    });
    assert!(outcome.is_err(), "the answer ends early");
}

#[test]
fn an_unverified_archive_is_served_on_loopback_only() {
    let site = Site::new();
    let archive = site.archive(3, items());
    let path = archive.display().to_string();
    site.fail(2, &["serve", &path, "--unverified", "--listen", "0.0.0.0:0"]);
    let server = Server::start(&site, &archive, &["--unverified"]);
    assert_eq!(server.get("/v2/ghcr.io/demo/app/manifests/2").0, 200);
}

#[test]
fn what_is_not_carried_is_said_and_beyond_loopback_refused() {
    let site = Site::new();
    let base = site.archive(3, items());
    let shared = small_image("base", "app").blobs()[1].digest();
    let archive = site.differential(4, items(), site.identity(&base), &[shared]);
    let said = site.fail(2, &["serve", &archive.display().to_string(), "--listen", "0.0.0.0:0"]);
    assert!(said.contains("found content that is not carried (1 blob, "), "{said}");
    let mut server = Server::start(&site, &archive, &[]);
    assert_eq!(server.get(&format!("/v2/ghcr.io/demo/app/blobs/{shared}")).0, 404);
    let mut stderr = server.child.stderr.take().unwrap();
    assert_eq!(server.end(), Some(0));
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    assert!(said.contains("notice: not served, as it is not carried: 1 blob, "), "{said}");
}

#[test]
fn a_folder_is_served_on_loopback_only() {
    let site = Site::new();
    let to = site.path("content");
    site.load(&site.archive(3, items()), &to);
    // What was loaded here is refused as what was not: the index says nothing about who accepted it.
    for folder in [&to, &to.join("oci")] {
        for address in ["0.0.0.0:0", "[::]:0"] {
            let mut command = Command::new("timeout");
            command.args(["20", env!("CARGO_BIN_EXE_airgap-import"), "serve", "--listen", address]);
            let output = command.arg(folder).env("AIRGAP_STATE", site.path("state")).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(said.contains(&format!("found a folder to be served on {address}")), "{said}");
        }
    }
    let server = Server::start(&site, &to, &[]);
    assert_eq!(server.get("/v2/ghcr.io/demo/app/manifests/2").0, 200);
}

#[test]
fn entries_of_others_that_cannot_be_served_are_named_and_the_rest_is_served() {
    let site = Site::new();
    let to = site.path("content");
    site.load(&site.archive(3, items()), &to);
    let path = to.join("oci/index.json");
    let mut index: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let absent = manifests::Digest::of(b"absent");
    let layer = small_image("base", "app").blobs()[1].clone();
    let named = |digest: String, size: u64, media_type: &str| {
        let annotations = serde_json::json!({"io.containerd.image.name": "ghcr.io/other/x:1"});
        serde_json::json!({"mediaType": media_type, "digest": digest, "size": size, "annotations": annotations})
    };
    let entries = index["manifests"].as_array_mut().unwrap();
    // Before all others, so that what follows is served as well; the second has the name of the first.
    entries.insert(0, named(absent.to_string(), 6, manifests::media_type::OCI_MANIFEST));
    let app = small_image("base", "app");
    let app = named(app.digest().to_string(), app.descriptor().size, &app.descriptor().media_type);
    entries.insert(1, app);
    let blob = serde_json::json!({"mediaType": "x/y", "digest": layer.digest(), "size": layer.size()});
    entries.extend(std::iter::repeat_n(blob, 11));
    std::fs::write(&path, index.to_string()).unwrap();

    let mut server = Server::start(&site, &to, &[]);
    assert_eq!(server.get("/v2/ghcr.io/demo/app/manifests/2").0, 200);
    assert_eq!(server.get("/v2/ghcr.io/other/x/manifests/1").0, 404, "the first of two names counts");
    assert_eq!(server.get("/v2/ghcr.io/other/x/tags/list").0, 404);
    let mut stderr = server.child.stderr.take().unwrap();
    assert_eq!(server.end(), Some(0));
    let mut said = String::new();
    stderr.read_to_string(&mut said).unwrap();
    let layout = to.join("oci").display().to_string();
    let wanted = format!("notice: {layout}: not served: ghcr.io/other/x:1: found no blob {absent}\n");
    assert!(said.contains(&wanted), "{said}");
    assert!(
        said.contains(&format!("notice: {layout}: not served: {}: the manifest", layer.digest())),
        "{said}"
    );
    assert!(said.contains(&format!("notice: {layout}: not served: 2 more entries\n")), "{said}");

    let entry = named(absent.to_string(), 6, manifests::media_type::OCI_MANIFEST);
    let only = serde_json::json!({"schemaVersion": 2, "manifests": [entry]});
    std::fs::write(&path, only.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_airgap-import"));
    let output = command.args(["--quiet", "serve", "--listen", "127.0.0.1:0"]).arg(&to).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    let wanted =
        format!("{layout}: found nothing that can be served: ghcr.io/other/x:1: found no blob {absent}");
    assert!(said.contains(&wanted), "{said}");
}

#[test]
fn tls_is_spoken_with_the_certificate_that_is_given() {
    let site = Site::new();
    let archive = site.archive(3, items());
    // Made for this test; they certify nothing.
    let (certificate, key) = (include_bytes!("data/node.pem"), include_bytes!("data/node.key"));
    let (pem, key_path) = (site.path("node.pem"), site.path("node.key"));
    std::fs::write(&pem, certificate).unwrap();
    std::fs::write(&key_path, key).unwrap();
    let (pem, key) = (pem.display().to_string(), key_path.display().to_string());
    let server = Server::start(&site, &archive, &["--tls-cert", &pem, "--tls-key", &key]);
    assert!(server.url.starts_with("https://127.0.0.1:"), "{}", server.url);
    // A client that opens a connection and says nothing keeps nobody waiting.
    let address = server.url.trim_start_matches("https://");
    let _silent = std::net::TcpStream::connect(address).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let text = runtime.block_on(async {
        let root = reqwest::Certificate::from_pem(certificate).unwrap();
        let client = reqwest::Client::builder().no_proxy().tls_certs_only([root]).build().unwrap();
        let url = format!("{}/v2/ghcr.io/demo/app/manifests/2", server.url);
        client.get(url).send().await.unwrap().text().await.unwrap()
    });
    assert_eq!(manifests::Digest::of(text.as_bytes()), small_image("base", "app").digest());
    site.fail(2, &["serve", &archive.display().to_string(), "--tls-cert", &key, "--tls-key", &key]);
}

#[test]
fn parts_of_a_blob_are_served() {
    let site = Site::new();
    let archive = site.archive(3, items());
    let server = Server::start(&site, &archive, &[]);
    let (content, url) = layer(&server);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (status, range, bytes) = runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let answer = client.get(&url).header("range", "bytes=100-").send().await.unwrap();
        let range = answer.headers()["content-range"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), range, answer.bytes().await.unwrap())
    });
    assert_eq!((status, range), (206, format!("bytes 100-{}/{}", content.len() - 1, content.len())));
    assert_eq!(bytes, content[100..]);
}
