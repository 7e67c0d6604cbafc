//! Runs, as the ledger has them.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::asked::{self, Asked, JobPath, Nothing, RunPath};
use super::error::{Kind, Problem};
use super::{Context, wire};
use crate::job::{JobName, Run, RunId, Status, Trigger};
use crate::store::{CursorError, Jobs, RunFilter};

/// Which runs of a job are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfJob {
    /// In this status alone; rows still `scheduled` come only when asked for.
    status: Option<Status>,
    /// With this trigger alone.
    trigger: Option<Trigger>,
    /// Whose instant is not before this.
    #[serde(default, deserialize_with = "asked::instant")]
    since: Option<Timestamp>,
    /// Whose instant is before this.
    #[serde(default, deserialize_with = "asked::instant")]
    until: Option<Timestamp>,
    /// How many items at most, 100 unless said.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    #[schemars(regex(pattern = r"^[0-9]{1,17}\.[0-9]{1,9}$"))]
    cursor: Option<String>,
}

/// Which runs are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OfAny {
    /// Of this job alone.
    job: Option<JobName>,
    /// In this status alone; rows still `scheduled` come only when asked for.
    status: Option<Status>,
    /// With this trigger alone.
    trigger: Option<Trigger>,
    /// Whose instant is not before this.
    #[serde(default, deserialize_with = "asked::instant")]
    since: Option<Timestamp>,
    /// Whose instant is before this.
    #[serde(default, deserialize_with = "asked::instant")]
    until: Option<Timestamp>,
    /// How many items at most, 100 unless said.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    #[schemars(regex(pattern = r"^[0-9]{1,17}\.[0-9]{1,9}$"))]
    cursor: Option<String>,
}

impl OfAny {
    fn split(self) -> (Option<JobName>, OfJob) {
        let rest = OfJob {
            status: self.status,
            trigger: self.trigger,
            since: self.since,
            until: self.until,
            limit: self.limit,
            cursor: self.cursor,
        };
        (self.job, rest)
    }
}

type Listed = Result<Json<wire::List<wire::Run>>, Problem>;

/// GET `/runs`
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Asked(filter): Asked<OfAny>,
) -> Listed {
    let (job, filter) = filter.split();
    let jobs = match job {
        Some(job) if caller.sees(&job) => Jobs::Only(vec![job]),
        Some(_) => Jobs::Only(Vec::new()),
        None => visible(&context, &caller),
    };
    page(&context, jobs, filter).await
}

/// GET `/jobs/{job}/runs`
pub(super) async fn of_job(
    State(context): State<Context>,
    caller: Caller,
    JobPath(job): JobPath,
    Asked(filter): Asked<OfJob>,
) -> Listed {
    if !caller.sees(&job) {
        return Err(Problem::unknown_job(job.as_str()));
    }
    let in_config = context.handle.snapshot().job(job.as_str()).is_some();
    if !in_config && !has_history(&context, &job).await? {
        return Err(Problem::unknown_job(job.as_str()));
    }
    page(&context, Jobs::Only(vec![job]), filter).await
}

/// GET `/runs/{id}`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    RunPath(id): RunPath,
    _: Asked<Nothing>,
) -> Result<Json<wire::RunDetail>, Problem> {
    let run = find(&context, &caller, id).await?;
    let attempts = context.handle.reader().attempts(id).await?;
    Ok(Json(wire::RunDetail {
        run: run.into(),
        attempt_list: attempts.into_iter().map(wire::Attempt::from).collect(),
    }))
}

/// The run of this id, if there is one that the caller may see.
pub(super) async fn find(context: &Context, caller: &Caller, id: RunId) -> Result<Run, Problem> {
    let run = context.handle.reader().run(id).await?;
    run.filter(|run| caller.sees(&run.job))
        .ok_or_else(|| Problem::unknown_run(&id.to_string()))
}

/// The jobs whose runs a caller sees in a list that names none: of one that is limited to some
/// jobs, those in the config.
fn visible(context: &Context, caller: &Caller) -> Jobs {
    if caller.sees_all() {
        return Jobs::All;
    }
    let snapshot = context.handle.snapshot();
    let names = snapshot.jobs.iter().map(|view| &view.plan.name);
    Jobs::Only(names.filter(|name| caller.sees(name)).cloned().collect())
}

/// Whether the ledger has runs of a job, which may have left the config.
async fn has_history(context: &Context, job: &JobName) -> Result<bool, Problem> {
    let filter = RunFilter {
        jobs: Jobs::Only(vec![job.clone()]),
        ..RunFilter::default()
    };
    let newest = context.handle.reader().runs(filter, None, 1).await?;
    Ok(!newest.items.is_empty())
}

async fn page(context: &Context, jobs: Jobs, asked: OfJob) -> Listed {
    let limit = asked::limit(asked.limit)?;
    let cursor = asked.cursor.as_deref().map(str::parse).transpose();
    let cursor =
        cursor.map_err(|why: CursorError| Problem::new(Kind::BadQuery, why.to_string()))?;
    let filter = RunFilter {
        jobs,
        status: asked.status,
        trigger: asked.trigger,
        since: asked.since,
        until: asked.until,
    };
    let page = context.handle.reader().runs(filter, cursor, limit).await?;
    Ok(Json(wire::List {
        items: page.items.into_iter().map(wire::Run::from).collect(),
        next_cursor: page.next_cursor.map(|cursor| cursor.to_string()),
    }))
}
