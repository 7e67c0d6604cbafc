//! The control group of one attempt: what can be said of all its processes at once.

use std::fs;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::site::{children_of, processes_in};
use crate::job::Limits;
use crate::runner::tree::Stat;

/// The kernel's period for shares of processors, in microseconds.
const CPU_PERIOD: u64 = 100_000;

/// How often the removal of a group that the kernel still holds is tried, and how long is waited
/// between two tries at most.
const TRIES: u32 = 50;
const BETWEEN_TRIES: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 10_000_000,
};

/// A control group below `jobs`.
#[derive(Debug)]
pub(in crate::runner) struct Group {
    path: PathBuf,
    name: String,
}

/// A limit that could not be set.
#[derive(Debug)]
pub(in crate::runner) struct Unlimited {
    /// Which, in words.
    pub(in crate::runner) what: &'static str,
    pub(in crate::runner) why: io::Error,
}

impl From<io::Error> for Unlimited {
    fn from(why: io::Error) -> Self {
        Self {
            what: "limits",
            why,
        }
    }
}

/// What an attempt ran into, as the kernel counted it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::runner) struct Strains {
    /// Its own limit on memory was reached and nothing could be freed.
    pub(in crate::runner) memory_limit: bool,
    /// Something of it was killed for want of memory, its own limit or another one.
    pub(in crate::runner) killed_for_memory: bool,
    /// A process could not be started for the limit on their number.
    pub(in crate::runner) pids_limit: bool,
}

impl Group {
    /// One that is there already.
    pub(super) fn at(jobs: &Path, name: &str) -> Self {
        Self {
            path: jobs.join(name),
            name: name.to_owned(),
        }
    }

    /// Makes a new one.
    pub(super) fn make(jobs: &Path, name: &str) -> io::Result<Self> {
        let group = Self::at(jobs, name);
        fs::create_dir(&group.path)?;
        Ok(group)
    }

    /// Its name, by which it is found again.
    pub(in crate::runner) fn name(&self) -> &str {
        &self.name
    }

    /// Sets limits. To be called before there is a process in it.
    pub(super) fn limit(&self, limits: &Limits) -> Result<(), Unlimited> {
        let failed = |what| move |why| Unlimited { what, why };
        if let Some(bytes) = limits.memory {
            let failed = failed("limit on memory");
            self.set("memory.max", &bytes.to_string()).map_err(failed)?;
            match self.set("memory.swap.max", "0") {
                // A machine without swap has no such file.
                Err(why) if why.kind() == io::ErrorKind::NotFound => {}
                set => set.map_err(failed)?,
            }
            // Half a job is of no use, and the half that lives would not know.
            self.set("memory.oom.group", "1").map_err(failed)?;
        }
        if let Some(percent) = limits.cpu_percent {
            let quota = u64::from(percent) * CPU_PERIOD / 100;
            self.set("cpu.max", &format!("{quota} {CPU_PERIOD}"))
                .map_err(failed("limit on processor time"))?;
        }
        if let Some(pids) = limits.pids {
            self.set("pids.max", &pids.to_string())
                .map_err(failed("limit on processes"))?;
        }
        Ok(())
    }

    /// The door to it: whoever writes `0` there is in. Who may is asked when it is opened.
    pub(super) fn door(&self) -> io::Result<OwnedFd> {
        Ok(fs::File::options()
            .write(true)
            .open(self.path.join("cgroup.procs"))?
            .into())
    }

    /// Moves a process into it, with all its threads and none of its children.
    pub(super) fn add(&self, pid: u32) -> io::Result<()> {
        self.set("cgroup.procs", &pid.to_string())
    }

    /// Whether anything lives in it or in a group that the job made below it.
    pub(in crate::runner) fn is_populated(&self) -> bool {
        match is_populated(&self.path) {
            Ok(populated) => populated,
            Err(why) => {
                // Not there any more: nothing can be in it.
                if !is_gone(&why) {
                    tracing::warn!(group = self.name, %why, "a control group cannot be read");
                }
                false
            }
        }
    }

    /// What lives in it and below it.
    pub(in crate::runner) fn members(&self) -> Vec<Stat> {
        let pids = self.all().into_iter().flat_map(|group| {
            // A group of threads does not name processes; the one that it belongs to does.
            processes_in(&group).unwrap_or_default()
        });
        pids.filter_map(Stat::of)
            .filter(|stat| !stat.dead)
            .collect()
    }

    /// Kills all of it in one stroke, which no fork can slip through. Before Linux 5.14, one after
    /// the other.
    pub(in crate::runner) fn kill(&self) -> io::Result<()> {
        match self.set("cgroup.kill", "1") {
            Err(why) if is_gone(&why) && self.path.exists() => {
                for member in self.members() {
                    member.signal(Signal::KILL)?;
                }
                Ok(())
            }
            Err(why) if is_gone(&why) => Ok(()),
            killed => killed,
        }
    }

    /// Processor time in microseconds, of all that was ever in it.
    pub(in crate::runner) fn cpu_usec(&self) -> Option<u64> {
        number(&self.read("cpu.stat")?, "usage_usec")
    }

    /// The most memory that was charged to it at once; none without the memory controller.
    pub(in crate::runner) fn memory_peak(&self) -> Option<u64> {
        self.read("memory.peak")?.trim().parse().ok()
    }

    /// What it ran into.
    pub(in crate::runner) fn strains(&self) -> Strains {
        let counts = |file: &str, name: &str| {
            let text = self.read(file);
            text.and_then(|text| number(&text, name)).unwrap_or(0) > 0
        };
        Strains {
            // Without those below it: what a job divides among its own groups is its own affair.
            memory_limit: counts("memory.events.local", "oom"),
            killed_for_memory: counts("memory.events", "oom_kill"),
            pids_limit: counts("pids.events", "max"),
        }
    }

