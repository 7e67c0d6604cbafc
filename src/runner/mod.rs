//! RUNS: the only module that starts processes, and that sends the requests of HTTP jobs.
//!
//! [`Runner::launch`] puts an attempt into the spawner's queue. A spawner thread reads its secrets,
//! writes its start mark and starts its process; from there a task on the given runtime reads the
//! output, keeps the timeout, waits for the end and stops what is left. Each launch is answered by
//! exactly one [`Report::Ended`], and by a [`Report::Started`] before it if there was a process.
//!
//! An HTTP job takes the same way up to its start mark; its request is sent by `http`. Another kind
//! of action gets its own file beside `attempt`; what a process has otherwise than the daemon (its
//! user, its limits) is done in `stage`.

mod attempt;
mod cannot_start;
mod cgroup;
mod command;
mod deadline;
mod ending;
mod env_file;
mod environment;
mod family;
mod follow;
mod hand_over;
mod http;
mod kept;
mod leftovers;
mod marks;
mod open_files;
mod orphans;
mod output;
mod pipe;
mod printed;
mod redact;
mod shown;
mod spawn;
mod spawner;
mod stage;
mod stage_orders;
mod start;
mod successor;
mod tree;
mod value;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use rustix::process::PidfdFlags;
use tokio::signal::unix::SignalKind;
use tokio::sync::{mpsc, watch};

use crate::clock;
use crate::job::{Action, AttemptEnd, Figures, JobName, RunId, StopCause};
use attempt::{Live, Order};
use cannot_start::CannotStart;
use cgroup::Mover;
use open_files::OpenFiles;
use output::Capture;
use spawner::{Queue, Refused};

pub use cgroup::Groups;
pub use follow::{Piece, What};
pub use hand_over::{Handed, HandedAttempt, Origin, Record};
pub use leftovers::{Cleared, kill_leftovers};
pub use marks::{Leftovers, Mark, Marks, MarksError, Recovery};
pub use output::{CapturedOutput, LeftOut, Stream};
pub use shown::{Part, Shown};
pub use stage::{STAGE, act as act_on_stage};
pub use stage_orders::Stage;
pub use successor::Successor;
pub use tree::{Leader, Pipes};

/// An attempt, by its run and number.
type Key = (RunId, u32);

/// How long requests that are under way are waited for once nothing new is started.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// One attempt to start.
#[derive(Debug, Clone)]
pub struct Launch {
    /// Its run.
    pub run: RunId,
    /// Its number, from 1.
    pub attempt: u32,
    /// Its job.
    pub job: JobName,
    /// What it does.
    pub action: Action,
    /// Further variables it is given (an HTTP request: headers), `PUNCTUAL_TRIGGER` and the like; the runner itself sets
    /// `PUNCTUAL_JOB`, `PUNCTUAL_RUN_ID` and `PUNCTUAL_ATTEMPT`.
    pub facts: Vec<(String, String)>,
}

/// What the runner says of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// It has a process, or its HTTP request goes out.
    Started {
        /// Its run.
        run: RunId,
        /// Its number.
        attempt: u32,
        /// The process id of its main process, if it has one.
        pid: Option<u32>,
        /// When its program was executed, or its request sent.
        at: Timestamp,
    },
    /// Its main process or its request is over, or there is none.
    Ended {
        /// Its run.
        run: RunId,
        /// Its number.
        attempt: u32,
        /// How it ended.
        end: AttemptEnd,
        /// What it took.
        figures: Figures,
        /// What is kept of its output.
        output: CapturedOutput,
        /// When its program was executed or its request sent; none when it was not.
        started_at: Option<Timestamp>,
        /// When it ended.
        at: Timestamp,
    },
}

/// Why the runner could not be started.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// The kernel is too old, or was built without something.
    #[error(
        "this system does not offer {what}: {why}; run on Linux 5.4 or later with /proc mounted whole"
    )]
    System {
        /// What is missing.
        what: &'static str,
        /// What the system said.
        why: io::Error,
    },
    /// Something that every system has could not be had.
    #[error(
        "the runner could not be started, {doing}: {why}; look at the limits on the daemon's threads, memory and open files"
    )]
    Start {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        why: io::Error,
    },
}

