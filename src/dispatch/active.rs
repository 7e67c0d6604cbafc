//! The runs that are queued or running, and the slots they hold.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use jiff::Timestamp;

use super::out::Out;
use super::pools::Pools;
use super::{Answer, CommandId, Dispatcher, Effect, Refusal, Start, view};
use crate::job::{Attempt, JobName, Plan, Pool, Run, RunId, Status, StopCause, Trigger};

/// Every run that is past its claim and not over.
#[derive(Debug)]
pub(super) struct Active {
    runs: HashMap<RunId, Live>,
    pub(super) pools: Pools,
    /// Runs whose claims are on their way to the ledger: whose they are, and how many claims. A
    /// claim that was taken back and made again is on its way twice, and only its last counts.
    claiming: HashMap<RunId, (JobName, u32)>,
    /// How many runs hold a slot.
    holding: usize,
    /// Commands beyond the first that wait for a manual run's row: repeats with the same key.
    repeats: HashMap<RunId, Vec<CommandId>>,
}

/// A run that is not over.
#[derive(Debug)]
pub(super) struct Live {
    pub(super) run: Run,
    pub(super) plan: Arc<Plan>,
    pub(super) phase: Phase,
    /// The attempt that runs, once it has started.
    pub(super) attempt: Option<Attempt>,
    /// It has its slot, and its row is on its way to say so: the process comes after that.
    pub(super) announced: bool,
    /// When its first attempt started, or could not be: as the clock would show it now, had it not
    /// moved by itself since.
    pub(super) began: Option<Timestamp>,
}

/// How far it has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its row is not durable yet; a manual run answers its command when it is.
    Inserting {
        /// The command that asked for it.
        reply: Option<CommandId>,
    },
    /// A catch-up run behind others of its job.
    InLine,
    /// Waiting for runs of its job to end, by its concurrency policy.
    Behind,
    /// Waiting for a slot of its pool.
    Waiting,
    /// Between two attempts, until its `retry_at`.
    Delayed,
    /// The runner has it; `stopping` once it was told to stop.
    Running {
        /// Why it is being stopped, if it is.
        stopping: Option<StopCause>,
    },
}

impl Active {
    pub(super) fn new(pools: BTreeMap<String, Pool>) -> Self {
        Self {
            runs: HashMap::new(),
            pools: Pools::new(pools),
            claiming: HashMap::new(),
            holding: 0,
            repeats: HashMap::new(),
        }
    }

    pub(super) fn get(&self, run: RunId) -> Option<&Live> {
        self.runs.get(&run)
    }

    pub(super) fn get_mut(&mut self, run: RunId) -> Option<&mut Live> {
        self.runs.get_mut(&run)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.runs.values()
    }

    /// Whether no run has a slot, and nobody waits to hear of a manual run.
    pub(super) fn nothing_is_under_way(&self) -> bool {
        let promised = |live: &Live| matches!(live.phase, Phase::Inserting { reply: Some(_) });
        self.holding == 0 && !self.runs.values().any(promised)
    }

    /// Whether the ledger has answered every claim.
    pub(super) fn nothing_is_on_its_way(&self) -> bool {
        self.claiming.is_empty()
    }

    /// Claims a run in the ledger.
    pub(super) fn claim(&mut self, run: Run, out: &mut Out) {
        let first = || (run.job.clone(), 0);
        self.claiming.entry(run.id).or_insert_with(first).1 += 1;
        out.claim(run);
    }

    /// A claim came back. Says whose it is, unless another claim of the same run is behind it.
    pub(super) fn came_back(&mut self, id: RunId) -> Option<JobName> {
        let (_, on_their_way) = self.claiming.get_mut(&id)?;
        *on_their_way -= 1;
        if *on_their_way > 0 {
            return None;
        }
        self.claiming.remove(&id).map(|(job, _)| job)
    }

    /// Adds a run that is not over.
    pub(super) fn add(&mut self, run: Run, plan: &Arc<Plan>, phase: Phase) {
        self.runs.insert(
            run.id,
            Live {
                began: run.started_at,
                run,
                plan: plan.clone(),
                phase,
                attempt: None,
                announced: false,
            },
        );
    }

