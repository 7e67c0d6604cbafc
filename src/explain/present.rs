//! How a job stands: what happened last, and when it runs next and why not sooner.

use jiff::Timestamp;

use super::fate::Fate;
use super::instant::in_words;
use super::{Case, Explanation, Standing, Verdict, clocks, listed, sentence};
use crate::dispatch::State;
use crate::job::{JobFlags, Restart, Run, Status, Upstream, When};
use crate::schedule::{Rule, Schedule};
use crate::words::{away, counted, took};

/// The most runs under way that are told of.
const TOLD: usize = 3;

/// When a job runs next.
pub(super) struct Outlook {
    /// The instant, if a clock names it.
    pub(super) at: Option<Timestamp>,
    /// In sentences, with why not sooner.
    pub(super) sentences: Vec<String>,
}

/// That everything is paused, and how that ends.
pub(super) fn everything() -> String {
    "Everything is paused; `punctual resume --all` goes on.".to_owned()
}

impl<'a> Case<'a> {
    /// The answer about now.
    pub(super) fn of_now(&self) -> Explanation {
        let live: Vec<&Run> = self.rows(|run| !run.status.is_final()).collect();
        let last =
            self.rows(|run| run.status.is_final())
                .next()
                .or(self.facts.record.last_ended.as_ref());
        let mut sentences = Vec::new();
        if self.facts.standing.is_none() {
            sentences.push(self.gone());
        }
        for run in live.iter().take(TOLD) {
            let Fate { main, advice } = self.fate(run);
            sentences.push(sentence(&main));
            sentences.extend(advice);
        }
        if live.len() > TOLD {
            let more = counted((live.len() - TOLD) as u64, "more run");
            sentences.push(format!("{more} of it are not over."));
        }
        sentences.extend(self.history_in_words(last));
        sentences.extend(self.backlog());
        let next = self.outlook();
        sentences.extend(next.sentences);
        let run = live.first().copied().or(last);
        let last = run.map(|run| run.span.map_or(run.scheduled_at, |span| span.last));
        let instant = last.filter(|&last| self.facts.history.names(last));
        Explanation {
            verdict: self.verdict(&live, next.at),
            sentences,
            instant,
            due_at: instant.and_then(|instant| self.due_at(instant, run)),
            run: run.cloned(),
            under_way: Vec::new(),
            before: self.facts.history.before(self.facts.now),
            after: self.facts.history.after(self.facts.now),
            schedule: self.schedule_at(self.facts.now),
            next_fire: next.at,
        }
    }

