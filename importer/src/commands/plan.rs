//! `plan`: what a load would do. Nothing is written.

use std::sync::Arc;

use console::Failures;
use serde::Serialize;
use transfer::archive::stream::Keep;

use super::judge::{Judge, needs_policy};
use super::notice;
use super::standing::Standing;
use crate::cli::{Global, PlanArguments};
use crate::destinations::Destinations;
use crate::plan::{PlanDocument, plan};
use crate::site::Access;

/// What `plan` prints.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Planned {
    archive: Standing,
    plan: PlanDocument,
}

pub(crate) async fn run(arguments: &PlanArguments, global: &Global) -> Result<Planned, Failures> {
    let PlanArguments { archive, to, judge: rules, only } = arguments;
    let judge = Judge::read(rules, global.state.as_deref(), Access::Read, None)?;
    needs_policy(&judge)?;
    let destinations = Destinations::read(to)?;
    let verified = judge.open(archive, Keep::Evidence, None, global.quiet)?;
    let accepted = Arc::new(judge.accept(archive, rules, verified)?);
    notice(global, accepted.notices());
    let (_, plan) = plan(Arc::clone(&accepted), judge.site.as_ref(), destinations, only, None).await?;
    Ok(Planned { archive: Standing::of(&accepted), plan })
}

impl Planned {
    pub(crate) fn render(&self) -> String {
        format!("{}\n{}", self.archive.render(), self.plan.render())
    }
}
