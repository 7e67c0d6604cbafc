//! The admin API: every request comes through one table of routes (`routes`), one gate (`access`)
//! and one mapping of errors (`error`).
//!
//! A connection's way: [`Listeners`] → `server` (limits of number and time) → `access` (host, site,
//! who, role) → `asked` (path, query and body, checked) → one file per resource → `wire` (shapes).
//! The API sees the daemon through [`Handle`] alone.

mod access;
mod asked;
mod audit;
mod awaited;
mod conditional;
mod config;
mod credentials;
mod described;
mod error;
mod events;
mod explorer;
mod follow;
mod guesses;
mod head;
mod health;
mod held;
mod host;
mod jobs;
mod listen;
mod metrics;
mod openapi;
mod output;
mod parts;
mod patience;
mod pattern;
mod ranged;
mod routes;
mod runs;
mod said;
mod scheduler;
mod seats;
mod server;
mod session;
mod session_end;
mod sessions;
mod sign_in;
mod socket;
mod sse;
mod status;
mod steer;
mod upcoming;
mod why;
pub mod wire;

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::watch;

use crate::clock;
use crate::config::Server;
use crate::daemon::Handle;
use access::{Caller, Gate, Memory, Peer};
use error::{Kind, Problem};
use held::Held;
use seats::Seats;
use status::ConfigHash;

pub use listen::{ApiError, HandedSocket, Listeners, SocketKind};
pub use routes::{Need, Pace, Route, table as routes};

/// How long an answer may take that should come at once.
const PROMPT: Duration = Duration::from_secs(30);

/// How long an answer may take that reads much of the ledger.
const THOROUGH: Duration = Duration::from_mins(10);

/// What the handlers share.
#[derive(Clone)]
struct Context {
    handle: Handle,
    /// Turns true when the API is to end.
    stopping: watch::Receiver<bool>,
    seats: Seats,
    held: Held,
    /// Tells this life of the daemon from all others.
    life: u64,
    config_hash: Arc<ConfigHash>,
    gates: Arc<Gates>,
    /// The OpenAPI document.
    openapi: Bytes,
}

impl Context {
    /// Ends when a reload has changed who may do what, and streams that are open must end: a client
    /// that still may comes back and goes on where it was.
    fn rights_changed(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut settings = self.handle.reloader().server();
        let opened = settings.borrow_and_update().clone();
        async move {
            let others =
                |now: &Arc<Server>| (now.auth, &now.tokens) != (opened.auth, &opened.tokens);
            // The daemon ends before the settings do.
            let _ = settings.wait_for(others).await;
        }
    }
}

/// Serves the API until `stop`, then lets requests that are under way come to an end, for some
/// seconds.
pub async fn serve(
    handle: Handle,
    settings: watch::Receiver<Arc<Server>>,
    listeners: Listeners,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), ApiError> {
    let (stopper, stopping) = watch::channel(false);
    let routes = routes::table();
    let gates = Arc::new(Gates::new(settings, routes.clone()));
    let (app, api) = routes::router(routes.clone());
    let context = Context {
        handle,
        stopping: stopping.clone(),
        seats: Seats::new(),
        held: Held::new(),
        life: RandomState::new().hash_one(()),
        config_hash: Arc::default(),
        gates: gates.clone(),
        openapi: openapi::complete(&api, &routes),
    };
    let app = app
        .layer(middleware::from_fn_with_state(gates, pass))
        .with_state(context);
    server::run(listeners, app, busy(), stopper, stopping, stop).await;
    Ok(())
}

/// The gate by the settings in force: a reload that takes a token away takes it at once.
struct Gates {
    settings: watch::Receiver<Arc<Server>>,
    routes: Vec<Route>,
    memory: Arc<Memory>,
    built: Mutex<(Arc<Server>, Arc<Gate>)>,
}

impl Gates {
    fn new(settings: watch::Receiver<Arc<Server>>, routes: Vec<Route>) -> Self {
        let now = settings.borrow().clone();
        let memory = Arc::new(Memory::new());
        let gate = Arc::new(Self::build(&now, &routes, &memory));
        Self {
            settings,
            routes,
            memory,
            built: Mutex::new((now, gate)),
        }
    }

