//! What a registry has already.

use std::collections::{BTreeSet, HashSet};

use clients::registry::Remote;
use clients::{Error, Problem};
use console::Failure;
use futures_util::{StreamExt as _, stream};
use manifests::Digest;
use manifests::inventory::Blob;

use super::places::Places;
use super::{ManifestThere, Registry, has_manifest, name_there, settle};
use crate::client_failure;
use crate::destinations::{NameThere, QUESTIONS, Survey};
use crate::shipment::{Cargo, Lack, Shipment};
use crate::tree::Tree;

/// From this size on, in bytes, a question is asked before a blob is sent. Smaller ones are sent in two
/// requests where the first one finds a blob that is there: a third would cost more than it saves.
const WORTH_ASKING: u64 = 1024 * 1024;

impl Registry {
    /// Asks what is there. Repositories in `missing` cannot have anything: their project is still to be made.
    ///
    /// # Errors
    /// Every item that the registry did not answer about.
    pub(crate) async fn survey(
        &self,
        shipment: &Shipment,
        missing: &HashSet<usize>,
    ) -> Result<Survey, Vec<Failure>> {
        let places = self.places(shipment)?;
        let mut survey = Survey { places: places.of.clone(), ..Survey::default() };
        let asked = stream::iter(shipment.items.iter().zip(&places.of)).map(|(cargo, place)| {
            let (is_missing, places, is_new) = (missing.contains(place), &places, shipment.is_new);
            async move {
                let asked = item(cargo, *place, places, (is_missing, is_new)).await;
                asked.map_err(|error| client_failure::failure(&cargo.name.to_string(), &error))
            }
        });
        let answers: Vec<_> = asked.buffered(QUESTIONS).collect().await;
        for (at, There { name, has, is_kept_from_us }) in settle(answers)?.into_iter().enumerate() {
            if is_kept_from_us {
                survey.kept_from_us.push(at);
            }
            survey.names.push(name.digest());
            survey.has.extend(has);
        }
        survey.notices.extend(notices(shipment));
        Ok(survey)
    }

    /// Asks for the blobs of what is there: one may be gone, collected as garbage or removed by hand, and a name must
    /// not point to what nobody can pull. Large blobs of what is not there may be there themselves: an earlier load was
    /// cut. Then counts what is to be done.
    ///
    /// # Errors
    /// Every blob that is neither there nor in the archive, or that the registry did not answer about.
    pub(crate) async fn ask_for_blobs(
        &self,
        shipment: &Shipment,
        missing: &HashSet<usize>,
        mut survey: Survey,
    ) -> Result<Survey, Vec<Failure>> {
        let places = &self.places(shipment)?;
        let asked = questions(shipment, missing, &survey);
        let answers = stream::iter(asked).map(|Question { place, digest, is_below }| async move {
            let Some(remote) = places.remotes.get(place) else { return Ok(None) };
            // A registry on object storage redirects to what it has. Below a manifest that is there, that is enough.
            let by_redirect = is_below || !shipment.blobs.carries(&digest);
            let has = has_blob(remote, digest, by_redirect).await;
            Ok::<_, Error>(has?.then_some((place, digest)))
        });
        let mut answers = answers.buffered(QUESTIONS);
        let mut failures = Vec::new();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(there) => survey.has.extend(there),
                Err(error) => {
                    failures.push(client_failure::failure("", &error));
                    // Each of thousands of questions would be asked six times.
                    if client_failure::ends_everything(&error.problem) {
                        break;
                    }
                }
            }
        }
        drop(answers);
        if !failures.is_empty() {
            return Err(failures);
        }
        let mut nowhere = nowhere(shipment, &survey);
        let found = ask_sources(places, &nowhere).await?;
        for (place, digest) in &found {
            nowhere.remove(digest);
            survey.has.insert((*place, *digest));
        }
        let wanted = wanted_blobs(shipment, &survey).filter(|(.., blob)| nowhere.contains(&blob.digest));
        let absent: Vec<Failure> =
            wanted.map(|(_, cargo, _, blob)| shipment.lacks(cargo, blob.digest, Lack::Missing)).collect();
        count(shipment, &mut survey, &found.into_iter().map(|(_, digest)| digest).collect());
        if absent.is_empty() { Ok(survey) } else { Err(absent) }
    }
}

