//! What the API may see and do: commands in, snapshots, events and history out.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::reload::Reloader;
use crate::clock;
use crate::dispatch::{Answer, Command, Refusal, Snapshot};
use crate::engine::Heartbeat;
use crate::job::{Event, RunId};
use crate::runner::{Piece, Runner, Stream};
use crate::store::{Health, Ledger, Reader};
use crate::telemetry::{Live, Metrics};

/// A command waits this long for its answer; it may be carried out later all the same.
const PATIENCE: Duration = Duration::from_secs(10);

/// A cheap handle to the running daemon.
#[derive(Clone)]
pub struct Handle(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) requests: mpsc::Sender<Request>,
    pub(super) snapshots: watch::Receiver<Arc<Snapshot>>,
    pub(super) events: broadcast::Sender<Arc<Event>>,
    pub(super) ledger: Ledger,
    pub(super) reader: Reader,
    pub(super) runner: Runner,
    pub(super) heartbeat: Heartbeat,
    pub(super) reloader: Arc<Reloader>,
    pub(super) node: String,
    pub(super) started_at: Timestamp,
    pub(super) live: Arc<Live>,
    pub(super) metrics: Arc<Metrics>,
}

/// A command on its way to the driver.
pub(super) struct Request {
    pub(super) command: Command,
    pub(super) by: String,
    pub(super) reply: oneshot::Sender<Result<Answer, Refusal>>,
}

/// Why a command has no good answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// It was refused; nothing changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The daemon is about to end.
    #[error("the daemon is shutting down; ask again when it is back")]
    Gone,
    /// The ledger takes its time. The command may be carried out later.
    #[error(
        "no answer within {} s, the ledger does not keep up; look at /readyz, and look again \
         before asking again: it may be carried out later",
        PATIENCE.as_secs()
    )]
    TimedOut,
}

/// Whether the daemon does its work.
#[derive(Debug, Clone)]
pub struct Readiness {
    /// How long ago the scheduler's last tick was.
    pub last_tick_age: Option<Duration>,
    /// Whether the scheduler ticks.
    pub ticking: bool,
    /// Whether the ledger can be written, and since when.
    pub store: Health,
    /// Whether it is shutting down.
    pub draining: bool,
}

impl Readiness {
    /// Whether fires start on time and are accounted for.
    pub fn is_ready(&self) -> bool {
        self.ticking && self.store.writable && !self.draining
    }
}

impl Handle {
    /// Has a command carried out in the name of `by`, and durable.
    pub async fn ask(&self, command: Command, by: &str) -> Result<Answer, AskError> {
        let (reply, answer) = oneshot::channel();
        let request = Request {
            command,
            by: by.to_owned(),
            reply,
        };
        let asked = async {
            self.0
                .requests
                .send(request)
                .await
                .map_err(|_| AskError::Gone)?;
            answer
                .await
                .map_err(|_| AskError::Gone)?
                .map_err(AskError::Refused)
        };
        tokio::select! {
            answer = asked => answer,
            () = clock::elapse(PATIENCE) => Err(AskError::TimedOut),
        }
    }

    /// Jobs and pools as they were at most half a second ago; after an answered command, with
    /// what it changed.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.snapshots.borrow().clone()
    }

    /// Questions to the ledger.
    pub fn reader(&self) -> &Reader {
        &self.0.reader
    }

    /// The part that `choose` takes of what an attempt that runs has printed, as it is shown; it is told
    /// how many bytes were printed, kept or not, and how many are shown.
    pub fn live_output_part<E>(
        &self,
        run: RunId,
        attempt: u32,
        stream: Option<Stream>,
        choose: impl FnOnce(u64, usize) -> Result<Range<usize>, E>,
    ) -> Option<Result<Vec<u8>, E>> {
        let runner = &self.0.runner;
        runner.live_output_part(run, attempt, stream, choose)
    }

    /// What an attempt that runs has printed behind the first `seen` bytes, at most about `most`
    /// bytes of it.
    pub fn live_output_after(
        &self,
        run: RunId,
        attempt: u32,
        seen: u64,
        most: usize,
    ) -> Option<Vec<Piece>> {
        self.0.runner.live_output_after(run, attempt, seen, most)
    }

    /// What happens from now on. A receiver that lags loses the oldest.
    pub fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        self.0.events.subscribe()
    }

    /// What has happened lately, numbered, and how late fires start.
    pub fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// What has happened since the start, counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.0.metrics
    }

    /// Whether the daemon does its work.
    pub fn readiness(&self) -> Readiness {
        Readiness {
            last_tick_age: self.0.heartbeat.age(),
            ticking: self.0.heartbeat.is_alive(),
            store: self.0.ledger.health(),
            draining: self.snapshot().draining,
        }
    }

    /// What reads the config again.
    pub fn reloader(&self) -> &Arc<Reloader> {
        &self.0.reloader
    }

    /// The name of this node.
    pub fn node(&self) -> &str {
        &self.0.node
    }

    /// When this daemon started.
    pub fn started_at(&self) -> Timestamp {
        self.0.started_at
    }
}
