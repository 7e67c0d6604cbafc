//! A simulated machine around the dispatcher: its clock, its ledger's disk, its runner, the wakes,
//! and everything that can go wrong with them. Each broken promise is a panic.

mod disk;
mod driver;
mod fate;
mod hand_over;
mod runner;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::dispatch::{Answer, Command, CommandId, Dispatcher, Input, Memory, Refusal};
use punctual::job::{JobName, Plan, Pool, RunId, Trigger, Write};

use crate::ledger::Ledger;
pub use fate::{Behaviour, Commit, UnderWay, Wake};

/// The heartbeat.
const TICK: Duration = Duration::from_millis(500);

/// What happens by itself, in its time.
enum Happening {
    Tick,
    Committed,
    Wake(JobName),
    News(Input),
}

/// Changes on their way to the disk, and the answers that wait for them.
#[derive(Default)]
struct Batch {
    writes: Vec<Write>,
    replies: Vec<(CommandId, Result<Answer, Refusal>)>,
}

/// A process.
struct Process {
    job: JobName,
    pool: String,
    trigger: Trigger,
    attempt: u32,
}

#[allow(clippy::struct_excessive_bools, reason = "each stands for itself")]
pub struct World {
    origin: Timestamp,
    /// Time since the origin by a true clock.
    elapsed: Duration,
    /// How far the machine's clock is off.
    pub stepped: SignedDuration,

    pub plans: BTreeMap<JobName, Arc<Plan>>,
    /// The plans that jobs had last, those that left the config among them.
    pub policies: BTreeMap<JobName, Arc<Plan>>,
    pub pools: BTreeMap<String, Pool>,
    /// The most slots that each pool has had in this life.
    slots: BTreeMap<String, u32>,
    pub behaviours: BTreeMap<JobName, Behaviour>,
    /// Taken in turn, over and over.
    pub wakes: Vec<Wake>,
    /// Taken in turn, over and over.
    pub commits: Vec<Commit>,
    /// After how many commits the ledger is audited again; 0: only when a life ends.
    pub audit_each: usize,
    wake_turn: usize,
    commit_turn: usize,

    pub daemon: Option<Dispatcher>,
    pub ledger: Ledger,
    marks: BTreeSet<(RunId, u32)>,
    draining: bool,
    drained: bool,
    handing_over: bool,
    agenda: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
    /// How much has happened at this very moment.
    at_once: usize,
    armed: BTreeMap<JobName, Timestamp>,
    wakes_to_come: BTreeSet<(Timestamp, JobName)>,
    lost_wakes: Vec<JobName>,
    under_way: Option<Batch>,
    to_commit: VecDeque<Batch>,
    processes: BTreeMap<RunId, Process>,
    started: BTreeSet<(RunId, u32)>,
    /// Since the machine was started no daemon has made durable what became of the life before.
    booted: bool,

    commands: BTreeMap<CommandId, String>,
    /// What commands were answered, and warnings, in order.
    pub said: Vec<(Timestamp, String)>,
    /// How many effects of each kind there were, for those who count.
    pub starts: usize,
}

impl World {
    pub fn new(origin: Timestamp) -> Self {
        let default = Pool {
            name: "default".to_owned(),
            slots: 512,
        };
        Self {
            origin,
            elapsed: Duration::ZERO,
            stepped: SignedDuration::ZERO,
            plans: BTreeMap::new(),
            policies: BTreeMap::new(),
            pools: BTreeMap::from([("default".to_owned(), default)]),
            slots: BTreeMap::new(),
            behaviours: BTreeMap::new(),
            wakes: vec![Wake::OnTime],
            commits: vec![Commit::Done(Duration::from_millis(2))],
            audit_each: 0,
            wake_turn: 0,
            commit_turn: 0,
            daemon: None,
            ledger: Ledger::default(),
            marks: BTreeSet::new(),
            draining: false,
            drained: false,
            handing_over: false,
            agenda: BTreeMap::new(),
            sequence: 0,
            at_once: 0,
            armed: BTreeMap::new(),
            wakes_to_come: BTreeSet::new(),
            lost_wakes: Vec::new(),
            under_way: None,
            to_commit: VecDeque::new(),
            processes: BTreeMap::new(),
            started: BTreeSet::new(),
            booted: false,
            commands: BTreeMap::new(),
            said: Vec::new(),
            starts: 0,
        }
    }

