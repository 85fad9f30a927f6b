//! `policy test`: what a policy says about an archive, item by item.

use console::escape::escape;
use console::judging::{self, Knowledge};
use console::{Failure, Failures, clock, input};
use gates::Judgement;
use manifests::{ChannelName, Digest};
use serde::Serialize;

use crate::cli::PolicyTestArguments;
use crate::examine::{self, Reading};
use crate::trusted;

/// What `policy test` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Tested {
    standing: String,
    identity: Digest,
    name: ChannelName,
    serial: u64,
    judgement: Judgement,
    refusals: Vec<Failure>,
}

pub(crate) fn run(arguments: &PolicyTestArguments) -> Result<(Tested, Vec<Failure>), Failures> {
    let PolicyTestArguments { policy, archive, trust, at, knowledge } = arguments;
    let file = input::policy(policy)?;
    let knowledge = Knowledge::read(knowledge.kev.as_deref(), &knowledge.vex)?;
    let trust = trusted::read(trust)?;
    let now = at.unwrap_or_else(clock::now);
    let archive = examine::open(archive, trust.as_ref(), Reading::Evidence, now)?;
    let judgement = archive.judge(&file, &knowledge, now)?;
    let refusals = judging::refusals(std::slice::from_ref(&judgement));
    let standing = match &archive.signer {
        Some(signer) => format!("signed by {} as {}; only the evidence was read", signer.person, signer.role),
        None => "UNVERIFIED: nobody checked the signature (--trust or --key does)".to_owned(),
    };
    let (identity, inventory) = (archive.identity, archive.inventory);
    let tested = Tested {
        standing,
        identity,
        name: inventory.name,
        serial: inventory.serial,
        judgement,
        refusals: refusals.clone(),
    };
    Ok((tested, refusals))
}

impl Tested {
    pub(crate) fn render(&self) -> String {
        let Self { standing, identity, name, serial, judgement, .. } = self;
        let lines: Vec<String> = judgement.explain().iter().map(|line| escape(line)).collect();
        let (policy, at, summary) = (judgement.policy, judgement.at, judgement.summary());
        format!(
            "status         {standing}\n\
             identity       {identity}\n\
             name           {name}, serial {serial}\n\
             policy         {policy}, at {at}\n\
             gates          {summary}\n\n{}\n",
            lines.join("\n")
        )
    }
}
