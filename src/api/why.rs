//! Why a job ran, did not run, or when it will.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::Caller;
use super::asked::{Asked, JobPath};
use super::error::Problem;
use super::{Context, wire};
use crate::clock;
use crate::explain::{Facts, History, Standing, explain};

/// Which time is asked about.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct When {
    /// The time to tell of; now, if none.
    #[serde(default, deserialize_with = "super::asked::instant")]
    at: Option<Timestamp>,
}

/// GET `/jobs/{job}/why`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    JobPath(job): JobPath,
    Asked(when): Asked<When>,
) -> Result<Json<wire::Why>, Problem> {
    if !caller.sees(&job) {
        return Err(Problem::unknown_job(job.as_str()));
    }
    // The ledger counts in microseconds.
    let micros = |at: Timestamp| Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at);
    let (at, now) = (when.at.map(micros), clock::now());
    let reader = context.handle.reader();
    let history = reader.schedule_history(job.clone()).await?;
    let history = History::new(job.clone(), history);
    let subject = at.and_then(|at| history.subject(at));
    let record = reader.job_record(job.clone(), subject, at.unwrap_or(now));
    let record = record.await?;
    let snapshot = context.handle.snapshot();
    let standing = Standing::of(&snapshot, &job);
    // A job that has left the config is known by what the ledger has of it.
    if standing.is_none() && record.flags.is_none() && record.earlier.is_empty() {
        return Err(Problem::unknown_job(job.as_str()));
    }
    let why = explain(Facts {
        job: &job,
        at,
        now,
        zone: &default_zone(&context),
        standing,
        history: &history,
        record: &record,
    });
    Ok(Json(wire::Why::new(job, at, why)))
}

/// The zone of jobs that name none.
fn default_zone(context: &Context) -> TimeZone {
    let config = context.handle.reloader().config();
    // It was checked when the config was read; a zone that is gone since leaves UTC.
    TimeZone::get(&config.scheduler.timezone).unwrap_or(TimeZone::UTC)
}
