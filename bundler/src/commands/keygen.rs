//! `keygen`: a key pair for signing archives, or the public half of one that there is.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use console::key_file::{self, PASSWORD_VARIABLES};
use console::key_source::KeySource;
use console::{Class, Failure, Failures};
use manifests::Digest;
use manifests::key::{KeyError, PrivateKey};
use serde::Serialize;

use crate::cli::KeygenArguments;

/// What `keygen` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Made {
    /// The file of the private key; nothing where none was made.
    #[serde(flatten)]
    private: Option<Private>,
    public: PathBuf,
    id: Digest,
}

#[derive(Serialize)]
struct Private {
    private: PathBuf,
    encrypted: bool,
}

pub(crate) fn run(arguments: &KeygenArguments) -> Result<Made, Failures> {
    let with_ending = |ending: &str| {
        let mut path = arguments.out.clone().into_os_string();
        path.push(ending);
        PathBuf::from(path)
    };
    let (private, public) = (with_ending(".key"), with_ending(".pub"));
    if let Some(source) = &arguments.public_of {
        free(&public)?;
        return Ok(public_of(source, public)?);
    }
    free(&private)?;
    free(&public)?;
    let failed = |error: KeyError| Failure::new(Class::Failed, private.display(), error);
    let key = PrivateKey::generate().map_err(failed)?;
    let (id, public_pem) =
        key.public().and_then(|public| Ok((public.id(), public.to_pem()?))).map_err(failed)?;
    let private_pem =
        if arguments.unencrypted { key.to_pem() } else { key.to_encrypted_pem(&password(&private)?) };
    // The private key first: a public key without its private half would be taken for one that works.
    write_new(&private, 0o600, &private_pem.map_err(failed)?)?;
    write_new(&public, 0o644, &public_pem)?;
    Ok(Made { private: Some(Private { private, encrypted: !arguments.unencrypted }), public, id })
}

/// Writes the public half of a key that there is.
fn public_of(source: &KeySource, path: PathBuf) -> Result<Made, Failure> {
    let failed = |error: KeyError| Failure::new(Class::Failed, source, error);
    let public = source.open()?.public().map_err(failed)?;
    write_new(&path, 0o644, &public.to_pem().map_err(failed)?)?;
    Ok(Made { private: None, public: path, id: public.id() })
}

fn password(key: &Path) -> Result<String, Failure> {
    let usage = |message: &str| Failure::new(Class::Usage, key.display(), message);
    let is_set = PASSWORD_VARIABLES.iter().any(|name| std::env::var_os(name).is_some());
    let password = key_file::password("password of the new key: ").ok_or_else(|| {
        usage("found no password")
            .advise("set AIRGAP_KEY_PASSWORD, run it on a terminal, or add --unencrypted")
    })?;
    if password.is_empty() {
        return Err(usage("found an empty password, wanted one, or --unencrypted"));
    }
    if !is_set && key_file::password("the same again: ").as_ref() != Some(&password) {
        return Err(usage("found two different passwords"));
    }
    Ok(password)
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, mode: u32, text: &str) -> Result<(), Failure> {
    let created = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = created.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => exists(path),
        _ => Failure::new(Class::Failed, path.display(), error),
    })?;
    let written = file.write_all(text.as_bytes()).and_then(|()| file.sync_all());
    written.map_err(|error| Failure::new(Class::Failed, path.display(), error))
}

fn free(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_ok() { Err(exists(path)) } else { Ok(()) }
}

fn exists(path: &Path) -> Failure {
    Failure::new(Class::Usage, path.display(), "found a file there already, and keys are not overwritten")
        .advise("choose another PREFIX")
}

impl Made {
    pub(crate) fn render(&self) -> String {
        let Self { private, public, id } = self;
        let escape = |path: &Path| console::escape::escape(&path.display().to_string());
        let private = private.as_ref().map(|Private { private, encrypted }| {
            let how = if *encrypted { "encrypted" } else { "NOT encrypted" };
            format!("private key    {} ({how}; keep it, and copy it nowhere)\n", escape(private))
        });
        format!(
            "{}public key     {} (for whoever checks the archives)\n\
             id             {id}\n\n\
             Compare the id by voice with whoever puts the public key into a trust file.\n",
            private.unwrap_or_default(),
            escape(public),
        )
    }
}
