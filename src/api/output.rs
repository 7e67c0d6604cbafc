//! What a run printed.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::access::{Caller, Peer};
use super::asked::{Asked, RunPath};
use super::error::{Kind, Problem};
use super::{Context, follow, runs, sse};
use crate::job::Run;
use crate::runner::{CapturedOutput, Stream};

/// Which output is wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of which attempt; the last one when none is named.
    pub(super) attempt: Option<u32>,
    /// Of which stream; of both when none is named.
    pub(super) stream: Option<Stream>,
}

type Text = ([(HeaderName, HeaderValue); 2], Vec<u8>);

/// GET `/runs/{id}/output`
pub(super) async fn show(
    State(context): State<Context>,
    peer: Peer,
    caller: Caller,
    RunPath(id): RunPath,
    headers: HeaderMap,
    Asked(which): Asked<Which>,
) -> Result<Response, Problem> {
    let run = runs::find(&context, &caller, id).await?;
    if sse::is_wanted(&headers) {
        return follow::follow(context, peer, &headers, id, which);
    }
    let text = of_now(&context, &run, &which).await?;
    Ok(text.into_response())
}

/// What there is at this moment.
async fn of_now(context: &Context, run: &Run, which: &Which) -> Result<Text, Problem> {
    let id = run.id;
    let output = match which.attempt {
        Some(attempt) if attempt == 0 || attempt > run.attempts => {
            let why = format!("it has {} attempts, and not {attempt}", run.attempts);
            return Err(Problem::no_output(id, &why));
        }
        _ if run.attempts == 0 => return Err(Problem::no_output(id, "it did not start")),
        Some(attempt) => of_attempt(context, run, attempt).await?,
        None => match of_attempt(context, run, run.attempts).await? {
            // An attempt that could not be started may have none, and the one before it some.
            None => stored(context, run, None).await?,
            some => some,
        },
    };
    let bytes = match output {
        Some(output) => output.render(which.stream),
        None if run.status.is_final() => {
            let why = "it was pruned to keep the ledger small, or the daemon died before it was \
                       stored";
            return Err(Problem::no_output(id, why));
        }
        // Between its end and the ledger.
        None => Vec::new(),
    };
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    let whole = HeaderValue::from_static("none");
    let headers = [(header::CONTENT_TYPE, text), (header::ACCEPT_RANGES, whole)];
    Ok((headers, bytes))
}

/// What an attempt has printed, so far or to its end.
pub(super) async fn of_attempt(
    context: &Context,
    run: &Run,
    attempt: u32,
) -> Result<Option<CapturedOutput>, Problem> {
    match context.handle.live_output(run.id, attempt) {
        Some(live) => Ok(Some(live)),
        None => stored(context, run, Some(attempt)).await,
    }
}

async fn stored(
    context: &Context,
    run: &Run,
    attempt: Option<u32>,
) -> Result<Option<CapturedOutput>, Problem> {
    let stored = context.handle.reader().output(run.id, attempt).await?;
    let Some(stored) = stored else {
        return Ok(None);
    };
    let output = CapturedOutput::from_parts(stored.bytes, &stored.segments).map_err(|why| {
        let detail = format!("the kept output of run {} is damaged: {why}", run.id);
        Problem::new(Kind::Internal, detail)
    })?;
    Ok(Some(output))
}
