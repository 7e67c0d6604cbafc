//! The ledger's files: where they lie, who may read them, and whether they are what they seem.

use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use rustix::fs::{FlockOperation, flock};

use super::schema;
use super::{is_damage, while_doing};
use crate::store::StoreError;

/// How every database file begins.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// How long to wait for another program (a backup, a shell) that holds the database.
const BUSY: Duration = Duration::from_secs(5);

/// A ledger up to this size is read through once at start. Larger ones would delay the start; what
/// is damaged in them shows when it is touched, or in a check.
const CHECKED_AT_START: u64 = 64 << 20;

/// Where a ledger is. Holding it keeps every other daemon out.
#[derive(Debug)]
pub(in crate::store) struct Place {
    path: PathBuf,
    /// Device and inode of the file.
    identity: (u64, u64),
    _lock: File,
}

impl Place {
    /// Makes the folder if need be, takes the lock, and makes the ledger if there is none.
    pub(in crate::store) fn take(path: &Path) -> Result<Self, StoreError> {
        let path = settle(path)?;
        let lock = lock(&path)?;
        match open_at_once(&path) {
            Ok(file) => begins_well(&path, file)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => create(&path)?,
            Err(source) => return Err(StoreError::File { path, source }),
        }
        let identity = match std::fs::metadata(&path) {
            Ok(metadata) => (metadata.dev(), metadata.ino()),
            Err(source) => return Err(StoreError::File { path, source }),
        };
        Ok(Self {
            path,
            identity,
            _lock: lock,
        })
    }

    /// What became of the file, if its path does not lead to it any more: what is written goes where
    /// nobody finds it again.
    pub(in crate::store) fn lost(&self) -> Option<String> {
        let found = std::fs::metadata(&self.path);
        let found = found.map(|metadata| (metadata.dev(), metadata.ino()));
        let what = match found {
            Ok(found) if found == self.identity => return None,
            Ok(_) => "another file is in its place".to_owned(),
            Err(error) => format!("it cannot be found any more ({error})"),
        };
        Some(format!(
            "{} is not the ledger that is open: {what}; stop the daemon and put the ledger or a backup \
             back, for what is written now will be gone",
            self.path.display()
        ))
    }

    /// The ledger's main file.
    pub(in crate::store) fn path(&self) -> &Path {
        &self.path
    }

    /// Opens it for the first time in this life: looks whether it is sound and of our format.
    pub(super) fn open_checked(&self) -> Result<Connection, StoreError> {
        let mut connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let damaged = sort(&self.path, "opening");
        (|| {
            pragmas(&connection)?;
            quick_check(&self.path, &connection)?;
            schema::migrate(&mut connection).map_err(Failure::from)
        })()
        .map_err(damaged)?;
        Ok(connection)
    }

