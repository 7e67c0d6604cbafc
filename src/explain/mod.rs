//! WHY: what became of an instant of a job, or when it runs next and why not sooner, in sentences
//! for people. Pure: from what is known to what is said.
//!
//! `instant` answers about a time, `present` about now. Both tell of a row by `fate`, of its reason
//! by `cause`, of what a run waits for by `waiting`, and of what begins a job without a clock by
//! `occasions`.

mod cause;
mod clocks;
mod fate;
mod history;
mod instant;
mod occasions;
mod present;
#[cfg(test)]
mod tests;
mod waiting;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::dispatch::{PoolView, Snapshot, State};
use crate::job::{JobFlags, JobName, Plan, Run, Status};
use crate::store::JobRecord;
use crate::words::clock_time;

pub use history::History;

/// All that an answer is drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// Which job.
    pub job: &'a JobName,
    /// The time that is asked about; none: how it stands.
    pub at: Option<Timestamp>,
    /// The time that is now.
    pub now: Timestamp,
    /// The zone in which times are told of a job that no clock makes run.
    pub zone: &'a TimeZone,
    /// How the job stands; none: it is not in the config.
    pub standing: Option<Standing<'a>>,
    /// The schedules that it had.
    pub history: &'a History,
    /// What the ledger has of it: around [`History::subject`] of the time asked about, or now.
    pub record: &'a JobRecord,
}

/// How a job of the config stands, and what of the daemon concerns it.
#[derive(Debug, Clone, Copy)]
pub struct Standing<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// In a word.
    pub state: State,
    /// What is remembered of it: its pause among others.
    pub flags: &'a JobFlags,
    /// The next instant that will fire; none when paused, disabled or finished.
    pub next_fire: Option<Timestamp>,
    /// How many runs of it are running.
    pub running: usize,
    /// How many wait.
    pub queued: usize,
    /// Its pool.
    pub pool: Option<&'a PoolView>,
    /// Whether everything is paused.
    pub everything_paused: bool,
    /// Whether the daemon is shutting down.
    pub draining: bool,
}

impl<'a> Standing<'a> {
    /// A job of a snapshot.
    pub fn of(snapshot: &'a Snapshot, job: &JobName) -> Option<Self> {
        let view = snapshot.job(job.as_str())?;
        Some(Self {
            plan: &view.plan,
            state: view.state,
            flags: &view.flags,
            next_fire: view.next_fire,
            running: view.running,
            queued: view.queued,
            pool: snapshot
                .pools
                .iter()
                .find(|pool| pool.name == view.plan.pool),
            everything_paused: snapshot.paused,
            draining: snapshot.draining,
        })
    }
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// In a word.
    pub verdict: Verdict,
    /// In sentences, the most important first.
    pub sentences: Vec<String>,
    /// The instant that it is about: the one asked about, or the nearest before it.
    pub instant: Option<Timestamp>,
    /// When that one is due, with jitter.
    pub due_at: Option<Timestamp>,
    /// The row that holds it; without a time asked about, the newest.
    pub run: Option<Run>,
    /// Other runs of the job that were under way at the time asked about.
    pub under_way: Vec<Run>,
    /// The nearest instant before the time asked about.
    pub before: Option<Timestamp>,
    /// The nearest instant after it.
    pub after: Option<Timestamp>,
    /// The schedule that was in force at that time; without one, that is in force.
    pub schedule: Option<InForce>,
    /// When the job runs next as things stand, also when a pause with an end comes before that.
    pub next_fire: Option<Timestamp>,
}

/// A schedule and how long it was in force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InForce {
    /// As it was written.
    pub expression: String,
    /// In words.
    pub text: String,
    /// Its zone.
    pub timezone: String,
    /// Its instants are later than this.
    pub from: Timestamp,
    /// They are not later than this; none: it is in force still.
    pub to: Option<Timestamp>,
}

