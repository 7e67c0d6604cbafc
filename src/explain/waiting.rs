//! What a queued run waits for.

use crate::job::{ConcurrencyPolicy, Run, Status, Trigger};
use crate::words::{counted, verb};

use super::{Case, Standing};

impl Case<'_> {
    /// What a queued run waits for, as the end of a sentence about it.
    pub(super) fn why_it_waits(&self, run: &Run) -> String {
        let Some(standing) = self.facts.standing else {
            return "and its job is not in the config any more".to_owned();
        };
        if standing.draining {
            return "until the daemon is started again: it is shutting down".to_owned();
        }
        // Once its delay is over, something else is what it waits for.
        if let Some(at) = run.retry_at.filter(|&at| at > self.facts.now) {
            return format!(
                "until attempt {} of at most {}, at {}",
                run.attempts + 1,
                standing.plan.retry.max_retries.saturating_add(1),
                self.moment(at)
            );
        }
        let held = standing.everything_paused || standing.flags.paused;
        if run.trigger == Trigger::CatchUp && held {
            return "until the pause is over: while a job is paused, nothing is caught up"
                .to_owned();
        }
        if run.trigger == Trigger::CatchUp && self.is_in_line(run) {
            return "behind those of the job that are caught up before it: one at a time, the \
                    oldest first"
                .to_owned();
        }
        if let Some(why) = self.behind_others(run, standing) {
            return why;
        }
        if let Some(why) = no_slot(standing) {
            return why;
        }
        "and is about to start".to_owned()
    }

    /// The runs of its own job that are in its way.
    fn behind_others(&self, run: &Run, standing: Standing<'_>) -> Option<String> {
        let plan = standing.plan;
        let ahead = |other: &&Run| {
            // Between its attempts a run keeps its place.
            let has_place = other.status == Status::Running || other.attempts > 0;
            let came_first = (other.due_at, other.id) < (run.due_at, run.id);
            let in_line = other.trigger == Trigger::CatchUp && self.is_in_line(other);
            let waits = other.status == Status::Queued && came_first && !in_line;
            other.id != run.id && !other.status.is_final() && (has_place || waits)
        };
        let others: Vec<&Run> = self.facts.record.earlier.iter().filter(ahead).collect();
        let ahead = others.len();
        // A run that is caught up is outside of the policy, and one that has begun is let in.
        let outside = run.trigger == Trigger::CatchUp || run.attempts > 0;
        if outside || ahead < plan.max_concurrent as usize {
            return None;
        }
        match plan.concurrency_policy {
            ConcurrencyPolicy::Queue => Some(format!(
                "behind {} of the job: at most {} of it {} at once, by `max_concurrent`",
                counted(ahead as u64, "run"),
                plan.max_concurrent,
                verb(plan.max_concurrent.into(), "runs", "run")
            )),
            ConcurrencyPolicy::Replace => Some(who_goes(&others)),
            ConcurrencyPolicy::Forbid | ConcurrencyPolicy::Allow => None,
        }
    }

    /// Whether an older instant is being caught up, or a later one that was begun before.
    fn is_in_line(&self, run: &Run) -> bool {
        let before = |other: &&Run| {
            let live = other.trigger == Trigger::CatchUp && !other.status.is_final();
            let first = other.scheduled_at < run.scheduled_at || other.started_at.is_some();
            live && first && other.id != run.id
        };
        let mut earlier = self.facts.record.earlier.iter();
        earlier.any(|other| before(&other))
    }
}

/// Whose end a run waits for that replaces others. What is caught up is not replaced.
fn who_goes(others: &[&Run]) -> String {
    let is_caught_up = |run: &&&Run| run.trigger == Trigger::CatchUp;
    let caught_up = others.iter().filter(is_caught_up).count();
    match (caught_up, others.len() - caught_up) {
        (0, _) => "until the run that it replaces has been stopped",
        (1, 0) => "until the run that is being caught up has ended: that one is not replaced",
        _ => {
            "until one of the runs before it has ended; what is caught up among them is not \
             replaced"
        }
    }
    .to_owned()
}

/// The slots that its pool does not have.
fn no_slot(standing: Standing<'_>) -> Option<String> {
    let pool = standing.pool.filter(|pool| pool.used >= pool.slots)?;
    let slots = match pool.slots {
        1 => "its one slot is taken".to_owned(),
        many => format!("its {many} slots are taken"),
    };
    Some(format!(
        "for a slot of the pool {}: {slots}, and {} for one",
        pool.name,
        match pool.queued {
            0 | 1 => "it alone waits".to_owned(),
            many => format!("{many} runs wait"),
        }
    ))
}
