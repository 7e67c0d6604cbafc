//! What may become of processes, wakes and commits.

use std::time::Duration;

/// How the processes of a job behave.
#[derive(Debug, Clone)]
pub struct Behaviour {
    pub lasts: Duration,
    /// The exit code of each attempt of a run, the last one for all that follow.
    pub codes: Vec<i32>,
    pub starts: bool,
    /// Attempts are stopped after this.
    pub timeout: Option<Duration>,
    /// How long it takes to die when it is stopped.
    pub dies_in: Duration,
}

impl Behaviour {
    /// The exit code of this attempt.
    pub fn code(&self, attempt: u32) -> i32 {
        let last = self.codes.len() - 1;
        self.codes[last.min(attempt as usize - 1)]
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Self {
            lasts: Duration::from_millis(100),
            codes: vec![0],
            starts: true,
            timeout: None,
            dies_in: Duration::from_millis(10),
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