    /// Opens it again after a failure.
    pub(super) fn reopen(&self) -> Result<Connection, StoreError> {
        let connection = open(&self.path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        pragmas(&connection).map_err(sort(&self.path, "opening it again"))?;
        Ok(connection)
    }
}

/// Opens a ledger for reading alone.
pub(in crate::store) fn read_only(path: &Path) -> Result<Connection, StoreError> {
    let connection = read_pages(path)?;
    let found = schema::version(&connection).map_err(while_doing("opening"))?;
    if found < schema::newest() {
        return Err(StoreError::Database {
            doing: "opening",
            detail: format!("its format {found} is of an older punctual; start the daemon once"),
        });
    }
    Ok(connection)
}

/// Opens a ledger of this or an older format, for reading by those who ask not what stands in it.
pub(super) fn read_pages(path: &Path) -> Result<Connection, StoreError> {
    let path = path.to_path_buf();
    match open_at_once(&path) {
        Ok(file) => begins_well(&path, file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(StoreError::Absent { path });
        }
        Err(source) => return Err(StoreError::File { path, source }),
    }
    let connection = open(&path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    connection
        .execute_batch("PRAGMA query_only = ON; PRAGMA temp_store = MEMORY;")
        .map_err(while_doing("opening"))?;
    Ok(connection)
}

/// Opens a ledger of this or an older format for its care, which takes turns with the daemon's commits.
pub(super) fn for_care(path: &Path) -> Result<Connection, StoreError> {
    drop(read_pages(path)?);
    let connection = open(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection
        .execute_batch("PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;")
        .map_err(while_doing("opening"))?;
    Ok(connection)
}

/// What can go wrong while opening: a sentence, or a word of the database still to be sorted.
enum Failure {
    Told(StoreError),
    Raw(rusqlite::Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Raw(error)
    }
}

/// Tells damage from other failures.
fn sort(path: &Path, doing: &'static str) -> impl Fn(Failure) -> StoreError {
    move |failure| match failure {
        Failure::Told(error) => error,
        Failure::Raw(error) if is_damage(&error) => StoreError::Damaged {
            path: path.to_path_buf(),
            detail: error.to_string(),
        },
        Failure::Raw(error) => while_doing(doing)(error),
    }
}

/// The path with links resolved, so that one ledger has one lock; its folder is made if missing.
fn settle(path: &Path) -> Result<PathBuf, StoreError> {
    if let Ok(real) = path.canonicalize() {
        return Ok(real);
    }
    let folder = match path.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    };
    let real = DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .and_then(|()| folder.canonicalize())
        .map_err(|source| StoreError::Folder {
            path: folder.to_path_buf(),
            source,
        })?;
    let name = path.file_name().ok_or_else(|| StoreError::File {
        path: path.to_path_buf(),
        source: io::Error::from(io::ErrorKind::IsADirectory),
    })?;
    Ok(real.join(name))
}

/// A file beside the ledger.
fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

/// How often a lock that is held is asked for again. A process that a daemon was just starting when it
/// was killed has the daemon's files until it executes its program, some milliseconds later.
const LOCK_TRIES: u32 = 20;
const BETWEEN_TRIES: rustix::event::Timespec = rustix::event::Timespec {
    tv_sec: 0,
    tv_nsec: 25_000_000,
};

/// The lock is the kernel's, on a file of its own: it goes with the process, however that ends.
fn lock(path: &Path) -> Result<File, StoreError> {
    let side = beside(path, ".lock");
    let opened = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&side);
    let file = opened.map_err(|source| StoreError::File {
        path: side.clone(),
        source,
    })?;
    let mut tries = LOCK_TRIES;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if tries > 0 => tries -= 1,
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(StoreError::InUse {
                    path: path.to_path_buf(),
                });
            }
            Err(errno) => {
                return Err(StoreError::File {
                    path: side,
                    source: errno.into(),
                });
            }
        }
        // Nothing to poll: it only waits. A signal may cut it short, which costs a try.
        let _ = rustix::event::poll(&mut [], Some(&BETWEEN_TRIES));
    }
}

/// Opens for reading whatever is there. A pipe would wait for somebody to write into it.
fn open_at_once(path: &Path) -> io::Result<File> {
    let no_wait = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    OpenOptions::new()
        .read(true)
        .custom_flags(no_wait)
        .open(path)
}

fn begins_well(path: &Path, file: File) -> Result<(), StoreError> {
    let file_error = |source| StoreError::File {
        path: path.to_path_buf(),
        source,
    };
    if !file.metadata().map_err(file_error)?.is_file() {
        let path = path.to_path_buf();
        return Err(StoreError::NotAFile { path });
    }
    let mut start = Vec::new();
    file.take(MAGIC.len() as u64)
        .read_to_end(&mut start)
        .map_err(file_error)?;
    if start.is_empty() {
        return Err(StoreError::Empty {
            path: path.to_path_buf(),
        });
    }
    if start != MAGIC {
        return Err(StoreError::Damaged {
            path: path.to_path_buf(),
            detail: "it does not begin as a ledger does".to_owned(),
        });
    }
    Ok(())
}

