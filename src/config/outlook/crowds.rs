//! Many jobs due in one second: more than a machine starts at once, or than a pool lets run.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};

use crate::job::{JobName, Plan, Pool};

/// From this many jobs due in one second on, they are a herd: starting them takes a machine with
/// few cores a good part of that second.
const HERD: usize = 100;

/// How many of the next fires of each job are looked at.
const FIRES: usize = 3;

/// In how many seconds all jobs are counted for a herd, and in how many those of a pool.
const SECONDS: usize = 10;

/// How many jobs a sentence names.
const NAMED: usize = 3;

/// The next fires of every job.
pub(super) struct Crowds<'p>(Vec<Coming<'p>>);

/// The next fires of one job.
struct Coming<'p> {
    plan: &'p Plan,
    /// The seconds in which it is due next, rising. A job that is due several times within a second
    /// is one process of the crowd at a time.
    seconds: Vec<i64>,
    /// Whether it has no others.
    ends: bool,
}

impl<'p> Crowds<'p> {
    /// As seen from `now`.
    pub(super) fn ahead(plans: impl Iterator<Item = &'p Plan>, now: Timestamp) -> Self {
        let coming = plans.map(|plan| {
            let fires =
                std::iter::successors(plan.next_firing_after(now), |&t| plan.next_firing_after(t));
            let fires: Vec<_> = fires.take(FIRES).collect();
            let mut seconds: Vec<_> = fires.iter().map(|&t| second_of(plan.due_at(t))).collect();
            seconds.dedup();
            Coming {
                plan,
                seconds,
                ends: fires.len() < FIRES,
            }
        });
        Self(coming.filter(|it| !it.seconds.is_empty()).collect())
    }

    /// Seconds in which very many jobs are due; each herd once.
    pub(super) fn herds(&self) -> Vec<String> {
        let all: Vec<_> = self.0.iter().collect();
        let mut told = BTreeSet::new();
        let mut herds = Vec::new();
        for (second, jobs) in crowded(&all, HERD) {
            if let Ok(at) = Timestamp::from_second(second)
                && told.insert(jobs.clone())
            {
                herds.push(format!(
                    "{} jobs are due in the second of {at}: spread them with `jitter`, or with `H` \
                     in their cron expressions",
                    jobs.len()
                ));
            }
        }
        herds
    }

    /// Pools that have fewer slots than jobs due in one second.
    pub(super) fn pools(&self, pools: &BTreeMap<String, Pool>) -> Vec<String> {
        let mut members: BTreeMap<&str, Vec<&Coming>> = BTreeMap::new();
        for coming in &self.0 {
            let pool = coming.plan.pool.as_str();
            members.entry(pool).or_default().push(coming);
        }
        let notes = members.into_iter().filter_map(|(name, members)| {
            let slots = pools.get(name)?.slots;
            let more = usize::try_from(slots).ok()?.checked_add(1)?;
            let crowds = crowded(&members, more).into_iter();
            let (second, jobs) =
                crowds.max_by_key(|(second, jobs)| (jobs.len(), Reverse(*second)))?;
            let at = Timestamp::from_second(second).ok()?;
            Some(too_small(name, slots, &jobs, at))
        });
        notes.collect()
    }
}

fn too_small(pool: &str, slots: u32, jobs: &[&JobName], at: Timestamp) -> String {
    let named: Vec<_> = jobs.iter().take(NAMED).map(|job| job.as_str()).collect();
    let mut named = named.join(", ");
    if jobs.len() > NAMED {
        let _ = write!(named, " and {} more", jobs.len() - NAMED);
    }
    let plural = if slots == 1 { "" } else { "s" };
    format!(
        "pool `{pool}` has {slots} slot{plural}, and {} of its jobs are due in the second of {at} \
         ({named}): what finds no slot waits; set their times apart, give the pool more `slots`, or \
         leave it if they are to wait for each other",
        jobs.len()
    )
}

/// Seconds in which at least so many of the jobs are due, in order, each with their names.
fn crowded<'p>(jobs: &[&Coming<'p>], least: usize) -> Vec<(i64, Vec<&'p JobName>)> {
    if jobs.len() < least {
        return Vec::new();
    }
    let mut seconds = candidates(jobs);
    seconds.sort_unstable();
    let crowds = seconds.into_iter().map(|second| {
        let due = jobs.iter().filter(|job| job.is_due_in(second));
        (second, due.map(|job| &job.plan.name).collect::<Vec<_>>())
    });
    crowds.filter(|(_, due)| due.len() >= least).collect()
}

/// The seconds that are worth counting all jobs in: those in which most jobs have one of their next
/// fires. Of several such it is the next fires of the rarest jobs, which meet the others there.
fn candidates(jobs: &[&Coming<'_>]) -> Vec<i64> {
    let mut counts: BTreeMap<i64, (usize, i64)> = BTreeMap::new();
    for job in jobs {
        let rareness = match job.seconds[..] {
            [first, second, ..] => second - first,
            _ => i64::MAX,
        };
        for &second in &job.seconds {
            let (count, rarest) = counts.entry(second).or_insert((0, 0));
            *count += 1;
            *rarest = rareness.max(*rarest);
        }
    }
    let mut seconds: Vec<_> = counts.into_iter().collect();
    seconds.sort_by_key(|&(second, (count, rareness))| (Reverse(count), Reverse(rareness), second));
    seconds.truncate(SECONDS);
    seconds.into_iter().map(|(second, _)| second).collect()
}

impl Coming<'_> {
    fn is_due_in(&self, second: i64) -> bool {
        match self.seconds.last() {
            Some(&last) if !self.ends && second > last => self.is_due_later_in(second),
            _ => self.seconds.binary_search(&second).is_ok(),
        }
    }

    /// Whether it is due in a second beyond its next fires.
    fn is_due_later_in(&self, second: i64) -> bool {
        let Some(schedule) = self.plan.schedule() else {
            return false;
        };
        let end = Timestamp::from_second(second + 1).and_then(|end| end.checked_sub(TICK));
        let newest = end.ok().and_then(|end| schedule.last_through(end));
        let nominal = std::iter::successors(newest, |&t| {
            let before = t.checked_sub(TICK).ok()?;
            schedule.last_through(before)
        });
        // With jitter a fire is due up to that much later than its instant, but before the next one,
        // so this is one of the newest two, or another within this second.
        let mut due = nominal.map(|nominal| (nominal, second_of(schedule.due_at(nominal))));
        due.find(|&(_, due)| due <= second)
            .is_some_and(|(nominal, due)| due == second && schedule.excluded_by(nominal).is_none())
    }
}

/// The smallest step between instants that matters here.
const TICK: SignedDuration = SignedDuration::from_micros(1);

fn second_of(t: Timestamp) -> i64 {
    t.as_second() - i64::from(t.subsec_nanosecond() < 0)
}
