//! A signed archive, a site, and the binary.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use fixtures::image::{self, Artifact, Format, Layer};
use fixtures::log::LoggedRequest;
use manifests::closure;
use manifests::inventory::{ContentBlob, Evidence, Inventory, Item, ItemKind};
use manifests::key::PrivateKey;
use manifests::slot::{self, ArchiveSignature};
use manifests::trust::Role;
use manifests::{API_VERSION, Descriptor, Digest, Timestamp};
use serde_json::Value;
use transfer::archive::write;

/// One item of an archive.
pub(crate) struct Brought {
    name: String,
    artifact: Artifact,
    group: Option<String>,
    evidence: Vec<(Artifact, Digest, Option<String>)>,
}

impl Brought {
    pub(crate) fn new(name: &str, artifact: &Artifact) -> Self {
        Self { name: name.to_owned(), artifact: artifact.clone(), group: None, evidence: vec![] }
    }

    pub(crate) fn in_group(self, group: &str) -> Self {
        Self { group: Some(group.to_owned()), ..self }
    }

    /// With a referrer of `subject`.
    pub(crate) fn with_referrer(mut self, referrer: &Artifact, subject: Digest) -> Self {
        self.evidence.push((referrer.clone(), subject, None));
        self
    }

    /// With evidence under the legacy tag of its own digest.
    pub(crate) fn with_legacy(mut self, kind: &str, evidence: &Artifact) -> Self {
        let subject = self.artifact.digest();
        self.evidence.push((evidence.clone(), subject, Some(image::legacy_tag(subject, kind))));
        self
    }
}

/// A small image; images of one `base` share that layer.
pub(crate) fn small_image(base: &str, name: &str) -> Artifact {
    let layers = [Layer::with_files(base, 3000), Layer::with_files(name, 2000)];
    image::image("linux/amd64", &layers, Format::Oci)
}

/// A folder with a site in it, and the key that its archives are signed with.
pub(crate) struct Site {
    pub(crate) folder: tempfile::TempDir,
    key: PrivateKey,
}

