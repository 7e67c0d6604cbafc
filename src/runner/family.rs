//! Whose is which process, while the daemon lives.
//!
//! The daemon is a subreaper: what loses its parent becomes its child, however often it forked. So
//! every process of an attempt is below the attempt's main process or below an orphan, and an
//! attempt that leaves no orphan leaves nothing. That makes the question cheap at each end. Whose an
//! orphan is shows in its session or in its environment; if it shook off both, it belongs to an
//! attempt that is as old as itself or older, and once all of these are over it is a stray.
//!
//! Children belong to the process, not to a value in it; hence the one static here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Signal, WaitId, WaitIdOptions};

use super::tree::{self, Leader, Stat};
use crate::job::RunId;

type Key = (RunId, u32);

/// How often a walk that keeps finding new orphans goes on. What it found by then is killed, and
/// the next walk begins with what is left.
const MOST_WALKS: usize = 100;

/// The attempts from their launch until their last process is gone.
static LIVE: Mutex<BTreeMap<Key, Standing>> = Mutex::new(BTreeMap::new());

/// What is known of an attempt.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// The main process, once there is one.
    leader: Option<Leader>,
    /// It is in a control group, and so is all that it starts from then on.
    is_in: bool,
}

fn live() -> MutexGuard<'static, BTreeMap<Key, Standing>> {
    // Every change is a single insert or remove, so a panic elsewhere leaves it whole.
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An attempt begins; must precede its process.
pub(super) fn begin(key: Key) {
    live().insert(key, Standing::default());
}

/// The attempt's main process.
pub(super) fn leads(key: Key, leader: Leader) {
    live().entry(key).or_default().leader = Some(leader);
}

/// The attempt is in its control group, with all that was found of it.
pub(super) fn enters(key: Key) {
    if let Some(standing) = live().get_mut(&key) {
        standing.is_in = true;
    }
}

/// Orphans that shook off session and environment, with all below them, and whether they can be of no
/// attempt but this one: no other is outside of a control group. They are looked for among these
/// processes, which are those outside.
pub(super) fn strays_outside(key: Key, outside: &BTreeSet<u32>) -> (Vec<Stat>, bool) {
    let mut orphans = orphans();
    orphans.retain(|pid| outside.contains(pid));
    if orphans.is_empty() {
        return (Vec::new(), false);
    }
    // Only now: whatever began after the orphans were listed is not theirs.
    let live = live().clone();
    orphans.retain(|&pid| {
        let of_session = Stat::of(pid).is_some_and(|stat| leads_any(&live, stat.session));
        !of_session && tree::marked_as(pid).is_none()
    });
    let mut others = live
        .iter()
        .filter(|&(other, it)| *other != key && !it.is_in);
    let is_surely_its = others.next().is_none();
    let mut walk = tree::Walk::default();
    walk.descend(orphans);
    (walk.found, is_surely_its)
}

fn leads_any(live: &BTreeMap<Key, Standing>, session: u32) -> bool {
    let mut leaders = live.values().filter_map(|it| it.leader);
    leaders.any(|leader| leader.pid == session)
}

/// No process of the attempt is left. Whatever no living attempt can own is killed.
pub(super) fn end(key: Key) {
    live().remove(&key);
    kill_strays();
}

/// The living processes of an attempt. Empty only if there is none.
///
/// While the tree is walked a parent can die, and its children are then neither below it any more
/// nor among the orphans read before. They can move nowhere but to the orphans, so those are read
/// again after the walk, until there is nothing new among them.
pub(super) fn members((run, attempt): Key, leader: Leader) -> Vec<Stat> {
    let mark = (run.to_string(), attempt.to_string());
    let owned = |pid: u32| {
        Stat::of(pid).is_some_and(|stat| !stat.dead && stat.session == leader.pid)
            || tree::marked_as(pid).as_ref() == Some(&mark)
    };
    let mut walk = tree::Walk::default();
    walk.descend(vec![leader.pid]);
    for _ in 0..MOST_WALKS {
        let mut new = orphans();
        new.retain(|&pid| !walk.saw(pid) && owned(pid));
        if new.is_empty() {
            break;
        }
        walk.descend(new);
    }
    walk.found
}

/// The orphans, main processes excepted: those come to the main thread too when the thread that
/// started them ends.
fn orphans() -> Vec<u32> {
    let listed = {
        let _nobody_reaps = reaping();
        tree::orphans()
    };
    let Ok(mut pids) = listed else {
        // Looked for at start-up; gone only with /proc itself.
        return Vec::new();
    };
    if !pids.is_empty() {
        let live = live();
        pids.retain(|&pid| !leads_any(&live, pid));
    }
    pids
}

/// Held while orphans are waited for, and while they are listed: the kernel skips an entry of the
/// list when an earlier one leaves it during the reading.
fn reaping() -> MutexGuard<'static, ()> {
    static REAPING: Mutex<()> = Mutex::new(());
    REAPING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for orphans that died, so that no zombies pile up.
pub(super) fn reap_orphans() {
    let orphans = orphans();
    let _nobody_lists = reaping();
    for pid in orphans.into_iter().filter_map(tree::as_pid) {
        // An error means that it is waited for already.
        let _ = rustix::process::waitid(
            WaitId::Pid(pid),
            WaitIdOptions::EXITED | WaitIdOptions::NOHANG,
        );
    }
}

/// Kills orphans that belong to no living attempt.
fn kill_strays() {
    // First the orphans, then the living: an attempt is known before it can have orphans.
    let orphans = orphans();
    if orphans.is_empty() {
        return;
    }
    let live = live().clone();
    let owned = |stat: &Stat| {
        if leads_any(&live, stat.session) {
            return true;
        }
        match tree::marked_as(stat.pid) {
            Some((run, attempt)) => live
                .keys()
                .any(|(r, a)| r.to_string() == run && a.to_string() == attempt),
            None => live
                .values()
                .map(|it| it.leader)
                .any(|leader| leader.is_none_or(|leader| leader.start_ticks <= stat.start_ticks)),
        }
    };
    let strays = orphans
        .into_iter()
        .filter_map(Stat::of)
        .filter(|stat| !stat.dead && !owned(stat))
        .map(|stat| stat.pid);
    let mut walk = tree::Walk::default();
    walk.descend(strays.collect());
    for stat in walk.found {
        match stat.signal(Signal::KILL) {
            Ok(_) => tracing::info!(pid = stat.pid, "killed a process that a run left behind"),
            Err(why) => tracing::warn!(pid = stat.pid, %why, "a stray process cannot be killed"),
        }
    }
}
