//! Triggers that wait, and triggers that are sent again.

use std::collections::BTreeSet;

use serde_json::Value;

use super::api::problem;
use super::daemon::{Daemon, Place};
use super::http::{Answer, Door};

const JOBS: &str = r#"
    [jobs.note]
    every = "1000d"
    shell = 'echo "$PUNCTUAL_PARAM_WHO" >> "$PLACE/notes"'
    params = { who = { default = "all" } }
    [jobs.bad]
    every = "1000d"
    shell = "exit 7"
    [jobs.slow]
    every = "1000d"
    shell = 'while [ ! -e "$PLACE/go" ]; do sleep 0.02; done'
"#;

fn start() -> (Place, Daemon, Door) {
    let place = Place::new(JOBS);
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    (place, daemon, door)
}

fn keyed(door: &Door, path: &str, key: &str, body: &str) -> Answer {
    let ask = door.post(&format!("/api/v1/jobs/{path}"));
    ask.with("Idempotency-Key", key).json(body).send()
}

fn run_id(answer: &Answer) -> String {
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["run_id"].as_str().unwrap().to_owned()
}

#[test]
fn who_waits_gets_the_finished_run() {
    let (_place, _daemon, door) = start();
    for (job, status, code) in [("note", "succeeded", 0), ("bad", "failed", 7)] {
        let answer = door
            .post(&format!("/api/v1/jobs/{job}/trigger?wait=true"))
            .send();
        assert_eq!(answer.status, 200, "{answer:?}");
        let run = answer.json();
        assert_eq!(
            (&run["status"], &run["exit_code"]),
            (&status.into(), &code.into())
        );
        let shown = door.get(answer.header("location").unwrap()).ok();
        assert_eq!(shown["status"], status, "the ledger has it too");
    }
}

#[test]
fn twenty_requests_with_one_key_are_one_run() {
    let (place, daemon, door) = start();
    let asked: Vec<_> = (0..20)
        .map(|_| {
            let door = door.clone();
            std::thread::spawn(move || run_id(&keyed(&door, "note/trigger", "k-1", "{}")))
        })
        .collect();
    let ids: BTreeSet<String> = asked.into_iter().map(|it| it.join().unwrap()).collect();
    assert_eq!(ids.len(), 1, "{ids:?}");
    let id = ids.first().unwrap();

    // A repeat that waits gets the end, also when it came long ago.
    let ended = keyed(&door, "note/trigger?wait=true", "k-1", "{}");
    assert_eq!(
        (ended.status, ended.json()["id"].clone()),
        (200, Value::from(id.as_str()))
    );
    let spelt_out = keyed(&door, "note/trigger", "k-1", r#"{"params":{"who":"all"}}"#);
    assert_eq!(
        run_id(&spelt_out),
        *id,
        "the default, spelt out, is the same request"
    );
    let other = keyed(&door, "note/trigger", "k-1", r#"{"params":{"who":"me"}}"#);
    assert_eq!(
        (other.status, problem(&other).as_str()),
        (422, "key-reused")
    );
    let first = door.get(&format!("/api/v1/runs/{id}")).ok();

    // Nor does a restart forget it.
    daemon.kill9();
    let _daemon = place.start();
    assert_eq!(run_id(&keyed(&door, "note/trigger", "k-1", "{}")), *id);
    assert_eq!(door.get(&format!("/api/v1/runs/{id}")).ok(), first);
    let other = || keyed(&door, "note/trigger", "k-1", r#"{"params":{"who":"me"}}"#);
    assert_eq!(other().status, 422);

    // Nor does a reload, though its defaults are others.
    for params in ["params = { who = { default = \"some\" } }", ""] {
        place.configure(&JOBS.replace("params = { who = { default = \"all\" } }", params));
        assert_eq!(door.post("/api/v1/reload").send().status, 200);
        assert_eq!(run_id(&keyed(&door, "note/trigger", "k-1", "{}")), *id);
        assert_eq!(other().status, 422);
    }
    place.configure(JOBS);
    assert_eq!(door.post("/api/v1/reload").send().status, 200);
    assert_eq!(place.lines("notes"), ["all"]);
    let second = keyed(&door, "note/trigger?wait=true", "k-2", "{}");
    assert_ne!(second.json()["id"], id.as_str());
    assert_eq!(place.lines("notes"), ["all", "all"]);
}

#[test]
fn a_repeat_of_what_runs_is_no_conflict() {
    let (place, _daemon, door) = start();
    let first = run_id(&keyed(&door, "slow/trigger", "k", ""));
    assert_eq!(run_id(&keyed(&door, "slow/trigger", "k", "")), first);
    assert_eq!(
        problem(&keyed(&door, "slow/trigger", "l", "")),
        "max-concurrent"
    );
    let waiting = {
        let door = door.clone();
        std::thread::spawn(move || keyed(&door, "slow/trigger?wait=true", "k", ""))
    };
    std::fs::write(place.path("go"), "").unwrap();
    let ended = waiting.join().unwrap();
    assert_eq!(ended.json()["id"], first.as_str());
    assert_eq!(ended.json()["status"], "succeeded");
}
