//! The form of the database and how an older one becomes the present one.

use rusqlite::{Connection, TransactionBehavior};

/// `punc`: tells a ledger from the databases of other programs.
pub(super) const APPLICATION_ID: i64 = 0x7075_6e63;

/// One script a version, in order; a script is never changed once released.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_ledger.sql"),
    include_str!("migrations/0002_policies.sql"),
    include_str!("migrations/0003_http_status.sql"),
    include_str!("migrations/0004_figures.sql"),
];

/// The newest format of a ledger that this version opens, and makes of older ones.
pub fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).expect("a handful of scripts")
}

/// The format of a database: 0 before the first script.
pub(super) fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Brings a database to the newest format, each step whole or not at all.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let from = version(connection)?;
    for (format, script) in (1..).zip(MIGRATIONS).filter(|&(format, _)| format > from) {
        let step = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        step.execute_batch(script)?;
        step.pragma_update(None, "application_id", APPLICATION_ID)?;
        step.pragma_update(None, "user_version", format)?;
        step.commit()?;
    }
    Ok(())
}
