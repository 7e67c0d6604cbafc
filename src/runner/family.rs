//! Whose is which process, while the daemon lives.
//!
//! The daemon is a subreaper: what loses its parent becomes its child, however often it forked. So
//! every process of an attempt is below the attempt's main process or below an orphan, and an
//! attempt that leaves no orphan leaves nothing. That makes the question cheap at each end. Whose an
//! orphan is shows in its session, in its environment or in the pipes that it prints to, or it was seen
//! below the attempt before; if it shook off all that, it belongs to an attempt that is as old as itself
//! or older, and once all of these are over it is a stray.
//!
//! Children belong to the process, not to a value in it; hence the statics here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use rustix::process::{Signal, WaitId, WaitIdOptions};

use super::tree::{self, Leader, Pipes, Stat};
use crate::job::RunId;

type Key = (RunId, u32);

/// How often a walk that keeps finding new orphans goes on. What it found by then is killed, and
/// the next walk begins with what is left.
const MOST_WALKS: usize = 100;

/// The attempts from their launch until their last process is gone.
static LIVE: Mutex<BTreeMap<Key, Standing>> = Mutex::new(BTreeMap::new());

/// Children that the process had before its first attempt: of whoever became this program by an exec.
static STRANGERS: OnceLock<BTreeSet<Leader>> = OnceLock::new();

/// What is known of an attempt.
#[derive(Debug, Clone, Default)]
struct Standing {
    /// The main process, once there is one.
    leader: Option<Leader>,
    /// What else was alive of it at the last look. Its parents may be dead at the next.
    seen: BTreeSet<Leader>,
    /// What takes its output.
    pipes: Pipes,
    /// It is in a control group, and so is all that it starts from then on.
    is_in: bool,
}

impl Standing {
    /// Whether a process is known to be of it: whoever prints to its pipes was started by it.
    fn knows(&self, stat: &Stat) -> bool {
        self.seen.contains(&stat.itself())
            || tree::prints_to(stat.pid).any(|pipe| self.pipes.contains(&pipe))
    }
}

/// Leaves alone, from now on, what the process has as children; of an earlier life of the daemon,
/// what that did. Only the first call counts: later there are orphans among them.
pub(super) fn spare_children(of_earlier_life: Option<Vec<Leader>>) {
    STRANGERS.get_or_init(|| match of_earlier_life {
        Some(strangers) => strangers.into_iter().collect(),
        None => adopted()
            .into_iter()
            .filter_map(Stat::of)
            .map(|stat| stat.itself())
            .collect(),
    });
}

/// What is left alone.
pub(super) fn strangers() -> Vec<Leader> {
    STRANGERS.get().into_iter().flatten().copied().collect()
}

fn is_stranger(pid: u32) -> bool {
    let strangers = STRANGERS.get().filter(|strangers| !strangers.is_empty());
    strangers.is_some_and(|strangers| {
        Stat::of(pid).is_some_and(|stat| strangers.contains(&stat.itself()))
    })
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

/// What the attempt prints goes into these pipes.
pub(super) fn prints_to(key: Key, pipes: Pipes) {
    live().entry(key).or_default().pipes = pipes;
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
        let of_another = |stat: &Stat| {
            let mut others = live.iter().filter(|&(other, _)| *other != key);
            leads_any(&live, stat.session) || others.any(|(_, it)| it.knows(stat))
        };
        let is_known = Stat::of(pid).as_ref().is_some_and(of_another);
        !is_known && tree::marked_as(pid).is_none()
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
/// again after the walk, until there is nothing new among them. What was found is known at the next
/// look, though all that told whose it is may be gone by then.
pub(super) fn members(key: Key, leader: Leader) -> Vec<Stat> {
    let mark = (key.0.to_string(), key.1.to_string());
    let standing = live().get(&key).cloned().unwrap_or_default();
    let owned = |pid: u32| {
        Stat::of(pid)
            .is_some_and(|stat| !stat.dead && (stat.session == leader.pid || standing.knows(&stat)))
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
    if let Some(standing) = live().get_mut(&key) {
        standing.seen = walk.found.iter().map(Stat::itself).collect();
    }
    walk.found
}

/// What the next life of the daemon must know to find an attempt's processes.
pub(super) fn seen(key: Key) -> Vec<Leader> {
    let live = live();
    let standing = live.get(&key).into_iter();
    standing.flat_map(|it| it.seen.iter().copied()).collect()
}

/// These were seen of the attempt in an earlier life of the daemon.
pub(super) fn saw(key: Key, processes: Vec<Leader>) {
    live().entry(key).or_default().seen.extend(processes);
}

/// The orphans of attempts that there are now.
pub(super) fn orphans_now() -> BTreeSet<Leader> {
    let orphans = orphans().into_iter().filter_map(Stat::of);
    let living = orphans.filter(|stat| !stat.dead);
    living.map(|stat| stat.itself()).collect()
}

/// The orphans of attempts.
fn orphans() -> Vec<u32> {
    let mut pids = adopted();
    pids.retain(|&pid| !is_stranger(pid));
    pids
}

/// The children of the main thread, main processes excepted: those come to it too when the thread that
/// started them ends.
fn adopted() -> Vec<u32> {
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

/// Waits for orphans that died, and for strangers, so that no zombies pile up.
pub(super) fn reap_orphans() {
    let adopted = adopted();
    let _nobody_lists = reaping();
    for pid in adopted.into_iter().filter_map(tree::as_pid) {
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
        if leads_any(&live, stat.session) || live.values().any(|it| it.knows(stat)) {
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
