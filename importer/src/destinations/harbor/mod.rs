//! What Harbor wants beyond a registry: projects, room, rules. Its pushes are those of any registry.
//!
//! Whatever its API can tell is asked before the first byte: Harbor itself refuses a full project, a tag
//! that may not move, or a project that is not there only when everything before it has been sent.

mod api;
mod rules;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use clients::Error;
use clients::http::Http;
use console::{Class, Failure};
use futures_util::{StreamExt as _, stream};
use manifests::Digest;
use manifests::destinations::RegistryDestination;

use self::api::{Api, Project, SystemInfo};
use crate::client_failure;
use crate::destinations::{QUESTIONS, Survey};
use crate::shipment::Shipment;
use crate::tree::Tree;

/// Longest path of a repository with its project, in bytes. Harbor 2.14 answers longer ones with 500.
const PATH_BYTES: usize = 245;

/// A Harbor.
pub(crate) struct Harbor {
    name: String,
    host: String,
    http: Http,
    create: bool,
    public: bool,
}

/// What was found before anything else.
pub(crate) struct Found {
    /// The path of each place, by its number.
    paths: Vec<String>,
    /// The project of each place, by its number.
    projects: Vec<String>,
    /// What is known of each project that is there.
    known: BTreeMap<String, Option<Project>>,
    /// Projects to be made.
    missing: Vec<String>,
    info: SystemInfo,
}

impl Found {
    /// The numbers of the places whose project is still to be made.
    pub(crate) fn missing_places(&self) -> HashSet<usize> {
        let numbered = self.projects.iter().enumerate();
        numbered.filter(|(_, project)| self.missing.contains(project)).map(|(place, _)| place).collect()
    }
}

impl Harbor {
    /// The Harbor that a document describes. With `create`, missing projects are made; with `public`, everybody
    /// may pull from those.
    pub(crate) fn new(destination: &RegistryDestination, http: Http, create: bool, public: bool) -> Self {
        let (name, host) = (destination.name.to_string(), destination.host.clone());
        Self { name, host, http, create, public }
    }

    fn api(&self) -> Result<Api, Failure> {
        self.http.host(&self.host).map(Api).map_err(|error| self.failed(&error))
    }

    fn failed(&self, error: &Error) -> Failure {
        client_failure::failure(&self.name, error)
    }

    /// Whether it counts bundles as signatures. One that does not answer now says why when it is asked next.
    ///
    /// # Errors
    /// When there is no client for it.
    pub(crate) async fn counts_bundles(&self) -> Result<bool, Vec<Failure>> {
        let api = self.api().map_err(|failure| vec![failure])?;
        let info = api.system_info().await;
        Ok(info.is_ok_and(|info| rules::counts_bundles(&info.harbor_version)))
    }

    /// Checks who we are, what the Harbor is, and which of the projects are there. `paths` are the places.
    ///
    /// # Errors
    /// Every reason why nothing can be pushed.
    pub(crate) async fn prepare(&self, paths: &[String]) -> Result<Found, Vec<Failure>> {
        let one = |failure| vec![failure];
        let failed = |error: Error| vec![self.failed(&error)];
        let api = self.api().map_err(one)?;
        if !api.knows_us().await.map_err(failed)? {
            let message = format!(
                "found no name and password that {} accepts, wanted those of a robot account",
                self.host
            );
            let failure = Failure::new(Class::Failed, &self.name, message);
            return Err(vec![failure.advise(format!("docker login {}", self.host))]);
        }
        let info = api.system_info().await.map_err(failed)?;
        let mut failures = self.refused_paths(paths);
        if info.read_only {
            let message = format!("found {} in its read-only mode, wanted one that takes content", self.host);
            failures.push(Failure::new(Class::Failed, &self.name, message));
        }
        let projects: Vec<String> = paths.iter().map(|path| project_of(path).to_owned()).collect();
        let mut known = BTreeMap::new();
        let mut missing = Vec::new();
        for name in projects.iter().filter(|name| is_project_name(name)).collect::<BTreeSet<_>>() {
            if !api.has_project(name).await.map_err(failed)? {
                missing.push(name.clone());
                continue;
            }
            let project = api.project(name).await.map_err(failed)?;
            if project.as_ref().is_some_and(|project| project.registry_id.is_some_and(|id| id != 0)) {
                let message =
                    format!("found the project {name} to be a proxy cache, wanted one that takes content");
                failures.push(
                    Failure::new(Class::Failed, &self.name, message).advise("map: can name another one"),
                );
            }
            known.insert(name.clone(), project);
        }
        if !missing.is_empty() && !self.create {
            let message = format!("found no project {}, wanted each of them", missing.join(", "));
            let advice = "make them, or set projects: {create: true} in the destinations";
            failures.push(Failure::new(Class::Failed, &self.name, message).advise(advice));
        }
        if failures.is_empty() {
            Ok(Found { paths: paths.to_vec(), projects, known, missing, info })
        } else {
            Err(failures)
        }
    }

