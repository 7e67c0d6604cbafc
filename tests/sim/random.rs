//! Random jobs and random histories.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use punctual::dispatch::Command;
use punctual::job::{CatchUpMode, ConcurrencyPolicy, Plan, Pool, Restart, Status, Upstream, When};
use punctual::schedule::{Calendar, Rule};

use crate::words::{job_name, plan, schedule, time};
use crate::world::{Behaviour, Commit, UnderWay, Wake, World};

/// The names that jobs and their targets are drawn from.
const NAMES: [&str; 3] = ["a", "b", "c"];

/// When histories begin.
const ORIGIN: &str = "11:59:52";

/// A zone whose midnight comes soon after that.
const MIDNIGHT_AT_NOON: &str = "Etc/GMT-12";

/// A job as drawn.
#[allow(clippy::struct_excessive_bools, reason = "each is drawn for itself")]
#[derive(Debug, Clone)]
pub struct Draft {
    pub every: Option<Duration>,
    pub at: Duration,
    pub occasion: Occasion,
    /// Whether the day before midnight, or the one after it, is excluded.
    pub excludes: Option<&'static str>,
    pub policy: ConcurrencyPolicy,
    pub queue_limit: u32,
    pub retries: u32,
    pub delay: Duration,
    pub total: Option<Duration>,
    pub codes: Vec<i32>,
    pub timeout: Option<Duration>,
    pub dies_in: Duration,
    pub max: u32,
    pub deadline: Option<Duration>,
    pub catch_up: CatchUpMode,
    pub limit: u32,
    pub pool: bool,
    pub priority: i32,
    pub enabled: bool,
    pub jitter: Duration,
    pub lasts: Duration,
    pub starts: bool,
}

/// What makes a drafted job run.
#[derive(Debug, Clone)]
pub enum Occasion {
    Clock,
    Startup(Restart),
    /// After the jobs before it in the list, with this end.
    After(Status),
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Deed {
    Pause(usize, Option<Duration>),
    Resume(usize),
    PauseAll,
    ResumeAll,
    Trigger(usize),
    Cancel(usize),
    Reload(Vec<Option<Draft>>, u32),
    Kill(UnderWay, Duration),
    Reboot(UnderWay),
    Upgrade(Duration),
    Drain(Duration, Duration),
    Clock(i64),
    Suspend(Duration),
    Commits(Vec<Commit>),
    Wakes(Vec<Wake>),
}

/// Jobs, a pool, and what happens after which time.
#[derive(Debug, Clone)]
pub struct History {
    pub jobs: Vec<Option<Draft>>,
    pub slots: u32,
    pub deeds: Vec<(Duration, Deed)>,
}

fn ms(range: std::ops::Range<u64>) -> impl Strategy<Value = Duration> {
    range.prop_map(Duration::from_millis)
}

pub fn draft() -> impl Strategy<Value = Draft> {
    let every = prop_oneof![
        4 => ms(1..100).prop_map(|n| Some(n * 100)),
        1 => Just(None),
    ];
    let timing = (
        every,
        ms(0..30_000),
        prop_oneof![3 => Just(Duration::ZERO), 1 => ms(1..4000)],
    );
    let limits = (
        policy(),
        1..3_u32,
        prop_oneof![2 => Just(None), 1 => ms(1..3000).prop_map(Some)],
        any::<bool>(),
        0..3_i32,
    );
    let catch_up = prop_oneof![
        Just(CatchUpMode::None),
        Just(CatchUpMode::Latest),
        Just(CatchUpMode::All)
    ];
    let rest = (
        catch_up,
        0..5_u32,
        prop::bool::weighted(0.9),
        ms(0..3000),
        prop::bool::weighted(0.9),
    );
    let attempts = (
        0..3_u32,
        prop_oneof![Just(Duration::ZERO), ms(1..4000)],
        prop_oneof![2 => Just(None), 1 => ms(100..6000).prop_map(Some)],
        prop::collection::vec(prop_oneof![3 => Just(0), 2 => Just(1)], 1..4),
        prop_oneof![2 => Just(None), 1 => ms(0..2000).prop_map(Some)],
        prop_oneof![2 => ms(0..20), 1 => ms(0..3000)],
    );
    let occasion = (occasion(), excludes());
    (timing, limits, rest, attempts, occasion).prop_map(
        |((every, at, jitter), limits, rest, attempts, occasion)| {
            let (occasion, excludes) = occasion;
            let (policy, max, deadline, pool, priority) = limits;
            let (retries, delay, total, codes, timeout, dies_in) = attempts;
            let (catch_up, limit, enabled, lasts, starts) = rest;
            Draft {
                every,
                at,
                occasion,
                excludes,
                policy,
                queue_limit: max,
                retries,
                delay,
                total,
                codes,
                timeout,
                dies_in,
                max,
                deadline,
                catch_up,
                limit,
                pool,
                priority,
                enabled,
                jitter,
                lasts,
                starts,
            }
        },
    )
}

fn policy() -> impl Strategy<Value = ConcurrencyPolicy> {
    prop_oneof![
        Just(ConcurrencyPolicy::Forbid),
        Just(ConcurrencyPolicy::Queue),
        Just(ConcurrencyPolicy::Replace),
        Just(ConcurrencyPolicy::Allow),
    ]
}

fn excludes() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        4 => Just(None),
        1 => Just(Some("2026-11-22")),
        1 => Just(Some("2026-11-23")),
    ]
}

