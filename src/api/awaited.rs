//! Waiting for the end of a run.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::Context;
use super::error::Problem;
use crate::clock;
use crate::job::{Event, EventKind, Run, RunId, Status};
use crate::telemetry::{Live, Place};

/// How often the ledger is asked beside the events: a run can have ended before anyone listened.
const ASK_LEDGER: Duration = Duration::from_secs(2);

/// How long the end of a run may take to be in the ledger before who waits is told all the same.
const LEDGER_PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of a run is waited for when the daemon ends.
const LAST_WORD: Duration = Duration::from_secs(2);

/// How often the ledger is looked at meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Hears of the end of runs, from the moment on at which it was made.
pub(super) struct Ends {
    context: Context,
    live: Arc<Live>,
    news: watch::Receiver<u64>,
    place: Place,
    ask_ledger_at: Option<Instant>,
}

/// What came of waiting.
#[derive(Debug)]
pub(super) enum Waited {
    /// The run has ended, and the ledger has its end.
    Ended(Box<Run>),
    /// Not yet.
    NotYet,
    /// The API is about to end.
    Stopping,
}

impl Ends {
    pub(super) fn listen(context: &Context) -> Self {
        let live = context.handle.live().clone();
        Self {
            context: context.clone(),
            news: live.news(),
            place: live.here(),
            live,
            ask_ledger_at: None,
        }
    }

    /// Waits for the end of this run, at most so long.
    pub(super) async fn wait(&mut self, id: RunId, patience: Duration) -> Result<Waited, Problem> {
        let waited = tokio::select! {
            ended = self.ended(id) => ended?,
            () = clock::elapse(patience) => None,
        };
        match waited {
            Some(run) => self.in_ledger(run).await.map(Box::new).map(Waited::Ended),
            None if *self.context.stopping.borrow() => self.last_word(id).await,
            None => Ok(Waited::NotYet),
        }
    }

    /// Runs that the shutdown stopped have just ended, and the news of it is on its way.
    async fn last_word(&mut self, id: RunId) -> Result<Waited, Problem> {
        let begun = clock::monotonic();
        while clock::monotonic().duration_since(begun) < LAST_WORD {
            match self.context.handle.reader().run(id).await? {
                Some(run) if run.status.is_final() => return Ok(Waited::Ended(Box::new(run))),
                Some(run) if run.status == Status::Running => {}
                // It waits for the next life.
                Some(_) | None => break,
            }
            clock::elapse(LOOK_AGAIN).await;
        }
        Ok(Waited::Stopping)
    }

    /// The run as it ended; none: the API is about to end.
    async fn ended(&mut self, id: RunId) -> Result<Option<Run>, Problem> {
        loop {
            self.news.borrow_and_update();
            if let Some(run) = self.heard(id) {
                return Ok(Some(run));
            }
            let now = clock::monotonic();
            if self.ask_ledger_at.is_none_or(|at| at <= now) {
                self.ask_ledger_at = Some(now + ASK_LEDGER);
                let row = self.context.handle.reader().run(id).await?;
                if let Some(run) = row.filter(|run| run.status.is_final()) {
                    return Ok(Some(run));
                }
            }
            let stopping = &mut self.context.stopping;
            tokio::select! {
                changed = self.news.changed() => {
                    if changed.is_err() {
                        return Ok(None);
                    }
                }
                _ = stopping.wait_for(|&stopping| stopping) => return Ok(None),
                () = clock::elapse(ASK_LEDGER) => {}
            }
        }
    }

    /// The end of the run among the events since the last look.
    fn heard(&mut self, id: RunId) -> Option<Run> {
        let ends = |event: &Event| matches!(&event.kind, EventKind::Run(run) if run.id == id && run.status.is_final());
        let mut seen = self.live.since(self.place, 1, ends);
        if seen.gap.is_some() {
            self.ask_ledger_at = None;
        }
        while seen.events.is_empty() && seen.more {
            seen = self.live.since(seen.place, 1, ends);
        }
        self.place = seen.place;
        let (_, event) = seen.events.first()?;
        match &event.kind {
            EventKind::Run(run) => Some((**run).clone()),
            _ => None,
        }
    }

    /// Waits until the ledger has the end of a run, so that who was told of it finds it there.
    async fn in_ledger(&self, run: Run) -> Result<Run, Problem> {
        let written = async {
            loop {
                let row = self.context.handle.reader().run(run.id).await?;
                if let Some(row) = row.filter(|row| row.status.is_final()) {
                    return Ok(row);
                }
                clock::elapse(LOOK_AGAIN).await;
            }
        };
        tokio::select! {
            row = written => row,
            // A ledger that cannot be written is no reason to keep the news back.
            () = clock::elapse(LEDGER_PATIENCE) => Ok(run.clone()),
        }
    }
}
