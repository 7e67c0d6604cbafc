//! What holds for every schedule, zone and instant.

use jiff::civil;
use jiff::tz::AmbiguousOffset;
use proptest::prelude::*;

use super::*;

/// One field, mostly right.
fn field(low: u32, high: u32, names: &'static [&'static str]) -> BoxedStrategy<String> {
    let value = move || match names {
        [] => (low..=high).prop_map(|n| n.to_string()).boxed(),
        _ => prop_oneof![
            (low..=high).prop_map(|n| n.to_string()),
            proptest::sample::select(names).prop_map(str::to_owned)
        ]
        .boxed(),
    };
    let range =
        move || (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
    let item = prop_oneof![
        4 => value(),
        2 => range(),
        1 => (range(), 1..8_u32).prop_map(|(range, step)| format!("{range}/{step}")),
        1 => (1..8_u32).prop_map(|step| format!("*/{step}")),
    ];
    prop_oneof![
        3 => Just("*".to_owned()),
        5 => proptest::collection::vec(item, 1..4).prop_map(|items| items.join(",")),
    ]
    .boxed()
}

const MONTH_NAMES: &[&str] = &["JAN", "apr", "Oct", "NOV"];
const DAY_NAMES: &[&str] = &["SUN", "mon", "Fri", "SAT"];
const DAYS_OF_MONTH: &[&str] = &["L", "LW", "15W", "31W", "1W,L", "?"];
const DAYS_OF_WEEK: &[&str] = &[
    "?",
    "MON#1",
    "5L",
    "+SUN",
    "sat#5,0#L",
    "FRI-SUN",
    "+MON-FRI",
];

/// An expression that is right, though it may never match.
fn expression() -> impl Strategy<Value = String> {
    let dom = prop_oneof![3 => Just("*".to_owned()), 2 => field(1, 31, &[]), 1 => proptest::sample::select(DAYS_OF_MONTH).prop_map(str::to_owned)];
    let dow = prop_oneof![3 => Just("*".to_owned()), 2 => field(0, 7, DAY_NAMES), 1 => proptest::sample::select(DAYS_OF_WEEK).prop_map(str::to_owned)];
    let month = prop_oneof![3 => Just("*".to_owned()), 1 => field(1, 12, MONTH_NAMES)];
    let second = prop_oneof![3 => Just(String::new()), 1 => field(0, 59, &[])];
    (
        second,
        field(0, 59, &[]),
        field(0, 23, &[]),
        dom,
        month,
        dow,
    )
        .prop_map(|(s, m, h, dom, month, dow)| format!("{s} {m} {h} {dom} {month} {dow}"))
}

/// An expression of the small hours, in which clocks change.
fn night_expression() -> impl Strategy<Value = String> {
    let minute = prop_oneof![
        3 => proptest::sample::subsequence(vec!["0", "15", "30", "45", "59"], 1..4)
            .prop_map(|minutes| minutes.join(",")),
        1 => proptest::sample::select(vec!["*/15", "*/20", "0-30", "*"]).prop_map(str::to_owned),
    ];
    let hour = prop_oneof![
        3 => proptest::sample::subsequence(vec!["0", "1", "2", "3", "4", "23"], 1..5)
            .prop_map(|hours| hours.join(",")),
        1 => proptest::sample::select(vec!["*", "*/2", "0-4", "1-3"]).prop_map(str::to_owned),
    ];
    (minute, hour).prop_map(|(minute, hour)| format!("{minute} {hour} * * *"))
}

pub(super) fn any_expression() -> impl Strategy<Value = String> {
    prop_oneof![expression(), night_expression()]
}

/// A zone and an instant, mostly within two days of a clock change.
pub(super) fn moment() -> impl Strategy<Value = (&'static str, Timestamp)> {
    let year = 631_152_000..2_524_608_000_i64; // 1990 to 2050
    let near = prop_oneof![-172_800..172_800_i64, -14_400..14_400_i64];
    (
        proptest::sample::select(&ZONES[..]),
        year,
        near,
        0..2_000_000_i64,
    )
        .prop_map(|(zone, second, near, micros)| {
            let at = Timestamp::from_second(second).unwrap();
            let tz = TimeZone::get(zone).unwrap();
            let change = tz
                .following(at)
                .next()
                .map_or(at, |change| change.timestamp());
            // Now and then a fraction of a second.
            let micros = if micros < 1_000_000 {
                0
            } else {
                micros - 1_000_000
            };
            (
                zone,
                Timestamp::from_microsecond((change.as_second() + near) * 1_000_000 + micros)
                    .unwrap(),
            )
        })
}

/// What a schedule must name, by jiff's own reading of each minute of civil time.
fn oracle(expression: &str, zone: &TimeZone, from: Timestamp, to: Timestamp) -> Vec<Timestamp> {
    let fields: Vec<&str> = expression.split(' ').collect();
    let matches = |local: civil::DateTime| {
        let value_in = |field: &str, value: i8| {
            field.split(',').any(|item| {
                let (base, step) = item.split_once('/').unwrap_or((item, "1"));
                let range = if base == "*" { "0-59" } else { base };
                let (low, high) = range.split_once('-').unwrap_or((range, range));
                let (low, high): (i8, i8) = (low.parse().unwrap(), high.parse().unwrap());
                (low..=high).contains(&value) && (value - low) % step.parse::<i8>().unwrap() == 0
            })
        };
        local.second() == 0
            && value_in(fields[0], local.minute())
            && value_in(fields[1], local.hour())
    };
    let day = SignedDuration::from_hours(48);
    let minute = SignedDuration::from_mins(1);
    let mut fires = std::collections::BTreeSet::new();
    if expression.contains(['*', '/']) && fields[..2].iter().any(|field| field.contains(['*', '/']))
    {
        let mut at = Timestamp::from_second((from - day).as_second().div_euclid(60) * 60).unwrap();
        while at <= to {
            if matches(zone.to_datetime(at)) {
                fires.insert(at);
            }
            at += minute;
        }
    } else {
        let mut local = zone.to_datetime(from - day).date().at(0, 0, 0, 0);
        while local <= zone.to_datetime(to + day) {
            if matches(local) {
                let ambiguous = zone.to_ambiguous_timestamp(local);
                fires.insert(match ambiguous.offset() {
                    AmbiguousOffset::Gap { after, .. } => {
                        let before_gap = after.to_timestamp(local).unwrap();
                        zone.following(before_gap).next().unwrap().timestamp()
                    }
                    _ => ambiguous.earlier().unwrap(),
                });
            }
            local += minute;
        }
    }
    fires
        .into_iter()
        .filter(|&at| from < at && at <= to)
        .collect()
}

proptest! {
    #[test]
    fn walks_are_one_both_ways_and_counted_right(
        expressions in proptest::collection::vec(any_expression(), 1..4),
        (zone, at) in moment(),
    ) {
        let texts: Vec<&str> = expressions.iter().map(String::as_str).collect();
        let schedule = match Schedule::new(spec(list(&texts), zone), "job") {
            Ok(schedule) => schedule,
            Err(ScheduleError::Cron(CronError::Never { .. })) => return Ok(()),
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        };
        let mut fires = vec![];
        let mut last = at;
        for _ in 0..60 {
            let Some(next) = schedule.next_after(last) else { break };
            prop_assert!(next > last, "{next} is not later than {last}");
            prop_assert_eq!(schedule.last_through(next), Some(next));
            prop_assert_eq!(schedule.last_through(next - TICK), schedule.last_through(last));
            fires.push(next);
            last = next;
        }
        prop_assert_eq!(schedule.count(at, last), fires.len() as u64);
        if let Some(middle) = fires.get(fires.len() / 2) {
            prop_assert_eq!(schedule.count(at, *middle), fires.len() as u64 / 2 + 1);
            prop_assert_eq!(schedule.count(*middle, last), (fires.len() - fires.len() / 2 - 1) as u64);
        }
        for pair in fires.windows(2) {
            prop_assert_eq!(schedule.last_through(pair[1] - TICK), Some(pair[0]));
        }
    }

    #[test]
    fn counts_what_a_walk_over_a_clock_change_meets(
        expressions in proptest::collection::vec(any_expression(), 1..4),
        (zone, at) in moment(),
        hours in 1..60_i64,
    ) {
        let texts: Vec<&str> = expressions.iter().map(String::as_str).collect();
        if let Ok(schedule) = Schedule::new(spec(list(&texts), zone), "job") {
            let to = at + SignedDuration::from_hours(hours);
            // The walk over all seconds of two days would dominate the tests.
            if schedule.count(at, to) < 5_000 {
                prop_assert_eq!(schedule.count(at, to), walk(&schedule, at, to).len() as u64);
            }
        }
    }

    #[test]
    fn agrees_with_a_reading_minute_by_minute(
        expression in prop_oneof![
            night_expression(),
            (field(0, 59, &[]), field(0, 23, &[])).prop_map(|(m, h)| format!("{m} {h} * * *")),
        ],
        (zone, at) in moment(),
    ) {
        let schedule = cron(&[&expression], zone);
        let to = at + SignedDuration::from_hours(30);
        let wanted = oracle(&expression, schedule.zone(), at, to);
        prop_assert_eq!(walk(&schedule, at, to), wanted);
    }

    #[test]
    fn agrees_with_croner_in_utc(expression in expression(), second in 0..4_000_000_000_i64) {
        // croner reads only a bare `*` as no restriction, not `*/2`; `+` with `?` is left out too.
        let fields: Vec<&str> = expression.split_whitespace().collect();
        let days = &fields[fields.len() - 3..];
        if days[0].contains("*/") || days[2].contains("*/") {
            return Ok(());
        }
        // What can never match takes croner long.
        let Ok(ours) = Schedule::new(spec(list(&[&expression]), "UTC"), "job") else { return Ok(()) };
        let theirs = croner::parser::CronParser::builder()
            .seconds(croner::parser::Seconds::Optional)
            .build()
            .parse(expression.trim());
        let Ok(theirs) = theirs else {
            return Err(TestCaseError::fail(format!("croner refuses {expression}")));
        };
        let mut at = Timestamp::from_second(second).unwrap();
        for _ in 0..5 {
            let next = theirs.find_next_occurrence(&at.to_zoned(TimeZone::UTC), false).ok().map(|found| found.timestamp());
            prop_assert_eq!(ours.next_after(at), next, "{} after {}", expression, at);
            let Some(next) = next else { break };
            at = next;
        }
    }

    #[test]
    fn due_within_the_jitter_and_before_the_next(
        expression in expression(),
        (zone, at) in moment(),
        jitter in 0..200_000_000_u64,
        job in "[a-z]{1,8}",
    ) {
        let mut spec = spec(list(&[&expression]), zone);
        spec.jitter = Duration::from_micros(jitter);
        if let Ok(schedule) = Schedule::new(spec, &job)
            && let Some(fire) = schedule.next_after(at)
        {
            let due = schedule.due_at(fire);
            prop_assert!(due >= fire && due.duration_since(fire).as_micros() <= i128::from(jitter));
            prop_assert!(schedule.next_after(fire).is_none_or(|next| due < next));
            prop_assert_eq!(due, schedule.clone().due_at(fire));
        }
    }

    #[test]
    fn no_text_panics_or_takes_long(
        garbage in ".{0,200}",
        near in "[-*?/,+#LWH()0-9A-Z@ ]{0,60}",
        spaced in proptest::collection::vec("([0-9*]|[0-9]{1,3}|\\*/[0-9]{1,3}|H|H\\([0-9]-[0-9]{2}\\)|[0-9]W|[0-9]L|[A-Z]{3}|[0-9]#[0-9]|\\+[0-9])(-[0-9]{1,2})?(/[0-9])?(,[0-9*]{1,2})?", 4..9),
        (zone, at) in moment(),
    ) {
        for text in [garbage, near, spaced.join(" ")] {
            within_limit(&text, || {
                if let Ok(schedule) = Schedule::new(spec(list(&[&text]), zone), "job") {
                    let _ = (schedule.next_after(at), schedule.last_through(at), schedule.text());
                }
            });
        }
    }
}
