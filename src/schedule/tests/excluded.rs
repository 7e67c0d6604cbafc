//! What calendars exclude, against a walk that looks at each instant by itself.

use std::sync::Arc;

use jiff::ToSpan;
use jiff::civil::{Date, date};
use proptest::prelude::*;

use super::properties::{any_expression, moment};
use super::*;

/// A schedule with calendars of these days.
fn with(rule: Rule, zone: &str, calendars: &[(&str, Vec<Date>)]) -> Schedule {
    let mut spec = spec(rule, zone);
    for (name, days) in calendars {
        let calendar = Calendar::new(*name, days.iter().copied());
        spec.exclude.push(Arc::new(calendar));
    }
    Schedule::new(spec, "job").unwrap()
}

/// Far from what a look at each instant would take, which is minutes and more.
fn quickly(what: &str, work: impl FnMut()) {
    within(Duration::from_secs(1), what, work);
}

/// Days in a row.
fn span(first: Date, days: i32) -> Vec<Date> {
    (0..days).map(|n| first + n.days()).collect()
}

/// What a walk says of an instant: jiff's own local date, looked up in each calendar in turn.
fn naive(schedule: &Schedule, instant: Timestamp) -> Option<&str> {
    let day = instant.to_zoned(schedule.zone().clone()).date();
    let calendars = schedule.spec().exclude.iter();
    let mut excluding = calendars.filter(|calendar| calendar.contains(day));
    excluding.next().map(|calendar| calendar.name())
}

#[test]
fn an_instant_is_excluded_by_its_local_date() {
    let holidays = vec![date(2026, 12, 25), date(2026, 12, 26)];
    let paris = with(
        Rule::Every(Duration::from_hours(1)),
        "Europe/Paris",
        &[("holidays", holidays)],
    );
    // 25 December begins at 23:00 UTC there.
    assert_eq!(paris.excluded_by(t("2026-12-24T22:59:59.999999Z")), None);
    assert_eq!(
        paris.excluded_by(t("2026-12-24T23:00:00Z")),
        Some("holidays")
    );
    assert_eq!(
        paris.excluded_by(t("2026-12-26T22:59:59.999999Z")),
        Some("holidays")
    );
    assert_eq!(paris.excluded_by(t("2026-12-26T23:00:00Z")), None);
    let before = t("2026-12-24T22:00:00Z");
    // Named all the same.
    assert_eq!(paris.next_after(before), Some(t("2026-12-24T23:00:00Z")));
    assert_eq!(paris.count(before, t("2026-12-26T23:00:00Z")), 49);
    assert_eq!(
        paris.next_firing_after(before),
        Some(t("2026-12-26T23:00:00Z"))
    );
    let (last, by) = paris.excluded_run(t("2026-12-24T23:00:00Z"), t("2027-01-01T00:00:00Z"));
    assert_eq!((last, by), (t("2026-12-26T22:00:00Z"), Some("holidays")));
    assert!(
        paris.text().ends_with(", except on days of holidays"),
        "{}",
        paris.text()
    );
}

#[test]
fn a_day_that_a_clock_change_repeats_is_excluded_both_times() {
    // At 00:01 on 1 November 2009 the clocks went back to 23:01 of the day before.
    let only = |day| {
        with(
            Rule::Every(Duration::from_mins(1)),
            "America/St_Johns",
            &[("c", vec![day])],
        )
    };
    let change = t("2009-11-01T02:31:00Z");
    let minute = SignedDuration::from_mins(1);
    let october = only(date(2009, 10, 31));
    assert_eq!(october.excluded_by(change - minute), None);
    assert_eq!(october.excluded_by(change - minute * 2), Some("c"));
    assert_eq!(october.excluded_by(change), Some("c"));
    let (first, end) = (change - minute * 10, change + minute * 90);
    assert_eq!(
        october.excluded_run(first, end),
        (change - minute * 2, Some("c"))
    );
    assert_eq!(
        october.excluded_run(change - minute, end),
        (change - minute, None)
    );
    assert_eq!(
        october.excluded_run(change, end),
        (change + minute * 58, Some("c"))
    );
    let november = only(date(2009, 11, 1));
    assert_eq!(
        november.next_firing_after(change - minute * 2),
        Some(change)
    );
}

#[test]
fn the_first_calendar_in_the_list_is_the_one_that_excludes() {
    let day = |n| date(2026, 3, n);
    let calendars = [
        ("a", vec![day(3)]),
        ("b", span(day(2), 3)),
        ("none", vec![]),
    ];
    let daily = with(list(&["0 12 * * *"]), "UTC", &calendars);
    let by: Vec<_> = (1..7)
        .map(|n| {
            daily.excluded_by(
                day(n)
                    .at(12, 0, 0, 0)
                    .to_zoned(TimeZone::UTC)
                    .unwrap()
                    .timestamp(),
            )
        })
        .collect();
    assert_eq!(by, [None, Some("b"), Some("a"), Some("b"), None, None]);
}

