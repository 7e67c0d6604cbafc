//! Mixed jobs in every zone whose clock changes within the year 2026, and the account of them.
//!
//! `benches/year.rs` lets the whole year pass, five million fires; the tests here let the nights
//! pass on which the clocks change.

#[path = "../../benches/machine/mod.rs"]
mod machine;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use machine::{Keep, Machine, Quick};
use punctual::config::{self, Environment};
use punctual::job::{JobFlags, JobName, Plan, Pool, Run, RunId, Status, Write};
use punctual::schedule::{Schedule, ScheduleSpec};

/// What each zone has: fixed times, wildcards, lists, ranges, a choice by name, an interval, a
/// window, jitter, excluded days; most of it at the hours at which clocks change.
const JOBS: [(&str, &str); 12] = [
    ("nightly", "cron = '30 2 * * *'"),
    ("minutes", "cron = '15 1-3 * * *'"),
    ("range", "cron = '0 1-3 * * *'"),
    ("midnight", "cron = '5 0 * * *'"),
    ("half-hourly", "cron = '*/30 * * * *'"),
    ("steps", "cron = '*/30 1-3 * * *'"),
    ("chosen", "cron = 'H H(1-3) * * *'"),
    ("two", "cron = ['30 2 * * *', '0 3 * * SUN']"),
    ("monthly", "cron = '15 2 L * *'"),
    ("interval", "every = '12h'"),
    ("spread", "cron = '0 */12 * * *'\njitter = '20m'"),
    (
        "working-days",
        "cron = '0 3 * * *'\nexclude = ['weekends']\nstart = '2026-02-01T00:00:00Z'\n\
         end = '2026-12-01T00:00:00Z'",
    ),
];

/// At most so many problems are listed.
const LISTED: usize = 20;

/// A year that the machine may live through.
pub fn year() -> (Timestamp, Timestamp) {
    let at = |text: &str| text.parse().expect("it is a time");
    (at("2026-01-01T00:00:00Z"), at("2027-01-01T00:00:00Z"))
}

/// When the clock of a zone changes within the year.
fn changes(zone: &TimeZone) -> Vec<Timestamp> {
    let (begin, end) = year();
    let mut offset = zone.to_offset(begin);
    let within = zone.following(begin).take_while(|it| it.timestamp() < end);
    within
        .filter(|change| std::mem::replace(&mut offset, change.offset()) != change.offset())
        .map(|change| change.timestamp())
        .collect()
}

/// The zones of the database whose clock changes within the year, with when.
pub fn zones() -> BTreeMap<String, Vec<Timestamp>> {
    let names = jiff::tz::db().available();
    let zones = names.filter_map(|name| {
        let name = name.as_str();
        let elsewhere = ["posix/", "right/"].iter().any(|it| name.starts_with(it));
        let usable = !elsewhere && !["localtime", "posixrules", "Factory"].contains(&name);
        let zone = TimeZone::get(name).ok().filter(|_| usable)?;
        Some((name.to_owned(), changes(&zone))).filter(|(_, changes)| !changes.is_empty())
    });
    zones.collect()
}

/// The jobs of these zones, as a config says them.
pub fn plans<'z>(zones: impl Iterator<Item = &'z String>) -> BTreeMap<JobName, Arc<Plan>> {
    let weekends = weekends().join("', '");
    let mut text = format!("[calendars.weekends]\ndates = ['{weekends}']\n");
    for zone in zones {
        let place = zone.to_lowercase().replace('/', ".").replace('+', "plus");
        for (kind, lines) in JOBS {
            let job = format!("[jobs.'{place}-{kind}']\ntimezone = '{zone}'\n{lines}\n");
            text.push_str(&job);
            text.push_str("command = ['true']\n");
        }
    }
    let config = config::parse(Path::new("year.toml"), &text, &Environment::of_process());
    config.unwrap_or_else(|report| panic!("{report}")).jobs
}

/// The Saturdays and Sundays of the year.
fn weekends() -> Vec<String> {
    let first = jiff::civil::date(2026, 1, 1);
    let days = first.series(jiff::ToSpan::days(1)).take(366);
    let free = days.filter(|day| day.weekday().to_monday_zero_offset() >= 5);
    free.map(|day| day.to_string()).collect()
}