    fn current(&self) -> Arc<Gate> {
        let now = self.settings.borrow().clone();
        // It is replaced whole, so a panic elsewhere has left it whole.
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if !Arc::ptr_eq(&built.0, &now) {
            *built = (
                now.clone(),
                Arc::new(Self::build(&now, &self.routes, &self.memory)),
            );
        }
        built.1.clone()
    }

    fn build(settings: &Server, routes: &[Route], memory: &Arc<Memory>) -> Gate {
        let own_uid = rustix::process::geteuid().as_raw();
        Gate::new(settings, own_uid, routes, memory.clone())
    }
}

/// What is answered to connections beyond the limit.
fn busy() -> Router {
    Router::new().fallback(async |request: Request| {
        let problem = Problem::new(
            Kind::Busy,
            "the daemon serves as many connections as it can; try again in a moment",
        );
        seal(problem.into_response(), request.uri().path())
    })
}

/// What every request goes through.
async fn pass(State(gates): State<Arc<Gates>>, mut request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let wants_page = sign_in::is_wanted(&method, request.headers());
    let has = conditional::Has::of(request.headers());
    let peer = request.extensions().get::<Peer>().copied();
    let admitted = match head::fits(&request) {
        Ok(()) => gates.current().admit(&mut request).await,
        Err(problem) => Err(problem),
    };
    let (response, by) = match admitted {
        Ok(pace) => {
            let caller = request.extensions().get::<Caller>();
            let by = caller.map(|caller| caller.by.clone());
            let session = caller.and_then(|caller| caller.session);
            let response = within(pace, next.run(request)).await;
            (session_end::bound(response, session, &gates), by)
        }
        Err(problem) => {
            let caller = request.extensions().get::<Caller>();
            let by = caller.map(|caller| caller.by.clone());
            (problem.into_response(), by)
        }
    };
    let response = conditional::unless_known(&method, &has, response).await;
    note(&method, &path, by.as_deref(), peer, &response);
    if response.status() == StatusCode::UNAUTHORIZED && wants_page {
        return seal(sign_in::instead_of(&response), &path);
    }
    seal(response, &path)
}

/// Bounds the time that an answer takes.
async fn within(pace: Pace, answer: impl Future<Output = Response>) -> Response {
    let patience = match pace {
        Pace::Prompt => PROMPT,
        Pace::Thorough => THOROUGH,
        Pace::Waits => return answer.await,
    };
    tokio::select! {
        response = answer => response,
        () = clock::elapse(patience) => {
            let detail = format!(
                "there is no answer after {} s; look at /readyz and try again",
                patience.as_secs()
            );
            Problem::new(Kind::TimedOut, detail).into_response()
        }
    }
}

/// Writes down every change with who asked, and every failure of ours. Who is not known has an address
/// at least.
fn note(method: &Method, path: &str, by: Option<&str>, peer: Option<Peer>, response: &Response) {
    let status = response.status();
    let problem = response.extensions().get::<Problem>();
    let detail = problem.map(Problem::detail);
    let from = match peer {
        Some(Peer::Tcp { remote, .. }) if by.is_none() => Some(tracing::field::display(remote)),
        _ => None,
    };
    let by = by.unwrap_or("nobody known");
    if status.is_server_error() && detail.is_some() {
        tracing::warn!(by, from, %method, path, status = status.as_u16(), detail, "request failed");
    } else if !matches!(*method, Method::GET | Method::HEAD) {
        tracing::info!(by, from, %method, path, status = status.as_u16(), detail, "change asked for");
    } else if matches!(status.as_u16(), 401 | 403 | 414 | 421 | 431) {
        tracing::info!(by, from, %method, path, status = status.as_u16(), detail, "request refused");
    }
}

/// Adds what every answer has: the body of a problem and the headers that keep browsers careful.
fn seal(mut response: Response, path: &str) -> Response {
    if let Some(problem) = response.extensions_mut().remove::<Problem>() {
        *response.body_mut() = Body::from(problem.body(path));
        response.headers_mut().remove(header::CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    // A page says itself what it may do; all else is to be looked at and no more.
    headers
        .entry(header::CONTENT_SECURITY_POLICY)
        .or_insert(HeaderValue::from_static(
            "default-src 'none'; frame-ancestors 'none'; sandbox",
        ));
    for (name, value) in [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (
            HeaderName::from_static("cross-origin-resource-policy"),
            "same-origin",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}