    fn refused_paths(&self, paths: &[String]) -> Vec<Failure> {
        let refused = |path: &String| {
            let is_named = is_project_name(project_of(path)) && path.contains('/');
            if is_named && path.len() <= PATH_BYTES {
                return None;
            }
            let message = format!(
                "found the repository {path:?}, wanted PROJECT/NAME of at most {PATH_BYTES} bytes, as Harbor names them"
            );
            Some(Failure::new(Class::Usage, &self.name, message).advise("map: can name another place"))
        };
        paths.iter().filter_map(refused).collect()
    }

    /// Asks the API about what a policy keeps from us at the registry.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn look(
        &self,
        found: &Found,
        shipment: &Shipment,
        mut survey: Survey,
    ) -> Result<Survey, Vec<Failure>> {
        let failed = |error: Error| vec![self.failed(&error)];
        let api = self.api().map_err(|failure| vec![failure])?;
        for at in std::mem::take(&mut survey.kept_from_us) {
            let (Some(cargo), Some(place)) = (shipment.items.get(at), survey.places.get(at).copied()) else {
                continue;
            };
            let Some(path) = found.paths.get(place) else { continue };
            let name = survey.names.get_mut(at);
            if let (Some(name @ None), Some(tag)) = (name, cargo.name.tag()) {
                *name = api.artifact(path, tag).await.map_err(failed)?.map(|artifact| artifact.digest);
            }
            // It may be there without its name: it has none, or a load was held. A reference that is empty would be
            // answered with the list of everything there.
            let root = cargo.tree.root.digest;
            let is_named = survey.names.get(at) == Some(&Some(root));
            if !is_named && api.artifact(path, &root.to_string()).await.map_err(failed)?.is_none() {
                continue;
            }
            // Where its manifest could be seen, so could those of its platforms.
            let is_seen = survey.has.contains(&(place, root));
            let mut there: Vec<&Tree> = if is_seen { vec![] } else { vec![&cargo.tree] };
            for proof in &cargo.evidence {
                let reference = proof.tree.root.digest.to_string();
                if api.artifact(path, &reference).await.map_err(failed)?.is_some() {
                    there.push(&proof.tree);
                }
            }
            let manifests = there.into_iter().flat_map(Tree::manifest_parts);
            survey.has.extend(manifests.map(|manifest| (place, manifest.digest)));
        }
        Ok(survey)
    }

    /// What a name points to, by the API.
    ///
    /// # Errors
    /// When it does not answer.
    pub(crate) async fn digest_of(&self, path: &str, tag: &str) -> Result<Option<Digest>, Vec<Failure>> {
        let api = self.api().map_err(|failure| vec![failure])?;
        let artifact = api.artifact(path, tag).await.map_err(|error| vec![self.failed(&error)])?;
        Ok(artifact.map(|artifact| artifact.digest))
    }

    /// Compares what is to be sent with the room and the rules of the projects.
    ///
    /// # Errors
    /// Every project that is too full.
    pub(crate) async fn judge(
        &self,
        found: &Found,
        shipment: &Shipment,
        mut survey: Survey,
    ) -> Result<Survey, Vec<Failure>> {
        let api = self.api().map_err(|failure| vec![failure])?;
        let mut failures = Vec::new();
        for (project, wanted) in rules::needed(found, shipment, &survey) {
            // A project that is still to be made will have no limit.
            if !found.known.contains_key(&project) {
                continue;
            }
            match api.quota(&project).await {
                Ok(Some(quota)) if quota.limit.saturating_sub(quota.used) < wanted => {
                    let free = quota.limit.saturating_sub(quota.used);
                    let message = format!(
                        "found {free} bytes of room in the project {project}, wanted {wanted}, or less where the project has some of it in other repositories"
                    );
                    let failure = Failure::new(Class::Failed, &self.name, message);
                    failures.push(failure.advise("raise its quota, or collect its garbage"));
                }
                Ok(_) => {}
                Err(error) => failures.push(self.failed(&error)),
            }
        }
        survey.create.clone_from(&found.missing);
        survey.notices.extend(rules::notices(&self.name, found, shipment, &survey));
        if failures.is_empty() { Ok(survey) } else { Err(failures) }
    }

    /// Asks which of the tags (path, tag) may not move.
    ///
    /// # Errors
    /// Every one of them.
    pub(crate) async fn check_tags(&self, tags: &[(String, String)]) -> Result<(), Vec<Failure>> {
        let api = self.api().map_err(|failure| vec![failure])?;
        let api = &api;
        let asked = stream::iter(tags)
            .map(|named| async move { (named, api.artifact(&named.0, &named.1).await) })
            .buffered(QUESTIONS);
        let mut failures = Vec::new();
        for ((path, tag), answer) in asked.collect::<Vec<_>>().await {
            match answer {
                Ok(Some(artifact)) if artifact.is_immutable(tag) => {
                    let message = format!(
                        "found the tag {path}:{tag} with other content and immutable, wanted one that may move"
                    );
                    let failure = Failure::new(Class::Failed, &self.name, message);
                    failures.push(failure.advise("change the project's rule, or remove the tag"));
                }
                Ok(_) => {}
                Err(error) => failures.push(self.failed(&error)),
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// Makes projects.
    ///
    /// # Errors
    /// Every project that could not be made.
    pub(crate) async fn create(&self, projects: &[String]) -> Result<(), Vec<Failure>> {
        if projects.is_empty() {
            return Ok(());
        }
        let api = self.api().map_err(|failure| vec![failure])?;
        let mut failures = Vec::new();
        for name in projects {
            if let Err(error) = api.create_project(name, self.public).await {
                let failure = client_failure::failure(&format!("{}: the project {name}", self.name), &error);
                failures
                    .push(failure.advise("let an administrator make it, or allow the robot project:create"));
            }
        }
        // Tokens from before have no rights in a project that was not there.
        api.0.forget_tokens();
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }
}

fn project_of(path: &str) -> &str {
    path.split_once('/').map_or(path, |(project, _)| project)
}

/// `^[a-z0-9]+(?:[._-][a-z0-9]+)*$`, at most 255 bytes.
fn is_project_name(name: &str) -> bool {
    let is_word = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.len() <= 255 && name.split(['.', '_', '-']).all(is_word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_projects_by_the_rule_of_harbor() {
        for name in ["ghcr.io", "a", "127.0.0.1_5000", "0_0_0_0_0_0_0_1_5000", "a_b"] {
            assert!(is_project_name(name), "{name}");
        }
        for name in ["", "a..b", "A", "a-", "-a", "a__b", "xn--a.example"] {
            assert!(!is_project_name(name), "{name}");
        }
    }
}