/// The answer in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// A row tells: its status.
    Row(Status),
    /// The instant is to come; or a next one is known.
    ToCome,
    /// The instant has passed and is about to be decided.
    Undecided,
    /// The instant waits in a stretch that is to be caught up.
    Backlog,
    /// The schedule does not name this time.
    NotAnInstant,
    /// The job's account begins later.
    BeforeAccount,
    /// The account has a gap: there should be a row.
    Unaccounted,
    /// No instant, but an event makes it run next.
    Waiting,
    /// It is paused, by itself or with everything.
    Paused,
    /// `enabled = false`.
    Disabled,
    /// Nothing of it is left to run.
    Finished,
    /// The daemon is shutting down.
    Stopping,
    /// It is not in the config any more.
    Gone,
}

impl Verdict {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Row(status) => status.as_str(),
            Self::ToCome => "to_come",
            Self::Undecided => "undecided",
            Self::Backlog => "backlog",
            Self::NotAnInstant => "not_an_instant",
            Self::BeforeAccount => "before_account",
            Self::Unaccounted => "unaccounted",
            Self::Waiting => "waiting",
            Self::Paused => "paused",
            Self::Disabled => "disabled",
            Self::Finished => "finished",
            Self::Stopping => "stopping",
            Self::Gone => "gone",
        }
    }
}

/// Says why.
pub fn explain(facts: Facts<'_>) -> Explanation {
    let case = Case {
        zone: zone(&facts),
        facts,
    };
    let mut answer = match facts.at {
        Some(at) => case.of_time(at),
        None => case.of_now(),
    };
    let mut seen = std::collections::BTreeSet::new();
    answer
        .sentences
        .retain(|sentence| seen.insert(sentence.clone()));
    answer
}

/// The facts, and the zone in which times are told.
struct Case<'a> {
    facts: Facts<'a>,
    zone: TimeZone,
}

/// The zone of the schedule in question, else of the one that is in force, else of the last.
fn zone(facts: &Facts<'_>) -> TimeZone {
    let then = facts.at.and_then(|at| facts.history.in_force(at));
    let then = then.and_then(|then| Some(then.schedule.ok()?.zone().clone()));
    let now = || Some(facts.standing?.plan.schedule()?.zone().clone());
    let last = || Some(facts.history.last()?.schedule.ok()?.zone().clone());
    then.or_else(now)
        .or_else(last)
        .unwrap_or_else(|| facts.zone.clone())
}

impl<'a> Case<'a> {
    /// A time, as a clock of the zone shows it.
    fn clock(&self, t: Timestamp) -> String {
        clock_time(t, &self.zone)
    }

    /// The same to the second: nobody needs to know better when somebody did something.
    fn moment(&self, t: Timestamp) -> String {
        self.clock(Timestamp::from_second(t.as_second()).unwrap_or(t))
    }

    fn plan(&self) -> Option<&'a Plan> {
        self.facts.standing.map(|it| it.plan)
    }

    /// What is remembered of the job: what the ledger says of its account, else (it is new) what the
    /// daemon does.
    fn account(&self) -> Option<&'a JobFlags> {
        let known = self.facts.record.flags.as_ref();
        known.or_else(|| self.facts.standing.map(|it| it.flags))
    }

    /// Other runs of the job that were under way at a time.
    fn under_way(&self, t: Timestamp, except: Option<&Run>) -> Vec<&'a Run> {
        let (record, now) = (self.facts.record, self.facts.now);
        let under_way = |run: &&Run| {
            let began = run.started_at.is_some_and(|started| started <= t);
            let went_on = match run.finished_at {
                Some(finished) => finished > t,
                None => !run.status.is_final() && t <= now,
            };
            began && went_on && except.is_none_or(|other| other.id != run.id)
        };
        record.earlier.iter().filter(under_way).collect()
    }
}

/// A sentence: its first letter large, a full stop behind it.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|c| c.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}

/// Things in a row, the last behind an "and".
fn listed(things: &[String]) -> String {
    match things {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}
