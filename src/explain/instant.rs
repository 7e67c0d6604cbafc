//! What became of a time that somebody asks about.

use jiff::Timestamp;

use super::fate::Fate;
use super::history::just_before;
use super::{Case, Explanation, InForce, Verdict, clocks, sentence};
use crate::job::{Run, Trigger, When};
use crate::schedule::{Schedule, format_duration};
use crate::words::{away, counted, took, verb};

/// The most other runs that are told of.
const TOLD: usize = 3;

impl<'a> Case<'a> {
    /// The answer about a time.
    pub(super) fn of_time(&self, at: Timestamp) -> Explanation {
        let history = self.facts.history;
        let before = history.before(at);
        let named = history.names(at) || self.fire_at(at).is_some();
        let subject = if named { Some(at) } else { before };
        let mut row = subject.and_then(|instant| self.row_of(instant));
        let under_way = self.under_way(at, row);
        if subject.is_none() && under_way.is_empty() {
            row = self.last_run(at);
        }
        let (verdict, mut sentences) = if named {
            self.became(at, row)
        } else {
            self.no_instant(at, before, row)
        };
        sentences.extend(self.of_its_schedule(at, named));
        sentences.extend(self.others(&under_way));
        let next = self.outlook();
        if !named && at > self.facts.now && history.in_force(at).is_none() {
            sentences.extend(next.sentences);
        }
        Explanation {
            verdict,
            sentences,
            instant: subject,
            due_at: subject.and_then(|instant| self.due_at(instant, row)),
            run: row.cloned(),
            under_way: under_way.into_iter().cloned().collect(),
            before,
            after: history.after(at),
            schedule: self.schedule_at(at),
            next_fire: next.at,
        }
    }

    /// What there is to say about the schedule of a time: that it is another one now, that clocks
    /// were set, that it has a row without naming it.
    fn of_its_schedule(&self, at: Timestamp, named: bool) -> Vec<String> {
        let (history, job) = (self.facts.history, self.facts.job);
        let mut said = Vec::new();
        if named && !history.names(at) {
            said.push(format!(
                "No schedule that the ledger remembers names this time; `punctual audit --job \
                 {job}` looks at the whole account."
            ));
        }
        if let Some(Ok(schedule)) = history.in_force(at).map(|then| then.schedule) {
            said.extend(self.another_schedule(at, &schedule));
            said.extend(clocks::note(&schedule, job.as_str(), at, named));
        }
        said
    }

    /// What became of an instant.
    fn became(&self, instant: Timestamp, row: Option<&Run>) -> (Verdict, Vec<String>) {
        if let Some(row) = row {
            let Fate { main, advice } = self.fate(row);
            let said = [sentence(&main)].into_iter().chain(advice);
            return (Verdict::Row(row.status), said.collect());
        }
        let now = self.facts.now;
        let account = self.account();
        let at = self.clock(instant);
        let job = self.facts.job;
        if instant > now {
            return (Verdict::ToCome, self.to_come(instant));
        }
        if let Some(begins) = self.begins_later(instant) {
            return (Verdict::BeforeAccount, vec![begins]);
        }
        let backlog = account.map_or(&[][..], |it| &it.backlog);
        let in_backlog = backlog
            .iter()
            .any(|&(after, to)| after < instant && instant <= to);
        if in_backlog {
            let said = format!(
                "It waits to be caught up: {at} passed when nobody watched, and the instants \
                 missed run one at a time, the oldest first."
            );
            return (Verdict::Backlog, vec![said]);
        }
        let decided = account.map(|it| it.decided_through);
        if decided.is_none_or(|decided| instant > decided) {
            let draining = self.facts.standing.is_some_and(|it| it.draining);
            let said = if draining {
                format!(
                    "It is not decided: the daemon is shutting down, and its next start decides \
                     about {at} by `catch_up`."
                )
            } else {
                format!("It is not decided yet: {at} has just passed. Ask again in a second.")
            };
            return (Verdict::Undecided, vec![said]);
        }
        let said = format!(
            "The account has a gap: {at} should be decided, and has no row. `punctual audit --job \
             {job}` lists all such instants; please report it."
        );
        (Verdict::Unaccounted, vec![said])
    }

    /// An instant that is not claimed yet.
    fn to_come(&self, instant: Timestamp) -> Vec<String> {
        let at = self.clock(instant);
        let near = away(instant, self.facts.now);
        let due = self.due_at(instant, None).filter(|&due| due != instant);
        let due = due.map(|due| {
            let later = took(due.duration_since(instant).as_secs_f64());
            format!(", due {later} later by its jitter")
        });
        let mut said = vec![format!(
            "It is still to come: {at}, {near}{}.",
            due.unwrap_or_default()
        )];
        let mut held = self.held_back(instant);
        held.extend(self.excluded(instant));
        if !held.is_empty() {
            said.extend(held);
            said.push("As things stand it will not run.".to_owned());
        }
        said
    }

