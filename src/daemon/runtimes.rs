//! The three runtimes: what decides, what watches, and what answers have threads apart from each other.

use tokio::runtime::{Builder, Handle, Runtime};

use super::life::DaemonError;
use super::signals;

/// How many threads of a runtime may wait for the system at once.
const BLOCKING: usize = 512;

/// How many answers of the API are computed or read at once, beside its own threads: those of the reader
/// of the ledger, and a few. However many ask, processes are watched and fires start.
const ANSWERING: usize = 8;

/// The most threads that the API has of its own.
const MOST_OF_API: usize = 4;

/// By how much threads that answer are nicer than the others: where the processor is scarce, requests
/// wait for fires, and not fires for requests.
const NICER: i32 = 5;

/// All of them.
pub(super) struct Runtimes {
    /// Watches processes and their output, and hears signals.
    pub(super) service: Runtime,
    scheduler: Runtime,
    api: Runtime,
}

/// Ways to those beside the service's own.
pub(super) struct Others {
    /// Decides.
    pub(super) scheduler: Handle,
    /// Answers.
    pub(super) api: Handle,
}

impl Runtimes {
    /// Starts them, the scheduler's with so many threads.
    pub(super) fn start(threads: usize) -> Result<Self, DaemonError> {
        Ok(Self {
            service: runtime("service", 2, BLOCKING, signals::hold)?,
            scheduler: runtime("scheduler", threads, BLOCKING, signals::hold)?,
            api: runtime("api", threads_of_api(), ANSWERING, || {
                signals::hold();
                give_way();
            })?,
        })
    }

    pub(super) fn others(&self) -> Others {
        Others {
            scheduler: self.scheduler.handle().clone(),
            api: self.api.handle().clone(),
        }
    }

    /// What they still have under way is cut off, never waited for.
    pub(super) fn cut_off(self) {
        self.scheduler.shutdown_background();
        self.api.shutdown_background();
        self.service.shutdown_background();
    }
}

/// Half of the processors are for requests: with as many threads as processors a flood of them made starts
/// half as late again as they are without the daemon.
fn threads_of_api() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, MOST_OF_API)
}

/// Lets the daemon's other threads go before this one.
fn give_way() {
    let own = Some(rustix::thread::gettid());
    let nice = rustix::process::getpriority_process(own);
    let nicer =
        nice.and_then(|nice| rustix::process::setpriority_process(own, (nice + NICER).min(19)));
    if let Err(why) = nicer {
        // Answers are as good without it.
        tracing::debug!(%why, "a thread of the API has the priority of all others");
    }
}

fn runtime(
    name: &'static str,
    threads: usize,
    blocking: usize,
    begin: fn(),
) -> Result<Runtime, DaemonError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(blocking)
        .thread_name(name)
        .on_thread_start(begin)
        .enable_all()
        .build()
        .map_err(|why| DaemonError::System {
            what: "threads",
            why,
        })
}
