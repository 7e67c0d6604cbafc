//! The program that follows this one in this very process: tried beforehand, then put in its place.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::PidfdFlags;
use serde::{Deserialize, Serialize};

use crate::clock;

/// How much is kept of what a program says on one of its pipes.
const KEPT: usize = 1 << 20;

/// How this process was started, and so how its successor is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Successor {
    program: PathBuf,
    arguments: Vec<OsString>,
}

impl Successor {
    /// The program by the name that this process was started with: an upgrade puts another file, or
    /// another link, in that place.
    pub fn of_process() -> io::Result<Self> {
        let mut arguments = std::env::args_os();
        let name = arguments.next().unwrap_or_default();
        let program = match find(&name)? {
            Some(path) => path,
            None => std::env::current_exe()?,
        };
        Ok(Self {
            program,
            arguments: arguments.collect(),
        })
    }

    /// The program.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Runs the program with these arguments, and answers what it said. It has no part in what the
    /// service manager gave to this one, and at most `patience`; it is killed where that is over, or the
    /// other end of the pipe `wanted` closed.
    ///
    /// Waits; never call it on the main thread, whose children are taken for orphans.
    pub fn try_with(
        &self,
        arguments: &[&OsStr],
        patience: Duration,
        wanted: BorrowedFd<'_>,
    ) -> io::Result<Output> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let heard = hear_out(&mut child, patience, wanted);
        if heard.is_err() {
            child.kill()?;
        }
        let status = child.wait()?;
        let [stdout, stderr] = heard?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Becomes the program, with these variables in its environment, or without; returns only if that
    /// failed.
    ///
    /// Its standard input is this one's, and no other open file is its.
    pub fn take_place(&self, variables: &[(&str, Option<String>)]) -> io::Error {
        self.take_place_as(&self.program, variables)
    }

    /// The same with the program in this open file.
    pub fn take_place_of(&self, file: &Path, variables: &[(&str, Option<String>)]) -> io::Error {
        self.take_place_as(file, variables)
    }

    fn take_place_as(&self, file: &Path, variables: &[(&str, Option<String>)]) -> io::Error {
        let mut command = Command::new(file);
        command.arg0(&self.program).args(&self.arguments);
        for (name, value) in variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.exec()
    }
}

/// The absolute path of a program, as a shell would find it.
fn find(name: &OsStr) -> io::Result<Option<PathBuf>> {
    let path = Path::new(name);
    if path.components().count() > 1 {
        return std::path::absolute(path).map(Some);
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let mut candidates = std::env::split_paths(&folders).map(|folder| folder.join(path));
    let found = candidates.find(|candidate| candidate.is_file());
    found.map(std::path::absolute).transpose()
}

/// What a child says until its end, on standard output and standard error: a pipe that nobody reads
/// would hold it up.
fn hear_out(
    child: &mut Child,
    patience: Duration,
    wanted: BorrowedFd<'_>,
) -> io::Result<[Vec<u8>; 2]> {
    let pid = super::tree::as_pid(child.id()).ok_or(io::ErrorKind::NotFound)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let mut said = [
        Said::on(child.stdout.take().map(OwnedFd::from))?,
        Said::on(child.stderr.take().map(OwnedFd::from))?,
    ];
    let deadline = clock::monotonic() + patience;
    loop {
        let left = deadline.saturating_duration_since(clock::monotonic());
        if left.is_zero() {
            let late = format!("it was not done after {} s", patience.as_secs());
            return Err(io::Error::new(io::ErrorKind::TimedOut, late));
        }
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let pipes = said.iter().filter_map(|said| said.pipe.as_ref());
        let mut watched: Vec<_> = [process.as_fd(), wanted]
            .into_iter()
            .chain(pipes.map(AsFd::as_fd))
            .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN))
            .collect();
        match poll(&mut watched, Some(&left)) {
            // A signal for the daemon is no answer of the child.
            Err(Errno::INTR) => continue,
            polled => polled?,
        };
        let [ended, unwanted] = [0, 1].map(|number: usize| !watched[number].revents().is_empty());
        if unwanted {
            return Err(io::Error::other("nobody waited for it any more"));
        }
        for said in &mut said {
            // After its end all that is there. A child of its own may still have the pipe.
            while said.listen()? && ended {}
        }
        if ended {
            return Ok(said.map(|said| said.bytes));
        }
    }
}

/// One pipe of a child, and what is kept of what came out of it.
struct Said {
    pipe: Option<OwnedFd>,
    bytes: Vec<u8>,
}

impl Said {
    fn on(pipe: Option<OwnedFd>) -> io::Result<Self> {
        if let Some(pipe) = &pipe {
            rustix::io::ioctl_fionbio(pipe, true)?;
        }
        let bytes = Vec::new();
        Ok(Self { pipe, bytes })
    }

    /// Takes some of what is there; says whether there may be more that is kept.
    fn listen(&mut self) -> io::Result<bool> {
        let Some(pipe) = &self.pipe else {
            return Ok(false);
        };
        let mut piece = [0; 8 << 10];
        match rustix::io::read(pipe, &mut piece) {
            Ok(0) => {
                self.pipe = None;
                Ok(false)
            }
            Ok(read) => {
                let room = KEPT - self.bytes.len();
                self.bytes.extend_from_slice(&piece[..read.min(room)]);
                Ok(self.bytes.len() < KEPT)
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(why) => Err(why.into()),
        }
    }
}