    /// Why an instant to come will not run as things stand.
    fn held_back(&self, instant: Timestamp) -> Vec<String> {
        let mut said = Vec::new();
        let Some(standing) = self.facts.standing else {
            return said;
        };
        if standing.everything_paused {
            said.push(super::present::everything());
        }
        let flags = standing.flags;
        if flags.paused && flags.paused_until.is_none_or(|until| instant <= until) {
            said.push(self.pause_in_words(flags));
        }
        said
    }

    /// The calendar that has the date of an instant to come.
    fn excluded(&self, instant: Timestamp) -> Option<String> {
        let schedule = self.facts.history.in_force(instant)?.schedule.ok()?;
        let calendar = schedule.excluded_by(instant)?;
        Some(format!(
            "Its date is in the calendar {calendar}, which the job excludes."
        ))
    }

    /// A time that no schedule named, and what became of the instant before it.
    fn no_instant(
        &self,
        at: Timestamp,
        before: Option<Timestamp>,
        row: Option<&Run>,
    ) -> (Verdict, Vec<String>) {
        let covered = self.facts.history.in_force(at).is_some();
        if let Some(begins) = self.begins_later(at).filter(|_| !covered) {
            return (Verdict::BeforeAccount, vec![begins]);
        }
        let mut said = vec![self.not_named(at)];
        if let Some(before) = before {
            said.push(format!(
                "The nearest instant before it is {}.",
                self.clock(before)
            ));
            said.extend(self.became(before, row).1);
        } else if let Some(last) = row {
            let Fate { main, advice } = self.fate(last);
            said.push(format!("Before that, {main}."));
            said.extend(advice);
        }
        if let Some(after) = self.facts.history.after(at) {
            let near = away(after, self.facts.now);
            said.push(format!(
                "The nearest instant after it is {} ({near}).",
                self.clock(after)
            ));
        }
        (Verdict::NotAnInstant, said)
    }

    /// Why a time is no instant.
    fn not_named(&self, at: Timestamp) -> String {
        let (shown, history) = (self.clock(at), self.facts.history);
        if let Some(then) = history.in_force(at) {
            return match then.schedule {
                Ok(schedule) => format!(
                    "{shown} is not an instant of its schedule, {}{}.",
                    in_words(&schedule),
                    remark(&schedule, at, |t| self.clock(t))
                ),
                Err(error) => format!(
                    "The schedule that was in force at {shown} cannot be read any more: {error}."
                ),
            };
        }
        let plan = self.plan();
        if let Some(When::Startup(_) | When::After(_)) = plan.map(|plan| &plan.when)
            && history.is_empty()
        {
            let when = plan.map(|plan| plan.when.text()).unwrap_or_default();
            return format!(
                "No clock makes it run, so {shown} is no instant of it: it runs {when}."
            );
        }
        let since = history.gap(at);
        let since = match since {
            (Some(from), Some(to)) => {
                format!(", from {} to {}", self.moment(from), self.moment(to))
            }
            (Some(from), None) => format!(", since {}", self.moment(from)),
            (None, Some(to)) => format!(", until {}", self.moment(to)),
            (None, None) => String::new(),
        };
        format!(
            "At {shown} no schedule of it was in force: it was disabled or not in the \
             config{since}."
        )
    }

    /// The schedule that was in force, where it is another one now.
    fn another_schedule(&self, at: Timestamp, then: &Schedule) -> Option<String> {
        let stretch = self.facts.history.in_force(at)?.stretch;
        let until = stretch.to?;
        let now = self.plan().filter(|plan| plan.enabled);
        let now = now.and_then(|plan| plan.schedule());
        let was = format!(
            "At that time its schedule was {}, until {}",
            in_words(then),
            self.moment(until)
        );
        match now {
            Some(now) if same(now, then) => None,
            Some(now) => Some(format!("{was}; now it is {}.", in_words(now))),
            None => Some(format!("{was}.")),
        }
    }

