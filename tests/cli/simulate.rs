//! `punctual simulate` as a person and a script meet it.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

const JOBS: &str = "
[scheduler]
timezone = 'Europe/Paris'
[jobs.backup]
cron = '30 2 * * *'
shell = 'true'
[jobs.poll]
every = '20m'
jitter = '10m'
shell = 'true'
[jobs.once]
at = '2026-10-25T02:30:00+01:00'
shell = 'true'
[jobs.windowed]
cron = '0 * * * *'
start = '2026-10-25T03:00:00+01:00'
end = '2026-10-25T05:00:00+01:00'
shell = 'true'
[jobs.report]
after = ['backup']
shell = 'true'
[jobs.off]
every = '1s'
enabled = false
shell = 'true'
";

/// Runs `punctual simulate` over a configuration in a clean environment.
fn simulate(config: &str, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("config.toml");
    fs::write(&path, config).expect("the file is written");
    Command::new(env!("CARGO_BIN_EXE_punctual"))
        .arg("simulate")
        .arg("--config")
        .arg(&path)
        .args(arguments)
        .env_clear()
        .env("HOME", "/nonexistent")
        .env("TZ", "Asia/Tokyo")
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    String::from_utf8(output.stdout.clone()).expect("output is text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is text")
}

fn answer(config: &str, arguments: &[&str]) -> Value {
    let output = simulate(config, &[arguments, &["--json"]].concat());
    serde_json::from_str(&stdout(&output)).expect("JSON")
}

#[test]
fn a_night_on_which_the_clock_goes_back_is_shown_as_it_is() {
    let night = ["--from", "2026-10-25T02:00:00+02:00", "--to", "+3h"];
    let shown = stdout(&simulate(JOBS, &night));
    let expected = "\
TIME                            JOB       JITTER
Sun 2026-10-25 02:00:00 +02:00  poll      +3 min 29 s
Sun 2026-10-25 02:20:00 +02:00  poll      +3 min 29 s
Sun 2026-10-25 02:30:00 +02:00  backup
Sun 2026-10-25 02:40:00 +02:00  poll      +3 min 29 s
Sun 2026-10-25 02:00:00 +01:00  poll      +3 min 29 s
Sun 2026-10-25 02:20:00 +01:00  poll      +3 min 29 s
Sun 2026-10-25 02:30:00 +01:00  once
Sun 2026-10-25 02:40:00 +01:00  poll      +3 min 29 s
Sun 2026-10-25 03:00:00 +01:00  poll      +3 min 29 s
Sun 2026-10-25 03:00:00 +01:00  windowed
Sun 2026-10-25 03:20:00 +01:00  poll      +3 min 29 s
Sun 2026-10-25 03:40:00 +01:00  poll      +3 min 29 s

                0     3     6     9     12    15    18    21
Sun 2026-10-25      4                                             4
        +01:00      4 4                                           8
a mark is one hour on the clock of Europe/Paris; the number is that of its fires

12 fires of 4 jobs
from Sun 2026-10-25 02:00:00 +02:00 to Sun 2026-10-25 04:00:00 +01:00.
The clocks of Europe/Paris go from 03:00 to 02:00 on Sun 2026-10-25.
No clock starts report (after backup succeeded).
Disabled: off.
";
    assert_eq!(shown, expected);
}

#[test]
fn json_holds_the_same() {
    let night = [
        "--from",
        "2026-10-25T02:20:00+02:00",
        "--to",
        "+1h",
        "--job",
        "poll",
    ];
    let expected = json!({
        "from": "2026-10-25T02:20:00+02:00",
        "to": "2026-10-25T02:20:00+01:00",
        "timezone": "Europe/Paris",
        "fires": [
            { "job": "poll", "scheduled_at": "2026-10-25T02:20:00+02:00",
              "due_at": "2026-10-25T02:23:28.810309+02:00" },
            { "job": "poll", "scheduled_at": "2026-10-25T02:40:00+02:00",
              "due_at": "2026-10-25T02:43:28.810309+02:00" },
            { "job": "poll", "scheduled_at": "2026-10-25T02:00:00+01:00",
              "due_at": "2026-10-25T02:03:28.810309+01:00" },
        ],
        "total": 3,
        "truncated": false,
        "excluded": 0,
        "hours": [
            { "start": "2026-10-25T02:20:00+02:00", "fires": 2 },
            { "start": "2026-10-25T02:00:00+01:00", "fires": 1 },
        ],
        "without_clock": [],
        "disabled": [],
    });
    assert_eq!(answer(JOBS, &night), expected);

    let month = answer(
        JOBS,
        &["--from", "2026-10-01", "--to", "2026-11-01", "--limit", "1"],
    );
    assert_eq!(month["hours"], Value::Null);
    assert_eq!(month["days"].as_array().map(Vec::len), Some(31));
    assert_eq!(
        month["days"][24],
        json!({ "start": "2026-10-25T00:00:00+02:00", "fires": 79 })
    );
    assert_eq!(month["fires"].as_array().map(Vec::len), Some(1));
    assert_eq!(month["truncated"], true);
    assert_eq!(month["total"], 31 * 72 + 3 + 31 + 1 + 2);
    assert_eq!(month["without_clock"], json!(["report"]));
    assert_eq!(month["disabled"], json!(["off"]));
}

