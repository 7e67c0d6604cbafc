//! Care of a ledger by whoever looks after it, beside the daemon that uses it or without one.

use std::path::Path;

use super::{CheckReport, StoreError, sqlite};

/// What giving space back did, in bytes of the ledger's main file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vacuumed {
    /// Its size before.
    pub before: u64,
    /// Its size after.
    pub after: u64,
    /// How much of that it gives back as soon as nobody reads what the ledger was before.
    pub to_come: u64,
}

/// Copies the ledger at `path`, as it is at this moment, into the new file `copy`, mode 0600, and
/// checks the copy. Returns its size in bytes. A file that is there already is an error.
pub fn backup(path: &Path, copy: &Path) -> Result<u64, StoreError> {
    sqlite::backup(path, copy)
}

/// Reads every page of a ledger and says what is wrong.
pub fn check(path: &Path) -> Result<CheckReport, StoreError> {
    sqlite::check(path)
}

/// Gives the space of removed rows back to the file system, in steps that hold nobody up.
/// `progress` hears how many pages of how many are done.
pub fn vacuum(path: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Vacuumed, StoreError> {
    sqlite::vacuum(path, progress)
}
