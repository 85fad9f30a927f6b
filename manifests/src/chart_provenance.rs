//! The text of a chart's provenance file, as `helm package --sign` writes it: Chart.yaml, a line `...`, and the digest of
//! the chart's archive under its file name.
//!
//! What it says of the archive stands in lines of one form, which are read as such: content from upstream reaches no
//! parser of YAML.

use std::collections::BTreeMap;

use crate::digest::Digest;
use crate::json;

/// Between Chart.yaml and the digests.
const END_OF_CHART: &str = "...";

/// Why a provenance does not speak for a chart's archive.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProvenanceError {
    /// Not the text that Helm writes.
    #[error(
        "found a provenance {0}, wanted Chart.yaml, a line \"...\", and files: with the archive's name and sha256"
    )]
    Form(String),
    /// It is about another file.
    #[error("found a provenance of {found:?}, wanted one of {wanted:?}")]
    OtherFile {
        /// What it names.
        found: String,
        /// The name that the chart's archive has.
        wanted: String,
    },
    /// It is about other bytes.
    #[error("found a provenance of {file:?} as {found}, wanted {wanted}")]
    OtherDigest {
        /// The file.
        file: String,
        /// What the provenance says.
        found: Digest,
        /// The archive's digest.
        wanted: Digest,
    },
}

/// Whether a provenance's text says that the archive `file` (`NAME-VERSION.tgz`) has this digest.
///
/// # Errors
/// When it does not, or is not of Helm's form.
pub fn check(text: &str, file: &str, digest: Digest) -> Result<(), ProvenanceError> {
    let files = files(text)?;
    match files.get(file) {
        Some(found) if *found == digest => Ok(()),
        Some(found) => {
            Err(ProvenanceError::OtherDigest { file: json::shortened(file), found: *found, wanted: digest })
        }
        None => {
            let found = files.keys().map(|name| json::shortened(name)).collect::<Vec<_>>().join(", ");
            Err(ProvenanceError::OtherFile { found, wanted: json::shortened(file) })
        }
    }
}

fn files(text: &str) -> Result<BTreeMap<String, Digest>, ProvenanceError> {
    let form = |found: &str| ProvenanceError::Form(found.to_owned());
    let mut parts = text.lines().collect::<Vec<_>>();
    let ends: Vec<usize> = (0..parts.len()).filter(|at| parts.get(*at) == Some(&END_OF_CHART)).collect();
    // With two of them it would depend on the reader which part is meant.
    let [end] = ends.as_slice() else { return Err(form("with another number of lines \"...\" than one")) };
    let mut lines = parts.split_off(end + 1).into_iter().filter(|line| !line.is_empty());
    if lines.next() != Some("files:") {
        return Err(form("without files: after its Chart.yaml"));
    }
    let mut files = BTreeMap::new();
    for line in lines.take_while(|line| *line != "images:") {
        let entry = line.strip_prefix("  ").and_then(|entry| entry.split_once(": "));
        let entry = entry.and_then(|(name, digest)| Some((name, digest.parse::<Digest>().ok()?)));
        let Some((name, digest)) = entry else {
            return Err(form(&format!("with the line {:?}", json::shortened(line))));
        };
        if files.insert(name.to_owned(), digest).is_some() {
            return Err(form(&format!("that names {:?} twice", json::shortened(name))));
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sha256(of: &str) -> Digest {
        Digest::of(of.as_bytes())
    }

    #[test]
    fn what_helm_writes_names_one_file_with_its_digest() {
        let (digest, other) = (sha256("chart"), sha256("another"));
        let good = format!("name: web\r\nversion: 1.0.0\r\n\r\n...\r\nfiles:\r\n  web-1.0.0.tgz: {digest}");
        assert_eq!(check(&good, "web-1.0.0.tgz", digest), Ok(()));
        let images = format!("{good}\r\nimages:\r\n  web: {digest}\r\n");
        assert_eq!(check(&images, "web-1.0.0.tgz", digest), Ok(()), "images are nobody's");
        for (text, file, digest, said) in [
            (good.as_str(), "web-1.0.1.tgz", digest, "found a provenance of \"web-1.0.0.tgz\""),
            (good.as_str(), "web-1.0.0.tgz", other, "as sha256:"),
            (images.as_str(), "web", digest, "found a provenance of \"web-1.0.0.tgz\""),
        ] {
            let error = check(text, file, digest).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        let digest = sha256("chart");
        let line = format!("  web-1.0.0.tgz: {digest}");
        for (text, said) in [
            (format!("name: web\nfiles:\n{line}"), "another number of lines"),
            (format!("a: b\n...\nfiles:\n{line}\n...\nfiles:\n{line}"), "another number of lines"),
            (format!("a: b\n...\nimages:\n{line}"), "without files:"),
            ("a: b\n...\n".to_owned(), "without files:"),
            (format!("a: b\n...\nfiles:\n{line}\n{line}"), "twice"),
            ("a: b\n...\nfiles:\n  web-1.0.0.tgz: sha1:00".to_owned(), "with the line"),
            (format!("a: b\n...\nfiles:\nweb-1.0.0.tgz: {digest}"), "with the line"),
            (format!("a: b\n...\nfiles: {{web-1.0.0.tgz: {digest}}}"), "without files:"),
        ] {
            let error = check(&text, "web-1.0.0.tgz", digest).unwrap_err().to_string();
            assert!(error.contains(said), "{text}: {error}");
        }
    }
}
