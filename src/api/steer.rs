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
use tokio::sync::broadcast::error::RecvError;

use super::access::Caller;
use super::asked::{Asked, JobPath, Nothing, RunPath, Sent};
use super::error::{Kind, Problem};
use super::{Context, jobs, runs, wire};
use crate::clock;
use crate::dispatch::{Answer, Command};
use crate::job::{Event, EventKind, JobName, Run, RunId};

/// The longest reason of a pause, in characters.
const MAX_REASON: usize = 1_000;

/// How long the end of a run may take to be in the ledger before who waits is told all the same.
const LEDGER_PATIENCE: Duration = Duration::from_secs(5);

/// How often the ledger is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

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
    State(mut context): State<Context>,
    caller: Caller,
    JobPath(job): JobPath,
    Asked(how): Asked<How>,
    headers: HeaderMap,
    Sent(passed): Sent<Passed>,
) -> Result<Response, Problem> {
    if headers.contains_key("idempotency-key") {
        return Err(Problem::new(
            Kind::NotSupported,
            "Idempotency-Key is not supported: leave it out, and before asking again look at GET \
             /api/v1/runs for a run that was made",
        ));
    }
    visible(&context, &caller, &job)?;
    // Listening begins before the run can end.
    let events = how.wait.then(|| context.handle.events());
    let command = Command::Trigger {
        job: job.clone(),
        params: passed.params,
    };
    let Answer::Triggered(id) = context.handle.ask(command, &caller.by).await? else {
        return Err(Problem::new(Kind::Internal, "a trigger made no run"));
    };
    let ended = match events {
        Some(events) => until_end(&mut context, id, events).await?,
        None => None,
    };
    let location = HeaderValue::try_from(format!("/api/v1/runs/{id}"))
        .expect("an id is letters, digits and dashes");
    let mut response = if let Some(run) = ended {
        Json(wire::Run::from(run)).into_response()
    } else {
        let message = format!("Job {job} is running in the background.");
        accepted(id, &message)
    };
    response.headers_mut().insert(header::LOCATION, location);
    Ok(response)
}

/// Waits until a run has ended; none: the daemon ends first.
async fn until_end(
    context: &mut Context,
    id: RunId,
    mut events: tokio::sync::broadcast::Receiver<std::sync::Arc<Event>>,
) -> Result<Option<Run>, Problem> {
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            _ = context.stopping.wait_for(|&stopping| stopping) => return Ok(None),
        };
        let ended = match event.as_deref() {
            Ok(Event {
                kind: EventKind::Run(run),
                ..
            }) if run.id == id => Some((**run).clone()),
            Ok(_) => None,
            // Events were lost: the ledger knows.
            Err(RecvError::Lagged(_)) => context.handle.reader().run(id).await?,
            Err(RecvError::Closed) => return Ok(None),
        };
        if let Some(run) = ended.filter(|run| run.status.is_final()) {
            return in_ledger(context, run).await.map(Some);
        }
    }
}

/// Waits until the ledger has the end of a run, so that who was told of it finds it there.
async fn in_ledger(context: &Context, run: Run) -> Result<Run, Problem> {
    let written = async {
        loop {
            let row = context.handle.reader().run(run.id).await?;
            if let Some(row) = row.filter(|row| row.status.is_final()) {
                return Ok(row);
            }
            clock::elapse(LOOK_AGAIN).await;
        }
    };
    tokio::select! {
        row = written => row,
        // A ledger that cannot be written is no reason to keep the news back.
        () = clock::elapse(LEDGER_PATIENCE) => Ok(run.clone()),
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
