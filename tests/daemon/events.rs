//! The live stream of events, the status and the fires to come.

use std::collections::BTreeMap;
use std::collections::BTreeSet;

use serde_json::Value;

use super::api::{Api, problem};
use super::daemon::{Daemon, Place, jobs, wait_until};
use super::http::{Door, Event, Opened};

const JOBS: &str = r#"
    [scheduler]
    shutdown_grace = "200ms"
    [jobs.talk]
    every = "1000d"
    command = ["true"]
    [jobs.beat]
    every = "100ms"
    command = ["true"]
"#;

fn start() -> (Place, Daemon, Door) {
    let place = Place::new(JOBS);
    let daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    (place, daemon, door)
}

fn trigger(door: &Door, job: &str) -> String {
    let answer = door.post(&format!("/api/v1/jobs/{job}/trigger")).send();
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()["run_id"].as_str().unwrap().to_owned()
}

/// Events up to the end of a run.
fn until_end(stream: &mut Opened, run: &str) -> Vec<Event> {
    let mut seen = Vec::new();
    loop {
        let event = stream.next().unwrap();
        let ended = event.data["run"]["id"] == *run && event.data["run"]["status"] == "succeeded";
        seen.push(event);
        if ended {
            return seen;
        }
    }
}

#[test]
fn the_life_of_a_run_and_what_people_do_are_told() {
    let (_place, _daemon, door) = start();
    let mut stream = door.get("/api/v1/events?job=talk").open();
    assert_eq!(stream.head.status, 200);
    assert_eq!(
        stream.head.header("content-type"),
        Some("text/event-stream")
    );
    assert_eq!(stream.next().unwrap().kind, "hello");
    let run = trigger(&door, "talk");
    let told: Vec<_> = until_end(&mut stream, &run)
        .into_iter()
        .map(|event| (event.kind, event.data["run"]["status"].clone()))
        .collect();
    let run_event = |status: &str| ("run".to_owned(), Value::from(status));
    assert_eq!(told, [run_event("running"), run_event("succeeded")]);

    door.post("/api/v1/jobs/talk/pause").ok();
    let paused = stream.next().unwrap();
    assert_eq!(
        (paused.kind.as_str(), &paused.data["paused"]),
        ("job", &true.into())
    );
    assert_eq!(paused.data["job"], "talk");
    door.post("/api/v1/scheduler/pause").ok();
    let everything = stream.next_of("scheduler");
    assert_eq!(everything.data["paused"], true);
    assert!(everything.data["by"].as_str().unwrap().starts_with("unix:"));
    door.post("/api/v1/reload").ok();
    stream.next_of("reload");

    assert_eq!(
        problem(&door.get("/api/v1/events?job=nobody").send()),
        "unknown-job"
    );
    let nonsense = door.get("/api/v1/events").with("Last-Event-ID", "x");
    assert_eq!(problem(&nonsense.send()), "bad-request");
}

#[test]
fn who_comes_back_misses_nothing_and_gets_nothing_twice() {
    let (place, daemon, door) = start();
    let mut stream = door.get("/api/v1/events").open();
    let mut last = stream.next_of("hello").id;
    let mut seen: Vec<Event> = Vec::new();
    for round in 0..12 {
        for _ in 0..round {
            let event = stream.next().unwrap();
            last.clone_from(&event.id);
            seen.extend((event.kind != "hello").then_some(event));
        }
        stream = door
            .get("/api/v1/events")
            .with("Last-Event-ID", &last)
            .open();
    }
    let numbers: Vec<u64> = seen
        .iter()
        .map(|event| event.id.split_once('-').unwrap().1.parse().unwrap())
        .collect();
    let expected: Vec<u64> = (numbers[0]..).take(numbers.len()).collect();
    assert_eq!(numbers, expected);
    let mut by_run: BTreeMap<String, Vec<&Value>> = BTreeMap::new();
    for event in &seen {
        let run = &event.data["run"];
        let id = run["id"].as_str().unwrap_or_else(|| panic!("{event:?}"));
        by_run
            .entry(id.to_owned())
            .or_default()
            .push(&run["status"]);
    }
    let whole = by_run.values().filter(|life| life.len() == 2).count();
    assert!(whole > 20, "{by_run:?}");

    assert!(daemon.terminate().success());
    let _daemon = place.start();
    let mut stream = door
        .get("/api/v1/events")
        .with("Last-Event-ID", &last)
        .open();
    let gap = stream.next_of("gap");
    assert_eq!(gap.data["reason"], "restarted");
    let after = stream.next_of("run");
    assert_ne!(after.id, gap.id);
}

