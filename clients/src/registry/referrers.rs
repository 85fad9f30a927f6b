//! What refers to a manifest: signatures, attestations, reports.

use std::collections::BTreeMap;

use bytes::Bytes;
use manifests::oci::{Entry, Manifest};
use manifests::{Digest, evidence_tag, limits, media_type};
use serde_json::{Map, Value};

use super::{MERGES, PAGE_BYTES, Remote, Selector, changed_again, link};
use crate::error::{Error, Problem, shown};

/// What refers to a subject, by the registry's word.
#[derive(Debug, Clone, Default)]
pub struct Referrers {
    /// The referrers, in the registry's order, each digest once.
    pub entries: Vec<Entry>,
    /// Whether the registry has the referrers API; otherwise this is the fallback index.
    pub by_api: bool,
}

/// What a merge found or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merged {
    /// Everything was there.
    Present,
    /// The merged document, with its digest, is there now.
    Written(Digest),
}

impl Remote {
    /// What refers to `subject`: by the referrers API, or by the fallback index where a 404 says that there
    /// is no API. Only a 404 of both means "none".
    ///
    /// # Errors
    /// As every request; and beyond 1,000 referrers.
    pub async fn referrers(&self, subject: Digest) -> Result<Referrers, Error> {
        let outcome = async {
            match self.referrers_by_api(subject).await {
                Ok(entries) => Ok(Referrers { entries, by_api: true }),
                Err(Problem::NotFound(_)) => {
                    Ok(Referrers { entries: self.read_fallback(subject).await?.1, by_api: false })
                }
                Err(problem) => Err(problem),
            }
        };
        outcome.await.map_err(self.failed(subject.into()))
    }

    /// What the fallback index of `subject` lists, whether or not the registry has the API: evidence that
    /// was pushed before it had one stays there.
    ///
    /// # Errors
    /// As every request; and beyond 1,000 referrers. A 404 is an empty list.
    pub async fn fallback_referrers(&self, subject: Digest) -> Result<Vec<Entry>, Error> {
        let outcome = self.read_fallback(subject).await;
        outcome.map(|(_, entries)| entries).map_err(self.failed(subject.into()))
    }

    async fn referrers_by_api(&self, subject: Digest) -> Result<Vec<Entry>, Problem> {
        let mut entries = Vec::new();
        let mut next = Some(self.url(&format!("referrers/{subject}"))?);
        for _ in 0..limits::EVIDENCE_PER_SUBJECT {
            let Some(url) = next else { return one_each(entries) };
            let (parts, bytes) = self.get_document(url, PAGE_BYTES).await?;
            entries.extend(read_index(&bytes, parts.content_type.as_deref().unwrap_or_default())?);
            if entries.len() > limits::EVIDENCE_PER_SUBJECT {
                break;
            }
            next = link::next(&parts, self.host.origin())?;
        }
        Err(too_many())
    }

    /// The fallback index as it is, with its entries; nothing and no entries where there is none.
    async fn read_fallback(&self, subject: Digest) -> Result<(Option<Bytes>, Vec<Entry>), Problem> {
        let tag = evidence_tag::fallback(subject);
        match self.get_manifest(Selector::Tag(&tag)).await {
            Ok(found) => match found.manifest {
                Manifest::Index(index) => Ok((Some(found.bytes), one_each(index.manifests)?)),
                Manifest::Image(_) => {
                    Err(Problem::Protocol(format!("found a manifest at {tag}, wanted an index")))
                }
            },
            Err(Error { problem: Problem::NotFound(_), .. }) => Ok((None, Vec::new())),
            Err(error) => Err(error.problem),
        }
    }

    /// Adds `ours` to the fallback index of `subject`, and keeps what others have there. An index that
    /// lists them all is left as it is.
    ///
    /// # Errors
    /// As every request; or when others write the same index again and again.
    pub async fn merge_fallback_index(
        &self,
        subject: Digest,
        ours: &[FallbackEntry],
    ) -> Result<Merged, Error> {
        let tag = evidence_tag::fallback(subject);
        let failed = self.failed(Selector::Tag(&tag));
        let mut written = None;
        for _ in 0..MERGES {
            let (existing, _) = self.read_fallback(subject).await.map_err(&failed)?;
            let Some(merged) = merge_index(existing.as_deref(), ours).map_err(&failed)? else {
                return Ok(written.map_or(Merged::Present, Merged::Written));
            };
            // Read again afterwards: there is no conditional write, and another importer may have replaced
            // what this one put.
            self.put_manifest(Selector::Tag(&tag), media_type::OCI_INDEX, &merged).await?;
            written = Some(Digest::of(&merged));
        }
        Err(failed(changed_again()))
    }
}

/// A descriptor in an index of referrers.
#[derive(Debug, Clone, PartialEq)]
pub struct FallbackEntry {
    digest: Digest,
    json: Value,
}

