//! Pools: how many attempts run at once, and who is next.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::job::{Pool, RunId};

/// Higher priority first, then the longest due, then by id so that the order is total.
type Place = (Reverse<i32>, Timestamp, RunId);

/// One pool: its slots, and the runs that wait for one.
#[derive(Debug)]
pub(super) struct PoolState {
    pub(super) slots: u32,
    pub(super) used: u32,
    pub(super) waiting: BTreeSet<Place>,
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
        made.configure(pools);
        made
    }

    /// Takes the slots of the config as it is now; what is in use stays in use.
    pub(super) fn configure(&mut self, pools: BTreeMap<String, Pool>) {
        self.pools.retain(|name, pool| {
            pools.contains_key(name) || pool.used > 0 || !pool.waiting.is_empty()
        });
        for (name, pool) in pools {
            self.named(&name).slots = pool.slots;
        }
    }

    /// Takes a slot if one is free.
    pub(super) fn take(&mut self, pool: &str) -> bool {
        let pool = self.named(pool);
        let free = pool.used < pool.slots;
        pool.used += u32::from(free);
        free
    }

    /// Gives a slot back.
    pub(super) fn give_back(&mut self, pool: &str) {
        let pool = self.named(pool);
        pool.used = pool.used.saturating_sub(1);
    }

    /// Queues a run for a slot.
    pub(super) fn wait(&mut self, pool: &str, priority: i32, due_at: Timestamp, run: RunId) {
        self.named(pool)
            .waiting
            .insert((Reverse(priority), due_at, run));
    }

    /// Takes a run out of the queue, wherever it stands.
    pub(super) fn leave(&mut self, pool: &str, run: RunId) {
        self.named(pool).waiting.retain(|&(_, _, id)| id != run);
    }

    /// The next run to have a slot, if there are both; the slot is taken.
    pub(super) fn next(&mut self, pool: &str) -> Option<RunId> {
        let pool = self.named(pool);
        if pool.used >= pool.slots {
            return None;
        }
        let (_, _, run) = pool.waiting.pop_first()?;
        pool.used += 1;
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
            let empty = PoolState {
                slots: 0,
                used: 0,
                waiting: BTreeSet::new(),
            };
            self.pools.insert(name.to_owned(), empty);
        }
        self.pools
            .get_mut(name)
            .expect("it was inserted just above if it was not there")
    }
}