/// A blob that a place is asked for.
struct Question {
    place: usize,
    digest: Digest,
    /// Whether a manifest that names it is there.
    is_below: bool,
}

/// What is asked of which place, each once and in order.
fn questions(shipment: &Shipment, missing: &HashSet<usize>, survey: &Survey) -> Vec<Question> {
    let mut questions = Vec::new();
    for (place, _, tree, blob) in wanted_blobs(shipment, survey) {
        let is_below = survey.has.contains(&(place, tree.root.digest));
        let is_worth_it = is_below || blob.size >= WORTH_ASKING || !shipment.blobs.carries(&blob.digest);
        if is_worth_it && !missing.contains(&place) {
            questions.push(Question { place, digest: blob.digest, is_below });
        }
    }
    // Where it is below one manifest that is there and another one that is not, the first is what counts.
    questions.sort_unstable_by_key(|question| (question.place, question.digest, !question.is_below));
    questions.dedup_by_key(|question| (question.place, question.digest));
    questions
}

/// Whether a blob is there. `by_redirect` is what a redirect to another host says: registries on object storage
/// redirect to what they have, and where it is carried, the upload's first request tells for sure.
async fn has_blob(remote: &Remote, digest: Digest, by_redirect: bool) -> Result<bool, Error> {
    match remote.head_blob(digest).await {
        Err(Error { problem: Problem::RedirectRefused { .. }, .. }) => Ok(by_redirect),
        has => has,
    }
}

/// Blobs that are neither in the archive nor known to be anywhere at the target.
fn nowhere(shipment: &Shipment, survey: &Survey) -> BTreeSet<Digest> {
    let wanted = wanted_blobs(shipment, survey).map(|(.., blob)| blob.digest);
    let mut nowhere: BTreeSet<Digest> = wanted.filter(|digest| !shipment.blobs.carries(digest)).collect();
    if !nowhere.is_empty() {
        survey.has.iter().for_each(|(_, digest)| {
            nowhere.remove(digest);
        });
    }
    nowhere
}

/// Asks the repositories where the base brought them for blobs that can be mounted from there.
async fn ask_sources(
    places: &Places,
    digests: &BTreeSet<Digest>,
) -> Result<Vec<(usize, Digest)>, Vec<Failure>> {
    let asked = stream::iter(digests.iter().copied()).map(|digest| async move {
        for place in places.sources.get(&digest).into_iter().flatten() {
            let Some(remote) = places.remotes.get(*place) else { continue };
            match has_blob(remote, digest, true).await {
                Ok(true) => return Ok(Some((*place, digest))),
                // What we may not read we may not mount: that it is not there would not help more.
                Ok(false) | Err(Error { problem: Problem::Unauthorized(_) | Problem::Denied { .. }, .. }) => {
                }
                Err(error) => return Err(client_failure::failure("", &error)),
            }
        }
        Ok(None)
    });
    Ok(settle(asked.buffered(QUESTIONS).collect().await)?.into_iter().flatten().collect())
}

/// What an item's name points to, and what of it is there, manifests only.
struct There {
    name: NameThere,
    has: Vec<(usize, Digest)>,
    /// Whether a policy keeps something of it from us.
    is_kept_from_us: bool,
}

