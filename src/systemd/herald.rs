//! The one task that speaks to the service manager, so that it hears everything in order.

use std::fmt::Write;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::address::Address;
use super::status;
use crate::clock;
use crate::daemon::{Handle, Readiness};
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

/// What the herald looks at.
pub trait View: Send + Sync {
    /// Jobs as they are now.
    fn snapshot(&self) -> Arc<Snapshot>;
    /// Whether the daemon does its work.
    fn readiness(&self) -> Readiness;
}

impl View for Handle {
    fn snapshot(&self) -> Arc<Snapshot> {
        Handle::snapshot(self)
    }

    fn readiness(&self) -> Readiness {
        Handle::readiness(self)
    }
}

/// Carries news, feeds the watchdog and keeps the status line current.
#[derive(Debug)]
pub struct Herald(Option<Voice>);

#[derive(Debug)]
struct Voice {
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
    /// Nobody is to be told anything.
    pub(super) const fn idle() -> Self {
        Self(None)
    }

    pub(super) fn new(
        address: Address,
        inbox: mpsc::Receiver<News>,
        watchdog: Option<Duration>,
    ) -> Self {
        Self(Some(Voice {
            address,
            inbox,
            watchdog,
            status: String::new(),
            ready: false,
            stopping: false,
            failing: false,
        }))
    }

    /// Runs until the farewell, and tells what it sees in `view`.
    pub async fn run(self, view: impl View) {
        if let Some(voice) = self.0 {
            voice.run(view).await;
        }
    }
}

impl Voice {
    async fn run(mut self, view: impl View) {
        let mut look: Pin<Box<_>> = Box::pin(clock::elapse(STATUS_STRIDE));
        // Half of what the manager allows, as it asks for; without a watchdog, never.
        let meal = self.watchdog.map(|every| every / 2);
        let mut hunger = Box::pin(clock::elapse(meal.unwrap_or_default()));
        loop {
            tokio::select! {
                news = self.inbox.recv() => match news {
                    Some(News::Farewell(delivered)) => {
                        // Whoever follows in this process has all of the manager's time from here.
                        self.feed_watchdog().await;
                        // Whoever waited may have lost patience.
                        let _ = delivered.send(());
                        return;
                    }
                    Some(news) => self.carry(news, &view).await,
                    None => return,
                },
                () = &mut look => {
                    look = Box::pin(clock::elapse(STATUS_STRIDE));
                    self.show(&view).await;
                }
                () = &mut hunger, if meal.is_some() => {
                    hunger = Box::pin(clock::elapse(meal.unwrap_or_default()));
                    self.feed(&view).await;
                }
            }
        }
    }

    async fn carry(&mut self, news: News, view: &impl View) {
        match news {
            News::Ready => {
                first_tick(view).await;
                self.ready = true;
                self.say_with_status("READY=1\n", view).await;
                // The manager counts from the last meal, which may have been that of a life before.
                if view.readiness().ticking {
                    self.feed_watchdog().await;
                }
            }
            // Whoever ends is not ready again.
            News::Reloading { .. } | News::Reloaded if self.stopping => {}
            News::Reloading { monotonic_usec } => {
                self.say(&format!("RELOADING=1\nMONOTONIC_USEC={monotonic_usec}\n"))
                    .await;
            }
            News::Reloaded => self.say_with_status("READY=1\n", view).await,
            News::Stopping { limit } => {
                self.stopping = true;
                let limit = (limit + longest_stop(&view.snapshot())).as_micros();
                self.say_with_status(&format!("STOPPING=1\nEXTEND_TIMEOUT_USEC={limit}\n"), view)
                    .await;
            }
            News::Farewell(_) => {}
        }
    }

    /// Tells the status line, if it has changed.
    async fn show(&mut self, view: &impl View) {
        if self.ready
            && status::line(&view.snapshot(), &view.readiness(), self.stopping) != self.status
        {
            self.say_with_status("", view).await;
        }
    }

    /// Once it stops, the scheduler need not tick any more; then the manager's limit for the stop
    /// watches over us.
    async fn feed(&mut self, view: &impl View) {
        if self.stopping || view.readiness().ticking {
            self.feed_watchdog().await;
        } else {
            tracing::error!(
                "the scheduler does not tick, so the watchdog is not fed; the service manager will \
                 restart the daemon"
            );
        }
    }

    async fn feed_watchdog(&mut self) {
        if self.watchdog.is_some() {
            self.say("WATCHDOG=1\n").await;
        }
    }

