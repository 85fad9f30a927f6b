//! What the work needs at least, and nothing else: the same bytes, the same HTTP library, one hash, one file.

use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use manifests::Digest;
use manifests::digest::Hasher;
use reqwest::{Client, Method};
use tokio::runtime::{Builder, Runtime};
use transfer::archive::open;

use crate::content::{Blob, Set};
use crate::registry::DockerRegistry;

const AT_ONCE: usize = 4;

/// Docker-registry 2.8 finds no manifest of OCI's for somebody who accepts just anything.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";

fn client() -> &'static Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    CLIENT.get_or_init(|| Client::builder().http1_only().build().unwrap())
}

/// One for all: the client's idle connections belong to the runtime that opened them.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap())
}

/// Fetches distinct blobs, four at once, hashes them, writes them into one file and syncs it.
pub(crate) fn build(source: &DockerRegistry, blobs: &[Blob], file: &Path) -> f64 {
    let _ = std::fs::remove_file(file);
    let runtime = runtime();
    let began = Instant::now();
    let out = Arc::new(File::create(file).unwrap());
    let mut offset = 0;
    let fetches = blobs.iter().map(|blob| {
        let place = offset;
        offset += blob.size.next_multiple_of(512) + 512;
        fetch(
            source.url(&blob.repository, &format!("blobs/{}", blob.digest)),
            blob.digest,
            out.clone(),
            place,
        )
    });
    let fetches: Vec<_> = fetches.collect();
    runtime.block_on(stream::iter(fetches).buffer_unordered(AT_ONCE).collect::<Vec<()>>());
    out.sync_all().unwrap();
    let seconds = began.elapsed().as_secs_f64();
    std::fs::remove_file(file).unwrap();
    seconds
}

async fn fetch(url: String, wanted: Digest, out: Arc<File>, mut offset: u64) {
    let mut response = client().get(url).send().await.unwrap().error_for_status().unwrap();
    let mut hasher = Hasher::default();
    while let Some(chunk) = response.chunk().await.unwrap() {
        hasher.update(&chunk);
        out.write_all_at(&chunk, offset).unwrap();
        offset += chunk.len() as u64;
    }
    assert_eq!(hasher.finish(), wanted);
}

/// Reads and hashes an archive once, then pushes its blobs four at once, each once, mounting it elsewhere, and puts
/// every manifest and tag.
pub(crate) fn load(archive: &Path, target: &DockerRegistry, set: &Set, blobs: &[Blob]) -> f64 {
    let runtime = runtime();
    let began = Instant::now();
    let file = File::open(archive).unwrap();
    let mut hasher = Hasher::default();
    let mut chunk = vec![0; 1 << 20];
    let size = file.metadata().unwrap().len();
    let mut at = 0;
    while at < size {
        let length = (size - at).min(1 << 20) as usize;
        file.read_exact_at(&mut chunk[..length], at).unwrap();
        hasher.update(&chunk[..length]);
        at += length as u64;
    }
    std::hint::black_box(hasher.finish());
    let opened = open::unverified(file).unwrap();
    let file = Arc::new(File::open(archive).unwrap());
    runtime.block_on(async {
        let pushes = blobs.iter().map(|blob| {
            let place = opened.layout().place(&blob.digest).unwrap();
            push_from(target, &blob.repository, blob.digest, file.clone(), place.offset, blob.size)
        });
        stream::iter(pushes).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
        let first: HashMap<Digest, &str> =
            blobs.iter().map(|blob| (blob.digest, blob.repository.as_str())).collect();
        let names: HashMap<String, &str> =
            set.images.iter().map(|image| (image.name(), image.repository())).collect();
        let puts = opened.inventory().items.iter().map(|item| {
            let name = item.name.split_once('/').unwrap().1;
            put_item(target, names[name], &opened, item, &first)
        });
        stream::iter(puts).buffer_unordered(AT_ONCE).collect::<Vec<()>>().await;
    });
    began.elapsed().as_secs_f64()
}

/// What is asked of a target that has everything: each name, each platform's manifest, each blob in each repository.
pub(crate) fn questions(target: &DockerRegistry, names: &[(String, String)]) -> BTreeSet<String> {
    let (runtime, mut urls) = (runtime(), BTreeSet::new());
    for (repository, tag) in names {
        let mut open = vec![target.url(repository, &format!("manifests/{tag}"))];
        while let Some(url) = open.pop() {
            let document: serde_json::Value = runtime.block_on(async {
                let get = client().get(&url).header("Accept", ACCEPTED).send().await.unwrap();
                let bytes = get.error_for_status().unwrap().bytes().await.unwrap();
                serde_json::from_slice(&bytes).unwrap()
            });
            urls.insert(url);
            let listed = |key: &str| document[key].as_array().cloned().unwrap_or_default();
            let digest = |entry: &serde_json::Value| entry["digest"].as_str().unwrap().to_owned();
            let children = listed("manifests");
            open.extend(
                children.iter().map(|child| target.url(repository, &format!("manifests/{}", digest(child)))),
            );
            let blobs = listed("layers").into_iter().chain(document.get("config").cloned());
            urls.extend(blobs.map(|blob| target.url(repository, &format!("blobs/{}", digest(&blob)))));
        }
    }
    urls
}

