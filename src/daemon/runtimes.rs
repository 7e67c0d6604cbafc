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
            service: runtime("service", 2, BLOCKING)?,
            scheduler: runtime("scheduler", threads, BLOCKING)?,
            api: runtime("api", threads_of_api(), ANSWERING)?,
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

/// Half of the processors are for requests: with as many threads as processors, a flood of requests made the
/// median start half as late again as that of a bare loop (docs/decisions.md, 28).
fn threads_of_api() -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(1, MOST_OF_API)
}

fn runtime(name: &'static str, threads: usize, blocking: usize) -> Result<Runtime, DaemonError> {
    Builder::new_multi_thread()
        .worker_threads(threads)
        .max_blocking_threads(blocking)
        .thread_name(name)
        .on_thread_start(signals::hold)
        .enable_all()
        .build()
        .map_err(|why| DaemonError::System {
            what: "threads",
            why,
        })
}
