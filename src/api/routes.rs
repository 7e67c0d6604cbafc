//! Every route, with the method, what it needs and how long it may take. A route that is not in
//! this table cannot be mounted, and a test walks it.

use aide::axum::ApiRouter;
use aide::axum::routing::{self, ApiMethodRouter};
use aide::openapi::OpenApi;
use aide::operation::{OperationHandler, OperationInput, OperationOutput};
use axum::Router;
use axum::handler::Handler;
use axum::http::Method;

use super::error::{Kind, Problem};
use super::{
    Context, audit, config, events, explorer, health, jobs, metrics, openapi, output, runs,
    scheduler, session, sign_in, status, steer, upcoming, why,
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
    /// What it is for, in a line.
    pub summary: &'static str,
    handler: ApiMethodRouter<Context>,
}

const READ: Need = Need::Jobs(Role::Viewer);
const STEER: Need = Need::Jobs(Role::Operator);
const RULE: Need = Need::Everything(Role::Admin);

/// All of them.
#[rustfmt::skip]
pub fn table() -> Vec<Route> {
    use Pace::{Prompt, Thorough, Waits};
    openapi::begin();
    vec![
        get("/healthz",                    Need::Nothing, Prompt, "Whether the process lives", health::alive),
        get("/readyz",                     Need::Nothing, Prompt, "Whether it does its work",  health::ready),
        get("/openapi.json",               READ,  Prompt,   "This description",                openapi::document),
        page("/docs",                      READ,  "A page to try the API on", explorer::page),
        page("/docs/",                     READ,  "Leads to it",              explorer::elsewhere),
        page("/docs/explorer.js",          READ,  "A part of it",             explorer::start),
        page("/docs/swagger-ui.js",        READ,  "A part of it",             explorer::script),
        page("/docs/swagger-ui.css",       READ,  "A part of it",             explorer::style),
        get("/metrics",                    READ,  Prompt,   "Figures for Prometheus",          metrics::show),

        get("/session",                    READ,          Prompt, "Who asks",                  session::show),
        post("/session",                   Need::Nothing, Prompt, "Sign in with a token",      session::sign_in),
        delete("/session",                 Need::Nothing, Prompt, "Sign out",                  session::sign_out),
        page("/sign-in.js",                Need::Nothing, "A part of the page that asks for a token", sign_in::script),
        page("/sign-in.css",               Need::Nothing, "A part of it", sign_in::style),

        get("/api/v1/jobs",                READ,  Prompt,   "Jobs, by name",                   jobs::list),
        get("/api/v1/jobs/{job}",          READ,  Prompt,   "A job whole",                     jobs::show),
        get("/api/v1/jobs/{job}/runs",     READ,  Prompt,   "Runs of a job, newest first",     runs::of_job),
        get("/api/v1/jobs/{job}/why",      READ,  Prompt,   "Why it ran, did not, or when it will", why::show),
        post("/api/v1/jobs/{job}/trigger", STEER, Waits,    "Run a job now",                   steer::trigger),
        post("/api/v1/jobs/{job}/pause",   STEER, Prompt,   "Pause a job",                     steer::pause),
        post("/api/v1/jobs/{job}/resume",  STEER, Prompt,   "Resume a job",                    steer::resume),

        get("/api/v1/runs",                READ,  Prompt,   "Runs, newest first",              runs::list),
        get("/api/v1/runs/{id}",           READ,  Prompt,   "A run with its attempts",         runs::show),
        get("/api/v1/runs/{id}/output",    READ,  Prompt,   "What a run printed",              output::show),
        post("/api/v1/runs/{id}/cancel",   STEER, Prompt,   "Cancel a run",                    steer::cancel),

        post("/api/v1/scheduler/pause",    RULE,  Prompt,   "Pause everything",                scheduler::pause),
        post("/api/v1/scheduler/resume",   RULE,  Prompt,   "Resume everything",               scheduler::resume),

        get("/api/v1/config/diff",         Need::Everything(Role::Viewer), Prompt, "What a reload would change", config::diff),
        post("/api/v1/reload",             RULE,  Prompt,   "Take over the config files",      config::reload),

        get("/api/v1/status",              READ,  Prompt,   "How the daemon is",               status::show),
        get("/api/v1/upcoming",            READ,  Prompt,   "Fires to come, in order",         upcoming::list),
        get("/api/v1/events",              READ,  Prompt,   "What happens, as it happens",     events::follow),
        get("/api/v1/audit",               READ,  Thorough, "The ledger held against the schedules", audit::show),
    ]
}

/// The routes as a service, and what they tell of themselves; access, limits and headers come around
/// it.
pub(super) fn router(routes: Vec<Route>) -> (Router<Context>, OpenApi) {
    let mut api = OpenApi::default();
    let service = routes
        .into_iter()
        .fold(ApiRouter::new(), |router, route| {
            router.api_route(route.path, route.handler)
        })
        .finish_api(&mut api)
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
        });
    (service, api)
}

fn get<H, I, O, T>(
    path: &'static str,
    need: Need,
    pace: Pace,
    summary: &'static str,
    handler: H,
) -> Route
where
    H: Handler<T, Context> + OperationHandler<I, O>,
    I: OperationInput,
    O: OperationOutput,
    T: 'static,
{
    Route {
        method: Method::GET,
        path,
        need,
        pace,
        summary,
        handler: routing::get(handler),
    }
}

fn post<H, I, O, T>(
    path: &'static str,
    need: Need,
    pace: Pace,
    summary: &'static str,
    handler: H,
) -> Route
where
    H: Handler<T, Context> + OperationHandler<I, O>,
    I: OperationInput,
    O: OperationOutput,
    T: 'static,
{
    Route {
        method: Method::POST,
        path,
        need,
        pace,
        summary,
        handler: routing::post(handler),
    }
}

/// What is for people to look at, and no part of the API's description.
fn page<H, T>(path: &'static str, need: Need, summary: &'static str, handler: H) -> Route
where
    H: Handler<T, Context>,
    T: 'static,
{
    Route {
        method: Method::GET,
        path,
        need,
        pace: Pace::Prompt,
        summary,
        handler: axum::routing::get(handler).into(),
    }
}

fn delete<H, I, O, T>(
    path: &'static str,
    need: Need,
    pace: Pace,
    summary: &'static str,
    handler: H,
) -> Route
where
    H: Handler<T, Context> + OperationHandler<I, O>,
    I: OperationInput,
    O: OperationOutput,
    T: 'static,
{
    Route {
        method: Method::DELETE,
        path,
        need,
        pace,
        summary,
        handler: routing::delete(handler),
    }
}
