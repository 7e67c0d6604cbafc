//! The only place that reads a clock or waits for one.
//!
//! Everything else takes `now` as an argument; a ban in `clippy.toml` enforces it.
#![allow(clippy::disallowed_methods, reason = "this is the one place")]

use std::time::Duration;

use jiff::Timestamp;

/// The longest single wait on the monotonic clock. A suspend stops that clock and a clock step does
/// not move it, so the wall clock is read again at least this often.
const SLICE: Duration = Duration::from_secs(1);

/// The wall clock, in whole microseconds (the ledger's resolution).
pub fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_microsecond(now.as_microsecond()).unwrap_or(now)
}

/// A reading of the monotonic clock, for measuring how long something took.
pub fn monotonic() -> std::time::Instant {
    std::time::Instant::now()
}

/// The kernel's monotonic clock in microseconds, as the service manager reads it.
pub fn monotonic_usec() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let usec = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
    u64::try_from(usec).unwrap_or_default()
}

/// The processor time that all threads of this process have taken.
pub fn processor_time() -> Duration {
    let taken = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(taken).unwrap_or_default()
}

/// Waits for a span of elapsed time (time-outs, pauses between tries), not for an instant.
pub async fn elapse(span: Duration) {
    tokio::time::sleep(span).await;
}

/// Holds this thread for a span, so that others get their turn. For commands alone: the daemon's
/// threads have work meanwhile.
pub fn hold(span: Duration) {
    std::thread::sleep(span);
}

/// Waits until the wall clock shows `instant`, and returns what it shows then.
///
/// Steps of the wall clock and suspends are noticed within a second, because no single wait is
/// longer than that.
pub async fn reach(instant: Timestamp) -> Timestamp {
    loop {
        let now = now();
        match Duration::try_from(instant.duration_since(now)) {
            Ok(left) if !left.is_zero() => tokio::time::sleep(left.min(SLICE)).await,
            // Zero or negative: the instant is here or behind.
            _ => return now,
        }
    }
}