/// Makes a new ledger under another name and moves it into place whole, so that an empty or half
/// made file under the real name always means that something else happened to it.
fn create(path: &Path) -> Result<(), StoreError> {
    let journal = beside(path, "-wal");
    if journal.exists() {
        return Err(StoreError::Orphaned {
            path: path.to_path_buf(),
            journal,
        });
    }
    let fresh = beside(path, ".new");
    let file_error = |source| StoreError::File {
        path: fresh.clone(),
        source,
    };
    match std::fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(file_error(error)),
        _ => {}
    }
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&fresh)
        .map_err(file_error)?;
    // The umask may have taken bits away from the owner, too.
    file.set_permissions(Permissions::from_mode(0o600))
        .map_err(file_error)?;
    let mut connection = open(&fresh, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // So that space can be given back in steps; it must stand before the first table.
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL")
        .and_then(|()| schema::migrate(&mut connection))
        .map_err(while_doing("making a new ledger"))?;
    drop(connection);
    let folder = path.parent().unwrap_or(Path::new("/"));
    file.sync_all()
        .and_then(|()| std::fs::rename(&fresh, path))
        .and_then(|()| File::open(folder)?.sync_all())
        .map_err(file_error)
}

/// A connection to what is surely ours, and not newer than we are.
fn open(path: &Path, access: OpenFlags) -> Result<Connection, StoreError> {
    let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let (connection, id, version) = (|| {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        // Or nearly every statement would be prepared anew for each value that it is given.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        let id: i64 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
        let version = schema::version(&connection)?;
        Ok((connection, id, version))
    })()
    .map_err(|error: rusqlite::Error| sort(path, "opening")(Failure::Raw(error)))?;
    if id != schema::APPLICATION_ID && !(id == 0 && version == 0 && is_blank(&connection)) {
        return Err(StoreError::Foreign {
            path: path.to_path_buf(),
        });
    }
    if version > schema::newest() {
        return Err(StoreError::Newer {
            path: path.to_path_buf(),
            found: version,
            known: schema::newest(),
        });
    }
    Ok(connection)
}

/// Whether a database holds nothing at all: one that is being made.
fn is_blank(connection: &Connection) -> bool {
    connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| {
            row.get::<_, i64>(0)
        })
        .is_ok_and(|tables| tables == 0)
}

/// How the writing connection works: log, synced at every commit, keys kept.
fn pragmas(connection: &Connection) -> Result<(), Failure> {
    let mode: String =
        connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if mode != "wal" {
        return Err(Failure::Told(StoreError::Database {
            doing: "opening",
            detail: format!(
                "it cannot keep a write-ahead log here (journal mode {mode}); a network file system does not do"
            ),
        }));
    }
    connection.execute_batch(
        "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY;
         PRAGMA cache_size = -16384; PRAGMA journal_size_limit = 67108864;",
    )?;
    Ok(())
}

fn quick_check(path: &Path, connection: &Connection) -> Result<(), Failure> {
    let size = std::fs::metadata(path).map_or(0, |meta| meta.len());
    if size > CHECKED_AT_START {
        return Ok(());
    }
    let answer: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if answer == "ok" {
        return Ok(());
    }
    Err(Failure::Told(StoreError::Damaged {
        path: path.to_path_buf(),
        detail: answer,
    }))
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;

    #[test]
    fn a_statement_is_prepared_once_whatever_it_is_asked() {
        let folder = tempfile::TempDir::new().unwrap();
        let place = Place::take(&folder.path().join("ledger.db")).unwrap();
        let writing = place.open_checked().unwrap();
        for connection in [writing, read_only(place.path()).unwrap()] {
            for statement in [
                "SELECT seq FROM runs WHERE job = ?1 ORDER BY scheduled_at DESC LIMIT 1",
                "SELECT seq FROM runs WHERE status = ?1",
                "SELECT job FROM jobs WHERE job = ?1",
            ] {
                let mut statement = connection.prepare(statement).unwrap();
                for value in ["a", "b", "c"] {
                    assert!(!statement.exists([value]).unwrap());
                }
                assert_eq!(statement.get_status(StatementStatus::RePrepare), 0);
            }
        }
    }
}
