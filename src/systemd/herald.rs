//! The one task that speaks to the service manager, so that it hears everything in order.

use std::fmt::Write;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::address::Address;
use super::status;
use crate::clock;
use crate::daemon::Handle;
use crate::dispatch::Snapshot;
use crate::job::Action;

/// How often the status line may change.
const STATUS_STRIDE: Duration = Duration::from_secs(1);

/// How long a message may wait for a manager that does not read.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long `READY=1` waits for the scheduler's first tick, which comes half a second after the
/// start. Without one the watchdog, or whoever asks `/readyz`, says so.
const FIRST_TICK: Duration = Duration::from_secs(3);

/// The pause between two looks at the scheduler meanwhile.
const GLANCE: Duration = Duration::from_millis(10);

/// What the manager is to hear.
#[derive(Debug)]
pub(super) enum News {
    Ready,
    Reloading { monotonic_usec: u64 },
    Reloaded,
    Stopping { limit: Duration },
    Farewell(oneshot::Sender<()>),
}

/// Carries news, feeds the watchdog and keeps the status line current.
#[derive(Debug)]
pub(super) struct Herald {
    address: Address,
    inbox: mpsc::Receiver<News>,
    watchdog: Option<Duration>,
    /// The status line that the manager has.
    status: String,
    ready: bool,
    stopping: bool,
    /// The last message did not get through; said once.
    failing: bool,
}

impl Herald {
    pub(super) fn new(
        address: Address,
        inbox: mpsc::Receiver<News>,
        watchdog: Option<Duration>,
    ) -> Self {
        Self {
            address,
            inbox,
            watchdog,
            status: String::new(),
            ready: false,
            stopping: false,
            failing: false,
        }
    }

    /// Runs until the farewell.
    pub(super) async fn run(mut self, handle: Handle) {
        let mut look: Pin<Box<_>> = Box::pin(clock::elapse(STATUS_STRIDE));
        // Half of what the manager allows, as it asks for; without a watchdog, never.
        let meal = self.watchdog.map(|every| every / 2);
        let mut hunger = Box::pin(clock::elapse(meal.unwrap_or_default()));
        loop {
            tokio::select! {
                news = self.inbox.recv() => match news {
                    Some(News::Farewell(delivered)) => {
                        // Whoever waited may have lost patience.
                        let _ = delivered.send(());
                        return;
                    }
                    Some(news) => self.carry(news, &handle).await,
                    None => return,
                },
                () = &mut look => {
                    look = Box::pin(clock::elapse(STATUS_STRIDE));
                    self.show(&handle).await;
                }
                () = &mut hunger, if meal.is_some() => {
                    hunger = Box::pin(clock::elapse(meal.unwrap_or_default()));
                    self.feed(&handle).await;
                }
            }
        }
    }

    async fn carry(&mut self, news: News, handle: &Handle) {
        match news {
            News::Ready => {
                first_tick(handle).await;
                self.ready = true;
                self.say_with_status("READY=1\n", handle).await;
            }
            News::Reloading { monotonic_usec } => {
                self.say(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic_usec}\n"))
                    .await;
            }
            News::Reloaded => self.say_with_status("READY=1\n", handle).await,
            News::Stopping { limit } => {
                self.stopping = true;
                let limit = (limit + longest_stop(&handle.snapshot())).as_micros();
                self.say_with_status(
                    &format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={limit}\n"),
                    handle,
                )
                .await;
            }
            News::Farewell(_) => {}
        }
    }

    /// Tells the status line, if it has changed.
    async fn show(&mut self, handle: &Handle) {
        if self.ready && status::of(handle, self.stopping) != self.status {
            self.say_with_status("", handle).await;
        }
    }

    /// Once it stops, the scheduler need not tick any more; then the manager's limit for the stop
    /// watches over us.
    async fn feed(&mut self, handle: &Handle) {
        if self.stopping || handle.readiness().ticking {
            self.say("WATCHDOG=1\n").await;
        } else {
            tracing::error!(
                "the scheduler does not tick, so the watchdog is not fed; the service manager will \
                 restart the daemon"
            );
        }
    }

    async fn say_with_status(&mut self, head: &str, handle: &Handle) {
        self.status = status::of(handle, self.stopping);
        let mut message = head.to_owned();
        // A string takes everything.
        let _ = writeln!(message, "STATUS={}", self.status);
        self.say(&message).await;
    }

    async fn say(&mut self, message: &str) {
        match self.send(message).await {
            Ok(()) => self.failing = false,
            Err(error) => {
                if !self.failing {
                    tracing::warn!(%error, "the service manager cannot be told how it goes");
                }
                self.failing = true;
            }
        }
    }

    async fn send(&self, message: &str) -> io::Result<()> {
        let socket = self.address.connect()?;
        tokio::select! {
            sent = socket.send(message.as_bytes()) => sent.map(|_| ()),
            () = clock::elapse(PATIENCE) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// How long a process may take to end after it was asked to.
fn longest_stop(snapshot: &Snapshot) -> Duration {
    let times = snapshot.jobs.iter().map(|job| {
        let Action::Process(process) = &job.plan.action;
        process.kill_timeout
    });
    times.max().unwrap_or_default()
}

async fn first_tick(handle: &Handle) {
    let ticks = async {
        while !handle.readiness().ticking {
            clock::elapse(GLANCE).await;
        }
    };
    tokio::select! {
        () = ticks => {}
        () = clock::elapse(FIRST_TICK) => {}
    }
}