/// Starts, watches and stops processes. A cheap handle; when the last one is dropped, no further
/// attempt is started, and those that run are watched on as long as the runtime lives.
#[derive(Debug, Clone)]
pub struct Runner(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    queue: Arc<Queue<Arc<Live>>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// What the handles, the spawner threads and the tasks of the attempts share.
#[derive(Debug)]
struct Shared {
    marks: Marks,
    reports: mpsc::Sender<Report>,
    io: tokio::runtime::Handle,
    /// The daemon's environment at its start.
    environment: BTreeMap<OsString, OsString>,
    null: OwnedFd,
    /// What talks to servers, made for the first HTTP job.
    http: OnceLock<Result<http::Client, String>>,
    stage: Stage,
    mover: Mover,
    open_files: OpenFiles,
    live: Mutex<HashMap<Key, Arc<Live>>>,
    /// How many attempts are in `live`.
    count: watch::Sender<usize>,
    /// Whether attempts are to be handed over to the next life of the daemon.
    handing_over: watch::Sender<bool>,
    /// Those that were.
    handed_over: Mutex<Vec<HandedAttempt>>,
}

impl Runner {
    /// Starts the spawner threads and makes the process fit for children: adopts orphans, and raises
    /// its own soft limit on open files to the hard one when it needs more. What an earlier life of the
    /// daemon `handed` over goes on. Attempts get control groups where the daemon has `groups`. Attempts are watched on `io`, which must
    /// have its IO and time drivers enabled; `reports` is where the answers go.
    ///
    /// From here on nothing may start a process from the program's main thread: that thread's
    /// children are taken for orphans (the kernel gives them to it), waited for, and killed when
    /// they belong to no attempt. What it has as children before is left alone.
    pub fn start(
        marks: Marks,
        reports: mpsc::Sender<Report>,
        io: tokio::runtime::Handle,
        handed: Handed,
        groups: &Groups,
    ) -> Result<Self, RunnerError> {
        let stage = Stage::of_process().map_err(|why| RunnerError::System {
            what: "/proc/self/exe",
            why,
        })?;
        Self::start_with_stage(stage, marks, reports, io, handed, groups)
    }

    /// As [`Runner::start`], with the stage of another program than this one.
    pub fn start_with_stage(
        stage: Stage,
        marks: Marks,
        reports: mpsc::Sender<Report>,
        io: tokio::runtime::Handle,
        handed: Handed,
        groups: &Groups,
    ) -> Result<Self, RunnerError> {
        check_system()?;
        // What an older version handed over does not tell them from orphans: all are taken for these.
        let Handed { attempts, origin } = handed;
        let knows_none = !attempts.is_empty();
        family::spare_children(origin.children.or_else(|| knows_none.then(Vec::new)));
        groups.tell();
        let start = |doing| move |why| RunnerError::Start { doing, why };
        let null = std::fs::File::options()
            .read(true)
            .open("/dev/null")
            .map_err(start("opening /dev/null"))?;
        let (mover, moving) = Mover::new(groups);
        let shared = Arc::new(Shared {
            marks,
            reports,
            environment: std::env::vars_os().collect(),
            null: null.into(),
            http: OnceLock::new(),
            stage,
            mover,
            open_files: OpenFiles::new(origin.soft_open_files),
            live: Mutex::default(),
            count: watch::Sender::new(0),
            handing_over: watch::Sender::new(false),
            handed_over: Mutex::default(),
            io,
        });
        // Before anything is waited for: they are children of the main thread now, as orphans are.
        // All of them before one is watched: at its end whatever no attempt can own is killed.
        let known = attempts.into_iter().map(|it| shared.get_to_know(it));
        for (live, handed) in known.collect::<Vec<_>>() {
            shared
                .io
                .spawn(start::take_over(Arc::clone(&shared), live, handed));
        }
        let for_threads = Arc::clone(&shared);
        let queue = Queue::new(move |live| start::start(&for_threads, live))
            .map_err(start("starting its threads"))?;
        // Whatever starts would else keep itself.
        let starts = Arc::downgrade(&queue);
        let give_way = move |most| {
            if let Some(starts) = starts.upgrade() {
                starts.wait_until_quiet(most);
            }
        };
        moving
            .begin(give_way)
            .map_err(start("starting its threads"))?;
        let _runtime = shared.io.enter();
        let died = tokio::signal::unix::signal(SignalKind::child())
            .map_err(start("listening for SIGCHLD"))?;
        shared.io.spawn(orphans::reap(died));
        shared.io.spawn(orphans::note(Arc::downgrade(&shared)));
        Ok(Self(Arc::new(Handle { shared, queue })))
    }

    /// Makes ready what these will want, beside everything else: reading the certificates of the
    /// system's authorities takes some milliseconds, which no fire shall pay.
    pub fn expect<'a>(&self, actions: impl IntoIterator<Item = &'a Action>) {
        let is_request = |action: &Action| matches!(action, Action::Http(_));
        if actions.into_iter().any(is_request) {
            let shared = Arc::clone(&self.0.shared);
            self.0.shared.io.spawn_blocking(move || {
                // Whether it can be made is told by the runs that want it.
                let _ = shared.http.get_or_init(http::Client::new);
            });
        }
    }

    /// Starts an attempt, soon: on the path of a fire, so it waits for nothing.
    pub fn launch(&self, launch: Launch) {
        let Handle { shared, queue } = &*self.0;
        let live = Arc::new(Live {
            capture: Mutex::new(Capture::new(launch.action.output())),
            order: watch::Sender::new(Order::Run),
            launch,
        });
        if live.has_processes() {
            family::begin(live.key());
        }
        shared.live().insert(live.key(), Arc::clone(&live));
        shared.count.send_modify(|count| *count += 1);
        if let Err(refused) = queue.push(Arc::clone(&live)) {
            let why = match refused {
                Refused::Full => CannotStart::QueueFull(spawner::CAPACITY),
                Refused::Closed => CannotStart::Closed,
            };
            let end = AttemptEnd::NotStarted(why.to_string());
            shared
                .io
                .spawn(start::never_ran(Arc::clone(shared), live, end));
        }
    }

    /// Stops an attempt as in a timeout: its kill signal to every process of it, and SIGKILL after
    /// its kill timeout. One that is not started yet will not be. One that is over stays so.
    pub fn stop(&self, run: RunId, attempt: u32, cause: StopCause) {
        if let Some(live) = self.0.shared.live().get(&(run, attempt)) {
            live.order.send_if_modified(|order| {
                let first = *order == Order::Run;
                if first {
                    *order = Order::Stop(cause);
                }
                first
            });
        }
    }

    /// Stops everything at once by SIGKILL.
    pub fn hurry(&self) {
        for live in self.0.shared.live().values() {
            live.order.send_modify(|order| {
                *order = match *order {
                    Order::Run => Order::Kill(StopCause::Shutdown),
                    Order::Stop(cause) | Order::Kill(cause) => Order::Kill(cause),
                }
            });
        }
    }

    /// Waits until no process of any attempt is left, leftovers included. What was only reported as
    /// ended may still have some.
    pub async fn idle(&self) {
        // The sender lives in `self`, so the wait ends only with the count.
        let _ = self
            .0
            .shared
            .count
            .subscribe()
            .wait_for(|&count| count == 0)
            .await;
    }

    /// How long what is left may take until it is killed, once it is being stopped.
    pub fn longest_stop(&self) -> Duration {
        let live = self.0.shared.live();
        let times = live.values().map(|live| match &live.launch.action {
            Action::Process(process) => process.kill_timeout,
            Action::Http(_) => Duration::ZERO,
        });
        times.max().unwrap_or_default()
    }

    /// Waits until no HTTP request is under way: those cannot be handed over.
    pub async fn no_requests(&self) {
        let shared = &self.0.shared;
        let mut count = shared.count.subscribe();
        while shared.live().values().any(|live| !live.has_processes()) {
            if count.changed().await.is_err() {
                return;
            }
        }
    }

    /// Gives what runs into other hands, as it is: attempts are watched no more, and their processes
    /// go on. Everything that was launched is started first; what takes longer than `patience` to be
    /// is left behind.
    ///
    /// Nothing may be launched any more. All that the attempts had to report is on its way.
    pub async fn hand_over(&self, patience: Duration) -> Handed {
        let shared = &self.0.shared;
        tokio::select! {
            () = self.no_requests() => {}
            () = clock::elapse(LAST_ANSWERS) => shared.drop_requests(),
        }
        shared.handing_over.send_replace(true);
        tokio::select! {
            () = self.idle() => {}
            () = clock::elapse(patience) => {
                let left = *shared.count.borrow();
                tracing::error!(left, "attempts hang at their start; they cannot be handed over");
            }
        }
        let mut attempts = shared
            .handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Handed {
            attempts: std::mem::take(&mut attempts),
            origin: Origin {
                soft_open_files: shared.open_files.given().current,
                children: Some(family::strangers()),
            },
        }
    }

    /// The ledger holds the end of this attempt durably: its start mark may go.
    pub fn settled(&self, run: RunId, attempt: u32) {
        self.0.shared.marks.settled(run, attempt);
    }
}

