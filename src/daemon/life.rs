//! One life of the daemon, from the config to the last written row.

use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::signal::unix::Signal;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::driver::{Driver, Inbox, Order};
use super::hand_over::{self, HandOver, HandOverError};
use super::handle::{Handle, Inner};
use super::memory;
use super::reload::Reloader;
use super::runtimes::{Others, Runtimes};
use super::shown::Shown;
use super::signals::{self, Ends, hangups, reload_on_hangup, upgrades};
use super::stop::{Driving, Listening};
use super::watch::Watch;
use crate::api;
use crate::clock;
use crate::config::Config;
use crate::dispatch::{Dispatcher, Effect, Input};
use crate::engine::{Engine, EngineError};
use crate::runner::{
    Groups, HandedAttempt, Mark, MarksError, Recovery, Runner, RunnerError, Successor,
};
use crate::store::{Ledger, Recovered, Retention, StoreError};
use crate::systemd::{Passed, ServiceManager};
use crate::telemetry::{Live, Metrics};

/// Messages that a part may be ahead of the driver by, before it waits.
const INBOX: usize = 65_536;

/// Commands that may wait for the driver; the API's own bounds come first.
const REQUESTS: usize = 1_024;

/// Events that a slow listener may be behind by, before it loses the oldest.
const EVENTS: usize = 16_384;