fn occasion() -> impl Strategy<Value = Occasion> {
    let restart = prop_oneof![
        Just(Restart::Never),
        Just(Restart::OnFailure),
        Just(Restart::Always)
    ];
    prop_oneof![
        6 => Just(Occasion::Clock),
        1 => restart.prop_map(Occasion::Startup),
        2 => prop::sample::select(&Upstream::ENDS).prop_map(Occasion::After),
    ]
}

fn jobs() -> impl Strategy<Value = Vec<Option<Draft>>> {
    prop::collection::vec(prop::option::weighted(0.8, draft()), NAMES.len())
}

fn under_way() -> impl Strategy<Value = UnderWay> {
    prop_oneof![Just(UnderWay::Lost), Just(UnderWay::Durable)]
}

fn commits() -> impl Strategy<Value = Vec<Commit>> {
    let span = || prop_oneof![4 => ms(0..50), 2 => ms(50..1500), 1 => ms(1500..8000)];
    let commit = prop_oneof![
        4 => span().prop_map(Commit::Done),
        1 => span().prop_map(Commit::Failed),
        1 => span().prop_map(Commit::Unknown),
    ];
    // One that succeeds, so that there is an end to it.
    prop::collection::vec(commit, 0..4).prop_map(|mut commits| {
        commits.push(Commit::Done(Duration::from_millis(2)));
        commits
    })
}

pub fn wakes() -> impl Strategy<Value = Vec<Wake>> {
    let wake = prop_oneof![
        Just(Wake::OnTime),
        ms(0..1500).prop_map(Wake::Late),
        Just(Wake::Lost),
        ms(0..1500).prop_map(Wake::Doubled),
    ];
    prop::collection::vec(wake, 1..6)
}

fn deed() -> impl Strategy<Value = Deed> {
    let job = || 0..NAMES.len();
    prop_oneof![
        3 => (job(), prop::option::of(ms(1..6000))).prop_map(|(j, t)| Deed::Pause(j, t)),
        3 => job().prop_map(Deed::Resume),
        1 => Just(Deed::PauseAll),
        2 => Just(Deed::ResumeAll),
        3 => job().prop_map(Deed::Trigger),
        2 => job().prop_map(Deed::Cancel),
        3 => (jobs(), 1..4_u32).prop_map(|(jobs, slots)| Deed::Reload(jobs, slots)),
        4 => (under_way(), ms(0..8000)).prop_map(|(u, t)| Deed::Kill(u, t)),
        1 => under_way().prop_map(Deed::Reboot),
        3 => prop_oneof![ms(0..400), ms(0..8000)].prop_map(Deed::Upgrade),
        2 => (ms(0..3000), ms(0..8000)).prop_map(|(grace, down)| Deed::Drain(grace, down)),
        1 => (-600_000_i64..60_000).prop_map(Deed::Clock),
        1 => (0_i64..20_000).prop_map(Deed::Clock),
        1 => ms(0..60_000).prop_map(Deed::Suspend),
        2 => commits().prop_map(Deed::Commits),
        2 => wakes().prop_map(Deed::Wakes),
    ]
}

pub fn history() -> impl Strategy<Value = History> {
    let pause = || prop_oneof![3 => ms(0..300), 3 => ms(0..6000)];
    (
        jobs(),
        1..4_u32,
        prop::collection::vec((pause(), deed()), 0..14),
    )
        .prop_map(|(jobs, slots, deeds)| History { jobs, slots, deeds })
}