impl Site {
    pub(crate) fn new() -> Self {
        let site = Self { folder: tempfile::tempdir().unwrap(), key: PrivateKey::generate().unwrap() };
        fs::write(site.path("build.pub"), site.key.public().unwrap().to_pem().unwrap()).unwrap();
        fs::write(
            site.path("policy.yaml"),
            "apiVersion: airgap/v1\nkind: Policy\nspec: {order: {olderSerial: allow}}\n",
        )
        .unwrap();
        let trust = site.path("build.pub").display().to_string();
        let policy = site.path("policy.yaml").display().to_string();
        site.succeed(&["init", "--trust", &trust, "--policy", &policy, "--name", "sovereign-a"]);
        site
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes an archive of the channel `core`, made on this day of November 2024.
    pub(crate) fn archive(&self, day: u32, items: Vec<Brought>) -> PathBuf {
        self.archive_of("core", day, items)
    }

    pub(crate) fn archive_of(&self, channel: &str, day: u32, items: Vec<Brought>) -> PathBuf {
        self.changed_archive(channel, day, items, |_| ())
    }

    /// Writes one that leaves `absent` to the archive `base`.
    pub(crate) fn differential(
        &self,
        day: u32,
        items: Vec<Brought>,
        base: Digest,
        absent: &[Digest],
    ) -> PathBuf {
        self.changed_archive("core", day, items, |inventory| {
            inventory.base = Some(base);
            let not_carried = inventory.content.iter_mut().filter(|blob| absent.contains(&blob.digest));
            not_carried.for_each(|blob| blob.carried = false);
        })
    }

    fn changed_archive(
        &self,
        channel: &str,
        day: u32,
        items: Vec<Brought>,
        change: impl FnOnce(&mut Inventory),
    ) -> PathBuf {
        let mut blobs = HashMap::new();
        let mut items: Vec<Item> = items.into_iter().map(|brought| item(brought, &mut blobs)).collect();
        items.sort_by_key(|item| (item.kind, item.name.clone(), item.published.digest));
        let closure = closure::walk(&items, &mut |wanted: &Descriptor| {
            blobs.get(&wanted.digest).cloned().ok_or("missing")
        })
        .unwrap();
        let created: Timestamp = format!("2024-11-{day:02}T21:30:00Z").parse().unwrap();
        let carried = |blob: manifests::inventory::Blob| ContentBlob {
            carried: true,
            digest: blob.digest,
            size: blob.size,
        };
        let mut inventory = Inventory {
            annex_of: None,
            annotations: BTreeMap::new(),
            api_version: API_VERSION.to_owned(),
            audience: vec![],
            base: None,
            content: closure.content.into_iter().map(carried).collect(),
            created,
            generator: "airgap 0.1.0".to_owned(),
            import_before: None,
            items,
            kind: "Inventory".to_owned(),
            metadata: closure.metadata,
            name: channel.parse().unwrap(),
            serial: created.serial(),
        };
        change(&mut inventory);
        let signature = ArchiveSignature {
            change: None,
            inventory_size: inventory.encode().len() as u64,
            policy_digest: None,
            role: Role::Preparer,
            signed_at: created,
            trust_digest: None,
            verdict: None,
        };
        let slot = slot::seal(Digest::of(&inventory.encode()), signature, &self.key).unwrap();
        let path = self.path(&format!("{channel}-{}.tar", created.serial()));
        let mut file = fs::File::create(&path).unwrap();
        write::stream(&mut file, &inventory, &slot, |digest| Ok(Cursor::new(&blobs[digest]))).unwrap();
        path
    }

    /// Puts a policy with this `spec` in force.
    pub(crate) fn follow(&self, spec: &str) {
        let policy = text(&self.path("next.yaml"));
        fs::write(&policy, format!("apiVersion: airgap/v1\nkind: Policy\nspec: {spec}\n")).unwrap();
        let key = text(&self.path("build.key"));
        fs::write(&key, self.key.to_pem().unwrap()).unwrap();
        self.succeed(&["policy", "sign", &policy, "--key", &key]);
        self.succeed(&["policy", "update", &policy]);
    }

    /// What approvals and receipts name an archive by.
    pub(crate) fn identity(&self, archive: &Path) -> Digest {
        let shown: Value =
            serde_json::from_str(&self.succeed(&["inspect", &text(archive), "--json"])).unwrap();
        shown["identity"].as_str().unwrap().parse().unwrap()
    }

    /// The last receipt.
    pub(crate) fn last_receipt(&self) -> Value {
        serde_json::from_str(&self.succeed(&["receipt", "show", "--json"])).unwrap()
    }

    /// Runs the binary with this site.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// The same, with an archive that comes through a pipe.
    pub(crate) fn succeed_piped(&self, archive: &Path, arguments: &[&str]) {
        let mut cat = Command::new("cat").arg(archive).stdout(Stdio::piped()).spawn().unwrap();
        let output = self.command(arguments).stdin(cat.stdout.take().unwrap()).output().unwrap();
        assert!(cat.wait().unwrap().success());
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {errors}");
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let docker = self.path("docker");
        fs::create_dir_all(&docker).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_airgap-import"));
        command
            .args(arguments)
            .env("AIRGAP_STATE", self.path("state"))
            .env("DOCKER_CONFIG", docker)
            .env_remove("REGISTRY_AUTH_FILE")
            .env("XDG_RUNTIME_DIR", self.folder.path());
        command
    }

    /// Logs in, as `docker login` writes it down.
    pub(crate) fn log_in(&self, host: &str, user: &str, password: &str) {
        use base64::Engine as _;
        let auth = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        fs::create_dir_all(self.path("docker")).unwrap();
        let text = format!(r#"{{"auths":{{"{host}":{{"auth":"{auth}"}}}}}}"#);
        fs::write(self.path("docker/config.json"), text).unwrap();
    }

    pub(crate) fn succeed(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that has to fail with this status, and gives what it says.
    pub(crate) fn fail(&self, status: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(status), "{arguments:?}: {errors}");
        errors
    }

    pub(crate) fn load(&self, archive: &Path, to: &Path) -> Value {
        let text = self.succeed(&["load", &text(archive), "--to", &text(to), "--json"]);
        serde_json::from_str(&text).unwrap()
    }

    /// A file of destinations with one registry.
    pub(crate) fn registry(&self, url: &str, more: &str) -> PathBuf {
        let path = self.path("destinations.yaml");
        let registry = format!("{{name: mgt, url: \"{url}\", {more}}}");
        let text = format!("apiVersion: airgap/v1\nkind: Destinations\nspec: {{registries: [{registry}]}}\n");
        fs::write(&path, text).unwrap();
        path
    }
}

pub(crate) fn text(path: &Path) -> String {
    path.display().to_string()
}

fn item(brought: Brought, blobs: &mut HashMap<Digest, Vec<u8>>) -> Item {
    let Brought { name, artifact, group, evidence } = brought;
    collect(&artifact, blobs);
    let published = artifact.descriptor();
    let mut evidence: Vec<Evidence> = evidence
        .into_iter()
        .map(|(artifact, subject, tag)| {
            collect(&artifact, blobs);
            let Descriptor { digest, media_type, size } = artifact.descriptor();
            Evidence { digest, media_type, size, subject, tag }
        })
        .collect();
    evidence.sort_by_key(|evidence| (evidence.subject, evidence.digest, evidence.tag.clone()));
    Item {
        annotations: BTreeMap::new(),
        evidence,
        group,
        kind: ItemKind::Image,
        name,
        platforms: vec![],
        published: published.clone(),
        requires: vec![],
        source: published,
        to: None,
    }
}

fn collect(artifact: &Artifact, blobs: &mut HashMap<Digest, Vec<u8>>) {
    blobs.insert(artifact.digest(), artifact.bytes().to_vec());
    for blob in artifact.blobs() {
        let mut bytes = Vec::new();
        blob.write(&mut bytes).unwrap();
        blobs.insert(blob.digest(), bytes);
    }
    for child in artifact.children() {
        collect(child, blobs);
    }
}

/// The requests that change something.
pub(crate) fn writes(requests: &[LoggedRequest]) -> Vec<String> {
    let writing = requests.iter().filter(|request| !matches!(request.method.as_str(), "GET" | "HEAD"));
    writing.map(|request| format!("{} {} {}", request.method, request.path, request.status)).collect()
}

/// One request with a name and a password, and its answer.
pub(crate) fn http(method: &str, url: &str, login: Option<(&str, &str)>, body: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let mut request = client.request(method.parse().unwrap(), url).body(body.to_owned());
        if let Some((user, password)) = login {
            request = request.basic_auth(user, Some(password));
        }
        let answer = request.header("content-type", "application/json").send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    })
}
