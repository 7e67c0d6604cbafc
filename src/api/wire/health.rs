//! Readiness.

use serde::Serialize;

use super::time::{Time, seconds};
use crate::daemon;

/// Whether the daemon does its work, and what keeps it from it.
#[derive(Debug, Serialize)]
pub struct Readiness {
    ready: bool,
    ticking: bool,
    last_tick_age_s: Option<f64>,
    draining: bool,
    store: Store,
}

#[derive(Debug, Serialize)]
struct Store {
    writable: bool,
    since: Time,
    /// What the last failure was; kept after recovery.
    last_error: Option<String>,
    /// Changes that wait to become durable.
    pending: usize,
    /// Changes that the database refused for good.
    refused: u64,
}

impl From<daemon::Readiness> for Readiness {
    fn from(found: daemon::Readiness) -> Self {
        Self {
            ready: found.is_ready(),
            ticking: found.ticking,
            last_tick_age_s: found.last_tick_age.map(seconds),
            draining: found.draining,
            store: Store {
                writable: found.store.writable,
                since: found.store.since.into(),
                last_error: found.store.last_error,
                pending: found.store.pending,
                refused: found.store.refused,
            },
        }
    }
}