impl FallbackEntry {
    /// The descriptor of a referrer: with its artifact type and its annotations, as the specification wants
    /// them in referrers lists.
    ///
    /// # Errors
    /// When the bytes are not a manifest of that type.
    pub fn of(bytes: &[u8], media_type: &str) -> Result<Self, manifests::oci::ManifestError> {
        let (artifact_type, annotations) = match Manifest::parse(bytes, media_type)? {
            Manifest::Image(image) => {
                (Some(image.artifact_type.unwrap_or(image.config.media_type)), image.annotations)
            }
            Manifest::Index(_) => (None, BTreeMap::new()),
        };
        let digest = Digest::of(bytes);
        let mut json = Map::new();
        json.insert("mediaType".to_owned(), media_type.into());
        json.insert("digest".to_owned(), digest.to_string().into());
        json.insert("size".to_owned(), bytes.len().into());
        json.extend(artifact_type.map(|text| ("artifactType".to_owned(), text.into())));
        if !annotations.is_empty() {
            let annotations: Map<String, Value> =
                annotations.into_iter().map(|(key, value)| (key, value.into())).collect();
            json.insert("annotations".to_owned(), annotations.into());
        }
        Ok(Self { digest, json: json.into() })
    }
}

/// The index with `ours` added, in the order of the digests, so that the order in which archives are loaded
/// leaves no trace; nothing when all are there.
fn merge_index(existing: Option<&[u8]>, ours: &[FallbackEntry]) -> Result<Option<Bytes>, Problem> {
    let mut index: Map<String, Value> = match existing {
        Some(bytes) => serde_json::from_slice(bytes).map_err(|error| Problem::Protocol(error.to_string()))?,
        None => Map::new(),
    };
    let listed = match index.remove("manifests") {
        Some(Value::Array(listed)) => listed,
        _ => Vec::new(),
    };
    let digest_of =
        |entry: &Value| entry.get("digest").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut entries: BTreeMap<String, Value> =
        listed.into_iter().map(|entry| (digest_of(&entry), entry)).collect();
    let before = entries.len();
    for entry in ours {
        entries.entry(entry.digest.to_string()).or_insert_with(|| entry.json.clone());
    }
    if entries.len() == before && (existing.is_some() || ours.is_empty()) {
        return Ok(None);
    }
    if entries.len() > limits::EVIDENCE_PER_SUBJECT {
        return Err(too_many());
    }
    index.insert("schemaVersion".to_owned(), 2.into());
    index.insert("mediaType".to_owned(), media_type::OCI_INDEX.into());
    index.insert("manifests".to_owned(), entries.into_values().collect());
    Ok(Some(manifests::json::encode(&index).into()))
}

fn read_index(bytes: &[u8], content_type: &str) -> Result<Vec<Entry>, Problem> {
    match Manifest::parse(bytes, content_type) {
        Ok(Manifest::Index(index)) => Ok(index.manifests),
        Ok(Manifest::Image(_)) => {
            Err(Problem::Protocol("found a manifest, wanted a list of referrers".to_owned()))
        }
        Err(error) => Err(Problem::Protocol(shown(&format!("the list of referrers: {error}")))),
    }
}

fn one_each(entries: Vec<Entry>) -> Result<Vec<Entry>, Problem> {
    if entries.len() > limits::EVIDENCE_PER_SUBJECT {
        return Err(too_many());
    }
    let mut seen = std::collections::HashSet::new();
    Ok(entries.into_iter().filter(|entry| seen.insert(entry.digest)).collect())
}

fn too_many() -> Problem {
    let most = limits::EVIDENCE_PER_SUBJECT;
    Problem::Protocol(format!("found more than {most} referrers or pages of them, wanted at most {most}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> FallbackEntry {
        let empty = Digest::of(b"");
        let bytes = format!(
            r#"{{"schemaVersion":2,"artifactType":"{text}","config":{{"digest":"{empty}","mediaType":"x","size":0}},"layers":[],"annotations":{{"a":"b"}}}}"#
        );
        FallbackEntry::of(bytes.as_bytes(), media_type::OCI_MANIFEST).unwrap()
    }

    #[test]
    fn a_merge_keeps_what_others_have_and_its_order_leaves_no_trace() {
        let (a, b, c) = (entry("a"), entry("b"), entry("c"));
        let first = merge_index(None, &[a.clone(), b.clone()]).unwrap().unwrap();
        let second = merge_index(Some(&first), &[b.clone(), c.clone()]).unwrap().unwrap();
        let other_way = merge_index(None, std::slice::from_ref(&c)).unwrap().unwrap();
        let other_way = merge_index(Some(&other_way), &[b.clone(), a.clone()]).unwrap().unwrap();
        assert_eq!(second, other_way);
        assert_eq!(merge_index(Some(&second), &[a, c]).unwrap(), None, "a superset is left as it is");
        assert_eq!(merge_index(None, &[]).unwrap(), None);
        let read = read_index(&second, media_type::OCI_INDEX).unwrap();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].annotation("a"), Some("b"));
        assert!(read.iter().all(|entry| entry.artifact_type.is_some()));
    }

    #[test]
    fn a_merge_keeps_fields_that_it_does_not_know() {
        let theirs = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}","mediaType":"x","size":0,"custom":[1]}}],"annotations":{{"k":"v"}}}}"#,
            Digest::of(b"x")
        );
        let merged = merge_index(Some(theirs.as_bytes()), &[entry("a")]).unwrap().unwrap();
        let text = std::str::from_utf8(&merged).unwrap();
        assert!(text.contains(r#""custom":[1]"#) && text.contains(r#""annotations":{"k":"v"}"#), "{text}");
    }
}
