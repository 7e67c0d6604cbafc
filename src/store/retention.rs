//! How much history is kept.

use std::time::Duration;

/// The limits of history. What exceeds one of them goes oldest first; live runs stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// No row older than this.
    pub max_age: Duration,
    /// No more rows of a job than this, spans counted once.
    pub max_runs_per_job: u64,
    /// No more captured output than this, of all runs together. Removes output, never rows.
    pub max_output_bytes: u64,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            max_age: Duration::from_hours(90 * 24),
            max_runs_per_job: 10_000,
            max_output_bytes: 1 << 30,
        }
    }
}
