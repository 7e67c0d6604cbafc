//! Whether the process lives and whether it does its work.

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::asked::{Asked, Nothing};
use super::{Context, described, wire};

/// GET `/healthz`
pub(super) async fn alive(_: Asked<Nothing>) -> Json<wire::Alive> {
    Json(wire::Alive { alive: true })
}

/// GET `/readyz`
pub(super) async fn ready(State(context): State<Context>, _: Asked<Nothing>) -> Ready {
    let found = context.handle.readiness();
    let status = if found.is_ready() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    Ready(status, found.into())
}

/// The same body, with 503 while it does not.
pub(super) struct Ready(StatusCode, wire::Readiness);

impl IntoResponse for Ready {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

impl OperationOutput for Ready {
    type Inner = Self;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let schema = described::schema_of::<wire::Readiness>(ctx);
        let answer = |text| described::answer(text, "application/json", &schema);
        vec![
            (Some(200), answer("It does its work.")),
            (Some(503), answer("It does not.")),
        ]
    }
}
