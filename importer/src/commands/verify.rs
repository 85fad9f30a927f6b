//! `verify`: the signature, every byte, then trust and policy. Nothing is written.

use console::{Failures, escape};
use transfer::archive::stream::Keep;

use super::judge::Judge;
use super::notice;
use super::standing::Standing;
use crate::cli::{Global, VerifyArguments};
use crate::site::Access;

pub(crate) fn run(arguments: &VerifyArguments, global: &Global) -> Result<Standing, Failures> {
    let VerifyArguments { archive, judge: rules, at } = arguments;
    let judge = Judge::read(rules, global.state.as_deref(), Access::Read, *at)?;
    let verified = judge.open(archive, Keep::Evidence, None, global.quiet)?;
    if !global.quiet {
        // Said before it is judged: a refusal by policy is another thing than a damaged copy.
        let identity = verified.identity();
        eprintln!(
            "{}: every byte is what was signed, identity {identity}",
            escape::escape(&archive.display().to_string())
        );
    }
    let accepted = judge.accept(archive, rules, verified)?;
    notice(global, accepted.notices());
    Ok(Standing::of(&accepted))
}
