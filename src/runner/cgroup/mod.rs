//! Control groups (cgroup v2): one for each attempt, where the daemon may divide its own.
//!
//! ```text
//! punctual.service/            the daemon's own group, delegated to it
//!   daemon/                    the daemon
//!   jobs/RUN_ID.ATTEMPT/       an attempt, with all that it starts
//! ```
//!
//! A process cannot leave its group without root's rights or the daemon's own, however it forks. So a
//! group finds, kills and counts what a walk through `/proc` might miss, and limits it. Where there
//! are no groups, and for what runs before it is in its group, there is that walk (`family`).

mod group;
mod mover;
mod site;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rustix::event::Timespec;
use rustix::fs::FlockOperation;
use rustix::io::Errno;
use rustix::process::Signal;

use super::Cleared;
use crate::clock;
use crate::job::CanLimit;
use site::{DAEMON, JOBS};

pub(super) use group::{Group, Strains, Unlimited};
pub(super) use mover::{Mover, Place};

/// How often a lock that is held is asked for again: a process that a killed daemon was just starting
/// has it until it executes its program.
const LOCK_TRIES: u32 = 20;
const BETWEEN_TRIES: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 25_000_000,
};

/// How long what an earlier daemon left may take to die.
const DYING: Duration = Duration::from_secs(10);

/// The control groups of a daemon, if it may have any.
#[derive(Debug, Clone)]
pub struct Groups(Result<Arc<Tree>, Arc<str>>);

/// A group that this daemon divides.
#[derive(Debug)]
struct Tree {
    top: PathBuf,
    daemon: PathBuf,
    jobs: PathBuf,
    /// This daemon went into its group itself, and so did nobody else: what else is there was started
    /// by one before it.
    has_entered: bool,
    can: CanLimit,
    /// What could not be had of the group, and why.
    flaws: Vec<String>,
    /// The folder of the jobs, locked: there is one daemon for a group.
    _lock: File,
}

impl Groups {
    /// None, whatever there may be.
    pub fn none() -> Self {
        Self(Err("it was not asked for any".into()))
    }

    /// Divides the group that this process is in, if that is its to divide: moves the process into a
    /// group of its own below it.
    pub fn claim() -> Self {
        Self(Tree::claim().map(Arc::new).map_err(Into::into))
    }

    /// Which limits can be set.
    pub fn can_limit(&self) -> CanLimit {
        self.0.as_ref().map_or(CanLimit::NONE, |tree| tree.can)
    }

    /// Kills and removes what an earlier daemon left, but for the groups of these names.
    pub fn clear(&self, keep: &BTreeSet<String>) -> io::Result<Cleared> {
        match &self.0 {
            Ok(tree) => tree.clear(keep),
            Err(_) => Ok(Cleared::default()),
        }
    }

    /// Says in the log which way is taken.
    pub(super) fn tell(&self) {
        match &self.0 {
            Ok(tree) => {
                let CanLimit { memory, cpu, pids } = tree.can;
                tracing::info!(
                    group = %tree.top.display(),
                    memory,
                    cpu,
                    pids,
                    "each attempt has a control group of its own, which can limit what is true here"
                );
                for flaw in &tree.flaws {
                    tracing::warn!("{flaw}");
                }
            }
            Err(why) => tracing::info!(
                "attempts have no control groups, as {why}; their processes are found by process \
                 group and subreaper, and of `limits` only `open_files` can be set"
            ),
        }
    }
}

impl Tree {
    fn claim() -> Result<Self, String> {
        let top = site::find()?;
        let (daemon, jobs) = (top.join(DAEMON), top.join(JOBS));
        let claimed = Self::claim_at(&top, &daemon, &jobs);
        if claimed.is_err() {
            // In the order in which they were made; those that are in use stay.
            for made in [&jobs, &daemon] {
                let _ = fs::remove_dir(made);
            }
        }
        claimed
    }

