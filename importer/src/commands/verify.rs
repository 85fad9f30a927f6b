//! `verify`: the signature, every byte, then trust and policy. Nothing is written.

use std::fs::File;

use clients::trivy::Settings;
use console::{Failures, clock, escape};
use manifests::policy::Policy;
use transfer::archive::Verified;
use transfer::archive::stream::Keep;

use super::judge::Judge;
use super::notice;
use super::standing::Standing;
use crate::cli::{Global, VerifyArguments};
use crate::site::Access;
use crate::{malware, rescan};

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
        verified = scan(arguments, &mut judge, verified, global.quiet)?;
    }
    let accepted = judge.accept(archive, rules, verified)?;
    notice(global, accepted.notices());
    Ok(Standing::of(&accepted))
}

/// Looks for vulnerabilities and for malware, as the policies ask; without one that asks, for vulnerabilities.
fn scan(
    arguments: &VerifyArguments,
    judge: &mut Judge,
    mut archive: Verified<File>,
    quiet: bool,
) -> Result<Verified<File>, Failures> {
    let excluded = judge.excluded(&arguments.archive, &arguments.judge, &archive)?;
    let rules = judge.rules()?;
    let has = |wanted: fn(&Policy) -> bool| rules.policies.iter().any(|file| wanted(&file.policy));
    let wants_trivy =
        has(|policy| policy.vulnerabilities.is_some()) || !has(|policy| policy.malware.is_some());
    let searched = malware::search(&archive, &excluded, &rules.policies, clock::now(), quiet)?;
    if wants_trivy {
        let settings = Settings { cache: arguments.trivy_cache.clone(), is_offline: arguments.trivy_offline };
        (archive, judge.rescanned) = rescan::rescan(archive, settings, quiet)?;
    }
    judge.searched = searched;
    if let Some(folder) = &arguments.reports {
        rescan::keep(&judge.rescanned, folder)?;
        malware::keep(&judge.searched, folder)?;
    }
    Ok(archive)
}
