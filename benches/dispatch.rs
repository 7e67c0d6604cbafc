//! How fast dispatch decides, in simulated time: 10,000 jobs at every second, and recovery after
//! two days of downtime. `cargo bench --bench dispatch`
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::clock::monotonic;
use punctual::dispatch::{Dispatcher, Effect, Input, Memory};
use punctual::job::{
    Action, AttemptEnd, CatchUp, CatchUpMode, ClaimOutcome, CommandLine, ConcurrencyPolicy,
    JobFlags, JobName, KeepOutput, OutputLimits, Plan, Pool, Process, Retry, Signal, When, Write,
};
use punctual::schedule::{Rule, Schedule, ScheduleSpec};

const JOBS: usize = 10_000;
const SECONDS: i64 = 20;

fn main() {
    let begin = Timestamp::from_second(1_800_000_000).expect("a time of this century");
    every_second(begin);
    recovery(begin);
}

/// Ten thousand jobs at every second: each fire is two wakes, a claim, a start, an end.
fn every_second(begin: Timestamp) {
    let mut world = World::new(begin);
    let started = monotonic();
    world.run_until(begin + SignedDuration::from_secs(SECONDS));
    let took = started.elapsed().as_secs_f64();
    let (steps, starts) = (world.steps, world.starts);
    println!(
        "{JOBS} jobs at every second, {SECONDS} s simulated: {took:.2} s, {starts} starts, \
         {steps} steps, {:.0} steps a second, {:.1} us a fire",
        count(steps) / took,
        took * 1e6 / count(starts),
    );
    let shown = monotonic();
    let jobs = world.dispatcher.snapshot(world.now).jobs.len();
    println!("a snapshot of {jobs} jobs: {:?}", shown.elapsed());
}

/// The daemon comes back after two days, to jobs at every second with claims left over.
fn recovery(begin: Timestamp) {
    for mode in [CatchUpMode::None, CatchUpMode::Latest, CatchUpMode::All] {
        let plans = plans(mode);
        let mut world = World::new(begin);
        world.run_until(begin + SignedDuration::from_secs(2));
        let memory = world.memory(&plans);
        let left = memory.live.len();
        let now = begin + SignedDuration::from_hours(48);
        let started = monotonic();
        let (_, effects) = Dispatcher::recover("n".into(), plans, pools(), memory, now);
        let took = started.elapsed();
        let writes: usize = effects
            .iter()
            .map(|effect| match effect {
                Effect::Write { writes, .. } => writes.len(),
                _ => 0,
            })
            .sum();
        println!(
            "recovery of {JOBS} jobs after two days, catch-up {mode:?}: {took:?}, \
             {left} live rows, {writes} writes"
        );
    }
}

#[allow(clippy::cast_precision_loss, reason = "for print")]
fn count(n: usize) -> f64 {
    n as f64
}

/// A ledger that commits at once, processes that end at once, wakes that are on time.
struct World {
    now: Timestamp,
    dispatcher: Dispatcher,
    wakes: BTreeSet<(Timestamp, JobName)>,
    armed: BTreeMap<JobName, Timestamp>,
    flags: BTreeMap<JobName, JobFlags>,
    live: BTreeMap<punctual::job::RunId, punctual::job::Run>,
    inbox: Vec<Input>,
    steps: usize,
    starts: usize,
}

impl World {
    fn new(now: Timestamp) -> Self {
        let plans = plans(CatchUpMode::Latest);
        let (dispatcher, effects) =
            Dispatcher::recover("n".into(), plans, pools(), Memory::default(), now);
        let mut world = Self {
            now,
            dispatcher,
            wakes: BTreeSet::new(),
            armed: BTreeMap::new(),
            flags: BTreeMap::new(),
            live: BTreeMap::new(),
            inbox: Vec::new(),
            steps: 0,
            starts: 0,
        };
        world.perform(effects);
        world
    }

    fn run_until(&mut self, end: Timestamp) {
        self.answer();
        while let Some((at, job)) = self.wakes.pop_first().filter(|&(at, _)| at <= end) {
            self.armed.remove(&job);
            self.now = self.now.max(at);
            self.inbox.push(Input::Wake(job));
            self.answer();
        }
    }

