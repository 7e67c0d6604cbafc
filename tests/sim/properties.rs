//! The promises, held against random histories. The world itself checks, at every step, that no run
//! starts twice, before its claim is durable, while draining, beyond `max_concurrent` or its pool,
//! or after a pause; and at every crash that the ledger is whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use proptest::test_runner::Config;
use punctual::dispatch::{Command, Dispatcher, Input};
use punctual::job::{ConcurrencyPolicy, JobFlags, JobName, Plan, Status, Trigger};

use crate::random::{Draft, History, Occasion, act, draft, history, wakes};
use crate::world::{Commit, UnderWay, Wake, World};

fn config() -> Config {
    let set = std::env::var("PROPTEST_CASES").ok();
    Config {
        cases: set.and_then(|n| n.parse().ok()).unwrap_or(2_500),
        failure_persistence: None,
        ..Config::default()
    }
}

proptest! {
    #![proptest_config(config())]

    /// Whatever happens: no instant twice, none lost, and afterwards jobs fire again.
    #[test]
    fn every_instant_is_accounted_for_once(history in history()) {
        let mut world = played(&history);
        settle(&mut world);
        world.check();
        all_is_decided(&world);
        prop_assert_eq!(world.unanswered(), 0);
    }

    /// A crash at any moment of a quiet history, and recovery from what was durable then.
    #[test]
    fn recovery_at_any_moment_keeps_the_ledger_whole(
        history in history(),
        more in 0..5_000_u64,
        durable in any::<bool>(),
    ) {
        let mut world = played(&history);
        world.run_until(world.elapsed() + Duration::from_millis(more));
        world.kill(if durable { UnderWay::Durable } else { UnderWay::Lost });
        world.check();
        world.start();
        settle(&mut world);
        world.check();
        all_is_decided(&world);
    }

    /// A daemon that knows the ledger alone stands where the one that wrote it stands.
    #[test]
    fn replay_of_the_ledger_gives_the_same_state(history in history()) {
        let mut world = played(&history);
        settle(&mut world);
        // Nothing begins any more, and what has begun comes to its end.
        world.command("pause all", Command::PauseAll);
        settle(&mut world);
        // Each start makes a run of its own of a job that runs from there on; a disabled one has no mark.
        let by_clock = |plan: &&Arc<Plan>| plan.enabled && plan.when.restart().is_none();
        let jobs: Vec<JobName> = world.plans.values().filter(by_clock).map(|it| it.name.clone()).collect();
        if !world.is_at_rest() {
            return Ok(());
        }
        let replayed = world.replayed();
        // As the replayed one has, the one that lives looks at this very moment.
        for job in &jobs {
            world.input(Input::Wake(job.clone()));
        }
        for job in &jobs {
            let stands = |daemon: &Dispatcher| {
                let view = daemon.view_of(job).unwrap();
                (view.state, view.next_fire, view.running, view.queued, undecided(&world, view.flags))
            };
            let live = stands(world.daemon.as_ref().unwrap());
            prop_assert_eq!(live, stands(&replayed), "{}", job);
        }
    }

    /// Wakes that are late, lost or doubled change lateness alone.
    #[test]
    fn wakes_change_lateness_alone(drafts in prop::collection::vec(draft(), 1..3), wakes in wakes()) {
        let outcome = |wakes: Vec<Wake>| {
            let jobs = drafts.iter().map(|draft| Some(unhurried(draft)));
            let history = History { jobs: jobs.collect(), slots: 3, deeds: Vec::new() };
            let mut world = history.world();
            world.wakes = wakes;
            world.start();
            world.run_until(Duration::from_secs(20));
            decided(&world, world.now() - SignedDuration::from_secs(3))
        };
        prop_assert_eq!(outcome(vec![Wake::OnTime]), outcome(wakes));
    }
}

/// What is remembered of a job, with its mark moved on to its next instant: where between two
/// instants the mark stands says nothing.
fn undecided(world: &World, mut flags: JobFlags) -> JobFlags {
    let next = world.plans[&flags.job].next_after(flags.decided_through);
    flags.decided_through = next.unwrap_or(Timestamp::MAX);
    flags
}

/// A job whose runs come to the same end however late they start.
fn unhurried(draft: &Draft) -> Draft {
    Draft {
        occasion: Occasion::Clock,
        excludes: None,
        policy: ConcurrencyPolicy::Allow,
        retries: 0,
        total: None,
        timeout: None,
        codes: vec![0],
        deadline: None,
        pool: false,
        ..draft.clone()
    }
}

fn played(history: &History) -> World {
    let mut world = history.world();
    world.start();
    for (after, deed) in &history.deeds {
        world.run_until(world.elapsed() + *after);
        act(&mut world, deed);
    }
    world
}

/// Nothing is in the way any more, for a while that is longer than anything lasts.
fn settle(world: &mut World) {
    world.wakes = vec![Wake::OnTime];
    world.commits = vec![Commit::Done(Duration::from_millis(2))];
    world.run_until(world.elapsed() + Duration::from_secs(25));
}

/// Every job is decided up to now, and no claim of the past is left over.
fn all_is_decided(world: &World) {
    let now = world.now();
    for plan in world.plans.values().filter(|plan| plan.enabled) {
        let mark = world.ledger.flags[&plan.name].decided_through;
        let next = plan.next_after(mark);
        let due = next.map(|next| plan.due_at(next));
        assert!(
            due.is_none_or(|due| due > now - SignedDuration::from_secs(1)),
            "{} is stuck: decided through {mark}, now {now}",
            plan.name
        );
    }
    let old = now - SignedDuration::from_secs(1);
    let stuck = |status, due_at| status == Status::Scheduled && due_at < old;
    let mut runs = world.ledger.runs.values();
    if let Some(run) = runs.find(|run| stuck(run.status, run.due_at)) {
        panic!("still scheduled at {now}: {run:?}");
    }
}

/// How each instant up to `until` ended.
fn decided(world: &World, until: Timestamp) -> BTreeMap<(JobName, Timestamp), (Status, Trigger)> {
    let runs = world.ledger.runs.values();
    runs.filter(|run| run.scheduled_at <= until && run.due_at <= until)
        .map(|run| {
            assert!(run.span.is_none(), "nothing is skipped here: {run:?}");
            let ended = match run.status {
                Status::Running => Status::Succeeded,
                other => other,
            };
            ((run.job.clone(), run.scheduled_at), (ended, run.trigger))
        })
        .collect()
}
