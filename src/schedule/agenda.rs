//! The instants of many schedules as one list.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use jiff::Timestamp;

use super::Schedule;

/// Instants of schedules in order, without those that a calendar excludes; those of one instant in
/// the order in which their schedules were given. Each step asks one schedule for one instant, so
/// taking the first few costs little however many schedules there are.
#[derive(Debug)]
pub struct Agenda<'a, K> {
    entries: Vec<(K, &'a Schedule)>,
    coming: BinaryHeap<Reverse<(Timestamp, usize)>>,
}

impl<'a, K> FromIterator<(K, &'a Schedule, Timestamp)> for Agenda<'a, K> {
    /// Each schedule with what it is called by and its first instant to list.
    fn from_iter<I: IntoIterator<Item = (K, &'a Schedule, Timestamp)>>(schedules: I) -> Self {
        let mut agenda = Self {
            entries: Vec::new(),
            coming: BinaryHeap::new(),
        };
        for (number, (key, schedule, first)) in schedules.into_iter().enumerate() {
            agenda.entries.push((key, schedule));
            agenda.coming.push(Reverse((first, number)));
        }
        agenda
    }
}

impl<'a, K: Clone> Iterator for Agenda<'a, K> {
    type Item = (Timestamp, K, &'a Schedule);

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((instant, number)) = self.coming.pop()?;
        let (key, schedule) = self.entries.get(number)?;
        if let Some(next) = schedule.next_firing_after(instant) {
            self.coming.push(Reverse((next, number)));
        }
        Some((instant, key.clone(), schedule))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rule, ScheduleSpec};
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn schedule(rule: Rule) -> Schedule {
        let spec = ScheduleSpec {
            rule,
            timezone: "UTC".to_owned(),
            tzdb: None,
            start: None,
            end: None,
            jitter: Duration::ZERO,
            exclude: Vec::new(),
        };
        Schedule::new(spec, "a").unwrap()
    }

    fn every(seconds: u64) -> Schedule {
        schedule(Rule::Every(Duration::from_secs(seconds)))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn nothing_names_nothing_and_what_ends_ends() {
        let none: Vec<(u8, &Schedule, Timestamp)> = Vec::new();
        assert_eq!(none.into_iter().collect::<Agenda<_>>().count(), 0);
        let once = schedule(Rule::At(at(5)));
        let agenda: Agenda<_> = [("a", &once, at(5))].into_iter().collect();
        let listed: Vec<_> = agenda.map(|(instant, key, _)| (instant, key)).collect();
        assert_eq!(listed, [(at(5), "a")]);
    }

    #[test]
    fn what_is_excluded_is_not_listed() {
        let mut spec = every(43_200).spec().clone();
        let day = jiff::civil::date(1970, 1, 2);
        let calendar = super::super::Calendar::new("c", [day]);
        spec.exclude.push(std::sync::Arc::new(calendar));
        let schedule = Schedule::new(spec, "a").unwrap();
        let agenda: Agenda<_> = [((), &schedule, at(43_200))].into_iter().collect();
        let listed: Vec<_> = agenda
            .take(3)
            .map(|(instant, ..)| instant.as_second())
            .collect();
        assert_eq!(listed, [43_200, 172_800, 216_000]);
    }

    proptest! {
        /// The law: the first so many are those of all lists put together and sorted.
        #[test]
        fn it_is_all_lists_in_one(periods in prop::collection::vec(1_u64..50, 1..8)) {
            let schedules: Vec<_> = periods.iter().map(|&period| every(period)).collect();
            let agenda: Agenda<_> = schedules
                .iter()
                .enumerate()
                .map(|(number, schedule)| (number, schedule, schedule.next_after(at(0)).unwrap()))
                .collect();
            let listed: Vec<_> = agenda
                .take_while(|(instant, ..)| *instant <= at(200))
                .map(|(instant, key, _)| (instant.as_second(), key))
                .collect();
            let mut expected: Vec<_> = (0..)
                .zip(&periods)
                .flat_map(|(number, &period)| {
                    let period = i64::try_from(period).unwrap();
                    (1..=200 / period).map(move |times| (times * period, number))
                })
                .collect();
            expected.sort_unstable();
            prop_assert_eq!(listed, expected);
        }
    }
}