    fn claim_at(top: &Path, daemon: &Path, jobs: &Path) -> Result<Self, String> {
        let failed = |path: &Path| {
            let path = path.display().to_string();
            move |why: io::Error| format!("{path} cannot be used: {why}")
        };
        for folder in [daemon, jobs] {
            match fs::create_dir(folder) {
                Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(failed(folder))?,
            }
        }
        let lock = File::open(jobs).map_err(failed(jobs))?;
        if !locks(&lock).map_err(failed(jobs))? {
            return Err(format!("another daemon divides {}", top.display()));
        }
        let inside = site::processes_in(daemon).map_err(failed(daemon))?;
        let has_entered = !inside.contains(&std::process::id());
        group::set(&daemon.join("cgroup.procs"), "0").map_err(failed(daemon))?;
        let (can, flaws) = enable_controllers(top, jobs);
        Ok(Self {
            can,
            flaws,
            has_entered,
            daemon: daemon.to_owned(),
            top: top.to_owned(),
            jobs: jobs.to_owned(),
            _lock: lock,
        })
    }

    fn clear(&self, keep: &BTreeSet<String>) -> io::Result<Cleared> {
        let mut left = Vec::new();
        for path in site::children_of(&self.jobs)? {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if !keep.contains(name) {
                left.push(Group::at(&self.jobs, name));
            }
        }
        let begun = clock::monotonic();
        let mut killed = BTreeSet::new();
        let mut alive = Vec::new();
        for group in &left {
            while group.is_populated() && begun.elapsed() < DYING {
                killed.extend(group.members().iter().map(|stat| stat.pid));
                group.kill()?;
                group.wait_for_news();
            }
            let members = group.members();
            if members.is_empty() {
                group.remove()?;
            }
            alive.extend(members.iter().map(|stat| stat.pid));
        }
        let own = Group::at(&self.top, DAEMON);
        let others = || {
            let mut members = own.members();
            members.retain(|stat| self.has_entered && stat.pid != std::process::id());
            members
        };
        while !others().is_empty() && begun.elapsed() < DYING {
            for other in others() {
                other.signal(Signal::KILL)?;
                killed.insert(other.pid);
            }
            own.wait_for_news();
        }
        alive.extend(others().iter().map(|stat| stat.pid));
        Ok(Cleared {
            killed: killed.len().saturating_sub(alive.len()),
            alive,
        })
    }
}

/// Takes the lock, or says that somebody keeps it.
fn locks(folder: &File) -> io::Result<bool> {
    for _ in 0..LOCK_TRIES {
        match rustix::fs::flock(folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) => {}
            Err(why) => return Err(why.into()),
        }
        // Nothing to poll: it only waits. A signal may cut it short, which costs a try.
        let _ = rustix::event::poll(&mut [], Some(&BETWEEN_TRIES));
    }
    Ok(false)
}

/// Has the groups of attempts have as many controllers as can be had, and says which.
fn enable_controllers(top: &Path, jobs: &Path) -> (CanLimit, Vec<String>) {
    let (mut can, mut flaws) = (CanLimit::NONE, Vec::new());
    for (name, can) in [
        ("memory", &mut can.memory),
        ("cpu", &mut can.cpu),
        ("pids", &mut can.pids),
    ] {
        let enabled = [top, jobs].iter().try_for_each(|group| {
            group::set(&group.join("cgroup.subtree_control"), &format!("+{name}"))
        });
        match enabled {
            Ok(()) => *can = true,
            Err(why) if is_offered(top, name) => flaws.push(format!(
                "the controller {name} cannot be used for {}: {why}; a process of somebody else in \
                 that group would be a reason",
                top.display()
            )),
            // The machine has it elsewhere, or not at all.
            Err(_) => {}
        }
    }
    (can, flaws)
}

fn is_offered(top: &Path, controller: &str) -> bool {
    let offered = fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default();
    offered
        .split_ascii_whitespace()
        .any(|name| name == controller)
}
