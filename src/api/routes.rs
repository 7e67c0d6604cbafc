//! Every route, with the method, what it needs and how long it may take. A route that is not in
//! this table cannot be mounted, and a test walks it.

use axum::Router;
use axum::handler::Handler;
use axum::http::Method;
use axum::routing::{self, MethodRouter};

use super::error::{Kind, Problem};
use super::{
    Context, audit, config, events, health, jobs, metrics, output, runs, scheduler, session,
    sign_in, status, steer, upcoming, why,
};
use crate::config::Role;

/// What a route needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is open to everybody.
    Nothing,
    /// A role; a caller that is limited to some jobs sees and steers these alone.
    Jobs(Role),
    /// A role, and no limit to some jobs.
    Everything(Role),
}

/// How long an answer may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Half a minute.
    Prompt,
    /// Minutes: it reads much of the ledger.
    Thorough,
    /// As long as a run; whoever waits is told when the daemon stops.
    Waits,
}

/// One route.
#[derive(Clone)]
pub struct Route {
    /// GET stands for HEAD as well.
    pub method: Method,
    /// The path, names in braces stand for anything.
    pub path: &'static str,
    /// What it needs.
    pub need: Need,
    /// How long its answer may take.
    pub pace: Pace,
    handler: MethodRouter<Context>,
}

const READ: Need = Need::Jobs(Role::Viewer);
const STEER: Need = Need::Jobs(Role::Operator);
const RULE: Need = Need::Everything(Role::Admin);

/// All of them.
#[rustfmt::skip]
pub fn table() -> Vec<Route> {
    use Pace::{Prompt, Thorough, Waits};
    vec![
        get("/healthz",                    Need::Nothing, Prompt, health::alive),
        get("/readyz",                     Need::Nothing, Prompt, health::ready),
        get("/metrics",                    READ,  Prompt,   metrics::show),

        get("/session",                    READ,          Prompt, session::show),
        post("/session",                   Need::Nothing, Prompt, session::sign_in),
        delete("/session",                 Need::Nothing, Prompt, session::sign_out),
        get("/sign-in.js",                 Need::Nothing, Prompt, sign_in::script),
        get("/sign-in.css",                Need::Nothing, Prompt, sign_in::style),

        get("/api/v1/jobs",                READ,  Prompt,   jobs::list),
        get("/api/v1/jobs/{job}",          READ,  Prompt,   jobs::show),
        get("/api/v1/jobs/{job}/runs",     READ,  Prompt,   runs::of_job),
        get("/api/v1/jobs/{job}/why",      READ,  Prompt,   why::show),
        post("/api/v1/jobs/{job}/trigger", STEER, Waits,    steer::trigger),
        post("/api/v1/jobs/{job}/pause",   STEER, Prompt,   steer::pause),
        post("/api/v1/jobs/{job}/resume",  STEER, Prompt,   steer::resume),

        get("/api/v1/runs",                READ,  Prompt,   runs::list),
        get("/api/v1/runs/{id}",           READ,  Prompt,   runs::show),
        get("/api/v1/runs/{id}/output",    READ,  Prompt,   output::show),
        post("/api/v1/runs/{id}/cancel",   STEER, Prompt,   steer::cancel),

        post("/api/v1/scheduler/pause",    RULE,  Prompt,   scheduler::pause),
        post("/api/v1/scheduler/resume",   RULE,  Prompt,   scheduler::resume),

        get("/api/v1/config/diff",         Need::Everything(Role::Viewer), Prompt, config::diff),
        post("/api/v1/reload",             RULE,  Prompt,   config::reload),

        get("/api/v1/status",              READ,  Prompt,   status::show),
        get("/api/v1/upcoming",            READ,  Prompt,   upcoming::list),
        get("/api/v1/events",              READ,  Prompt,   events::follow),
        get("/api/v1/audit",               READ,  Thorough, audit::show),
    ]
}

/// The routes as a service; access, limits and headers come around it.
pub(super) fn router(routes: Vec<Route>) -> Router<Context> {
    routes
        .into_iter()
        .fold(Router::new(), |router, route| {
            router.route(route.path, route.handler)
        })
        .fallback(async || {
            Problem::new(
                Kind::UnknownRoute,
                "there is no such page; the API is below /api/v1",
            )
        })
        .method_not_allowed_fallback(async || {
            Problem::new(
                Kind::MethodNotAllowed,
                "this page does not take that method; the Allow header says which it takes",
            )
        })
}

fn get<H, T>(path: &'static str, need: Need, pace: Pace, handler: H) -> Route
where
    H: Handler<T, Context>,
    T: 'static,
{
    Route {
        method: Method::GET,
        path,
        need,
        pace,
        handler: routing::get(handler),
    }
}

fn post<H, T>(path: &'static str, need: Need, pace: Pace, handler: H) -> Route
where
    H: Handler<T, Context>,
    T: 'static,
{
    Route {
        method: Method::POST,
        path,
        need,
        pace,
        handler: routing::post(handler),
    }
}

fn delete<H, T>(path: &'static str, need: Need, pace: Pace, handler: H) -> Route
where
    H: Handler<T, Context>,
    T: 'static,
{
    Route {
        method: Method::DELETE,
        path,
        need,
        pace,
        handler: routing::delete(handler),
    }
}