impl Live {
    /// What was captured so far, to be kept elsewhere.
    fn take_capture(&self) -> Capture {
        let mut capture = self.capture.lock().unwrap_or_else(PoisonError::into_inner);
        let empty = Capture::new(self.launch.action.output());
        std::mem::replace(&mut capture, empty)
    }

    fn output(&self) -> CapturedOutput {
        self.capture
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .snapshot()
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, HashMap<Key, Arc<Live>>> {
        // Every change is a single insert or remove, so a panic elsewhere leaves it whole.
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The attempt has no process any more.
    fn over(&self, live: &Live) {
        if live.has_processes() {
            family::end(live.key());
        }
        self.marks.over(live.launch.run, live.launch.attempt);
        self.live().remove(&live.key());
        self.count.send_modify(|count| *count -= 1);
    }

    /// Ends the requests that are under way.
    fn drop_requests(&self) {
        for live in self.live().values().filter(|live| !live.has_processes()) {
            live.order.send_replace(Order::Stop(StopCause::Shutdown));
        }
    }

    /// Somebody else watches the attempt from now on.
    fn hand_over(&self, live: &Live, handed: HandedAttempt) {
        self.handed_over
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(handed);
        self.live().remove(&live.key());
        self.count.send_modify(|count| *count -= 1);
    }

    /// Counts an attempt of an earlier life among its own.
    fn get_to_know(&self, mut handed: HandedAttempt) -> (Arc<Live>, HandedAttempt) {
        let live = Arc::new(handed.live());
        family::begin(live.key());
        family::leads(live.key(), handed.record.leader);
        family::saw(live.key(), std::mem::take(&mut handed.record.seen));
        self.live().insert(live.key(), Arc::clone(&live));
        self.count.send_modify(|count| *count += 1);
        (live, handed)
    }

    async fn report(&self, report: Report) {
        if self.reports.send(report).await.is_err() {
            // Nobody listens: the daemon is going down, and recovery reads the marks.
            tracing::debug!("a report of the runner came too late");
        }
    }
}

/// Finds out now what would otherwise fail at the first process.
fn check_system() -> Result<(), RunnerError> {
    let missing = |what| move |why| RunnerError::System { what, why };
    let own = rustix::process::getpid();
    rustix::process::pidfd_open(own, PidfdFlags::NONBLOCK)
        .map_err(|errno| missing("pidfd_open")(errno.into()))?;
    tree::orphans().map_err(missing("/proc/self/task/*/children"))?;
    rustix::process::set_child_subreaper(Some(own))
        .map_err(|errno| missing("PR_SET_CHILD_SUBREAPER")(errno.into()))
}
