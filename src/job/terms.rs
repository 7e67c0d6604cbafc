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
        } = self;
        ids.is_some() || umask.is_some() || nice.is_some() || open_files.is_some()
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