async fn item(
    cargo: &Cargo,
    place: usize,
    places: &Places,
    (is_missing, is_new): (bool, bool),
) -> Result<There, Error> {
    let mut there = There { name: NameThere::Nowhere, has: Vec::new(), is_kept_from_us: false };
    let Some(remote) = places.remotes.get(place).filter(|_| !is_missing) else { return Ok(there) };
    if let Some(tag) = cargo.name.tag() {
        there.name = name_there(remote, tag).await?;
        // Its manifest lies there without its name where a load was cut or held. Where the site knows of none, the
        // question is a tenth of the load of a small image; and to put a manifest that is there changes nothing.
        if is_new && there.name == NameThere::Nowhere {
            return Ok(there);
        }
    }
    let root = cargo.tree.root.digest;
    let is_named = there.name == NameThere::At(root);
    let found = if is_named { ManifestThere::Yes } else { has_manifest(remote, root).await? };
    there.is_kept_from_us = there.name == NameThere::KeptFromUs || found == ManifestThere::KeptFromUs;
    if found != ManifestThere::Yes {
        return Ok(there);
    }
    there.has.push((place, root));
    for manifest in &cargo.tree.children {
        // A policy answers for what is there; what is not is not found.
        if has_manifest(remote, manifest.digest).await? != ManifestThere::No {
            there.has.push((place, manifest.digest));
        }
    }
    for manifest in cargo.evidence.iter().flat_map(|proof| proof.tree.manifests()) {
        match has_manifest(remote, manifest.digest).await? {
            ManifestThere::Yes => there.has.push((place, manifest.digest)),
            ManifestThere::No => {}
            ManifestThere::KeptFromUs => there.is_kept_from_us = true,
        }
    }
    Ok(there)
}

/// Every blob that is not known to be in its place, with what it is of.
fn wanted_blobs<'a>(
    shipment: &'a Shipment,
    survey: &'a Survey,
) -> impl Iterator<Item = (usize, &'a Cargo, &'a Tree, &'a Blob)> {
    shipment.items.iter().zip(&survey.places).flat_map(move |(cargo, place)| {
        let blobs = cargo.trees().flat_map(|tree| tree.blobs.iter().map(move |blob| (tree, blob)));
        let wanted = blobs.filter(move |(_, blob)| !survey.has.contains(&(*place, blob.digest)));
        wanted.map(move |(tree, blob)| (*place, cargo, tree, blob))
    })
}

/// Counts what is to be done. One list that is sorted: sets of tens of thousands of digests take twice the room.
/// `found` is what the base brought to places that nothing of this goes to.
fn count(shipment: &Shipment, survey: &mut Survey, found: &HashSet<Digest>) {
    let (mut blobs, mut manifests) = (Vec::new(), Vec::new());
    for (cargo, place) in shipment.items.iter().zip(&survey.places) {
        for tree in cargo.trees() {
            blobs.extend(tree.blobs.iter().map(|blob| (blob.digest, *place, blob.size)));
            manifests.extend(tree.manifests().map(|manifest| (*place, manifest.digest)));
        }
    }
    manifests.retain(|key| !survey.has.contains(key));
    manifests.sort_unstable();
    manifests.dedup();
    survey.manifests = manifests.len() as u64;
    drop(manifests);
    blobs.sort_unstable();
    blobs.dedup();
    for places in blobs.chunk_by(|(one, ..), (other, ..)| one == other) {
        let has = |(digest, place, _): &(Digest, usize, u64)| {
            survey.has.contains(&(*place, *digest)) || found.contains(digest)
        };
        let mut is_somewhere = places.iter().any(has);
        for (digest, place, size) in places {
            if survey.has.contains(&(*place, *digest)) {
                survey.present.add(*size);
            } else if is_somewhere {
                survey.mount.add(*size);
            } else {
                survey.send.add(*size);
                is_somewhere = true;
            }
        }
    }
}

fn notices(shipment: &Shipment) -> Vec<String> {
    let untagged = shipment.items.iter().filter(|cargo| cargo.name.tag().is_none());
    let notice = |cargo: &Cargo| {
        format!(
            "{}: it gets no tag, so a registry that collects untagged content as garbage would remove it",
            cargo.name
        )
    };
    untagged.map(notice).collect()
}
