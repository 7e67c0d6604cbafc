//! The configuration: what a reload would change, and the reload.

use axum::Json;
use axum::extract::State;
use serde::Serialize;

use super::Context;
use super::access::Caller;
use super::asked::{Asked, Nothing, Sent};
use super::error::Problem;
use crate::config::Changes;

/// What a reload changes, or has changed.
#[derive(Debug, Serialize)]
pub(super) struct Difference {
    /// Whether there is any.
    changed: bool,
    #[serde(flatten)]
    changes: Changes,
}

impl From<Changes> for Difference {
    fn from(changes: Changes) -> Self {
        Self {
            changed: !changes.is_empty(),
            changes,
        }
    }
}

/// GET `/config/diff`
pub(super) async fn diff(
    State(context): State<Context>,
    _: Caller,
    _: Asked<Nothing>,
) -> Result<Json<Difference>, Problem> {
    Ok(Json(context.handle.reloader().changes().await?.into()))
}

/// POST `/reload`
pub(super) async fn reload(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> Result<Json<Difference>, Problem> {
    let changes = context.handle.reloader().reload(&caller.by).await?;
    Ok(Json(changes.into()))
}