#[test]
fn times_are_on_the_clock_that_is_asked_for() {
    let day = ["--from", "2026-10-01", "--job", "backup"];
    let paris = answer(JOBS, &day);
    assert_eq!(paris["from"], "2026-10-01T00:00:00+02:00");
    assert_eq!(
        paris["to"], "2026-10-02T00:00:00+02:00",
        "a day unless asked otherwise"
    );
    assert_eq!(
        paris["fires"][0]["scheduled_at"],
        "2026-10-01T02:30:00+02:00"
    );
    let utc = answer(JOBS, &[&day[..], &["--tz", "UTC"]].concat());
    assert_eq!(utc["from"], "2026-10-01T00:00:00+00:00");
    assert_eq!(utc["fires"][0]["scheduled_at"], "2026-10-01T00:30:00+00:00");
    let local = answer(JOBS, &[&day[..], &["--tz", "local"]].concat());
    assert_eq!(local["timezone"], "Asia/Tokyo");
    assert_eq!(local["from"], "2026-10-01T00:00:00+09:00");
    let before = answer(JOBS, &["--from", "-2h", "--to", "now", "--job", "poll"]);
    assert_eq!(before["total"], 6);
}

#[test]
fn a_hundred_million_fires_are_counted_and_not_listed() {
    let fast = "[jobs.fast]\nevery = '100ms'\ntimezone = 'UTC'\nshell = 'true'\n";
    let year = ["--tz", "UTC", "--from", "2026-01-01", "--to", "2027-01-01"];
    let answer = answer(fast, &year);
    assert_eq!(answer["total"], 315_360_000);
    assert_eq!(answer["truncated"], true);
    assert_eq!(answer["fires"].as_array().map(Vec::len), Some(1000));
    assert_eq!(
        answer["days"][364],
        json!({ "start": "2026-12-31T00:00:00+00:00", "fires": 864_000 })
    );
    let shown = stdout(&simulate(fast, &[&year[..], &["--limit", "2"]].concat()));
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(
        lines[1..4],
        [
            "Thu 2026-01-01 00:00:00 +00:00    fast",
            "Thu 2026-01-01 00:00:00.1 +00:00  fast",
            "and 315359998 more fires; `--limit` lists more of them",
        ]
    );
    assert!(lines.iter().all(|line| line.len() <= 80), "{shown}");
}

#[test]
fn days_that_calendars_exclude_are_left_out() {
    let jobs = "
[scheduler]
timezone = 'Europe/Paris'
[calendars.holidays]
dates = ['2026-12-25', '2026-12-26']
[jobs.report]
cron = '0 9 * * *'
exclude = ['holidays']
shell = 'true'
[jobs.poll]
every = '1h'
exclude = ['holidays']
shell = 'true'
";
    let christmas = ["--from", "2026-12-24", "--to", "2026-12-28"];
    let answer = answer(jobs, &christmas);
    assert_eq!(
        (&answer["total"], &answer["excluded"]),
        (&json!(50), &json!(50))
    );
    let fires = answer["fires"].as_array().expect("fires");
    let days = fires
        .iter()
        .map(|fire| fire["scheduled_at"].as_str().expect("a time")[..10].to_owned());
    let days: std::collections::BTreeSet<_> = days.collect();
    assert_eq!(
        days.into_iter().collect::<Vec<_>>(),
        ["2026-12-24", "2026-12-27"]
    );
    let shown = stdout(&simulate(
        jobs,
        &[&christmas[..], &["--job", "report"]].concat(),
    ));
    assert!(
        shown.contains("\n2 more instants on days that calendars exclude.\n"),
        "{shown}"
    );
    assert!(
        shown.contains("Fri 2026-12-25  . . . . . . . . . . . ."),
        "{shown}"
    );
}

#[test]
fn where_nothing_fires_it_says_so() {
    let none = ["--from", "2026-10-25T04:10", "--to", "+5m"];
    assert_eq!(
        stdout(&simulate(JOBS, &none)),
        "Nothing fires\n\
         from Sun 2026-10-25 04:10:00 +01:00 to Sun 2026-10-25 04:15:00 +01:00.\n\
         No clock starts report (after backup succeeded).\n\
         Disabled: off.\n"
    );
    assert!(stdout(&simulate("", &[])).starts_with("Nothing fires\n"));
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    for (arguments, part) in [
        (
            &["--from", "2026-10-02", "--to", "2026-10-01"][..],
            "is not later than --from",
        ),
        (
            &["--from", "2026-10-02", "--to", "2026-10-02"],
            "nothing lies between them",
        ),
        (
            &["--from", "2026-01-01", "--to", "2027-01-03"],
            "more than 366 days",
        ),
        (&["--from", "tomorrow"], "--from: \"tomorrow\" is no time"),
        (&["--to", "25:00"], "--to: \"25:00\" is no time"),
        (&["--job", "bakup"], "has no job bakup"),
        (&["--job", "NO"], "job name"),
        (&["--tz", "Europe/Pariss"], "did you mean \"Europe/Paris\"?"),
        (&["--limit", "100001"], "100001"),
    ] {
        let output = simulate(JOBS, arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        assert!(
            stderr(&output).contains(part),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    let output = simulate("[jobs.a]\nevery = '1s'\n", &["--json"]);
    assert_eq!(output.status.code(), Some(2));
    let text = stderr(&output);
    assert!(text.contains("config.toml:1:1\n"), "{text}");
    assert!(
        text.ends_with("The configuration has an error; nothing of it is used.\n"),
        "{text}"
    );
}