#[test]
fn readers_that_do_not_read_hold_back_nobody() {
    let beats = jobs(8, |number| {
        format!("[jobs.beat{number}]\nevery = \"100ms\"\ncommand = [\"true\"]\n")
    });
    let place = Place::new(&beats);
    let _daemon = place.start();
    let door = Door::Unix(place.path("punctual.sock"));
    let stalled: Vec<_> = (0..6).map(|_| door.get("/api/v1/events").open()).collect();
    let mut reader = door.get("/api/v1/events").open();
    for _ in 0..1_500 {
        let event = reader.next().unwrap();
        assert_ne!(event.kind, "gap");
    }
    let status = door.get("/api/v1/status").ok();
    let lateness = &status["lateness_s"];
    assert!(lateness["p50"].as_f64().unwrap() < 0.25, "{lateness}");
    assert!(lateness["starts"].as_u64().unwrap() > 500, "{lateness}");
    // More readers than there are seats are told so, and the others go on.
    let more: Vec<_> = (0..48).map(|_| door.get("/api/v1/events").open()).collect();
    let refused = more
        .iter()
        .filter(|opened| opened.head.status == 503)
        .count();
    assert_eq!(refused, 7);
    assert_eq!(door.get("/api/v1/jobs").status(), 200);
    reader.next_of("run");
    drop((stalled, more));
    wait_until("seats are free again", || {
        let opened = door.get("/api/v1/events").open();
        (opened.head.status == 200).then_some(())
    });
}

#[test]
fn a_token_hears_of_its_jobs_alone() {
    let api = Api::start("token");
    let all = api.tcp.get("/api/v1/events").token(Some("viewer-secret"));
    let mut all = all.open();
    let mut some = api
        .tcp
        .get("/api/v1/events")
        .token(Some("some-secret"))
        .open();
    some.next_of("hello");
    // `beat` fires ten times a second, and is not theirs.
    let mut beats = BTreeSet::new();
    while beats.len() < 3 {
        beats.insert(all.next_of("run").data["run"]["id"].to_string());
    }
    api.trigger("talk");
    for _ in 0..2 {
        assert_eq!(some.next_of("run").data["run"]["job"], "talk");
    }
    let hidden = api
        .tcp
        .get("/api/v1/events?job=beat")
        .token(Some("some-secret"));
    assert_eq!(problem(&hidden.send()), "unknown-job");
    let upcoming = api
        .tcp
        .get("/api/v1/upcoming?limit=500")
        .token(Some("some-secret"));
    let upcoming = upcoming.ok();
    let fires = upcoming["items"].as_array().unwrap();
    assert!(fires.iter().all(|fire| fire["job"] != "beat"), "{fires:?}");
    let status = api
        .tcp
        .get("/api/v1/status")
        .token(Some("some-secret"))
        .ok();
    assert_eq!(status["jobs"]["active"], 2, "{status}");
}

#[test]
fn the_status_and_the_fires_to_come() {
    let (_place, _daemon, door) = start();
    let status = wait_until("a start", || {
        let status = door.get("/api/v1/status").ok();
        let started = status["state"] == "ready" && !status["lateness_s"].is_null();
        started.then_some(status)
    });
    assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(status["jobs"]["active"], 2);
    let node = &status["nodes"][0];
    assert_eq!(node["role"], "leader");
    assert!(node["config_hash"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(status["pools"][0]["name"], "default");
    assert_eq!(status["store"]["writable"], true);
    assert!(status["uptime_s"].as_f64().unwrap() > 0.0);
    for name in ["p50", "p99", "max"] {
        assert!(
            status["lateness_s"][name].as_f64().unwrap() >= 0.0,
            "{status}"
        );
    }
    assert!(status["last_reload"].is_null());
    door.post("/api/v1/reload").ok();
    let reloaded = door.get("/api/v1/status").ok();
    assert_eq!(reloaded["last_reload"]["ok"], true);
    assert_eq!(reloaded["nodes"][0]["config_hash"], node["config_hash"]);

    door.post("/api/v1/scheduler/pause").ok();
    wait_until("paused", || {
        (door.get("/api/v1/status").ok()["state"] == "paused").then_some(())
    });
    assert_eq!(
        door.get("/api/v1/upcoming").ok()["items"],
        serde_json::json!([])
    );
    door.post("/api/v1/scheduler/resume").ok();
    let fires = door.get("/api/v1/upcoming?limit=5").ok();
    assert_eq!(fires["items"].as_array().unwrap().len(), 5);
    let instants: Vec<_> = fires["items"].as_array().unwrap().iter().collect();
    for pair in instants.windows(2) {
        let at = |fire: &Value| fire["scheduled_at"].as_str().unwrap().to_owned();
        assert!(at(pair[0]) <= at(pair[1]), "{fires}");
    }
    let cursor = fires["next_cursor"].as_str().unwrap();
    let next = door
        .get(&format!("/api/v1/upcoming?limit=1&cursor={cursor}"))
        .ok();
    assert!(next["items"][0]["scheduled_at"].as_str() >= instants[4]["scheduled_at"].as_str());
    assert_eq!(
        problem(&door.get("/api/v1/upcoming?job=nobody").send()),
        "unknown-job"
    );
}
