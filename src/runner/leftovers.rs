//! After `kill -9` of a daemon: nothing of its runs may live on.

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{PidfdFlags, Signal};

use super::marks::Leftovers;
use super::tree::{self, Leader, Stat};

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
/// A process is known as an orphan that its daemon had noted, by the run in its environment, by the pipes that it prints to, by a session that
/// one of the main processes surely led, or by being below one of these. In doubt it lives, for no
/// stranger may die: so do those that threw away their environment and their output, if their main
/// process and parents ended before this and nobody in their session kept it; and a run in its
/// environment says nothing of a process that another daemon lives above.
pub fn kill_leftovers(leftovers: &Leftovers) -> io::Result<Cleared> {
    let mut killed = BTreeSet::new();
    let Leftovers { marks, adopted, .. } = leftovers;
    if !leftovers.same_boot || (marks.is_empty() && adopted.is_empty()) {
        return Ok(Cleared::default());
    }
    let mut family = Family::of(leftovers);
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

/// Whether a daemon lives above a process that is not this one: jobs of two daemons that have the same
/// name and instant have runs of the same id. What an earlier daemon left has none above it: it is dead.
fn is_below_another_daemon(
    stat: &Stat,
    all: &[Stat],
    name_of: &dyn Fn(u32) -> Option<String>,
) -> bool {
    let own = std::process::id();
    let mut above = stat.parent;
    // No line of ancestors is longer than there are processes, whatever moved while they were read.
    for _ in all {
        if above == own {
            return false;
        }
        let Some(parent) = all.iter().find(|it| it.pid == above) else {
            return false;
        };
        if !parent.dead && name_of(above).is_some() && name_of(above) == name_of(own) {
            return true;
        }
        above = parent.parent;
    }
    false
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
    /// Process ids, which are also the ids of their sessions, and start times of the old main
    /// processes.
    leaders: BTreeSet<(u32, u64)>,
    pipes: BTreeSet<u64>,
    adopted: BTreeSet<Leader>,
    /// The sessions that were theirs when it was last looked.
    held: BTreeSet<u32>,
}

impl Family {
    fn of(leftovers: &Leftovers) -> Self {
        let marks = &leftovers.marks;
        Self {
            runs: marks
                .iter()
                .map(|mark| (mark.run.to_string(), mark.attempt.to_string()))
                .collect(),
            leaders: marks
                .iter()
                .filter_map(|mark| mark.leader)
                .map(|leader| (leader.pid, leader.start_ticks))
                .collect(),
            pipes: marks
                .iter()
                .flat_map(|mark| mark.pipes)
                .filter(|pipe| *pipe != 0)
                .collect(),
            adopted: leftovers.adopted.iter().copied().collect(),
            held: BTreeSet::new(),
        }
    }

    /// Those of the processes that belong to the old attempts.
    fn among(&mut self, all: &[Stat]) -> Vec<Stat> {
        let own = std::process::id();
        let others = || all.iter().filter(|stat| stat.pid != own);
        let mut ours: BTreeSet<u32> = others()
            .filter(|stat| {
                tree::marked_as(stat.pid).is_some_and(|mark| self.runs.contains(&mark))
                    && !is_below_another_daemon(stat, all, &tree::name_of)
                    || self.adopted.contains(&stat.itself())
                    || tree::prints_to(stat.pid).any(|pipe| self.pipes.contains(&pipe))
            })
            .map(|stat| stat.pid)
            .collect();
        self.held = self.sessions(all, &ours);
        let sessions = &self.held;
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
            .filter(|stat| ours.contains(&stat.pid) && !stat.dead)
            .copied()
            .collect()
    }

    /// The sessions that are the old attempts', and not those of later processes to which the
    /// kernel gave a number again.
    ///
    /// It gives none away that a process, dead or alive, has as its own or as its session's. So while
    /// there is a leader, its start time decides: another one means that the old session died out.
    /// Without a leader the members are of one session, but it may be a later one whose leader is
    /// dead too, and no age tells. A member with the environment of a marked attempt does: it, or
    /// one that it descends from, began the session. So does the walk before, a moment ago.
    fn sessions(&self, all: &[Stat], marked: &BTreeSet<u32>) -> BTreeSet<u32> {
        let ids: BTreeSet<u32> = self.leaders.iter().map(|&(pid, _)| pid).collect();
        let (mut vouched, mut others) = (BTreeSet::new(), BTreeSet::new());
        for stat in all {
            if self.leaders.contains(&(stat.pid, stat.start_ticks)) {
                vouched.insert(stat.pid);
            } else if ids.contains(&stat.pid) {
                others.insert(stat.pid);
            }
            if ids.contains(&stat.session)
                && (marked.contains(&stat.pid) || self.held.contains(&stat.session))
            {
                vouched.insert(stat.session);
            }
        }
        &vouched - &others
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

    /// Of attempts with these main processes.
    fn family(leaders: &[(u32, u64)]) -> Family {
        let name = JobName::new("a").unwrap();
        let run = RunId::of_manual(&name, jiff::Timestamp::UNIX_EPOCH, 7);
        let mark = |(attempt, &(pid, start_ticks))| Mark {
            run,
            attempt,
            leader: Some(Leader { pid, start_ticks }),
            pipes: [0, 0],
        };
        Family::of(&Leftovers {
            same_boot: true,
            marks: (1..).zip(leaders).map(mark).collect(),
            adopted: vec![Leader {
                pid: BASE + 70,
                start_ticks: 700,
            }],
        })
    }

    fn pids_of(family: &mut Family, all: &[Stat]) -> Vec<u32> {
        let ours = family.among(all);
        ours.iter().map(|stat| stat.pid - BASE).collect()
    }

    fn pids(all: &[Stat]) -> Vec<u32> {
        // The last one moves nothing: how old a process is against other marks proves nothing.
        pids_of(&mut family(&[(BASE, 500), (BASE + 50, 90_000)]), all)
    }

    #[test]
    fn what_was_noted_as_an_orphan_is_taken_and_no_later_process_of_its_number() {
        let (orphan, below) = (
            stat(BASE + 70, 1, BASE + 70, 700),
            stat(BASE + 71, BASE + 70, 9, 800),
        );
        assert_eq!(pids(&[orphan, below]), [70, 71]);
        assert!(pids(&[stat(BASE + 70, 1, BASE + 70, 701)]).is_empty());
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
    fn a_dead_leader_that_nobody_waited_for_still_holds_its_session() {
        let zombie = Stat {
            dead: true,
            ..stat(BASE, 1, BASE, 500)
        };
        assert_eq!(pids(&[zombie, stat(BASE + 1, 1, BASE, 900)]), [1]);
    }

    #[test]
    fn a_session_without_its_leader_is_nobodys_by_age() {
        for start_ticks in [499, 500, 501, 90_000, 90_001] {
            assert!(pids(&[stat(BASE + 1, 1, BASE, start_ticks)]).is_empty());
        }
    }

    #[test]
    fn a_session_that_lost_its_leader_under_way_is_known_until_it_dies_out() {
        let mut family = family(&[(BASE, 500)]);
        let leader = stat(BASE, 1, BASE, 500);
        let forked = [stat(BASE + 1, 1, BASE, 900)];
        assert_eq!(pids_of(&mut family, &[leader]), [0]);
        assert_eq!(pids_of(&mut family, &forked), [1]);
        assert_eq!(pids_of(&mut family, &forked), [1]);
        assert!(pids_of(&mut family, &[]).is_empty());
        assert!(pids_of(&mut family, &forked).is_empty());
    }

    #[test]
    fn a_later_process_of_the_same_number_is_left_alone_with_its_session() {
        for start_ticks in [501, 60_000, 95_000] {
            let leader = stat(BASE, 1, BASE, start_ticks);
            let member = stat(BASE + 1, BASE, BASE, start_ticks + 1);
            assert!(pids(&[leader, member]).is_empty());
            assert!(pids(&[member, leader]).is_empty());
        }
    }

    #[test]
    fn a_number_that_led_twice_is_known_by_either_time() {
        let mut family = family(&[(BASE, 900), (BASE, 500)]);
        assert_eq!(pids_of(&mut family, &[stat(BASE, 1, BASE, 900)]), [0]);
    }

    #[test]
    fn a_run_of_another_daemon_is_told_by_who_lives_above_it() {
        let own = std::process::id();
        let all = [
            stat(1, 0, 1, 0),
            stat(own, 1, own, 1),
            stat(BASE, 1, BASE, 500),
            stat(BASE + 1, BASE, BASE + 1, 501),
            stat(BASE + 2, BASE + 1, BASE + 1, 502),
            stat(BASE + 3, own, BASE + 3, 503),
            stat(BASE + 4, 1, BASE + 4, 504),
            stat(BASE + 5, BASE + 99, BASE + 5, 505),
        ];
        let named = |pid| {
            let daemon = pid == own || pid == BASE;
            Some(if daemon { "punctual" } else { "sh" }.to_owned())
        };
        let below = |pid| {
            let stat = all.iter().find(|it| it.pid == pid).unwrap();
            is_below_another_daemon(stat, &all, &named)
        };
        assert!(below(BASE + 1) && below(BASE + 2));
        // Of this daemon as their subreaper, of nobody, of one that went while they were read.
        assert!(!below(BASE + 3) && !below(BASE + 4) && !below(BASE + 5));
        // It is no daemon above itself.
        assert!(!below(BASE));
        let nameless = |_| None;
        assert!(!is_below_another_daemon(&all[3], &all, &nameless));
    }

    #[test]
    fn marks_of_another_boot_kill_nothing() {
        let leftovers = Leftovers {
            same_boot: false,
            marks: Vec::new(),
            adopted: Vec::new(),
        };
        assert_eq!(kill_leftovers(&leftovers).unwrap(), Cleared::default());
    }
}
