//! `verify`: the signature, every byte, then trust and policy. Nothing is written.

use clients::trivy::Settings;
use console::{Failures, escape};
use transfer::archive::stream::Keep;

use super::judge::Judge;
use super::notice;
use super::standing::Standing;
use crate::cli::{Global, VerifyArguments};
use crate::rescan;
use crate::site::Access;

pub(crate) fn run(arguments: &VerifyArguments, global: &Global) -> Result<Standing, Failures> {
    let VerifyArguments { archive, judge: rules, at, rescan, .. } = arguments;
    let mut judge = Judge::read(rules, global.state.as_deref(), Access::Read, *at)?;
    // A scanner reads layers as well; of a pipe they are kept for it.
    let keep = if *rescan { Keep::Whole } else { Keep::Evidence };
    let mut verified = judge.open(archive, keep, None, global.quiet)?;
    if !global.quiet {
        // Said before it is judged: a refusal by policy is another thing than a damaged copy.
        let identity = verified.identity();
        eprintln!(
            "{}: every byte is what was signed, identity {identity}",
            escape::escape(&archive.display().to_string())
        );
    }
    if *rescan {
        let settings = Settings { cache: arguments.trivy_cache.clone(), is_offline: arguments.trivy_offline };
        let (archive, reports) = rescan::rescan(verified, settings, global.quiet)?;
        (verified, judge.rescanned) = (archive, reports);
        if let Some(folder) = &arguments.reports {
            rescan::keep(&judge.rescanned, folder)?;
        }
    }
    let accepted = judge.accept(archive, rules, verified)?;
    notice(global, accepted.notices());
    Ok(Standing::of(&accepted))
}
