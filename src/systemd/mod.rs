//! What the service manager and the daemon tell each other: `sd_notify`, the watchdog, sockets that
//! were passed. Without a service manager nothing here does anything.
//!
//! The protocol is one datagram of `NAME=VALUE` lines, so it is spoken here: the small crates for it
//! take an abstract address (`@…`) for a path, and block when the manager does not read.
//!
//! What the manager passes in the environment (`NOTIFY_SOCKET`, `WATCHDOG_*`, `LISTEN_*`) is the
//! daemon's own; the runner keeps it from jobs.

mod address;
mod herald;
mod notify;
mod passed;
mod status;

pub use herald::{Herald, View};
pub use notify::ServiceManager;
pub use passed::{Passed, PassedError};
