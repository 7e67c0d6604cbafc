//! Nights on which the clocks change, and steps of the wall clock.

use std::collections::BTreeMap;
use std::fmt::Write;

use jiff::{SignedDuration, Timestamp};

use super::daemon::{Row, assert_each_second_once, wait_until};
use super::faked_clock::{Faked, NOTE, instant};

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Less than a daemon that watches is late.
const LATE: SignedDuration = SignedDuration::from_secs(5);

/// A night on which the clocks change.
struct Night {
    zone: &'static str,
    /// The hour that is left out, or comes twice.
    hour: u8,
    /// Instants in local time, with the jobs that run then, by name. The hour before the change, the
    /// change and what follows.
    fires: &'static [&'static str],
}

const GAPS: [Night; 2] = [
    Night {
        zone: "America/New_York",
        hour: 2,
        fires: &[
            "2026-03-08T01:30-05:00 elapsed quarter",
            "2026-03-08T01:45-05:00 quarter",
            "2026-03-08T03:00-04:00 elapsed fixed quarter",
            "2026-03-08T03:15-04:00 quarter",
            "2026-03-08T03:30-04:00 elapsed quarter",
        ],
    },
    Night {
        zone: "Europe/Berlin",
        hour: 2,
        fires: &[
            "2026-03-29T01:30+01:00 elapsed quarter",
            "2026-03-29T01:45+01:00 quarter",
            "2026-03-29T03:00+02:00 elapsed fixed quarter",
            "2026-03-29T03:15+02:00 quarter",
            "2026-03-29T03:30+02:00 elapsed quarter",
        ],
    },
];

const FOLDS: [Night; 2] = [
    Night {
        zone: "America/New_York",
        hour: 1,
        fires: &[
            "2026-11-01T01:00-04:00 elapsed quarter within",
            "2026-11-01T01:15-04:00 quarter",
            "2026-11-01T01:30-04:00 elapsed fixed quarter within",
            "2026-11-01T01:45-04:00 quarter",
            "2026-11-01T01:00-05:00 elapsed quarter within",
            "2026-11-01T01:15-05:00 quarter",
            "2026-11-01T01:30-05:00 elapsed quarter within",
            "2026-11-01T01:45-05:00 quarter",
            "2026-11-01T02:00-05:00 elapsed quarter",
        ],
    },
    Night {
        zone: "Europe/Berlin",
        hour: 2,
        fires: &[
            "2026-10-25T02:00+02:00 elapsed quarter within",
            "2026-10-25T02:15+02:00 quarter",
            "2026-10-25T02:30+02:00 elapsed fixed quarter within",
            "2026-10-25T02:45+02:00 quarter",
            "2026-10-25T02:00+01:00 elapsed quarter within",
            "2026-10-25T02:15+01:00 quarter",
            "2026-10-25T02:30+01:00 elapsed quarter within",
            "2026-10-25T02:45+01:00 quarter",
            "2026-10-25T03:00+01:00 elapsed quarter",
        ],
    },
];

#[test]
fn the_hour_that_is_left_out_moves_a_fixed_time_behind_it_and_nothing_else() {
    pass_all(&GAPS);
}

#[test]
fn the_hour_that_comes_twice_has_a_fixed_time_once_and_all_else_twice() {
    pass_all(&FOLDS);
}

/// All at once: they wait more than they work.
fn pass_all(nights: &[Night]) {
    std::thread::scope(|scope| {
        for night in nights {
            let thread = std::thread::Builder::new().name(night.zone.to_owned());
            thread.spawn_scoped(scope, || night.pass()).unwrap();
        }
    });
}

impl Night {
    /// A daemon goes through the night, and its ledger says the same as `fires`.
    ///
    /// The clock leaps from instant to instant, over times that have none, and runs by itself where
    /// the clocks change.
    fn pass(&self) {
        let first = Fire::read(self.fires[0]);
        let faked = Faked::start(&self.jobs(), first.at - SECOND);
        let mut before = first;
        for line in self.fires {
            let fire = Fire::read(line);
            if fire.offset == before.offset {
                faked.pass(fire.at, &fire.jobs);
            } else {
                // Early enough that its own wake claims it, while the old offset is in force.
                faked.run_from(fire.at - SignedDuration::from_millis(4_500));
                faked.wait_for("succeeded", fire.at, &fire.jobs);
            }
            before = fire;
        }
        // Late enough for the audit to look at all of it.
        faked.stand_at(before.at + SignedDuration::from_mins(1));
        let (whole, rows) = faked.end();
        assert_eq!(self.shown(&rows), self.fires);
        let said = format!("account whole: {} instants of 4 jobs", rows.len());
        assert!(whole.starts_with(&said), "{whole}");
    }

