//! Triggering, pausing, resuming and cancelling: what an operator may do to jobs and runs.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::access::{Caller, Peer};
use super::asked::{Asked, JobPath, Nothing, RunPath, Sent};
use super::awaited::{Ends, Waited};
use super::error::{Kind, Problem};
use super::{Context, jobs, runs, wire};
use crate::daemon::AskError;
use crate::dispatch::{Answer, Command, Refusal, check_params};
use crate::job::{JobName, Run, RunId};

/// The longest reason of a pause, in characters.
const MAX_REASON: usize = 1_000;

/// The longest `Idempotency-Key`, in bytes.
const MAX_KEY: usize = 255;

/// How long a wait for the end of a run lasts before it begins again.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a trigger is answered.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Only when the run has ended.
    #[serde(default)]
    wait: bool,
}

/// What a trigger passes.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Passed {
    #[serde(default)]
    params: BTreeMap<String, String>,
}

/// What a pause says.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    until: Option<Timestamp>,
    reason: Option<String>,
}

/// What is told to whoever may not know of a job, and of one that is not there.
fn visible(context: &Context, caller: &Caller, job: &JobName) -> Result<(), Problem> {
    let known = context.handle.snapshot().job(job.as_str()).is_some();
    if known && caller.sees(job) {
        Ok(())
    } else {
        Err(Problem::unknown_job(job.as_str()))
    }
}

/// POST `/jobs/{job}/trigger`
pub(super) async fn trigger(
    State(context): State<Context>,
    peer: Peer,
    caller: Caller,
    JobPath(job): JobPath,
    Asked(how): Asked<How>,
    headers: HeaderMap,
    Sent(passed): Sent<Passed>,
) -> Result<Response, Problem> {
    let key = key(&headers)?;
    visible(&context, &caller, &job)?;
    let seat = how.wait.then(|| context.seats.take(peer)).transpose()?;
    // Listening begins before the run can end.
    let ends = seat.is_some().then(|| Ends::listen(&context));
    let id = match key {
        Some(key) => once(&context, &caller, &job, passed.params, key).await?,
        None => run_now(&context, &caller, &job, passed.params, None).await??,
    };
    let ended = match ends {
        Some(ends) => until_end(ends, id).await?,
        None => None,
    };
    let location = HeaderValue::try_from(format!("/api/v1/runs/{id}"))
        .expect("an id is letters, digits and dashes");
    let mut response = if let Some(run) = ended {
        Json(wire::Run::from(*run)).into_response()
    } else {
        let message = format!("Job {job} is running in the background.");
        accepted(id, &message)
    };
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// What the client says makes repeats of its request safe.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all("idempotency-key").iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default();
    if text.is_empty() || text.len() > MAX_KEY || values.next().is_some() {
        let detail = format!(
            "there is one Idempotency-Key of 1 to {MAX_KEY} visible ASCII characters, such as a UUID"
        );
        return Err(Problem::new(Kind::BadRequest, detail));
    }
    Ok(Some(text.to_owned()))
}

/// Runs a job, unless this key has done so before. The ledger is what remembers keys, so that a
/// restart forgets none: the run's id is made from the key.
async fn once(
    context: &Context,
    caller: &Caller,
    job: &JobName,
    params: BTreeMap<String, String>,
    key: String,
) -> Result<RunId, Problem> {
    let id = RunId::of_key(job, &key);
    if let Some(run) = context.handle.reader().run(id).await? {
        return same(context, &run, params);
    }
    match run_now(context, caller, job, params.clone(), Some(key)).await? {
        Ok(id) => Ok(id),
        // Another request with this key may have come in between, and ended.
        Err(refusal) => match context.handle.reader().run(id).await? {
            Some(run) => same(context, &run, params),
            None => Err(refusal.into()),
        },
    }
}

