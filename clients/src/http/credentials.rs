//! Who we are to a registry: what `docker login` and `podman login` wrote down, and credential helpers.

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::PathBuf;

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};

/// The name that Docker files credentials for docker.io under.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A secret that a registry or its token server accepts.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user or robot, with a password.
    Password {
        /// The name.
        user: String,
        /// The secret.
        password: String,
    },
    /// An OAuth2 refresh token, as `docker login` gets it from some registries.
    IdentityToken(String),
}

impl fmt::Debug for Credential {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Credential")
    }
}

/// A place where credentials are kept. It may block: it is asked once a host, on a thread for that.
pub trait Credentials: Send + Sync {
    /// The credential for a host (`docker.io`, `registry.example:5000`); none for anonymous requests.
    ///
    /// # Errors
    /// When there is a place to look at, and it cannot be read. The text holds no secret.
    fn find(&self, host: &str) -> Result<Option<Credential>, String>;
}

impl<F> Credentials for F
where
    F: Fn(&str) -> Result<Option<Credential>, String> + Send + Sync,
{
    fn find(&self, host: &str) -> Result<Option<Credential>, String> {
        self(host)
    }
}

/// The files of Docker and Podman: `REGISTRY_AUTH_FILE`, then `config.json` in `DOCKER_CONFIG` or
/// `~/.docker`, then `containers/auth.json` in `XDG_RUNTIME_DIR`; with the helpers that they name.
#[derive(Debug, Clone, Copy, Default)]
pub struct DockerConfig;

impl Credentials for DockerConfig {
    fn find(&self, host: &str) -> Result<Option<Credential>, String> {
        find_in(&files(&|name| env::var_os(name)), host)
    }
}

/// The files to look at, in order, with whether each must exist.
fn files(variable: &dyn Fn(&str) -> Option<OsString>) -> Vec<(PathBuf, bool)> {
    let in_folder = |folder: Option<PathBuf>, name: &str| folder.map(|folder| (folder.join(name), false));
    let chosen = variable("REGISTRY_AUTH_FILE").map(|file| (PathBuf::from(file), true));
    let docker = variable("DOCKER_CONFIG").map(PathBuf::from);
    let docker = docker.or_else(|| variable("HOME").map(|home| PathBuf::from(home).join(".docker")));
    let podman = variable("XDG_RUNTIME_DIR").map(PathBuf::from);
    chosen
        .into_iter()
        .chain(in_folder(docker, "config.json"))
        .chain(in_folder(podman, "containers/auth.json"))
        .collect()
}

fn find_in(files: &[(PathBuf, bool)], host: &str) -> Result<Option<Credential>, String> {
    let names: &[&str] = if host == "docker.io" { &[DOCKER_HUB, host] } else { &[host] };
    for (path, required) in files {
        for name in names {
            let file = match File::open(path) {
                Ok(file) => file,
                Err(error) if error.kind() == ErrorKind::NotFound && !required => break,
                Err(error) => return Err(format!("{}: {error}", path.display())),
            };
            let found = get_credential_from_reader(BufReader::new(file), name);
            if let Some(credential) = understand(found).map_err(|why| format!("{}: {why}", path.display()))? {
                return Ok(Some(credential));
            }
        }
    }
    Ok(None)
}

fn understand(
    found: Result<DockerCredential, CredentialRetrievalError>,
) -> Result<Option<Credential>, String> {
    match found {
        // An entry with empty fields is what some tools leave behind after a logout.
        Ok(DockerCredential::UsernamePassword(user, password)) if user.is_empty() && password.is_empty() => {
            Ok(None)
        }
        Ok(DockerCredential::UsernamePassword(user, password)) => {
            Ok(Some(Credential::Password { user, password }))
        }
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Credential::IdentityToken(token))),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        // The one answer of the helper protocol that means "none"; anything else is a failure. Its output
        // is not repeated, since it may hold what it was asked for.
        Err(CredentialRetrievalError::HelperFailure { helper, stdout, .. }) => {
            let is_absent = stdout.contains("credentials not found");
            if is_absent { Ok(None) } else { Err(format!("the credential helper {helper} failed")) }
        }
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, Vec<(PathBuf, bool)>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, text).unwrap();
        (folder, vec![(path, true)])
    }

    #[test]
    fn a_login_of_docker_is_found_by_the_name_in_references() {
        // "user:secret"
        let hub = r#"{"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpzZWNyZXQ="},"b.example":{"auth":""}}}"#;
        let (_folder, files) = written(hub);
        let wanted = Credential::Password { user: "user".to_owned(), password: "secret".to_owned() };
        assert_eq!(find_in(&files, "docker.io"), Ok(Some(wanted.clone())));
        assert_eq!(find_in(&files, "other.example"), Ok(None));
        assert_eq!(format!("{wanted:?}"), "Credential", "a secret must not be printed by accident");
    }

    #[test]
    fn a_missing_file_means_anonymous_unless_it_was_chosen() {
        let missing = PathBuf::from("/nonexistent/config.json");
        assert_eq!(find_in(&[(missing.clone(), false)], "a.example"), Ok(None));
        assert!(find_in(&[(missing, true)], "a.example").is_err());
        let (_folder, files) = written("not json");
        assert!(find_in(&files, "a.example").is_err(), "an unreadable file is not the same as none");
    }

    #[test]
    fn files_are_tried_from_the_most_to_the_least_specific() {
        let all = |name: &str| Some(OsString::from(format!("/{name}")));
        let paths: Vec<String> =
            files(&all).into_iter().map(|(path, _)| path.display().to_string()).collect();
        assert_eq!(
            paths,
            ["/REGISTRY_AUTH_FILE", "/DOCKER_CONFIG/config.json", "/XDG_RUNTIME_DIR/containers/auth.json"]
        );
        let home = |name: &str| (name == "HOME").then(|| OsString::from("/home/a"));
        assert_eq!(files(&home), [(PathBuf::from("/home/a/.docker/config.json"), false)]);
    }
}
