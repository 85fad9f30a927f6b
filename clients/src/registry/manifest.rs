//! Manifests: read with their type and digest checked, written with the answer compared.

use bytes::Bytes;
use manifests::oci::Manifest;
use manifests::{Digest, limits, media_type};
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use reqwest::{Method, Url};

use super::{Remote, Selector, html};
use crate::error::{Error, Problem, shown};
use crate::http::{Call, body};

/// A manifest as the registry sent it.
#[derive(Debug, Clone)]
pub struct RemoteManifest {
    /// Its bytes, as they came.
    pub bytes: Bytes,
    /// The type that it was sent as, one of [`media_type::MANIFESTS`].
    pub media_type: String,
    /// The digest of the bytes.
    pub digest: Digest,
    /// What is in it.
    pub manifest: Manifest,
}

/// What a registry says about a manifest without sending it. Nothing of it is proved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestHead {
    /// The digest, where it is named.
    pub digest: Option<Digest>,
    /// The type, where it is named.
    pub media_type: Option<String>,
    /// The size in bytes, where it is named.
    pub size: Option<u64>,
}

/// What a registry answers to a manifest that it took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutAnswer {
    /// Whether the answer named the digest. It was the right one then; another one is an error.
    pub confirmed: bool,
    /// Whether the registry lists the manifest among its subject's referrers itself (`OCI-Subject`).
    pub lists_subject: bool,
}

impl Remote {
    /// A manifest, by tag or by digest, with its digest and its type checked.
    ///
    /// # Errors
    /// When it is not there (404 only), too large, of another type, not what its digest says, or not a
    /// manifest.
    pub async fn get_manifest(&self, selector: impl Into<Selector<'_>>) -> Result<RemoteManifest, Error> {
        let selector = selector.into();
        let outcome = match self.read_manifest(selector).await {
            // Once more from the start: what is wrong twice is wrong at the registry.
            Err(problem) if problem.is_corruption() => self.read_manifest(selector).await,
            outcome => outcome,
        };
        outcome.map_err(self.failed(selector))
    }

    async fn read_manifest(&self, selector: Selector<'_>) -> Result<RemoteManifest, Problem> {
        let mut call = Call::new(Method::GET, self.manifest_url(selector)?, self.pull());
        call.headers.insert(ACCEPT, accept());
        let (parts, bytes) = self.host.call_and_read(&call, limits::MANIFEST_BYTES).await?;
        let media_type = parts.content_type.unwrap_or_default();
        if media_type == "text/html" {
            return Err(html());
        }
        let found = Digest::of(&bytes);
        let wanted = match selector {
            Selector::Digest(digest) => Some(digest),
            Selector::Tag(_) => announced(&parts.headers)?,
        };
        if let Some(wanted) = wanted.filter(|wanted| *wanted != found) {
            return Err(Problem::DigestMismatch { wanted, found });
        }
        let manifest = Manifest::parse(&bytes, &media_type)
            .map_err(|error| Problem::Protocol(shown(&error.to_string())))?;
        Ok(RemoteManifest { bytes, media_type, digest: found, manifest })
    }

    /// What the registry says about a manifest, without its bytes.
    ///
    /// # Errors
    /// When it is not there (404 only), or as every request.
    pub async fn head_manifest(&self, selector: impl Into<Selector<'_>>) -> Result<ManifestHead, Error> {
        let selector = selector.into();
        let outcome = async {
            let mut call = Call::new(Method::HEAD, self.manifest_url(selector)?, self.pull());
            call.headers.insert(ACCEPT, accept());
            let (parts, _) = self.host.call_and_read(&call, limits::MANIFEST_BYTES).await?;
            let length = parts.headers.get(reqwest::header::CONTENT_LENGTH);
            Ok(ManifestHead {
                digest: announced(&parts.headers)?,
                size: length.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok()),
                media_type: parts.content_type,
            })
        };
        outcome.await.map_err(self.failed(selector))
    }

    /// Stores a manifest under a tag or its digest. What it refers to must be there already.
    ///
    /// # Errors
    /// When the registry refuses it, or confirms another digest than that of `bytes`.
    pub async fn put_manifest(
        &self,
        selector: impl Into<Selector<'_>>,
        media_type: &str,
        bytes: &Bytes,
    ) -> Result<PutAnswer, Error> {
        let selector = selector.into();
        let outcome = async {
            let url: Url = self.manifest_url(selector)?;
            let mut call = Call::new(Method::PUT, url, self.push());
            body(&mut call, media_type, bytes.clone())?;
            let (parts, _) = self.host.call_and_read(&call, limits::MANIFEST_BYTES).await?;
            let wanted = Digest::of(bytes);
            let confirmed = announced(&parts.headers)?;
            match confirmed.filter(|found| *found != wanted) {
                Some(found) => Err(Problem::DigestMismatch { wanted, found }),
                None => Ok(PutAnswer {
                    confirmed: confirmed.is_some(),
                    lists_subject: parts.headers.contains_key("oci-subject"),
                }),
            }
        };
        outcome.await.map_err(self.failed(selector))
    }
}

/// All four types by name. Harbor answers 404 to a type that is not listed, and to `*/*`.
fn accept() -> HeaderValue {
    // The types are constants without characters that a header cannot hold.
    HeaderValue::from_str(&media_type::MANIFESTS.join(", ")).unwrap_or(HeaderValue::from_static("*/*"))
}

/// The digest that `Docker-Content-Digest` names. Harbor's proxy projects send it empty.
fn announced(headers: &HeaderMap) -> Result<Option<Digest>, Problem> {
    let Some(value) = headers.get("docker-content-digest") else { return Ok(None) };
    match value.to_str().unwrap_or_default().trim() {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|error| Problem::Protocol(shown(&format!("Docker-Content-Digest: {error}")))),
    }
}
