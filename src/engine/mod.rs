//! tokio-cron-scheduler, through its extension points: the heartbeat and the exact wake.
//!
//! Each configured job is a job of the crate (its id is derived from the name). The crate's tick,
//! every 500 ms, asks our `storage` which jobs come up; those whose wake lies within `WINDOW`
//! are handed out, its activation starts our `code`, and that waits for the exact instant and
//! posts [`Input::Wake`]. A wake that is asked for inside the window of the last tick is waited for
//! at once. Beyond that window nothing waits: if the tick stops, fires stop.

mod code;
mod rota;
mod storage;

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;
use tokio_cron_scheduler::{JobScheduler, SimpleNotificationCode, SimpleNotificationStore};

use crate::dispatch::Input;
use crate::job::JobName;
use rota::Rota;

/// How far ahead a tick hands out: this tick's half second and the next one's, in case it is late.
const WINDOW: Duration = Duration::from_secs(1);

/// Slots in each of the crate's broadcast channels (about 0.7 KB a slot for all ten).
const CHANNEL: usize = 16_384;

/// The most that one tick hands out: well below [`CHANNEL`], so that no activation is dropped.
const HAND_OUT: usize = 8_192;

/// A tick is due every 500 ms; after this without one the scheduler does not tick.
const STALE: Duration = Duration::from_secs(3);

/// Whose log lines are the crate's own.
pub const LOG_TARGET: &str = "tokio_cron_scheduler";

/// The engine could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("tokio-cron-scheduler does not start: {0}")]
pub struct EngineError(#[from] tokio_cron_scheduler::JobSchedulerError);

/// A handle to the running engine.
#[derive(Clone)]
pub struct Engine {
    rota: Arc<Rota>,
    scheduler: JobScheduler,
}

impl Engine {
    /// Starts the crate's scheduler on the current runtime. Wakes and ticks go to `inbox`.
    pub async fn start(inbox: mpsc::Sender<Input>) -> Result<Self, EngineError> {
        let rota = Arc::new(Rota::new(inbox));
        let scheduler = JobScheduler::new_with_storage_and_code(
            Box::new(storage::Storage::new(rota.clone())),
            Box::<SimpleNotificationStore>::default(),
            Box::new(code::Code::new(rota.clone())),
            Box::<SimpleNotificationCode>::default(),
            CHANNEL,
        )
        .await?;
        scheduler.start().await?;
        Ok(Self { rota, scheduler })
    }

    /// Wakes this job at `at` instead of any time named before, or not at all.
    ///
    /// Must be called on the scheduler's runtime.
    pub fn arm(&self, job: &JobName, at: Option<Timestamp>) {
        self.rota.clone().arm(job, at);
    }

    /// Looks at the heartbeat from outside.
    pub fn heartbeat(&self) -> Heartbeat {
        Heartbeat(self.rota.clone())
    }

    /// Stops the tick, and with it all fires.
    pub async fn stop(mut self) -> Result<(), EngineError> {
        Ok(self.scheduler.shutdown().await?)
    }
}

/// Whether the scheduler ticks.
#[derive(Clone)]
pub struct Heartbeat(Arc<Rota>);

impl Heartbeat {
    /// How long ago the last tick was; none before the first.
    pub fn age(&self) -> Option<Duration> {
        self.0.since_tick()
    }

    /// Whether it ticks.
    pub fn is_alive(&self) -> bool {
        self.age().is_some_and(|age| age < STALE)
    }
}
