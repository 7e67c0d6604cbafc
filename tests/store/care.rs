//! Copies, checks and space given back, beside a daemon's ledger that goes on being written.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use punctual::job::{Status, Write};
use punctual::store::{Reader, Retention, RunFilter, StoreError, backup, check, vacuum};
use tempfile::TempDir;

use crate::home::{Home, refused, t, until};
use crate::rows::fire;

fn fires(from: i64, count: i64) -> Vec<Write> {
    let fires = (from..from + count).map(|n| fire("a", t(n), Status::Succeeded));
    fires.map(Write::Run).collect()
}

#[tokio::test]
async fn a_copy_is_the_ledger_of_one_moment() {
    let home = Home::new();
    home.write(fires(0, 500)).await;
    let folder = TempDir::new().unwrap();
    let copy = folder.path().join("copy.db");
    let (path, to) = (home.path(), copy.clone());
    let copying = tokio::task::spawn_blocking(move || backup(&path, &to));
    // Each of these is one commit of ten rows; the copy has all of it or nothing.
    for round in 0..50 {
        home.write(fires(1_000 + round * 10, 10)).await;
    }
    let bytes = copying.await.unwrap().unwrap();
    let meta = std::fs::metadata(&copy).unwrap();
    assert_eq!(meta.len(), bytes);
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    assert_eq!(check(&copy).unwrap().problems, [""; 0]);
    let reader = Reader::open(&copy).unwrap();
    let (mut rows, mut cursor) = (0, None);
    loop {
        let page = reader
            .runs(RunFilter::default(), cursor, 500)
            .await
            .unwrap();
        rows += page.items.len();
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert!((500..=1_000).contains(&rows) && rows % 10 == 0, "{rows}");
    // It can take the ledger's place.
    let (ledger, recovered) = punctual::store::Ledger::open(&copy, Retention::default()).unwrap();
    assert!(recovered.live.is_empty());
    drop(ledger);
}

#[tokio::test]
async fn a_copy_overwrites_nothing_and_leaves_no_half() {
    let home = Home::new();
    let folder = TempDir::new().unwrap();
    let there = folder.path().join("there");
    std::fs::write(&there, "precious").unwrap();
    assert!(matches!(
        backup(&home.path(), &there),
        Err(StoreError::File { .. })
    ));
    assert_eq!(std::fs::read_to_string(&there).unwrap(), "precious");
    let nowhere = folder.path().join("none/copy.db");
    assert!(matches!(
        backup(&home.path(), &nowhere),
        Err(StoreError::File { .. })
    ));
    let absent = folder.path().join("absent.db");
    let copy = folder.path().join("copy.db");
    assert!(matches!(
        backup(&absent, &copy),
        Err(StoreError::Absent { .. })
    ));
    assert!(!copy.exists() && !absent.exists());
}

#[tokio::test]
async fn a_damaged_ledger_is_told_and_not_copied() {
    let home = Home::new();
    home.write(fires(0, 2_000)).await;
    let path = home.path();
    home.vandalise(
        "PRAGMA writable_schema = ON; \
         UPDATE sqlite_schema SET rootpage = 3 WHERE name = 'outputs'",
    );
    let found = check(&path).unwrap().problems;
    assert!(!found.is_empty());
    let copy = path.with_extension("copy");
    assert!(backup(&path, &copy).is_err());
    assert!(!copy.exists());
}

#[tokio::test]
async fn space_is_given_back_beside_a_writing_ledger() {
    // Nothing is removed but by the statement below.
    let home = Home::with(Retention {
        max_runs_per_job: 1_000_000,
        ..Retention::default()
    });
    home.write(fires(0, 20_000)).await;
    home.vandalise("DELETE FROM runs WHERE scheduled_at % 10000000 <> 0");
    let path = home.path();
    let giving = tokio::task::spawn_blocking(move || {
        let mut heard = Vec::new();
        let sizes = vacuum(&path, &mut |done, all| heard.push((done, all)));
        (sizes.unwrap(), heard)
    });
    for round in 0..20 {
        home.write(fires(100_000 + round, 1)).await;
    }
    let (sizes, heard) = giving.await.unwrap();
    assert!(sizes.after < sizes.before / 2, "{sizes:?}");
    assert!(heard.len() > 2, "in steps: {heard:?}");
    let path = home.path();
    assert_eq!(check(&path).unwrap().problems, [""; 0]);
    assert_eq!(home.runs(RunFilter::default()).await.len(), 2_000 + 20);
}

/// Free pages between used ones, so that giving them back moves pages about: so many.
fn punch_holes(home: &Home, holes: u32) {
    home.vandalise(&format!(
        "CREATE TABLE filler (x); \
         WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {holes} * 2) \
         INSERT INTO filler SELECT zeroblob(4000) FROM n; \
         DELETE FROM filler WHERE rowid % 2 = 0; \
         PRAGMA wal_checkpoint(TRUNCATE)"
    ));
}

#[tokio::test]
async fn a_write_is_let_in_between_the_steps() {
    let home = Home::new();
    punch_holes(&home, 20_000);
    let steps = Arc::new(AtomicUsize::new(0));
    let (path, counted) = (home.path(), Arc::clone(&steps));
    let giving = tokio::task::spawn_blocking(move || {
        vacuum(&path, &mut |_, _| {
            counted.fetch_add(1, Ordering::SeqCst);
        })
    });
    until("the first step", || steps.load(Ordering::SeqCst) > 0).await;
    let (mut written, mut most) = (0, 0);
    while !giving.is_finished() {
        let before = steps.load(Ordering::SeqCst);
        home.write(fires(written, 1)).await;
        written += 1;
        most = most.max(steps.load(Ordering::SeqCst) - before);
    }
    let sizes = giving.await.unwrap().unwrap();
    let steps = steps.load(Ordering::SeqCst);
    assert!(steps > 60, "only {steps} steps");
    assert!(most <= 5, "{most} of {steps} steps went before one write");
    assert!(
        sizes.after - sizes.to_come < sizes.before * 2 / 3,
        "{sizes:?}"
    );
    let found = check(&home.path()).unwrap().problems;
    assert_eq!(found, [""; 0]);
}

#[tokio::test]
async fn space_that_a_reader_keeps_is_said_to_come() {
    let home = Home::new();
    punch_holes(&home, 200);
    let reading = rusqlite::Connection::open(home.path()).unwrap();
    reading
        .execute_batch("BEGIN; SELECT count(*) FROM filler")
        .unwrap();
    home.write(fires(0, 1)).await;
    let path = home.path();
    let given = tokio::task::spawn_blocking(move || vacuum(&path, &mut |_, _| {}));
    let kept = given.await.unwrap().unwrap();
    assert!(kept.to_come >= 200 * 4096, "{kept:?}");
    drop(reading);
    let free = vacuum(&home.path(), &mut |_, _| {}).unwrap();
    assert_eq!(free.to_come, 0, "{free:?}");
    assert_eq!(free.after, kept.after - kept.to_come);
}

#[tokio::test]
async fn a_ledger_of_old_is_written_anew_once_nobody_uses_it() {
    let home = Home::new();
    home.write(fires(0, 100)).await;
    let path = home.path();
    let folder = TempDir::new().unwrap();
    let old = folder.path().join("ledger.db");
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(&format!("VACUUM INTO '{}'", old.display()))
        .unwrap();
    let connection = rusqlite::Connection::open(&old).unwrap();
    connection
        .execute_batch("PRAGMA auto_vacuum = NONE; VACUUM; PRAGMA journal_mode = WAL")
        .unwrap();
    drop(connection);
    let (ledger, _) = punctual::store::Ledger::open(&old, Retention::default()).unwrap();
    let told = vacuum(&old, &mut |_, _| {}).unwrap_err().to_string();
    assert!(told.contains("stop the daemon"), "{told}");
    ledger
        .close(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    vacuum(&old, &mut |_, _| {}).unwrap();
    let (ledger, _) = punctual::store::Ledger::open(&old, Retention::default()).unwrap();
    vacuum(&old, &mut |_, _| {}).unwrap();
    assert!(matches!(refused(&old), StoreError::InUse { .. }));
    drop(ledger);
}
