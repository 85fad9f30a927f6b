//! `serve`: an archive, or a folder that was loaded into, as a read-only registry.

use std::path::Path;

use console::{Class, Failure, Failures, input};
use serde::Serialize;
use transfer::archive::open;
use transfer::archive::stream::Keep;

use super::judge::Judge;
use super::notice;
use crate::archive_failure;
use crate::cli::{Global, JudgeArguments, ServeArguments};
use crate::serve::{Content, Tls, serve};
use crate::site::Access;

/// What `serve` prints when it has ended: nothing.
#[derive(Serialize)]
pub(crate) struct Served {}

pub(crate) async fn run(arguments: &ServeArguments, global: &Global) -> Result<Served, Failures> {
    let ServeArguments { content, listen, tls_cert, tls_key, trust: _, unverified } = arguments;
    if *unverified && !listen.ip().is_loopback() {
        let message = "found --unverified beyond loopback, wanted 127.0.0.1 or [::1]";
        let failure = Failure::new(Class::Usage, listen, message).advise("give --trust in place of it");
        return Err(failure.into());
    }
    let content =
        if content.is_dir() { Content::Directory(content.clone()) } else { archive(arguments, global)? };
    let tls = match (tls_cert, tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        _ => None,
    };
    serve(content, *listen, tls).await?;
    Ok(Served {})
}

/// The DMZ scans what is served before anybody accepts it, so trust is enough: no policy, no ledger.
fn archive(arguments: &ServeArguments, global: &Global) -> Result<Content, Failures> {
    let path: &Path = &arguments.content;
    if arguments.unverified {
        notice(global, &["UNVERIFIED: nobody checked the signature".to_owned()]);
        let file = input::archive(path)?;
        let archive = open::unverified(file).map_err(|error| archive_failure::failure(path, &error))?;
        return Ok(Content::Unverified(Box::new(archive)));
    }
    let rules = JudgeArguments { trust: arguments.trust.clone(), ..JudgeArguments::default() };
    let judge = Judge::read(&rules, global.state.as_deref(), Access::Read, None)?;
    let verified = judge.open(path, Keep::Whole, None, global.quiet)?;
    judge.prepared(path, &verified)?;
    Ok(Content::Verified(Box::new(verified)))
}

impl Served {
    pub(crate) fn render(&self) -> String {
        String::new()
    }
}
