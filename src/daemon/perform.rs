//! Effects into IO.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::driver::{Beside, Driver, Reply};
use super::facts;
use crate::dispatch::{Answer, Effect, Input, Refusal, Start, Urgency};
use crate::job::{RunId, Write};
use crate::runner::{CapturedOutput, Launch};
use crate::store::{Batch, StoredOutput};

impl Driver {
    /// Carries out what a step decided, in order. Waits only where the ledger's inbox is full.
    pub(super) async fn perform(&mut self, effects: Vec<Effect>, beside: Beside) {
        let mut batch = None;
        let mut replies = Vec::new();
        for effect in effects {
            match effect {
                Effect::Start(start) => self.start(&start),
                Effect::Write { writes, urgency } => batch = Some((writes, urgency)),
                Effect::Stop {
                    run,
                    attempt,
                    cause,
                } => self.runner.stop(run, attempt, cause),
                Effect::Arm { job, at } => self.engine.arm(&job, at),
                Effect::Reply { command, answer } => {
                    let reply = self.waiting.remove(&command).map(|reply| (reply, answer));
                    // It waits for the changes before it alone.
                    if batch.is_some() {
                        replies.extend(reply);
                    } else {
                        answer_all(reply, None);
                    }
                }
                Effect::Emit(event) => {
                    // Nobody listening is no trouble.
                    let _ = self.events.send(Arc::new(event));
                }
                Effect::Drained => self.drained = true,
            }
        }
        if batch.is_some() || !beside.outputs.is_empty() {
            let (writes, urgency) = batch.unwrap_or((Vec::new(), Urgency::Soon));
            self.write(writes, urgency, beside, replies).await;
        } else {
            answer_all(replies, beside.applied);
        }
    }

    fn start(&self, start: &Start) {
        self.runner.launch(Launch {
            run: start.run.id,
            attempt: start.attempt,
            job: start.run.job.clone(),
            action: start.plan.action.clone(),
            facts: facts::of(&start.run),
        });
    }

    /// Hands changes to the ledger. Once they are durable, claims go back to the dispatcher,
    /// answers go out, and start marks of ended attempts may go.
    async fn write(
        &self,
        writes: Vec<Write>,
        urgency: Urgency,
        beside: Beside,
        replies: Vec<(Reply, Result<Answer, Refusal>)>,
    ) {
        let settled = settled(&writes);
        let claims = self.claims.clone();
        let runner = self.runner.clone();
        let mut batch = match urgency {
            Urgency::Now => Batch::now(writes),
            Urgency::Soon => Batch::soon(writes),
        };
        batch.outputs = beside.outputs;
        let batch = batch.then(move |acked| {
            if !acked.claims.is_empty() {
                // The driver is gone only when everything is over.
                let _ = claims.send(Input::Claimed(acked.claims));
            }
            for (run, attempt) in settled {
                runner.settled(run, attempt);
            }
            answer_all(replies, beside.applied);
        });
        if let Err(closed) = self.ledger.submit(batch).await {
            let lost = closed.0.writes.len();
            tracing::error!(lost, "the ledger is closed, and changes came after that");
        }
    }
}

/// Whoever asked may have gone; then nobody waits for the answer.
fn answer_all(
    replies: impl IntoIterator<Item = (Reply, Result<Answer, Refusal>)>,
    applied: Option<oneshot::Sender<()>>,
) {
    if let Some(applied) = applied {
        let _ = applied.send(());
    }
    for (reply, answer) in replies {
        let _ = reply.send(answer);
    }
}

/// The attempts that are over with these changes.
fn settled(writes: &[Write]) -> Vec<(RunId, u32)> {
    writes
        .iter()
        .filter_map(|write| match write {
            Write::Attempt(attempt) if attempt.status.is_final() => {
                Some((attempt.run, attempt.number))
            }
            _ => None,
        })
        .collect()
}

/// Captured output as the ledger keeps it.
pub(super) fn stored(run: RunId, attempt: u32, output: CapturedOutput) -> StoredOutput {
    let total_bytes = output.total_bytes;
    let (bytes, segments) = output.into_parts();
    StoredOutput {
        run,
        attempt,
        bytes,
        segments,
        total_bytes,
    }
}