    /// Removes it, with the groups below it. Nothing must live in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        for _ in 0..TRIES {
            let removed = self.all().iter().rev().try_for_each(fs::remove_dir);
            match removed {
                Err(why) if is_gone(&why) => return Ok(()),
                // The kernel lets go of the last process a moment after it is dead.
                Err(why) if Errno::from_io_error(&why) == Some(Errno::BUSY) => self.wait_for_news(),
                removed => return removed,
            }
        }
        Err(Errno::BUSY.into())
    }

    /// Waits until something changes about it, a little.
    pub(super) fn wait_for_news(&self) {
        let Ok(events) = fs::File::open(self.path.join("cgroup.events")) else {
            return;
        };
        let mut fds = [PollFd::new(&events, PollFlags::PRI)];
        // What happened is looked at by whoever waits.
        let _ = poll(&mut fds, Some(&BETWEEN_TRIES));
    }

    /// The group and all below it, each before those below it.
    fn all(&self) -> Vec<PathBuf> {
        let mut all = vec![self.path.clone()];
        let mut next = 0;
        while let Some(path) = all.get(next) {
            // One that is gone has no children.
            let children = children_of(path).unwrap_or_default();
            all.extend(children);
            next += 1;
        }
        all
    }

    fn read(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.path.join(file)).ok()
    }

    fn set(&self, file: &str, value: &str) -> io::Result<()> {
        set(&self.path.join(file), value)
    }
}

/// Writes into a file of the kernel's, which is not made if it is not there.
pub(super) fn set(file: &Path, value: &str) -> io::Result<()> {
    fs::File::options()
        .write(true)
        .open(file)?
        .write_all(value.as_bytes())
}

/// Whether anything lives in a group or below it.
pub(super) fn is_populated(group: &Path) -> io::Result<bool> {
    let events = fs::read_to_string(group.join("cgroup.events"))?;
    Ok(number(&events, "populated") != Some(0))
}

/// Whether an error says that a group, or a file of it, is not there.
fn is_gone(why: &io::Error) -> bool {
    // The second comes from files that were opened before it went.
    matches!(Errno::from_io_error(why), Some(Errno::NOENT | Errno::NODEV))
}

/// The number behind a name, in a file with a pair on each line.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(' ')?;
        (key == name).then(|| value.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a control group with every controller.
    fn made_up() -> (tempfile::TempDir, Group) {
        let jobs = tempfile::tempdir().unwrap();
        let group = Group::make(jobs.path(), "a.1").unwrap();
        for file in [
            "memory.max",
            "memory.swap.max",
            "memory.oom.group",
            "cpu.max",
            "pids.max",
        ] {
            fs::write(group.path.join(file), "").unwrap();
        }
        (jobs, group)
    }

    #[test]
    fn each_limit_is_written_where_the_kernel_reads_it() {
        let all = Limits {
            memory: Some(1 << 30),
            cpu_percent: Some(150),
            pids: Some(200),
        };
        let (_jobs, group) = made_up();
        group.limit(&all).unwrap();
        for (file, value) in [
            ("memory.max", "1073741824"),
            ("memory.swap.max", "0"),
            ("memory.oom.group", "1"),
            ("cpu.max", "150000 100000"),
            ("pids.max", "200"),
        ] {
            assert_eq!(group.read(file).unwrap(), value, "{file}");
        }
        let (_jobs, group) = made_up();
        group.limit(&Limits::default()).unwrap();
        assert_eq!(group.read("memory.max").unwrap(), "");
    }

    #[test]
    fn without_its_controller_a_limit_is_refused_and_no_file_is_made() {
        let (_jobs, group) = made_up();
        fs::remove_file(group.path.join("memory.swap.max")).unwrap();
        fs::remove_file(group.path.join("pids.max")).unwrap();
        let limits = Limits {
            memory: Some(1 << 20),
            pids: Some(1),
            ..Limits::default()
        };
        assert_eq!(group.limit(&limits).unwrap_err().what, "limit on processes");
        assert!(!group.path.join("pids.max").exists());
        assert!(!group.path.join("memory.swap.max").exists());
    }

    #[test]
    fn what_the_kernel_counted_is_read() {
        let (_jobs, group) = made_up();
        assert_eq!((group.cpu_usec(), group.memory_peak()), (None, None));
        assert_eq!(group.strains(), Strains::default());
        let write = |file: &str, text: &str| fs::write(group.path.join(file), text).unwrap();
        write("cpu.stat", "usage_usec 1234\nuser_usec 1000\n");
        write("memory.peak", "4096\n");
        write("memory.events", "low 0\nhigh 0\nmax 7\noom 1\noom_kill 2\n");
        write(
            "memory.events.local",
            "low 0\nhigh 0\nmax 7\noom 0\noom_kill 2\n",
        );
        write("pids.events", "max 3\n");
        assert_eq!(
            (group.cpu_usec(), group.memory_peak()),
            (Some(1234), Some(4096))
        );
        let strains = Strains {
            memory_limit: false,
            killed_for_memory: true,
            pids_limit: true,
        };
        assert_eq!(group.strains(), strains);
    }

    #[test]
    fn groups_below_go_first() {
        let jobs = tempfile::tempdir().unwrap();
        let group = Group::make(jobs.path(), "a.1").unwrap();
        fs::create_dir_all(group.path.join("b/c/d")).unwrap();
        fs::create_dir_all(group.path.join("e")).unwrap();
        group.remove().unwrap();
        assert!(!group.path.exists());
        // Nor is it an error that it is gone.
        group.remove().unwrap();
        assert!(!group.is_populated());
    }
}
