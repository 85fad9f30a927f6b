//! Images and any other OCI artifact, by reference, alone or from a list.

mod list;

use manifests::definition::{ImageOrigin, ImageSource};
use manifests::reference::Reference;
use manifests::{evidence_tag, limits};

use super::{Entry, Pin, PinError, Reader, Wanted};
use crate::upstream::Upstream;

/// The entries of the section `images:`.
pub(super) fn entries(sources: &[ImageSource], reader: &mut Reader<'_>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for source in sources {
        let references = match &source.from {
            ImageOrigin::Reference(reference) => vec![reference.clone()],
            ImageOrigin::List(file) => read_list(file, reader),
        };
        let options = &source.options;
        let is_wanted = |reference: &Reference| !is_evidence(reference, reader);
        let references = references.into_iter().filter(is_wanted);
        entries.extend(references.map(|reference| Entry {
            wanted: Wanted::Image(reference),
            platforms: options.platforms.clone(),
            optional: options.optional,
            group: options.group.clone(),
        }));
    }
    entries
}

fn read_list(file: &str, reader: &mut Reader<'_>) -> Vec<Reference> {
    let Some(bytes) = reader.read(file, limits::DOCUMENT_BYTES) else { return Vec::new() };
    let Ok(text) = String::from_utf8(bytes) else {
        reader.fail(file, "found no UTF-8 text, wanted one reference a line");
        return Vec::new();
    };
    list::parse(&text).unwrap_or_else(|errors| {
        errors.into_iter().for_each(|error| reader.fail(file, error));
        Vec::new()
    })
}

/// Whether a reference names what is said about something else, which is a failure: inside, what stands under such a
/// tag is merged, and an item would take its place.
fn is_evidence(reference: &Reference, reader: &mut Reader<'_>) -> bool {
    let Some(subject) = reference.tag().and_then(evidence_tag::subject) else { return false };
    let message =
        format!("found the tag of evidence about {subject}, which is found by itself: leave it out");
    reader.fail(&reference.to_string(), message);
    true
}

/// The name that the item gets. With a tag and a digest the digest says what is carried, and the tag under
/// which name.
pub(super) fn name(reference: &Reference) -> Reference {
    let repository = reference.repository();
    match (reference.tag(), reference.digest()) {
        (Some(tag), Some(_)) => repository.tagged(tag).unwrap_or_else(|_| reference.clone()),
        _ => reference.clone(),
    }
}

pub(super) async fn pin(reference: &Reference, upstream: &Upstream) -> Result<Pin, PinError> {
    let repository = reference.repository();
    let found = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => upstream.digest(repository, digest).await?,
        (None, Some(tag)) => upstream.tag(repository, tag).await?,
        // A reference has one of them; the parser fills in `latest`.
        (None, None) => None,
    };
    let source = found.ok_or_else(|| PinError::Absent(String::new()))?;
    Ok(Pin { name: name(reference), source, origin: Some(repository.clone()) })
}
