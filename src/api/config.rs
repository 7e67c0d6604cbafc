//! The configuration: what a reload would change, and the reload.

use axum::Json;
use axum::extract::State;

use super::Context;
use super::access::Caller;
use super::asked::{Asked, Nothing, Sent};
use super::error::Problem;
use crate::config::Changes;

/// GET `/config/diff`
pub(super) async fn diff(
    State(context): State<Context>,
    _: Caller,
    _: Asked<Nothing>,
) -> Result<Json<Changes>, Problem> {
    Ok(Json(context.handle.reloader().changes().await?))
}

/// POST `/reload`
pub(super) async fn reload(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> Result<Json<Changes>, Problem> {
    Ok(Json(context.handle.reloader().reload(&caller.by).await?))
}
