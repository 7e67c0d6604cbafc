//! Readiness.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::time::{Time, seconds};
use crate::{daemon, store};

/// The process lives.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Alive {
    /// True.
    pub alive: bool,
}

/// Whether the daemon does its work, and what keeps it from it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Readiness {
    ready: bool,
    ticking: bool,
    last_tick_age_s: Option<f64>,
    draining: bool,
    store: Store,
}

/// Whether the ledger can be written.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
pub struct Store {
    pub(crate) writable: bool,
    pub(crate) since: Time,
    /// What the last failure was; kept after recovery.
    pub(crate) last_error: Option<String>,
    /// Changes that wait to become durable.
    pub(crate) pending: usize,
    /// Changes that the database refused for good.
    pub(crate) refused: u64,
}

impl From<daemon::Readiness> for Readiness {
    fn from(found: daemon::Readiness) -> Self {
        Self {
            ready: found.is_ready(),
            ticking: found.ticking,
            last_tick_age_s: found.last_tick_age.map(seconds),
            draining: found.draining,
            store: found.store.into(),
        }
    }
}

impl From<store::Health> for Store {
    fn from(found: store::Health) -> Self {
        Self {
            writable: found.writable,
            since: found.since.into(),
            last_error: found.last_error,
            pending: found.pending,
            refused: found.refused,
        }
    }
}
