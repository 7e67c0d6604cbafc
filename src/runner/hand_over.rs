//! Attempts on their way from one life of the daemon to the next, which is the same process with
//! another program in it (`execve`): its children stay its children, and its open pipes stay open.
//!
//! What is text or number travels as one record, what is bytes beside it, and the pipes as what they
//! are. Secrets are among the bytes: they must stay in memory.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::attempt::{Attempt, Live, Order, Phase};
use super::cgroup::Group;
use super::family;
use super::output::Capture;
use super::redact::Secrets;
use super::tree::{self, Pipes};
use super::{Launch, Leader, Mark};
use crate::job::{Action, JobName, Process, RunId};

/// One attempt.
#[derive(Debug)]
pub struct HandedAttempt {
    /// All that has a JSON form.
    pub record: Record,
    /// What it printed and what it must not print, as `record` needs it.
    pub bytes: Vec<Vec<u8>>,
    /// The read ends of its output, as far as `record` says that they are open.
    pub pipes: Vec<OwnedFd>,
}

/// What a runner gives to that of the next life.
#[derive(Debug, Default)]
pub struct Handed {
    /// What runs.
    pub attempts: Vec<HandedAttempt>,
    /// How the first life was started.
    pub origin: Origin,
}

/// How the daemon was started, which its later lives cannot see any more.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Origin {
    /// The soft limit on open files that it was given.
    pub soft_open_files: Option<u64>,
    /// Processes that were its children already. Older versions did not know.
    pub children: Option<Vec<Leader>>,
}

/// What is known of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    pub(super) run: RunId,
    pub(super) attempt: u32,
    pub(super) job: JobName,
    pub(super) process: Arc<Process>,
    pub(super) leader: Leader,
    /// What else is known to be of it.
    #[serde(default)]
    pub(super) seen: Vec<Leader>,
    /// The name of its control group, if it has one. Older versions know nothing of that.
    #[serde(default)]
    pub(super) group: Option<String>,
    pub(super) started_at: Timestamp,
    pub(super) phase: Phase,
    /// When the next step of stopping it comes, in microseconds of the kernel's monotonic clock.
    pub(super) deadline_usec: Option<u64>,
    /// Its end is told; what it left behind is not gone yet.
    pub(super) is_over: bool,
    /// Whether its standard output and its standard error are open.
    pub(super) open: [bool; 2],
    /// What is kept of its output, without the bytes.
    pub(super) capture: Capture,
}

impl Record {
    /// How many pipes it comes with.
    pub fn pipes(&self) -> usize {
        self.open.iter().filter(|open| **open).count()
    }
}

/// Where what stands in [`HandedAttempt::bytes`]; secrets follow.
const HEAD: usize = 0;
const TAIL: usize = 1;
const HELD: [usize; 2] = [2, 3];
const SECRETS: usize = 4;

impl HandedAttempt {
    /// Its start mark, which goes on as well.
    pub fn mark(&self) -> Mark {
        Mark {
            run: self.record.run,
            attempt: self.record.attempt,
            leader: Some(self.record.leader),
            pipes: self.pipes(),
        }
    }

    /// What takes its output.
    pub(super) fn pipes(&self) -> Pipes {
        let mut ends = self.pipes.iter();
        self.record.open.map(|is_open| {
            let end = if is_open { ends.next() } else { None };
            end.map_or(0, tree::pipe_of)
        })
    }

    /// The name of its control group, which goes on as well.
    pub fn group(&self) -> Option<&str> {
        self.record.group.as_deref()
    }

    /// Whether it is this attempt of this run, and its end is not told.
    pub fn goes_on_as(&self, run: RunId, attempt: u32) -> bool {
        let record = &self.record;
        !record.is_over && (record.run, record.attempt) == (run, attempt)
    }

    /// Takes an attempt that nobody watches any more.
    pub(super) fn pack(
        live: &Live,
        attempt: Attempt,
        group: Option<&Group>,
        started_at: Timestamp,
    ) -> Self {
        let process = attempt.process().clone();
        let (leader, phase) = (attempt.leader(), attempt.phase());
        let (deadline_usec, is_over) = (attempt.deadline_usec(), attempt.is_over());
        let mut capture = live.take_capture();
        let (head, tail) = capture.take_bytes();
        let (stdout, stderr, secrets) = attempt.into_streams();
        let ((stdout, held_out), (stderr, held_err)) = (stdout.into_parts(), stderr.into_parts());
        let mut bytes = vec![head, tail, held_out, held_err];
        bytes.extend(secrets.to_values());
        Self {
            record: Record {
                run: live.launch.run,
                attempt: live.launch.attempt,
                job: live.launch.job.clone(),
                process,
                leader,
                seen: family::seen(live.key()),
                group: group.map(|group| group.name().to_owned()),
                started_at,
                phase,
                deadline_usec,
                is_over,
                open: [stdout.is_some(), stderr.is_some()],
                capture,
            },
            bytes,
            pipes: stdout.into_iter().chain(stderr).collect(),
        }
    }

    /// As the runner's handles see it.
    pub(super) fn live(&mut self) -> Live {
        let mut capture = self.record.capture.clone();
        capture.put_bytes(self.take_bytes(HEAD), self.take_bytes(TAIL));
        Live {
            launch: Launch {
                run: self.record.run,
                attempt: self.record.attempt,
                job: self.record.job.clone(),
                action: Action::Process(self.record.process.clone()),
                // It has been told already.
                facts: Vec::new(),
            },
            order: watch::Sender::new(Order::Run),
            capture: Mutex::new(capture),
        }
    }

    /// What its streams go on with: a pipe if it is open, and what was held back.
    pub(super) fn streams(&mut self) -> [(Option<OwnedFd>, Vec<u8>); 2] {
        let mut pipes = std::mem::take(&mut self.pipes).into_iter();
        let open = self.record.open;
        [0, 1].map(|stream| {
            let pipe = if open[stream] { pipes.next() } else { None };
            (pipe, self.take_bytes(HELD[stream]))
        })
    }

    pub(super) fn secrets(&self) -> Secrets {
        Secrets::new(self.bytes.iter().skip(SECRETS).cloned())
    }

    fn take_bytes(&mut self, place: usize) -> Vec<u8> {
        self.bytes
            .get_mut(place)
            .map(std::mem::take)
            .unwrap_or_default()
    }
}
