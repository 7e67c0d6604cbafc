//! What the clock starts within a stretch of time. Pure: schedules and instants are arguments.

use std::collections::HashMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::job::JobName;
use crate::schedule::{Agenda, Schedule, ScheduleSpec};

/// A job with at most this many instants a slot is walked: that costs less than counting each slot.
const WALKED_PER_SLOT: u64 = 2;

/// Instants from `from` on, before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stretch {
    pub from: Timestamp,
    pub to: Timestamp,
}

/// Jobs that the clock starts, and the time that is looked at.
#[derive(Debug)]
pub(super) struct Forecast<'c> {
    pub jobs: Vec<(&'c JobName, &'c Schedule)>,
    pub stretch: Stretch,
}

/// How many fires there are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tally {
    /// In each slot.
    pub slots: Vec<u64>,
    /// In all.
    pub fires: u64,
    /// How many jobs they are of.
    pub jobs: u64,
    /// How many instants are none, since a calendar excludes their day.
    pub excluded: u64,
}

impl<'c> Forecast<'c> {
    /// The fires in order of their instants; those of one instant in the order of the jobs.
    pub(super) fn fires(&self) -> impl Iterator<Item = (Timestamp, &'c JobName, &'c Schedule)> {
        let Stretch { from, to } = self.stretch;
        let jobs = self.jobs.iter();
        let agenda: Agenda<_> = jobs
            .filter_map(|&(job, schedule)| Some((job, schedule, first(schedule, from)?)))
            .collect();
        agenda.take_while(move |&(instant, ..)| instant < to)
    }

    /// How many fires begin in each slot. `edges` are the starts of the slots, the first of them the
    /// start of the stretch; the last slot ends with it. `told` hears of so many jobs that are done.
    pub(super) fn tally(&self, edges: &[Timestamp], mut told: impl FnMut(usize)) -> Tally {
        let mut tally = Tally {
            slots: vec![0; edges.len()],
            fires: 0,
            jobs: 0,
            excluded: 0,
        };
        let Stretch { from, to } = self.stretch;
        for (schedule, jobs) in self.kinds() {
            let slots = self.slots(schedule, edges);
            let fires: u64 = slots.iter().sum();
            for (all, own) in tally.slots.iter_mut().zip(slots) {
                *all += own * jobs;
            }
            tally.fires += fires * jobs;
            tally.jobs += if fires > 0 { jobs } else { 0 };
            let named = schedule.count(just_before(from), just_before(to));
            tally.excluded += named.saturating_sub(fires) * jobs;
            told(usize::try_from(jobs).unwrap_or(usize::MAX));
        }
        tally
    }

    /// The schedules, those that name the same instants once, with how many jobs have them.
    fn kinds(&self) -> Vec<(&'c Schedule, u64)> {
        let mut kinds: Vec<(&Schedule, u64)> = Vec::new();
        let mut known = HashMap::new();
        for &(job, schedule) in &self.jobs {
            let spec = ScheduleSpec {
                jitter: Duration::ZERO,
                ..schedule.spec().clone()
            };
            let instants = serde_json::to_string(&spec).expect("a spec is plain data");
            // `H` means another instant for each job.
            let hashed = schedule.kind() == "cron" && schedule.expression().contains(['H', 'h']);
            let key = (instants, hashed.then_some(job));
            let place = *known.entry(key).or_insert(kinds.len());
            match kinds.get_mut(place) {
                Some((_, jobs)) => *jobs += 1,
                None => kinds.push((schedule, 1)),
            }
        }
        kinds
    }

    /// How many fires of one schedule begin in each slot.
    fn slots(&self, schedule: &Schedule, edges: &[Timestamp]) -> Vec<u64> {
        let Stretch { from, to } = self.stretch;
        let mut slots = vec![0; edges.len()];
        if count(schedule, from, to) <= WALKED_PER_SLOT * edges.len() as u64 {
            let fires = std::iter::successors(first(schedule, from), |&t| following(schedule, t));
            for fire in fires.take_while(|&t| t < to) {
                slots[edges.partition_point(|&edge| edge <= fire) - 1] += 1;
            }
            return slots;
        }
        let ends = edges.iter().skip(1).chain([&to]);
        for ((slot, &start), &end) in slots.iter_mut().zip(edges).zip(ends) {
            *slot = count(schedule, start, end);
        }
        slots
    }
}

/// The first fire at or after `t`.
fn first(schedule: &Schedule, t: Timestamp) -> Option<Timestamp> {
    following(schedule, just_before(t))
}

/// The first fire later than `t`: an instant on a day that is excluded is none.
fn following(schedule: &Schedule, t: Timestamp) -> Option<Timestamp> {
    schedule.next_firing_after(t)
}

/// How many fires there are from `start` on, before `end`.
fn count(schedule: &Schedule, start: Timestamp, end: Timestamp) -> u64 {
    let through = just_before(end);
    if schedule.spec().exclude.is_empty() {
        return schedule.count(just_before(start), through);
    }
    let mut fires = 0;
    let mut next = schedule.next_after(just_before(start));
    while let Some(first) = next.filter(|&first| first <= through) {
        let (last, calendar) = schedule.excluded_run(first, through);
        if calendar.is_none() {
            fires += schedule.count(just_before(first), last);
        }
        next = schedule.next_after(last);
    }
    fires
}

