//! `serve`: an archive, or a folder that was loaded into, as a read-only registry.

use std::net::SocketAddr;
use std::path::Path;

use console::inspect::NotCarried;
use console::{Class, Failure, Failures, input};
use serde::Serialize;
use transfer::archive::open;
use transfer::archive::stream::Keep;

use super::judge::{Judge, needs_policy};
use super::notice;
use crate::archive_failure;
use crate::cli::{Global, ServeArguments};
use crate::serve::{Content, Tls, serve};
use crate::site::Access;

/// What `serve` prints when it has ended: nothing.
#[derive(Serialize)]
pub(crate) struct Served {}

pub(crate) async fn run(arguments: &ServeArguments, global: &Global) -> Result<Served, Failures> {
    let ServeArguments { content, listen, tls_cert, tls_key, judge: _, unverified } = arguments;
    if *unverified && !listen.ip().is_loopback() {
        let message = "found --unverified beyond loopback, wanted 127.0.0.1 or [::1]";
        let failure = Failure::new(Class::Usage, listen, message).advise("give --trust in place of it");
        return Err(failure.into());
    }
    let content = if content.is_dir() { folder(content, listen)? } else { archive(arguments, global)? };
    let tls = match (tls_cert, tls_key) {
        (Some(certificate), Some(key)) => Some(Tls { certificate, key }),
        _ => None,
    };
    serve(content, *listen, tls, |notices| notice(global, notices)).await?;
    Ok(Served {})
}

/// Nothing in a folder says who accepted what is in it: its index is whoever's who wrote there last. So it is for this
/// machine only.
fn folder(path: &Path, listen: &SocketAddr) -> Result<Content, Failure> {
    if listen.ip().is_loopback() {
        return Ok(Content::Directory(path.to_owned()));
    }
    let message = format!("found a folder to be served on {listen}, wanted 127.0.0.1 or [::1]");
    Err(Failure::new(Class::Usage, path.display(), message)
        .advise("load into a registry for others, or serve the archive"))
}

/// The DMZ scans what is served on loopback before anybody accepts it, so trust is enough there. Beyond, it is for
/// those who will run it: whoever has a preparer's key alone must not reach them past policy and approvals, and what
/// cannot be pulled whole is no registry.
fn archive(arguments: &ServeArguments, global: &Global) -> Result<Content, Failures> {
    let ServeArguments { content: path, listen, judge: rules, unverified, .. } = arguments;
    let path: &Path = path;
    if *unverified {
        notice(global, &["UNVERIFIED: nobody checked the signature".to_owned()]);
        let file = input::archive(path)?;
        let archive = open::unverified(file).map_err(|error| archive_failure::failure(path, &error))?;
        return Ok(Content::Unverified(Box::new(archive)));
    }
    let judge = Judge::read(rules, global.state.as_deref(), Access::Read, None)?;
    let verified = judge.open(path, Keep::Whole, None, global.quiet)?;
    let not_carried = NotCarried::of(verified.inventory());
    if listen.ip().is_loopback() {
        judge.prepared(path, &verified)?;
        let notices: Vec<String> = not_carried
            .iter()
            .map(|missing| format!("not served, as it is not carried: {missing}"))
            .collect();
        notice(global, &notices);
        return Ok(Content::Verified(Box::new(verified)));
    }
    if let Some(missing) = not_carried {
        let message =
            format!("found content that is not carried ({missing}), wanted all of it beyond loopback");
        return Err(Failure::new(Class::Usage, path.display(), message).advise("load it").into());
    }
    needs_policy(&judge)?;
    let accepted = judge.accept(path, rules, verified)?;
    notice(global, accepted.notices());
    if !accepted.excluded().records().is_empty() {
        let message = "found items that its approvers left out, wanted none beyond loopback";
        return Err(Failure::new(Class::Refused, path.display(), message).advise("load it").into());
    }
    Ok(Content::Verified(Box::new(accepted.into_archive())))
}

impl Served {
    pub(crate) fn render(&self) -> String {
        String::new()
    }
}
