//! What a registry has already.

use std::collections::{BTreeSet, HashMap, HashSet};

use clients::registry::Remote;
use clients::{Error, Problem};
use console::Failure;
use futures_util::{StreamExt as _, stream};
use manifests::Digest;
use manifests::inventory::Blob;

use super::places::Places;
use super::{ManifestThere, Registry, has_manifest, name_there, settle};
use crate::client_failure;
use crate::destinations::{Amount, NameThere, QUESTIONS, Survey};
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

    /// Large blobs of what is not there may be there themselves: an earlier load was cut. Then counts what is to
    /// be done.
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
        let mut asked: BTreeSet<(usize, Digest)> = BTreeSet::new();
        for (place, _, blob) in wanted_blobs(shipment, &survey) {
            let is_worth_it = blob.size >= WORTH_ASKING || !shipment.blobs.carries(&blob.digest);
            if is_worth_it && !missing.contains(&place) {
                asked.insert((place, blob.digest));
            }
        }
        let answers = stream::iter(asked).map(|(place, digest)| async move {
            let Some(remote) = places.remotes.get(place) else { return Ok(None) };
            let is_carried = shipment.blobs.carries(&digest);
            let has = has_blob(remote, digest, is_carried).await;
            let has = has.map_err(|error| client_failure::failure("", &error))?;
            Ok(has.then_some((place, digest)))
        });
        let answers: Vec<Result<_, Failure>> = answers.buffered(QUESTIONS).collect().await;
        survey.has.extend(settle(answers)?.into_iter().flatten());
        let found = ask_sources(places, nowhere(shipment, &survey).map(|(_, blob)| blob.digest)).await?;
        survey.has.extend(found);
        let absent = nowhere(shipment, &survey);
        let absent: Vec<Failure> =
            absent.map(|(cargo, blob)| shipment.lacks(cargo, blob.digest, Lack::Missing)).collect();
        count(shipment, &mut survey);
        if absent.is_empty() { Ok(survey) } else { Err(absent) }
    }
}

/// Whether a blob is there. Registries on object storage redirect to what they have; where it is carried, the upload's
/// first request tells for sure.
async fn has_blob(remote: &Remote, digest: Digest, is_carried: bool) -> Result<bool, Error> {
    match remote.head_blob(digest).await {
        Err(Error { problem: Problem::RedirectRefused { .. }, .. }) => Ok(!is_carried),
        has => has,
    }
}

/// Blobs that are neither in the archive nor known to be anywhere at the target.
fn nowhere<'a>(shipment: &'a Shipment, survey: &'a Survey) -> impl Iterator<Item = (&'a Cargo, &'a Blob)> {
    let somewhere: HashSet<Digest> = survey.has.iter().map(|(_, digest)| *digest).collect();
    let wanted = wanted_blobs(shipment, survey).map(|(_, cargo, blob)| (cargo, blob));
    wanted.filter(move |(_, blob)| !shipment.blobs.carries(&blob.digest) && !somewhere.contains(&blob.digest))
}

/// Asks the repositories where the base brought them for blobs that can be mounted from there.
async fn ask_sources(
    places: &Places,
    digests: impl Iterator<Item = Digest>,
) -> Result<Vec<(usize, Digest)>, Vec<Failure>> {
    let digests: BTreeSet<Digest> = digests.collect();
    let asked = stream::iter(digests).map(|digest| async move {
        for place in places.sources.get(&digest).into_iter().flatten() {
            let Some(remote) = places.remotes.get(*place) else { continue };
            match has_blob(remote, digest, false).await {
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
    let root = cargo.published.digest;
    let is_named = there.name == NameThere::At(root);
    let found = if is_named { ManifestThere::Yes } else { has_manifest(remote, root).await? };
    there.is_kept_from_us = there.name == NameThere::KeptFromUs || found == ManifestThere::KeptFromUs;
    if found != ManifestThere::Yes {
        return Ok(there);
    }
    there.has = within(place, &cargo.tree);
    for proof in &cargo.evidence {
        match has_manifest(remote, proof.manifest.digest).await? {
            ManifestThere::Yes => there.has.extend(within(place, &proof.tree)),
            ManifestThere::No => {}
            ManifestThere::KeptFromUs => there.is_kept_from_us = true,
        }
    }
    Ok(there)
}

/// Everything of a tree whose root is there.
fn within(place: usize, tree: &Tree) -> Vec<(usize, Digest)> {
    tree.parts().map(|part| (place, part.digest)).collect()
}

/// Every blob that is not known to be in its place.
fn wanted_blobs<'a>(
    shipment: &'a Shipment,
    survey: &'a Survey,
) -> impl Iterator<Item = (usize, &'a Cargo, &'a Blob)> {
    shipment.items.iter().zip(&survey.places).flat_map(move |(cargo, place)| {
        let blobs = cargo.trees().flat_map(|tree| &tree.blobs);
        let wanted = blobs.filter(move |blob| !survey.has.contains(&(*place, blob.digest)));
        wanted.map(move |blob| (*place, cargo, blob))
    })
}

fn count(shipment: &Shipment, survey: &mut Survey) {
    let somewhere: HashSet<Digest> = survey.has.iter().map(|(_, digest)| *digest).collect();
    let (mut send, mut mount, mut present) = <(Amount, Amount, Amount)>::default();
    let mut manifests = HashSet::new();
    let mut first: HashMap<Digest, usize> = HashMap::new();
    let mut seen = HashSet::new();
    for (cargo, place) in shipment.items.iter().zip(&survey.places) {
        for tree in cargo.trees() {
            let sent = tree.manifests.iter().map(|manifest| (*place, manifest.digest));
            manifests.extend(sent.filter(|key| !survey.has.contains(key)));
            for blob in tree.blobs.iter().filter(|blob| seen.insert((*place, blob.digest))) {
                if survey.has.contains(&(*place, blob.digest)) {
                    present.add(blob.size);
                } else if somewhere.contains(&blob.digest)
                    || *first.entry(blob.digest).or_insert(*place) != *place
                {
                    mount.add(blob.size);
                } else {
                    send.add(blob.size);
                }
            }
        }
    }
    (survey.send, survey.mount, survey.present) = (send, mount, present);
    survey.manifests = manifests.len() as u64;
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