/// The last moment that is not `t` yet.
fn just_before(t: Timestamp) -> Timestamp {
    t.checked_sub(SignedDuration::from_nanos(1)).unwrap_or(t)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::simulate::slots;
    use crate::schedule::{Calendar, Rule};
    use jiff::civil::date;
    use jiff::tz::TimeZone;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn schedule(rule: Rule, exclude: Vec<Calendar>, name: &JobName) -> Schedule {
        let spec = ScheduleSpec {
            rule,
            timezone: "Europe/Paris".to_owned(),
            tzdb: None,
            start: None,
            end: None,
            jitter: Duration::ZERO,
            exclude: exclude.into_iter().map(Arc::new).collect(),
        };
        Schedule::new(spec, name.as_str()).unwrap()
    }

    #[test]
    fn a_fire_at_the_start_counts_and_one_at_the_end_does_not() {
        let name = JobName::new("a").unwrap();
        let hourly = schedule(Rule::Every(Duration::from_hours(1)), Vec::new(), &name);
        let forecast = Forecast {
            jobs: vec![(&name, &hourly)],
            stretch: Stretch {
                from: at("2026-12-01T10:00:00Z"),
                to: at("2026-12-01T12:00:00Z"),
            },
        };
        let fires: Vec<_> = forecast.fires().map(|(instant, ..)| instant).collect();
        assert_eq!(
            fires,
            [at("2026-12-01T10:00:00Z"), at("2026-12-01T11:00:00Z")]
        );
        let tally = forecast.tally(&fires, |_| {});
        assert_eq!((tally.slots, tally.fires, tally.jobs), (vec![1, 1], 2, 1));
    }

    fn rules() -> impl Strategy<Value = Rule> {
        let crons = [
            "30 2 * * *",
            "*/7 * * * *",
            "H/10 H * * *",
            "*/20 * 1-3 * * *",
            "0 0 0 1 1 * 1999",
        ];
        prop_oneof![
            prop::sample::subsequence(crons.map(str::to_owned).to_vec(), 1..4).prop_map(Rule::Cron),
            (1_u64..100_000).prop_map(|s| Rule::Every(Duration::from_secs(s))),
            (1_774_000_000_i64..1_775_000_000)
                .prop_map(|s| Rule::At(Timestamp::from_second(s).unwrap())),
        ]
    }

    /// Some days of March, or none.
    fn calendars() -> impl Strategy<Value = Vec<Calendar>> {
        let days = prop::sample::subsequence((26..=31).collect::<Vec<i8>>(), 0..4);
        days.prop_map(|days| {
            let days: Vec<_> = days.into_iter().map(|day| date(2026, 3, day)).collect();
            if days.is_empty() {
                Vec::new()
            } else {
                vec![Calendar::new("c", days)]
            }
        })
    }

    proptest! {
        /// The law: whether a job is walked or counted, slots are what the list holds, and the list
        /// is what the schedules name, without the days that are excluded.
        #[test]
        fn slots_hold_what_is_listed(
            mut jobs in prop::collection::vec((rules(), calendars()), 1..4),
            // Around the night of 29 March on which the clocks change.
            from in 1_774_600_000_i64..1_774_800_000,
            length in 1_i64..200_000,
        ) {
            // Some jobs have the same schedule.
            jobs.extend_from_within(1..);
            let paris = TimeZone::get("Europe/Paris").unwrap();
            let names = 0..jobs.len();
            let names: Vec<_> = names.map(|n| JobName::new(&n.to_string()).unwrap()).collect();
            let schedules: Vec<_> = jobs
                .into_iter()
                .zip(&names)
                .map(|((rule, exclude), name)| schedule(rule, exclude, name))
                .collect();
            let stretch = Stretch {
                from: Timestamp::from_second(from).unwrap(),
                to: Timestamp::from_second(from + length).unwrap(),
            };
            let forecast = Forecast { jobs: names.iter().zip(&schedules).collect(), stretch };
            let slots = slots::of(stretch, &paris);
            let edges: Vec<_> = slots.iter().map(|slot| slot.start).collect();
            let mut listed = vec![0; edges.len()];
            let mut last = None;
            for (instant, ..) in forecast.fires() {
                prop_assert!(stretch.from <= instant && instant < stretch.to);
                prop_assert!(last <= Some(instant));
                last = Some(instant);
                listed[edges.iter().rposition(|&edge| edge <= instant).unwrap()] += 1;
            }
            let (mut fires, mut excluded) = (0, 0);
            for schedule in &schedules {
                let mut t = just_before(stretch.from);
                while let Some(next) = schedule.next_after(t).filter(|&next| next < stretch.to) {
                    t = next;
                    match schedule.excluded_by(next) {
                        None => fires += 1,
                        Some(_) => excluded += 1,
                    }
                }
            }
            let tally = forecast.tally(&edges, |_| {});
            prop_assert_eq!((tally.fires, tally.excluded), (fires, excluded));
            prop_assert_eq!(tally.slots, listed);
        }
    }
}
