//! After `kill -9` of a daemon: nothing of its runs may live on.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal};

use super::marks::Leftovers;
use super::tree::{self, Stat};

/// How often the processes are walked before giving up. Each walk after the first waits up to
/// [`PATIENCE`] for those that were killed.
const WALKS: usize = 100;
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// What became of the processes that an earlier daemon left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cleared {
    /// How many were killed.
    pub killed: usize,
    /// Process ids of those that live in spite of it (held in the kernel by a broken disk or
    /// mount, or out of the daemon's reach).
    pub alive: Vec<u32>,
}

/// Kills every process of the marked attempts, and returns when they are gone, or after ten
/// seconds. Marks of another boot name nothing that can be alive.
///
/// A process is known by the run in its environment, by a session that one of the main processes
/// led, or by being below one of these.
pub fn kill_leftovers(leftovers: &Leftovers) -> io::Result<Cleared> {
    let mut killed = BTreeSet::new();
    if !leftovers.same_boot || leftovers.marks.is_empty() {
        return Ok(Cleared::default());
    }
    let family = Family::of(leftovers);
    for _ in 0..WALKS {
        let alive = family.among(&tree::all()?);
        if alive.is_empty() {
            let killed = killed.len();
            return Ok(Cleared {
                killed,
                alive: Vec::new(),
            });
        }
        let dying: Vec<OwnedFd> = alive.iter().filter_map(open).collect();
        for stat in &alive {
            match stat.signal(Signal::KILL) {
                Ok(true) => {
                    killed.insert((stat.pid, stat.start_ticks));
                }
                Ok(false) => {}
                Err(why) => tracing::warn!(pid = stat.pid, %why, "a leftover cannot be killed"),
            }
        }
        wait_for_one(&dying)?;
    }
    let alive = family.among(&tree::all()?);
    Ok(Cleared {
        killed: killed.len(),
        alive: alive.iter().map(|stat| stat.pid).collect(),
    })
}

fn open(stat: &Stat) -> Option<OwnedFd> {
    rustix::process::pidfd_open(tree::as_pid(stat.pid)?, PidfdFlags::empty()).ok()
}

/// Waits until one of the processes is dead, a little.
fn wait_for_one(dying: &[OwnedFd]) -> io::Result<()> {
    let mut fds: Vec<PollFd<'_>> = dying
        .iter()
        .map(|fd| PollFd::new(fd, PollFlags::IN))
        .collect();
    match poll(&mut fds, Some(&PATIENCE)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

/// What the processes of the old attempts are known by.
struct Family {
    runs: BTreeSet<(String, String)>,
    /// Start times of the old main processes, by process id, which is the id of their session.
    leaders: BTreeMap<u32, u64>,
    /// A time at which the old daemon still lived.
    daemon_lived_at: u64,
}

impl Family {
    fn of(leftovers: &Leftovers) -> Self {
        let marks = &leftovers.marks;
        let leaders: BTreeMap<u32, u64> = marks
            .iter()
            .filter_map(|mark| mark.leader)
            .map(|leader| (leader.pid, leader.start_ticks))
            .collect();
        Self {
            runs: marks
                .iter()
                .map(|mark| (mark.run.to_string(), mark.attempt.to_string()))
                .collect(),
            daemon_lived_at: leaders.values().copied().max().unwrap_or(0),
            leaders,
        }
    }

    /// Those of the processes that belong to the old attempts.
    fn among(&self, all: &[Stat]) -> Vec<Stat> {
        let own = std::process::id();
        let others = || all.iter().filter(|stat| stat.pid != own);
        let mut ours: BTreeSet<u32> = others()
            .filter(|stat| tree::marked_as(stat.pid).is_some_and(|mark| self.runs.contains(&mark)))
            .map(|stat| stat.pid)
            .collect();
        let sessions: BTreeSet<u32> = self
            .leaders
            .keys()
            .copied()
            .filter(|&session| self.still_holds(session, all, &ours))
            .collect();
        ours.extend(
            others()
                .filter(|stat| sessions.contains(&stat.session))
                .map(|stat| stat.pid),
        );
        loop {
            let before = ours.len();
            for stat in others() {
                if ours.contains(&stat.parent) {
                    ours.insert(stat.pid);
                }
            }
            if ours.len() == before {
                break;
            }
        }
        others()
            .filter(|stat| ours.contains(&stat.pid))
            .copied()
            .collect()
    }

    /// Whether a session of this id is the old attempt's, and not one of a later process to which
    /// the kernel gave the number again. It does not while a member of the old session lives: so
    /// one member that is surely old vouches for all.
    fn still_holds(&self, session: u32, all: &[Stat], marked: &BTreeSet<u32>) -> bool {
        all.iter()
            .filter(|stat| stat.session == session)
            .any(|stat| {
                if stat.pid == session {
                    self.leaders.get(&session) == Some(&stat.start_ticks)
                } else {
                    marked.contains(&stat.pid) || stat.start_ticks <= self.daemon_lived_at
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::marks::Mark;
    use super::super::tree::Leader;
    use super::*;
    use crate::job::{JobName, RunId};

    fn stat(pid: u32, parent: u32, session: u32, start_ticks: u64) -> Stat {
        Stat {
            pid,
            parent,
            group: session,
            session,
            start_ticks,
            dead: false,
        }
    }

    /// Process ids above what the kernel gives, so that no real `/proc` entry answers for them.
    const BASE: u32 = 10_000_000;

    fn family() -> Family {
        let name = JobName::new("a").unwrap();
        let run = RunId::of_manual(&name, jiff::Timestamp::UNIX_EPOCH, 7);
        let leader = Some(Leader {
            pid: BASE,
            start_ticks: 500,
        });
        Family::of(&Leftovers {
            same_boot: true,
            marks: vec![Mark {
                run,
                attempt: 1,
                leader,
            }],
        })
    }

    fn pids(all: &[Stat]) -> Vec<u32> {
        family()
            .among(all)
            .iter()
            .map(|stat| stat.pid - BASE)
            .collect()
    }

    #[test]
    fn a_session_is_taken_whole_with_all_below() {
        let all = [
            stat(BASE, 1, BASE, 500),
            stat(BASE + 1, BASE, BASE, 900),
            stat(BASE + 2, BASE + 1, BASE + 2, 901),
            stat(BASE + 3, 1, BASE + 3, 400),
        ];
        assert_eq!(pids(&all), [0, 1, 2]);
    }

    #[test]
    fn a_session_without_its_leader_needs_an_old_member() {
        assert_eq!(
            pids(&[stat(BASE + 1, 1, BASE, 499), stat(BASE + 2, 1, BASE, 900)]),
            [1, 2]
        );
        assert!(pids(&[stat(BASE + 2, 1, BASE, 900)]).is_empty());
    }

    #[test]
    fn a_later_process_of_the_same_number_is_left_alone() {
        assert!(pids(&[stat(BASE, 1, BASE, 501), stat(BASE + 1, BASE, BASE, 502)]).is_empty());
    }

    #[test]
    fn marks_of_another_boot_kill_nothing() {
        let leftovers = Leftovers {
            same_boot: false,
            marks: Vec::new(),
        };
        assert_eq!(kill_leftovers(&leftovers).unwrap(), Cleared::default());
    }
}
