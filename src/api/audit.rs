//! The ledger held against the schedules.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::asked::Asked;
use super::error::Problem;
use super::{Context, wire};
use crate::clock;
use crate::job::JobName;
use crate::store::{AuditReport, AuditScope, Watch};

/// What to audit.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Scope {
    /// Of this job alone.
    job: Option<JobName>,
    /// From this time on.
    #[serde(default, deserialize_with = "super::asked::instant")]
    since: Option<Timestamp>,
}

/// GET `/audit`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    Asked(asked): Asked<Scope>,
) -> Result<Json<wire::Audit>, Problem> {
    let since = asked.since;
    let report = match asked.job {
        Some(job) if !caller.sees(&job) => return Err(Problem::unknown_job(job.as_str())),
        Some(job) => {
            let report = audit(&context, Some(job.clone()), since).await?;
            let in_config = context.handle.snapshot().job(job.as_str()).is_some();
            if report.jobs_checked == 0 && report.is_clean() && !in_config {
                return Err(Problem::unknown_job(job.as_str()));
            }
            report
        }
        None if caller.sees_all() => audit(&context, None, since).await?,
        None => of_some(&context, &caller, since).await?,
    };
    Ok(Json(report.into()))
}

async fn audit(
    context: &Context,
    job: Option<JobName>,
    since: Option<Timestamp>,
) -> Result<AuditReport, Problem> {
    let scope = AuditScope {
        job,
        since,
        now: clock::now(),
        watch: Watch::Up,
    };
    Ok(context.handle.reader().audit(scope).await?)
}

/// An audit of the jobs in the config that a limited caller sees, one by one.
async fn of_some(
    context: &Context,
    caller: &Caller,
    since: Option<Timestamp>,
) -> Result<AuditReport, Problem> {
    let snapshot = context.handle.snapshot();
    let names = snapshot.jobs.iter().map(|view| &view.plan.name);
    let mut whole = AuditReport::default();
    for job in names.filter(|name| caller.sees(name)) {
        add(&mut whole, audit(context, Some(job.clone()), since).await?);
    }
    Ok(whole)
}

/// The most problems and accounts that are listed, as in an audit of all jobs.
const LISTED: usize = 1_000;

fn add(whole: &mut AuditReport, part: AuditReport) {
    let earlier = whole.from.into_iter().chain(part.from).min();
    whole.from = earlier;
    whole.through = whole.through.max(part.through);
    whole.instants_checked += part.instants_checked;
    whole.jobs_checked += part.jobs_checked;
    whole.total_problems += part.total_problems;
    whole.accounts.extend(part.accounts);
    whole.accounts.truncate(LISTED);
    whole.problems.extend(part.problems);
    whole.problems.truncate(LISTED);
}
