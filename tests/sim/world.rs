//! A simulated machine around the dispatcher: its clock, its ledger's disk, its runner, the wakes,
//! and everything that can go wrong with them. Each broken promise is a panic.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use punctual::dispatch::{Answer, Command, CommandId, Dispatcher, Effect, Input, Refusal, Start};
use punctual::job::{
    AttemptEnd, ConcurrencyPolicy, EventKind, JobName, Plan, Pool, RunId, StopCause, Trigger, Write,
};

use crate::ledger::Ledger;

/// The heartbeat.
const TICK: Duration = Duration::from_millis(500);

/// How the processes of a job behave.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    pub lasts: Duration,
    pub code: i32,
    pub starts: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            lasts: Duration::from_millis(100),
            code: 0,
            starts: true,
        }
    }
}

/// What becomes of a wake.
#[derive(Debug, Clone, Copy)]
pub enum Wake {
    OnTime,
    Late(Duration),
    /// It comes at the next tick only.
    Lost,
    /// It comes again after this.
    Doubled(Duration),
}

/// What becomes of a commit, and how long it takes.
#[derive(Debug, Clone, Copy)]
pub enum Commit {
    Done(Duration),
    /// It fails; nothing of it is durable; it is repeated.
    Failed(Duration),
    /// It fails, and is durable all the same; it is repeated.
    Unknown(Duration),
}

/// What becomes, at a crash, of the commit that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderWay {
    Lost,
    Durable,
}

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
    attempt: u32,
}

pub struct World {
    origin: Timestamp,
    /// Time since the origin by a true clock.
    elapsed: Duration,
    /// How far the machine's clock is off.
    pub stepped: SignedDuration,

    pub plans: BTreeMap<JobName, Arc<Plan>>,
    pub pools: BTreeMap<String, Pool>,
    pub behaviours: BTreeMap<JobName, Behaviour>,
    /// Taken in turn, over and over.
    pub wakes: Vec<Wake>,
    /// Taken in turn, over and over.
    pub commits: Vec<Commit>,
    wake_turn: usize,
    commit_turn: usize,

    pub daemon: Option<Dispatcher>,
    pub ledger: Ledger,
    marks: BTreeSet<RunId>,
    draining: bool,
    drained: bool,
    agenda: BTreeMap<(Duration, u64), Happening>,
    sequence: u64,
    armed: BTreeMap<JobName, Timestamp>,
    wakes_to_come: BTreeSet<(Timestamp, JobName)>,
    lost_wakes: Vec<JobName>,
    under_way: Option<Batch>,
    to_commit: VecDeque<Batch>,
    processes: BTreeMap<RunId, Process>,
    started: BTreeSet<RunId>,
    /// After a reboot start marks prove nothing, and a queued run may start again.
    rebooted: bool,
    /// Nothing was started since the machine was.
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
            pools: BTreeMap::from([("default".to_owned(), default)]),
            behaviours: BTreeMap::new(),
            wakes: vec![Wake::OnTime],
            commits: vec![Commit::Done(Duration::from_millis(2))],
            wake_turn: 0,
            commit_turn: 0,
            daemon: None,
            ledger: Ledger::default(),
            marks: BTreeSet::new(),
            draining: false,
            drained: false,
            agenda: BTreeMap::new(),
            sequence: 0,
            armed: BTreeMap::new(),
            wakes_to_come: BTreeSet::new(),
            lost_wakes: Vec::new(),
            under_way: None,
            to_commit: VecDeque::new(),
            processes: BTreeMap::new(),
            started: BTreeSet::new(),
            rebooted: false,
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

    // ---- what a scenario does -------------------------------------------------------------