    fn jobs(&self) -> String {
        let Self { zone, hour, .. } = self;
        format!(
            "timezone = \"{zone}\"\n\
             catch_up = \"none\"\n\
             [jobs.elapsed]\n\
             every = \"30m\"\n\
             {NOTE}\n\
             [jobs.fixed]\n\
             cron = \"30 {hour} * * *\"\n\
             {NOTE}\n\
             [jobs.quarter]\n\
             cron = \"*/15 * * * *\"\n\
             {NOTE}\n\
             [jobs.within]\n\
             cron = \"*/30 {hour} * * *\"\n\
             {NOTE}\n"
        )
    }

    /// Rows in the form of `fires`; what is not a fire that ran on time says so.
    fn shown(&self, rows: &[Row]) -> Vec<String> {
        let mut shown: BTreeMap<Timestamp, String> = BTreeMap::new();
        for row in rows {
            let at = instant(row);
            let local = at.in_tz(self.zone).unwrap().strftime("%Y-%m-%dT%H:%M%:z");
            let line = shown.entry(at).or_insert_with(|| local.to_string());
            line.push(' ');
            line.push_str(&row.job);
            if !ran_on_time(row) {
                write!(line, " ({row:?})").unwrap();
            }
        }
        shown.into_values().collect()
    }
}

/// A line of a night.
struct Fire {
    at: Timestamp,
    offset: &'static str,
    jobs: Vec<&'static str>,
}

impl Fire {
    fn read(line: &'static str) -> Self {
        let mut words = line.split(' ');
        let local = words.next().unwrap();
        Self {
            at: t(local),
            offset: &local["2026-11-01T01:00".len()..],
            jobs: words.collect(),
        }
    }
}

fn t(instant: &str) -> Timestamp {
    instant.parse().unwrap()
}

/// It was watched, and started neither early nor late.
fn ran_on_time(row: &Row) -> bool {
    let started = row
        .started_at
        .map(|at| Timestamp::from_microsecond(at).unwrap());
    let late = started.map(|started| started.duration_since(instant(row)));
    (row.status.as_str(), row.trigger.as_str()) == ("succeeded", "schedule")
        && late.is_some_and(|late| (SignedDuration::ZERO..LATE).contains(&late))
}

/// Jobs that run seldom, with and without catch-up, one that runs each second, and one by hand.
fn steady_jobs(seldom: &str) -> String {
    format!(
        "timezone = \"America/New_York\"\n\
         catch_up = \"none\"\n\
         [jobs.beat]\n\
         every = \"1s\"\n\
         {NOTE}\n\
         [jobs.hand]\n\
         every = \"1000d\"\n\
         {NOTE}\n\
         [jobs.latest]\n\
         cron = \"{seldom}\"\n\
         catch_up = \"latest\"\n\
         {NOTE}\n\
         [jobs.none]\n\
         cron = \"{seldom}\"\n\
         {NOTE}\n"
    )
}

/// The jobs of [`steady_jobs`] that run seldom.
const SELDOM: [&str; 2] = ["latest", "none"];

#[test]
fn an_hour_forward_is_one_span_but_for_what_is_caught_up() {
    let last = t("2026-06-10T12:09:58Z");
    let mut faked = Faked::start(&steady_jobs("*/10 * * * *"), last - SECOND);
    faked.pass(last, &["beat"]);
    // Claimed, and then leapt over.
    faked.wait_for("scheduled", t("2026-06-10T12:10:00Z"), &SELDOM);

    faked.run_from(last + HOUR);
    faked.daemon.wait_for_log("the wall clock went forward");
    faked.wait_for("succeeded", t("2026-06-10T13:10:00Z"), &SELDOM);
    wait_for_beat(&faked, t("2026-06-10T13:10:02Z"));
    let (_, rows) = faked.end();
    assert_eq!(
        told(&rows, "none"),
        [
            "12:10:00..13:00:00 x6 missed unwatched",
            "13:10:00 succeeded on time"
        ]
    );
    assert_eq!(
        told(&rows, "latest"),
        [
            "12:10:00..12:50:00 x5 missed unwatched",
            "13:00:00 succeeded catch_up",
            "13:10:00 succeeded on time"
        ]
    );
    assert_each_second_once(&rows, "beat");
    let beats = told(&rows, "beat");
    // The daemon looked when it had gone on for a moment, and was watching 5 s before that.
    let span = "12:09:59..13:09:5";
    assert!(
        beats[0] == "12:09:58 succeeded on time" && beats[1].starts_with(span),
        "{beats:?}"
    );
    assert!(beats[1].ends_with(" missed unwatched"), "{beats:?}");
}