/// A row of the account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    pub id: RunId,
    pub status: Status,
    pub first: Timestamp,
    /// Of a span: its last instant, and how many there are.
    pub span: Option<(Timestamp, u64)>,
}

/// All that the ledger was told of one job.
pub struct Account {
    pub job: JobName,
    pub plan: Arc<Plan>,
    /// What is over, in the order in which it came.
    pub rows: Vec<Row>,
    /// What may still change.
    live: Vec<Row>,
    pub flags: Option<JobFlags>,
    /// Since when which schedule counts.
    pub schedule: Option<(Timestamp, ScheduleSpec)>,
}

/// The account of all jobs: what a ledger keeps, in little room.
pub struct Accounts {
    pub jobs: Vec<Account>,
    places: Quick<JobName, usize>,
    /// The place of the job that was written of last, which is often written of again.
    recent: usize,
}

/// What the account came to.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// How many instants the schedules name.
    pub instants: u64,
    /// How many of them ran.
    pub ran: u64,
    /// How many calendars exclude.
    pub excluded: u64,
    /// How many are claimed and not due yet.
    pub ahead: u64,
    /// How many jobs have an account that is not whole.
    pub wrong: u64,
    /// What is wrong, the first few.
    pub problems: Vec<String>,
}

impl Accounts {
    fn new(plans: &BTreeMap<JobName, Arc<Plan>>) -> Self {
        let jobs = plans.iter().map(|(job, plan)| Account {
            job: job.clone(),
            plan: Arc::clone(plan),
            rows: Vec::new(),
            live: Vec::new(),
            flags: None,
            schedule: None,
        });
        Self {
            jobs: jobs.collect(),
            places: plans.keys().cloned().zip(0..).collect(),
            recent: 0,
        }
    }

    fn of(&mut self, job: &JobName) -> &mut Account {
        if self.jobs[self.recent].job != *job {
            self.recent = self.places[job];
        }
        &mut self.jobs[self.recent]
    }

    /// Puts the account in order; what is claimed ahead is a row as well.
    fn close(&mut self) {
        for account in &mut self.jobs {
            account.rows.append(&mut account.live);
            account.rows.sort_by_key(|row| row.first);
        }
    }

    /// Holds the account against the schedules as it was at `now`. It walks backwards, which
    /// dispatch never does.
    pub fn audit(&self, now: Timestamp) -> Verdict {
        let mut verdict = Verdict::default();
        for account in &self.jobs {
            if let Err(problem) = account
                .audit(now, &mut verdict)
                .and_then(|()| account.law())
            {
                verdict.wrong += 1;
                if verdict.problems.len() < LISTED {
                    verdict.problems.push(format!("{} {problem}", account.job));
                }
            }
        }
        verdict
    }
}

impl Account {
    fn put(&mut self, run: &Run) {
        let row = Row {
            id: run.id,
            status: run.status,
            first: run.scheduled_at,
            span: run.span.map(|span| (span.last, span.count)),
        };
        let known = self.live.iter().position(|live| live.id == run.id);
        match (known, run.status.is_final()) {
            (Some(place), false) => self.live[place] = row,
            (None, false) => self.live.push(row),
            (known, true) => {
                known.map(|place| self.live.remove(place));
                // A span that grows is the newest row of its job.
                match self.rows.last_mut() {
                    Some(last) if last.id == run.id => *last = row,
                    _ => self.rows.push(row),
                }
            }
        }
    }

