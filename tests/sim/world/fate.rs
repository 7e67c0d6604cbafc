//! What may become of processes, wakes and commits.

use std::time::Duration;

/// How the processes of a job behave.
#[derive(Debug, Clone, Copy)]
pub struct Behaviour {
    pub lasts: Duration,
    pub code: i32,
    pub starts: bool,
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            lasts: Duration::from_millis(100),
            code: 0,
            starts: true,
        }
    }
}

/// What becomes of a wake.
#[derive(Debug, Clone, Copy)]
pub enum Wake {
    OnTime,
    Late(Duration),
    /// It comes at the next tick only.
    Lost,
    /// It comes again after this.
    Doubled(Duration),
}

/// What becomes of a commit, and how long it takes.
#[derive(Debug, Clone, Copy)]
pub enum Commit {
    Done(Duration),
    /// It fails; nothing of it is durable; it is repeated.
    Failed(Duration),
    /// It fails, and is durable all the same; it is repeated.
    Unknown(Duration),
}

/// What becomes, at a crash, of the commit that is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnderWay {
    Lost,
    Durable,
}