#[test]
fn an_hour_back_repeats_nothing_and_holds_up_nothing_that_comes_after() {
    let mut faked = Faked::start(&steady_jobs("*/30 * * * *"), t("2026-06-10T11:59:59Z"));
    for at in ["12:00", "12:30", "13:00"] {
        faked.pass(t(&format!("2026-06-10T{at}:00Z")), &SELDOM);
    }
    let furthest = t("2026-06-10T13:29:58Z");
    faked.stand_at(furthest);
    faked.wait_for("scheduled", t("2026-06-10T13:30:00Z"), &SELDOM);
    let decided = wait_until("everything up to now is over", || {
        let rows = all_but_by_hand(&faked);
        let looked = rows
            .iter()
            .any(|row| row.job == "beat" && last(row) == furthest);
        let over = |row: &Row| is_over(row) || instant(row) > furthest;
        (looked && rows.iter().all(over)).then_some(rows)
    });

    faked.run_from(furthest - HOUR);
    faked.daemon.wait_for_log("the wall clock went back");
    wait_until("the clock is behind 12:30", || {
        (faked.time() > t("2026-06-10T12:30:02Z")).then_some(())
    });
    run_by_hand(&faked);
    assert_eq!(all_but_by_hand(&faked), decided);
    faked.stand_at(t("2026-06-10T13:00:00Z"));
    faked.daemon.wait_for_log("the wall clock went forward");
    run_by_hand(&faked);
    assert_eq!(all_but_by_hand(&faked), decided);

    faked.run_from(furthest);
    faked.wait_for("succeeded", t("2026-06-10T13:30:00Z"), &SELDOM);
    wait_for_beat(&faked, t("2026-06-10T13:30:02Z"));
    faked.pass(t("2026-06-10T14:00:00Z"), &SELDOM);
    let (_, rows) = faked.end();
    for job in SELDOM {
        let each = ["12:00", "12:30", "13:00", "13:30", "14:00"];
        assert_eq!(
            told(&rows, job),
            each.map(|at| format!("{at}:00 succeeded on time"))
        );
    }
    assert_each_second_once(&rows, "beat");
}

/// What the rows of a job say, in a few words each.
fn told(rows: &[Row], job: &str) -> Vec<String> {
    let rows = rows.iter().filter(|row| row.job == job);
    rows.map(|row| {
        let first = time_of_day(instant(row));
        let how = match (row.trigger.as_str(), row.reason.as_deref()) {
            ("schedule", Some(reason)) => reason,
            ("schedule", None) if ran_on_time(row) => "on time",
            (trigger, _) => trigger,
        };
        let instants = match row.count {
            Some(count) => format!("{first}..{} x{count}", time_of_day(last(row))),
            None => first,
        };
        format!("{instants} {} {how}", row.status)
    })
    .collect()
}

fn time_of_day(at: Timestamp) -> String {
    at.strftime("%H:%M:%S").to_string()
}

/// The last instant of a row.
fn last(row: &Row) -> Timestamp {
    Timestamp::from_microsecond(row.last.unwrap_or(row.scheduled_at)).unwrap()
}

fn is_over(row: &Row) -> bool {
    !["scheduled", "queued", "running"].contains(&row.status.as_str())
}

/// Waits until the job of every second has run at an instant later than this.
fn wait_for_beat(faked: &Faked, after: Timestamp) {
    wait_until("a beat", || {
        let rows = faked.place.rows();
        let beats = |row: &Row| row.job == "beat" && instant(row) > after && ran_on_time(row);
        rows.iter().any(beats).then_some(())
    });
}

/// A run that the ledger has when this returns, and so all that the daemon decided before.
fn run_by_hand(faked: &Faked) {
    let answer = faked
        .door
        .post("/api/v1/jobs/hand/trigger?wait=true")
        .send();
    assert_eq!(answer.status, 200, "{answer:?}");
}

fn all_but_by_hand(faked: &Faked) -> Vec<Row> {
    let mut rows = faked.place.rows();
    rows.retain(|row| row.job != "hand");
    rows
}
