//! Which processes belong to an attempt, read from `/proc`, and signals that reach exactly these.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::process::{Pid, PidfdFlags, Signal};
use serde::{Deserialize, Serialize};

/// How much of an environment is looked at, in bytes: what an exec can take is bounded too.
const MAX_ENVIRON: u64 = 4 << 20;

/// A process, which as the main process of an attempt leads its session. The start time tells it from
/// a later process with the same number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Leader {
    /// Its process id, which is also the id of its session and process group.
    pub pid: u32,
    /// When it started, in clock ticks since boot.
    pub start_ticks: u64,
}

/// The pipes that take what the processes of an attempt print, by their inodes, which are the same at
/// both ends; 0 where there is none. The system gives a number again only after four thousand million
/// others.
pub type Pipes = [u64; 2];

/// The inode of a pipe.
pub(super) fn pipe_of(end: &OwnedFd) -> u64 {
    rustix::fs::fstat(end).map_or(0, |status| status.st_ino)
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) pid: u32,
    pub(super) parent: u32,
    pub(super) group: u32,
    pub(super) session: u32,
    pub(super) start_ticks: u64,
    /// Dead, though not yet waited for.
    pub(super) dead: bool,
}

impl Stat {
    /// Of a process, if there is one.
    pub(super) fn of(pid: u32) -> Option<Self> {
        Self::parse(&fs::read(format!("/proc/{pid}/stat")).ok()?)
    }

    /// The second field is the program's name in parentheses, and may hold anything.
    fn parse(line: &[u8]) -> Option<Self> {
        let (head, tail) = line.split_at(line.iter().rposition(|&byte| byte == b')')?);
        let pid = head.split(|&byte| byte == b' ').next()?;
        let pid = std::str::from_utf8(pid).ok()?.parse().ok()?;
        let fields: Vec<&str> = std::str::from_utf8(tail.get(1..)?)
            .ok()?
            .split_ascii_whitespace()
            .collect();
        let number = |index: usize| fields.get(index)?.parse().ok();
        Some(Self {
            pid,
            parent: number(1)?,
            group: number(2)?,
            session: number(3)?,
            start_ticks: fields.get(19)?.parse().ok()?,
            dead: matches!(*fields.first()?, "Z" | "X" | "x"),
        })
    }

    /// What names it, also when there are others with its number.
    pub(super) fn itself(&self) -> Leader {
        Leader {
            pid: self.pid,
            start_ticks: self.start_ticks,
        }
    }

    /// Sends a signal to this very process, and not to a later one with its number. Says whether
    /// it was there to get it.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<bool> {
        let Some(pid) = as_pid(self.pid) else {
            return Ok(false);
        };
        let gone = |errno| errno == rustix::io::Errno::SRCH;
        let process = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(errno) if gone(errno) => return Ok(false),
            Err(errno) => return Err(errno.into()),
        };
        // From here on the descriptor names one process; whether it is the right one shows now.
        if Self::of(self.pid).is_none_or(|now| now.start_ticks != self.start_ticks) {
            return Ok(false);
        }
        match rustix::process::pidfd_send_signal(process, signal) {
            Ok(()) => Ok(true),
            Err(errno) if gone(errno) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }
}

/// A process id as the system calls take it.
pub(super) fn as_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The run and attempt whose variables a process was started with, as text.
pub(super) fn marked_as(pid: u32) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    let file = fs::File::open(format!("/proc/{pid}/environ")).ok()?;
    file.take(MAX_ENVIRON).read_to_end(&mut bytes).ok()?;
    let value = |name: &[u8]| {
        let mut variables = bytes.split(|&byte| byte == 0);
        let value = variables.find_map(|variable| variable.strip_prefix(name))?;
        String::from_utf8(value.to_vec()).ok()
    };
    Some((value(b"PUNCTUAL_RUN_ID=")?, value(b"PUNCTUAL_ATTEMPT=")?))
}

/// The name of a process, which is that of its program unless it changed it.
pub(super) fn name_of(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok()
}

/// The pipes that a process prints to.
pub(super) fn prints_to(pid: u32) -> impl Iterator<Item = u64> {
    [1, 2].into_iter().filter_map(move |fd| {
        let target = fs::read_link(format!("/proc/{pid}/fd/{fd}")).ok()?;
        let inode = target.to_str()?.strip_prefix("pipe:[")?.strip_suffix(']')?;
        inode.parse().ok()
    })
}

/// The children of a process, of all its threads; empty when it is gone.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    threads
        .filter_map(Result::ok)
        .filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok())
        .flat_map(|line| numbers(&line))
        .collect()
}

/// The processes that lost their parent and came to this one as their subreaper.
///
/// The kernel gives orphans to the first thread of the subreaper, and counts what a thread starts
/// as that thread's own: so the children of the main thread are the orphans, as long as processes
/// are started by other threads only.
pub(super) fn orphans() -> io::Result<Vec<u32>> {
    let own = std::process::id();
    fs::read_to_string(format!("/proc/self/task/{own}/children")).map(|line| numbers(&line))
}

fn numbers(line: &str) -> Vec<u32> {
    line.split_ascii_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect()
}

/// A walk down the trees of processes.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// The living processes it came by, parents first.
    pub(super) found: Vec<Stat>,
    seen: BTreeSet<u32>,
}

impl Walk {
    /// Visits these processes and all below them.
    pub(super) fn descend(&mut self, roots: Vec<u32>) {
        let mut next = roots;
        while let Some(pid) = next.pop() {
            if self.seen.insert(pid) {
                next.extend(children(pid));
                self.found.extend(Stat::of(pid).filter(|stat| !stat.dead));
            }
        }
    }

    /// Whether it came by a process of this number, alive or dead.
    pub(super) fn saw(&self, pid: u32) -> bool {
        self.seen.contains(&pid)
    }
}

/// Every process that is alive or not waited for yet, as far as `/proc` shows them.
pub(super) fn all() -> io::Result<Vec<Stat>> {
    let entries = fs::read_dir("/proc")?;
    Ok(entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(Stat::of)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_may_have_any_name() {
        let rest = "S 4 42 41 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 9876 0 0";
        for name in ["sh", "a) R 1 1 1 (b", "", "x y\nz"] {
            let stat = Stat::parse(format!("42 ({name}) {rest}").as_bytes()).unwrap();
            assert_eq!((stat.pid, stat.parent), (42, 4));
            assert_eq!((stat.group, stat.session), (42, 41));
            assert_eq!((stat.start_ticks, stat.dead), (9876, false));
        }
        let odd = [b"42 (\xff\xfe) ".as_slice(), rest.as_bytes()].concat();
        assert_eq!(Stat::parse(&odd).unwrap().pid, 42);
        assert!(Stat::parse(b"42 (sh) S 1").is_none());
        assert!(Stat::parse(b"").is_none());
    }

    #[test]
    fn a_signal_does_not_reach_a_later_process_of_that_number() {
        let own = Stat::of(std::process::id()).unwrap();
        let earlier = Stat {
            start_ticks: own.start_ticks - 1,
            ..own
        };
        assert!(!earlier.signal(Signal::KILL).unwrap());
    }
}
