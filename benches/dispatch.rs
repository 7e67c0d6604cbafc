//! How fast dispatch decides, in simulated time: 10,000 jobs at every second, and recovery after
//! two days of downtime. `cargo bench --bench dispatch`
#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod machine;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use machine::{Keep, Machine};
use punctual::clock::monotonic;
use punctual::dispatch::{Dispatcher, Effect, Memory};
use punctual::job::{
    Action, CatchUp, CatchUpMode, CommandLine, ConcurrencyPolicy, JobFlags, JobName, KeepOutput,
    OutputLimits, Plan, Pool, Process, Retry, Run, RunId, Signal, Terms, When, Write,
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
    let mut machine = machine_of(CatchUpMode::Latest, begin);
    let started = monotonic();
    machine.run_until(begin + SignedDuration::from_secs(SECONDS));
    let took = started.elapsed().as_secs_f64();
    let (steps, starts) = (machine.steps, machine.starts);
    println!(
        "{JOBS} jobs at every second, {SECONDS} s simulated: {took:.2} s, {starts} starts, \
         {steps} steps, {:.0} steps a second, {:.1} us a fire",
        count(steps) / took,
        took * 1e6 / count(starts),
    );
    let shown = monotonic();
    let jobs = machine.dispatcher.snapshot(machine.now).jobs.len();
    println!("a snapshot of {jobs} jobs: {:?}", shown.elapsed());
}

/// The daemon comes back after two days, to jobs at every second with claims left over.
fn recovery(begin: Timestamp) {
    for mode in [CatchUpMode::None, CatchUpMode::Latest, CatchUpMode::All] {
        let plans = plans(mode);
        let mut machine = machine_of(CatchUpMode::Latest, begin);
        machine.run_until(begin + SignedDuration::from_secs(2));
        let memory = machine.kept.memory(&plans);
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
fn count(n: u64) -> f64 {
    n as f64
}

/// What a daemon that comes back reads.
#[derive(Default)]
struct Remembered {
    flags: BTreeMap<JobName, JobFlags>,
    live: BTreeMap<RunId, Run>,
}

impl Keep for Remembered {
    fn keep(&mut self, writes: Vec<Write>) {
        for write in writes {
            match write {
                Write::Claim(run) | Write::Start(run) => {
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
    }
}

impl Remembered {
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

fn machine_of(mode: CatchUpMode, begin: Timestamp) -> Machine<Remembered> {
    Machine::new(plans(mode), pools(), Remembered::default(), begin)
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
        terms: Terms::default(),
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