impl Draft {
    pub fn plan(&self, name: &str) -> (Arc<Plan>, Behaviour) {
        let at = time(ORIGIN) + SignedDuration::try_from(self.at).unwrap();
        let rule = self.every.map_or(Rule::At(at), Rule::Every);
        let mut plan = plan(name, rule, self.jitter);
        if let Some(day) = self.excludes {
            let mut spec = plan.schedule().unwrap().spec().clone();
            MIDNIGHT_AT_NOON.clone_into(&mut spec.timezone);
            let days = [day.parse().unwrap()];
            spec.exclude.push(Arc::new(Calendar::new("c", days)));
            plan.when = schedule(name, spec);
        }
        plan.concurrency_policy = self.policy;
        plan.queue_limit = self.queue_limit;
        plan.retry.max_retries = self.retries;
        plan.retry.initial_delay = self.delay;
        plan.total_timeout = self.total;
        match &self.occasion {
            Occasion::Clock => {}
            Occasion::Startup(restart) => {
                plan.when = When::Startup(*restart);
                // As the config demands.
                plan.retry.max_retries = 0;
                plan.retry.initial_delay = self.delay.max(Duration::from_millis(100));
            }
            Occasion::After(status) => {
                let before = NAMES.iter().take_while(|other| **other != name);
                let upstream = |other: &&str| Upstream {
                    job: job_name(other),
                    status: *status,
                };
                plan.when = When::After(before.map(upstream).collect());
            }
        }
        plan.max_concurrent = self.max;
        plan.starting_deadline = self.deadline;
        plan.catch_up.mode = self.catch_up;
        plan.catch_up.limit = self.limit;
        plan.enabled = self.enabled;
        plan.priority = self.priority;
        if self.pool {
            "p".clone_into(&mut plan.pool);
        }
        let behaviour = Behaviour {
            lasts: self.lasts,
            codes: self.codes.clone(),
            starts: self.starts,
            timeout: self.timeout,
            dies_in: self.dies_in,
        };
        (Arc::new(plan), behaviour)
    }
}

impl History {
    /// A world with its jobs, not started.
    pub fn world(&self) -> World {
        let mut world = World::new(time(ORIGIN));
        world.audit_each = 8;
        configure(&mut world, &self.jobs, self.slots);
        world
    }
}

/// The config from now on. A job that stays keeps its overlap policy: what was let in under another
/// may rightly be more than the new one allows.
fn configure(world: &mut World, jobs: &[Option<Draft>], slots: u32) {
    let before = std::mem::take(&mut world.plans);
    for (name, job) in NAMES.iter().zip(jobs) {
        let Some(job) = job else { continue };
        let (mut plan, behaviour) = job.plan(name);
        if let Some(known) = world.policies.get(&plan.name).or(before.get(&plan.name)) {
            let plan = Arc::make_mut(&mut plan);
            plan.concurrency_policy = known.concurrency_policy;
            plan.max_concurrent = known.max_concurrent;
            plan.queue_limit = known.queue_limit;
        }
        world.policies.insert(plan.name.clone(), plan.clone());
        world.add_job(plan, behaviour);
    }
    let name = "p".to_owned();
    world.pools.insert(name.clone(), Pool { name, slots });
}

/// Does one thing.
pub fn act(world: &mut World, deed: &Deed) {
    let job = |n: usize| job_name(NAMES[n]);
    match deed {
        Deed::Pause(n, until) => {
            let until = until.map(|t| world.now() + SignedDuration::try_from(t).unwrap());
            let (job, reason) = (job(*n), None);
            world.command("pause", Command::Pause { job, until, reason });
        }
        Deed::Resume(n) => world.command("resume", Command::Resume { job: job(*n) }),
        Deed::PauseAll => world.command("pause all", Command::PauseAll),
        Deed::ResumeAll => world.command("resume all", Command::ResumeAll),
        Deed::Trigger(n) => {
            let params = std::collections::BTreeMap::new();
            // Half of them with a key, and a key now and then more than once.
            let second = world.now().as_second();
            let key = (second % 2 == 0).then(|| (second / 20).to_string());
            world.command(
                "trigger",
                Command::Trigger {
                    job: job(*n),
                    params,
                    key,
                },
            );
        }
        Deed::Cancel(n) => {
            if let Some(run) = world.live_run(&job(*n)) {
                world.command("cancel", Command::Cancel { run });
            }
        }
        Deed::Reload(jobs, slots) => {
            configure(world, jobs, *slots);
            world.reload();
        }
        Deed::Kill(under_way, down) => {
            world.kill(*under_way);
            world.run_until(world.elapsed() + *down);
            world.start();
        }
        Deed::Upgrade(takes) => world.upgrade(*takes),
        Deed::Reboot(under_way) => world.reboot(*under_way),
        Deed::Drain(grace, down) => {
            world.drain();
            world.run_until(world.elapsed() + *grace);
            world.stop_all();
            world.run_until(world.elapsed() + *down);
            world.kill(UnderWay::Lost);
            world.start();
        }
        Deed::Clock(by) => {
            world.step_clock(SignedDuration::from_millis(*by));
        }
        Deed::Suspend(span) => world.suspend(*span),
        Deed::Commits(commits) => world.commits.clone_from(commits),
        Deed::Wakes(wakes) => world.wakes.clone_from(wakes),
    }
}
