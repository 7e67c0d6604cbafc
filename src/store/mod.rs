//! KEEPS: the ledger, and the only SQL.
//!
//! [`Ledger`] takes changes and makes them durable in groups; [`Reader`] answers questions. Both
//! speak in the values of [`crate::job`] and know nothing of the database behind them, which
//! lives in `sqlite/`.

mod audit;
mod batch;
mod care;
mod error;
mod health;
mod lately;
mod ledger;
mod query;
mod reader;
mod retention;
mod sqlite;
mod walk;
mod writer;

pub use audit::{Account, AuditReport, AuditScope, Problem, ProblemKind, Watch};
pub use batch::{Acked, Batch, Closed, Done, KeptOutput, NotTaken, StoredOutput, Urgency};
pub use care::{Vacuumed, backup, check, vacuum};
pub use error::StoreError;
pub use health::Health;
pub use ledger::{Ledger, Recovered};
pub use query::{
    CheckReport, Cursor, CursorError, JobRecord, JobStatistics, Jobs, LastEnds, LastRuns, Page,
    RunFilter, Spread, Stretch,
};
pub use reader::Reader;
pub use retention::Retention;
pub use sqlite::newest_ledger;
