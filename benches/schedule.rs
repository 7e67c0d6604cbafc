//! How long it takes to find the next instant: `cargo bench --bench schedule`.
//!
//! Each figure is the mean over 200,000 instants: again and again the first 200 from the spring of
//! 2026 on.

use std::time::Duration;

use jiff::Timestamp;
use punctual::clock::monotonic;
use punctual::schedule::{Rule, Schedule, ScheduleSpec};

const EXPRESSIONS: [&str; 5] = [
    "* * * * * *",
    "*/15 * * * *",
    "30 2 * * *",
    "0 9 * * MON-FRI",
    "0 0 29 2 +MON",
];
const ZONES: [&str; 3] = ["UTC", "Europe/Paris", "Australia/Lord_Howe"];

fn main() {
    println!(
        "{:<18}{}",
        "ns per next_after",
        ZONES.map(|zone| format!("{zone:>22}")).concat()
    );
    for expression in EXPRESSIONS {
        let figures = ZONES.map(|zone| format!("{:>22}", nanoseconds(expression, zone)));
        println!("{expression:<18}{}", figures.concat());
    }
}

fn nanoseconds(expression: &str, zone: &str) -> u128 {
    let spec = ScheduleSpec {
        rule: Rule::Cron(vec![expression.to_owned()]),
        timezone: zone.to_owned(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    };
    let schedule = Schedule::new(spec, "bench").expect("the expressions above are right");
    let first: Timestamp = "2026-03-01T00:00:00Z".parse().expect("an instant");
    let (mut steps, mut t) = (0_u128, first);
    let begun = monotonic();
    while steps < 200_000 {
        steps += 1;
        // At the end of time, and for rare expressions well before, start over.
        t = match schedule.next_after(t) {
            Some(next) if steps % 200 != 0 => next,
            _ => first,
        };
    }
    begun.elapsed().as_nanos() / steps
}
