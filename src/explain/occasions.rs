//! What makes a job run that no clock starts.

use super::{Case, Standing, listed};
use crate::job::{JobFlags, Restart, Status, Upstream};
use crate::words::verb;

impl Case<'_> {
    /// What makes a job run that runs from the start of the daemon on.
    pub(super) fn at_startup(&self, restart: Restart, standing: Standing<'_>) -> String {
        let over = standing.running + standing.queued == 0;
        let paused = standing.everything_paused || standing.flags.paused;
        let failed = || {
            let last = self.rows(|run| run.status.is_final()).next();
            let last = last.or(self.facts.record.last_ended.as_ref());
            last.is_some_and(|run| !matches!(run.status, Status::Succeeded | Status::Cancelled))
        };
        match restart {
            Restart::Never if paused => {
                "It runs once at each start of the daemon that does not find it paused."
            }
            Restart::Never => "It runs once at each start of the daemon.",
            Restart::OnFailure if paused && over && failed() => {
                "It is started again when the pause is over (`restart = \"on-failure\"`)."
            }
            Restart::OnFailure if paused && !over => {
                "It is started again only if it fails (`restart = \"on-failure\"`), and not while \
                 it is paused."
            }
            Restart::Always if paused && over => {
                "It is started again when the pause is over (`restart = \"always\"`)."
            }
            Restart::Always if paused => {
                "When it ends, it is not started again before the pause is over (`restart = \
                 \"always\"`)."
            }
            Restart::OnFailure if over => {
                "It runs at each start of the daemon, and again after its delay when it fails \
                 (`restart = \"on-failure\"`)."
            }
            Restart::OnFailure => {
                "It is started again only if it fails (`restart = \"on-failure\"`), else at the next \
                 start of the daemon."
            }
            Restart::Always => {
                "It is started again whenever it ends, after its delay (`restart = \"always\"`)."
            }
        }
        .to_owned()
    }
}

/// What a job still waits for that runs after others.
pub(super) fn after(upstreams: &[Upstream], flags: &JobFlags) -> String {
    let ends = upstreams.iter().map(end).collect::<Vec<_>>();
    let (seen, missing): (Vec<_>, Vec<_>) = upstreams
        .iter()
        .partition(|up| flags.seen.contains_key(&up.job));
    let seen: Vec<String> = seen
        .iter()
        .filter_map(|up| Some(format!("{} (run {})", up.job, flags.seen.get(&up.job)?.0)))
        .collect();
    let missing: Vec<String> = missing.iter().map(|up| up.job.to_string()).collect();
    let so_far = if seen.is_empty() && missing.len() == 1 {
        "it has not yet".to_owned()
    } else if seen.is_empty() {
        "none of them has yet".to_owned()
    } else if missing.is_empty() {
        format!("all of them have: {}", listed(&seen))
    } else {
        let have = verb(seen.len() as u64, "has", "have");
        format!("{} {have}, {} not yet", listed(&seen), listed(&missing))
    };
    format!(
        "It runs when {} since it last started; {so_far}.",
        listed(&ends)
    )
}

/// An end of another job that is waited for.
fn end(upstream: &Upstream) -> String {
    let ended = match upstream.status {
        Status::Succeeded => "has succeeded",
        Status::Failed => "has failed",
        Status::TimedOut => "has timed out",
        Status::Cancelled => "has been cancelled",
        Status::Lost => "has been lost",
        other => return format!("{} is {other}", upstream.job),
    };
    format!("{} {ended}", upstream.job)
}