#[test]
fn thousands_of_days_cost_little() {
    let (from, far) = (t("2026-01-01T00:00:00Z"), t("2190-01-01T00:00:00Z"));
    let weekends: Vec<Date> = span(date(2026, 1, 1), 60_000)
        .into_iter()
        .filter(|day| day.weekday().to_monday_zero_offset() >= 5)
        .collect();
    let everything = span(date(2020, 1, 1), 65_000);
    let fast = Rule::Every(Duration::from_millis(100));
    // All days at once.
    let never = with(fast.clone(), "Europe/Paris", &[("all", everything.clone())]);
    quickly("all days", || {
        assert_eq!(never.next_firing_after(from), None);
    });
    // Each instant in another run of days.
    let weekend = with(
        list(&["*/5 * * * * SAT,SUN"]),
        "Europe/Paris",
        &[("weekends", weekends.clone())],
    );
    quickly("each weekend", || {
        assert_eq!(weekend.next_firing_after(from), None);
    });
    // A downtime of 164 years, all excluded, and all but the weekends not.
    quickly("one run of everything", || {
        let first = never.next_after(from).unwrap();
        let (last, by) = never.excluded_run(first, t("2190-01-01T00:00:00.05Z"));
        assert_eq!((last, by), (far, Some("all")));
    });
    let workdays = with(
        list(&["*/5 * * * * MON-FRI"]),
        "Europe/Paris",
        &[("weekends", weekends)],
    );
    quickly("a run around each weekend", || {
        let first = workdays.next_after(from).unwrap();
        let through = t("2046-01-01T00:00:00Z");
        let run = workdays.excluded_run(first, through);
        assert_eq!(run, (workdays.last_through(through).unwrap(), None));
    });
    // What comes rarely is found however far it is.
    let rare = with(
        list(&["0 0 0 1 1 * 2026,2190"]),
        "UTC",
        &[("c", vec![date(2026, 1, 1)])],
    );
    assert_eq!(rare.next_firing_after(t("2025-01-01T00:00:00Z")), Some(far));
    // A one-shot on an excluded day.
    let once = with(
        Rule::At(t("2026-06-01T00:00:00Z")),
        "UTC",
        &[("all", everything)],
    );
    assert_eq!(once.next_firing_after(from), None);
    assert_eq!(once.next_after(from), Some(t("2026-06-01T00:00:00Z")));
}

#[test]
fn old_ledgers_have_schedules_without_calendars() {
    let old =
        r#"{"rule":{"every":{"secs":60,"nanos":0}},"timezone":"UTC","start":null,"end":null}"#;
    let read: ScheduleSpec = serde_json::from_str(old).unwrap();
    assert_eq!(read, spec(Rule::Every(Duration::from_mins(1)), "UTC"));
    assert!(!serde_json::to_string(&read).unwrap().contains("exclude"));
    let mut new = read.clone();
    new.exclude
        .push(Arc::new(Calendar::new("c", [date(2026, 1, 1)])));
    let text = serde_json::to_string(&new).unwrap();
    assert!(
        text.contains(r#""exclude":[{"calendar":"c","days":"2026-01-01"}]"#),
        "{text}"
    );
    assert_eq!(serde_json::from_str::<ScheduleSpec>(&text).unwrap(), new);
    assert!(read.names_the_same(&new) && read != new);
    new.timezone = "Europe/Paris".to_owned();
    assert!(!read.names_the_same(&new));
}

fn any_rule() -> impl Strategy<Value = Rule> {
    let every = proptest::sample::select(vec![
        Duration::from_millis(14_500_250),
        Duration::from_mins(7),
        Duration::from_mins(30),
        Duration::from_hours(5),
        Duration::from_hours(24),
        Duration::from_hours(7 * 24),
    ]);
    prop_oneof![
        3 => any_expression().prop_map(|text| list(&[&text])),
        2 => every.prop_map(Rule::Every),
    ]
}

proptest! {
    #[test]
    fn a_walk_says_the_same(
        rule in any_rule(),
        (zone, at) in moment(),
        calendars in proptest::collection::vec(
            proptest::collection::vec((-3..30_i32, 1..4_i32), 0..12), 0..4,
        ),
        bounded in proptest::option::of(1..40_i64),
    ) {
        let today = at.to_zoned(TimeZone::get(zone).unwrap()).date();
        let names = ["a", "b", "c", "d"];
        let calendars: Vec<_> = names.iter().zip(&calendars).map(|(&name, runs)| {
            let runs = runs.iter();
            (name, runs.flat_map(|&(from, days)| span(today + from.days(), days)).collect())
        }).collect();
        let mut spec = with(Rule::At(at), zone, &calendars).spec().clone();
        spec.rule = rule;
        spec.end = bounded.map(|days| at + SignedDuration::from_hours(24 * days));
        let Ok(schedule) = Schedule::new(spec, "job") else { return Ok(()) };
        // What fires every minute would be a long walk over a month; an hour of each day will do.
        let through = at + SignedDuration::from_hours(24 * 35);
        let fires: Vec<_> = walk(&schedule, at, through).into_iter().take(3_000).collect();
        let Some(&through) = fires.last() else { return Ok(()) };
        let by: Vec<_> = fires.iter().map(|&fire| naive(&schedule, fire)).collect();
        for (&fire, &by) in fires.iter().zip(&by) {
            prop_assert_eq!(schedule.excluded_by(fire), by, "{}", fire);
        }
        // The runs are the longest ones, and together they are the walk.
        let mut place = 0;
        while place < fires.len() {
            let length = by[place..].iter().take_while(|&&other| other == by[place]).count();
            let run = schedule.excluded_run(fires[place], through);
            prop_assert_eq!(run, (fires[place + length - 1], by[place]));
            let middle = place + length / 2;
            let shorter = schedule.excluded_run(fires[place], fires[middle]);
            prop_assert_eq!(shorter, (fires[middle.min(place + length - 1)], by[place]));
            place += length;
        }
        // The next firing one, from before each; what lies behind the walk is not compared.
        let before = std::iter::once(at).chain(fires.iter().copied());
        for (place, before) in before.enumerate().step_by(1 + fires.len() / 200) {
            let wanted = (place..fires.len()).find(|&n| by[n].is_none()).map(|n| fires[n]);
            let found = schedule.next_firing_after(before);
            prop_assert_eq!(found.filter(|&found| found <= through), wanted);
        }
    }
}
