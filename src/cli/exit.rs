//! The exit codes of the contract.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: the operation failed.
    Failed,
    /// 2: wrong usage, config or expression.
    Usage,
    /// 3: the daemon is not reachable.
    Unreachable,
    /// 4: not authorised.
    Unauthorised,
    /// The code of a job that was waited for.
    OfJob(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Unreachable => 3,
            Exit::Unauthorised => 4,
            Exit::OfJob(code) => code,
        })
    }
}
