//! `punctual next`: the agreed answers of independent implementations, and its manners.

use std::process::{Command, Output};

use serde_json::Value;

fn punctual<S: AsRef<std::ffi::OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_punctual"))
        .args(arguments)
        .env_remove("TZ")
        .output()
        .expect("the binary starts")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("output is UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("output is UTF-8")
}

fn fires(output: &Output) -> Vec<String> {
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    let fires = answer["fires"].as_array().cloned().unwrap_or_default();
    fires
        .iter()
        .filter_map(Value::as_str)
        .map(str::to_owned)
        .collect()
}

/// What is wrong with the answer to one case, if anything.
fn disagreement(case: &Value) -> Option<String> {
    let arguments: Vec<&str> = case["args"]
        .as_array()
        .expect("a case has arguments")
        .iter()
        .map(|value| value.as_str().expect("an argument is text"))
        .collect();
    let output = punctual(&arguments);
    let (code, got) = (output.status.code(), fires(&output));
    let refused = code == Some(2) && output.stdout.is_empty() && !output.stderr.is_empty();
    let expect = &case["expect"];
    let agrees = if let Some(wanted) = expect["fires"].as_array() {
        code == Some(0)
            && got.iter().eq(wanted
                .iter()
                .filter_map(Value::as_str)
                .collect::<Vec<_>>()
                .iter())
    } else if expect["error"] == true {
        refused
    } else {
        assert_eq!(
            expect["error_or_empty"], true,
            "a kind of expectation that is known"
        );
        refused || (code == Some(0) && got.is_empty())
    };
    let about = || {
        format!(
            "{}: {arguments:?}\n  wanted {expect}\n  got {code:?} {got:?} {}",
            case["id"],
            stderr(&output)
        )
    };
    (!agrees).then(about)
}

#[test]
fn agrees_with_independent_implementations() {
    let cases = include_str!("../fixtures/schedule-cases.jsonl");
    let cases: Vec<Value> = cases
        .lines()
        .map(|line| serde_json::from_str(line).expect("a case is JSON"))
        .collect();
    assert_eq!(cases.len(), 362);
    let wrong: Vec<String> = cases.iter().filter_map(disagreement).collect();
    assert!(
        wrong.is_empty(),
        "{} of {} cases:\n{}",
        wrong.len(),
        cases.len(),
        wrong.join("\n")
    );
}

#[test]
fn json_is_one_object() {
    let output = punctual(&[
        "next",
        "--json",
        "--tz",
        "europe/paris",
        "--from",
        "2026-03-28T12:00:00Z",
        "--count",
        "1",
        "30 2 * * *",
    ]);
    let wanted = r#"{"expression":"30 2 * * *","timezone":"Europe/Paris","fires":["2026-03-29T03:00:00+02:00"]}"#;
    assert_eq!(stdout(&output).trim_end(), wanted);
    let output = punctual(&[
        "next",
        "--json",
        "--tz",
        "UTC",
        "--from",
        "2026-01-01T00:00:00Z",
        "--count",
        "2",
        "--every",
        "0h0m0s250ms",
    ]);
    let wanted = r#"{"expression":"250ms","timezone":"UTC","fires":["2026-01-01T00:00:00.25+00:00","2026-01-01T00:00:00.5+00:00"]}"#;
    assert_eq!(stdout(&output).trim_end(), wanted);
}

#[test]
fn people_get_words_and_weekdays() {
    let output = punctual(&[
        "next",
        "--tz",
        "Europe/Paris",
        "--from",
        "2026-03-28T12:00:00Z",
        "--count",
        "2",
        "30 2 * * *",
    ]);
    let wanted = "at 02:30 every day (Europe/Paris)\nSun 2026-03-29 03:00:00 +02:00\nMon 2026-03-30 02:30:00 +02:00\n";
    assert_eq!(stdout(&output), wanted);
    assert!(output.status.success());
}

#[test]
fn a_local_time_is_one_of_the_zone() {
    let from = |time| {
        punctual(&[
            "next",
            "--json",
            "--tz",
            "America/New_York",
            "--count",
            "1",
            "--from",
            time,
            "@hourly",
        ])
    };
    assert_eq!(
        fires(&from("2026-07-01T12:30:00")),
        ["2026-07-01T13:00:00-04:00"]
    );
    for (time, word) in [
        ("2026-03-08T02:30:00", "does not exist or comes twice"),
        ("9999-12-31", "outside of the time that can be told"),
        ("tomorrow", "is no time"),
    ] {
        let output = from(time);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(word), "{}", stderr(&output));
    }
}

#[test]
fn the_job_chooses_h() {
    let of = |job| {
        fires(&punctual(&[
            "next",
            "--json",
            "--tz",
            "UTC",
            "--from",
            "2026-01-01T00:00:00Z",
            "--count",
            "2",
            "--job",
            job,
            "H H * * *",
        ]))
    };
    assert_eq!(of("backup"), of("backup"));
    assert_ne!(of("backup"), of("report"));
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let table: [(&[&str], &str); 9] = [
        (&["next"], "required"),
        (&["next", "--count", "0", "@daily"], "1..=10000"),
        (&["next", "--count", "10001", "@daily"], "1..=10000"),
        (&["next", "--every", "5m", "@daily"], "cannot be used with"),
        (
            &["next", "--start", "2026-01-01T00:00:00Z", "@daily"],
            "cannot be used with",
        ),
        (&["next", "--every", "10ms"], "the shortest is 100ms"),
        (
            &["next", "--tz", "Europe/Pariss", "@daily"],
            "did you mean \"Europe/Paris\"?",
        ),
        (&["next", "-1 * * * *"], "minute \"-1\""),
        (
            &[
                "next",
                "--tz",
                "UTC",
                "--from",
                "2026-01-01T00:00:00Z",
                "0 0 0 1 1 * 2025",
            ],
            "names no instant after 2026-01-01T00:00:00+00:00",
        ),
    ];
    for (arguments, word) in table {
        let output = punctual(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert!(
            stderr(&output).contains(word),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}