/// The run that a key made before, if it was for the same request.
fn same(context: &Context, run: &Run, params: BTreeMap<String, String>) -> Result<RunId, Problem> {
    let snapshot = context.handle.snapshot();
    let view = snapshot.job(run.job.as_str());
    let view = view.ok_or_else(|| Problem::unknown_job(run.job.as_str()))?;
    if check_params(&view.plan, params)? == run.params {
        Ok(run.id)
    } else {
        Err(Refusal::KeyReused(run.id).into())
    }
}

async fn run_now(
    context: &Context,
    caller: &Caller,
    job: &JobName,
    params: BTreeMap<String, String>,
    key: Option<String>,
) -> Result<Result<RunId, Refusal>, Problem> {
    let command = Command::Trigger {
        job: job.clone(),
        params,
        key,
    };
    match context.handle.ask(command, &caller.by).await {
        Ok(Answer::Triggered(id)) => Ok(Ok(id)),
        Ok(Answer::Done) => Err(Problem::new(Kind::Internal, "a trigger made no run")),
        Err(AskError::Refused(refusal)) => Ok(Err(refusal)),
        Err(error) => Err(error.into()),
    }
}

/// Waits until a run has ended; none: the daemon ends first.
async fn until_end(mut ends: Ends, id: RunId) -> Result<Option<Box<Run>>, Problem> {
    loop {
        match ends.wait(id, PATIENCE).await? {
            Waited::Ended(run) => return Ok(Some(run)),
            Waited::NotYet => {}
            Waited::Stopping => return Ok(None),
        }
    }
}

/// POST `/jobs/{job}/pause`
pub(super) async fn pause(
    State(context): State<Context>,
    caller: Caller,
    JobPath(job): JobPath,
    _: Asked<Nothing>,
    Sent(pause): Sent<Pause>,
) -> Result<Json<wire::JobDetail>, Problem> {
    visible(&context, &caller, &job)?;
    let long = |reason: &String| reason.chars().count() > MAX_REASON;
    if pause.reason.as_ref().is_some_and(long) {
        let detail = format!("a reason has at most {MAX_REASON} characters");
        return Err(Problem::new(Kind::WrongBody, detail));
    }
    let command = Command::Pause {
        job: job.clone(),
        until: pause.until,
        reason: pause.reason,
    };
    context.handle.ask(command, &caller.by).await?;
    jobs::whole(&context, &caller, &job).await.map(Json)
}

/// POST `/jobs/{job}/resume`
pub(super) async fn resume(
    State(context): State<Context>,
    caller: Caller,
    JobPath(job): JobPath,
    _: Asked<Nothing>,
    Sent(resume): Sent<Pause>,
) -> Result<Json<wire::JobDetail>, Problem> {
    visible(&context, &caller, &job)?;
    if resume.until.is_some() {
        let detail = "`until` belongs to a pause: a resumed job goes on at once";
        return Err(Problem::new(Kind::WrongBody, detail));
    }
    let command = Command::Resume { job: job.clone() };
    context.handle.ask(command, &caller.by).await?;
    if let Some(reason) = resume.reason {
        let reason: String = reason.chars().take(MAX_REASON).collect();
        tracing::info!(by = caller.by, %job, reason, "resumed with a reason");
    }
    jobs::whole(&context, &caller, &job).await.map(Json)
}

/// POST `/runs/{id}/cancel`
pub(super) async fn cancel(
    State(context): State<Context>,
    caller: Caller,
    RunPath(id): RunPath,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> Result<Response, Problem> {
    let run = runs::find(&context, &caller, id).await?;
    let command = Command::Cancel { run: id };
    context.handle.ask(command, &caller.by).await?;
    let message = format!("Run {id} of job {} is being cancelled.", run.job);
    Ok(accepted(id, &message))
}

fn accepted(run: RunId, message: &str) -> Response {
    let body = json!({ "run_id": run, "message": message });
    (StatusCode::ACCEPTED, Json(body)).into_response()
}
