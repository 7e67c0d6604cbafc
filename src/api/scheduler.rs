//! Pausing and resuming everything.

use axum::Json;
use axum::extract::State;

use super::access::Caller;
use super::asked::{Asked, Nothing, Sent};
use super::error::Problem;
use super::{Context, wire};
use crate::dispatch::Command;

/// POST `/scheduler/pause`
pub(super) async fn pause(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> Result<Json<wire::SchedulerPause>, Problem> {
    context.handle.ask(Command::PauseAll, &caller.by).await?;
    Ok(Json(wire::SchedulerPause { paused: true }))
}

/// POST `/scheduler/resume`
pub(super) async fn resume(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> Result<Json<wire::SchedulerPause>, Problem> {
    context.handle.ask(Command::ResumeAll, &caller.by).await?;
    Ok(Json(wire::SchedulerPause { paused: false }))
}
