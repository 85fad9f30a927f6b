//! What a registry has already.

use std::collections::{BTreeSet, HashMap, HashSet};

use clients::{Error, Problem};
use console::Failure;
use futures_util::{StreamExt as _, stream};
use manifests::Digest;
use manifests::inventory::Blob;

use super::places::Places;
use super::{ManifestThere, Registry, has_manifest, name_there, settle};
use crate::client_failure;
use crate::destinations::{Amount, NameThere, QUESTIONS, Survey};
use crate::shipment::{Cargo, Shipment};
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
        let mut absent: Vec<Failure> = Vec::new();
        for (place, cargo, blob) in wanted_blobs(shipment, &survey) {
            let is_carried = shipment.blobs.carries(&blob.digest);
            if !missing.contains(&place) && (blob.size >= WORTH_ASKING || !is_carried) {
                asked.insert((place, blob.digest));
            } else if !is_carried {
                absent.push(not_carried(shipment, cargo, blob));
            }
        }
        let answers = stream::iter(asked).map(|(place, digest)| async move {
            let Some(remote) = places.remotes.get(place) else { return Ok(None) };
            let has = match remote.head_blob(digest).await {
                // Registries on object storage redirect to it. The upload's first request will tell.
                Err(Error { problem: Problem::RedirectRefused { .. }, .. }) => false,
                has => has.map_err(|error| client_failure::failure("", &error))?,
            };
            Ok(has.then_some((place, digest)))
        });
        let answers: Vec<Result<_, Failure>> = answers.buffered(QUESTIONS).collect().await;
        survey.has.extend(settle(answers)?.into_iter().flatten());
        let somewhere: HashSet<Digest> = survey.has.iter().map(|(_, digest)| *digest).collect();
        for (_, cargo, blob) in wanted_blobs(shipment, &survey) {
            if !shipment.blobs.carries(&blob.digest) && !somewhere.contains(&blob.digest) {
                absent.push(not_carried(shipment, cargo, blob));
            }
        }
        count(shipment, &mut survey);
        if absent.is_empty() { Ok(survey) } else { Err(absent) }
    }
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

fn not_carried(shipment: &Shipment, cargo: &Cargo, blob: &Blob) -> Failure {
    if shipment.is_held {
        let message = format!("found no blob {} here, wanted what was loaded and held", blob.digest);
        return Failure::new(console::Class::Failed, &cargo.name, message).advise("load it again");
    }
    let message = format!(
        "found neither here nor in the archive the blob {}, which the archive's base has",
        blob.digest
    );
    Failure::new(console::Class::Failed, &cargo.name, message)
        .advise("load the base first, or a full archive")
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
