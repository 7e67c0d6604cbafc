//! A machine around the dispatcher on which nothing goes wrong: wakes are on time, changes are
//! durable at once, processes end at once. In simulated time.
//!
//! The scenarios under `tests/sim` have a machine on which all of that can go wrong; this one is for
//! counting and measuring.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use punctual::dispatch::{Dispatcher, Effect, Input, Memory};
use punctual::job::{AttemptEnd, ClaimOutcome, Figures, JobName, Plan, Pool, Write};

/// The heartbeat comes at least this often: a dispatcher that hears nothing for longer has slept.
const HEARTBEAT: SignedDuration = SignedDuration::from_secs(5);

/// What becomes of changes that are durable.
pub trait Keep {
    /// They were committed together, in this order.
    fn keep(&mut self, writes: Vec<Write>);
}

/// The machine, and a daemon on it from the beginning on.
pub struct Machine<K> {
    pub now: Timestamp,
    pub dispatcher: Dispatcher,
    pub kept: K,
    /// How many steps the dispatcher took, and how many attempts it started.
    pub steps: u64,
    pub starts: u64,
    /// The number of each job here.
    numbers: Quick<JobName, usize>,
    /// By number: its name, and the wake that was asked for last. What else is among `wakes` is out
    /// of date.
    jobs: Vec<(JobName, Option<Timestamp>)>,
    wakes: BinaryHeap<Reverse<(Timestamp, usize)>>,
    inbox: Vec<Input>,
}

/// A map with a hash that costs little: nobody here chooses keys to do harm.
pub type Quick<K, V> = HashMap<K, V, BuildHasherDefault<Folded>>;

/// Words of eight bytes, multiplied into each other.
#[derive(Default)]
pub struct Folded(u64);

impl Hasher for Folded {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            let mixed = (self.0 ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            self.0 = mixed.rotate_left(29);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<K: Keep> Machine<K> {
    /// A daemon that starts at `now` for the first time.
    pub fn new(
        plans: BTreeMap<JobName, Arc<Plan>>,
        pools: BTreeMap<String, Pool>,
        kept: K,
        now: Timestamp,
    ) -> Self {
        let jobs: Vec<_> = plans.keys().map(|job| (job.clone(), None)).collect();
        let numbers = plans.keys().cloned().zip(0..).collect();
        let (dispatcher, effects) =
            Dispatcher::recover("n".to_owned(), plans, pools, Memory::default(), now);
        let mut machine = Self {
            now,
            dispatcher,
            kept,
            steps: 0,
            starts: 0,
            numbers,
            jobs,
            wakes: BinaryHeap::new(),
            inbox: Vec::new(),
        };
        machine.perform(effects);
        machine.answer();
        machine
    }

    /// Lets time pass up to `end`: all that is due then has happened.
    pub fn run_until(&mut self, end: Timestamp) {
        while let Some(&Reverse((at, number))) = self.wakes.peek()
            && at <= end
        {
            self.wakes.pop();
            let (job, armed) = &mut self.jobs[number];
            if *armed == Some(at) {
                *armed = None;
                let wake = Input::Wake(job.clone());
                self.pass_to(at);
                self.input(wake);
            }
        }
        self.pass_to(end);
    }

    /// Nothing happens but the heartbeat.
    fn pass_to(&mut self, at: Timestamp) {
        while at.duration_since(self.now) > HEARTBEAT {
            self.now += HEARTBEAT;
            self.input(Input::Tick);
        }
        self.now = self.now.max(at);
    }

    fn input(&mut self, input: Input) {
        self.inbox.push(input);
        self.answer();
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
                Effect::Write { writes, .. } => {
                    let claimed = |write: &Write| match write {
                        Write::Claim(run) | Write::Start(run) => {
                            Some((run.id, ClaimOutcome::Claimed))
                        }
                        _ => None,
                    };
                    let claims: Vec<_> = writes.iter().filter_map(claimed).collect();
                    self.kept.keep(writes);
                    if !claims.is_empty() {
                        self.inbox.push(Input::Claimed(claims));
                    }
                }
                Effect::Start(start) => {
                    self.starts += 1;
                    let (run, attempt, at) = (start.run.id, start.attempt, self.now);
                    let end = AttemptEnd::Exited { code: 0, ok: true };
                    let pid = Some(1);
                    // The last one in is the first one out.
                    self.inbox.push(Input::Ended {
                        run,
                        attempt,
                        end,
                        figures: Figures::default(),
                        at,
                    });
                    self.inbox.push(Input::Started {
                        run,
                        attempt,
                        pid,
                        at,
                    });
                }
                Effect::Arm { job, at } => {
                    let number = self.numbers[&job];
                    self.jobs[number].1 = at;
                    self.wakes.extend(at.map(|at| Reverse((at, number))));
                }
                Effect::Stop { .. } | Effect::Reply { .. } | Effect::Emit(_) | Effect::Drained => {}
            }
        }
    }
}
