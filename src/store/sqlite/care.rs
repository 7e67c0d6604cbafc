//! Care of a ledger, also while its daemon runs: a copy, a check, giving free space back.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;

use super::open::{Place, for_care, read_pages};
use super::{is_damage, while_doing};
use crate::clock;
use crate::store::{CheckReport, StoreError, Vacuumed};

/// The most and the fewest pages that one step gives back.
const STEP: std::ops::RangeInclusive<u32> = 8..=256;

/// About how long a step may take, in which the daemon's commits wait; and the shortest time between
/// two, in which they go on. Who waits for the lock looks for it now and then, so that a gap must have
/// some length to be found.
const TURN: Duration = Duration::from_millis(20);

/// How long a daemon's commits and readers may keep the log from going into the file altogether before
/// that is left to them.
const CHECKPOINT: Duration = Duration::from_secs(3);

/// What `PRAGMA auto_vacuum` says of a database that gives back its free pages step by step.
const INCREMENTAL: i64 = 2;

/// Writes the ledger as it is at this moment into a new file that only its owner may read, and looks
/// whether that is sound. Returns its size in bytes.
pub(in crate::store) fn backup(path: &Path, copy: &Path) -> Result<u64, StoreError> {
    let source = read_pages(path)?;
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
    let connection = read_pages(path)?;
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
    let mut pages = *STEP.start();
    loop {
        let left = u64::try_from(pragma("freelist_count")?).unwrap_or(0);
        progress(free.saturating_sub(left), free);
        if left == 0 {
            break;
        }
        let begun = clock::monotonic();
        let given = give_back(&connection, pages).map_err(while_doing("giving space back"))?;
        if given == 0 {
            break;
        }
        let took = begun.elapsed();
        pages = next_step(pages, took);
        clock::hold(took.max(TURN));
    }
    put_log_away(&connection)?;
    let after = size(path)?;
    let whole = pragma("page_count")?.saturating_mul(pragma("page_size")?);
    Ok(Vacuumed {
        before,
        after,
        to_come: after.saturating_sub(u64::try_from(whole).unwrap_or(after)),
    })
}

/// Gives back so many free pages in one commit; says how many there were.
fn give_back(connection: &Connection, pages: u32) -> rusqlite::Result<u32> {
    let mut step = connection.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
    let mut rows = step.query([])?;
    let mut given = 0;
    // It gives back a page for each row that is asked for, and none that is not.
    while rows.next()?.is_some() {
        given += 1;
    }
    Ok(given)
}

/// How many pages the next step takes, when one of so many took so long.
fn next_step(pages: u32, took: Duration) -> u32 {
    let next = if took > TURN {
        pages / 2
    } else if took < TURN / 4 {
        pages * 2
    } else {
        pages
    };
    next.clamp(*STEP.start(), *STEP.end())
}

/// The file itself shrinks when all that was written ahead has gone into it. Nobody is made to wait for
/// that, so it takes a moment in which nobody reads what the ledger was before.
fn put_log_away(connection: &Connection) -> Result<(), StoreError> {
    let begun = clock::monotonic();
    loop {
        let (frames, gone): (i64, i64) = connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |row| {
                Ok((row.get(1)?, row.get(2)?))
            })
            .map_err(while_doing("giving space back"))?;
        if gone >= frames || begun.elapsed() > CHECKPOINT {
            return Ok(());
        }
        clock::hold(TURN);
    }
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
        to_come: 0,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_is_as_long_as_it_may_take() {
        let millis = Duration::from_millis;
        assert_eq!(next_step(8, millis(1)), 16);
        assert_eq!(next_step(256, millis(1)), 256);
        assert_eq!(next_step(256, millis(15)), 256);
        assert_eq!(next_step(256, millis(21)), 128);
        assert_eq!(next_step(8, millis(900)), 8);
    }
}