    fn audit(&self, now: Timestamp, verdict: &mut Verdict) -> Result<(), String> {
        let (Some(schedule), Some(flags)) = (self.plan.schedule(), &self.flags) else {
            return Err("has no schedule or no mark".to_owned());
        };
        let (from, spec) = self.schedule.as_ref().ok_or("has no history")?;
        if Some(spec) != self.plan.spec_in_force().as_ref() {
            return Err("has another schedule in its history".to_owned());
        }
        let decided = flags.decided_through;
        if let Some(next) = schedule.next_after(decided)
            && schedule.due_at(next) <= now
        {
            return Err(format!("is decided through {decided}, and due at {next}"));
        }
        let mut instant = schedule.last_through(decided);
        for row in self.rows.iter().rev() {
            let (last, count) = row.span.unwrap_or((row.first, 1));
            if instant != Some(last) {
                return Err(format!("names {instant:?}, and has {row:?}"));
            }
            let mut counted = 0;
            while let Some(named) = instant.filter(|&named| named >= row.first) {
                counted += 1;
                instant = before(schedule, named);
                let excluded = schedule.excluded_by(named).is_some();
                if excluded != (row.status == Status::Skipped) {
                    return Err(format!("is {} at {named}", row.status));
                }
            }
            if counted != count {
                return Err(format!("has a row of {count} for {counted} instants"));
            }
            match row.status {
                Status::Succeeded => verdict.ran += 1,
                Status::Skipped => verdict.excluded += count,
                Status::Scheduled if schedule.due_at(row.first) > now => verdict.ahead += 1,
                other => return Err(format!("is {other} at {}", row.first)),
            }
            verdict.instants += count;
        }
        match instant.filter(|instant| instant > from) {
            Some(missing) => Err(format!("has no row for {missing}")),
            None => Ok(()),
        }
    }

    /// What is true of some jobs whatever the code of schedules says: a fixed time comes once on
    /// each local day, and elapsed time knows no clock (all clocks change by whole half hours).
    fn law(&self) -> Result<(), String> {
        let Some(schedule) = self.plan.schedule() else {
            return Ok(());
        };
        let kind = |kind: &str| self.job.as_str().ends_with(&format!("-{kind}"));
        let apart = if kind("half-hourly") {
            Some(SignedDuration::from_mins(30))
        } else if kind("interval") {
            Some(SignedDuration::from_hours(12))
        } else {
            None
        };
        let daily = kind("nightly") || kind("midnight");
        let date = |row: &Row| row.first.to_zoned(schedule.zone().clone()).date();
        for pair in self.rows.windows(2) {
            let [one, next] = pair else { continue };
            let elapsed = next.first.duration_since(one.first);
            if apart.is_some_and(|apart| elapsed != apart) {
                return Err(format!("fires at {} and then at {}", one.first, next.first));
            }
            if daily && date(one).tomorrow().ok() != Some(date(next)) {
                return Err(format!("fires on {} and then on {}", date(one), date(next)));
            }
        }
        Ok(())
    }
}

fn before(schedule: &Schedule, instant: Timestamp) -> Option<Timestamp> {
    let earlier = instant.checked_sub(SignedDuration::from_micros(1)).ok()?;
    schedule.last_through(earlier)
}

impl Keep for Accounts {
    fn keep(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Claim(run) | Write::Start(run) | Write::Run(run) => {
                    self.of(&run.job).put(&run);
                }
                Write::Job(flags) => {
                    let account = self.of(&flags.job);
                    account.flags = Some(flags);
                }
                Write::Schedule { job, at, spec } => {
                    self.of(&job).schedule = spec.map(|spec| (at, spec));
                }
                // Nothing is paused, changed or shut down, so no claim is taken back.
                Write::Withdraw(id) => panic!("{id} is withdrawn"),
                Write::CutSpans { job, .. } => panic!("the clock of {job} was right"),
                Write::Attempt(_) | Write::SchedulerPaused(_) => {}
            }
        }
    }
}

impl Verdict {
    /// What both came to.
    pub fn and(mut self, other: Self) -> Self {
        self.instants += other.instants;
        self.ran += other.ran;
        self.excluded += other.excluded;
        self.ahead += other.ahead;
        self.wrong += other.wrong;
        self.problems.extend(other.problems);
        self
    }
}

/// The machine of the jobs after the time that passed.
pub type Passed = Machine<Accounts>;

/// Lets time pass over the jobs; answers the machine as it is then.
pub fn passed(plans: BTreeMap<JobName, Arc<Plan>>, from: Timestamp, to: Timestamp) -> Passed {
    let accounts = Accounts::new(&plans);
    let name = "default".to_owned();
    let pools = BTreeMap::from([(name.clone(), Pool { name, slots: 512 })]);
    let mut machine = Machine::new(plans, pools, accounts, from);
    machine.run_until(to);
    machine.kept.close();
    machine
}
