//! What a scenario's ledger does not show: views of the state, parameters, and answers that need a
//! run's id or news that a healthy ledger never sends.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::dispatch::{Command, Effect, Input, PoolView, check_params};
use punctual::job::{AttemptEnd, ClaimOutcome, EventKind, Figures, Pool, RunId, Status, Strain};

use crate::words::{job, job_name, time};
use crate::world::World;

/// A machine with these jobs and one pool `p` of `slots`, at 12:00:00.
fn world(jobs: &[&str], slots: u32) -> World {
    let mut world = World::new(time("12:00:00"));
    configure(&mut world, slots);
    for text in jobs {
        let (plan, behaviour) = job(text);
        world.add_job(plan, behaviour);
    }
    world.start();
    world
}

fn configure(world: &mut World, slots: u32) {
    let name = "p".to_owned();
    world.pools.insert(name.clone(), Pool { name, slots });
}

fn pool(world: &mut World) -> Option<PoolView> {
    let now = world.now();
    let snapshot = world.daemon.as_mut().unwrap().snapshot(now);
    snapshot.pools.into_iter().find(|pool| pool.name == "p")
}

fn figures(world: &mut World) -> (u32, u32, usize) {
    let pool = pool(world).unwrap();
    (pool.slots, pool.used, pool.queued)
}

fn until(world: &mut World, seconds: f64) {
    world.run_until(Duration::from_secs_f64(seconds));
}

#[test]
fn a_pool_shows_its_slots_and_who_has_and_wants_them() {
    let jobs = ["a", "b", "c", "d", "e"].map(|name| format!("{name} at 12:00:01 pool p lasts 9s"));
    let jobs: Vec<_> = jobs.iter().map(String::as_str).collect();
    let mut world = world(&jobs, 2);
    assert_eq!(figures(&mut world), (2, 0, 0));
    until(&mut world, 2.0);
    assert_eq!(figures(&mut world), (2, 2, 3));
}

#[test]
fn a_pool_that_left_the_config_stays_while_somebody_uses_it_or_waits_for_it() {
    let mut used = world(&["a at 12:00:01 pool p lasts 9s"], 1);
    until(&mut used, 2.0);
    used.pools.remove("p");
    used.reload();
    assert_eq!(figures(&mut used).1, 1);

    let mut waited_for = world(&["a at 12:00:01 pool p lasts 9s"], 0);
    until(&mut waited_for, 2.0);
    waited_for.pools.remove("p");
    waited_for.reload();
    assert_eq!(figures(&mut waited_for).2, 1);

    let mut idle = world(&["a at 12:00:01 pool p lasts 1s"], 1);
    until(&mut idle, 3.0);
    idle.pools.remove("p");
    idle.reload();
    assert_eq!(pool(&mut idle), None);
}

#[test]
fn a_plan_is_known_until_its_job_leaves_the_config() {
    let mut world = world(&["a every 1s lasts 9s"], 1);
    let known = |world: &mut World| {
        let now = world.now();
        let daemon = world.daemon.as_mut().unwrap();
        let snapshot = daemon.snapshot(now);
        (
            daemon.plan("a").is_some(),
            snapshot.job("a").is_some(),
            snapshot.jobs.len(),
        )
    };
    until(&mut world, 2.0);
    assert_eq!(known(&mut world), (true, true, 1));
    world.plans.clear();
    world.reload();
    // Its run goes on.
    assert_eq!(known(&mut world), (false, false, 0));
}

#[test]
fn a_claim_is_only_scheduled_and_an_unknown_run_not_active() {
    let mut world = world(&["a every 10s"], 1);
    until(&mut world, 8.0);
    let cancel = |instant| {
        let run = RunId::of_fire(&job_name("a"), time(instant));
        Command::Cancel { run }
    };
    world.command("claimed", cancel("12:00:10"));
    world.command("unknown", cancel("12:00:50"));
    let said: Vec<_> = world.said.iter().map(|(_, said)| said.as_str()).collect();
    let expected = [
        "> claimed: refused: only scheduled",
        "> unknown: refused: not active",
    ];
    assert_eq!(said, expected);
}

#[test]
fn a_parameter_has_at_most_4096_bytes_and_no_nul() {
    let (plan, _) = job("a at 12:00:01 param p");
    let check = |value: String| check_params(&plan, BTreeMap::from([("p".to_owned(), value)]));
    assert!(check("x".repeat(4096)).is_ok());
    assert!(check("x".repeat(4097)).is_err());
    assert!(check("x\0".to_owned()).is_err());
}

