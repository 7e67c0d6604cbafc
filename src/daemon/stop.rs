//! The end of a life: drained, what runs stopped, the last rows written.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinHandle};

use super::driver::{Driver, Inbox, Order};
use super::life::{Ended, Life};
use super::signals::Ends;
use super::{DaemonError, HandOver, HandOverError, hand_over, signals};
use crate::api::ApiError;
use crate::clock;
use crate::dispatch::{HandedOver, Input};
use crate::engine::Engine;
use crate::runner::{Handed, Runner};
use crate::store::Ledger;
use crate::systemd::ServiceManager;

/// How long the ledger may take to write the last rows before the daemon ends without them. They
/// are decided again in its next life.
const LAST_ROWS: Duration = Duration::from_secs(15);

/// How long leftovers of ended attempts are waited for at the very end.
const LAST_PROCESSES: Duration = Duration::from_secs(15);

/// How long everything after the last run may take at most: [`LAST_PROCESSES`], [`LAST_ROWS`], the
/// 10 s that the API gives requests, and a margin.
const LAST_STEPS: Duration = Duration::from_secs(45);

/// Nothing runs any more: leftovers go, the tick stops, the last rows become durable.
async fn last_steps(runner: &Runner, engine: Engine, ledger: &Ledger) -> Result<(), DaemonError> {
    tokio::select! {
        () = runner.idle() => {}
        () = clock::elapse(LAST_PROCESSES) => {
            tracing::error!("processes of ended attempts are still there; ending without them");
        }
    }
    engine.stop().await?;
    Ok(ledger.close(LAST_ROWS).await?)
}

/// The driver, until its life is over.
pub(super) type Driving = JoinHandle<(Driver, Inbox)>;

/// What a life is to come to.
enum End {
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
                drop(self.sockets);
                stop_listening(self.reloads, self.watching, self.stop_api, self.api).await;
                last_steps(&self.runner, self.engine, &self.ledger).await?;
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
            let (next, config) = (self.successor.clone(), self.config.clone());
            let program = next.program().display().to_string();
            tracing::info!(program, "SIGUSR2: looking at the next version");
            let tried = tokio::task::spawn_blocking(move || hand_over::trial(&next, &config));
            match tried.await {
                Ok(Ok(fitness)) => {
                    // It may have come during the trial.
                    if let Some(signal) = self.ends.come().await {
                        return Ok(End::Stop(signal));
                    }
                    tracing::info!(version = fitness.version, "the next version takes over");
                    return Ok(End::HandOver);
                }
                Ok(Err(error)) => tracing::error!("no upgrade, this version goes on: {error}"),
                Err(error) => tracing::error!(%error, "no upgrade, this version goes on"),
            }
        }
    }

    async fn hand_over(mut self) -> Result<Ended, DaemonError> {
        // From here on they are for the next life.
        signals::hold();
        // Requests cannot be handed over; there may soon be none. Until then everything goes on.
        tokio::select! {
            () = self.runner.no_requests() => {}
            () = clock::elapse(self.reloader.config().scheduler.shutdown_grace) => {}
        }
        self.manager.reloading();
        stop_listening(self.reloads, self.watching, self.stop_api, self.api).await;
        let (orders, runner) = (&self.orders, &self.runner);
        let given = give_up_all(orders, runner, self.engine, &self.ledger, self.driver);
        let (dispatch, attempts) = given.await?;
        self.manager.farewell().await;
        let handed = HandOver::new(dispatch, attempts, self.sockets, &self.successor);
        let handed = handed.map_err(HandOverError::from)?;
        if self.ends.come().await.is_some() {
            // It came just before they were held; it waits for the next life as the others do.
            let own = rustix::process::getpid();
            let sent = rustix::process::kill_process(own, rustix::process::Signal::TERM);
            sent.map_err(|why| HandOverError::from(std::io::Error::from(why)))?;
        }
        tracing::info!(running = handed.dispatch.underway.len(), "handing over");
        Ok(Ended::HandedOver(Box::new(handed), self.successor))
    }

    async fn stop(mut self, signal: &'static str) -> Result<Ended, DaemonError> {
        drop(self.sockets);
        let grace = self.reloader.config().scheduler.shutdown_grace;
        let drained = until_drained(
            signal,
            &mut self.ends,
            &self.orders,
            &self.runner,
            grace,
            &self.manager,
            self.driver,
        );
        let drained = drained.await;
        stop_listening(self.reloads, self.watching, self.stop_api, self.api).await;
        last_steps(&self.runner, self.engine, &self.ledger).await?;
        tracing::info!("stopped");
        self.manager.farewell().await;
        drained.map(|()| Ended::Over)
    }
}

/// Nobody is answered any more, and the config not read again.
async fn stop_listening(
    reloads: JoinHandle<()>,
    watching: Option<JoinHandle<()>>,
    stop_api: oneshot::Sender<()>,
    api: JoinHandle<Result<(), ApiError>>,
) {
    reloads.abort();
    watching.inspect(JoinHandle::abort);
    // An API that died is told of when it is waited for.
    let _ = stop_api.send(());
    end("API", api).await;
}

/// Lets the driver come to its end: with what runs given `grace`, less if a second signal comes.
async fn until_drained(
    signal: &str,
    ends: &mut Ends,
    orders: &mpsc::Sender<Order>,
    runner: &Runner,
    grace: Duration,
    manager: &ServiceManager,
    mut driver: Driving,
) -> Result<(), DaemonError> {
    tracing::info!(
        signal,
        grace_s = grace.as_secs_f64(),
        "stopping; a second signal hurries"
    );
    manager.stopping(grace + LAST_STEPS);
    order(orders, Input::Drain).await;
    let hurried = tokio::select! {
        done = &mut driver => return died_or(done),
        signal = ends.next() => {
            tracing::warn!(signal, "hurrying");
            true
        }
        () = clock::elapse(grace) => false,
    };
    order(orders, Input::StopAll).await;
    if hurried {
        runner.hurry();
    }
    loop {
        tokio::select! {
            done = &mut driver => return died_or(done),
            signal = ends.next() => {
                tracing::warn!(signal, "hurrying");
                runner.hurry();
            }
        }
    }
}

/// How long an attempt that is being started may take to be there before it is left behind.
const STARTS: Duration = Duration::from_secs(5);

/// Nothing is decided any more, and what runs is in nobody's hands when this returns.
async fn give_up_all(
    orders: &mpsc::Sender<Order>,
    runner: &Runner,
    engine: Engine,
    ledger: &Ledger,
    driver: Driving,
) -> Result<(HandedOver, Handed), DaemonError> {
    order(orders, Input::HandOver).await;
    let (driver, inbox) = driver.await.map_err(|_| DaemonError::Driver)?;
    let attempts = runner.hand_over(STARTS).await;
    let handed_over = driver.conclude(inbox).await;
    engine.stop().await?;
    if let Err(error) = ledger.close(LAST_ROWS).await {
        // The next life is told of what runs, and finds the ledger as it is.
        tracing::error!(%error, "the ledger did not take everything before the hand-over");
    }
    Ok((handed_over, attempts))
}

async fn order(orders: &mpsc::Sender<Order>, input: Input) {
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