    /// What the machine's clock shows.
    pub fn now(&self) -> Timestamp {
        self.origin + SignedDuration::try_from(self.elapsed).unwrap() + self.stepped
    }

    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    pub fn add_job(&mut self, plan: Arc<Plan>, behaviour: Behaviour) {
        self.behaviours.insert(plan.name.clone(), behaviour);
        self.plans.insert(plan.name.clone(), plan);
    }

    /// Starts the daemon, unless it is up.
    pub fn start(&mut self) {
        if self.daemon.is_some() {
            return;
        }
        self.begin(self.ledger.memory(&self.marks, !self.booted));
    }

    fn begin(&mut self, memory: Memory) {
        let (daemon, effects) = Dispatcher::recover(
            "node".to_owned(),
            self.plans.clone(),
            self.pools.clone(),
            memory,
            self.now(),
        );
        self.daemon = Some(daemon);
        self.slots.clear();
        self.take_slots();
        self.plan_in(TICK, Happening::Tick);
        self.perform(effects);
    }

    /// `kill -9`: start marks survive.
    pub fn kill(&mut self, under_way: UnderWay) {
        if self.daemon.take().is_none() {
            return;
        }
        if let (UnderWay::Durable, Some(batch)) = (under_way, self.under_way.take()) {
            self.ledger.commit(&batch.writes);
            self.forget_marks(&batch.writes);
            self.booted = false;
        }
        self.gone();
    }

    /// The power goes and comes back: start marks are lost. The daemon starts again.
    pub fn reboot(&mut self, under_way: UnderWay) {
        self.kill(under_way);
        self.marks.clear();
        self.booted = true;
        self.start();
    }

    /// The clock of the machine is set.
    pub fn step_clock(&mut self, by: SignedDuration) {
        self.stepped += by;
    }

    /// The machine sleeps: nothing happens, and the clock goes on.
    pub fn suspend(&mut self, span: Duration) {
        let agenda = std::mem::take(&mut self.agenda);
        let shifted = agenda.into_iter().map(|((at, n), it)| ((at + span, n), it));
        self.agenda = shifted.collect();
        self.elapsed += span;
    }

    pub fn command(&mut self, text: &str, command: Command) {
        let id = CommandId(self.commands.len() as u64);
        self.commands.insert(id, text.to_owned());
        let by = "ann".to_owned();
        self.input(Input::Command { id, by, command });
    }

    pub fn reload(&mut self) {
        self.take_slots();
        self.input(Input::Reload {
            plans: self.plans.clone(),
            pools: self.pools.clone(),
        });
    }

    /// What had its slot before a reload took it away starts all the same.
    fn take_slots(&mut self) {
        for (name, pool) in &self.pools {
            let slots = self.slots.entry(name.clone()).or_default();
            *slots = pool.slots.max(*slots);
        }
    }

    pub fn drain(&mut self) {
        self.input(Input::Drain);
        // What was due at this very moment may have started in this very step.
        self.draining = self.daemon.is_some();
    }

    pub fn stop_all(&mut self) {
        self.input(Input::StopAll);
    }

    /// Lets time pass.
    pub fn run_until(&mut self, elapsed: Duration) {
        while let Some(at) = self.next_at().filter(|&at| at <= elapsed) {
            if at > self.elapsed {
                self.elapsed = at;
                self.at_once = 0;
            }
            self.at_once += 1;
            assert!(self.at_once < 10_000, "something goes round in circles");
            self.happen();
        }
        self.elapsed = self.elapsed.max(elapsed);
    }