    async fn say_with_status(&mut self, head: &str, view: &impl View) {
        self.status = status::line(&view.snapshot(), &view.readiness(), self.stopping);
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
    let times = snapshot.jobs.iter().map(|job| match &job.plan.action {
        Action::Process(process) => process.kill_timeout,
        // A request is dropped at once.
        Action::Http(_) => Duration::ZERO,
    });
    times.max().unwrap_or_default()
}

async fn first_tick(view: &impl View) {
    let ticks = async {
        while !view.readiness().ticking {
            clock::elapse(GLANCE).await;
        }
    };
    tokio::select! {
        () = ticks => {}
        () = clock::elapse(FIRST_TICK) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;
    use std::sync::atomic::{AtomicBool, Ordering};

    const MOMENT: Duration = Duration::from_millis(40);

    /// A scheduler whose tick the test switches.
    struct Switched(Arc<AtomicBool>);

    impl View for Switched {
        fn snapshot(&self) -> Arc<Snapshot> {
            Arc::new(Snapshot::empty(clock::now()))
        }

        fn readiness(&self) -> Readiness {
            Readiness {
                last_tick_age: None,
                ticking: self.0.load(Ordering::SeqCst),
                store: crate::store::Health {
                    writable: true,
                    since: clock::now(),
                    last_error: None,
                    pending: 0,
                    refused: 0,
                },
                draining: false,
            }
        }
    }

    /// A herald that feeds every other moment, its news, its manager and its scheduler.
    fn herald() -> (mpsc::Sender<News>, UnixDatagram, Arc<AtomicBool>) {
        herald_with(2 * MOMENT)
    }

    fn herald_with(watchdog: Duration) -> (mpsc::Sender<News>, UnixDatagram, Arc<AtomicBool>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager
            .set_read_timeout(Some(Duration::from_mins(1)))
            .unwrap();
        let (news, inbox) = mpsc::channel(8);
        let herald = Herald::new(
            Address::parse(path.as_os_str()).unwrap(),
            inbox,
            Some(watchdog),
        );
        let ticks = Arc::new(AtomicBool::new(false));
        let view = Switched(ticks.clone());
        tokio::spawn(async move {
            herald.run(view).await;
            drop(folder);
        });
        (news, manager, ticks)
    }

    fn heard(manager: &UnixDatagram) -> String {
        let mut buffer = [0; 4_096];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_watchdog_is_fed_while_the_scheduler_ticks_and_only_then() {
        let (_news, manager, ticks) = herald();
        manager.set_nonblocking(true).unwrap();
        clock::elapse(10 * MOMENT).await;
        assert!(
            manager.recv(&mut [0; 64]).is_err(),
            "fed without a tick of the scheduler"
        );
        ticks.store(true, Ordering::SeqCst);
        manager.set_nonblocking(false).unwrap();
        for _ in 0..3 {
            assert_eq!(heard(&manager), "WATCHDOG=1\n");
        }
        ticks.store(false, Ordering::SeqCst);
        clock::elapse(4 * MOMENT).await;
        manager.set_nonblocking(true).unwrap();
        while manager.recv(&mut [0; 64]).is_ok() {}
        clock::elapse(10 * MOMENT).await;
        assert!(
            manager.recv(&mut [0; 64]).is_err(),
            "fed after the last tick of the scheduler"
        );
    }

    /// Else lives that follow each other quickly in one process would starve the watchdog.
    #[tokio::test(flavor = "multi_thread")]
    async fn the_watchdog_is_fed_when_a_life_is_ready_and_when_it_ends() {
        let (news, manager, ticks) = herald_with(Duration::from_hours(1));
        ticks.store(true, Ordering::SeqCst);
        news.try_send(News::Ready).unwrap();
        assert!(heard(&manager).starts_with("READY=1\n"));
        assert_eq!(heard(&manager), "WATCHDOG=1\n");
        let (delivered, wait) = oneshot::channel();
        news.try_send(News::Farewell(delivered)).unwrap();
        wait.await.unwrap();
        loop {
            let message = heard(&manager);
            if message == "WATCHDOG=1\n" {
                break;
            }
            assert!(message.starts_with("STATUS="), "{message}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_reload_is_told_with_its_time_and_ends_ready() {
        let (news, manager, ticks) = herald();
        ticks.store(true, Ordering::SeqCst);
        for said in [
            News::Ready,
            News::Reloading { monotonic_usec: 17 },
            News::Reloaded,
            News::Stopping {
                limit: Duration::from_secs(30),
            },
        ] {
            news.try_send(said).unwrap();
        }
        let mut all = Vec::new();
        while all.len() < 4 {
            let message = heard(&manager);
            if message != "WATCHDOG=1\n" {
                all.push(message);
            }
        }
        let status = "STATUS=0 jobs, no next fire";
        assert_eq!(
            all,
            [
                format!("READY=1\n{status}\n"),
                "RELOADING=1\nMONOTONIC_USEC=17\n".to_owned(),
                format!("READY=1\n{status}\n"),
                "STOPPING=1\nEXTEND_TIMEOUT_USEC=30000000\nSTATUS=stopping\n".to_owned(),
            ]
        );
    }
}
