//! What a run printed.

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::access::{Caller, Peer};
use super::asked::{Asked, RunPath};
use super::error::{Kind, Problem};
use super::held::Place;
use super::ranged::Wanted;
use super::sse::{self, LastEventId};
use super::{Context, described, follow, parts, runs};
use crate::job::{Run, RunId};
use crate::runner::{CapturedOutput, Stream};
use crate::words;

/// Which output is wanted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    /// Of which attempt; the last one when none is named.
    #[schemars(range(min = 1, max = 4_294_967_295_u32))]
    pub(super) attempt: Option<u32>,
    /// Of which stream; of both when none is named.
    pub(super) stream: Option<Stream>,
}

/// GET `/runs/{id}/output`
#[allow(
    clippy::too_many_arguments,
    reason = "each is one thing that a request says"
)]
pub(super) async fn show(
    State(context): State<Context>,
    peer: Peer,
    caller: Caller,
    RunPath(id): RunPath,
    headers: HeaderMap,
    wanted: Wanted,
    last: LastEventId,
    Asked(which): Asked<Which>,
) -> Result<Printed, Problem> {
    let run = runs::find(&context, &caller, id).await?;
    if sse::is_wanted(&headers) {
        return follow::follow(context, peer, &last, &run, which).map(Printed);
    }
    of_now(&context, &run, &which, &wanted).await.map(Printed)
}

/// Output, as bytes or as a stream.
pub(super) struct Printed(Response);

impl IntoResponse for Printed {
    fn into_response(self) -> Response {
        self.0
    }
}

impl OperationOutput for Printed {
    type Inner = Self;

    fn inferred_responses(
        ctx: &mut GenContext,
        operation: &mut Operation,
    ) -> Vec<(Option<u16>, Answer)> {
        let bytes = json!({ "type": "string" });
        let text = |text| described::answer(text, "text/plain", &bytes);
        let mut whole = text("What it printed, or a stream of it.");
        for (_, stream) in sse::Events::inferred_responses(ctx, operation) {
            whole.content.extend(stream.content);
        }
        vec![
            (Some(200), whole),
            (Some(206), text("The part that `Range` asked for.")),
            (
                Some(416),
                described::problem("The range lies behind the end."),
            ),
        ]
    }
}

/// Whether a run has come to this attempt.
pub(super) fn has_attempt(run: &Run, attempt: u32) -> Result<(), Problem> {
    if (1..=run.attempts).contains(&attempt) {
        return Ok(());
    }
    let has = words::counted(run.attempts.into(), "attempt");
    let why = format!("there is no attempt {attempt}, it has {has}");
    Err(Problem::no_output(run.id, &why))
}

/// What there is at this moment.
async fn of_now(
    context: &Context,
    run: &Run,
    which: &Which,
    wanted: &Wanted,
) -> Result<Response, Problem> {
    if let Some(attempt) = which.attempt {
        has_attempt(run, attempt)?;
    } else if run.attempts == 0 {
        return Err(Problem::no_output(run.id, "it did not start"));
    }
    let attempt = which.attempt.unwrap_or(run.attempts);
    let part = parts::of_live(context, run.id, attempt, which.stream, wanted).await?;
    if let Some(answer) = part {
        return Ok(answer);
    }
    let reader = context.handle.reader();
    let mut kept = reader.kept_output(run.id, Some(attempt)).await?;
    if kept.is_none() && which.attempt.is_none() {
        // An attempt that could not be started may have none, and the one before it some.
        kept = reader.kept_output(run.id, None).await?;
    }
    let part = match kept {
        Some(kept) => parts::of_kept(context, kept, which.stream, wanted).await?,
        None => None,
    };
    match part {
        Some(answer) => Ok(answer),
        None if run.status.is_final() => {
            let why = "it was pruned to keep the ledger small, or the daemon died before it was \
                       stored";
            Err(Problem::no_output(run.id, why))
        }
        // Between its end and the ledger.
        None => Ok(parts::of_nothing(wanted)),
    }
}

/// What the ledger has of an attempt, with its place in memory; none: nothing behind the first `seen`
/// bytes.
pub(super) async fn of_attempt(
    context: &Context,
    run: RunId,
    attempt: u32,
    seen: u64,
) -> Result<Option<(CapturedOutput, Place)>, Problem> {
    let reader = context.handle.reader();
    let kept = reader.kept_output(run, Some(attempt)).await?;
    let Some(kept) = kept.filter(|kept| kept.total_bytes > seen) else {
        return Ok(None);
    };
    let place = context.held.turn(kept.length).await;
    let Some(stored) = reader.output(run, Some(attempt)).await? else {
        return Ok(None);
    };
    let output = CapturedOutput::from_parts(stored.bytes, &stored.segments).map_err(|why| {
        let detail = format!("the kept output of run {run} is damaged: {why}");
        Problem::new(Kind::Internal, detail)
    })?;
    Ok(Some((output, place)))
}
