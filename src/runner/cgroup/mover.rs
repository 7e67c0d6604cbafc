//! The thread that moves processes into the groups of their attempts, and removes groups.
//!
//! A move waits for all processors once (10 ms are usual) and keeps others from forking, and a start
//! shall not wait for that. So a process without limits is moved behind its start, and behind all starts
//! of the same moment, and what it forked until then with it.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use tokio::sync::{oneshot, watch};

use super::group::{Group, Unlimited};
use super::site::processes_in;
use super::{Groups, Tree};
use crate::clock;
use crate::job::Limits;
use crate::runner::tree::{Leader, Stat};
use crate::runner::{Key, family};

/// How long a move gives way to starts.
const GIVES_WAY: Duration = Duration::from_secs(1);

/// How often members that were found outside are looked for again. What forks faster is found by the
/// walk through `/proc`, as before.
const ROUNDS: usize = 20;

/// The group of an attempt, as far as it is known.
#[derive(Debug, Clone)]
pub(in crate::runner) struct Place(watch::Receiver<State>);

#[derive(Debug, Clone)]
enum State {
    /// Its processes are being moved.
    Moving,
    /// It has no group.
    Apart,
    In(Arc<Group>),
}

impl Place {
    /// In no group.
    pub(in crate::runner) fn apart() -> Self {
        Self(watch::Sender::new(State::Apart).subscribe())
    }

    /// In this group.
    pub(in crate::runner) fn within(group: Arc<Group>) -> Self {
        Self(watch::Sender::new(State::In(group)).subscribe())
    }

    /// The group that its processes are in by now.
    pub(in crate::runner) fn group(&self) -> Option<Arc<Group>> {
        match &*self.0.borrow() {
            State::In(group) => Some(Arc::clone(group)),
            State::Moving | State::Apart => None,
        }
    }

    /// Waits until no process of it is moved any more.
    pub(in crate::runner) async fn settled(&mut self) -> Option<Arc<Group>> {
        let is_settled = |state: &State| !matches!(state, State::Moving);
        // A mover that is gone moves nothing.
        let _ = self.0.wait_for(is_settled).await;
        self.group()
    }
}

/// Processes, by number and start time, of which it cannot be said whose they are.
type Unclear = BTreeSet<(u32, u64)>;

/// What the thread does.
#[derive(Debug)]
enum Task {
    Move {
        key: Key,
        pid: u32,
        place: watch::Sender<State>,
        since: Instant,
    },
    Remove {
        group: Arc<Group>,
        done: oneshot::Sender<()>,
    },
}

/// Gives attempts their groups, if the daemon has any.
#[derive(Debug)]
pub(in crate::runner) struct Mover(Option<Moving>);

/// The thread's side of it.
#[derive(Debug)]
pub(in crate::runner) struct Moves(Option<(Arc<Tree>, mpsc::Receiver<Task>)>);

#[derive(Debug)]
struct Moving {
    tree: Arc<Tree>,
    tasks: mpsc::Sender<Task>,
}

impl Mover {
    /// What gives them, and what is then to be begun.
    pub(in crate::runner) fn new(groups: &Groups) -> (Self, Moves) {
        let Ok(tree) = &groups.0 else {
            return (Self(None), Moves(None));
        };
        let tree = Arc::clone(tree);
        let (tasks, todo) = mpsc::channel();
        let moves = Moves(Some((Arc::clone(&tree), todo)));
        (Self(Some(Moving { tree, tasks })), moves)
    }

    /// Whether attempts have groups.
    pub(in crate::runner) fn has_groups(&self) -> bool {
        self.0.is_some()
    }

    /// Makes the group of an attempt that is yet to start, with its limits, and opens the door to it.
    /// None: it goes without.
    pub(in crate::runner) fn entry_for(
        &self,
        key: Key,
        limits: &Limits,
    ) -> Result<Option<(Arc<Group>, OwnedFd)>, Unlimited> {
        let entry = match &self.0 {
            Some(Moving { tree, .. }) => tree.entry(key, limits),
            None if limits.is_none() => return Ok(None),
            None => Err(io::Error::other("the daemon has no control groups").into()),
        };
        match entry {
            Ok(entry) => Ok(Some(entry)),
            Err(Unlimited { why, .. }) if limits.is_none() => {
                tracing::warn!(run = %key.0, %why, "a run has no control group");
                Ok(None)
            }
            Err(unlimited) => Err(unlimited),
        }
    }

    /// Moves a process that was just started, soon.
    pub(in crate::runner) fn follow(&self, key: Key, pid: u32) -> Place {
        let Some(Moving { tasks, .. }) = &self.0 else {
            return Place::apart();
        };
        let place = watch::Sender::new(State::Moving);
        let seen = Place(place.subscribe());
        // A thread that is gone drops the sender, and so it is never in a group.
        let since = clock::monotonic();
        let _ = tasks.send(Task::Move {
            key,
            pid,
            place,
            since,
        });
        seen
    }

