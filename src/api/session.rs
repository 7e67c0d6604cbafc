//! Signing in and out, for browsers.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::access::{Caller, Peer};
use super::asked::{Asked, Nothing, Sent};
use super::error::{Kind, Problem};
use super::sessions::Sessions;
use super::{Context, host, sessions, wire};
use crate::clock;
use crate::config::Auth;

/// The token of whoever signs in.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SignIn {
    token: String,
}

/// POST `/session`
pub(super) async fn sign_in(
    State(context): State<Context>,
    peer: Peer,
    headers: HeaderMap,
    _: Asked<Nothing>,
    sent: Result<Sent<SignIn>, Problem>,
) -> Result<Response, Problem> {
    // What is wrong with it may quote a token that was put in the wrong place, and the log has that.
    let Sent(SignIn { token }) = sent.map_err(|problem| {
        problem.in_other_words("send {\"token\": \"…\"} with `Content-Type: application/json`")
    })?;
    let gate = context.gates.current();
    if token.is_empty() && gate.auth() == Auth::Token {
        return Err(Problem::new(
            Kind::WrongBody,
            "there is no `token` in the body",
        ));
    }
    let Some(holder) = gate.sign_in(token.as_bytes()).await? else {
        // Nobody needs a token here, so there is nothing to remember.
        let caller = gate.identify(peer, &headers).await?;
        return Ok(Json(who(&caller, gate.auth())).into_response());
    };
    end_session(gate.sessions(), peer, &headers);
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
    Ok(([(header::SET_COOKIE, cookie)], Json(who)).into_response())
}

/// DELETE `/session`
pub(super) async fn sign_out(
    State(context): State<Context>,
    peer: Peer,
    headers: HeaderMap,
    _: Asked<Nothing>,
    _: Sent<Nothing>,
) -> Response {
    let gate = context.gates.current();
    end_session(gate.sessions(), peer, &headers);
    let cookie = sessions::take(peer, host::is_https(&headers));
    (StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie)]).into_response()
}

/// GET `/session`
pub(super) async fn show(
    State(context): State<Context>,
    caller: Caller,
    _: Asked<Nothing>,
) -> Json<wire::Who> {
    Json(who(&caller, context.gates.current().auth()))
}

fn end_session(sessions: &Sessions, peer: Peer, headers: &HeaderMap) {
    let cookie = sessions::cookie(peer, headers);
    if let Some((session, _)) = cookie.and_then(|cookie| sessions.find(cookie, clock::now())) {
        sessions.end(session);
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
