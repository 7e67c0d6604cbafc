//! Events as log lines.

use std::sync::Arc;

use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::job::{Event, EventKind, Run, Status};

/// Logs events until there are no more. A log that cannot keep up loses the oldest and says so.
pub async fn news(mut events: Receiver<Arc<Event>>) {
    loop {
        match events.recv().await {
            Ok(event) => tell(&event),
            Err(RecvError::Lagged(lost)) => {
                tracing::warn!(
                    lost,
                    "the log does not keep up; events are in the ledger, not here"
                );
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn tell(event: &Event) {
    match &event.kind {
        EventKind::Run(run) => tell_run(run),
        EventKind::JobPaused { job, paused, by } => {
            tracing::info!(%job, by, "{}", if *paused { "job paused" } else { "job resumed" });
        }
        EventKind::SchedulerPaused { paused, by } => {
            let what = if *paused {
                "everything paused"
            } else {
                "everything resumed"
            };
            tracing::info!(by, "{what}");
        }
        EventKind::ClockStepped { by_s } if *by_s < 0.0 => {
            tracing::warn!(
                by_s,
                "the wall clock went back; what has run does not run again"
            );
        }
        EventKind::ClockStepped { by_s } => {
            tracing::warn!(
                by_s,
                "the wall clock went forward by itself, or the machine slept; instants in between \
                 were not watched, and catch_up decides"
            );
        }
        // Whoever reloads says how it went, and what changed.
        EventKind::Reloaded => {}
        EventKind::Warning { job, message } => tracing::warn!(%job, "{message}"),
    }
}

/// What ended badly is a warning with everything needed to look into it; the rest is detail.
fn tell_run(run: &Run) {
    let reason = run.reason.as_ref().map(|reason| reason.0.as_str());
    match run.status {
        Status::Failed | Status::TimedOut | Status::Lost => {
            tracing::warn!(
                job = %run.job, run = %run.id, status = %run.status, exit_code = run.exit_code,
                signal = run.signal, http_status = run.http_status, reason, "run {}", run.status
            );
        }
        Status::Queued if run.retry_at.is_some() => {
            let retry_at = run.retry_at.map(|at| at.to_string());
            tracing::warn!(
                job = %run.job, run = %run.id, attempt = run.attempts, exit_code = run.exit_code,
                signal = run.signal, http_status = run.http_status, retry_at, "attempt failed; the run is tried again"
            );
        }
        Status::Missed | Status::Cancelled => {
            tracing::warn!(
                job = %run.job, run = %run.id, scheduled_at = %run.scheduled_at, reason,
                count = run.span.map(|span| span.count), "run {}", run.status
            );
        }
        _ => {
            tracing::debug!(job = %run.job, run = %run.id, status = %run.status, reason, "run");
        }
    }
}