    /// Where an attempt is that an earlier life of the daemon gave a group of this name.
    pub(in crate::runner) fn find(&self, key: Key, name: Option<&str>) -> Place {
        match (&self.0, name) {
            (Some(Moving { tree, .. }), Some(name)) => {
                family::enters(key);
                Place::within(Arc::new(Group::at(&tree.jobs, name)))
            }
            _ => Place::apart(),
        }
    }

    /// Removes a group in which nothing lives any more. The answer comes when it is done.
    pub(in crate::runner) fn discard(&self, group: Arc<Group>) -> oneshot::Receiver<()> {
        let (done, wait) = oneshot::channel();
        if let Some(Moving { tasks, .. }) = &self.0 {
            // A thread that is gone leaves it to the next start.
            let _ = tasks.send(Task::Remove { group, done });
        }
        wait
    }
}

impl Moves {
    /// Starts the thread, which calls `give_way` before each move, with the longest time that this may
    /// take.
    pub(in crate::runner) fn begin(
        self,
        give_way: impl Fn(Duration) + Send + 'static,
    ) -> io::Result<()> {
        let Some((tree, todo)) = self.0 else {
            return Ok(());
        };
        let run = move || {
            let mut unclear = Unclear::new();
            for task in todo {
                if let Task::Move { since, .. } = &task {
                    give_way(GIVES_WAY.saturating_sub(since.elapsed()));
                }
                tree.see_to(task, &mut unclear);
            }
        };
        thread::Builder::new()
            .name("groups".to_owned())
            .spawn(run)?;
        Ok(())
    }
}

fn name_of((run, attempt): Key) -> String {
    format!("{run}.{attempt}")
}

impl Tree {
    fn entry(&self, key: Key, limits: &Limits) -> Result<(Arc<Group>, OwnedFd), Unlimited> {
        let group = Group::make(&self.jobs, &name_of(key))?;
        let door = group.limit(limits).and_then(|()| Ok(group.door()?));
        if door.is_err()
            && let Err(why) = group.remove()
        {
            tracing::warn!(group = group.name(), %why, "a control group stays behind");
        }
        Ok((Arc::new(group), door?))
    }

    fn see_to(&self, task: Task, unclear: &mut Unclear) {
        match task {
            Task::Move {
                key, pid, place, ..
            } => {
                let state = match self.move_all(key, pid, unclear) {
                    Ok(Some(group)) => State::In(group),
                    Ok(None) => State::Apart,
                    Err(why) => {
                        tracing::warn!(run = %key.0, %why, "a run has no control group");
                        State::Apart
                    }
                };
                place.send_replace(state);
            }
            Task::Remove { group, done } => {
                if let Err(why) = group.remove() {
                    tracing::warn!(group = group.name(), %why, "a control group stays behind");
                }
                // Not everybody waits for it.
                let _ = done.send(());
            }
        }
    }

    /// Moves the attempt's main process, and all that it forked, into a group. None: it left nothing.
    ///
    /// Nobody has waited for the main process before this is done, so its number is its own.
    fn move_all(
        &self,
        key: Key,
        pid: u32,
        unclear: &mut Unclear,
    ) -> io::Result<Option<Arc<Group>>> {
        let leader = Leader {
            pid,
            start_ticks: Stat::of(pid).map_or(0, |stat| stat.start_ticks),
        };
        let mut group = None;
        let mut moved = Unclear::new();
        for _ in 0..ROUNDS {
            let mut outside = self.outside(key, leader, unclear)?;
            outside.retain(|stat| !moved.contains(&(stat.pid, stat.start_ticks)));
            if outside.is_empty() {
                break;
            }
            let group = match &group {
                Some(group) => group,
                None => group.insert(Group::make(&self.jobs, &name_of(key))?),
            };
            for member in outside {
                moved.insert((member.pid, member.start_ticks));
                if let Err(why) = add(group, &member) {
                    tracing::warn!(run = %key.0, pid = member.pid, %why, "it has no control group");
                }
            }
        }
        if group.is_some() {
            family::enters(key);
        }
        Ok(group.map(Arc::new))
    }

    /// What of an attempt is not in a group yet. What one forked while it was moved is where it was.
    fn outside(&self, key: Key, leader: Leader, unclear: &mut Unclear) -> io::Result<Vec<Stat>> {
        let mut pids: BTreeSet<u32> = processes_in(&self.daemon)?.into_iter().collect();
        pids.remove(&std::process::id());
        let mut members = family::members(key, leader);
        members.retain(|stat| pids.contains(&stat.pid));
        let (strays, are_surely_its) = family::strays_outside(key, &pids);
        // Once it could have been another's, it stays so when that one has moved.
        unclear.retain(|&(pid, _)| pids.contains(&pid));
        for stray in strays {
            let identity = (stray.pid, stray.start_ticks);
            if !are_surely_its {
                unclear.insert(identity);
            } else if !unclear.contains(&identity) {
                members.push(stray);
            }
        }
        Ok(members)
    }
}

/// Moves one process, if it is there.
fn add(group: &Group, member: &Stat) -> io::Result<()> {
    // Its number may be another's by now.
    if Stat::of(member.pid).is_none_or(|now| now.start_ticks != member.start_ticks) {
        return Ok(());
    }
    match group.add(member.pid) {
        Err(why) if why.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => Ok(()),
        added => added,
    }
}
