//! The end of a life: drained, what runs stopped, the last rows written.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use super::DaemonError;
use super::driver::{Driver, Inbox, Order};
use super::life::{Ended, Life};
use super::signals::Ends;
use crate::api::ApiError;
use crate::clock;
use crate::dispatch::Input;
use crate::engine::Engine;
use crate::runner::Runner;
use crate::store::Ledger;

/// How long the ledger may take to write the last rows before the daemon ends without them. They
/// are decided again in its next life.
pub(super) const LAST_ROWS: Duration = Duration::from_secs(15);

/// How long leftovers of ended attempts are waited for at the very end, once they were killed.
const LAST_PROCESSES: Duration = Duration::from_secs(15);

/// How long everything after the last run may take at most: [`LAST_PROCESSES`], [`LAST_ROWS`], the
/// 10 s that the API gives requests, and a margin.
const LAST_STEPS: Duration = Duration::from_secs(45);

/// Nothing runs any more: leftovers go, the tick stops, the last rows become durable.
async fn last_steps(
    runner: &Runner,
    ends: &mut Ends,
    engine: Engine,
    ledger: &Ledger,
) -> Result<(), DaemonError> {
    until_nothing_is_left(runner, ends).await;
    engine.stop().await?;
    Ok(ledger.close(LAST_ROWS).await?)
}

/// Waits for what ended attempts left behind. It is killed when its job's kill timeout is over, as ever,
/// or at once if a signal comes.
async fn until_nothing_is_left(runner: &Runner, ends: &mut Ends) {
    let mut over = std::pin::pin!(clock::elapse(runner.longest_stop() + LAST_PROCESSES));
    loop {
        tokio::select! {
            () = runner.idle() => return,
            signal = ends.next() => {
                tracing::warn!(signal, "hurrying");
                runner.hurry();
            }
            () = &mut over => {
                tracing::error!("processes of ended attempts cannot be killed; ending without them");
                return;
            }
        }
    }
}

/// The driver, until its life is over.
pub(super) type Driving = JoinHandle<(Driver, Inbox)>;

/// All that hears others: the API, SIGHUP, changes of the files of the config.
pub(super) struct Listening {
    pub(super) reloads: JoinHandle<()>,
    pub(super) watching: Option<JoinHandle<()>>,
    pub(super) stop_api: oneshot::Sender<()>,
    pub(super) api: JoinHandle<Result<(), ApiError>>,
}

/// What a life is to come to.
pub(super) enum End {
    /// This signal ends it.
    Stop(&'static str),
    /// A successor is fit to take over.
    HandOver,
}

impl Life {
    /// Goes on until a signal ends it, and brings it to its end.
    pub(super) async fn until_over(mut self) -> Result<Ended, DaemonError> {
        match self.until_told().await {
            Ok(End::HandOver) => self.hand_over().await,
            Ok(End::Stop(signal)) => self.stop(signal).await,
            Err(died) => {
                self.sockets.clear();
                self.stop_listening().await;
                // Nobody decides any more what is to be done about it.
                self.runner.hurry();
                last_steps(&self.runner, &mut self.ends, self.engine, &self.ledger).await?;
                self.manager.farewell().await;
                Err(died)
            }
        }
    }

    /// Waits for the signal to stop, or to hand over to a successor that is fit.
    async fn until_told(&mut self) -> Result<End, DaemonError> {
        loop {
            tokio::select! {
                signal = self.ends.next() => return Ok(End::Stop(signal)),
                Some(()) = self.upgrades.recv() => {}
                _ = &mut self.driver => return Err(DaemonError::Driver),
            }
            if let Some(end) = self.look_at_next().await? {
                return Ok(end);
            }
        }
    }

    /// Drains, and ends with nothing left.
    pub(super) async fn stop(mut self, signal: &'static str) -> Result<Ended, DaemonError> {
        self.sockets.clear();
        let drained = self.until_drained(signal).await;
        self.stop_listening().await;
        last_steps(&self.runner, &mut self.ends, self.engine, &self.ledger).await?;
        tracing::info!("stopped");
        self.manager.farewell().await;
        drained.map(|()| Ended::Over)
    }

    /// Lets the driver come to its end: with what runs given the grace, less if a second signal comes.
    async fn until_drained(&mut self, signal: &str) -> Result<(), DaemonError> {
        let grace = self.reloader.config().scheduler.shutdown_grace;
        tracing::info!(
            signal,
            grace_s = grace.as_secs_f64(),
            "stopping; a second signal hurries"
        );
        self.manager.stopping(grace + LAST_STEPS);
        order(&self.orders, Input::Drain).await;
        let hurried = tokio::select! {
            done = &mut self.driver => return died_or(done),
            signal = self.ends.next() => {
                tracing::warn!(signal, "hurrying");
                true
            }
            () = clock::elapse(grace) => false,
        };
        order(&self.orders, Input::StopAll).await;
        if hurried {
            self.runner.hurry();
        }
        loop {
            tokio::select! {
                done = &mut self.driver => return died_or(done),
                signal = self.ends.next() => {
                    tracing::warn!(signal, "hurrying");
                    self.runner.hurry();
                }
            }
        }
    }

    /// Nobody is answered any more, and the config not read again.
    pub(super) async fn stop_listening(&mut self) {
        let Some(listening) = self.listening.take() else {
            return;
        };
        listening.reloads.abort();
        listening.watching.inspect(JoinHandle::abort);
        // An API that died is told of when it is waited for.
        let _ = listening.stop_api.send(());
        end("API", listening.api).await;
    }
}

/// Has the driver do what the daemon itself wants.
pub(super) async fn order(orders: &mpsc::Sender<Order>, input: Input) {
    let order = Order {
        input,
        applied: None,
    };
    if orders.send(order).await.is_err() {
        tracing::debug!("the driver has ended already");
    }
}

/// A driver that died has not drained.
fn died_or(done: Result<(Driver, Inbox), JoinError>) -> Result<(), DaemonError> {
    done.map(drop).map_err(|_| DaemonError::Driver)
}

async fn end(what: &str, task: JoinHandle<Result<(), ApiError>>) {
    match task.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(what, %error, "ended badly"),
        Err(error) => tracing::error!(what, %error, "died"),
    }
}