    /// Answers a command with a manual run that is known already, once its row is durable.
    pub(super) fn answer_when_durable(&mut self, command: CommandId, id: RunId, out: &mut Out) {
        let inserting = |live: &Live| matches!(live.phase, Phase::Inserting { .. });
        if self.runs.get(&id).is_some_and(inserting) {
            self.repeats.entry(id).or_default().push(command);
        } else {
            out.reply(command, Ok(Answer::Triggered(id)));
        }
    }

    /// Tells whoever asked for a run, and repeated it, that it was made.
    pub(super) fn answer_triggered(&mut self, id: RunId, first: Option<CommandId>, out: &mut Out) {
        for command in self.askers(id, first) {
            out.reply(command, Ok(Answer::Triggered(id)));
        }
    }

    /// Answers the command that asked for a run, and those that repeated it, by what is durable.
    pub(super) fn answer(
        &mut self,
        id: RunId,
        first: Option<CommandId>,
        answer: &Result<Answer, Refusal>,
        out: &mut Out,
    ) {
        for command in self.askers(id, first) {
            out.reply_at_once(command, answer.clone());
        }
    }

    /// Who asked for a run, and who repeated it.
    fn askers(&mut self, id: RunId, first: Option<CommandId>) -> Vec<CommandId> {
        let repeats = self.repeats.remove(&id).unwrap_or_default();
        first.into_iter().chain(repeats).collect()
    }

    /// Starts a run, or queues it for a slot. Its row is durable.
    ///
    /// While the daemon drains nothing is started: the row stays `queued` for the next life.
    pub(super) fn start_or_wait(
        &mut self,
        id: RunId,
        now: Timestamp,
        draining: bool,
        out: &mut Out,
    ) {
        let Some(live) = self.runs.get_mut(&id) else {
            return;
        };
        if !draining && self.pools.take(live) {
            self.holding += 1;
            self.begin(id, out);
            return;
        }
        live.phase = Phase::Waiting;
        self.pools.wait(live);
        queue(live, now, out);
    }

    /// Lets a run wait behind others of its job. Its row is durable.
    pub(super) fn wait_behind(&mut self, id: RunId, now: Timestamp, out: &mut Out) {
        if let Some(live) = self.runs.get_mut(&id) {
            live.phase = Phase::Behind;
            queue(live, now, out);
        }
    }

    /// Queues a run for a slot, however many are free: [`Dispatcher::fill`] gives them out.
    pub(super) fn wait(&mut self, id: RunId) {
        if let Some(live) = self.runs.get_mut(&id) {
            live.phase = Phase::Waiting;
            self.pools.wait(live);
        }
    }

    /// Starts a run that waited, in the slot that was taken for it.
    fn start_next(&mut self, id: RunId, out: &mut Out) {
        let live = self
            .runs
            .get_mut(&id)
            .expect("a run leaves its queue when it is removed");
        self.holding += 1;
        out.touch(&live.run.job);
        self.begin(id, out);
    }

    /// The moment of the start. A claimed fire goes at once: its start mark tells the next life
    /// that it may have run. A run that is `queued` in the ledger would be run again by the next
    /// life if mark and all were lost with the power, so its row says `running` before it does.
    fn begin(&mut self, id: RunId, out: &mut Out) {
        let Some(live) = self.runs.get_mut(&id) else {
            return;
        };
        live.phase = Phase::Running { stopping: None };
        live.attempt = None;
        live.run.retry_at = None;
        live.run.attempts += 1;
        if live.run.status == Status::Queued {
            live.run.status = Status::Running;
            live.announced = true;
            let first = || (live.run.job.clone(), 0);
            self.claiming.entry(id).or_insert_with(first).1 += 1;
            out.start(live.run.clone());
        } else {
            hand_to_runner(live, out);
        }
    }

    /// Takes a run out, with its slot or its place in the queue.
    pub(super) fn remove(&mut self, id: RunId) -> Option<Live> {
        let live = self.runs.remove(&id)?;
        match live.phase {
            Phase::Running { .. } => {
                self.holding -= 1;
                self.pools.give_back(&live.plan.pool);
            }
            Phase::Waiting => self.pools.leave(&live),
            Phase::Inserting { .. } | Phase::InLine | Phase::Behind | Phase::Delayed => {}
        }
        Some(live)
    }

