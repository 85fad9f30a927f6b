//! `verify`: the signature, every byte, then trust and policy. Nothing is written.

use console::{Failures, escape};
use serde::Serialize;
use transfer::archive::stream::Keep;

use super::judge::Judge;
use super::notice;
use super::standing::Standing;
use crate::cli::{Global, VerifyArguments};
use crate::site::Access;

/// What `verify` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Checked {
    #[serde(flatten)]
    standing: Standing,
    notices: Vec<String>,
}

pub(crate) fn run(arguments: &VerifyArguments, global: &Global) -> Result<Checked, Failures> {
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
    let mut notices = accepted.notices().to_vec();
    if !judge.has_policy() {
        notices.push("no policy: none was applied".to_owned());
    }
    notice(global, &notices);
    Ok(Checked { standing: Standing::of(&accepted), notices })
}

impl Checked {
    pub(crate) fn render(&self) -> String {
        self.standing.render()
    }
}