    /// A run of this job that is queued or running.
    pub fn live_run(&self, job: &JobName) -> Option<RunId> {
        let mut runs = self.ledger.runs.values();
        let live = runs.find(|run| {
            let scheduled = run.status == punctual::job::Status::Scheduled;
            run.job == *job && !run.status.is_final() && !scheduled
        });
        live.map(|run| run.id)
    }

    fn plan_in(&mut self, span: Duration, what: Happening) {
        self.sequence += 1;
        self.agenda
            .insert((self.elapsed + span, self.sequence), what);
    }

    /// When the next wake comes, by the true clock.
    fn next_wake_at(&self) -> Option<Duration> {
        let (at, _) = self.wakes_to_come.first()?;
        let after = at.duration_since(self.origin) - self.stepped;
        Some(Duration::try_from(after).unwrap_or(Duration::ZERO))
    }

    fn next_at(&self) -> Option<Duration> {
        let planned = self.agenda.first_key_value().map(|(&(at, _), _)| at);
        [self.next_wake_at(), planned].into_iter().flatten().min()
    }

    fn happen(&mut self) {
        let planned = self.agenda.first_key_value().map(|(&(at, _), _)| at);
        let wake = self.next_wake_at();
        if wake.is_some_and(|wake| planned.is_none_or(|planned| wake <= planned)) {
            self.wake();
            return;
        }
        let Some((_, what)) = self.agenda.pop_first() else {
            return;
        };
        match what {
            Happening::Tick => {
                self.plan_in(TICK, Happening::Tick);
                self.input(Input::Tick);
                for job in std::mem::take(&mut self.lost_wakes) {
                    self.input(Input::Wake(job));
                }
            }
            Happening::Committed => self.committed(),
            Happening::Wake(job) => self.input(Input::Wake(job)),
            Happening::News(input) => {
                if let Input::Ended { run, .. } = &input {
                    self.processes.remove(run);
                }
                self.input(input);
            }
        }
    }

    fn wake(&mut self) {
        let Some((_, job)) = self.wakes_to_come.pop_first() else {
            return;
        };
        self.armed.remove(&job);
        self.wake_turn += 1;
        match self.wakes[self.wake_turn % self.wakes.len()] {
            Wake::OnTime => self.input(Input::Wake(job)),
            Wake::Late(by) => self.plan_in(by, Happening::Wake(job)),
            Wake::Lost => self.lost_wakes.push(job),
            Wake::Doubled(after) => {
                self.plan_in(after, Happening::Wake(job.clone()));
                self.input(Input::Wake(job));
            }
        }
    }

    /// The daemon is gone, with everything that was only in its memory and all its processes.
    fn gone(&mut self) {
        self.agenda.clear();
        self.armed.clear();
        self.wakes_to_come.clear();
        self.lost_wakes.clear();
        self.under_way = None;
        self.to_commit.clear();
        self.processes.clear();
        self.draining = false;
        self.drained = false;
        for command in self.commands.values_mut() {
            command.clear();
        }
        self.check();
    }

    /// Whether nothing runs, and all that was decided is durable.
    pub fn is_at_rest(&self) -> bool {
        self.processes.is_empty() && self.under_way.is_none() && self.to_commit.is_empty()
    }

    /// A daemon that knows the ledger alone.
    pub fn replayed(&self) -> Dispatcher {
        let memory = self.ledger.memory(&self.marks, true);
        let (plans, pools) = (self.plans.clone(), self.pools.clone());
        Dispatcher::recover("node".to_owned(), plans, pools, memory, self.now()).0
    }

    /// The ledger is whole, whatever has happened.
    pub fn check(&self) {
        let problems = self.ledger.audit();
        assert!(
            problems.is_empty(),
            "at {}:\n{}",
            self.now(),
            problems.join("\n")
        );
    }
}