/// Asks it, as many at once as a load does.
pub(crate) fn ask(urls: &BTreeSet<String>) -> f64 {
    let runtime = runtime();
    let began = Instant::now();
    let asked = urls.iter().map(|url| async move {
        let head = client().head(url).header("Accept", ACCEPTED).send().await.unwrap();
        assert_eq!(head.status(), 200, "{url}");
    });
    runtime.block_on(stream::iter(asked).buffer_unordered(8).collect::<Vec<()>>());
    began.elapsed().as_secs_f64()
}

async fn put_item(
    target: &DockerRegistry,
    repository: &str,
    archive: &open::Unverified<File>,
    item: &manifests::inventory::Item,
    first: &HashMap<Digest, &str>,
) {
    let bytes = archive.metadata(&item.published).unwrap();
    let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let children = document["manifests"].as_array().cloned().unwrap_or_default();
    let mut manifests = vec![];
    for child in &children {
        let fields = ["digest", "mediaType", "size"].map(|field| (field.to_owned(), child[field].clone()));
        let descriptor = serde_json::Value::Object(fields.into_iter().collect());
        let child: manifests::Descriptor = serde_json::from_value(descriptor).unwrap();
        manifests.push((child.media_type.clone(), None, archive.metadata(&child).unwrap()));
    }
    manifests.push((item.published.media_type.clone(), Some("1"), bytes));
    for (media_type, tag, bytes) in manifests {
        let document: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        let layers = document["layers"].as_array().cloned().unwrap_or_default();
        for blob in layers.iter().chain(document.get("config")) {
            let digest: Digest = blob["digest"].as_str().unwrap().parse().unwrap();
            let from = first[&digest];
            if from != repository {
                let url = target.url(repository, &format!("blobs/uploads/?mount={digest}&from={from}"));
                let response = client().post(url).send().await.unwrap();
                assert_eq!(response.status(), 201, "a mount");
            }
        }
        let name = tag.map_or_else(|| Digest::of(&bytes).to_string(), str::to_owned);
        let url = target.url(repository, &format!("manifests/{name}"));
        let put = client().put(url).header("Content-Type", media_type).body(bytes);
        put.send().await.unwrap().error_for_status().unwrap();
    }
}

async fn push_from(
    target: &DockerRegistry,
    repository: &str,
    digest: Digest,
    file: Arc<File>,
    offset: u64,
    size: u64,
) {
    const CHUNK: u64 = 256 * 1024;
    let chunks = stream::unfold(0, move |at| {
        let file = file.clone();
        async move {
            (at < size).then(|| {
                let mut chunk = vec![0; (size - at).min(CHUNK) as usize];
                let read = file.read_exact_at(&mut chunk, offset + at);
                let next = at + chunk.len() as u64;
                (read.map(|()| Bytes::from(chunk)), next)
            })
        }
    });
    put_blob(target, repository, digest, reqwest::Body::wrap_stream(chunks), size).await;
}

async fn put_blob(
    registry: &DockerRegistry,
    repository: &str,
    digest: Digest,
    body: reqwest::Body,
    size: u64,
) {
    let session = client().post(registry.url(repository, "blobs/uploads/")).send().await.unwrap();
    let location = session.headers()["Location"].to_str().unwrap().to_owned();
    let put = client()
        .request(Method::PUT, format!("{location}&digest={digest}"))
        .header("Content-Length", size)
        .body(body);
    put.send().await.unwrap().error_for_status().unwrap();
}

/// Pushes a blob from memory.
pub(crate) fn push(registry: &DockerRegistry, repository: &str, digest: Digest, bytes: Bytes) {
    let size = bytes.len() as u64;
    runtime().block_on(put_blob(registry, repository, digest, bytes.into(), size));
}

/// Puts a manifest, under a tag or under its digest.
pub(crate) fn put_manifest(
    registry: &DockerRegistry,
    repository: &str,
    tag: Option<&str>,
    media_type: &str,
    text: String,
) -> Digest {
    let digest = Digest::of(text.as_bytes());
    let name = tag.map_or_else(|| digest.to_string(), str::to_owned);
    let put = client()
        .put(registry.url(repository, &format!("manifests/{name}")))
        .header("Content-Type", media_type)
        .body(text);
    runtime().block_on(put.send()).unwrap().error_for_status().unwrap();
    digest
}

/// Gives a manifest that is there the tag `1`.
pub(crate) fn tag(registry: &DockerRegistry, repository: &str, digest: &str, media_type: &str) {
    let url = registry.url(repository, &format!("manifests/{digest}"));
    let text = runtime().block_on(async {
        let get = client().get(url).header("Accept", media_type);
        get.send().await.unwrap().error_for_status().unwrap().text().await.unwrap()
    });
    put_manifest(registry, repository, Some("1"), media_type, text);
}