/// Why the daemon could not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    /// A folder that it needs cannot be made.
    #[error("the folder {} cannot be made or used: {why}; make it for the daemon's user (the \
             database's is that of [store] url, the other is $RUNTIME_DIRECTORY, as root \
             /run/punctual, else $XDG_RUNTIME_DIR/punctual)", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// What the system said.
        why: std::io::Error,
    },
    /// The ledger.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The start marks.
    #[error(transparent)]
    Marks(#[from] MarksError),
    /// The runner.
    #[error(transparent)]
    Runner(#[from] RunnerError),
    /// The engine.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The API.
    #[error(transparent)]
    Api(#[from] api::ApiError),
    /// What runs cannot be handed over.
    #[error(transparent)]
    HandOver(#[from] HandOverError),
    /// Threads or signals.
    #[error("the system gives no {what}: {why}")]
    System {
        /// What was asked for.
        what: &'static str,
        /// What the system said.
        why: std::io::Error,
    },
    /// A signal came before it was ready: an end that was asked for, and no failure.
    #[error("{0} came before the daemon was ready; nothing was started")]
    Stopped(&'static str),
    /// The part that decides ended by itself.
    #[error("the driver ended by itself; this is a defect, please report it")]
    Driver,
    /// The ledger could not take the first decisions.
    #[error("the ledger could not be written at the start: {0}")]
    Unwritable(String),
}

/// How a life ended.
#[derive(Debug)]
pub enum Ended {
    /// Nothing of it is left.
    Over,
    /// What runs goes on when the successor has been given it.
    HandedOver(Box<HandOver>, Successor),
}

/// Runs the daemon on the config that was read from `path`, until a signal ends it. It listens on
/// `passed` too, and goes on with what a life before this one `handed` over; that is still there
/// where this one could not begin.
pub fn run(
    path: PathBuf,
    config: Config,
    passed: Passed,
    groups: Groups,
    handed: &mut Option<HandOver>,
) -> Result<Ended, DaemonError> {
    let runtimes = Runtimes::start(config.scheduler.threads)?;
    let others = runtimes.others();
    let done = runtimes.service.block_on(async {
        match begin(path, config, passed, groups, handed, others).await {
            Ok(life) => life.until_over().await,
            Err(stopped @ DaemonError::Stopped(_)) => {
                tracing::info!("{stopped}");
                Ok(Ended::Over)
            }
            Err(failed) => Err(failed),
        }
    });
    runtimes.cut_off();
    done
}

/// All that is needed to bring a life to its end.
pub(super) struct Life {
    pub(super) config: PathBuf,
    pub(super) ends: Ends,
    pub(super) upgrades: Signal,
    pub(super) successor: Successor,
    pub(super) orders: mpsc::Sender<Order>,
    pub(super) runner: Runner,
    pub(super) engine: Engine,
    pub(super) ledger: Ledger,
    pub(super) manager: ServiceManager,
    pub(super) reloader: Arc<Reloader>,
    pub(super) driver: Driving,
    /// None once nobody is heard any more.
    pub(super) listening: Option<Listening>,
    /// Where the API listens, for the next life.
    pub(super) sockets: Vec<api::HandedSocket>,
}

/// The order matters: nothing is changed before everything that may be refused has been tried.
async fn begin(
    path: PathBuf,
    config: Config,
    passed: Passed,
    groups: Groups,
    handed: &mut Option<HandOver>,
    others: Others,
) -> Result<Life, DaemonError> {
    let started_at = clock::now();
    let (mut ends, hangups, upgrades) = signals()?;
    let successor = successor()?;
    make_folder_of(&config.store.path)?;
    let (ledger, recovered) = Ledger::open(&config.store.path, retention(&config))?;
    let (mut listeners, sockets) = listen(&config, passed, handed.as_ref(), &others.api).await?;
    let (mut dispatcher, first, recovery) = recover(&config, recovered, &groups, handed.as_ref())?;
    let (claims, claimed) = mpsc::unbounded_channel();
    let settled = settle(&ledger, first, &claims);
    // A life before this one may yet get everything back, signals included.
    let first = unless_stopped(settled, &mut ends, handed.is_none()).await?;
    let marks = recovery.begin()?;

    let (reports, reported) = mpsc::channel(INBOX);
    let attempts = hand_over::take_attempts(handed);
    listeners.look_after();
    let io = tokio::runtime::Handle::current();
    let runner = Runner::start(marks, reports, io, attempts, &groups)?;
    runner.expect(config.jobs.values().map(|plan| &plan.action));
    let (wakes, woken) = mpsc::channel(INBOX);
    let engine = on(&others.scheduler, Engine::start(wakes)).await??;
    let (orders, ordered) = mpsc::channel(16);
    let (manager, herald) = ServiceManager::of_process();
    let reloader = Arc::new(Reloader::new(
        path.clone(),
        config.clone(),
        groups.can_limit(),
        orders.clone(),
        manager.clone(),
    ));
    let (requests, requested) = mpsc::channel(REQUESTS);
    let (snapshots, seen) = watch::channel(Arc::new(dispatcher.snapshot(clock::now())));
    let events = broadcast::Sender::new(EVENTS);
    let metrics = Metrics::begin(events.subscribe(), seen.clone());
    tokio::spawn(metrics.clone().remember(ledger.reader()));
    let handle = Handle(Arc::new(Inner {
        requests,
        snapshots: seen,
        events: events.clone(),
        reader: ledger.reader(),
        ledger: ledger.clone(),
        runner: runner.clone(),
        heartbeat: engine.heartbeat(),
        reloader: reloader.clone(),
        node: config.node.name.clone(),
        started_at,
        live: Live::begin(started_at, events.subscribe()),
        metrics,
    }));
    tokio::spawn(crate::telemetry::news(events.subscribe()));
    let driver = Driver {
        dispatcher,
        engine: engine.clone(),
        ledger: ledger.clone(),
        runner: runner.clone(),
        claims,
        shown: Shown::new(snapshots),
        events,
        waiting: HashMap::new(),
        commands: 0,
        drained: false,
    };
    let inbox = Inbox {
        wakes: woken,
        claims: claimed,
        reports: reported,
        orders: ordered,
        requests: requested,
    };
    let driver = others.scheduler.spawn(driver.run(first, inbox));
    let (stop_api, api_stopped) = oneshot::channel::<()>();
    // A dropped sender ends the API just the same.
    let stopped = async { drop(api_stopped.await) };
    tokio::spawn(herald.run(handle.clone()));
    let listening = Listening {
        api: others
            .api
            .spawn(api::serve(handle, reloader.server(), listeners, stopped)),
        reloads: tokio::spawn(reload_on_hangup(hangups, reloader.clone())),
        watching: watch(&config, path.clone(), &reloader),
        stop_api,
    };
    // There are threads for everything now.
    signals::let_in();
    say_ready(&config);
    manager.ready();

    Ok(Life {
        config: path,
        ends,
        upgrades,
        successor,
        orders,
        runner,
        engine,
        ledger,
        manager,
        reloader,
        driver,
        listening: Some(listening),
        sockets,
    })
}

/// What an upgrade starts.
fn successor() -> Result<Successor, DaemonError> {
    Successor::of_process().map_err(|why| DaemonError::System {
        what: "path of this program",
        why,
    })
}

/// Where the API listens, on its own runtime, and the same once more for the next life.
async fn listen(
    config: &Config,
    passed: Passed,
    handed: Option<&HandOver>,
    api: &tokio::runtime::Handle,
) -> Result<(api::Listeners, Vec<api::HandedSocket>), DaemonError> {
    let inherited = hand_over::sockets_of(handed).map_err(HandOverError::from)?;
    let server = config.server.clone();
    let binding = async move { api::Listeners::bind(&server, passed, inherited).await };
    let listeners = on(api, binding).await??;
    let sockets = listeners.to_hand_over().map_err(HandOverError::from)?;
    Ok((listeners, sockets))
}

fn say_ready(config: &Config) {
    tracing::info!(
        jobs = config.jobs.len(),
        listen = ?config.server.listen,
        socket = %config.server.unix_socket.display(),
        "ready"
    );
}

/// What became of the life before: read, cleared away, and decided.
fn recover(
    config: &Config,
    recovered: Recovered,
    groups: &Groups,
    handed: Option<&HandOver>,
) -> Result<(Dispatcher, Vec<Effect>, Recovery), DaemonError> {
    let goes_on = handed.iter().flat_map(|it| &it.attempts);
    let keep = goes_on.filter_map(|attempt| attempt.group());
    memory::clear_groups(groups, &keep.map(str::to_owned).collect());
    let goes_on = handed.map(|it| it.attempts.iter().map(HandedAttempt::mark).collect());
    let recovery = clear(config, goes_on)?;
    let dispatch = handed.map(|it| it.dispatch.clone());
    let memory = memory::of(recovered, &recovery.leftovers, dispatch);
    let (dispatcher, first) = Dispatcher::recover(
        config.node.name.clone(),
        config.jobs.clone(),
        config.pools.clone(),
        memory,
        clock::now(),
    );
    Ok((dispatcher, first, recovery))
}

/// From here on no signal kills the process.
fn signals() -> Result<(Ends, Signal, Signal), DaemonError> {
    let failed = |why| DaemonError::System {
        what: "signals",
        why,
    };
    Ok((
        Ends::listen().map_err(failed)?,
        hangups().map_err(failed)?,
        upgrades().map_err(failed)?,
    ))
}

/// Reads the start marks and ends what still runs of the life before, but for what goes on.
fn clear(config: &Config, goes_on: Option<Vec<Mark>>) -> Result<Recovery, DaemonError> {
    let marks = memory::marks_folder(&config.runtime, &config.store.path);
    let marks = marks.map_err(|why| DaemonError::Folder {
        path: config.runtime.clone(),
        why,
    })?;
    Ok(memory::clear(&marks, goes_on)?)
}

/// Reloads when the files change, where the config wants that.
fn watch(config: &Config, path: PathBuf, reloader: &Arc<Reloader>) -> Option<JoinHandle<()>> {
    let watch = config.scheduler.watch_config.then(|| Watch::start(path));
    watch
        .flatten()
        .map(|watch| tokio::spawn(watch.run(reloader.clone())))
}

/// Waits for the ledger, or where `they_may` for a signal that ends this life before it began.
async fn unless_stopped(
    settled: impl Future<Output = Result<Vec<Effect>, DaemonError>>,
    ends: &mut Ends,
    they_may: bool,
) -> Result<Vec<Effect>, DaemonError> {
    if they_may {
        signals::let_in();
    }
    let first = tokio::select! {
        settled = settled => settled,
        signal = ends.next() => Err(DaemonError::Stopped(signal)),
    };
    signals::hold();
    first
}

/// Makes the first decisions durable, before anything is started or marked anew.
async fn settle(
    ledger: &Ledger,
    effects: Vec<Effect>,
    claims: &mpsc::UnboundedSender<Input>,
) -> Result<Vec<Effect>, DaemonError> {
    let (durable, wait) = oneshot::channel();
    let mut rest = Vec::new();
    let mut durable = Some(durable);
    for effect in effects {
        let Effect::Write { writes, .. } = effect else {
            rest.push(effect);
            continue;
        };
        let claims = claims.clone();
        let durable = durable.take();
        let batch = crate::store::Batch::now(writes).then(move |acked| {
            // Whoever waits is below; the driver takes up the claims when it begins.
            let _ = claims.send(Input::Claimed(acked.claims));
            let _ = durable.map(|durable| durable.send(()));
        });
        let refused = |closed: crate::store::Closed| DaemonError::Unwritable(closed.to_string());
        ledger.submit(batch).await.map_err(refused)?;
    }
    if durable.is_none() && wait.await.is_err() {
        return Err(DaemonError::Unwritable("it was closed".to_owned()));
    }
    Ok(rest)
}

/// Runs a future on another runtime.
async fn on<T: Send + 'static>(
    runtime: &tokio::runtime::Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> Result<T, DaemonError> {
    let gone = |error| DaemonError::System {
        what: "runtime",
        why: std::io::Error::other(error),
    };
    runtime.spawn(future).await.map_err(gone)
}

/// Makes the folder of the ledger, for its user alone.
fn make_folder_of(database: &Path) -> Result<(), DaemonError> {
    use std::os::unix::fs::DirBuilderExt;
    let path = database.parent().unwrap_or(Path::new("/"));
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|why| DaemonError::Folder {
        path: path.to_path_buf(),
        why,
    })
}

fn retention(config: &Config) -> Retention {
    let limits = config.store.retention;
    Retention {
        max_age: limits.max_age,
        max_runs_per_job: limits.max_runs_per_job,
        max_output_bytes: limits.max_output_bytes,
    }
}