    /// Puts a run back that was taken out: it waits until its `retry_at`.
    pub(super) fn delay(&mut self, mut live: Live) {
        live.phase = Phase::Delayed;
        self.runs.insert(live.run.id, live);
    }

    /// Takes up a run whose attempt runs already, in a slot beyond the pool's where none is free.
    pub(super) fn take_up(
        &mut self,
        run: Run,
        plan: &Arc<Plan>,
        attempt: Option<Attempt>,
        stopping: Option<StopCause>,
    ) {
        let id = run.id;
        self.add(run, plan, Phase::Running { stopping });
        self.holding += 1;
        self.pools.occupy(&plan.pool);
        if let Some(live) = self.runs.get_mut(&id) {
            live.attempt = attempt;
        }
    }

    /// Tells the runner to stop a run, once.
    pub(super) fn stop(&mut self, id: RunId, cause: StopCause, out: &mut Out) {
        let Some(live) = self.runs.get_mut(&id) else {
            return;
        };
        if live.phase != (Phase::Running { stopping: None }) {
            return;
        }
        live.phase = Phase::Running {
            stopping: Some(cause),
        };
        // One that is announced is not with the runner yet, and will not get there.
        if !live.announced {
            out.push(Effect::Stop {
                run: id,
                attempt: live.run.attempts,
                cause,
            });
        }
    }
}

impl Dispatcher {
    /// Gives free slots of a pool to those who wait, in order. Who has waited beyond its deadline
    /// is missed, even if the wake that should have said so has not come.
    pub(super) fn fill(&mut self, pool: &str, now: Timestamp, out: &mut Out) {
        while let Some(id) = self.active.pools.next(pool) {
            let too_late = self.active.get(id).filter(|live| live.is_too_late(now));
            let Some(job) = too_late.map(|live| live.run.job.clone()) else {
                self.active.start_next(id, out);
                continue;
            };
            self.active.pools.give_back(pool);
            if let Some(state) = self.jobs.get_mut(&job) {
                state.miss_waiting(id, now, &mut self.active, out);
                let view = view!(self, now, Timestamp::MIN);
                state.take_turns(view, &mut self.active, out);
                out.touch(&job);
            }
        }
    }
}

impl Live {
    /// When a fire that waits for its first start will have waited too long. Nobody gave a manual
    /// run a deadline, and a run that is caught up is late anyway.
    pub(super) fn latest_start(&self) -> Option<Timestamp> {
        let deadline = self.plan.starting_deadline?;
        let waits = matches!(self.phase, Phase::Waiting | Phase::Behind) && self.run.attempts == 0;
        let bound = matches!(
            self.run.trigger,
            Trigger::Schedule | Trigger::Startup | Trigger::After
        );
        let end = self.run.due_at.checked_add(deadline).ok();
        end.filter(|_| waits && bound)
    }

    /// Whether it has.
    pub(super) fn is_too_late(&self, now: Timestamp) -> bool {
        self.latest_start().is_some_and(|end| end <= now)
    }

    /// When its `total_timeout` is over.
    pub(super) fn total_end(&self) -> Option<Timestamp> {
        let total = self.plan.total_timeout?;
        self.began?.checked_add(total).ok()
    }

    /// When its next attempt is to start, while it waits for that.
    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.run.retry_at.filter(|_| self.phase == Phase::Delayed)
    }

    /// When something is to be done about it, unless something happens to it before.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        let is_stopping = matches!(self.phase, Phase::Running { stopping: Some(_) });
        let end = self.total_end().filter(|_| !is_stopping);
        let looks = [self.latest_start(), self.retry_at(), end];
        looks.into_iter().flatten().min()
    }
}

/// Its row says that it waits, from now on if it did not before.
fn queue(live: &mut Live, now: Timestamp, out: &mut Out) {
    if live.run.status != Status::Queued {
        live.run.status = Status::Queued;
        live.run.queued_at = Some(now);
        out.run(&live.run, now);
    }
}

/// The process starts now; what is known of it is written behind it.
pub(super) fn hand_to_runner(live: &mut Live, out: &mut Out) {
    live.announced = false;
    out.push(Effect::Start(Box::new(Start {
        run: live.run.clone(),
        attempt: live.run.attempts,
        plan: live.plan.clone(),
    })));
}
