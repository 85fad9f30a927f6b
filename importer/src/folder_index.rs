//! The `index.json` of a folder that content is loaded into: what it names, merged from one archive to the
//! next, and replaced whole.
//!
//! Entries of others (another tool may write into the same layout) are kept as they are. Ours carry their
//! full name in `io.containerd.image.name` and a tag-safe one in `org.opencontainers.image.ref.name`, as the
//! entries of an archive do; legacy tags of evidence are names as well, so that they can be served.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use manifests::{Descriptor, json, limits, media_type};
use serde_json::{Map, Value};
use transfer::archive::ref_names;

/// The full name, where containerd looks for it.
const IMAGE_NAME: &str = "io.containerd.image.name";
/// The tag-safe name, where the layout's own tools look for it.
const REF_NAME: &str = "org.opencontainers.image.ref.name";

/// An index, as it was read and is changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FolderIndex {
    entries: Vec<Value>,
    /// What else the document has: annotations of its own.
    rest: Map<String, Value>,
}

impl FolderIndex {
    /// Reads the index of the layout `folder`; a folder without one has an empty index.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is not an index.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let file = match File::open(folder.join("index.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let mut bytes = Vec::new();
        file.take(limits::INVENTORY_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limits::INVENTORY_BYTES {
            return Err(invalid(format!(
                "found more than {} bytes, wanted an index",
                limits::INVENTORY_BYTES
            )));
        }
        let mut rest: Map<String, Value> =
            json::parse(&bytes).map_err(|error| invalid(format!("the index: {error}")))?;
        let Some(Value::Array(entries)) = rest.remove("manifests") else {
            return Err(invalid("found no list of manifests, wanted an OCI index".to_owned()));
        };
        Ok(Self { entries, rest })
    }

    /// What a full name points to.
    pub(crate) fn get(&self, name: &str) -> Option<Descriptor> {
        self.entries.iter().find(|entry| name_of(entry) == Some(name)).and_then(descriptor_of)
    }

    /// Every entry that is content by SHA-256, with its full name where it has one.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Option<&str>, Descriptor)> {
        self.entries.iter().filter_map(|entry| Some((name_of(entry), descriptor_of(entry)?)))
    }

    /// Points a full name at something.
    pub(crate) fn set(&mut self, name: &str, descriptor: &Descriptor) {
        if self.get(name).as_ref() == Some(descriptor) {
            return;
        }
        let mut entry = entry_of(descriptor);
        entry["annotations"] = Value::Object(Map::from_iter([(IMAGE_NAME.to_owned(), name.into())]));
        match self.entries.iter_mut().find(|entry| name_of(entry) == Some(name)) {
            Some(old) => *old = entry,
            None => self.entries.push(entry),
        }
    }

    /// Lists something without a name, where nothing else lists it: content that no entry leads to would
    /// not be served.
    pub(crate) fn list(&mut self, descriptor: &Descriptor) {
        if !self.entries().any(|(_, listed)| listed.digest == descriptor.digest) {
            self.entries.push(entry_of(descriptor));
        }
    }

    /// Writes the index in one step: whoever reads the folder sees the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written; then the old one is still there.
    pub(crate) fn write(mut self, folder: &Path) -> io::Result<()> {
        self.name_all();
        let mut document = self.rest;
        document.insert("schemaVersion".to_owned(), 2.into());
        document.entry("mediaType").or_insert_with(|| media_type::OCI_INDEX.into());
        document.insert("manifests".to_owned(), Value::Array(self.entries));
        let partial = folder.join(".index.json.partial");
        let mut file = File::create(&partial)?;
        file.write_all(&json::encode(&document))?;
        file.sync_all()?;
        fs::rename(&partial, folder.join("index.json"))?;
        File::open(folder)?.sync_all()
    }

    /// Gives every entry with a full name its tag-safe one.
    fn name_all(&mut self) {
        let names: Vec<String> = self.entries.iter().filter_map(name_of).map(str::to_owned).collect();
        let mut safe = ref_names(names.iter().map(String::as_str)).into_iter();
        for entry in &mut self.entries {
            if name_of(entry).is_some()
                && let Some(safe) = safe.next()
            {
                entry["annotations"][REF_NAME] = safe.into();
            }
        }
    }
}

fn name_of(entry: &Value) -> Option<&str> {
    entry.get("annotations")?.get(IMAGE_NAME)?.as_str()
}

fn descriptor_of(entry: &Value) -> Option<Descriptor> {
    Some(Descriptor {
        digest: entry.get("digest")?.as_str()?.parse().ok()?,
        media_type: entry.get("mediaType")?.as_str()?.to_owned(),
        size: entry.get("size")?.as_u64()?,
    })
}

fn entry_of(descriptor: &Descriptor) -> Value {
    serde_json::json!({
        "mediaType": descriptor.media_type, "digest": descriptor.digest, "size": descriptor.size,
    })
}

/// The right to change an index, held while it is read, changed and replaced.
#[derive(Debug)]
pub(crate) struct IndexLock(#[expect(dead_code, reason = "the lock goes with the open file")] File);

impl IndexLock {
    /// Waits for the right to change the index of `folder`.
    ///
    /// # Errors
    /// When the lock file cannot be made or the file system has no locks.
    pub(crate) fn take(folder: &Path) -> io::Result<Self> {
        let path: PathBuf = folder.join(".index.json.lock");
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        file.lock()?;
        Ok(Self(file))
    }
}

#[cfg(test)]
mod tests {
    use manifests::Digest;

    use super::*;

    fn descriptor(content: &str) -> Descriptor {
        let digest = Digest::of(content.as_bytes());
        Descriptor { digest, media_type: media_type::OCI_MANIFEST.to_owned(), size: content.len() as u64 }
    }

    #[test]
    fn entries_of_others_stay_and_names_move() {
        let folder = tempfile::tempdir().unwrap();
        let foreign = r#"{"schemaVersion":2,"annotations":{"a":"b"},"manifests":[{"mediaType":"x/y","digest":"sha512:00","size":1,"artifactType":"z"}]}"#;
        fs::write(folder.path().join("index.json"), foreign).unwrap();
        for content in ["old", "new"] {
            let mut index = FolderIndex::read(folder.path()).unwrap();
            index.set("ghcr.io/a/b:1", &descriptor(content));
            index.list(&descriptor(content));
            index.list(&descriptor("signature"));
            index.write(folder.path()).unwrap();
        }
        let index = FolderIndex::read(folder.path()).unwrap();
        assert_eq!(index.get("ghcr.io/a/b:1"), Some(descriptor("new")));
        let listed: Vec<_> = index.entries().map(|(name, entry)| (name, entry.digest)).collect();
        let signature = (None, descriptor("signature").digest);
        assert_eq!(listed, [(Some("ghcr.io/a/b:1"), descriptor("new").digest), signature]);
        let text = fs::read_to_string(folder.path().join("index.json")).unwrap();
        assert!(text.contains(r#""annotations":{"a":"b"}"#) && text.contains("sha512:00"), "{text}");
        assert!(text.contains(r#""org.opencontainers.image.ref.name":"ghcr.io-a-b-1""#), "{text}");
    }

    #[test]
    fn an_index_that_is_none_is_not_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        for (text, why) in [("[]", "no object"), ("{}", "no list"), (r#"{"manifests":1}"#, "another type")] {
            fs::write(folder.path().join("index.json"), text).unwrap();
            assert!(FolderIndex::read(folder.path()).is_err(), "{why}");
        }
    }
}
