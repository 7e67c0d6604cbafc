//! Whether the process lives and whether it does its work.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::asked::{Asked, Nothing};
use super::{Context, wire};

/// GET `/healthz`
pub(super) async fn alive(_: Asked<Nothing>) -> Json<Value> {
    Json(json!({ "alive": true }))
}

/// GET `/readyz`
pub(super) async fn ready(
    State(context): State<Context>,
    _: Asked<Nothing>,
) -> (StatusCode, Json<wire::Readiness>) {
    let found = context.handle.readiness();
    let status = if found.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(found.into()))
}
