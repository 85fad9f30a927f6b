//! What a host knows about who we are: its challenge, our credential, and the tokens that it gave us.
//!
//! The first request is anonymous. Its 401 carries the challenge that holds from then on: Harbor answers
//! every later 401 with `Basic realm="harbor"`, whatever it wants, so later ones are not listened to.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Client, StatusCode, Url};
use serde::Deserialize;
use tokio::sync::{Mutex as AsyncMutex, OnceCell};

use super::answer;
use super::challenge::{self, Challenge};
use super::credentials::{Credential, Credentials};
use crate::error::{Problem, network, shown};

/// Largest answer of a token server, in bytes. Harbor's token for 2,000 repositories has 200 kB.
const TOKEN_BYTES: u64 = 1024 * 1024;

/// How long a token holds when its server does not say, by the token specification.
const DEFAULT_LIFE: u64 = 60;

/// Most tokens that are kept; they are cheap to get again, and each may take some kilobytes.
const TOKENS: usize = 256;

/// How long a token server may take.
const TOKEN_WAIT: Duration = Duration::from_secs(60);

/// The state of one host.
pub(crate) struct Auth {
    /// The name that credentials are filed under.
    name: String,
    credentials: Arc<dyn Credentials>,
    credential: OnceCell<Option<Credential>>,
    challenge: Mutex<Option<Challenge>>,
    tokens: Mutex<HashMap<String, Slot>>,
}

/// One token, or the place of one. Who waits for the lock waits for the request that gets it.
type Slot = Arc<AsyncMutex<Option<Token>>>;

#[derive(Clone)]
struct Token {
    header: HeaderValue,
    fresh_until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    #[serde(default)]
    token: String,
    #[serde(default)]
    access_token: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Auth {
    pub(crate) fn new(name: &str, credentials: Arc<dyn Credentials>) -> Self {
        Self {
            name: name.to_owned(),
            credentials,
            credential: OnceCell::new(),
            challenge: Mutex::default(),
            tokens: Mutex::default(),
        }
    }

    /// The header for a request with these scopes; none while nobody asked for one. `rejected` is a header
    /// that was just refused: it is not given again.
    pub(crate) async fn header(
        &self,
        client: &Client,
        scopes: &[String],
        rejected: Option<&HeaderValue>,
    ) -> Result<Option<HeaderValue>, Problem> {
        let challenge = self.challenge.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let header = match challenge {
            None => None,
            Some(Challenge::Basic) => self.basic().await?,
            Some(Challenge::Bearer { realm, service }) => {
                let endpoint = Endpoint { client, realm, service };
                Some(self.bearer(&endpoint, scopes, rejected).await?)
            }
        };
        Ok(header.filter(|header| Some(header) != rejected))
    }

    /// Takes the challenge of a 401 to a request that carried no credential.
    pub(crate) fn learn(&self, headers: &HeaderMap, registry: &Url) -> Result<(), Problem> {
        let found = challenge::read(headers, registry).map_err(Problem::Protocol)?;
        let mut known = self.challenge.lock().unwrap_or_else(PoisonError::into_inner);
        if found.is_some() {
            *known = found;
        }
        Ok(())
    }

    /// Where tokens come from, as far as the host has asked for one.
    pub(crate) fn token_server(&self) -> Option<Url> {
        match self.challenge.lock().unwrap_or_else(PoisonError::into_inner).as_ref() {
            Some(Challenge::Bearer { realm, .. }) => Some(realm.clone()),
            _ => None,
        }
    }

    /// Forgets all tokens, for rights that were changed: a token from before keeps the rights of before.
    pub(crate) fn forget_tokens(&self) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The credential itself as a header, where it is a name and a password.
    pub(crate) async fn basic(&self) -> Result<Option<HeaderValue>, Problem> {
        match self.credential().await? {
            Some(Credential::Password { user, password }) => {
                Ok(Some(secret_header(&format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))))?))
            }
            _ => Ok(None),
        }
    }

    async fn credential(&self) -> Result<&Option<Credential>, Problem> {
        self.credential
            .get_or_try_init(|| async {
                let (credentials, name) = (Arc::clone(&self.credentials), self.name.clone());
                let found = tokio::task::spawn_blocking(move || credentials.find(&name)).await;
                found.unwrap_or_else(|error| Err(error.to_string())).map_err(Problem::Credentials)
            })
            .await
    }

    async fn bearer(
        &self,
        endpoint: &Endpoint<'_>,
        scopes: &[String],
        rejected: Option<&HeaderValue>,
    ) -> Result<HeaderValue, Problem> {
        let slot = self.slot(&scopes.join(" "));
        let mut token = slot.lock().await;
        // Another task may have replaced the rejected token already.
        if let Some(known) = token.as_ref()
            && known.fresh_until > Instant::now()
            && Some(&known.header) != rejected
        {
            return Ok(known.header.clone());
        }
        let fetched = endpoint.fetch(self.credential().await?.as_ref(), scopes).await?;
        let header = fetched.header.clone();
        *token = Some(fetched);
        Ok(header)
    }

    fn slot(&self, key: &str) -> Slot {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        if tokens.len() >= TOKENS && !tokens.contains_key(key) {
            tokens.clear();
        }
        Arc::clone(tokens.entry(key.to_owned()).or_default())
    }
}