    /// Starts the daemon, unless it is up.
    pub fn start(&mut self) {
        if self.daemon.is_some() {
            return;
        }
        let same_boot = !std::mem::take(&mut self.booted);
        let memory = self.ledger.memory(&self.marks, same_boot);
        let (daemon, effects) = Dispatcher::recover(
            "node".to_owned(),
            self.plans.clone(),
            self.pools.clone(),
            memory,
            self.now(),
        );
        self.daemon = Some(daemon);
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
        }
        self.gone();
    }

    /// The power goes and comes back: start marks are lost. The daemon starts again.
    pub fn reboot(&mut self, under_way: UnderWay) {
        self.kill(under_way);
        self.marks.clear();
        self.rebooted = true;
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
        self.input(Input::Reload {
            plans: self.plans.clone(),
            pools: self.pools.clone(),
        });
    }

    pub fn drain(&mut self) {
        self.draining = true;
        self.input(Input::Drain);
    }

    pub fn stop_all(&mut self) {
        self.input(Input::StopAll);
    }

    /// Lets time pass.
    pub fn run_until(&mut self, elapsed: Duration) {
        while let Some(at) = self.next_at().filter(|&at| at <= elapsed) {
            self.elapsed = self.elapsed.max(at);
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

    // ---- time -----------------------------------------------------------------------------

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

    // ---- the daemon's driver --------------------------------------------------------------

    pub fn input(&mut self, input: Input) {
        let now = self.now();
        let Some(daemon) = &mut self.daemon else {
            return;
        };
        let effects = daemon.step(now, input);
        self.perform(effects);
        self.leave_if_done();
    }

    fn perform(&mut self, effects: Vec<Effect>) {
        let mut batch = Batch::default();
        for effect in effects {
            match effect {
                Effect::Write { writes, .. } => batch.writes = writes,
                Effect::Start(start) => self.spawn(&start),
                Effect::Stop {
                    run,
                    attempt,
                    cause,
                } => self.stop(run, attempt, cause),
                Effect::Arm { job, at } => self.arm(job, at),
                Effect::Reply { command, answer } => batch.replies.push((command, answer)),
                Effect::Emit(event) => self.hear(&event.kind),
                Effect::Drained => {
                    assert!(self.draining, "drained without having been asked");
                    self.drained = true;
                }
            }
        }
        if batch.writes.is_empty() {
            self.reply(batch.replies);
        } else {
            self.to_commit.push_back(batch);
            self.commit_next();
        }
    }

    fn arm(&mut self, job: JobName, at: Option<Timestamp>) {
        if let Some(before) = self.armed.remove(&job) {
            self.wakes_to_come.remove(&(before, job.clone()));
        }
        if let Some(at) = at {
            assert!(!self.draining, "{job} is armed while draining");
            self.armed.insert(job.clone(), at);
            self.wakes_to_come.insert((at, job));
        }
    }

    fn hear(&mut self, event: &EventKind) {
        let said = match event {
            EventKind::Warning { job, message } => format!("! {job}: {message}"),
            EventKind::ClockStepped { by_s } => format!("! the clock moved by {by_s:.1} s"),
            _ => return,
        };
        self.said.push((self.now(), said));
    }

    fn reply(&mut self, replies: Vec<(CommandId, Result<Answer, Refusal>)>) {
        for (id, answer) in replies {
            let command = self.commands.remove(&id).expect("answered once");
            // Keep the place, so that ids stay unique.
            self.commands.insert(id, String::new());
            assert!(!command.is_empty(), "a command was answered twice");
            let answer = match answer {
                Ok(_) => "done".to_owned(),
                Err(refusal) => {
                    assert!(
                        matches!(refusal, Refusal::Decided(_)) || refusal.to_string().len() > 10
                    );
                    format!("refused: {}", hide_ids(&refusal))
                }
            };
            self.said
                .push((self.now(), format!("> {command}: {answer}")));
        }
    }

    /// Commands that nobody has answered.
    pub fn unanswered(&self) -> usize {
        self.commands.values().filter(|it| !it.is_empty()).count()
    }

    // ---- the disk -------------------------------------------------------------------------

    fn commit_next(&mut self) {
        if self.under_way.is_some() || self.to_commit.is_empty() {
            return;
        }
        let mut all = Batch::default();
        for batch in self.to_commit.drain(..) {
            all.writes.extend(batch.writes);
            all.replies.extend(batch.replies);
        }
        self.under_way = Some(all);
        self.begin_commit();
    }

    fn begin_commit(&mut self) {
        let (Commit::Done(span) | Commit::Failed(span) | Commit::Unknown(span)) = self.fate();
        self.plan_in(span, Happening::Committed);
    }

    fn fate(&self) -> Commit {
        self.commits[self.commit_turn % self.commits.len()]
    }

    fn committed(&mut self) {
        let fate = self.fate();
        self.commit_turn += 1;
        let Some(batch) = self.under_way.take() else {
            return;
        };
        match fate {
            Commit::Done(_) => {}
            Commit::Failed(_) | Commit::Unknown(_) => {
                if let Commit::Unknown(_) = fate {
                    self.ledger.commit(&batch.writes);
                }
                self.under_way = Some(batch);
                self.begin_commit();
                return;
            }
        }
        let outcomes = self.ledger.commit(&batch.writes);
        self.forget_marks(&batch.writes);
        self.reply(batch.replies);
        self.commit_next();
        if !outcomes.is_empty() {
            self.input(Input::Claimed(outcomes));
        }
        self.leave_if_done();
    }

    /// A daemon that has drained goes once everything is durable.
    fn leave_if_done(&mut self) {
        if self.drained && self.under_way.is_none() && self.to_commit.is_empty() {
            self.daemon = None;
            self.gone();
        }
    }

    /// A start mark goes when the end of its run is durable.
    fn forget_marks(&mut self, writes: &[Write]) {
        for write in writes {
            if let Write::Run(run) = write
                && run.status.is_final()
            {
                self.marks.remove(&run.id);
            }
        }
    }

    // ---- the runner -----------------------------------------------------------------------

    fn spawn(&mut self, start: &Start) {
        let (run, plan) = (&start.run, &start.plan);
        let row = self.ledger.runs.get(&run.id);
        assert!(
            row.is_some_and(|row| !row.status.is_final()),
            "started without a durable row: {run:?}, row {row:?}"
        );
        assert!(!self.draining, "started while draining: {run:?}");
        assert!(
            self.started.insert(run.id) || self.rebooted,
            "started twice: {run:?}"
        );
        let mine = self.processes.values().filter(|it| it.job == run.job);
        assert!(
            plan.concurrency_policy == ConcurrencyPolicy::Allow
                || run.trigger == Trigger::CatchUp
                || mine.count() < plan.max_concurrent as usize,
            "more than max_concurrent of {run:?}"
        );
        let in_pool = self.processes.values().filter(|it| it.pool == plan.pool);
        let slots = self.pools.get(&plan.pool).map_or(0, |pool| pool.slots);
        assert!(
            in_pool.count() < slots as usize,
            "more than {slots} in pool {}: {run:?}",
            plan.pool
        );
        if let Some(view) = self.daemon.as_ref().and_then(|it| it.view_of(&run.job)) {
            let since = view.flags.paused_at.filter(|_| view.flags.paused);
            assert!(
                run.trigger != Trigger::Schedule
                    || since.is_none_or(|since| run.scheduled_at <= since),
                "a fire of after the pause started: {run:?}"
            );
            assert!(
                run.trigger != Trigger::CatchUp || since.is_none() || self.rebooted,
                "caught up while paused: {run:?}"
            );
        }
        self.starts += 1;
        self.marks.insert(run.id);
        let behaviour = self.behaviours.get(&run.job).copied().unwrap_or_default();
        let process = Process {
            job: run.job.clone(),
            pool: plan.pool.clone(),
            attempt: start.attempt,
        };
        self.processes.insert(run.id, process);
        self.let_it_run(run.id, start.attempt, behaviour);
    }

    fn let_it_run(&mut self, run: RunId, attempt: u32, behaviour: Behaviour) {
        let at = self.now();
        let spawned = Duration::from_micros(500);
        let (end, lasts) = if behaviour.starts {
            let started = Input::Started {
                run,
                attempt,
                pid: 1,
                at,
            };
            self.plan_in(spawned, Happening::News(started));
            let code = behaviour.code;
            let ok = code == 0;
            (AttemptEnd::Exited { code, ok }, behaviour.lasts)
        } else {
            let why = "no such program".to_owned();
            (AttemptEnd::NotStarted(why), Duration::ZERO)
        };
        self.plan_end(run, attempt, end, spawned + lasts);
    }

    fn plan_end(&mut self, run: RunId, attempt: u32, end: AttemptEnd, after: Duration) {
        let at = self.now() + SignedDuration::try_from(after).unwrap();
        let ended = Input::Ended {
            run,
            attempt,
            end,
            at,
        };
        self.plan_in(after, Happening::News(ended));
    }

    fn stop(&mut self, id: RunId, attempt: u32, cause: StopCause) {
        let process = self.processes.get(&id).expect("only what runs is stopped");
        assert_eq!(process.attempt, attempt);
        self.agenda.retain(|_, what| match what {
            Happening::News(Input::Ended { run, .. }) => *run != id,
            _ => true,
        });
        let end = AttemptEnd::Stopped {
            cause,
            code: None,
            signal: Some(15),
        };
        self.plan_end(id, attempt, end, Duration::from_millis(10));
    }

    // ---- the end of a life ----------------------------------------------------------------

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

/// Ids say nothing to a reader of a scenario.
fn hide_ids(refusal: &Refusal) -> String {
    match refusal {
        Refusal::NotActive(_) => "not active".to_owned(),
        Refusal::OnlyScheduled(_) => "only scheduled".to_owned(),
        Refusal::Decided(_) => "decided".to_owned(),
        Refusal::KeyReused(_) => "key reused".to_owned(),
        other => other.to_string(),
    }
}
