//! The limit on open files: the daemon's own, which it raises when it needs more, and what its
//! processes get, which is what the daemon was given. Many programs still expect descriptors below
//! 1,024, and some close all that there could be.

use std::os::fd::{AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit};

/// The soft limit as it was given, and whether it stands higher now.
#[derive(Debug)]
pub(super) struct OpenFiles {
    given: Rlimit,
    raised: AtomicBool,
}

impl OpenFiles {
    /// As it stands. `given_once` is the soft limit that an earlier life of the daemon was given.
    pub(super) fn new(given_once: Option<u64>) -> Self {
        let now = rustix::process::getrlimit(Resource::Nofile);
        let current = given_once.or(now.current);
        Self {
            given: Rlimit {
                current,
                maximum: now.maximum,
            },
            raised: AtomicBool::new(current != now.current),
        }
    }

    /// What processes get.
    pub(super) fn given(&self) -> Rlimit {
        self.given
    }

    /// Raises the soft limit to the hard one once half of it is in use: each attempt takes three
    /// descriptors. Until then whatever is started has the right limit from its first instruction.
    ///
    /// `any` is duplicated for a moment: the system gives out the lowest number that is free, so that
    /// tells how many are open.
    pub(super) fn make_room(&self, any: BorrowedFd<'_>) {
        if self.raised.load(Ordering::Relaxed) {
            return;
        }
        let next = rustix::io::fcntl_dupfd_cloexec(any, 0).map(|fd| fd.as_raw_fd());
        let enough = |number: i32| {
            let soft = self.given.current.unwrap_or(u64::MAX);
            u64::try_from(number).is_ok_and(|number| number < soft / 2)
        };
        if next.is_ok_and(enough) || self.raised.swap(true, Ordering::Relaxed) {
            return;
        }
        let raised = Rlimit {
            current: self.given.maximum,
            maximum: self.given.maximum,
        };
        if let Err(why) = rustix::process::setrlimit(Resource::Nofile, raised) {
            tracing::warn!(%why, "the limit on open files stays low; fewer runs fit at once");
        }
    }

    /// Gives a process the limit that the daemon was given, if that is not what it has. The exec has
    /// only just happened, and the process has its loading before it.
    pub(super) fn lower_for(&self, pid: Pid) {
        if !self.raised.load(Ordering::Relaxed) {
            return;
        }
        match rustix::process::prlimit(Some(pid), Resource::Nofile, self.given) {
            // It is over already, or a set-user-id program, whose limits are out of reach.
            Ok(_) | Err(Errno::SRCH | Errno::PERM) => {}
            Err(why) => tracing::warn!(%why, "a process keeps the daemon's limit on open files"),
        }
    }
}
