//! Triggering, pausing, resuming and cancelling: what an operator may do to jobs and runs.

use std::collections::BTreeMap;
use std::time::Duration;

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::{Caller, Peer};
use super::asked::{Asked, IdempotencyKey, JobPath, Nothing, RunPath, Sent};
use super::awaited::{Ends, Waited};
use super::error::{Kind, Problem};
use super::{Context, described, jobs, runs, wire};
use crate::daemon::AskError;
use crate::dispatch::{self, Command, Refusal, check_params};
use crate::job::{JobName, Run, RunId};

/// The longest reason of a pause, in characters.
const MAX_REASON: usize = 1_000;

/// How long a wait for the end of a run lasts before it begins again.
const PATIENCE: Duration = Duration::from_mins(1);

/// How a trigger is answered.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct How {
    /// Only when the run has ended.
    #[serde(default)]
    wait: bool,
}

/// What a trigger passes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Passed {
    /// Values of the job's `params`.
    #[serde(default)]
    params: BTreeMap<String, String>,
}

/// What a pause says.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Pause {
    /// When it goes on by itself.
    #[serde(default, deserialize_with = "super::asked::instant")]
    until: Option<Timestamp>,
    /// Why, for whoever looks.
    #[schemars(length(max = MAX_REASON))]
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
    IdempotencyKey(key): IdempotencyKey,
    Sent(passed): Sent<Passed>,
) -> Result<Triggered, Problem> {
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
    Ok(match ended {
        Some(run) => Triggered::Ended(Box::new(wire::Run::from(*run))),
        None => Triggered::Runs(wire::Accepted {
            run_id: id,
            message: format!("Job {job} is running in the background."),
        }),
    })
}

/// How a trigger is answered.
pub(super) enum Triggered {
    /// The run is on its way.
    Runs(wire::Accepted),
    /// It was waited for.
    Ended(Box<wire::Run>),
}

impl IntoResponse for Triggered {
    fn into_response(self) -> Response {
        let (id, mut response) = match self {
            Self::Runs(accepted) => (accepted.run_id, Accepted(accepted).into_response()),
            Self::Ended(run) => (run.id, Json(run).into_response()),
        };
        let location = HeaderValue::try_from(format!("/api/v1/runs/{id}"))
            .expect("an id is letters, digits and dashes");
        response.headers_mut().insert(header::LOCATION, location);
        response
    }
}

impl OperationOutput for Triggered {
    type Inner = Self;

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Answer)> {
        let mut answers = Accepted::inferred_responses(ctx, operation);
        let run = described::schema_of::<wire::Run>(ctx);
        let text = "With `wait=true`: the run, which has ended.";
        answers.push((Some(200), described::answer(text, "application/json", &run)));
        answers
    }
}

/// What was asked for is under way.
pub(super) struct Accepted(wire::Accepted);

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        (StatusCode::ACCEPTED, Json(self.0)).into_response()
    }
}

impl OperationOutput for Accepted {
    type Inner = Self;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let accepted = described::schema_of::<wire::Accepted>(ctx);
        let text = "It is under way.";
        vec![(
            Some(202),
            described::answer(text, "application/json", &accepted),
        )]
    }
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
    let is_same = if run.scheduled_at < config_since(context) {
        // The defaults and even the parameters may have been others then: what was given tells.
        let given = |(name, value): (&String, &String)| run.params.get(name) == Some(value);
        params.iter().all(given)
    } else {
        check_params(&view.plan, params)? == run.params
    };
    if is_same {
        Ok(run.id)
    } else {
        Err(Refusal::KeyReused(run.id).into())
    }
}

/// Since when the configuration is surely the present one.
fn config_since(context: &Context) -> Timestamp {
    let reload = context.handle.reloader().last().map(|last| last.at);
    reload.unwrap_or_else(|| context.handle.started_at())
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
        Ok(dispatch::Answer::Triggered(id)) => Ok(Ok(id)),
        Ok(dispatch::Answer::Done) => Err(Problem::new(Kind::Internal, "a trigger made no run")),
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
) -> Result<Accepted, Problem> {
    let run = runs::find(&context, &caller, id).await?;
    let command = Command::Cancel { run: id };
    context.handle.ask(command, &caller.by).await?;
    let message = format!("Run {id} of job {} is being cancelled.", run.job);
    Ok(Accepted(wire::Accepted {
        run_id: id,
        message,
    }))
}
