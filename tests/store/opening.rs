//! Whose a ledger is, who may read it, and when it is refused.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use punctual::job::{Figures, Status, Write};
use punctual::runner::CapturedOutput;
use punctual::store::{
    AuditScope, Ledger, Reader, Retention, RunFilter, StoreError, Watch, backup, check,
    newest_ledger, vacuum,
};
use tempfile::TempDir;

use crate::home::{Home, child_folder, in_child, refused, t, vandalise};
use crate::rows::fire;

/// A closed ledger with some rows, in one file.
async fn closed() -> TempDir {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.db");
    let (ledger, _) = Ledger::open(&path, Retention::default()).unwrap();
    let rows = (0..2_000).map(|n| Write::Run(fire("a", t(n), Status::Succeeded)));
    let batch = punctual::store::Batch::now(rows.collect());
    ledger.submit(batch).await.unwrap();
    ledger
        .close(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    folder
}

#[tokio::test]
async fn a_second_daemon_is_refused_and_may_come_when_the_first_has_gone() {
    let home = Home::new();
    let path = home.path();
    assert!(matches!(refused(&path), StoreError::InUse { .. }));
    let aside = path.with_file_name("other-name.db");
    std::os::unix::fs::symlink(&path, &aside).unwrap();
    let sentence = refused(&aside).to_string();
    assert!(
        sentence.starts_with("another daemon uses the ledger"),
        "{sentence}"
    );
    drop(home.reopen().await);
}

#[tokio::test]
async fn a_damaged_ledger_is_refused_and_left_as_it_is() {
    let folder = closed().await;
    let path = folder.path().join("ledger.db");
    let sound = std::fs::read(&path).unwrap();
    assert!(sound.len() > 100_000 && !path.with_extension("db-wal").exists());
    let mut zeroed = sound.clone();
    zeroed[..100].fill(0);
    let mut torn_header = sound.clone();
    torn_header[16..100].fill(0xff);
    let mut torn_inside = sound.clone();
    torn_inside[40_960..61_440].fill(0x5a);
    let half = sound[..sound.len() / 2].to_vec();
    let cases = [
        ("zeroed header", zeroed),
        ("garbage in the header", torn_header),
        ("garbage inside", torn_inside),
        ("garbage", b"not a ledger at all ".repeat(5_000)),
        ("cut to a half", half),
        ("cut within a page", sound[..sound.len() - 1_000].to_vec()),
        ("cut to a word", sound[..10].to_vec()),
        ("cut to nothing", Vec::new()),
    ];
    for (what, bytes) in cases {
        std::fs::write(&path, &bytes).unwrap();
        let error = refused(&path);
        let told = matches!(error, StoreError::Damaged { .. } | StoreError::Empty { .. });
        assert!(told, "{what}: {error:?}");
        assert!(
            error.to_string().contains("restore it from a backup"),
            "{error}"
        );
        assert!(error.to_string().contains("ledger.db"), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{what}: untouched");
    }
    std::fs::write(&path, sound).unwrap();
    Ledger::open(&path, Retention::default()).unwrap();
}

#[tokio::test]
async fn a_ledger_of_the_future_or_of_another_program_is_refused() {
    let folder = closed().await;
    let path = folder.path().join("ledger.db");
    vandalise(&path, "PRAGMA user_version = 900");
    let error = refused(&path);
    assert!(
        matches!(error, StoreError::Newer { found: 900, .. }),
        "{error:?}"
    );
    assert!(
        error.to_string().contains("run the newer punctual"),
        "{error}"
    );

    let other = folder.path().join("other.db");
    vandalise(&other, "CREATE TABLE mine (x)");
    assert!(matches!(refused(&other), StoreError::Foreign { .. }));
    let blank = folder.path().join("blank.db");
    vandalise(
        &blank,
        "PRAGMA application_id = 5; CREATE TABLE x (y); DROP TABLE x",
    );
    assert!(matches!(refused(&blank), StoreError::Foreign { .. }));
}

#[tokio::test]
async fn a_log_without_its_ledger_is_refused() {
    let home = Home::new();
    home.write(vec![Write::SchedulerPaused(true)]).await;
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.db");
    let log = folder.path().join("ledger.db-wal");
    std::fs::copy(home.path().with_extension("db-wal"), &log).unwrap();
    assert!(matches!(refused(&path), StoreError::Orphaned { .. }));
    assert!(!path.exists() && log.exists());
}

#[test]
fn what_cannot_be_made_is_said() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let beneath = refused(&file.join("ledger.db"));
    assert!(matches!(beneath, StoreError::Folder { .. }), "{beneath:?}");
    let at_folder = refused(folder.path());
    assert!(
        matches!(at_folder, StoreError::NotAFile { .. }),
        "{at_folder:?}"
    );
    let absent = Reader::open(&folder.path().join("none.db")).unwrap_err();
    assert!(matches!(absent, StoreError::Absent { .. }), "{absent:?}");
}

#[tokio::test]
async fn a_ledger_can_be_read_with_and_without_its_daemon() {
    let folder = closed().await;
    let reader = Reader::open(&folder.path().join("ledger.db")).unwrap();
    let page = reader.runs(RunFilter::default(), None, 9).await.unwrap();
    assert_eq!(page.items.len(), 9);
    assert_eq!(
        check(&folder.path().join("ledger.db")).unwrap().problems,
        [""; 0]
    );

    let home = Home::new();
    home.write(vec![Write::Run(fire("a", t(1), Status::Lost))])
        .await;
    let reader = Reader::open(&home.path()).unwrap();
    assert_eq!(
        reader
            .runs(RunFilter::default(), None, 9)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let killed = home.killed(0);
    let path = killed.path();
    killed
        .ledger
        .close(std::time::Duration::from_mins(1))
        .await
        .unwrap();
    assert_eq!(check(&path).unwrap().problems, [""; 0]);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn its_files_are_for_the_owner_alone_whatever_the_umask() {
    for umask in ["0000", "0022", "0077"] {
        let folder = TempDir::new().unwrap();
        let shell = format!("umask {umask}");
        let done = in_child(
            "opening::child_keeps_its_files_to_itself",
            &shell,
            folder.path(),
        );
        let text = String::from_utf8_lossy(&done.stdout);
        assert!(done.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[tokio::test]
#[ignore = "run by its parent"]
async fn child_keeps_its_files_to_itself() {
    let folder = child_folder().join("state/punctual");
    let path = folder.join("ledger.db");
    let (ledger, _) = Ledger::open(&path, Retention::default()).unwrap();
    let reader = ledger.reader();
    reader.runs(RunFilter::default(), None, 1).await.unwrap();
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(folder.parent().unwrap()), 0o700);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(mode(&entry.path()), 0o600, "{:?}", entry.path());
        names.push(entry.file_name().into_string().unwrap());
    }
    names.sort();
    let all = [
        "ledger.db",
        "ledger.db-shm",
        "ledger.db-wal",
        "ledger.db.lock",
    ];
    assert_eq!(names, all);
}

/// What the first format of the ledger looked like, as it was released.
const FORMAT_1: &str = include_str!("../../src/store/sqlite/migrations/0001_ledger.sql");

#[tokio::test]
async fn a_ledger_of_the_first_format_is_brought_up_to_date_with_all_that_is_in_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("ledger.db");
    let written = "
        INSERT INTO jobs VALUES ('a', 9000000, 0, NULL, 1, 5, NULL, 'tired', 'ann');
        INSERT INTO schedules VALUES ('a', 0, NULL,
            '{\"rule\":{\"every\":{\"secs\":5,\"nanos\":0}},\"timezone\":\"UTC\",\"start\":null,\"end\":null}');
        INSERT INTO runs VALUES (1, '00000000-0000-8000-8000-000000000001', 'a', 'queued', 'manual',
            5000000, NULL, NULL, 5000000, 5000000, NULL, NULL, 0, NULL, NULL, NULL, '{}', 'n', 'ann', 0);
        INSERT INTO attempts VALUES ('00000000-0000-8000-8000-000000000001', 1, 'failed', 5000000, 6000000,
            77, 1, NULL, NULL);";
    vandalise(
        &path,
        &format!(
            "{FORMAT_1}{written} PRAGMA application_id = 0x70756e63; PRAGMA user_version = 1;"
        ),
    );
    let (ledger, recovered) = Ledger::open(&path, Retention::default()).unwrap();
    let flags = &recovered.flags["a"];
    assert_eq!(flags.pause_reason.as_deref(), Some("tired"));
    assert!(flags.seen.is_empty() && flags.backlog.is_empty());
    let (since, spec) = &recovered.schedules["a"];
    assert_eq!(
        (*since, spec.exclude.len()),
        (jiff::Timestamp::UNIX_EPOCH, 0)
    );
    assert_eq!(
        (recovered.live.len(), recovered.live[0].retry_at),
        (1, None)
    );
    let attempts = ledger.reader().attempts(recovered.live[0].id).await;
    let attempts = attempts.unwrap();
    assert_eq!(
        (attempts[0].exit_code, attempts[0].figures),
        (Some(1), Figures::default())
    );
    drop(ledger);
}

/// The ledgers of earlier versions, by format: text that tests/fixtures/ledgers/make.py wrote once.
fn ledger_of_format(format: i64, path: &Path) {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/ledgers");
    let file = fixtures.join(format!("format-{format}.sql"));
    let text = std::fs::read_to_string(&file)
        .unwrap_or_else(|error| panic!("{}: {error}; see CONTRIBUTING.md", file.display()));
    vandalise(path, &text);
}

/// Every value of every row of every table: of these columns alone, if any are given.
fn all_rows(
    path: &Path,
    columns: Option<&BTreeMap<String, Vec<String>>>,
) -> (BTreeMap<String, Vec<String>>, Vec<String>) {
    let connection = rusqlite::Connection::open(path).unwrap();
    let names = |sql: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).unwrap();
        let names = statement.query_map([], |row| row.get(0)).unwrap();
        names.map(Result::unwrap).collect()
    };
    let columns = columns.cloned().unwrap_or_else(|| {
        let tables = names("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name");
        let columns = tables.into_iter().map(|table| {
            let columns = names(&format!("SELECT name FROM pragma_table_info('{table}')"));
            (table, columns)
        });
        columns.collect()
    });
    let mut rows = Vec::new();
    for (table, columns) in &columns {
        let values = columns.iter().map(|column| format!("quote({column})"));
        let values = values.collect::<Vec<_>>().join(" || ' ' || ");
        rows.extend(names(&format!(
            "SELECT '{table} ' || {values} FROM {table} ORDER BY 1"
        )));
    }
    (columns, rows)
}

#[tokio::test]
async fn a_ledger_of_each_format_there_was_opens_with_all_its_rows() {
    for format in 1..=newest_ledger() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("ledger.db");
        ledger_of_format(format, &path);
        let (columns, before) = all_rows(&path, None);
        assert!(before.len() > 30, "{format}: {before:?}");

        // Its care needs no daemon of this version first.
        let copy = folder.path().join("copy.db");
        assert_eq!(check(&path).unwrap().problems, [""; 0], "{format}");
        backup(&path, &copy).unwrap();
        vacuum(&path, &mut |_, _| {}).unwrap();
        assert_eq!(all_rows(&copy, None), (columns.clone(), before.clone()));

        let (ledger, recovered) = Ledger::open(&path, Retention::default()).unwrap();
        let reader = ledger.reader();
        let listed = reader.runs(RunFilter::default(), None, 99).await.unwrap();
        let mut runs = listed.items;
        for &status in Status::ALL {
            let filter = RunFilter {
                status: Some(status),
                ..RunFilter::default()
            };
            let page = reader.runs(filter, None, 99).await.unwrap();
            assert!(!page.items.is_empty(), "{format}: no run is {status}");
            runs.extend(page.items);
        }
        runs.sort_by_key(|run| run.id);
        runs.dedup_by_key(|run| run.id);
        assert_eq!(runs.len(), 13, "{format}");
        let mut printed = 0;
        for run in &runs {
            for attempt in reader.attempts(run.id).await.unwrap() {
                let figures = attempt.finished_at.is_some() && format >= 4;
                assert_eq!(attempt.figures.cpu_usec.is_some(), figures, "{format}");
                let kept = reader.output(run.id, Some(attempt.number)).await.unwrap();
                if let Some(kept) = kept {
                    CapturedOutput::from_parts(kept.bytes, &kept.segments).unwrap();
                    printed += 1;
                }
            }
        }
        assert_eq!(printed, 3, "{format}");

        assert!(recovered.scheduler_paused);
        let live: Vec<Status> = recovered.live.iter().map(|run| run.status).collect();
        // What a shutdown left is for the next life to decide, too.
        assert_eq!(live.len(), 4, "{format}: {live:?}");
        let report = &recovered.flags["report"];
        assert_eq!(report.pause_reason.as_deref(), Some("the printer's away"));
        let seen = recovered.flags["sync"].seen.len();
        assert_eq!(seen, usize::from(format >= 2), "{format}");
        assert_eq!(recovered.schedules.len(), 2, "{format}");
        let history = reader.schedule_history(crate::home::name("report")).await;
        assert_eq!(history.unwrap().len(), 2, "{format}");

        let scope = AuditScope {
            job: None,
            since: None,
            now: "2026-05-28T23:00:00Z".parse().unwrap(),
            watch: Watch::Down,
        };
        let audit = reader.audit(scope).await.unwrap();
        assert!(audit.is_clean(), "{format}: {:?}", audit.problems);
        assert_eq!((audit.jobs_checked, audit.instants_checked), (2, 14));

        drop(reader);
        ledger
            .close(std::time::Duration::from_mins(1))
            .await
            .unwrap();
        let (_, after) = all_rows(&path, Some(&columns));
        assert_eq!(after, before, "{format}: rows are as they were");
        let connection = rusqlite::Connection::open(&path).unwrap();
        let now: i64 = connection
            .pragma_query_value(None, "user_version", |row| row.get(0))
            .unwrap();
        assert_eq!(now, newest_ledger());
        assert_eq!(check(&path).unwrap().problems, [""; 0]);
    }
}

#[tokio::test]
async fn what_a_job_remembers_and_waits_for_survives() {
    let home = Home::new();
    let mut memory = crate::rows::flags("a", t(100));
    let upstream = fire("b", t(90), Status::Succeeded);
    memory
        .seen
        .insert(upstream.job.clone(), (upstream.id, t(91)));
    memory.backlog = vec![(t(20), t(40)), (t(70), t(80))];
    let mut waiting = fire("a", t(95), Status::Queued);
    waiting.attempts = 1;
    waiting.retry_at = Some(t(105));
    home.write(vec![
        Write::Job(memory.clone()),
        Write::Run(waiting.clone()),
    ])
    .await;
    let home = home.reopen().await;
    assert_eq!(home.recovered.flags["a"], memory);
    assert_eq!(home.recovered.live, [waiting]);
}
