//! What one step gathers.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;

use super::{Answer, CommandId, Effect, Refusal, Urgency};
use crate::job::{Event, EventKind, JobName, Run, RunId, Status, Upstream, Write};

/// Effects and ledger changes of one step. All changes of a step are one commit.
#[derive(Debug, Default)]
pub(super) struct Out {
    writes: Vec<Write>,
    urgent: bool,
    effects: Vec<Effect>,
    /// Answers that wait for no change.
    answers: Vec<Effect>,
    /// Where among the effects the news of each span is.
    span_news: HashMap<RunId, usize>,
    touched: BTreeSet<JobName>,
    /// Runs that ended, for those who follow them.
    ends: Vec<End>,
}

/// A run that was started, or was to be, is over.
#[derive(Debug, Clone)]
pub(super) struct End {
    pub(super) job: JobName,
    pub(super) run: RunId,
    pub(super) status: Status,
    pub(super) started_at: Option<Timestamp>,
    pub(super) at: Timestamp,
}

impl Out {
    /// A change to the ledger that nothing waits for.
    pub(super) fn write(&mut self, write: Write) {
        self.writes.push(write);
    }

    /// A claim: something waits for it.
    pub(super) fn claim(&mut self, run: Run) {
        self.urgent = true;
        self.writes.push(Write::Claim(run));
    }

    /// A run is about to start: something waits for its row.
    pub(super) fn start(&mut self, run: Run) {
        self.urgent = true;
        self.writes.push(Write::Start(run));
    }

    /// A changed run: its row, and news of it. A span that grows within one step is one piece of
    /// news.
    pub(super) fn run(&mut self, run: &Run, at: Timestamp) {
        self.writes.push(Write::Run(run.clone()));
        // What was missed while it waited has come to its end, too, for whoever supervises it.
        let over = run.status == Status::Missed || Upstream::ENDS.contains(&run.status);
        if run.span.is_none() && over {
            self.ends.push(End {
                job: run.job.clone(),
                run: run.id,
                status: run.status,
                started_at: run.started_at,
                at: run.finished_at.unwrap_or(at),
            });
        }
        let kind = EventKind::Run(Box::new(run.clone()));
        let next = self.effects.len();
        if run.span.is_none() {
            return self.emit(at, kind);
        }
        // Effects are only ever added, so the place of the news of a span stays its place.
        let place = *self.span_news.entry(run.id).or_insert(next);
        match self.effects.get_mut(place) {
            Some(news) => *news = Effect::Emit(Event { at, kind }),
            None => self.emit(at, kind),
        }
    }

    pub(super) fn emit(&mut self, at: Timestamp, kind: EventKind) {
        self.effects.push(Effect::Emit(Event { at, kind }));
    }

    pub(super) fn push(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn arm(&mut self, job: JobName, at: Option<Timestamp>) {
        self.effects.push(Effect::Arm { job, at });
    }

    pub(super) fn reply(&mut self, command: CommandId, answer: Result<Answer, Refusal>) {
        // Whoever asked may look at the ledger next.
        self.urgent = true;
        self.effects.push(Effect::Reply { command, answer });
    }

    /// An answer that is right already: what it tells of was durable before this step.
    pub(super) fn reply_at_once(&mut self, command: CommandId, answer: Result<Answer, Refusal>) {
        self.answers.push(Effect::Reply { command, answer });
    }

    /// The job's next wake, and what is shown of it, may have changed.
    pub(super) fn touch(&mut self, job: &JobName) {
        if !self.touched.contains(job) {
            self.touched.insert(job.clone());
        }
    }

    pub(super) fn take_ends(&mut self) -> Vec<End> {
        std::mem::take(&mut self.ends)
    }

    pub(super) fn take_touched(&mut self) -> BTreeSet<JobName> {
        std::mem::take(&mut self.touched)
    }

    /// Starts first, so that nothing delays a fire: what starts now was claimed in an earlier step.
    /// Then answers that wait for nothing, the changes, and the rest: an answer is given once the
    /// changes before it are durable.
    pub(super) fn into_effects(self) -> Vec<Effect> {
        let (mut effects, rest): (Vec<_>, Vec<_>) = self
            .effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Start(_)));
        effects.extend(self.answers);
        if !self.writes.is_empty() {
            let urgency = if self.urgent {
                Urgency::Now
            } else {
                Urgency::Soon
            };
            effects.push(Effect::Write {
                writes: self.writes,
                urgency,
            });
        }
        effects.extend(rest);
        effects
    }
}
