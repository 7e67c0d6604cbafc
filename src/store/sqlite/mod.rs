//! The ledger of one machine, in `SQLite`: write-ahead log, every commit synced.

mod account;
mod apply;
mod care;
mod cut_spans;
mod figures;
mod history;
mod open;
mod prune;
mod record;
mod recover;
mod remark;
mod rows;
mod runs;
mod schema;

pub use schema::newest as newest_ledger;
mod write_side;

use rusqlite::ErrorCode;

use super::StoreError;

pub(super) use account::audit;
pub(super) use care::{backup, check, vacuum};
pub(super) use figures::{last_ends, last_runs, statistics};
pub(super) use history::{append_output, attempts, kept_output, output, schedule_history};
pub(super) use open::{Place, read_only};
pub(super) use prune::PruneStep;
pub(super) use record::job_record;
pub(super) use recover::recover;
pub(super) use remark::Remark;
pub(super) use runs::{run, runs};
pub(super) use rusqlite::Connection;
pub(super) use write_side::{Committed, WriteSide};

/// Says what was being done when the database failed.
fn while_doing(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |error| StoreError::Database {
        doing,
        detail: error.to_string(),
    }
}

/// Whether the database says that its file makes no sense.
fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(
        error.sqlite_error_code(),
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
    )
}