    /// Other runs that were under way.
    pub(super) fn others(&self, runs: &[&Run]) -> Vec<String> {
        let mut said: Vec<String> = runs
            .iter()
            .take(TOLD)
            .filter_map(|run| {
                let from = self.moment(run.started_at?);
                let until = match run.finished_at {
                    Some(finished) => format!("from {from} to {}", self.moment(finished)),
                    None => format!("since {from}"),
                };
                let kind = match run.trigger {
                    Trigger::Schedule => "run",
                    Trigger::CatchUp => "catch-up run",
                    Trigger::Manual => "manual run",
                    Trigger::Startup => "start-up run",
                    Trigger::After => "run after other jobs",
                };
                Some(format!(
                    "A {kind} of it was under way then, {until}: {} (run {}).",
                    run.status, run.id
                ))
            })
            .collect();
        let more = runs.len().saturating_sub(TOLD);
        if more > 0 {
            let were = verb(more as u64, "was", "were");
            let more = counted(more as u64, "more run");
            said.push(format!("{more} of it {were} under way then."));
        }
        said
    }

    /// The row of the instant that is asked about.
    fn row_of(&self, instant: Timestamp) -> Option<&'a Run> {
        let holding = self.facts.record.holding.as_ref();
        let holds = |run: &&Run| {
            let last = run.span.map_or(run.scheduled_at, |span| span.last);
            run.scheduled_at <= instant && instant <= last
        };
        holding.filter(holds).or_else(|| self.fire_at(instant))
    }

    /// The row of a fire at this time, whatever the schedules say.
    fn fire_at(&self, t: Timestamp) -> Option<&'a Run> {
        let fire = |run: &&Run| {
            let by_clock = matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp);
            run.scheduled_at == t && by_clock && run.span.is_none()
        };
        self.facts.record.earlier.iter().find(fire)
    }

    /// The newest run up to a time.
    fn last_run(&self, t: Timestamp) -> Option<&'a Run> {
        let mut earlier = self.facts.record.earlier.iter();
        earlier.find(|run| run.scheduled_at <= t)
    }

    /// Why nothing is known of a time before the account of the job begins.
    fn begins_later(&self, t: Timestamp) -> Option<String> {
        let account = self.account().filter(|it| t <= it.audit_from)?;
        let pruned = self.facts.record.pruned_through;
        let (at, from) = (self.clock(t), self.moment(account.audit_from));
        Some(if pruned.is_some_and(|pruned| t <= pruned) {
            format!(
                "Nothing is known of {at} any more: retention (`store.retention`) has removed the \
                 rows of this job up to {from}."
            )
        } else {
            format!(
                "Nothing is known of {at}: the account of this job begins at {from}, when the \
                 daemon first saw it."
            )
        })
    }

    /// When an instant is due, by its row, or by the schedule that named it.
    pub(super) fn due_at(&self, instant: Timestamp, row: Option<&Run>) -> Option<Timestamp> {
        let of_row = row.filter(|run| run.scheduled_at == instant);
        let of_row = of_row.map(|run| run.due_at);
        of_row.or_else(|| {
            let then = self.facts.history.in_force(instant)?;
            Some(then.schedule.ok()?.due_at(instant))
        })
    }

    /// The schedule of a time, for programs.
    pub(super) fn schedule_at(&self, t: Timestamp) -> Option<InForce> {
        let then = self.facts.history.in_force(t)?;
        let schedule = then.schedule.ok()?;
        Some(InForce {
            expression: schedule.expression(),
            text: schedule.text(),
            timezone: schedule.timezone().to_owned(),
            from: then.stretch.from,
            to: then.stretch.to,
        })
    }
}

/// A schedule in words, as it was written, and its zone.
pub(super) fn in_words(schedule: &Schedule) -> String {
    match schedule.kind() {
        "cron" => format!(
            "{} (`{}`, {})",
            schedule.text(),
            schedule.expression(),
            schedule.timezone()
        ),
        _ => schedule.text(),
    }
}

/// Whether both are told in the same words.
fn same(a: &Schedule, b: &Schedule) -> bool {
    let window = |it: &Schedule| (it.spec().start, it.spec().end);
    in_words(a) == in_words(b) && window(a) == window(b)
}

/// What a time is that a schedule does not name: outside of its window, or the start of a fire that
/// jitter put off.
fn remark(schedule: &Schedule, at: Timestamp, clock: impl Fn(Timestamp) -> String) -> String {
    let spec = schedule.spec();
    if let Some(start) = spec.start.filter(|&start| at < start) {
        return format!(", which counts from its `start`, {}, on", clock(start));
    }
    if let Some(end) = spec.end.filter(|&end| at >= end) {
        return format!(", which ended at its `end`, {}", clock(end));
    }
    let nominal = schedule.last_through(just_before(at));
    let is_start = nominal.is_some_and(|nominal| schedule.due_at(nominal) == at);
    if is_start && !spec.jitter.is_zero() {
        let jitter = format_duration(spec.jitter);
        return format!(", but the start of one, put off by its `jitter` (up to {jitter})");
    }
    String::new()
}
