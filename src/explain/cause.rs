//! The reasons of the ledger in words, and what can be done about each.

use crate::job::{CatchUpMode, ConcurrencyPolicy, Plan, Reason, Run, Status, Trigger};
use crate::schedule::format_duration;

use super::Case;

/// A reason, taken apart. A reason that is no constant of [`Reason`] is a sentence of whoever gave
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause<'a> {
    Paused,
    MaxConcurrent,
    QueueLimit,
    StartingDeadline,
    Unwatched,
    Shutdown,
    DaemonDied,
    Reboot,
    /// Who asked, where it says so.
    Requested(Option<&'a str>),
    JobRemoved,
    Replaced,
    TotalTimeout,
    /// The calendar, where it says so.
    Excluded(Option<&'a str>),
    Restarted,
    CoreDumped,
    /// The limit, where it says so.
    MemoryLimit(Option<&'a str>),
    OutOfMemory,
    /// The limit, where it says so.
    PidsLimit(Option<&'a str>),
    Sentence(&'a str),
}

impl<'a> Cause<'a> {
    pub(super) fn of(reason: &'a Reason) -> Self {
        match without_request(reason) {
            Reason::PAUSED => Self::Paused,
            Reason::MAX_CONCURRENT => Self::MaxConcurrent,
            Reason::QUEUE_LIMIT => Self::QueueLimit,
            Reason::STARTING_DEADLINE => Self::StartingDeadline,
            Reason::UNWATCHED => Self::Unwatched,
            Reason::SHUTDOWN => Self::Shutdown,
            Reason::DAEMON_DIED => Self::DaemonDied,
            Reason::REBOOT => Self::Reboot,
            Reason::REQUESTED => Self::Requested(None),
            Reason::JOB_REMOVED => Self::JobRemoved,
            Reason::REPLACED => Self::Replaced,
            Reason::TOTAL_TIMEOUT => Self::TotalTimeout,
            Reason::EXCLUDED => Self::Excluded(None),
            Reason::RESTARTED => Self::Restarted,
            Reason::CORE_DUMPED => Self::CoreDumped,
            Reason::MEMORY_LIMIT => Self::MemoryLimit(None),
            Reason::OUT_OF_MEMORY => Self::OutOfMemory,
            Reason::PIDS_LIMIT => Self::PidsLimit(None),
            text => Self::with_more(text),
        }
    }

    /// A constant with something behind it, or a sentence.
    fn with_more(text: &'a str) -> Self {
        let behind = |word: &str, joint: &str| text.strip_prefix(word)?.strip_prefix(joint);
        if let Some(by) = behind(Reason::REQUESTED, " by ") {
            Self::Requested(Some(by))
        } else if let Some(calendar) = behind(Reason::EXCLUDED, ": ") {
            Self::Excluded(Some(calendar))
        } else if let Some(limit) = behind(Reason::MEMORY_LIMIT, ": ") {
            Self::MemoryLimit(Some(limit))
        } else if let Some(limit) = behind(Reason::PIDS_LIMIT, ": ") {
            Self::PidsLimit(Some(limit))
        } else {
            Self::Sentence(text)
        }
    }
}

/// A reason without the note that a request was under way.
fn without_request(reason: &Reason) -> &str {
    let text = reason.0.as_str();
    text.strip_suffix(Reason::MAY_HAVE_ACTED).unwrap_or(text)
}

impl Case<'_> {
    /// Why a run is as it is, as the end of a sentence about it.
    pub(super) fn because(&self, run: &Run) -> Option<String> {
        let plan = self.plan();
        // The config may have changed since: a limit is told as that of now.
        let now = |value: Option<String>| value.map(|it| format!(" ({it} now)"));
        let limit = |of: fn(&Plan) -> u32| now(plan.map(|it| of(it).to_string()));
        let text = match Cause::of(run.reason.as_ref()?) {
            Cause::Paused => "the job, or everything, was paused".to_owned(),
            Cause::MaxConcurrent => format!(
                "as many runs of it were active as `max_concurrent` allows{}",
                limit(|plan| plan.max_concurrent).unwrap_or_default()
            ),
            Cause::QueueLimit if plan.is_some_and(allows_all) => {
                "as many runs of it were active as the daemon holds".to_owned()
            }
            Cause::QueueLimit => format!(
                "as many runs of it waited already as `queue_limit` allows{}",
                limit(|plan| plan.queue_limit).unwrap_or_default()
            ),
            Cause::StartingDeadline => {
                let deadline = plan.and_then(|it| it.starting_deadline);
                let deadline = now(deadline.map(format_duration)).unwrap_or_default();
                format!("it could not start within its `starting_deadline`{deadline}")
            }
            Cause::Unwatched => {
                "nobody watched, as the daemon was down, the machine slept, or the clock jumped"
                    .to_owned()
            }
            Cause::Shutdown if run.started_at.is_some() => {
                "the daemon shut down before it had ended".to_owned()
            }
            Cause::Shutdown => "the daemon was shutting down".to_owned(),
            Cause::DaemonDied => "the daemon died under it".to_owned(),
            Cause::Reboot => {
                "the machine restarted when it was due, and took with it what would tell whether \
                 it ran"
                    .to_owned()
            }
            Cause::Requested(None) => "somebody asked for that".to_owned(),
            Cause::Requested(Some(by)) => format!("{by} asked for that"),
            Cause::JobRemoved => "its job had left the config".to_owned(),
            Cause::Replaced => "a newer run of the job took its place".to_owned(),
            Cause::TotalTimeout => {
                let limit = plan.and_then(|it| it.total_timeout);
                let limit = now(limit.map(format_duration)).unwrap_or_default();
                if run.status == Status::Failed {
                    format!("its `total_timeout`{limit} left no time for another attempt")
                } else {
                    format!("its `total_timeout`{limit} was over")
                }
            }
            Cause::Excluded(None) => "its date is in a calendar that the job excludes".to_owned(),
            Cause::Excluded(Some(calendar)) => {
                format!("its date is in the calendar {calendar}, which the job excludes")
            }
            Cause::Restarted => {
                "the daemon started again, and with it a new run of the job".to_owned()
            }
            Cause::CoreDumped => "it dumped core".to_owned(),
            Cause::MemoryLimit(limit) => {
                let limit = limit.map(|it| format!(" of {it}")).unwrap_or_default();
                format!("it was killed when its memory limit{limit} was reached")
            }
            Cause::OutOfMemory => {
                "something of it was killed, as the machine, or what the daemon with its jobs may \
                 have of it, had no memory left"
                    .to_owned()
            }
            Cause::PidsLimit(limit) => {
                let limit = limit.map(|it| format!(" of {it}")).unwrap_or_default();
                format!("it could not start a process, as its limit{limit} was reached, and failed")
            }
            Cause::Sentence(text) => text.trim_end_matches(['.', '\n']).to_owned(),
        };
        let note = run.reason.as_ref()?.0.ends_with(Reason::MAY_HAVE_ACTED);
        let note = if note {
            Reason::MAY_HAVE_ACTED.replacen(':', ";", 1)
        } else {
            String::new()
        };
        Some(text + &note)
    }

    /// What can be done about it.
    pub(super) fn advice(&self, run: &Run) -> Option<String> {
        let job = self.facts.job;
        let cause = run.reason.as_ref().map(Cause::of);
        match cause {
            Some(Cause::Paused) => self.pause_since(run),
            Some(Cause::MaxConcurrent) => Some(self.in_the_way(run).unwrap_or_else(|| {
                "To have it run all the same, raise `max_concurrent` or choose another \
                 `concurrency_policy`; a shorter `timeout` ends runs that hang."
                    .to_owned()
            })),
            Some(Cause::QueueLimit) => Some(self.in_the_way(run).unwrap_or_else(|| {
                "The job takes longer than the time between its instants: have it run less often, \
                 or raise `max_concurrent` or `queue_limit`."
                    .to_owned()
            })),
            Some(Cause::StartingDeadline) => {
                let own = self.plan().filter(|plan| waits_for_its_own(plan));
                let own = own.and_then(|_| self.in_the_way(run));
                Some(own.unwrap_or_else(|| self.more_room()))
            }
            Some(Cause::Unwatched) => self.catch_up(),
            Some(Cause::Shutdown) if run.started_at.is_some() => Some(format!(
                "`punctual trigger {job}` runs it again; a longer `shutdown_grace` would have let \
                 it end."
            )),
            Some(Cause::Shutdown) if run.status == Status::Missed => self.catch_up(),
            Some(Cause::DaemonDied | Cause::Reboot) => Some(format!(
                "Look whether its work is done; `punctual trigger {job}` runs it again."
            )),
            Some(Cause::TotalTimeout) => Some(format!(
                "Raise `total_timeout` if the job may take longer with all its attempts; `punctual \
                 logs {}` shows how far it came.",
                run.id
            )),
            Some(Cause::CoreDumped) => Some(format!(
                "`coredumpctl` may have the dump; `punctual logs {}` shows what it printed.",
                run.id
            )),
            Some(Cause::MemoryLimit(_)) => Some(format!(
                "Raise `memory` in its `limits` if the job may take more; `punctual logs {}` shows how \
                 far it came.",
                run.id
            )),
            Some(Cause::OutOfMemory) => Some(
                "The machine's log names what took the memory; `memory` in `limits` of a job bounds \
                 what it may take, and a pool with fewer `slots` how many run at once."
                    .to_owned(),
            ),
            Some(Cause::PidsLimit(_)) => Some(format!(
                "Raise `pids` in its `limits` if the job may start more at once, threads included; \
                 `punctual logs {}` shows what it printed.",
                run.id
            )),
            Some(
                Cause::Shutdown
                | Cause::Requested(_)
                | Cause::JobRemoved
                | Cause::Replaced
                | Cause::Excluded(_)
                | Cause::Restarted
                | Cause::Sentence(_),
            ) => None,
            None => self.advice_by_status(run),
        }
    }

    /// What can be done about a run that ended so, where no reason says more.
    fn advice_by_status(&self, run: &Run) -> Option<String> {
        match run.status {
            Status::Failed if run.started_at.is_some() => {
                Some(format!("`punctual logs {}` shows what it printed.", run.id))
            }
            Status::TimedOut => {
                let timeout = self.plan().and_then(|plan| plan.action.timeout());
                let now = timeout.map(|it| format!(" ({} now)", format_duration(it)));
                Some(format!(
                    "Raise its `timeout`{} if it may take longer; `punctual logs {}` shows how far \
                     it came.",
                    now.unwrap_or_default(),
                    run.id
                ))
            }
            _ => None,
        }
    }

    /// What to do about runs of the job itself that were in the way, where that is not how long one
    /// takes: it was caught up, or waited for another attempt.
    fn in_the_way(&self, run: &Run) -> Option<String> {
        let last = run.span.map_or(run.scheduled_at, |span| span.last);
        let others = self.under_way(last, Some(run));
        if others.iter().any(|other| other.trigger == Trigger::CatchUp) {
            return Some(
                "A run that was caught up was under way then, and counts under `max_concurrent`: a \
                 higher `max_concurrent` leaves room beside it, and `catch_up`, `catch_up_limit` \
                 and `catch_up_window` choose how much is caught up."
                    .to_owned(),
            );
        }
        let tried_again = |run: &Run| run.attempts > 1 || run.retry_at.is_some();
        others.iter().any(|other| tried_again(other)).then(|| {
            "A run that was tried again was under way then, and keeps its place between its \
             attempts: a higher `max_concurrent` leaves room beside it, and shorter delays or fewer \
             `max_retries` in `retry`, or a `total_timeout`, end it sooner."
                .to_owned()
        })
    }

    /// What to do about a start that took too long.
    fn more_room(&self) -> String {
        let pool = self.plan().map(|plan| format!(" {}", plan.pool));
        format!(
            "Its pool{} may have too few slots (`punctual status` shows them), or the disk of the \
             ledger is slow; a longer `starting_deadline` lets it start later.",
            pool.unwrap_or_default()
        )
    }

    /// What the policy does about instants that nobody watched.
    fn catch_up(&self) -> Option<String> {
        let policy = self.plan()?.catch_up;
        let window = format_duration(policy.window);
        let does = match policy.mode {
            CatchUpMode::None => "`catch_up` is \"none\" now, so nothing missed runs later; with \
                                  \"latest\" the newest of it would."
                .to_owned(),
            CatchUpMode::Latest => format!(
                "`catch_up` is \"latest\" now: of what is missed in one go the newest runs later, \
                 unless it is older than `catch_up_window` ({window})."
            ),
            CatchUpMode::All if policy.limit == 1 => format!(
                "`catch_up` is \"all\" now, but `catch_up_limit` is 1: of what is missed in one go \
                 the newest runs later, unless it is older than `catch_up_window` ({window})."
            ),
            CatchUpMode::All => format!(
                "`catch_up` is \"all\" now: of what is missed in one go the newest {} \
                 (`catch_up_limit`) run later, unless they are older than `catch_up_window` \
                 ({window}).",
                policy.limit
            ),
        };
        let trigger = format!("`punctual trigger {}` runs it now.", self.facts.job);
        Some(format!("{does} {trigger}"))
    }

    /// The pause that is on since before a run was skipped for one.
    fn pause_since(&self, run: &Run) -> Option<String> {
        let standing = self.facts.standing?;
        let last = run.span.map_or(run.scheduled_at, |span| span.last);
        let since = standing.flags.paused_at.filter(|_| standing.flags.paused);
        if since.is_some_and(|since| since <= last) {
            Some(self.pause_in_words(standing.flags))
        } else {
            standing.everything_paused.then(super::present::everything)
        }
    }
}

/// Whether a fire of it waits while others of the job run.
fn waits_for_its_own(plan: &Plan) -> bool {
    let policy = plan.concurrency_policy;
    matches!(
        policy,
        ConcurrencyPolicy::Queue | ConcurrencyPolicy::Replace
    )
}

/// Whether its policy has no limit of its own.
fn allows_all(plan: &Plan) -> bool {
    plan.concurrency_policy == ConcurrencyPolicy::Allow
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_with_more_behind_them_are_taken_apart() {
        for (text, cause) in [
            ("requested by uid 1000", Cause::Requested(Some("uid 1000"))),
            ("requested", Cause::Requested(None)),
            ("excluded: holidays", Cause::Excluded(Some("holidays"))),
            ("excluded", Cause::Excluded(None)),
            ("memory_limit: 64 MiB", Cause::MemoryLimit(Some("64 MiB"))),
            ("pids_limit: 7", Cause::PidsLimit(Some("7"))),
            ("requested often", Cause::Sentence("requested often")),
            (
                &[Reason::SHUTDOWN, Reason::MAY_HAVE_ACTED].concat(),
                Cause::Shutdown,
            ),
            ("pausedness", Cause::Sentence("pausedness")),
        ] {
            assert_eq!(Cause::of(&Reason::new(text)), cause, "{text}");
        }
    }

    /// A new constant of [`Reason`] wants a sentence here.
    #[test]
    fn every_constant_has_its_sentence() {
        let source = include_str!("../job/run.rs");
        let constants: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim().strip_prefix("pub const "))
            .filter_map(|rest| rest.split_once(": &str = \"")?.1.strip_suffix("\";"))
            .collect();
        assert!(constants.len() >= 13, "they are not where they were");
        for text in constants {
            let reason = Reason::new(text);
            let cause = Cause::of(&reason);
            assert!(
                !matches!(cause, Cause::Sentence(_)),
                "{text:?} is told as a sentence of somebody's: give it a variant of `Cause`"
            );
        }
    }
}
