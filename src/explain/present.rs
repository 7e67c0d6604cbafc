//! How a job stands: what happened last, and when it runs next and why not sooner.

use jiff::Timestamp;

use super::fate::Fate;
use super::instant::in_words;
use super::occasions::after;
use super::{Case, Explanation, Standing, Verdict, clocks, sentence};
use crate::dispatch::State;
use crate::job::{JobFlags, Run, Status, When};
use crate::schedule::{Rule, Schedule};
use crate::words::{away, counted, took, verb};

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
            let more = (live.len() - TOLD) as u64;
            let are = verb(more, "is", "are");
            sentences.push(format!(
                "{} of it {are} not over.",
                counted(more, "more run")
            ));
        }
        let has_begun = |run: &&Run| run.status == Status::Running || run.attempts > 0;
        if last.is_some() || !live.iter().any(has_begun) {
            sentences.extend(self.history_in_words(last));
        }
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

    pub(super) fn rows(&self, wanted: impl Fn(&Run) -> bool) -> impl Iterator<Item = &'a Run> {
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
        // A stretch begins behind a time that is no instant itself.
        let first = schedule.next_after(backlog.first()?.0)?;
        let last = schedule.last_through(backlog.last()?.1)?;
        let what = match count {
            0 => return None,
            1 => format!("The instant {} waits to be caught up.", self.clock(first)),
            _ => format!(
                "{count} instants, from {} to {}, wait to be caught up, one at a time, the oldest \
                 first.",
                self.clock(first),
                self.clock(last)
            ),
        };
        Some(what)
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
                sentences.push(self.at_startup(*restart, standing));
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