/// The ledger knows an end of a run that waited for its slot: it does not start, and its place and
/// its slot go to the next.
#[test]
fn a_start_that_the_ledger_refuses_frees_place_and_slot() {
    let jobs = [
        "b at 12:00:01 pool p lasts 2s",
        "a at 12:00:02 pool p",
        "c at 12:00:02.5 pool p",
    ];
    let mut world = world(&jobs, 1);
    until(&mut world, 2.8);
    world.commits = vec![crate::world::Commit::Done(Duration::from_secs(10))];
    until(&mut world, 3.2);
    assert_eq!(figures(&mut world), (1, 1, 1));
    let a = RunId::of_fire(&job_name("a"), time("12:00:02"));
    world.input(Input::Claimed(vec![(a, ClaimOutcome::Decided)]));
    let daemon = world.daemon.as_mut().unwrap();
    assert_eq!(daemon.view_of(&job_name("a")).unwrap().running, 0);
    // The slot is that of `c` now.
    assert_eq!(daemon.view_of(&job_name("c")).unwrap().running, 1);
    assert_eq!(figures(&mut world), (1, 1, 0));
}

/// Whether this step says that the clock moved.
fn clock_moved(world: &mut World, at: Timestamp) -> bool {
    let effects = world.daemon.as_mut().unwrap().step(at, Input::Tick);
    effects.iter().any(|effect| match effect {
        Effect::Emit(event) => matches!(event.kind, EventKind::ClockStepped { .. }),
        _ => false,
    })
}

#[test]
fn the_clock_has_moved_when_it_is_more_than_five_seconds_off() {
    let mut world = world(&[], 1);
    let (begin, five) = (time("12:00:00"), SignedDuration::from_secs(5));
    let tick = SignedDuration::from_micros(1);
    assert!(!clock_moved(&mut world, begin + five));
    assert!(!clock_moved(&mut world, begin));
    assert!(clock_moved(&mut world, begin + five + tick));
    assert!(clock_moved(&mut world, begin));
}

#[test]
fn what_the_daemon_died_under_is_lost_attempt_by_attempt() {
    let mut world = world(&["a at 12:00:01 lasts 9s"], 1);
    until(&mut world, 2.0);
    let statuses = |world: &World| -> Vec<_> {
        let attempts = world.ledger.attempts.values();
        attempts.map(|it| (it.status, it.pid)).collect()
    };
    assert_eq!(statuses(&world), [(Status::Running, Some(1))]);
    world.kill(crate::world::UnderWay::Lost);
    world.start();
    until(&mut world, 3.0);
    assert_eq!(statuses(&world), [(Status::Lost, Some(1))]);
}

/// The runner may have news of an end on its way when it is told to stop.
#[test]
fn what_fails_by_itself_after_it_was_told_to_stop_is_not_tried_again() {
    let mut world = world(&["a at 12:00:01 lasts 9s retries 1"], 1);
    until(&mut world, 2.0);
    let run = RunId::of_fire(&job_name("a"), time("12:00:01"));
    world.command("cancel", Command::Cancel { run });
    world.input(Input::Ended {
        run,
        attempt: 1,
        end: AttemptEnd::Exited { code: 1, ok: false },
        figures: Figures::default(),
        at: world.now(),
    });
    let daemon = world.daemon.as_mut().unwrap();
    let view = daemon.view_of(&job_name("a")).unwrap();
    assert_eq!((view.running, view.queued), (0, 0));
}

/// It came to its end just before, but there is no time for another attempt, and that is told.
#[test]
fn what_fails_by_itself_as_its_total_timeout_stops_it_has_that_reason() {
    let mut world = world(
        &["a at 12:00:01 lasts 9s total 2s retries 1 delay 1ms dies-in 1s"],
        1,
    );
    until(&mut world, 3.5);
    let run = RunId::of_fire(&job_name("a"), time("12:00:01"));
    world.input(Input::Ended {
        run,
        attempt: 1,
        end: AttemptEnd::Exited { code: 1, ok: false },
        figures: Figures::default(),
        at: time("12:00:02.9"),
    });
    until(&mut world, 5.0);
    let row = &world.ledger.runs[&run];
    let reason = row.reason.as_ref().map(|it| it.0.clone());
    assert_eq!(
        (row.status, row.attempts, reason.as_deref()),
        (Status::Failed, 1, Some("total_timeout"))
    );
}

/// What it ran into is the reason, and it counts as any other failure.
#[test]
fn what_failed_for_a_limit_says_so_and_is_tried_again() {
    for (strain, told) in [
        (Strain::MemoryLimit(64 << 20), "memory_limit: 64 MiB"),
        (Strain::OutOfMemory, "out_of_memory"),
        (Strain::PidsLimit(20), "pids_limit: 20"),
    ] {
        let mut world = world(&["a at 12:00:01 lasts 9s retries 1 delay 1s"], 1);
        until(&mut world, 2.0);
        let run = RunId::of_fire(&job_name("a"), time("12:00:01"));
        world.input(Input::Ended {
            run,
            attempt: 1,
            end: AttemptEnd::Strained {
                strain,
                code: None,
                signal: Some(9),
            },
            figures: Figures::default(),
            at: world.now(),
        });
        until(&mut world, 2.5);
        assert_eq!(world.ledger.runs[&run].status, Status::Queued);
        let attempt = &world.ledger.attempts[&(run, 1)];
        let reason = attempt.reason.as_ref().map(|it| it.0.as_str());
        assert_eq!(
            (attempt.status, attempt.signal, reason),
            (Status::Failed, Some(9), Some(told))
        );
    }
}
