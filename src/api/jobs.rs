//! Jobs, as they stand.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::asked::{self, Asked, JobPath, Nothing};
use super::error::{Kind, Problem};
use super::{Context, wire};
use crate::dispatch::JobView;
use crate::job::JobName;
use crate::store::Jobs;

/// Which jobs are wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// In this state alone.
    state: Option<wire::State>,
    /// With this tag alone.
    tag: Option<String>,
    /// A part of the name or of the description, in upper or lower case.
    q: Option<String>,
    /// How many items at most, 100 unless said.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<usize>,
    /// `next_cursor` of the part before.
    #[schemars(regex(pattern = r"^[a-z0-9][a-z0-9._-]{0,63}$"))]
    cursor: Option<String>,
}

impl Filter {
    fn wants(&self, view: &JobView) -> bool {
        let plan = &view.plan;
        let has = |tag: &String| plan.tags.contains(tag);
        let says = |part: &String| {
            let part = part.to_lowercase();
            plan.name.as_str().contains(&part) || plan.description.to_lowercase().contains(&part)
        };
        self.state.is_none_or(|state| state == view.state.into())
            && self.tag.as_ref().is_none_or(has)
            && self.q.as_ref().is_none_or(says)
    }
}

/// GET `/jobs`
pub(super) async fn list(
    State(context): State<Context>,
    caller: Caller,
    Asked(filter): Asked<Filter>,
) -> Result<Json<wire::List<wire::Job>>, Problem> {
    let limit = asked::limit(filter.limit)?;
    let cursor = filter.cursor.as_deref().map(JobName::new).transpose();
    let cursor = cursor.map_err(|_| {
        let detail = "this is not a cursor: pass `next_cursor` of the page before as it is";
        Problem::new(Kind::BadQuery, detail)
    })?;
    let snapshot = context.handle.snapshot();
    let mut wanted: Vec<&JobView> = snapshot
        .jobs
        .iter()
        .filter(|view| cursor.as_ref().is_none_or(|last| view.plan.name > *last))
        .filter(|view| caller.sees(&view.plan.name) && filter.wants(view))
        .take(limit + 1)
        .collect();
    let more = wanted.len() > limit;
    wanted.truncate(limit);
    let names: Vec<JobName> = wanted.iter().map(|view| view.plan.name.clone()).collect();
    let next_cursor = names.last().filter(|_| more).map(ToString::to_string);
    let mut lately = context.handle.reader().last_runs(Jobs::Only(names)).await?;
    let items = wanted
        .into_iter()
        .map(|view| wire::Job::new(view, lately.remove(&view.plan.name)))
        .collect();
    Ok(Json(wire::List { items, next_cursor }))
}

/// GET `/jobs/{job}`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    JobPath(name): JobPath,
    _: Asked<Nothing>,
) -> Result<Json<wire::JobDetail>, Problem> {
    whole(&context, &caller, &name).await.map(Json)
}

/// A job with all that is known of it.
pub(super) async fn whole(
    context: &Context,
    caller: &Caller,
    name: &JobName,
) -> Result<wire::JobDetail, Problem> {
    let snapshot = context.handle.snapshot();
    let view = snapshot
        .job(name.as_str())
        .filter(|_| caller.sees(name))
        .ok_or_else(|| Problem::unknown_job(name.as_str()))?;
    let reader = context.handle.reader();
    let mut lately = reader.last_runs(Jobs::Only(vec![name.clone()])).await?;
    let statistics = reader.statistics(name.clone()).await?;
    Ok(wire::JobDetail {
        job: wire::Job::new(view, lately.remove(name)),
        config: view.plan.shown.clone(),
        next_fires: wire::next_fires(&view.plan, view.next_fire),
        statistics: statistics.into(),
    })
}
