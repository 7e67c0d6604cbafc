//! Pools: how many attempts run at once, and who is next.
//!
//! A free slot goes to the highest priority that waits. Among runs of that priority it is given
//! out by start-time fair queueing (Goyal, Vin and Cheng, SIGCOMM 1996) with a job as a flow and
//! each attempt as one unit of service: a job with a thousand runs in the queue does not keep the
//! others out, and nobody starves. Where each job has one run in the queue that is: who has been due
//! the longest goes first.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::active::Live;
use crate::job::{JobName, Pool, RunId};

/// A run's place in the queue; the id makes the order total.
type Place = (Reverse<i32>, u64, Timestamp, RunId);

/// One pool: its slots, and the runs that wait for one.
#[derive(Debug, Default)]
pub(super) struct PoolState {
    slots: u32,
    used: u32,
    waiting: BTreeSet<Place>,
    places: HashMap<RunId, Place>,
    /// The virtual time: the start tag of the newest attempt that had a slot.
    served: u64,
    /// The finish tag of each job's newest attempt; it counts where it is ahead of the virtual time.
    ahead: HashMap<JobName, u64>,
}

impl PoolState {
    /// How many attempts may run at once, how many do, how many runs wait.
    pub(super) fn figures(&self) -> (u32, u32, usize) {
        (self.slots, self.used, self.waiting.len())
    }

    /// The start tag of one more attempt of a job.
    fn tag(&mut self, job: &JobName) -> u64 {
        let finish = self.ahead.get(job).copied().unwrap_or(0);
        let start = finish.max(self.served);
        self.ahead.insert(job.clone(), start + 1);
        start
    }

    fn serve(&mut self, tag: u64) {
        self.used += 1;
        self.served = self.served.max(tag);
    }
}

/// All pools by name. A pool that left the config stays while something uses it.
#[derive(Debug)]
pub(super) struct Pools {
    pools: BTreeMap<String, PoolState>,
}

impl Pools {
    pub(super) fn new(pools: BTreeMap<String, Pool>) -> Self {
        let mut made = Self {
            pools: BTreeMap::new(),
        };
        made.configure(pools, &BTreeSet::new());
        made
    }

    /// Takes the slots of the config as it is now; what is in use, or wanted by a run that is not
    /// over, stays.
    pub(super) fn configure(&mut self, pools: BTreeMap<String, Pool>, wanted: &BTreeSet<String>) {
        self.pools.retain(|name, pool| {
            pools.contains_key(name) || wanted.contains(name) || pool.used > 0
        });
        for (name, pool) in pools {
            let known = self.named(&name);
            known.slots = pool.slots;
            // Jobs come and go with the config; who is not ahead is as good as new.
            let served = known.served;
            known.ahead.retain(|_, finish| *finish > served);
        }
    }

    /// Takes a slot for a run if one is free.
    pub(super) fn take(&mut self, live: &Live) -> bool {
        let pool = self.named(&live.plan.pool);
        let free = pool.used < pool.slots;
        if free {
            let tag = pool.tag(&live.run.job);
            pool.serve(tag);
        }
        free
    }

    /// Takes a slot that a run has had, even if the pool has fewer now.
    pub(super) fn occupy(&mut self, pool: &str) {
        self.named(pool).used += 1;
    }

    /// Gives a slot back.
    pub(super) fn give_back(&mut self, pool: &str) {
        let pool = self.named(pool);
        pool.used = pool.used.saturating_sub(1);
    }

    /// Queues a run for a slot.
    pub(super) fn wait(&mut self, live: &Live) {
        let (plan, run) = (&live.plan, &live.run);
        let pool = self.named(&plan.pool);
        let tag = pool.tag(&run.job);
        let place = (Reverse(plan.priority), tag, run.due_at, run.id);
        pool.waiting.insert(place);
        pool.places.insert(run.id, place);
    }

    /// Takes a run out of the queue, wherever it stands.
    pub(super) fn leave(&mut self, live: &Live) {
        let pool = self.named(&live.plan.pool);
        let Some(place) = pool.places.remove(&live.run.id) else {
            return;
        };
        pool.waiting.remove(&place);
        // It had nothing of the pool, so the job's next run takes its tag.
        if let Some(finish) = pool.ahead.get_mut(&live.run.job)
            && *finish == place.1 + 1
        {
            *finish = place.1;
        }
    }

    /// The next run to have a slot, if there are both; the slot is taken.
    pub(super) fn next(&mut self, pool: &str) -> Option<RunId> {
        let pool = self.named(pool);
        if pool.used >= pool.slots {
            return None;
        }
        let (_, tag, _, run) = pool.waiting.pop_first()?;
        pool.places.remove(&run);
        pool.serve(tag);
        Some(run)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.pools.keys().cloned().collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &PoolState)> {
        self.pools.iter()
    }

    fn named(&mut self, name: &str) -> &mut PoolState {
        if !self.pools.contains_key(name) {
            self.pools.insert(name.to_owned(), PoolState::default());
        }
        self.pools
            .get_mut(name)
            .expect("it was inserted just above if it was not there")
    }
}
