//! Care of a ledger, also while its daemon runs: a copy, a check, giving free space back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::open::{Place, for_care, read_only};
use super::{is_damage, while_doing};
use crate::store::{CheckReport, StoreError, Vacuumed};

/// How many pages one step gives back: some milliseconds in which the daemon's commits wait.
const STEP: u32 = 256;

/// What `PRAGMA auto_vacuum` says of a database that gives back its free pages step by step.
const INCREMENTAL: i64 = 2;

/// Writes the ledger as it is at this moment into a new file that only its owner may read, and looks
/// whether that is sound. Returns its size in bytes.
pub(in crate::store) fn backup(path: &Path, copy: &Path) -> Result<u64, StoreError> {
    let source = read_only(path)?;
    let file_error = |source| StoreError::File {
        path: copy.to_path_buf(),
        source,
    };
    let mut options = OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(copy);
    let file = file.map_err(file_error)?;
    let written = write_copy(&source, copy, &file);
    if written.is_err() {
        // Half a copy is none. If it cannot be removed either, the first error tells more.
        let _ = std::fs::remove_file(copy);
    }
    written
}

fn write_copy(source: &Connection, copy: &Path, file: &File) -> Result<u64, StoreError> {
    let file_error = |source| StoreError::File {
        path: copy.to_path_buf(),
        source,
    };
    let name = copy
        .to_str()
        .ok_or_else(|| file_error(io::Error::other("the name is not UTF-8; choose another")))?;
    source
        .execute_batch("PRAGMA query_only = OFF")
        .and_then(|()| source.execute("VACUUM INTO ?1", [name]))
        .map_err(while_doing("copying it"))?;
    let found = check(copy)?;
    if let Some(problem) = found.problems.into_iter().next() {
        return Err(StoreError::Damaged {
            path: copy.to_path_buf(),
            detail: problem,
        });
    }
    let folder = copy.parent().filter(|folder| *folder != Path::new(""));
    let folder = folder.unwrap_or(Path::new("."));
    file.sync_all()
        .and_then(|()| File::open(folder)?.sync_all())
        .and_then(|()| file.metadata())
        .map(|meta| meta.len())
        .map_err(file_error)
}

/// Reads every page of a ledger and says what is wrong.
pub(in crate::store) fn check(path: &Path) -> Result<CheckReport, StoreError> {
    let connection = read_only(path)?;
    match problems(&connection) {
        Ok(problems) => Ok(CheckReport { problems }),
        Err(error) if is_damage(&error) => Ok(CheckReport {
            problems: vec![error.to_string()],
        }),
        Err(error) => Err(while_doing("checking it")(error)),
    }
}

fn problems(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut problems: Vec<String> = connection
        .prepare("PRAGMA integrity_check(100)")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    problems.retain(|line| line != "ok");
    let dangling: Vec<String> = connection
        .prepare("PRAGMA foreign_key_check")?
        .query_map([], |row| {
            let (child, parent): (String, String) = (row.get(0)?, row.get(2)?);
            Ok(format!("a row of {child} belongs to none of {parent}"))
        })?
        .take(100)
        .collect::<rusqlite::Result<_>>()?;
    problems.extend(dangling);
    Ok(problems)
}

/// Gives the space of removed rows back to the file system. Beside a daemon it does so in steps, which
/// its commits come in between; `progress` hears how many pages of how many are done.
pub(in crate::store) fn vacuum(
    path: &Path,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Vacuumed, StoreError> {
    let before = size(path)?;
    let connection = for_care(path)?;
    let pragma = |name| -> Result<i64, StoreError> {
        connection
            .pragma_query_value(None, name, |row| row.get(0))
            .map_err(while_doing("looking at it"))
    };
    if pragma("auto_vacuum")? != INCREMENTAL {
        drop(connection);
        return whole(path, before);
    }
    let free = u64::try_from(pragma("freelist_count")?).unwrap_or(0);
    loop {
        let left = u64::try_from(pragma("freelist_count")?).unwrap_or(0);
        progress(free.saturating_sub(left), free);
        if left == 0 {
            break;
        }
        // The pragma gives back a page for each row that is asked for.
        connection
            .prepare(&format!("PRAGMA incremental_vacuum({STEP})"))
            .and_then(|mut step| step.query([])?.next().map(|_| ()))
            .map_err(while_doing("giving space back"))?;
        if u64::try_from(pragma("freelist_count")?).unwrap_or(0) >= left {
            break;
        }
    }
    // The file itself shrinks when what was written ahead goes into it.
    connection
        .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
        .map_err(while_doing("giving space back"))?;
    Ok(Vacuumed {
        before,
        after: size(path)?,
    })
}

/// Writes a ledger anew that was made before space could be given back in steps. Nobody may use it
/// meanwhile.
fn whole(path: &Path, before: u64) -> Result<Vacuumed, StoreError> {
    let place = Place::take(path).map_err(|error| match error {
        StoreError::InUse { .. } => StoreError::Database {
            doing: "writing it anew",
            detail:
                "it is of a version that did not give space back in steps, and a daemon uses it; \
                     stop the daemon for this once"
                    .to_owned(),
        },
        other => other,
    })?;
    let connection = for_care(place.path())?;
    connection
        .execute_batch("PRAGMA auto_vacuum = INCREMENTAL; VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")
        .map_err(while_doing("writing it anew"))?;
    Ok(Vacuumed {
        before,
        after: size(path)?,
    })
}

fn size(path: &Path) -> Result<u64, StoreError> {
    let meta = std::fs::metadata(path).map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => StoreError::Absent {
            path: path.to_path_buf(),
        },
        _ => StoreError::File {
            path: path.to_path_buf(),
            source,
        },
    })?;
    Ok(meta.len())
}
