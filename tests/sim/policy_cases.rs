//! Every policy crossed with what may be in its way, as data: `tests/fixtures/policy-cases.jsonl`.
//!
//! One line a case: what was varied, the history (a scenario, as under `cases/`), and the ledger and
//! the answers that are expected of it. The job is due every 10 s, and the instant that all is about
//! is 12:00:10. `PUNCTUAL_BLESS=1` writes what came out, to be read before it is committed.

use std::fmt::Write as _;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::scenario;

const POLICIES: [&str; 4] = ["forbid", "queue 2", "replace", "allow"];

/// Whether the job has run before the instant.
const RAN_BEFORE: [bool; 2] = [false, true];

/// Whether a run of it is still active at the instant: its own last fire, or one by hand.
const STILL_ACTIVE: [bool; 2] = [false, true];

/// How late the daemon looks at the instant: in time; later than it should, without and with a
/// deadline that passes; not at all, because it is down for 19 s, with each catch-up.
const LATE: [&str; 6] = ["no", "3s", "3s, deadline 1s", "none", "latest", "all"];

const PAUSED: [bool; 2] = [false, true];

/// What a reload does to the job one second before the instant.
const RELOADED: [&str; 3] = ["no", "another schedule", "gone"];

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Case {
    policy: String,
    ran_before: bool,
    still_active: bool,
    late: String,
    paused: bool,
    reloaded: String,
    history: Vec<String>,
    ledger: Vec<String>,
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for policy in POLICIES {
        for ran_before in RAN_BEFORE {
            for still_active in STILL_ACTIVE {
                for late in LATE {
                    for paused in PAUSED {
                        for reloaded in RELOADED {
                            cases.push(Case {
                                policy: policy.to_owned(),
                                ran_before,
                                still_active,
                                late: late.to_owned(),
                                paused,
                                reloaded: reloaded.to_owned(),
                                history: Vec::new(),
                                ledger: Vec::new(),
                            });
                        }
                    }
                }
            }
        }
    }
    cases
}

/// The history of a case.
fn history(case: &Case) -> Vec<String> {
    let lasts = if case.still_active { "13s" } else { "1s" };
    let policy = match case.policy.as_str() {
        "forbid" => String::new(),
        other => format!(" {other}"),
    };
    let late = match case.late.as_str() {
        "no" | "3s" => "",
        "3s, deadline 1s" => " deadline 1s",
        "none" => " catch-up none",
        "latest" => " catch-up latest",
        _ => " catch-up all",
    };
    let begin = if case.ran_before {
        "11:59:55"
    } else {
        "12:00:05"
    };
    let job = |every: &str| format!("job a every {every} lasts {lasts}{policy}{late}");
    let mut lines = vec![format!("begin {begin}"), job("10s")];
    let mut act = |at: &str, what: &str| lines.push(format!("12:00:{at} {what}"));
    if case.still_active && !case.ran_before {
        act("06", "trigger a");
    }
    let is_down = ["none", "latest", "all"].contains(&case.late.as_str());
    if case.late.starts_with("3s") {
        act("06.5", "wakes late 3s");
    }
    if case.paused {
        act("08", "pause a");
    }
    match case.reloaded.as_str() {
        "another schedule" => {
            act("09", &job("8s"));
            act("09", "reload");
        }
        "gone" => {
            act("09", "drop a");
            act("09", "reload");
        }
        _ => {}
    }
    if is_down {
        act("09.5", "kill");
        act("28.5", "start");
    }
    if case.paused && case.reloaded != "gone" {
        act("29", "resume a");
    }
    act("45", "end");
    lines
}

#[test]
fn every_policy_in_every_situation() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/policy-cases.jsonl");
    let mut cases = cases();
    for case in &mut cases {
        case.history = history(case);
        let text = scenario::run(&(case.history.join("\n") + "\n"));
        case.ledger = text.lines().map(str::to_owned).collect();
    }
    if std::env::var_os("PUNCTUAL_BLESS").is_some() {
        let mut text = String::new();
        for case in &cases {
            let _ = writeln!(text, "{}", serde_json::to_string(case).unwrap());
        }
        std::fs::write(&file, text).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap();
    let expected: Vec<Case> = expected
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(expected.len(), cases.len());
    for (expected, case) in expected.iter().zip(&cases) {
        let (then, now) = (expected.ledger.join("\n"), case.ledger.join("\n"));
        assert_eq!(expected, case, "\nexpected:\n{then}\nfound:\n{now}");
    }
}

/// What the table as a whole must show, whatever each line says: a policy that is not told apart
/// from another has no effect.
#[test]
fn the_policies_differ_where_a_run_is_in_the_way_and_only_there() {
    for still_active in STILL_ACTIVE {
        let outcome = |policy: &str| {
            let case = Case {
                policy: policy.to_owned(),
                ran_before: true,
                still_active,
                late: "no".to_owned(),
                paused: false,
                reloaded: "no".to_owned(),
                history: Vec::new(),
                ledger: Vec::new(),
            };
            scenario::run(&(history(&case).join("\n") + "\n"))
        };
        let mut outcomes = POLICIES.map(outcome).to_vec();
        outcomes.sort();
        outcomes.dedup();
        assert_eq!(
            outcomes.len(),
            if still_active { POLICIES.len() } else { 1 }
        );
    }
}
