//! Every kind of row has its own words.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Scene, fire, span, t, unstarted};
use crate::job::{Reason, Run, Status, Trigger};

/// What is said of a run that is the last of the job.
fn told(run: Run) -> String {
    let at = run.scheduled_at.to_string();
    let id = run.id.to_string();
    let by_clock = matches!(run.trigger, Trigger::Schedule | Trigger::CatchUp);
    let said = Scene::nightly().with([run]).said(by_clock.then_some(&at));
    let (_, said) = said.split_once('\n').unwrap();
    said.replace(&id, "ID")
}

/// How a row of this status looks when it ran, or did not.
fn row(status: Status, trigger: Trigger) -> Run {
    let mut run = fire("2026-12-01T01:30:00Z");
    run.status = status;
    run.trigger = trigger;
    let started = !matches!(
        status,
        Status::Scheduled | Status::Queued | Status::Skipped | Status::Missed
    );
    if !started {
        run.started_at = None;
    }
    if !status.is_final() || !started {
        run.finished_at = None;
    }
    if !started || status != Status::Succeeded {
        run.exit_code = None;
    }
    if trigger == Trigger::Manual {
        run.requested_by = Some("uid 1000".into());
    }
    run
}

#[test]
fn every_status_of_every_trigger_has_its_own_sentence() {
    let mut all = BTreeSet::new();
    let mut shown = String::new();
    for &status in Status::ALL {
        for &trigger in Trigger::ALL {
            let said = told(row(status, trigger));
            let first = said.lines().next().unwrap().to_owned();
            writeln!(shown, "{status} {trigger}\n    {first}").unwrap();
            assert!(
                all.insert(first),
                "{status} {trigger} says what another says"
            );
        }
    }
    insta::assert_snapshot!("every_status_of_every_trigger", shown);
}

#[test]
fn every_reason_has_its_own_sentence_and_what_can_be_done() {
    let at = "2026-12-01T01:30:00Z";
    let not_run = [
        (Status::Skipped, Reason::PAUSED),
        (Status::Skipped, Reason::MAX_CONCURRENT),
        (Status::Skipped, Reason::QUEUE_LIMIT),
        (Status::Skipped, Reason::EXCLUDED),
        (Status::Skipped, "excluded: holidays"),
        (Status::Skipped, Reason::JOB_REMOVED),
        (Status::Missed, Reason::STARTING_DEADLINE),
        (Status::Missed, Reason::UNWATCHED),
        (Status::Missed, Reason::SHUTDOWN),
        (Status::Lost, Reason::REBOOT),
        (Status::Cancelled, "requested by uid 1000"),
        (Status::Cancelled, Reason::JOB_REMOVED),
        (Status::Cancelled, Reason::RESTARTED),
        (
            Status::Failed,
            "the program \"restic\" is not in PATH; install it",
        ),
    ];
    let ran = [
        (Status::Lost, Reason::DAEMON_DIED),
        (Status::Cancelled, Reason::REQUESTED),
        (Status::Cancelled, Reason::SHUTDOWN),
        (Status::Cancelled, Reason::REPLACED),
        (Status::TimedOut, Reason::TOTAL_TIMEOUT),
        (Status::Failed, Reason::TOTAL_TIMEOUT),
        (Status::Failed, "core_dumped"),
        (Status::Failed, "memory_limit: 64 MiB"),
        (Status::Failed, Reason::OUT_OF_MEMORY),
        (Status::Failed, "pids_limit: 20"),
        (Status::Failed, "the program has gone meanwhile."),
    ];
    let mut runs: Vec<Run> = not_run
        .iter()
        .map(|&(status, reason)| unstarted(at, status, reason))
        .collect();
    runs.extend(ran.iter().map(|&(status, reason)| Run {
        status,
        exit_code: None,
        reason: Some(Reason::new(reason)),
        ..fire(at)
    }));
    let mut all = BTreeSet::new();
    let mut shown = String::new();
    for run in runs {
        let reason = run.reason.clone().unwrap().0;
        writeln!(shown, "{} {reason}", run.status).unwrap();
        let said = told(run);
        for line in said.lines() {
            writeln!(shown, "    {line}").unwrap();
        }
        assert!(all.insert(said), "{reason} says what another says");
    }
    insta::assert_snapshot!("every_reason", shown);
}

