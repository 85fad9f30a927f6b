//! The `index.json` of a folder that content is loaded into: what it names, merged from one archive to the
//! next, and replaced whole.
//!
//! Entries of others (another tool may write into the same layout) are kept as they are. Ours carry their
//! full name in `io.containerd.image.name` and a tag-safe one in `org.opencontainers.image.ref.name`, as the
//! entries of an archive do; legacy tags of evidence are names as well, so that they can be served.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use manifests::{Descriptor, Digest, json, limits, media_type};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use transfer::archive::{IMAGE_NAME, REF_NAME, ref_names};

use crate::plain;

/// An index, as it was read and is changed. Entries are kept as text: parsed, each takes four times as much.
#[derive(Debug, Default)]
pub(crate) struct FolderIndex {
    entries: Vec<Box<RawValue>>,
    /// Where each full name stands.
    named: HashMap<String, usize>,
    /// How many entries list a digest.
    listed: HashMap<Digest, usize>,
    /// What else the document has: annotations of its own.
    rest: BTreeMap<String, Box<RawValue>>,
    is_changed: bool,
}

impl FolderIndex {
    /// The name of an index that is not whole yet.
    pub(crate) const PARTIAL: &'static str = ".index.json.partial";

    /// Reads the index of the layout `folder`; a folder without one has an empty index.
    ///
    /// # Errors
    /// When it cannot be read, is too large or is not an index.
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        let file = match plain::open(&folder.join("index.json")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file?,
        };
        let invalid = |message: String| io::Error::new(io::ErrorKind::InvalidData, message);
        let mut bytes = Vec::new();
        file.take(limits::INVENTORY_BYTES + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > limits::INVENTORY_BYTES {
            return Err(invalid(too_large()));
        }
        let mut rest: BTreeMap<String, Box<RawValue>> =
            json::parse(&bytes).map_err(|error| invalid(format!("the index: {error}")))?;
        drop(bytes);
        let Some(list) = rest.remove("manifests") else {
            return Err(invalid("found no list of manifests, wanted an OCI index".to_owned()));
        };
        let entries = serde_json::from_str(list.get());
        let Entries(entries) = entries.map_err(|error| invalid(format!("the index: {error}")))?;
        Ok(Self::of(entries, rest))
    }

    fn of(entries: Vec<Box<RawValue>>, rest: BTreeMap<String, Box<RawValue>>) -> Self {
        let mut index = Self { rest, ..Self::default() };
        for (at, entry) in entries.iter().enumerate() {
            let entry = parsed(entry);
            if let Some(name) = name_of(&entry) {
                // Of two entries with one name the first counts, as it does for whoever reads the list.
                index.named.entry(name.to_owned()).or_insert(at);
            }
            if let Some(descriptor) = descriptor_of(&entry) {
                *index.listed.entry(descriptor.digest).or_default() += 1;
            }
        }
        Self { entries, ..index }
    }

    /// What a full name points to.
    pub(crate) fn get(&self, name: &str) -> Option<Descriptor> {
        self.named.get(name).and_then(|at| descriptor_of(&parsed(self.entries.get(*at)?)))
    }

    /// Every entry that is content by SHA-256, with its full name where it has one.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Option<String>, Descriptor)> {
        self.entries.iter().filter_map(|entry| {
            let entry = parsed(entry);
            Some((name_of(&entry).map(str::to_owned), descriptor_of(&entry)?))
        })
    }

    /// Points a full name at something.
    pub(crate) fn set(&mut self, name: &str, descriptor: &Descriptor) {
        let before = self.get(name);
        if before.as_ref() == Some(descriptor) {
            return;
        }
        let mut entry = entry_of(descriptor);
        entry["annotations"][IMAGE_NAME] = name.into();
        let entry = raw(&entry);
        if let Some(old) = self.named.get(name).and_then(|at| self.entries.get_mut(*at)) {
            *old = entry;
        } else {
            self.named.insert(name.to_owned(), self.entries.len());
            self.entries.push(entry);
        }
        if let Some(count) = before.and_then(|before| self.listed.get_mut(&before.digest)) {
            *count -= 1;
        }
        self.note(descriptor);
    }

    /// Lists something without a name, where nothing else lists it: content that no entry leads to would
    /// not be served.
    pub(crate) fn list(&mut self, descriptor: &Descriptor) {
        if self.listed.get(&descriptor.digest).is_none_or(|count| *count == 0) {
            self.entries.push(raw(&entry_of(descriptor)));
            self.note(descriptor);
        }
    }

    fn note(&mut self, descriptor: &Descriptor) {
        *self.listed.entry(descriptor.digest).or_default() += 1;
        self.is_changed = true;
    }

    /// Writes the index in one step, where it is another than the one that was read: whoever reads the folder sees
    /// the old one or the new one.
    ///
    /// # Errors
    /// When it cannot be written; then the old one is still there.
    pub(crate) fn write(mut self, folder: &Path) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        // What could not be read again would keep everybody from the names that are there.
        if self.entries.len() > limits::BLOBS {
            return Err(io::Error::other(format!("the index: {}", too_many(self.entries.len()))));
        }
        self.name_all();
        self.rest.insert("schemaVersion".to_owned(), raw(&2.into()));
        self.rest.entry("mediaType".to_owned()).or_insert_with(|| raw(&media_type::OCI_INDEX.into()));
        let manifests = Part::Entries(&self.entries);
        let rest = self.rest.iter().map(|(key, value)| (key.as_str(), Part::Other(value)));
        let document: BTreeMap<&str, Part<'_>> = rest.chain([("manifests", manifests)]).collect();
        let partial = folder.join(Self::PARTIAL);
        // What is there was left by a run that was killed, or put there: it is not written through, as it may be a
        // link. One name, so that killed runs leave one file; the lock is held by whoever writes it.
        match fs::remove_file(&partial) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = File::create_new(&partial)?;
        json::write(&document, &file)?;
        if file.metadata()?.len() > limits::INVENTORY_BYTES {
            fs::remove_file(&partial)?;
            return Err(io::Error::other(format!("the index: {}", too_large())));
        }
        file.sync_all()?;
        fs::rename(&partial, folder.join("index.json"))?;
        File::open(folder)?.sync_all()
    }

    /// Gives every entry with a full name its tag-safe one.
    fn name_all(&mut self) {
        let names: Vec<Option<String>> =
            self.entries.iter().map(|entry| name_of(&parsed(entry)).map(str::to_owned)).collect();
        let mut safe = ref_names(names.iter().flatten().map(String::as_str)).into_iter();
        for (entry, _) in self.entries.iter_mut().zip(&names).filter(|(_, name)| name.is_some()) {
            let mut named = parsed(entry);
            named["annotations"][REF_NAME] = safe.next().into();
            *entry = raw(&named);
        }
    }
}

