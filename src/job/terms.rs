//! As whom a process runs, and what it is given otherwise than the daemon's own.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What a process is not to have from the daemon. What is absent is as the daemon has it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// Whose variables it has, `HOME` and the like.
    pub user: Option<Account>,
    /// The ids that it runs under, where they are not the daemon's already.
    pub ids: Option<Ids>,
    /// The permissions that its new files do not get.
    pub umask: Option<u32>,
    /// Its niceness, from -20 (first) to 19 (last).
    pub nice: Option<i32>,
    /// How many descriptors it may have open.
    pub open_files: Option<u64>,
    /// What it may take of the machine, together with all that it starts.
    pub limits: Limits,
}

/// How much all the processes of an attempt may take together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory in bytes; there is no swapping beyond it.
    pub memory: Option<u64>,
    /// Processor time, in hundredths of what one processor has.
    pub cpu_percent: Option<u32>,
    /// Processes and threads at once.
    pub pids: Option<u32>,
}

impl Limits {
    /// Whether there is none.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

/// Which [`Limits`] a daemon can set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CanLimit {
    /// On memory.
    pub memory: bool,
    /// On processor time.
    pub cpu: bool,
    /// On processes.
    pub pids: bool,
}

impl CanLimit {
    /// Every one.
    pub const ALL: Self = Self {
        memory: true,
        cpu: true,
        pids: true,
    };

    /// Not one.
    pub const NONE: Self = Self {
        memory: false,
        cpu: false,
        pids: false,
    };
}

impl Terms {
    /// Whether `posix_spawn` alone could not start the process.
    pub fn need_a_stage(&self) -> bool {
        let Self {
            user: _,
            ids,
            umask,
            nice,
            open_files,
            limits,
        } = self;
        ids.is_some()
            || umask.is_some()
            || nice.is_some()
            || open_files.is_some()
            || !limits.is_none()
    }
}

/// A user, as the machine knows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The name.
    pub name: String,
    /// The home folder.
    pub home: PathBuf,
    /// The login shell.
    pub shell: PathBuf,
}

/// The numbers that a process runs under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ids {
    /// The user.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// The supplementary groups, and no others.
    pub groups: Vec<u32>,
}