    fn answer(&mut self) {
        while let Some(input) = self.inbox.pop() {
            self.steps += 1;
            let effects = self.dispatcher.step(self.now, input);
            self.perform(effects);
        }
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Write { writes, .. } => self.commit(writes),
                Effect::Start(start) => {
                    self.starts += 1;
                    let (run, attempt, at) = (start.run.id, start.attempt, self.now);
                    let end = AttemptEnd::Exited { code: 0, ok: true };
                    self.inbox.push(Input::Ended {
                        run,
                        attempt,
                        end,
                        at,
                    });
                    self.inbox.push(Input::Started {
                        run,
                        attempt,
                        pid: 1,
                        at,
                    });
                }
                Effect::Arm { job, at } => {
                    if let Some(before) = self.armed.remove(&job) {
                        self.wakes.remove(&(before, job.clone()));
                    }
                    if let Some(at) = at {
                        self.armed.insert(job.clone(), at);
                        self.wakes.insert((at, job));
                    }
                }
                _ => {}
            }
        }
    }

    fn commit(&mut self, writes: Vec<Write>) {
        let mut outcomes = Vec::new();
        for write in writes {
            match write {
                Write::Claim(run) | Write::Start(run) => {
                    outcomes.push((run.id, ClaimOutcome::Claimed));
                    self.live.insert(run.id, run);
                }
                Write::Run(run) if run.status.is_final() => {
                    self.live.remove(&run.id);
                }
                Write::Job(flags) => {
                    self.flags.insert(flags.job.clone(), flags);
                }
                _ => {}
            }
        }
        if !outcomes.is_empty() {
            self.inbox.push(Input::Claimed(outcomes));
        }
    }

    fn memory(self, plans: &BTreeMap<JobName, Arc<Plan>>) -> Memory {
        let specs = plans.iter();
        Memory {
            flags: self.flags,
            schedules: specs
                .filter_map(|(job, plan)| {
                    Some((job.clone(), (Timestamp::MIN, plan.spec_in_force()?)))
                })
                .collect(),
            live: self.live.into_values().collect(),
            same_boot: true,
            ..Memory::default()
        }
    }
}

fn pools() -> BTreeMap<String, Pool> {
    let name = "default".to_owned();
    BTreeMap::from([(name.clone(), Pool { name, slots: 512 })])
}

fn plans(mode: CatchUpMode) -> BTreeMap<JobName, Arc<Plan>> {
    (0..JOBS)
        .map(|n| {
            let name = JobName::new(&format!("job-{n:05}")).expect("it is well-formed");
            (name.clone(), Arc::new(plan(name, mode)))
        })
        .collect()
}

fn plan(name: JobName, mode: CatchUpMode) -> Plan {
    let spec = ScheduleSpec {
        rule: Rule::Cron(vec!["* * * * * *".to_owned()]),
        timezone: "Europe/Paris".to_owned(),
        tzdb: None,
        start: None,
        end: None,
        jitter: Duration::ZERO,
        exclude: Vec::new(),
    };
    let process = Process {
        command: CommandLine::Command(vec!["true".to_owned()]),
        working_dir: None,
        env: BTreeMap::new(),
        env_file: None,
        inherit_env: false,
        stdin: None,
        success_exit_codes: vec![0],
        timeout: None,
        kill_signal: Signal::TERM,
        kill_timeout: Duration::from_secs(10),
        output: OutputLimits {
            max_bytes: 1 << 20,
            keep: KeepOutput::Both,
        },
    };
    Plan {
        when: When::Schedule(Arc::new(
            Schedule::new(spec, name.as_str()).expect("it is a schedule"),
        )),
        name,
        description: String::new(),
        tags: Vec::new(),
        action: Action::Process(Arc::new(process)),
        max_concurrent: 1,
        concurrency_policy: ConcurrencyPolicy::Forbid,
        queue_limit: 10,
        starting_deadline: None,
        catch_up: CatchUp {
            mode,
            limit: 100,
            window: Duration::from_hours(1),
        },
        retry: Retry::default(),
        total_timeout: None,
        pool: "default".to_owned(),
        priority: 0,
        enabled: true,
        params: BTreeMap::new(),
        shown: serde_json::Value::Null,
    }
}