/// The entries of an index that is read. One takes many times its text in memory, so they are counted while they are
/// read.
struct Entries(Vec<Box<RawValue>>);

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;

        impl<'de> Visitor<'de> for List {
            type Value = Entries;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a list of manifests")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Entries, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = list.next_element()? {
                    if entries.len() == limits::BLOBS {
                        return Err(A::Error::custom(too_many("more")));
                    }
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_seq(List)
    }
}

fn too_many(found: impl fmt::Display) -> String {
    format!("found {found} entries, wanted at most {}", limits::BLOBS)
}

fn too_large() -> String {
    format!("found more than {} bytes, wanted at most so many", limits::INVENTORY_BYTES)
}

/// A part of the document that is written.
#[derive(Serialize)]
#[serde(untagged)]
enum Part<'a> {
    Entries(&'a [Box<RawValue>]),
    Other(&'a RawValue),
}

/// JSON as text.
#[expect(clippy::expect_used, reason = "a value has string keys only")]
fn raw(value: &Value) -> Box<RawValue> {
    to_raw_value(value).expect("a value is JSON")
}

/// An entry that was found to be JSON.
fn parsed(entry: &RawValue) -> Value {
    serde_json::from_str(entry.get()).unwrap_or_default()
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
        let file = plain::open_lock(&folder.join(".index.json.lock"))?;
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
        assert_eq!(listed, [(Some("ghcr.io/a/b:1".to_owned()), descriptor("new").digest), signature]);
        let text = fs::read_to_string(folder.path().join("index.json")).unwrap();
        assert!(text.contains(r#""annotations":{"a":"b"}"#) && text.contains("sha512:00"), "{text}");
        assert!(text.contains(r#""org.opencontainers.image.ref.name":"ghcr.io-a-b-1""#), "{text}");
    }

    #[test]
    fn what_lost_its_name_is_listed_again_and_of_two_entries_with_one_name_the_first_counts() {
        let folder = tempfile::tempdir().unwrap();
        let mut index = FolderIndex::default();
        index.set("ghcr.io/a/b:1", &descriptor("old"));
        index.set("ghcr.io/a/b:1", &descriptor("new"));
        for _ in 0..2 {
            index.list(&descriptor("old"));
        }
        let digests: Vec<Digest> = index.entries().map(|(_, entry)| entry.digest).collect();
        assert_eq!(digests, [descriptor("new").digest, descriptor("old").digest]);

        index.write(folder.path()).unwrap();
        let file = folder.path().join("index.json");
        let mut twice: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        let mut second = twice["manifests"][0].clone();
        second["digest"] = descriptor("other").digest.to_string().into();
        twice["manifests"].as_array_mut().unwrap().push(second);
        let written = format!("{twice:#}");
        fs::write(&file, &written).unwrap();
        let index = FolderIndex::read(folder.path()).unwrap();
        assert_eq!(index.get("ghcr.io/a/b:1"), Some(descriptor("new")));
        index.write(folder.path()).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), written, "nothing changed, so nothing is written");
    }

    #[test]
    fn an_index_that_could_not_be_read_again_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("index.json");
        let of_others = |length: u64| {
            let text = "a".repeat(usize::try_from(length).unwrap());
            format!(r#"{{"schemaVersion":2,"annotations":{{"a":"{text}"}},"manifests":[]}}"#)
        };
        let just_fits = limits::INVENTORY_BYTES - of_others(0).len() as u64;
        fs::write(&file, of_others(just_fits)).unwrap();
        let mut index = FolderIndex::read(folder.path()).unwrap();
        index.set("ghcr.io/a/b:1", &descriptor("new"));
        let error = index.write(folder.path()).unwrap_err().to_string();
        assert_eq!(error, "the index: found more than 67108864 bytes, wanted at most so many");
        assert_eq!(fs::metadata(&file).unwrap().len(), limits::INVENTORY_BYTES);
        assert!(!folder.path().join(FolderIndex::PARTIAL).exists());

        fs::write(&file, of_others(just_fits + 1)).unwrap();
        assert!(FolderIndex::read(folder.path()).is_err());
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
