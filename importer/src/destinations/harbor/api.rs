//! The part of Harbor's REST API that an import needs. It takes names and passwords, never tokens.

use std::sync::Arc;

use bytes::Bytes;
use clients::http::{ApiAnswer, Host, Method};
use clients::{Error, Problem};
use manifests::Digest;
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What a Harbor says about itself to whoever is logged in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SystemInfo {
    /// Its version, such as `v2.14.3-abcdef`.
    #[serde(default)]
    pub(super) harbor_version: String,
    /// Whether every write is refused.
    #[serde(default)]
    pub(super) read_only: bool,
}

/// A project.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Project {
    /// The registry that it is a proxy cache of.
    #[serde(default)]
    pub(super) registry_id: Option<i64>,
    /// Its rules.
    #[serde(default)]
    pub(super) metadata: Rules,
}

/// The rules of a project that decide what can be pulled from it. All are texts: `"true"`.
#[derive(Debug, Default, Clone, Deserialize)]
pub(super) struct Rules {
    #[serde(default)]
    enable_content_trust_cosign: Option<String>,
    #[serde(default)]
    prevent_vul: Option<String>,
}

impl Rules {
    /// Whether only what has a cosign signature can be pulled.
    pub(super) fn wants_cosign(&self) -> bool {
        self.enable_content_trust_cosign.as_deref() == Some("true")
    }

    /// Whether only what a scanner found harmless can be pulled.
    pub(super) fn wants_scan(&self) -> bool {
        self.prevent_vul.as_deref() == Some("true")
    }
}

/// How full a project is, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Quota {
    /// How much it may hold.
    pub(super) limit: u64,
    /// How much it holds.
    pub(super) used: u64,
}

/// The API of one Harbor.
pub(super) struct Api(pub(super) Arc<Host>);

impl Api {
    async fn get(&self, path: &str) -> Result<ApiAnswer, Error> {
        self.0.api(Method::GET, path, None).await
    }

    fn refused(&self, path: &str, answer: &ApiAnswer) -> Error {
        answer.problem().about(format!("{}{path}", self.0.name()))
    }

    fn read<T: DeserializeOwned>(&self, path: &str, answer: &ApiAnswer) -> Result<T, Error> {
        if answer.status != 200 {
            return Err(self.refused(path, answer));
        }
        serde_json::from_slice(&answer.body).map_err(|_| {
            let text = "found something else than Harbor's answer, wanted JSON of its API".to_owned();
            Problem::Protocol(text).about(format!("{}{path}", self.0.name()))
        })
    }

    /// Whether the name and the password are right. Harbor's token server gives tokens for wrong ones too.
    pub(super) async fn knows_us(&self) -> Result<bool, Error> {
        let answer = self.get("/v2/").await?;
        match answer.status {
            200 => Ok(true),
            401 => Ok(false),
            _ => Err(self.refused("/v2/", &answer)),
        }
    }

    pub(super) async fn system_info(&self) -> Result<SystemInfo, Error> {
        let path = "/api/v2.0/systeminfo";
        self.read(path, &self.get(path).await?)
    }

    /// Whether a project is there; every robot may ask this.
    pub(super) async fn has_project(&self, name: &str) -> Result<bool, Error> {
        let path = format!("/api/v2.0/projects?project_name={name}");
        let answer = self.0.api(Method::HEAD, &path, None).await?;
        match answer.status {
            200 => Ok(true),
            404 => Ok(false),
            _ => Err(self.refused(&path, &answer)),
        }
    }

    /// A project; nothing where we may not read it.
    pub(super) async fn project(&self, name: &str) -> Result<Option<Project>, Error> {
        let path = format!("/api/v2.0/projects/{name}");
        let answer = self.get(&path).await?;
        if answer.status == 403 { Ok(None) } else { self.read(&path, &answer).map(Some) }
    }

    /// How full a project is; nothing where it has no limit or we may not read it.
    pub(super) async fn quota(&self, name: &str) -> Result<Option<Quota>, Error> {
        #[derive(Default, Deserialize)]
        struct Storage {
            #[serde(default)]
            storage: i64,
        }
        #[derive(Default, Deserialize)]
        struct Usage {
            #[serde(default)]
            hard: Storage,
            #[serde(default)]
            used: Storage,
        }
        #[derive(Deserialize)]
        struct Summary {
            #[serde(default)]
            quota: Option<Usage>,
        }
        let path = format!("/api/v2.0/projects/{name}/summary");
        let answer = self.get(&path).await?;
        if answer.status == 403 {
            return Ok(None);
        }
        let summary: Summary = self.read(&path, &answer)?;
        let usage = summary.quota.unwrap_or_default();
        // -1 is "no limit".
        let limit = u64::try_from(usage.hard.storage).ok().filter(|limit| *limit > 0);
        Ok(limit.map(|limit| Quota { limit, used: u64::try_from(usage.used.storage).unwrap_or_default() }))
    }

    /// Makes a project. One that is there by now is as good.
    pub(super) async fn create_project(&self, name: &str, public: bool) -> Result<(), Error> {
        let path = "/api/v2.0/projects";
        let body = serde_json::json!({
            "project_name": name, "metadata": { "public": public.to_string() }, "storage_limit": -1,
        });
        let answer = self.0.api(Method::POST, path, Some(Bytes::from(body.to_string()))).await?;
        match answer.status {
            201 | 409 => Ok(()),
            _ => Err(self.refused(path, &answer)),
        }
    }

    /// What there is under a tag or a digest; nothing where there is none, or where we may not ask.
    pub(super) async fn artifact(&self, path: &str, reference: &str) -> Result<Option<Artifact>, Error> {
        let (project, repository) = path.split_once('/').unwrap_or((path, ""));
        // Twice encoded: Harbor's own front decodes it once.
        let repository = repository.replace('/', "%252F");
        let path = format!(
            "/api/v2.0/projects/{project}/repositories/{repository}/artifacts/{reference}?with_tag=true&with_immutable_status=true"
        );
        let answer = self.get(&path).await?;
        if matches!(answer.status, 403 | 404) {
            return Ok(None);
        }
        self.read(&path, &answer).map(Some)
    }
}

/// An artifact, as the API describes it.
#[derive(Debug, Deserialize)]
pub(super) struct Artifact {
    /// The digest of its manifest.
    pub(super) digest: Digest,
    #[serde(default)]
    tags: Option<Vec<Tag>>,
}

#[derive(Debug, Deserialize)]
struct Tag {
    name: String,
    #[serde(default)]
    immutable: bool,
}

impl Artifact {
    /// Whether a rule keeps one of its tags from moving.
    pub(super) fn is_immutable(&self, tag: &str) -> bool {
        self.tags.iter().flatten().any(|found| found.name == tag && found.immutable)
    }
}
