//! What schedules promise.

mod excluded;
mod properties;
mod refused;

use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::clock::monotonic;

/// No text, however strange, may take longer.
const LIMIT: Duration = Duration::from_millis(100);

/// Zones with every kind of clock change: an hour, half an hour, two hours, at midnight, in January,
/// before midnight, a whole day, and none.
const ZONES: [&str; 14] = [
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",
    "Antarctica/Troll",
    "America/Sao_Paulo",
    "America/Havana",
    "Africa/Casablanca",
    "Africa/Cairo",
    "Asia/Tehran",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/St_Johns",
    "America/Santiago",
    "UTC",
];

/// Fails when something takes longer than the limit each time it is tried: a busy machine may make
/// it wait now and then, but not five times in a row.
fn within_limit(what: &str, work: impl FnMut()) {
    within(LIMIT, what, work);
}

fn within(limit: Duration, what: &str, mut work: impl FnMut()) {
    for _ in 0..5 {
        let begun = monotonic();
        work();
        if begun.elapsed() < limit {
            return;
        }
    }
    panic!("{what} took longer than {limit:?}, five times");
}

fn t(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn spec(rule: Rule, zone: &str) -> ScheduleSpec {
    ScheduleSpec {
        rule,
        timezone: zone.to_owned(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    }
}

fn list(expressions: &[&str]) -> Rule {
    Rule::Cron(expressions.iter().map(|&text| text.to_owned()).collect())
}

fn cron(expressions: &[&str], zone: &str) -> Schedule {
    Schedule::new(spec(list(expressions), zone), "job").unwrap()
}

fn refusal(expression: &str) -> String {
    Schedule::new(spec(list(&[expression]), "UTC"), "job")
        .unwrap_err()
        .to_string()
}

fn walk(schedule: &Schedule, after: Timestamp, through: Timestamp) -> Vec<Timestamp> {
    std::iter::successors(schedule.next_after(after), |&fire| {
        schedule.next_after(fire)
    })
    .take_while(|&fire| fire <= through)
    .collect()
}

/// The fires from an instant on, as local times with their offset.
fn shown(schedule: &Schedule, after: &str, count: usize) -> Vec<String> {
    let zone = schedule.zone();
    std::iter::successors(schedule.next_after(t(after)), |&fire| {
        schedule.next_after(fire)
    })
    .take(count)
    .map(|fire| fire.display_with_offset(zone.to_offset(fire)).to_string())
    .collect()
}

#[test]
fn what_is_accepted() {
    let same = [
        ("0 0 * * 7", "0 0 * * SUN"),
        ("0 0 * * FRI-SUN", "0 0 * * 0,5,6"),
        ("0 0 * * 5-7", "0 0 * * 0,5,6"),
        ("0 0 * * sun-sat", "0 0 * * *"),
        ("0 0 * * FRI-SUN/2", "0 0 * * FRI,SUN"),
        ("00 007 01 * *", "0 7 1 * *"),
        ("\t0  0 1 jAn ? ", "@yearly"),
        ("@midnight", "0 0 * * *"),
        ("0 0 * * MON-WED#2", "0 0 * * 1#2,2#2,3#2"),
        ("0 0 * * FRIL", "0 0 * * 5#L"),
        ("0 0 * * 7L", "0 0 * * 0L"),
        ("0 0 */2 * MON", "0 0 */2 * +MON"),
        ("*/60 * * * *", "0 * * * *"),
        (
            "0 0 0 1 1 * 2000-2199/50",
            "0 0 0 1 1 * 2000,2050,2100,2150",
        ),
        ("0 0 0 1 1 * */50", "0 0 0 1 1 * 1970-9999/50"),
    ];
    for (one, other) in same {
        let (one, other) = (cron(&[one], "UTC"), cron(&[other], "UTC"));
        let mut at = t("1999-01-01T00:00:00Z");
        for _ in 0..50 {
            assert_eq!(
                one.next_after(at),
                other.next_after(at),
                "{one:?} {other:?} {at}"
            );
            let Some(next) = one.next_after(at) else {
                break;
            };
            at = next;
        }
    }
    let full = (0..60).map(|n| n.to_string()).collect::<Vec<_>>().join(",");
    assert!(
        cron(&[&format!("{full} {full} * * * *")], "UTC")
            .next_after(t("2026-01-01T00:00:00Z"))
            .is_some()
    );
}

#[test]
fn h_is_steady_spread_and_within_its_range() {
    let next = |expression: &str, job: &str| {
        let schedule = Schedule::new(spec(list(&[expression]), "UTC"), job).unwrap();
        schedule
            .next_after(t("2026-01-01T00:00:00Z"))
            .unwrap()
            .to_zoned(TimeZone::UTC)
    };
    let mut minutes = std::collections::BTreeSet::new();
    for n in 0..200 {
        let job = format!("job-{n}");
        assert_eq!(next("H H H H H", &job), next("H H H H H", &job));
        minutes.insert(next("H * * * *", &job).minute());
        assert!((10..=19).contains(&next("H(10-19) * * * *", &job).minute()));
        assert!(next("0 0 H * *", &job).day() <= 28);
        let schedule = Schedule::new(spec(list(&["H/15 * * * *"]), "UTC"), &job).unwrap();
        let day = (t("2026-01-01T00:00:00Z"), t("2026-01-02T00:00:00Z"));
        assert_eq!(walk(&schedule, day.0, day.1).len(), 96);
    }
    assert!(minutes.len() > 50, "{minutes:?}");
}

#[test]
fn clock_changes() {
    // A list whose expressions meet the gap each in its own way; equal instants are one.
    let both = cron(&["30 2 * * *", "*/30 * * * *"], "Europe/Paris");
    let wanted = [
        "2026-03-29T01:30:00+01:00",
        "2026-03-29T03:00:00+02:00",
        "2026-03-29T03:30:00+02:00",
    ];
    assert_eq!(shown(&both, "2026-03-29T00:00:00Z", 3), wanted);
    // Both expressions are due at 03:00 there, one by itself, the other for 02:30.
    let both = cron(&["30 2 * * *", "0 3 * * *"], "Europe/Paris");
    let wanted = ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"];
    assert_eq!(shown(&both, "2026-03-29T00:00:00Z", 2), wanted);
    // In the fold the fixed one fires once, the other in both passes.
    let both = cron(&["30 2 * * *", "15 * * * *"], "Europe/Paris");
    let wanted = [
        "2026-10-25T02:15:00+02:00",
        "2026-10-25T02:30:00+02:00",
        "2026-10-25T02:15:00+01:00",
        "2026-10-25T03:15:00+01:00",
    ];
    assert_eq!(shown(&both, "2026-10-25T00:00:00Z", 4), wanted);
    // Samoa had no 30 December 2011. What was fixed to it comes at the first moment after it.
    let wanted = [
        "2011-12-29T04:00:00-10:00",
        "2011-12-31T00:00:00+14:00",
        "2011-12-31T04:00:00+14:00",
    ];
    assert_eq!(
        shown(
            &cron(&["0 4 * * *"], "Pacific/Apia"),
            "2011-12-29T00:00:00-10:00",
            3
        ),
        wanted
    );
    let wanted = ["2011-12-31T00:00:00+14:00", "2016-12-30T04:00:00+14:00"];
    assert_eq!(
        shown(
            &cron(&["0 4 30 12 +FRI"], "Pacific/Apia"),
            "2011-01-01T00:00:00Z",
            2
        ),
        wanted
    );
    assert_eq!(
        shown(
            &cron(&["* 4 30 12 *"], "Pacific/Apia"),
            "2011-01-01T00:00:00Z",
            1
        ),
        ["2012-12-30T04:00:00+14:00"]
    );
    // The last year of an expression ends in a fold: its second pass is still found.
    let last = cron(&["0 30 1 1 11 * 2026"], "America/New_York");
    assert_eq!(
        shown(&last, "2026-01-01T00:00:00Z", 3),
        ["2026-11-01T01:30:00-04:00"]
    );
    let last = cron(&["0 */30 1 1 11 * 2026"], "America/New_York");
    assert_eq!(
        shown(&last, "2026-11-01T05:45:00Z", 3),
        ["2026-11-01T01:00:00-05:00", "2026-11-01T01:30:00-05:00"]
    );
}

#[test]
fn clock_changes_backwards_and_counted() {
    // Asked in the second pass, before its own time comes there: the first pass had it.
    for expression in ["45 1 1 11 *", "*/60 45 1 1 11 *"] {
        let yearly = cron(&[expression], "America/New_York");
        let newest = yearly.last_through(t("2026-11-01T06:15:00Z"));
        assert_eq!(newest, Some(t("2026-11-01T05:45:00Z")), "{expression}");
    }
    let counted =
        |expressions: &[&str], from, to| cron(expressions, "Europe/Paris").count(t(from), t(to));
    let gap = ("2026-03-29T00:30:00Z", "2026-03-29T01:45:00Z");
    assert_eq!(counted(&["0,30 2,3 * * *"], gap.0, gap.1), 2);
    assert_eq!(counted(&["0,30 2 * * *"], gap.0, gap.1), 1);
    assert_eq!(
        counted(&["0,30 2 * * *", "*/30 2-3 * * *"], gap.0, gap.1),
        2
    );
    let fold = ("2026-10-24T23:45:00Z", "2026-10-25T01:45:00Z");
    assert_eq!(counted(&["0,30 2 * * *"], fold.0, fold.1), 2);
    assert_eq!(counted(&["*/30 2 * * *"], fold.0, fold.1), 4);
    assert_eq!(
        counted(&["0,15 2 * * *", "*/30 2 * * *"], fold.0, fold.1),
        5
    );
}

#[test]
fn the_ends_of_time() {
    for expression in [
        "* * * * * *",
        "0 0 * * *",
        "0 0 29 2 *",
        "0 0 0 1 1 * 9999",
        "0 0 0 1 1 * 1970",
    ] {
        for zone in ["UTC", "Europe/Paris", "Pacific/Apia"] {
            let schedule = cron(&[expression], zone);
            within_limit(expression, || {
                assert_eq!(schedule.next_after(Timestamp::MAX), None);
                assert_eq!(schedule.last_through(Timestamp::MIN), None);
                let newest = schedule.last_through(Timestamp::MAX).unwrap();
                let first = schedule.next_after(Timestamp::MIN).unwrap();
                assert!(first <= newest);
                assert_eq!(schedule.next_after(newest), None, "{expression} {zone}");
                assert_eq!(schedule.last_through(first), Some(first));
                assert_eq!(schedule.last_through(first - TICK), None);
            });
        }
    }
    let leap_days = cron(&["0 0 29 2 *"], "Europe/Paris");
    let walked = walk(&leap_days, Timestamp::MIN, Timestamp::MAX).len();
    assert_eq!(walked, 2424);
    assert_eq!(leap_days.count(Timestamp::MIN, Timestamp::MAX), 2424);
    let every = Schedule::new(
        spec(Rule::Every(Duration::from_hours(24 * 36_500)), "UTC"),
        "",
    )
    .unwrap();
    assert_eq!(every.next_after(Timestamp::MAX), None);
    assert!(
        every
            .last_through(Timestamp::MIN)
            .is_none_or(|first| first <= Timestamp::MIN)
    );
}

#[test]
fn intervals() {
    let every = |period, start: Option<&str>| {
        let mut spec = spec(Rule::Every(parse_duration(period).unwrap()), "UTC");
        spec.start = start.map(t);
        Schedule::new(spec, "job").unwrap()
    };
    let week = every("7d", None);
    assert_eq!(
        week.next_after(t("2026-01-01T00:00:00Z")),
        Some(t("2026-01-08T00:00:00Z"))
    );
    assert_eq!(
        week.last_through(t("1969-12-31T00:00:00Z")),
        Some(t("1969-12-25T00:00:00Z"))
    );
    let started = every("20m", Some("2026-06-01T00:07:00Z"));
    assert_eq!(
        started.next_after(t("2020-01-01T00:00:00Z")),
        Some(t("2026-06-01T00:07:00Z"))
    );
    assert_eq!(started.last_through(t("2026-06-01T00:06:59.999999Z")), None);
    assert_eq!(
        started.count(t("2020-01-01T00:00:00Z"), t("2026-06-01T00:47:00Z")),
        3
    );
    let fast = every("100ms", None);
    assert_eq!(
        fast.next_after(t("2026-01-01T00:00:00.05Z")),
        Some(t("2026-01-01T00:00:00.1Z"))
    );
    assert_eq!(
        fast.count(t("2026-01-01T00:00:00Z"), t("2026-01-02T00:00:00Z")),
        864_000
    );
    for (period, words) in [
        (Duration::from_millis(99), "shortest is 100ms"),
        (Duration::MAX, "at most 36500d"),
        (Duration::new(1, 1), "whole microseconds"),
    ] {
        let error = Schedule::new(spec(Rule::Every(period), "UTC"), "")
            .unwrap_err()
            .to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn windows() {
    let windowed = |rule, start: &str, end: &str| {
        let mut spec = spec(rule, "UTC");
        (spec.start, spec.end) = (Some(t(start)), Some(t(end)));
        Schedule::new(spec, "job")
    };
    let daily = windowed(
        list(&["0 9 * * *"]),
        "2026-06-01T09:00:00Z",
        "2026-06-04T09:00:00Z",
    )
    .unwrap();
    assert_eq!(
        daily.next_after(Timestamp::MIN),
        Some(t("2026-06-01T09:00:00Z"))
    );
    assert_eq!(
        daily.last_through(Timestamp::MAX),
        Some(t("2026-06-03T09:00:00Z"))
    );
    assert_eq!(daily.count(Timestamp::MIN, Timestamp::MAX), 3);
    assert_eq!(daily.next_after(t("2026-06-03T09:00:00Z")), None);
    assert_eq!(daily.last_through(t("2026-06-01T08:59:59Z")), None);
    let at = |at| {
        windowed(
            Rule::At(t(at)),
            "2026-06-01T00:00:00Z",
            "2026-06-02T00:00:00Z",
        )
    };
    assert!(at("2026-06-01T00:00:00Z").is_ok());
    let error = at("2026-06-02T00:00:00Z").unwrap_err();
    assert!(matches!(error, ScheduleError::AtOutsideWindow { .. }));
    let error = windowed(
        list(&["@daily"]),
        "2026-06-01T00:00:00Z",
        "2026-06-01T00:00:00Z",
    )
    .unwrap_err();
    assert!(matches!(error, ScheduleError::EmptyWindow { .. }));
}

#[test]
fn one_shots_and_what_they_are_called() {
    let once = Schedule::new(
        spec(Rule::At(t("2026-12-01T08:00:00Z")), "Europe/Paris"),
        "job",
    )
    .unwrap();
    assert_eq!(
        once.next_after(t("2026-12-01T07:59:59Z")),
        Some(t("2026-12-01T08:00:00Z"))
    );
    assert_eq!(once.next_after(t("2026-12-01T08:00:00Z")), None);
    assert_eq!(
        once.last_through(t("2026-12-01T08:00:00Z")),
        Some(t("2026-12-01T08:00:00Z"))
    );
    assert_eq!(once.last_through(t("2026-12-01T07:59:59Z")), None);
    assert_eq!(once.count(Timestamp::MIN, Timestamp::MAX), 1);
    assert_eq!(
        (once.kind(), once.text().as_str()),
        ("at", "once, at 2026-12-01T09:00:00+01:00")
    );
    let every = Schedule::new(spec(Rule::Every(Duration::from_secs(90)), "UTC"), "job").unwrap();
    assert_eq!(
        (
            every.kind(),
            every.expression().as_str(),
            every.text().as_str()
        ),
        ("every", "1m30s", "every 90 seconds")
    );
    let crons = cron(&["@daily", "0 12 * * *"], "europe/paris");
    assert_eq!(
        (crons.kind(), crons.expression().as_str()),
        ("cron", "@daily; 0 12 * * *")
    );
    assert_eq!(crons.text(), "at 00:00 every day; at 12:00 every day");
    assert_eq!(crons.timezone(), "Europe/Paris");
    let refused = |rule| Schedule::new(spec(rule, "UTC"), "job").unwrap_err();
    assert_eq!(refused(list(&[])), ScheduleError::NoExpression);
    assert_eq!(
        refused(list(&["@daily"; 65])),
        ScheduleError::TooManyExpressions(65)
    );
}

#[test]
fn many_seconds_are_counted_at_once() {
    let schedule = cron(&["* * * * * *"], "Europe/Paris");
    let two_days = (t("2026-10-24T00:00:00Z"), t("2026-10-26T00:00:00Z"));
    within_limit("counting 100 times", || {
        for _ in 0..100 {
            assert_eq!(schedule.count(two_days.0, two_days.1), 172_800);
        }
    });
}
