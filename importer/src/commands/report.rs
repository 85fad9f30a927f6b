//! `report`: one HTML file about an archive, for whoever decides about it. The site stays as it is.

use console::written_report::WrittenReport;
use console::{Failure, Failures};
use transfer::archive::stream::Keep;

use super::judge::{Judge, needs_policy};
use crate::cli::{Global, ReportArguments};
use crate::site::Access;

pub(crate) fn run(
    arguments: &ReportArguments,
    global: &Global,
) -> Result<(WrittenReport, Vec<Failure>), Failures> {
    let ReportArguments { archive, judge: rules, output, at } = arguments;
    let judge = Judge::read(rules, global.state.as_deref(), Access::Read, *at)?;
    needs_policy(&judge)?;
    let verified = judge.open(archive, Keep::Evidence, None, global.quiet)?;
    let report = judge.report(archive, rules, verified)?;
    let refusals = report.refusals.clone();
    Ok((WrittenReport::write(report, output.as_deref(), global.json)?, refusals))
}
