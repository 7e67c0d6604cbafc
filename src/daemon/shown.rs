//! The snapshot that the API sees, kept fresh without being made all the time.

use std::future::pending;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::clock;
use crate::dispatch::{Dispatcher, Snapshot};

/// Of the driver's time, at most one part in so many goes into snapshots of what happens by itself.
/// One that shows a job or two anew is made at each step, one of 10,000 jobs now and then.
const ONE_PART_IN: u32 = 20;

/// What is seen of the dispatcher.
pub(super) struct Shown {
    snapshots: watch::Sender<Arc<Snapshot>>,
    /// When the next may be made for what happens by itself.
    next_at: Instant,
    /// Something has happened since the last one.
    is_stale: bool,
}

impl Shown {
    pub(super) fn new(snapshots: watch::Sender<Arc<Snapshot>>) -> Self {
        Self {
            snapshots,
            next_at: clock::monotonic(),
            is_stale: false,
        }
    }

    /// Something happened: it is shown at once, or when its time has come.
    pub(super) fn outdated(&mut self, dispatcher: &mut Dispatcher) {
        self.is_stale = true;
        if self.left().is_zero() {
            self.publish(dispatcher);
        }
    }

    /// Returns when a snapshot is overdue; never while the last one is true.
    pub(super) async fn due(&self) {
        if self.is_stale {
            clock::elapse(self.left()).await;
        } else {
            pending::<()>().await;
        }
    }

    /// Shows what is, now.
    pub(super) fn publish(&mut self, dispatcher: &mut Dispatcher) {
        let begun = clock::monotonic();
        self.snapshots
            .send_replace(Arc::new(dispatcher.snapshot(clock::now())));
        self.is_stale = false;
        let ended = clock::monotonic();
        self.next_at = ended + ended.duration_since(begun) * ONE_PART_IN;
    }

    fn left(&self) -> Duration {
        self.next_at.saturating_duration_since(clock::monotonic())
    }
}