#[test]
fn how_a_run_ended_is_told() {
    let failed = |code, signal| {
        told(Run {
            status: Status::Failed,
            exit_code: code,
            signal,
            attempts: 4,
            ..fire("2026-12-01T01:30:00Z")
        })
    };
    let text = failed(Some(3), None);
    assert!(text.contains("ended with exit code 3 after 2 min 3 s and 4 attempts (run ID)"));
    assert!(
        text.contains("`punctual logs ID` shows what it printed."),
        "{text}"
    );
    assert!(failed(None, Some(9)).contains("ended by signal 9 after"));
    let late = Run {
        queued_at: Some(t("2026-12-01T01:30:00Z")),
        started_at: Some(t("2026-12-01T01:30:50Z")),
        due_at: t("2026-12-01T01:30:12.5Z"),
        ..fire("2026-12-01T01:30:00Z")
    };
    let text = told(late);
    assert!(
        text.contains("due 12 s later by its jitter, started 38 s later after 50 s in the queue"),
        "{text}"
    );
    // The clock was set back between the two.
    let early = Run {
        started_at: Some(t("2026-12-01T01:29:00Z")),
        ..fire("2026-12-01T01:30:00Z")
    };
    let text = told(early);
    assert!(
        text.contains("started Tue 2026-12-01 02:29:00 +01:00"),
        "{text}"
    );
}

#[test]
fn advice_names_what_was_in_the_way() {
    let at = "2026-12-01T01:30:00Z";
    let advice = |policy: &str, reason: &str, other: Run| {
        let keys = format!("cron = \"30 2 * * *\"\nconcurrency_policy = \"{policy}\"");
        let status = if reason == Reason::STARTING_DEADLINE {
            Status::Missed
        } else {
            Status::Skipped
        };
        let said = Scene::of(&keys).with([unstarted(at, status, reason), other]);
        said.said(Some(at)).lines().nth(2).unwrap().to_owned()
    };
    let under_way = Run {
        status: Status::Running,
        finished_at: None,
        ..fire("2026-11-30T01:30:00Z")
    };
    let caught_up = Run {
        trigger: Trigger::CatchUp,
        ..under_way.clone()
    };
    let delayed = Run {
        status: Status::Queued,
        retry_at: Some(t("2026-12-01T11:00:10Z")),
        ..under_way.clone()
    };
    let deadline = Reason::STARTING_DEADLINE;
    for (policy, reason) in [
        ("forbid", Reason::MAX_CONCURRENT),
        ("queue", Reason::QUEUE_LIMIT),
        ("queue", deadline),
        ("replace", deadline),
    ] {
        let said = advice(policy, reason, caught_up.clone());
        assert!(said.starts_with("A run that was caught up"), "{said}");
        let said = advice(policy, reason, delayed.clone());
        assert!(said.starts_with("A run that was tried again"), "{said}");
        let said = advice(policy, reason, under_way.clone());
        assert!(!said.starts_with("A run that was"), "{said}");
    }
    // Under this policy no run waits for others of its job.
    let said = advice("forbid", deadline, caught_up);
    assert!(said.contains("too few slots"), "{said}");
}

#[test]
fn who_began_a_run_of_no_clock_is_not_guessed() {
    let origin = |keys: &str| {
        let mut scene = Scene::nightly();
        scene.plan = super::plan(keys);
        scene.history.clear();
        let said = scene
            .with([row(Status::Succeeded, Trigger::Startup)])
            .said(None);
        said.contains(
            "(by the start of the daemon, a reload, a resume, or the end of the run before it)",
        )
    };
    assert!(origin("on = \"startup\"\nrestart = \"always\""));
    assert!(origin("on = \"startup\"\nrestart = \"on-failure\""));
    assert!(origin("every = \"1h\""), "the job was another one then");
    assert!(!origin("on = \"startup\""));
}

#[test]
fn a_stretch_of_instants_is_told_as_one() {
    let (from, to) = ("2026-11-20T01:30:00Z", "2026-11-29T01:30:00Z");
    let paused = span(from, to, 10, Status::Skipped, Reason::PAUSED);
    let said = Scene::nightly()
        .with([paused])
        .said(Some("2026-11-25T01:30:00Z"));
    assert!(
        said.starts_with(
            "skipped\nIt did not run: the 10 instants from Fri 2026-11-20 02:30:00 +01:00 to Sun \
             2026-11-29 02:30:00 +01:00 were skipped (run "
        ),
        "{said}"
    );
    let one = span(from, from, 1, Status::Missed, Reason::UNWATCHED);
    let said = Scene::nightly().with([one]).said(Some(from));
    assert!(said.contains("did not run: due Fri 2026-11-20"), "{said}");
}
