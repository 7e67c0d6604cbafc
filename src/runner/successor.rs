//! The program that follows this one in this very process: tried beforehand, then put in its place.

use std::ffi::{OsStr, OsString};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::PidfdFlags;
use serde::{Deserialize, Serialize};

use crate::clock;

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
    /// service manager gave to this one, and at most `patience`.
    ///
    /// Waits; never call it on the main thread, whose children are taken for orphans.
    pub fn try_with(&self, arguments: &[&OsStr], patience: Duration) -> io::Result<Output> {
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn()?;
        if !ends_within(&child, patience)? {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("it was not done after {} s", patience.as_secs()),
            ));
        }
        let (stdout, stderr) = (said(child.stdout.take()), said(child.stderr.take()));
        Ok(Output {
            status: child.wait()?,
            stdout: stdout?,
            stderr: stderr?,
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

fn ends_within(child: &Child, patience: Duration) -> io::Result<bool> {
    let pid = super::tree::as_pid(child.id()).ok_or(io::ErrorKind::NotFound)?;
    let process = rustix::process::pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = clock::monotonic() + patience;
    loop {
        let left = deadline.saturating_duration_since(clock::monotonic());
        let left = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut ended = [PollFd::new(&process, PollFlags::IN)];
        match poll(&mut ended, Some(&left)) {
            // A signal for the daemon is no answer of the child.
            Err(Errno::INTR) => {}
            polled => return Ok(polled? > 0),
        }
    }
}

/// What is in a pipe whose writer has ended.
fn said(pipe: Option<impl Read>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.take(1 << 20).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}
