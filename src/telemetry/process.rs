//! What the daemon itself takes of the machine.

use std::fs;

use rustix::process::{Resource, getrlimit};

use crate::clock;

/// What the process takes now; none: the system does not tell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ProcessFigures {
    /// Processor time of all its threads so far.
    pub cpu_s: f64,
    /// Memory that is its own now.
    pub resident_bytes: Option<u64>,
    /// Descriptors that are open.
    pub open_fds: Option<usize>,
    /// Descriptors that may be open; none: as many as it likes.
    pub max_fds: Option<u64>,
}

impl ProcessFigures {
    /// Those of now.
    pub fn now() -> Self {
        let statm = fs::read_to_string("/proc/self/statm").ok();
        let pages = statm.and_then(|text| text.split(' ').nth(1)?.parse::<u64>().ok());
        let page = u64::try_from(rustix::param::page_size()).unwrap_or_default();
        Self {
            cpu_s: clock::processor_time().as_secs_f64(),
            resident_bytes: pages.map(|pages| pages * page),
            // The folder that is being read is one of them.
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                .map(|open| open.count().saturating_sub(1)),
            max_fds: getrlimit(Resource::Nofile).current,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_takes() {
        let before = ProcessFigures::now();
        assert!(
            before.cpu_s > 0.0 && before.resident_bytes > Some(100_000),
            "{before:?}"
        );
        // Threads of other tests open and close files meanwhile, so not that exactly.
        let files: Vec<_> = (0..200)
            .map(|_| fs::File::open("/proc/self/statm").unwrap())
            .collect();
        let after = ProcessFigures::now();
        assert!(
            after.open_fds.unwrap() > before.open_fds.unwrap() + 100,
            "{before:?} {after:?}"
        );
        assert!(after.cpu_s >= before.cpu_s && after.max_fds >= after.open_fds.map(|n| n as u64));
        drop(files);
    }
}
