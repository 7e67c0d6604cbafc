//! The end of a life: drained, what runs stopped, the last rows written.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::DaemonError;
use super::driver::Order;
use super::signals::Ends;
use crate::api;
use crate::clock;
use crate::dispatch::Input;
use crate::engine::Engine;
use crate::runner::Runner;
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
pub(super) async fn last_steps(
    runner: &Runner,
    engine: Engine,
    ledger: &Ledger,
) -> Result<(), DaemonError> {
    tokio::select! {
        () = runner.idle() => {}
        () = clock::elapse(LAST_PROCESSES) => {
            tracing::error!("processes of ended attempts are still there; ending without them");
        }
    }
    engine.stop().await?;
    Ok(ledger.close(LAST_ROWS).await?)
}

/// Waits for a signal, then lets the driver come to its end: with what runs given `grace`, less if
/// a second signal comes.
pub(super) async fn until_drained(
    ends: &mut Ends,
    orders: &mpsc::Sender<Order>,
    runner: &Runner,
    grace: impl Fn() -> Duration,
    manager: &ServiceManager,
    mut driver: JoinHandle<()>,
) -> Result<(), DaemonError> {
    let signal = tokio::select! {
        signal = ends.next() => signal,
        _ = &mut driver => return Err(DaemonError::Driver),
    };
    let grace = grace();
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
fn died_or(done: Result<(), JoinError>) -> Result<(), DaemonError> {
    done.map_err(|_| DaemonError::Driver)
}

pub(super) async fn end(what: &str, task: JoinHandle<Result<(), api::ApiError>>) {
    match task.await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::error!(what, %error, "ended badly"),
        Err(error) => tracing::error!(what, %error, "died"),
    }
}
