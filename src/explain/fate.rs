//! What became of a run, or of a stretch of instants, by its row.

use jiff::Timestamp;

use crate::job::{Restart, Run, Span, Status, Trigger};
use crate::words::took;

use super::Case;

/// What a row tells.
pub(super) struct Fate {
    /// The main thing, in small letters and without a full stop.
    pub(super) main: String,
    /// What can be done about it.
    pub(super) advice: Option<String>,
}

impl Case<'_> {
    /// What a row tells.
    pub(super) fn fate(&self, run: &Run) -> Fate {
        Fate {
            main: self.main(run),
            advice: self.advice(run),
        }
    }

    fn main(&self, run: &Run) -> String {
        let because = self.because(run);
        let why = because.map(|why| format!(": {why}")).unwrap_or_default();
        let id = format!("(run {})", run.id);
        if let Some(span) = run.span.filter(|span| span.count != 1) {
            return format!("it did not run: {} {id}{why}", self.stretch(run, span));
        }
        let came = self.came(run);
        let started = self.started(run);
        let went = match &started {
            Some(started) => format!("{came}, {started}"),
            None => came.clone(),
        };
        let length = length(run);
        let after = length.map(|length| format!(" after {length}"));
        let after = after.unwrap_or_default();
        match run.status {
            Status::Succeeded => {
                format!("it ran: {went}, succeeded{after}{} {id}{why}", tries(run))
            }
            Status::Failed if started.is_none() => {
                format!("it could not be started: {came}{} {id}{why}", tries(run))
            }
            Status::Failed => format!(
                "it ran and failed: {went}, ended{}{after}{} {id}{why}",
                end(run),
                tries(run)
            ),
            Status::TimedOut => format!(
                "it ran too long: {went}, was stopped{after}{} {id}{why}",
                tries(run)
            ),
            Status::Cancelled if started.is_none() => {
                format!("it did not run: {came}, was cancelled while it waited {id}{why}")
            }
            Status::Cancelled => format!(
                "it was stopped: {went}, cancelled{after}{} {id}{why}",
                tries(run)
            ),
            Status::Skipped => format!("it did not run: {came}, was skipped {id}{why}"),
            Status::Missed => format!("it did not run: {came}, was missed {id}{why}"),
            Status::Lost => format!("it was lost, and its end is not known: {went} {id}{why}"),
            Status::Running => self.running(run, &went, &id),
            Status::Queued => {
                let waited = run.queued_at.map(|since| self.since(since));
                let waited = waited.map(|waited| format!(" for {waited}"));
                let why = self.why_it_waits(run);
                format!(
                    "it waits: {went}, queued{} {id}, {why}",
                    waited.unwrap_or_default()
                )
            }
            Status::Scheduled => {
                let left = run.due_at.duration_since(self.facts.now).as_secs_f64();
                let when = if left > 0.0 {
                    format!("to start in {}", took(left))
                } else {
                    "about to start".to_owned()
                };
                format!("it is claimed: {came}, {when} {id}")
            }
        }
    }

    fn running(&self, run: &Run, went: &str, id: &str) -> String {
        let attempt = match run.attempts {
            0 | 1 => String::new(),
            number => format!(", at attempt {number}"),
        };
        match run.started_at {
            Some(started) => format!(
                "it runs: {went}, running for {}{attempt} {id}",
                self.since(started)
            ),
            None => format!("it runs: {went}, its process is being started{attempt} {id}"),
        }
    }

    /// A stretch of instants.
    fn stretch(&self, run: &Run, span: Span) -> String {
        let what = match run.status {
            Status::Skipped => "were skipped",
            Status::Missed => "were missed",
            // No other status makes a span, but a row says what it says.
            other => return format!("{} instants are {other}", span.count),
        };
        format!(
            "the {} instants from {} to {} {what}",
            span.count,
            self.clock(run.scheduled_at),
            self.clock(span.last)
        )
    }

    /// What made it, and when.
    fn came(&self, run: &Run) -> String {
        let at = match run.trigger {
            Trigger::Schedule | Trigger::CatchUp => self.clock(run.scheduled_at),
            Trigger::Manual | Trigger::Startup | Trigger::After => self.moment(run.scheduled_at),
        };
        match run.trigger {
            Trigger::Schedule if run.due_at == run.scheduled_at => format!("due {at}"),
            Trigger::Schedule => {
                let later = run.due_at.duration_since(run.scheduled_at);
                let later = took(later.as_secs_f64());
                format!("named for {at}, due {later} later by its jitter")
            }
            Trigger::CatchUp => format!("due {at}, unwatched then and caught up later"),
            Trigger::Manual => match &run.requested_by {
                Some(by) => format!("asked for by {by} at {at}"),
                None => format!("asked for at {at}"),
            },
            Trigger::Startup => match self.plan().and_then(|plan| plan.when.restart()) {
                Some(Restart::Never) => format!("made at {at}, when the daemon started"),
                // The ledger does not tell which, nor what the job was like then.
                Some(Restart::OnFailure | Restart::Always) | None => format!(
                    "made at {at} (by the start of the daemon, a reload, a resume, or the end of the \
                     run before it)"
                ),
            },
            Trigger::After => format!("made at {at}, when the jobs that it runs after had ended"),
        }
    }

    /// How long after that it started; none: it did not.
    fn started(&self, run: &Run) -> Option<String> {
        let started = run.started_at?;
        let late = started.duration_since(run.due_at);
        let plainly = run.trigger == Trigger::CatchUp || late.is_negative();
        let text = if plainly {
            format!("started {}", self.moment(started))
        } else {
            format!("started {} later", took(late.as_secs_f64()))
        };
        let waited = run.queued_at.map(|queued| started.duration_since(queued));
        let waited = waited.filter(|waited| waited.as_secs() >= 1);
        let waited =
            waited.map(|waited| format!(" after {} in the queue", took(waited.as_secs_f64())));
        Some(text + &waited.unwrap_or_default())
    }

    /// How long ago.
    fn since(&self, t: Timestamp) -> String {
        took(self.facts.now.duration_since(t).as_secs_f64().max(0.0))
    }
}

/// From first start to last end.
fn length(run: &Run) -> Option<String> {
    let (started, finished) = (run.started_at?, run.finished_at?);
    let length = finished.duration_since(started).as_secs_f64();
    Some(took(length.max(0.0)))
}

/// How the last attempt ended.
fn end(run: &Run) -> String {
    match (run.exit_code, run.signal, run.http_status) {
        (Some(code), ..) => format!(" with exit code {code}"),
        (None, Some(signal), _) => format!(" by signal {signal}"),
        (None, None, Some(status)) => format!(" with HTTP status {status}"),
        (None, None, None) => String::new(),
    }
}

/// How many attempts it took, if that is worth a word.
fn tries(run: &Run) -> String {
    match run.attempts {
        0 | 1 => String::new(),
        many => format!(" and {many} attempts"),
    }
}
