//! The way from SIGUSR2 to the moment at which nothing is left to do but the exec.
//!
//! A signal that ends the daemon is heard until nothing is decided any more, and ends this version: an
//! upgrade that has not come about is none. From then on it waits for the next.

use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::pipe::{PipeFlags, pipe_with};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::life::{Ended, Life};
use super::stop::{End, LAST_ROWS, order};
use super::{DaemonError, Fitness, HandOver, HandOverError, hand_over, signals};
use crate::clock;
use crate::dispatch::Input;
use crate::runner::{Runner, Successor};
use crate::store::{Batch, Ledger};

/// How long an attempt that is being started may take to be there before it is left behind.
const STARTS: Duration = Duration::from_secs(5);

/// How long the ledger may take to make everything durable before it counts as one that takes nothing.
const ANSWER: Duration = Duration::from_secs(10);

impl Life {
    /// Looks whether the next version can take over, while everything goes on. None: there is no
    /// upgrade, and the log says why.
    pub(super) async fn look_at_next(&mut self) -> Result<Option<End>, DaemonError> {
        let program = self.successor.program().display().to_string();
        tracing::info!(program, "SIGUSR2: looking at the next version");
        let mut trial = Trial::none();
        let grace = self.reloader.config().scheduler.shutdown_grace;
        let next = (self.successor.clone(), self.config.clone());
        let fit = fitness(&mut trial, next, &self.runner, &self.ledger, grace);
        let end = tokio::select! {
            fit = fit => match fit {
                Ok(()) => Ok(Some(End::HandOver)),
                Err(error) => {
                    tracing::error!("no upgrade, this version goes on: {error}");
                    Ok(None)
                }
            },
            signal = self.ends.next() => {
                tracing::info!(signal, "no upgrade, as this version is to stop");
                Ok(Some(End::Stop(signal)))
            }
            _ = &mut self.driver => Err(DaemonError::Driver),
        };
        trial.give_up().await;
        end
    }

    /// Gives up everything for the next version, in an order in which nothing is lost.
    pub(super) async fn hand_over(mut self) -> Result<Ended, DaemonError> {
        self.manager.reloading();
        self.stop_listening().await;
        order(&self.orders, Input::HandOver).await;
        // Claims are on their way to the ledger, which may just have become unwritable.
        let (driver, inbox) = tokio::select! {
            biased;
            signal = self.ends.next() => {
                tracing::info!(signal, "no upgrade, as this version is to stop");
                return self.stop(signal).await;
            }
            ended = &mut self.driver => ended.map_err(|_| DaemonError::Driver)?,
        };
        // From here on they are for the next life.
        signals::hold();
        let runs = self.runner.hand_over(STARTS).await;
        let dispatch = driver.conclude(inbox).await;
        self.engine.stop().await?;
        if let Err(error) = self.ledger.close(LAST_ROWS).await {
            // The next life is told of what runs, and finds the ledger as it is.
            tracing::error!(%error, "the ledger did not take everything before the hand-over");
        }
        self.manager.farewell().await;
        let handed = HandOver::new(dispatch, runs, self.sockets, &self.successor);
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
}

/// Waits until the next version can take over: it could follow, no request is under way any more, and
/// the ledger takes writes, without which it could not begin.
async fn fitness(
    trial: &mut Trial,
    (successor, config): (Successor, PathBuf),
    runner: &Runner,
    ledger: &Ledger,
    grace: Duration,
) -> Result<(), HandOverError> {
    let health = ledger.health();
    if !health.writable {
        let why = health.last_error.unwrap_or_default();
        return Err(HandOverError::Ledger { why });
    }
    let fitness = trial.of(successor, config).await?;
    tracing::info!(version = fitness.version, "the next version takes over");
    // Requests cannot be handed over; there may soon be none. Until then everything goes on.
    tokio::select! {
        () = runner.no_requests() => {}
        () = clock::elapse(grace) => {}
    }
    takes_writes(ledger).await
}

/// Waits until all that was handed to the ledger is durable.
async fn takes_writes(ledger: &Ledger) -> Result<(), HandOverError> {
    let (durable, wait) = oneshot::channel();
    let nothing = Batch::now(Vec::new()).then(move |_| {
        // Whoever waited may have lost patience.
        let _ = durable.send(());
    });
    let written = async { ledger.submit(nothing).await.is_ok() && wait.await.is_ok() };
    let written = tokio::select! {
        written = written => written,
        () = clock::elapse(ANSWER) => false,
    };
    if written {
        return Ok(());
    }
    let health = ledger.health();
    let error = health.last_error.filter(|_| !health.writable);
    let why = error.unwrap_or_else(|| format!("it took longer than {} s", ANSWER.as_secs()));
    Err(HandOverError::Ledger { why })
}

/// A successor that is being tried, or none. It lives no longer than somebody waits for it.
struct Trial {
    tried: Option<JoinHandle<Result<Fitness, HandOverError>>>,
    /// One end of a pipe; closed, it ends the trial.
    wanted: Option<OwnedFd>,
}

impl Trial {
    const fn none() -> Self {
        Self {
            tried: None,
            wanted: None,
        }
    }

    /// Begins the trial of a program, and waits for what comes of it.
    async fn of(
        &mut self,
        successor: Successor,
        config: PathBuf,
    ) -> Result<Fitness, HandOverError> {
        let (seen, wanted) = pipe_with(PipeFlags::CLOEXEC).map_err(std::io::Error::from)?;
        self.wanted = Some(wanted);
        let tried = self.tried.insert(tokio::task::spawn_blocking(move || {
            hand_over::trial(&successor, &config, seen.as_fd())
        }));
        let tried = tried.await;
        self.tried = None;
        tried.map_err(std::io::Error::other)?
    }

    /// Waits until no process of it is left.
    async fn give_up(&mut self) {
        self.wanted = None;
        if let Some(tried) = self.tried.take() {
            // What it came to does not matter any more.
            let _ = tried.await;
        }
    }
}
