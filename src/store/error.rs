//! What can be wrong with a ledger, in sentences for whoever looks after it.

use std::io;
use std::path::PathBuf;

/// Why the ledger could not be opened, read or closed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder for it cannot be made.
    #[error("cannot make the folder {path} for the ledger: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file of it cannot be made or opened.
    #[error("cannot open {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// There is none to read.
    #[error(
        "there is no ledger at {path}: start the daemon once, or name the right place in [store] url"
    )]
    Absent {
        /// Where.
        path: PathBuf,
    },
    /// Another daemon holds it.
    #[error(
        "another daemon uses the ledger {path}: stop it first, or give this one its own [store] url"
    )]
    InUse {
        /// Which.
        path: PathBuf,
    },
    /// A file of no length, which no daemon ever left behind.
    #[error(
        "the ledger {path} is an empty file, its history is gone: restore it from a backup, or remove the file to begin a new one"
    )]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The journal of a ledger that is not there.
    #[error(
        "{journal} belongs to a ledger {path} that is not there: put the ledger back beside it, or remove both to begin a new one"
    )]
    Orphaned {
        /// The ledger that should be there.
        path: PathBuf,
        /// What is there.
        journal: PathBuf,
    },
    /// A pipe, a folder or a device.
    #[error("{path} is no ordinary file, so it is no ledger: name a file in [store] url")]
    NotAFile {
        /// Which.
        path: PathBuf,
    },
    /// A file of something else.
    #[error("{path} is not a ledger of punctual: name another file in [store] url")]
    Foreign {
        /// Which.
        path: PathBuf,
    },
    /// Its contents make no sense.
    #[error(
        "the ledger {path} is damaged ({detail}): restore it from a backup, or move it away to begin a new one"
    )]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What the database says.
        detail: String,
    },
    /// Written by a later punctual.
    #[error(
        "the ledger {path} has format {found}, this punctual knows formats up to {known}: run the newer punctual that wrote it"
    )]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// The database refused for another reason.
    #[error("the ledger failed {doing}: {detail}")]
    Database {
        /// What was being done, "reading runs".
        doing: &'static str,
        /// What the database says.
        detail: String,
    },
    /// The time to close was over before everything was written.
    #[error("{pending} changes to the ledger could not be written before the end: {detail}")]
    Unwritten {
        /// How many.
        pending: usize,
        /// What kept them.
        detail: String,
    },
    /// It was closed before.
    #[error("the ledger is closed")]
    Closed,
}