/// A token server, as the registry's challenge names it.
struct Endpoint<'a> {
    client: &'a Client,
    realm: Url,
    service: Option<String>,
}

impl Endpoint<'_> {
    /// Gets a token: by GET with the password or anonymously, by OAuth2 POST with an identity token.
    async fn fetch(&self, credential: Option<&Credential>, scopes: &[String]) -> Result<Token, Problem> {
        let asked = Instant::now();
        let request = match credential {
            Some(Credential::IdentityToken(token)) => self.refresh_request(token, scopes),
            Some(Credential::Password { user, password }) => {
                self.client.get(self.query(scopes)).basic_auth(user, Some(password))
            }
            None => self.client.get(self.query(scopes)),
        };
        let response = tokio::time::timeout(TOKEN_WAIT, request.send())
            .await
            .map_err(|_| Problem::Network(format!("the token server at {} is silent", self.place())))?
            .map_err(network)?;
        if response.status() != StatusCode::OK {
            return Err(self.refused(response).await);
        }
        let body = answer::read(response, TOKEN_BYTES).await?;
        let answer: TokenAnswer = serde_json::from_slice(&body).map_err(|_| {
            Problem::Protocol(format!(
                "found no token in the answer of {}, wanted JSON with one",
                self.place()
            ))
        })?;
        let text = if answer.token.is_empty() { answer.access_token } else { answer.token };
        if text.is_empty() {
            return Err(Problem::Protocol(format!("found an empty token in the answer of {}", self.place())));
        }
        let life = Duration::from_secs(answer.expires_in.unwrap_or(DEFAULT_LIFE).min(24 * 60 * 60));
        // A quarter of its life is left for the request that carries it, at most half a minute.
        let fresh_until = asked + life - (life / 4).min(Duration::from_secs(30));
        Ok(Token { header: secret_header(&format!("Bearer {text}"))?, fresh_until })
    }

    fn query(&self, scopes: &[String]) -> Url {
        let mut url = self.realm.clone();
        {
            let mut pairs = url.query_pairs_mut();
            if let Some(service) = &self.service {
                pairs.append_pair("service", service);
            }
            for scope in scopes {
                pairs.append_pair("scope", scope);
            }
        }
        url
    }

    fn refresh_request(&self, token: &str, scopes: &[String]) -> reqwest::RequestBuilder {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "refresh_token")
            .append_pair("service", self.service.as_deref().unwrap_or_default())
            .append_pair("client_id", "airgap")
            .append_pair("scope", &scopes.join(" "))
            .append_pair("refresh_token", token)
            .finish();
        let form_type = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.client.post(self.realm.clone()).header(reqwest::header::CONTENT_TYPE, form_type).body(form)
    }

    async fn refused(&self, response: reqwest::Response) -> Problem {
        let place = self.place();
        match answer::problem_of(response).await {
            Problem::Unauthorized(detail) | Problem::Denied { detail, .. } => {
                Problem::Unauthorized(format!("{detail} from the token server at {place}"))
            }
            problem if problem.is_transient() => problem,
            problem => Problem::Protocol(format!("the token server at {place}: {problem}")),
        }
    }

    fn place(&self) -> String {
        shown(self.realm.host_str().unwrap_or_default())
    }
}

fn secret_header(text: &str) -> Result<HeaderValue, Problem> {
    let mut header = HeaderValue::from_str(text).map_err(|_| {
        Problem::Credentials(format!("found characters that cannot stand in the header {AUTHORIZATION}"))
    })?;
    header.set_sensitive(true);
    Ok(header)
}
