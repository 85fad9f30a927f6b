//! What Harbor's own rules mean for a shipment: room, and who will be able to pull it.

use std::collections::{BTreeMap, HashMap, HashSet};

use manifests::Digest;

use super::Found;
use crate::destinations::Survey;
use crate::shipment::{Cargo, Shipment};
use crate::tree::Tree;

/// What the rules of the projects will mean for what is brought. `harbor` is its name.
pub(super) fn notices(harbor: &str, found: &Found, shipment: &Shipment, survey: &Survey) -> Vec<String> {
    let mut notices = Vec::new();
    for (name, project) in &found.known {
        let Some(project) = project else {
            notices
                .push(format!("{}: we may not read the project {name}, so its rules are not known", harbor));
            continue;
        };
        if project.metadata.wants_scan() {
            notices.push(format!(
                "{}: the project {name} lets nobody pull what its scanner has not passed",
                harbor
            ));
        }
        if !project.metadata.wants_cosign() {
            continue;
        }
        let here = shipment.items.iter().zip(&survey.places);
        let here = here.filter(|(_, place)| found.projects.get(**place) == Some(name));
        let counts = counts_bundles(&found.info.harbor_version);
        for (cargo, _) in here.filter(|(cargo, _)| !is_signed(cargo, counts)) {
            let version = &found.info.harbor_version;
            notices.push(format!(
                "{}: the project {name} lets nobody pull what has no cosign signature, and Harbor {version} counts none of it",
                cargo.name
            ));
        }
    }
    notices
}

/// How many bytes each project will be charged at most: blobs count once for a project, mounted ones as well. What it
/// has in repositories that nothing here goes to is not known, and counted as new.
pub(super) fn needed(found: &Found, shipment: &Shipment, survey: &Survey) -> BTreeMap<String, u64> {
    let mut seen: HashSet<(&str, Digest)> = HashSet::new();
    let project = |place: usize| found.projects.get(place).map_or("", String::as_str);
    for (place, digest) in &survey.has {
        seen.insert((project(*place), *digest));
    }
    let mut needed: HashMap<&str, u64> = HashMap::new();
    for (cargo, place) in shipment.items.iter().zip(&survey.places) {
        let name = project(*place);
        let parts = cargo.trees().flat_map(Tree::parts);
        for part in parts.filter(|part| seen.insert((name, part.digest))) {
            *needed.entry(name).or_default() += part.size;
        }
    }
    needed.into_iter().map(|(name, bytes)| (name.to_owned(), bytes)).collect()
}

/// Harbor counts Sigstore bundles as signatures from 2.15 on.
pub(super) fn counts_bundles(version: &str) -> bool {
    let mut numbers = version.trim_start_matches('v').split(['.', '-']).map(str::parse::<u32>);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) >= (2, 15),
        _ => false,
    }
}

/// Whether Harbor will find a signature. It looks for one and verifies nothing.
fn is_signed(cargo: &Cargo, counts_bundles: bool) -> bool {
    let own = cargo.evidence.iter().filter(|proof| proof.subject == cargo.tree.root.digest);
    own.into_iter().any(|proof| match &proof.tag {
        Some(tag) => std::path::Path::new(tag).extension().is_some_and(|kind| kind == "sig"),
        None => counts_bundles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bundles_count_from_2_15_on() {
        for (version, counts) in
            [("v2.14.3-fixture", false), ("v2.15.0", true), ("v3.0.0-x", true), ("", false), ("dev", false)]
        {
            assert_eq!(counts_bundles(version), counts, "{version}");
        }
    }
}
