//! Signing in and out, for browsers.

use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Answer};
use aide::operation::OperationOutput;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;

use super::access::{Caller, Gate, Peer};
use super::asked::{Asked, Nothing, Sent};
use super::error::{Kind, Problem};
use super::{Context, described, host, sessions, wire};
use crate::clock;
use crate::config::Auth;

/// The token of whoever signs in.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SignIn {
    /// The token.
    token: String,
}

/// POST `/session`
pub(super) async fn sign_in(
    State(context): State<Context>,
    peer: Peer,
    headers: HeaderMap,
    _: Asked<Nothing>,
    sent: Result<Sent<SignIn>, Problem>,
) -> Result<SignedIn, Problem> {
    // What is wrong with it may quote a token that was put in the wrong place, and the log has that.
    let Sent(SignIn { token }) = sent.map_err(|problem| {
        problem.in_other_words("send {\"token\": \"…\"} with `Content-Type: application/json`")
    })?;
    let gate = context.gates.current();
    let Some(holder) = gate.sign_in(&token).await? else {
        // Nobody needs a token here, so there is nothing to remember.
        let caller = gate.identify(peer, &headers).await?;
        let who = who(&caller, gate.auth());
        return Ok(SignedIn { who, cookie: None });
    };
    end_session(&gate, peer, &headers);
    let value = gate.sessions().begin(holder.hash, clock::now());
    let value = value.map_err(|why| {
        let detail = format!("the system gives no random numbers: {why}");
        Problem::new(Kind::Internal, detail)
    })?;
    tracing::info!(by = holder.caller.by, "signed in");
    let who = wire::Who {
        session: true,
        ..who(&holder.caller, gate.auth())
    };
    let cookie = sessions::give(peer, &value, host::is_https(&headers));
    let cookie = Some(cookie);
    Ok(SignedIn { who, cookie })
}

/// Who signed in, and the cookie for them.
pub(super) struct SignedIn {
    who: wire::Who,
    cookie: Option<String>,
}

impl IntoResponse for SignedIn {
    fn into_response(self) -> Response {
        let cookie = self.cookie.map(|cookie| [(header::SET_COOKIE, cookie)]);
        (cookie, Json(self.who)).into_response()
    }
}

impl OperationOutput for SignedIn {
    type Inner = Self;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let schema = described::schema_of::<wire::Who>(ctx);
        let text = "Who that is, with the cookie of a session.";
        vec![
            (
                Some(200),
                described::answer(text, "application/json", &schema),
            ),
            (
                Some(401),
                described::problem("No token of the config is the one that was sent."),
            ),
            (
                Some(429),
                described::problem("Too many wrong tokens are being tried."),
            ),
        ]
    }
}

/// DELETE `/session`
pub(super) async fn sign_out(
    State(context): State<Context>,
    peer: Peer,
    headers: HeaderMap,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> SignedOut {
    let gate = context.gates.current();
    end_session(&gate, peer, &headers);
    let cookie = sessions::take(peer, host::is_https(&headers));
    SignedOut(cookie)
}

/// What takes the cookie away.
pub(super) struct SignedOut(String);

impl IntoResponse for SignedOut {
    fn into_response(self) -> Response {
        (StatusCode::NO_CONTENT, [(header::SET_COOKIE, self.0)]).into_response()
    }
}

impl OperationOutput for SignedOut {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Answer)> {
        let answer = Answer {
            description: "The session is over.".to_owned(),
            ..Answer::default()
        };
        vec![(Some(204), answer)]
    }
}

/// GET `/session`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
) -> Json<wire::Who> {
    Json(who(&caller, context.gates.current().auth()))
}

fn end_session(gate: &Gate, peer: Peer, headers: &HeaderMap) {
    let Some(caller) = gate.of_session(peer, headers) else {
        return;
    };
    if let Some(session) = caller.session {
        gate.sessions().end(session);
        tracing::info!(by = caller.by, "signed out");
    }
}

fn who(caller: &Caller, auth: Auth) -> wire::Who {
    let name = caller.by.strip_prefix("token:").unwrap_or(&caller.by);
    wire::Who {
        name: name.to_owned(),
        role: caller.role.as_str(),
        jobs: caller.jobs.as_deref().map(<[String]>::to_vec),
        auth: match auth {
            Auth::Token => "token",
            Auth::None => "none",
        },
        session: caller.session.is_some(),
    }
}