    fn rows(&self, wanted: impl Fn(&Run) -> bool) -> impl Iterator<Item = &'a Run> {
        let earlier = self.facts.record.earlier.iter();
        earlier.filter(move |run| wanted(run))
    }

    fn verdict(&self, live: &[&Run], next: Option<Timestamp>) -> Verdict {
        let Some(standing) = self.facts.standing else {
            return Verdict::Gone;
        };
        let in_state = |status| live.iter().any(|run| run.status == status);
        if standing.draining {
            Verdict::Stopping
        } else if in_state(Status::Running) {
            Verdict::Row(Status::Running)
        } else if in_state(Status::Queued) {
            Verdict::Row(Status::Queued)
        } else if !standing.plan.enabled {
            Verdict::Disabled
        } else if standing.everything_paused || standing.flags.paused {
            Verdict::Paused
        } else if next.is_some() {
            Verdict::ToCome
        } else if matches!(standing.plan.when, When::After(_)) {
            Verdict::Waiting
        } else if standing.state == State::Finished {
            Verdict::Finished
        } else {
            Verdict::Waiting
        }
    }

    /// What happened last.
    fn history_in_words(&self, last: Option<&Run>) -> Vec<String> {
        let Some(last) = last else {
            return vec![self.no_history()];
        };
        let Fate { main, advice } = self.fate(last);
        let mut said = vec![format!("Last time {main}.")];
        said.extend(advice);
        if last.started_at.is_none() {
            let end = last.span.map_or(last.scheduled_at, |span| span.last);
            said.extend(self.others(&self.under_way(end, Some(last))));
            let ran = self.rows(|run| run.status.is_final() && run.started_at.is_some());
            let ran = ran.chain(&self.facts.record.last_ended).next();
            if let Some(ran) = ran.filter(|ran| ran.id != last.id) {
                said.push(format!("Before that, {}.", self.fate(ran).main));
            }
        }
        said
    }

    fn no_history(&self) -> String {
        let pruned = self.facts.record.pruned_through;
        match (self.account(), pruned) {
            (_, Some(pruned)) => format!(
                "Nothing is left of its history: retention has removed its rows up to {}.",
                self.moment(pruned)
            ),
            (Some(flags), None) => format!(
                "It has not run yet since the daemon first saw it, at {}.",
                self.moment(flags.audit_from)
            ),
            (None, None) => "It has not run yet.".to_owned(),
        }
    }

    fn gone(&self) -> String {
        let job = self.facts.job;
        let ended = self.facts.history.last().and_then(|last| last.stretch.to);
        let ended = ended.map(|at| format!(": its schedule ended at {}", self.moment(at)));
        format!(
            "{job} is not in the config any more{}. What the ledger has of it stays until retention \
             removes it.",
            ended.unwrap_or_default()
        )
    }

    /// Instants that wait to be caught up.
    fn backlog(&self) -> Option<String> {
        let backlog = &self.facts.standing?.flags.backlog;
        let schedule = self.plan()?.schedule()?;
        let count: u64 = backlog
            .iter()
            .map(|&(after, to)| schedule.count(after, to))
            .sum();
        let (first, last) = (backlog.first()?.0, backlog.last()?.1);
        let verb = if count == 1 { "waits" } else { "wait" };
        Some(format!(
            "{} between {} and {} {verb} to be caught up, one at a time, the oldest first.",
            counted(count, "instant"),
            self.clock(first),
            self.clock(last)
        ))
    }

    /// When it runs next, and why not sooner.
    pub(super) fn outlook(&self) -> Outlook {
        let mut sentences = Vec::new();
        let Some(standing) = self.facts.standing else {
            return Outlook {
                at: None,
                sentences,
            };
        };
        if standing.draining {
            sentences.push(
                "The daemon is shutting down: nothing starts any more, and its next start goes on."
                    .to_owned(),
            );
        }
        if !standing.plan.enabled {
            sentences.push(format!(
                "It is disabled (`enabled = false`), so nothing makes it run by itself; `punctual \
                 trigger {}` runs it all the same.",
                self.facts.job
            ));
            return Outlook {
                at: None,
                sentences,
            };
        }
        if standing.everything_paused {
            sentences.push(everything());
        }
        if standing.flags.paused {
            sentences.push(self.pause_in_words(standing.flags));
        }
        let at = match &standing.plan.when {
            When::Schedule(schedule) => {
                let at = self.next_fire(standing, schedule);
                sentences.extend(self.next_in_words(standing, schedule, at));
                at
            }
            When::Startup(restart) => {
                sentences.push(at_startup(*restart, standing));
                sentences.extend(standing.next_fire.map(|at| {
                    let near = away(at, self.facts.now);
                    format!("It is started again at {}, {near}.", self.moment(at))
                }));
                standing.next_fire
            }
            When::After(upstreams) => {
                sentences.push(after(upstreams, standing.flags));
                None
            }
        };
        Outlook { at, sentences }
    }

    /// The next instant that will run as things stand.
    fn next_fire(&self, standing: Standing<'_>, schedule: &Schedule) -> Option<Timestamp> {
        if standing.everything_paused {
            None
        } else if standing.flags.paused {
            let until = standing.flags.paused_until?;
            schedule.next_firing_after(until.max(self.facts.now))
        } else {
            standing.next_fire
        }
    }

    fn next_in_words(
        &self,
        standing: Standing<'_>,
        schedule: &Schedule,
        at: Option<Timestamp>,
    ) -> Vec<String> {
        let paused = standing.everything_paused || standing.flags.paused;
        let first = schedule.next_after(self.facts.now);
        let Some(at) = at else {
            let why = if standing.state == State::Finished || first.is_none() {
                Some(self.over(schedule))
            } else {
                let none = "It does not run again: its calendars exclude every instant ahead.";
                (!paused).then(|| none.to_owned())
            };
            return why.into_iter().collect();
        };
        let due = schedule.due_at(at);
        let jitter = (due != at).then(|| {
            let later = took(due.duration_since(at).as_secs_f64());
            format!(", put off by {later} by its jitter")
        });
        let mut said = vec![format!(
            "It runs next at {}, {}{}; its schedule is {}.",
            self.clock(at),
            away(at, self.facts.now),
            jitter.unwrap_or_default(),
            in_words(schedule)
        )];
        let excluded = first.filter(|&first| first < at && !paused);
        if let Some(calendar) = excluded.and_then(|first| schedule.excluded_by(first)) {
            said.push(format!(
                "Not sooner, because the job excludes the days of the calendar {calendar}."
            ));
        }
        let start = schedule.spec().start.filter(|&it| it > self.facts.now);
        if let Some(start) = start {
            said.push(format!(
                "Its schedule counts from its `start`, {}, on.",
                self.clock(start)
            ));
        }
        said.extend(clocks::note(schedule, self.facts.job.as_str(), at, true));
        said
    }

    /// Why no instant comes.
    fn over(&self, schedule: &Schedule) -> String {
        let spec = schedule.spec();
        let end = spec.end.filter(|&end| end <= self.facts.now);
        match (&spec.rule, end) {
            (Rule::At(at), _) => format!(
                "It does not run again: its one instant, {}, is over. Another time in `at`, or \
                 `punctual trigger {}`, runs it once more.",
                self.clock(*at),
                self.facts.job
            ),
            (_, Some(end)) => format!(
                "It does not run again: its schedule ended at its `end`, {}.",
                self.clock(end)
            ),
            (_, None) => format!(
                "It does not run again: no instant is left of its schedule, {}.",
                in_words(schedule)
            ),
        }
    }

    /// A pause: since when, by whom, until when and why, and how it ends.
    pub(super) fn pause_in_words(&self, flags: &JobFlags) -> String {
        let part = |text: Option<String>| text.unwrap_or_default();
        let since = flags
            .paused_at
            .map(|at| format!(" since {}", self.moment(at)));
        let by = flags.paused_by.as_ref().map(|by| format!(" by {by}"));
        let until = flags
            .paused_until
            .map(|at| format!(" until {}", self.moment(at)));
        let why = flags.pause_reason.as_ref();
        let why = why.map(|why| format!(" (\"{why}\")"));
        format!(
            "It is paused{}{}{}{}; `punctual resume {}` goes on.",
            part(since),
            part(by),
            part(until),
            part(why),
            self.facts.job
        )
    }
}

/// What makes a job run that runs from the start of the daemon on.
fn at_startup(restart: Restart, standing: Standing<'_>) -> String {
    let over = standing.running + standing.queued == 0;
    match restart {
        Restart::Never => "It runs once at each start of the daemon.",
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

/// What a job still waits for that runs after others.
fn after(upstreams: &[Upstream], flags: &JobFlags) -> String {
    let ends = upstreams.iter().map(end).collect::<Vec<_>>();
    let (seen, missing): (Vec<_>, Vec<_>) = upstreams
        .iter()
        .partition(|up| flags.seen.contains_key(&up.job));
    let seen: Vec<String> = seen
        .iter()
        .filter_map(|up| Some(format!("{} (run {})", up.job, flags.seen.get(&up.job)?.0)))
        .collect();
    let missing: Vec<String> = missing.iter().map(|up| up.job.to_string()).collect();
    let so_far = if seen.is_empty() {
        "none of them has yet".to_owned()
    } else if missing.is_empty() {
        format!("all of them have: {}", listed(&seen))
    } else {
        format!("{} has, {} not yet", listed(&seen), listed(&missing))
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
